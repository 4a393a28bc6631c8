/**
 * Sockets within the machine: what all families share. A socket has two names, a peer perhaps, a
 * backlog when it listens, and an inbox: a pipe for streams, a queue of whole messages otherwise.
 * Open files travel with the bytes they were sent with (SCM_RIGHTS).
 */
import { EAGAIN, EINVAL, EISCONN, EMSGSIZE, ENOTCONN, EOPNOTSUPP, EPIPE } from "../errno.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
} from "../fs/constants.ts";
import type { Location } from "../fs/dentry.ts";
import type { Inode } from "../fs/inode.ts";
import { FIONREAD } from "../fs/ioctl.ts";
import { OpenFile, type UserMemory } from "../fs/open_file.ts";
import { WaitQueue } from "../wait_queue.ts";
import { EMPTY, type Message, type PeerIdentity, type Received } from "./message.ts";
import { MessageQueue } from "./message_queue.ts";
import { StreamInbox } from "./stream_inbox.ts";
import { interfaceIoctl } from "./interface_ioctls.ts";
import type { Network } from "./network.ts";
import type { SocketAddress } from "./socket_address.ts";

export type SocketKind = "stream" | "datagram" | "packet" | "raw";

/** Their numbers (include/linux/net.h). */
export const SOCKET_TYPES: Readonly<Record<SocketKind, number>> = {
  stream: 1,
  datagram: 2,
  raw: 3,
  packet: 5,
};

/** Bytes a receiver holds before senders wait (net.core.wmem_default). */
export const BUFFER = 212992;
/** Longest backlog (net.core.somaxconn). */
const SOMAXCONN = 4096;

/** What connecting asks of the system call under way. */
export interface Connector {
  /** Whether the caller waits until it is connected (no O_NONBLOCK). */
  readonly waits: boolean;
  /** The socket with an AF_UNIX name: undefined when nobody has it, -errno. */
  find(address: SocketAddress): Socket | undefined | number;
  /** A new socket for the other side of a connection to `listener`. */
  makePeer(listener: Socket): Socket;
}

export abstract class Socket extends OpenFile {
  local: SocketAddress | null = null;
  remote: SocketAddress | null = null;
  peer: Socket | null = null;
  /** Who is at the other end, when it connected. */
  peerIdentity: PeerIdentity | null = null;
  /** Connections not yet accepted; null while not listening. */
  backlog: Socket[] | null = null;
  backlogLimit = 0;
  /** Bytes sent to a stream socket. */
  readonly inbox: StreamInbox = new StreamInbox();
  /** Messages sent to any other socket. */
  readonly messages: MessageQueue = new MessageQueue();
  readonly arrived: WaitQueue = new WaitQueue("socket read");
  readonly drained: WaitQueue = new WaitQueue("socket write");
  /** Its last descriptor is gone; a datagram socket may still be somebody's destination. */
  gone = false;
  shutRead = false;
  shutWrite = false;
  /** What went wrong since the program was last told (SO_ERROR): an errno, 0 for nothing. */
  error = 0;
  /** Who had no room for the last message. */
  full: Socket | null = null;
  /** Options a program has set, by `level:name`: what it reads back. */
  readonly options: Map<string, number> = new Map();
  /** Nanoseconds that receiving (accepting) and sending (connecting) wait at most; 0: for ever. */
  receiveTimeout = 0;
  sendTimeout = 0;

  constructor(
    inode: Inode,
    location: Location,
    flags: number,
    readonly network: Network,
    readonly family: number,
    readonly kind: SocketKind,
    readonly identity: PeerIdentity,
  ) {
    super(inode, location, flags);
  }

  /** SO_PROTOCOL. */
  abstract readonly protocol: number;
  /** Longest message. */
  abstract readonly longest: number;
  /** Its own name, as getsockname answers. */
  abstract get name(): SocketAddress;

  /** Take a name; those in the file system are the caller's work. */
  abstract bind(address: SocketAddress): number;

  /** Connect; -EAGAIN while the listener's backlog is full. */
  abstract connect(address: SocketAddress, connector: Connector): number;

  /**
   * Who gets a message to `address`, or to the peer for null. `found` has the address, if it is of
   * AF_UNIX. Null when nobody does and nobody minds; or -errno.
   */
  protected abstract receiver(
    address: SocketAddress | null,
    found: Socket | undefined,
  ): Socket | null | number;

  /** Whether it may listen: 0 or -errno. A socket without a name gets one, or cannot. */
  protected abstract mayListen(): number;

  /** What is sent on a stream without a peer comes to this. */
  protected abstract sendNowhere(count: number): number;
  /** What shutdown answers a socket that is not connected, though it has its effect. */
  protected abstract readonly shutAlone: number;
  /** Whether a stream whose peer has closed is over in both directions. */
  protected abstract readonly hungUp: boolean;
  /** What receiving from a stream answers that was never connected. */
  protected abstract readonly unconnected: number;

  get connectionless(): boolean {
    return this.kind === "datagram" || this.kind === "raw";
  }
  get listening(): boolean {
    return this.backlog !== null;
  }
  get backlogFull(): boolean {
    return this.backlog !== null && this.backlog.length > this.backlogLimit;
  }

  /** Join two sockets whose names are known. */
  static join(a: Socket, b: Socket): void {
    for (const [one, other] of [[a, b], [b, a]]) {
      one.peer = other;
      one.peerIdentity = other.identity;
      one.inbox.readers = 1;
      one.inbox.writers = 1;
    }
  }

  listen(backlog: number): number {
    if (this.connectionless) return -EOPNOTSUPP;
    if (this.peer !== null) return -EINVAL;
    const error = this.mayListen();
    if (error < 0) return error;
    this.backlog ??= [];
    this.backlogLimit = Math.min(backlog >>> 0, SOMAXCONN);
    return 0;
  }

  /** The other side of a connection waits to be accepted. */
  enqueue(connection: Socket): void {
    this.backlog!.push(connection.retain());
    this.arrived.wake();
  }

  /** The next connection: its socket (the caller owns its reference), or -EAGAIN, -EINVAL. */
  accept(): Socket | number {
    if (this.connectionless) return -EOPNOTSUPP;
    if (this.backlog === null) return -EINVAL;
    const next = this.backlog.shift();
    if (next === undefined) return this.shutRead ? -EINVAL : -EAGAIN;
    this.drained.wake();
    return next;
  }

  /** The pending error, told once: -errno, or 0. */
  takeError(): number {
    const { error } = this;
    this.error = 0;
    return -error;
  }

  /** Something went wrong that nobody was waiting for. */
  fail(errno: number): void {
    this.error = errno;
    this.tellBoth();
  }

  /**
   * Send to the peer, or to `address`, which `found` has if it is of AF_UNIX. The bytes taken;
   * -EAGAIN when there is no room, -EPIPE when nobody can receive any more. The socket keeps
   * references to `files`.
   */
  send(
    bytes: Uint8Array,
    files: readonly OpenFile[],
    found: Socket | undefined,
    address: SocketAddress | null,
  ): number {
    this.full = null;
    if (this.error !== 0) return this.takeError();
    if (this.kind === "stream") return this.#sendStream(bytes, files);
    if (address !== null && !this.connectionless) return -EISCONN;
    const to = this.receiver(address, found);
    if (typeof to === "number") return to;
    if (this.shutWrite) return -EPIPE;
    if (bytes.length > this.longest) return -EMSGSIZE;
    if (to === null) return bytes.length;
    if (to.shutRead) return -EPIPE;
    if (this.kind === "packet" && to.peer === null) return -EPIPE;
    if (to.messages.held > 0 && to.messages.held + bytes.length > BUFFER) {
      this.full = to;
      return -EAGAIN;
    }
    to.deliver({
      bytes: bytes.slice(),
      from: this.sourceOf(to),
      files: files.map((file) => file.retain()),
      sender: this.identity,
    });
    return bytes.length;
  }

  /** What `receiver` knows the sender of a message by. */
  protected sourceOf(_receiver: Socket): SocketAddress {
    return this.name;
  }

  /** A message comes in. */
  deliver(message: Message): void {
    this.messages.push(message);
    this.arrived.wake();
  }

  #sendStream(bytes: Uint8Array, files: readonly OpenFile[]): number {
    const { peer } = this;
    if (this.shutWrite && (peer !== null || this.remote !== null)) return -EPIPE;
    if (peer === null) return this.sendNowhere(bytes.length);
    if (peer.inbox.readers === 0) return -EPIPE;
    const count = peer.inbox.put(bytes, files);
    if (count < 0) return count;
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
    if (this.peer === null && this.remote === null) return this.takeError() || this.unconnected;
    if (this.shutRead) return EMPTY;
    const received = this.inbox.take(into, peek, this.peerIdentity);
    if (!peek && typeof received !== "number" && received.count > 0) this.peer?.drained.wake();
    return received;
  }

  #receiveMessage(into: Uint8Array, peek: boolean): Received | number {
    if (this.error !== 0) return this.takeError();
    const received = this.messages.take(into, peek);
    if (received === undefined) return this.#ended();
    if (!peek) {
      this.drained.wake();
      this.peer?.drained.wake();
    }
    return received;
  }

  /** What a receive gets when there is no message. */
  #ended(): Received | number {
    if (this.shutRead) return EMPTY;
    if (this.kind !== "packet") return -EAGAIN;
    if (this.peer === null) return this.remote === null ? -ENOTCONN : EMPTY;
    return this.peer.shutWrite ? EMPTY : -EAGAIN;
  }

  /** shutdown(2): 0 reading, 1 writing, 2 both. Whoever waits is woken, connected or not. */
  shutdown(how: number): number {
    if (how !== 1) {
      this.shutRead = true;
      this.inbox.readers = 0;
    }
    if (how !== 0) {
      this.shutWrite = true;
      if (this.peer) this.peer.inbox.writers = 0;
    }
    this.tellBoth();
    return this.peer === null && this.remote === null ? this.shutAlone : 0;
  }

  protected tellBoth(): void {
    for (const socket of [this, this.peer]) {
      socket?.inbox.wakeAll();
      socket?.arrived.wake();
      socket?.drained.wake();
    }
  }

  /** Connections that nobody will accept are closed. */
  protected refuseBacklog(): void {
    for (const waiting of this.backlog ?? []) waiting.release();
    this.backlog = null;
  }

  protected override closed(): void {
    this.gone = true;
    this.refuseBacklog();
    this.inbox.discard();
    this.messages.discard();
    const { peer } = this;
    if (peer === null || peer.peer !== this) return;
    this.inbox.readers = 0;
    peer.inbox.writers = 0;
    this.tellBoth();
    // The peer remembers that it was connected by its remote address.
    peer.remote ??= this.name;
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
    let events = 0;
    if (this.backlog !== null) {
      if (this.backlog.length > 0 || this.shutRead) events |= POLLIN | POLLRDNORM;
      if (this.shutRead) events |= POLLRDHUP | (this.shutWrite ? POLLHUP : 0);
      return events;
    }
    if (this.kind === "stream") {
      if (this.peer === null && this.remote === null) {
        if (this.shutRead) events |= POLLIN | POLLRDNORM | POLLRDHUP;
        return events | POLLOUT | POLLWRNORM | POLLHUP;
      }
      const ended = this.inbox.writers === 0 || this.shutRead;
      if (this.inbox.length > 0 || ended) events |= POLLIN | POLLRDNORM;
      if (ended) events |= POLLRDHUP;
      if (this.error !== 0) events |= POLLERR;
      if (this.peer === null) {
        return events | POLLOUT | POLLWRNORM | (this.hungUp ? POLLHUP : 0);
      }
      if (this.shutWrite && ended) events |= POLLHUP;
      if (this.peer.inbox.room > 0 || this.shutWrite) events |= POLLOUT | POLLWRNORM;
      return events;
    }
    if (this.error !== 0) events |= POLLERR;
    if (this.messages.first !== undefined || this.shutRead) events |= POLLIN | POLLRDNORM;
    if (this.shutRead) events |= POLLRDHUP | (this.shutWrite ? POLLHUP : 0);
    if (this.kind === "packet" && this.peer === null) {
      return this.remote === null
        ? events | POLLERR
        : events | POLLIN | POLLOUT | POLLHUP | POLLRDHUP;
    }
    if (this.peer === null || this.peer.messages.held < BUFFER) events |= POLLOUT | POLLWRNORM;
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
    if (request !== FIONREAD) return interfaceIoctl(this.family, request, argument, memory);
    const bytes = this.kind === "stream"
      ? this.inbox.length
      : this.messages.first?.bytes.length ?? 0;
    return memory.copyOut(argument, new Uint8Array(Int32Array.of(bytes).buffer));
  }
}
