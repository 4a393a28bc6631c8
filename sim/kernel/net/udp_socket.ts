/** Sockets of UDP (udp(7)). */
import { ECONNREFUSED, EDESTADDRREQ, EINVAL, ENETUNREACH, ENOTCONN } from "../errno.ts";
import { ANY4, type Host, isAny } from "./host.ts";
import { InternetSocket } from "./internet_socket.ts";
import type { Endpoint, PortTable } from "./port_table.ts";
import type { Connector, Socket } from "./socket.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  type InternetAddress,
  type SocketAddress,
} from "./socket_address.ts";

export class UdpSocket extends InternetSocket {
  override readonly protocol: number = 17;
  override readonly longest: number = 65507;
  protected override readonly unconnected: number = -EINVAL;
  protected override readonly shutAlone: number = -ENOTCONN;
  protected override readonly hungUp: boolean = false;
  /** The local host before connecting chose one. */
  #boundHost: Host | null = null;
  /** Whether the program chose the port. */
  #chosePort = false;
  /** Where the message under way comes from. */
  #source: Endpoint = { host: ANY4, port: 0 };

  protected override get ports(): PortTable<InternetSocket> {
    return this.network.udp;
  }

  override bind(address: SocketAddress): number {
    const result = super.bind(address);
    if (result === 0) this.#chosePort = (address as InternetAddress).port !== 0;
    return result;
  }

  override connect(address: SocketAddress, _connector: Connector): number {
    if (address.family === AF_UNSPEC) return this.#disconnect();
    const to = this.destination(address);
    if (typeof to === "number") return to;
    if (this.local === null) this.take({ ...this.name, port: 0 });
    this.#boundHost ??= this.local!.host;
    const { host, port } = this.sourceFor(to.host);
    this.local = this.own({ host, port });
    this.remote = this.own(to);
    return 0;
  }

  /** Forget the peer, and what connecting chose (__udp_disconnect). */
  #disconnect(): number {
    if (this.remote === null) return 0;
    this.remote = null;
    const host = this.#boundHost!;
    this.#boundHost = null;
    if (isAny(host) && !this.#chosePort) this.drop(false);
    else this.local = this.own({ host, port: this.local!.port });
    return 0;
  }

  /** A socket of IPv6 that is not V6ONLY also takes addresses of IPv4 (udpv6_sendmsg). */
  protected override destination(address: SocketAddress): Endpoint | number {
    if (this.family !== AF_INET6 || address.family !== AF_INET) return super.destination(address);
    return this.onlyV6 ? -ENETUNREACH : super.destination({ ...address, family: AF_INET6 });
  }

  protected override receiver(address: SocketAddress | null): Socket | null | number {
    let to: Endpoint | number | null = this.remote;
    if (address !== null) {
      to = this.destination(address);
      if (typeof to !== "number" && to.port === 0) return -EINVAL;
    }
    if (to === null) return -EDESTADDRREQ;
    if (typeof to === "number") return to;
    if (this.local === null) {
      const error = this.take({ ...this.name, port: 0 });
      if (error < 0) return error;
    }
    this.#source = this.sourceFor(to.host);
    const found = this.network.udp.find(to, this.#source);
    // Nobody there: the sender is told with its next call if it is connected (ICMP, udp(7)).
    if (found === undefined && this.remote !== null) this.fail(ECONNREFUSED);
    return found ?? null;
  }

  protected override sourceOf(receiver: InternetSocket): InternetAddress {
    return receiver.own(this.#source);
  }

  protected override mayListen(): number {
    return 0; // never asked: it is connectionless
  }
  protected override sendNowhere(): number {
    return -EDESTADDRREQ;
  }
}
