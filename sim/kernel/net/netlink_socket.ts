/** Sockets of AF_NETLINK (netlink(7)), of the family NETLINK_ROUTE: the peer is the kernel. */
import { EADDRINUSE, EINVAL, EOPNOTSUPP, EPERM } from "../errno.ts";
import type { OpenFile } from "../fs/open_file.ts";
import { requestsIn } from "./netlink.ts";
import { answerRoute } from "./route_netlink.ts";
import { BUFFER, Socket } from "./socket.ts";
import {
  AF_NETLINK,
  AF_UNSPEC,
  type NetlinkAddress,
  type SocketAddress,
} from "./socket_address.ts";

const KERNEL: NetlinkAddress = { family: AF_NETLINK, port: 0, groups: 0 };
/** Where ports that are made up begin, downwards; a process's first socket has its pid. */
const LAST_MADE_UP = -4097;

export class NetlinkSocket extends Socket {
  declare local: NetlinkAddress | null;
  override remote: SocketAddress | null = KERNEL;
  override readonly protocol: number = 0;
  override readonly longest: number = BUFFER;
  protected override readonly unconnected: number = -EINVAL;
  protected override readonly shutAlone: number = -EOPNOTSUPP;
  protected override readonly hungUp: boolean = false;

  override get name(): NetlinkAddress {
    return this.local ?? KERNEL;
  }

  override bind(address: SocketAddress): number {
    if (address.family !== AF_NETLINK) return -EINVAL;
    const { port, groups } = address;
    if (this.local !== null && this.local.port !== port) return -EINVAL;
    const error = this.#take(port);
    if (error < 0) return error;
    this.local = { ...this.name, groups };
    return 0;
  }

  /** Get the port, one made up for 0. */
  #take(port: number): number {
    if (this.local !== null) return 0;
    const { netlink } = this.network;
    if (port === 0) {
      port = this.identity.pid;
      for (let next = LAST_MADE_UP; netlink.has(port); next--) port = next >>> 0;
    }
    if (netlink.has(port)) return -EADDRINUSE;
    netlink.set(port, this);
    this.local = { family: AF_NETLINK, port, groups: 0 };
    return 0;
  }

  /** Only the kernel may be spoken to. */
  override connect(address: SocketAddress): number {
    if (address.family === AF_UNSPEC) return 0;
    if (address.family !== AF_NETLINK) return -EINVAL;
    return address.port !== 0 || address.groups !== 0 ? -EPERM : this.#take(0);
  }

  override send(
    bytes: Uint8Array,
    _files: readonly OpenFile[],
    _found: Socket | undefined,
    address: SocketAddress | null,
  ): number {
    const error = address === null ? this.#take(0) : this.connect(address);
    if (error < 0) return error;
    const sender = { pid: 0, uid: 0, gid: 0 };
    for (const request of requestsIn(bytes)) {
      for (const message of answerRoute(request, this.name.port)) {
        this.deliver({ bytes: message, from: KERNEL, files: [], sender });
      }
    }
    return bytes.length;
  }

  override shutdown(): number {
    return -EOPNOTSUPP;
  }
  protected override receiver(): number {
    return -EINVAL; // never asked: `send` answers
  }
  protected override mayListen(): number {
    return -EOPNOTSUPP;
  }
  protected override sendNowhere(): number {
    return -EINVAL;
  }

  protected override closed(): void {
    if (this.local !== null) this.network.netlink.delete(this.local.port);
    super.closed();
  }
}
