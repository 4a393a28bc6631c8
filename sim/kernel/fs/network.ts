/** The machine's network: a loopback interface and the abstract AF_UNIX names. */
import { EADDRINUSE, EADDRNOTAVAIL } from "../errno.ts";
import type { Socket } from "./socket.ts";
import { AF_INET, isLocal, type SocketAddress } from "./socket_address.ts";

const FIRST_EPHEMERAL = 32768;
const LAST_EPHEMERAL = 60999;

/** Sockets by name. TCP and UDP ports are separate; all local hosts are one. */
export class Network {
  readonly #bound: Map<string, Socket> = new Map();
  #nextPort = FIRST_EPHEMERAL;

  /** Socket bound to an address of `protocol` (`tcp`, `udp`, or `unix` for abstract names). */
  find(protocol: string, address: SocketAddress): Socket | undefined {
    return this.#bound.get(keyOf(protocol, address));
  }

  /**
   * Give `socket` an address: the address as bound (port 0 becomes a free one), or -EADDRINUSE,
   * -EADDRNOTAVAIL.
   */
  bind(protocol: string, address: SocketAddress, socket: Socket): SocketAddress | number {
    if (address.family === AF_INET) {
      if (!isLocal(address.host)) return -EADDRNOTAVAIL;
      if (address.port === 0) {
        const port = this.#freePort(protocol);
        if (port === 0) return -EADDRINUSE;
        address = { ...address, port };
      }
    }
    const key = keyOf(protocol, address);
    if (this.#bound.has(key)) return -EADDRINUSE;
    this.#bound.set(key, socket);
    return address;
  }

  release(protocol: string, address: SocketAddress, socket: Socket): void {
    const key = keyOf(protocol, address);
    if (this.#bound.get(key) === socket) this.#bound.delete(key);
  }

  #freePort(protocol: string): number {
    for (let tried = FIRST_EPHEMERAL; tried <= LAST_EPHEMERAL; tried++) {
      const port = this.#nextPort;
      this.#nextPort = port === LAST_EPHEMERAL ? FIRST_EPHEMERAL : port + 1;
      if (!this.#bound.has(`${protocol}:${port}`)) return port;
    }
    return 0;
  }
}

function keyOf(protocol: string, address: SocketAddress): string {
  if (address.family === AF_INET) return `${protocol}:${address.port}`;
  return `${protocol}:${"name" in address ? address.name : ""}`;
}
