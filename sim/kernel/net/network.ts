/** The machine's network: the ports of its loopback and the abstract names of AF_UNIX. */
import type { InternetSocket } from "./internet_socket.ts";
import type { NetlinkSocket } from "./netlink_socket.ts";
import { PortTable } from "./port_table.ts";
import type { UnixSocket } from "./unix_socket.ts";

export class Network {
  readonly tcp: PortTable<InternetSocket> = new PortTable(true);
  readonly udp: PortTable<InternetSocket> = new PortTable(false);
  readonly #unix: Set<UnixSocket> = new Set();

  /** All sockets of AF_UNIX. */
  get unix(): UnixSocket[] {
    // One that found no descriptor was never used, and so is never closed.
    return [...this.#unix].filter((socket) => socket.inode.users > 0);
  }
  opened(socket: UnixSocket): void {
    this.#unix.add(socket);
  }
  closed(socket: UnixSocket): void {
    this.#unix.delete(socket);
  }

  /** Sockets of AF_NETLINK by port. */
  readonly netlink: Map<number, NetlinkSocket> = new Map();
  /** Sockets by abstract name. */
  readonly names: Map<string, UnixSocket> = new Map();
}
