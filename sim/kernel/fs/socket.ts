/**
 * Sockets within the machine: AF_UNIX and AF_INET on the loopback, as streams, datagrams and
 * sequenced packets. Streams are a pipe each way; messages are queued whole. Open files travel
 * with the bytes they were sent with (SCM_RIGHTS).
 */
import {
  EAGAIN,
  ECONNREFUSED,
  EDESTADDRREQ,
  EINVAL,
  EISCONN,
  EMSGSIZE,
  ENETUNREACH,
  ENOTCONN,
  ENOTTY,
  EOPNOTSUPP,
  EPIPE,
  EPROTOTYPE,
} from "../errno.ts";
import { WaitQueue } from "../wait_queue.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
} from "./constants.ts";
import type { Location } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import { FIONREAD } from "./ioctl.ts";
import type { Network } from "./network.ts";
import { OpenFile, type UserMemory } from "./open_file.ts";
import { Pipe } from "./pipe.ts";
import {
  AF_INET,
  AF_UNIX,
  INADDR_LOOPBACK,
  isLocal,
  type SocketAddress,
  UNNAMED,
} from "./socket_address.ts";

export type SocketKind = "stream" | "datagram" | "packet";

/** Process that a peer belongs to (SO_PEERCRED, SCM_CREDENTIALS). */
export interface PeerIdentity {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface Message {
  readonly bytes: Uint8Array;
  readonly from: SocketAddress;
  readonly files: readonly OpenFile[];
  readonly sender: PeerIdentity;
}

/** What a receive got. `total` is the message's whole length; more than `count` was cut off. */
export interface Received {
  readonly count: number;
  readonly total: number;
  readonly from: SocketAddress | null;
  readonly files: readonly OpenFile[];
  readonly sender: PeerIdentity | null;
}

/** Bytes a receiver holds before senders wait (net.core.wmem_default). */
const BUFFER = 212992;
const MAX_DATAGRAM = 65507;
/** Longest backlog (net.core.somaxconn). */
const SOMAXCONN = 4096;

const EMPTY: Received = { count: 0, total: 0, from: null, files: [], sender: null };

/** Files sent along a stream, with the bytes `[start, end)`. */
interface Attached {
  readonly start: number;
  readonly end: number;
  readonly files: readonly OpenFile[];
}

export class Socket extends OpenFile {
  local: SocketAddress | null = null;
  remote: SocketAddress | null = null;
  peer: Socket | null = null;
  /** Who is at the other end, when it connected. */
  peerIdentity: PeerIdentity | null = null;
  /** Connections not yet accepted; null while not listening. */
  backlog: Socket[] | null = null;
  #backlogLimit = 0;
  /** Bytes sent to a stream socket. */
  readonly inbox: Pipe = new Pipe();
  /** Messages sent to any other socket. */
  #messages: Message[] = [];
  #held = 0;
  #attached: Attached[] = [];
  #sent = 0;
  #taken = 0;
  readonly arrived: WaitQueue = new WaitQueue("socket read");
  readonly drained: WaitQueue = new WaitQueue("socket write");
  /** Its last descriptor is gone; a datagram socket may still be somebody's destination. */
  gone = false;
  shutRead = false;
  shutWrite = false;
  /** Options a program has set, by `level:name`: what it reads back. */
  readonly options: Map<string, number> = new Map();
  /** Nanoseconds that receiving (accepting) and sending (connecting) wait at most; 0: for ever. */
  receiveTimeout = 0;
  sendTimeout = 0;
  /** Removes the name of an AF_UNIX socket file's binding. */
  unbind: (() => void) | null = null;

  constructor(
    inode: Inode,
    location: Location,
    flags: number,
    readonly network: Network,
    readonly family: typeof AF_UNIX | typeof AF_INET,
    readonly kind: SocketKind,
    readonly identity: PeerIdentity,
  ) {
    super(inode, location, flags);
    this.inbox.resize(262144);
  }

  /** Name space of its addresses. */
  get protocol(): string {
    return this.family === AF_UNIX ? "unix" : this.kind === "stream" ? "tcp" : "udp";
  }
  get connectionless(): boolean {
    return this.kind === "datagram";
  }
  get listening(): boolean {
    return this.backlog !== null;
  }

  /** Join two sockets. */
  static connectPair(a: Socket, b: Socket): void {
    a.#join(b);
    b.#join(a);
  }

  #join(peer: Socket): void {
    this.peer = peer;
    this.peerIdentity = peer.identity;
    this.remote = peer.local ?? (this.family === AF_UNIX ? UNNAMED : null);
    this.inbox.readers = 1;
    this.inbox.writers = 1;
  }

  /** Bind to a port or an abstract name; names in the file system are the caller's work. */
  bind(address: SocketAddress): number {
    if (this.local !== null) return -EINVAL;
    const bound = this.network.bind(this.protocol, address, this);
    if (typeof bound === "number") return bound;
    this.local = bound;
    return 0;
  }

  listen(backlog: number): number {
    if (this.connectionless) return -EOPNOTSUPP;
    if (this.peer !== null) return -EINVAL;
    if (this.local === null) {
      if (this.family === AF_UNIX) return -EINVAL;
      const error = this.bind({ family: AF_INET, host: 0, port: 0 });
      if (error < 0) return error;
    }
    this.backlog ??= [];
    this.#backlogLimit = Math.min(backlog >>> 0, SOMAXCONN);
    return 0;
  }

  /** Connect to `target`, found by the caller; -EAGAIN while its backlog is full. */
  connect(
    target: Socket | undefined,
    address: SocketAddress,
    makePeer: (listener: Socket) => Socket,
  ): number {
    if (this.connectionless) return this.#connectDatagram(target, address);
    if (this.listening) return -EINVAL;
    if (this.peer !== null || this.remote !== null) return -EISCONN;
    if (address.family === AF_INET && !isLocal(address.host)) return -ENETUNREACH;
    if (target === undefined || target.backlog === null) return -ECONNREFUSED;
    if (target.kind !== this.kind) return -EPROTOTYPE;
    if (target.backlog.length > target.#backlogLimit) return -EAGAIN;
    if (this.local === null && this.family === AF_INET) {
      const error = this.bind({ family: AF_INET, host: INADDR_LOOPBACK, port: 0 });
      if (error < 0) return error;
    }
    const server = makePeer(target);
    server.local = withHost(target.local!, address);
    Socket.connectPair(this, server);
    this.remote = server.local;
    server.remote = this.local ?? UNNAMED;
    target.backlog.push(server.retain());
    target.arrived.wake();
    return 0;
  }

  #connectDatagram(target: Socket | undefined, address: SocketAddress): number {
    if (address.family === AF_INET && !isLocal(address.host)) return -ENETUNREACH;
    if (address.family === AF_UNIX && target === undefined) return -ECONNREFUSED;
    if (target !== undefined && target.kind !== this.kind) return -EPROTOTYPE;
    const error = this.#autobind();
    if (error < 0) return error;
    this.peer = target ?? null;
    this.remote = address;
    return 0;
  }

  /** A datagram socket that sends gets a port. */
  #autobind(): number {
    if (this.local !== null || this.family !== AF_INET) return 0;
    return this.bind({ family: AF_INET, host: 0, port: 0 });
  }

  /** The next connection: its socket (the caller owns its reference), or -EAGAIN, -EINVAL. */
  accept(): Socket | number {
    if (this.connectionless) return -EOPNOTSUPP;
    if (this.backlog === null) return -EINVAL;
    const next = this.backlog.shift();
    if (next === undefined) return -EAGAIN;
    this.drained.wake();
    return next;
  }

  /**
   * Send to the peer, or to `target` at `address`. The bytes taken; -EAGAIN when there is no room,
   * -EPIPE when nobody can receive any more. The socket keeps references to `files`.
   */
  send(
    bytes: Uint8Array,
    files: readonly OpenFile[],
    target: Socket | undefined,
    address: SocketAddress | null,
  ): number {
    if (this.shutWrite) return -EPIPE;
    if (this.kind === "stream") return this.#sendStream(bytes, files);
    let to = this.peer;
    if (address !== null) {
      if (!this.connectionless) return -EISCONN;
      if (address.family === AF_INET && !isLocal(address.host)) return -ENETUNREACH;
      to = target ?? null;
      if (to === null && this.family === AF_UNIX) return -ECONNREFUSED;
    } else if (this.remote === null && to === null) {
      return this.connectionless && this.family === AF_INET ? -EDESTADDRREQ : -ENOTCONN;
    }
    if (bytes.length > (this.family === AF_INET ? MAX_DATAGRAM : BUFFER)) return -EMSGSIZE;
    const error = this.#autobind();
    if (error < 0) return error;
    // A datagram to a port nobody has is lost.
    if (to === null || to.gone) return this.family === AF_INET ? bytes.length : -ECONNREFUSED;
    if (to.shutRead) return -EPIPE;
    if (this.kind === "packet" && to.peer === null) return -EPIPE;
    if (to.#held > 0 && to.#held + bytes.length > BUFFER) return -EAGAIN;
    to.#messages.push({
      bytes: bytes.slice(),
      from: this.#sourceAddress(),
      files: files.map((file) => file.retain()),
      sender: this.identity,
    });
    to.#held += bytes.length;
    to.arrived.wake();
    return bytes.length;
  }

  #sourceAddress(): SocketAddress {
    const { local } = this;
    if (local === null) return UNNAMED;
    return local.family === AF_INET && local.host === 0
      ? { ...local, host: INADDR_LOOPBACK }
      : local;
  }

  #sendStream(bytes: Uint8Array, files: readonly OpenFile[]): number {
    const { peer } = this;
    if (peer === null) return this.remote === null ? -ENOTCONN : -EPIPE;
    if (peer.inbox.readers === 0) return -EPIPE;
    const { room } = peer.inbox;
    if (room === 0) return -EAGAIN;
    const count = peer.inbox.write(bytes.subarray(0, room));
    if (count < 0) return count;
    if (files.length > 0) {
      const retained = files.map((file) => file.retain());
      peer.#attached.push({ start: peer.#sent, end: peer.#sent + count, files: retained });
    }
    peer.#sent += count;
    peer.arrived.wake();
    return count;
  }

  /** Receive into `into`; -EAGAIN when nothing is there, a count of 0 at the end of a stream. */
  receive(into: Uint8Array, peek: boolean): Received | number {
    return this.kind === "stream"
      ? this.#receiveStream(into, peek)
      : this.#receiveMessage(into, peek);
  }

  #receiveStream(into: Uint8Array, peek: boolean): Received | number {
    if (this.peer === null && this.remote === null) {
      return this.listening || this.family === AF_UNIX ? -EINVAL : -ENOTCONN;
    }
    if (this.shutRead) return EMPTY;
    // A receive goes on through what came before, but ends with the bytes that files came with.
    const [next] = this.#attached;
    const limit = next ? next.end - this.#taken : Infinity;
    const buffer = into.subarray(0, limit);
    if (peek) {
      if (this.inbox.length === 0) return this.inbox.writers === 0 ? EMPTY : -EAGAIN;
      const count = this.inbox.peek(buffer);
      return { ...EMPTY, count, total: count, sender: this.peerIdentity };
    }
    const count = this.inbox.read(buffer);
    if (count < 0) return count;
    let files: readonly OpenFile[] = [];
    this.#taken += count;
    if (next && next.start < this.#taken) ({ files } = this.#attached.shift()!);
    if (count > 0) this.peer?.drained.wake();
    return { ...EMPTY, count, total: count, files, sender: this.peerIdentity };
  }

  #receiveMessage(into: Uint8Array, peek: boolean): Received | number {
    const [message] = this.#messages;
    if (message === undefined) {
      if (this.shutRead) return EMPTY;
      if (this.kind === "packet") {
        if (this.peer === null) return this.remote === null ? -ENOTCONN : EMPTY;
        if (this.peer.shutWrite) return EMPTY;
      }
      return -EAGAIN;
    }
    const part = message.bytes.subarray(0, into.length);
    into.set(part);
    if (!peek) {
      this.#messages.shift();
      this.#held -= message.bytes.length;
      this.drained.wake();
      this.peer?.drained.wake();
    }
    return {
      count: part.length,
      total: message.bytes.length,
      from: message.from,
      files: peek ? [] : message.files,
      sender: message.sender,
    };
  }

  /** shutdown(2): 0 reading, 1 writing, 2 both. */
  shutdown(how: number): number {
    if (this.peer === null && this.remote === null) return -ENOTCONN;
    if (how !== 1) {
      this.shutRead = true;
      this.inbox.readers = 0;
    }
    if (how !== 0) {
      this.shutWrite = true;
      if (this.peer) this.peer.inbox.writers = 0;
    }
    this.#tellBoth();
    return 0;
  }

  #tellBoth(): void {
    for (const socket of [this, this.peer]) {
      socket?.inbox.wakeAll();
      socket?.arrived.wake();
      socket?.drained.wake();
    }
  }

  protected override closed(): void {
    this.gone = true;
    this.unbind?.();
    if (this.local !== null) this.network.release(this.protocol, this.local, this);
    for (const waiting of this.backlog ?? []) waiting.release();
    for (const { files } of this.#attached) for (const file of files) file.release();
    for (const { files } of this.#messages) for (const file of files) file.release();
    this.#messages = [];
    const { peer } = this;
    if (peer === null || peer.peer !== this) return;
    this.inbox.readers = 0;
    peer.inbox.writers = 0;
    this.#tellBoth();
    // The peer remembers that it was connected by its remote address.
    peer.remote ??= UNNAMED;
    peer.peer = null;
    this.peer = null;
  }

  override read(into: Uint8Array): number {
    const received = this.receive(into, false);
    if (typeof received === "number") return received;
    for (const file of received.files) file.release(); // nobody asked for them
    return received.count;
  }
  override write(from: Uint8Array): number {
    return this.send(from, [], undefined, null);
  }

  override poll(): number {
    if (this.backlog !== null) return this.backlog.length > 0 ? POLLIN | POLLRDNORM : 0;
    let events = 0;
    if (this.kind === "stream") {
      if (this.peer === null && this.remote === null) return POLLOUT | POLLWRNORM | POLLHUP;
      const ended = this.inbox.writers === 0 || this.shutRead;
      if (this.inbox.length > 0 || ended) events |= POLLIN | POLLRDNORM;
      if (ended) events |= POLLRDHUP;
      if (this.peer === null) return events | POLLOUT | POLLWRNORM | POLLHUP;
      if (this.shutWrite && ended) events |= POLLHUP;
      if (this.peer.inbox.room > 0 || this.shutWrite) events |= POLLOUT | POLLWRNORM;
      return events;
    }
    if (this.#messages.length > 0 || this.shutRead) events |= POLLIN | POLLRDNORM;
    if (this.kind === "packet" && this.peer === null) {
      return this.remote === null
        ? events | POLLERR
        : events | POLLIN | POLLOUT | POLLHUP | POLLRDHUP;
    }
    if (this.peer === null || this.peer.#held < BUFFER) events |= POLLOUT | POLLWRNORM;
    return events;
  }
  override get pollable(): boolean {
    return true;
  }
  override waitQueues(events: number): readonly WaitQueue[] {
    const wantsInput = (events & ~(POLLOUT | POLLWRNORM)) !== 0 || events === 0;
    if ((events & (POLLOUT | POLLWRNORM)) === 0) return [this.arrived];
    return wantsInput ? [this.arrived, this.drained] : [this.drained];
  }

  override ioctl(request: number, argument: number, memory: UserMemory): number {
    if (request !== FIONREAD) return -ENOTTY;
    const bytes = this.kind === "stream" ? this.inbox.length : this.#messages[0]?.bytes.length ?? 0;
    return memory.copyOut(argument, new Uint8Array(Int32Array.of(bytes).buffer));
  }
}

/** The listener's address as the client named it: a wildcard host becomes the one connected to. */
function withHost(local: SocketAddress, named: SocketAddress): SocketAddress {
  if (local.family !== AF_INET || named.family !== AF_INET || local.host !== 0) return local;
  return { ...local, host: named.host === 0 ? INADDR_LOOPBACK : named.host };
}
