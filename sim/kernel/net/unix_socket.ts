/** Sockets of AF_UNIX (unix(7)): names in the file system, abstract names, or none. */
import {
  EADDRINUSE,
  EAFNOSUPPORT,
  EAGAIN,
  ECONNREFUSED,
  EINVAL,
  EISCONN,
  ENOTCONN,
  EPIPE,
  EPROTOTYPE,
} from "../errno.ts";
import type { Location } from "../fs/dentry.ts";
import type { Inode } from "../fs/inode.ts";
import type { Network } from "./network.ts";
import type { PeerIdentity } from "./message.ts";
import { BUFFER, type Connector, Socket, type SocketKind } from "./socket.ts";
import {
  AF_UNIX,
  AF_UNSPEC,
  type SocketAddress,
  type UnixAddress,
  UNNAMED,
} from "./socket_address.ts";

export class UnixSocket extends Socket {
  declare local: UnixAddress | null;
  override readonly protocol: number = 0;
  override readonly longest: number = BUFFER;
  protected override readonly unconnected: number = -EINVAL;
  protected override readonly shutAlone: number = 0;
  protected override readonly hungUp: boolean = true;
  /** Removes the name of a socket file's binding. */
  unbind: (() => void) | null = null;

  constructor(
    inode: Inode,
    location: Location,
    flags: number,
    network: Network,
    kind: SocketKind,
    identity: PeerIdentity,
  ) {
    super(inode, location, flags, network, AF_UNIX, kind, identity);
    network.opened(this);
  }

  override get name(): UnixAddress {
    return this.local ?? UNNAMED;
  }

  /** Take an abstract name; an empty one asks for one made up (autobind). */
  override bind(address: SocketAddress): number {
    if (address.family !== AF_UNIX || this.local !== null) return -EINVAL;
    const madeUp = "\0" + this.inode.ino.toString(16).padStart(5, "0");
    const name = address.name === "" ? madeUp : address.name;
    const { names } = this.network;
    if (names.has(name)) return -EADDRINUSE;
    names.set(name, this);
    this.local = { family: AF_UNIX, name, abstract: true };
    return 0;
  }

  protected override mayListen(): number {
    return this.local === null ? -EINVAL : 0;
  }

  override connect(address: SocketAddress, connector: Connector): number {
    if (address.family === AF_UNSPEC) {
      if (!this.connectionless) return -EINVAL;
      this.peer = null;
      this.remote = null;
      return 0;
    }
    if (address.family !== AF_UNIX) return -EINVAL;
    const target = connector.find(address);
    if (typeof target === "number") return target;
    if (target !== undefined && target.kind !== this.kind) return -EPROTOTYPE;
    if (this.connectionless) {
      if (target === undefined) return -ECONNREFUSED;
      this.peer = target;
      this.remote = address;
      return 0;
    }
    if (this.listening) return -EINVAL;
    if (this.peer !== null || this.remote !== null) return -EISCONN;
    if (target === undefined || !target.listening || target.shutRead) return -ECONNREFUSED;
    if (target.backlogFull) return -EAGAIN;
    const server = connector.makePeer(target);
    server.local = target.local;
    UnixSocket.connectPair(this, server);
    target.enqueue(server);
    return 0;
  }

  /** Join two sockets. */
  static connectPair(a: Socket, b: Socket): void {
    a.remote = b.name;
    b.remote = a.name;
    Socket.join(a, b);
  }

  protected override receiver(
    address: SocketAddress | null,
    found: Socket | undefined,
  ): Socket | number {
    if (this.shutWrite) return -EPIPE;
    if (address !== null && address.family !== AF_UNIX) return -EAFNOSUPPORT;
    if (address === null && this.remote === null && this.peer === null) return -ENOTCONN;
    const to = address === null ? this.peer : found;
    if (!to || to.gone) return -ECONNREFUSED;
    return to;
  }

  protected override sendNowhere(): number {
    return this.remote === null ? -ENOTCONN : -EPIPE;
  }

  protected override closed(): void {
    this.network.closed(this);
    this.unbind?.();
    if (this.local?.abstract) this.network.names.delete(this.local.name);
    super.closed();
  }
}
