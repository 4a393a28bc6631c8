/** What sockets of TCP and UDP share, by IPv4 and IPv6 (ip(7), ipv6(7)): hosts, ports, both families at once. */
import { EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENETUNREACH } from "../errno.ts";
import type { Location } from "../fs/dentry.ts";
import type { Inode } from "../fs/inode.ts";
import { ANY4, ANY6, type Host, isAny, isLocal, isMapped, loopbackOf, reached } from "./host.ts";
import type { Network } from "./network.ts";
import type { Endpoint, PortHolder, PortTable } from "./port_table.ts";
import type { PeerIdentity } from "./message.ts";
import { Socket, type SocketKind } from "./socket.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  type InternetAddress,
  isInternet,
  type SocketAddress,
} from "./socket_address.ts";

/** Keys of options, `level:name`. */
export const V6ONLY = "41:26";
const REUSEADDR = "1:2";
const REUSEPORT = "1:15";

export abstract class InternetSocket extends Socket implements PortHolder {
  declare local: InternetAddress | null;
  declare remote: InternetAddress | null;

  constructor(
    inode: Inode,
    location: Location,
    flags: number,
    network: Network,
    override readonly family: typeof AF_INET | typeof AF_INET6,
    kind: SocketKind,
    identity: PeerIdentity,
  ) {
    super(inode, location, flags, network, family, kind, identity);
  }

  protected abstract get ports(): PortTable<InternetSocket>;

  get onlyV6(): boolean {
    return this.#isSet(V6ONLY);
  }
  get reusesAddress(): boolean {
    return this.#isSet(REUSEADDR);
  }
  get reusesPort(): boolean {
    return this.#isSet(REUSEPORT);
  }
  get uid(): number {
    return this.identity.uid;
  }
  #isSet(option: string): boolean {
    return (this.options.get(option) ?? 0) !== 0;
  }

  override get name(): InternetAddress {
    const host = this.family === AF_INET ? ANY4 : ANY6;
    return this.local ?? this.own({ host, port: this.#lastPort });
  }

  /** A host and port as this socket's family spells them. */
  own({ host, port }: Endpoint): InternetAddress {
    return { family: this.family, host, port };
  }

  /** What this socket's packets to `host` come from. */
  protected sourceFor(host: Host): Endpoint {
    const { host: own, port } = this.name;
    return { host: isAny(own) ? loopbackOf(host) : own, port };
  }

  override bind(address: SocketAddress): number {
    const wanted = this.#bindable(address);
    if (typeof wanted === "number") return wanted;
    if (!isLocal(wanted.host)) return -EADDRNOTAVAIL;
    if (this.local !== null) return -EINVAL;
    return this.take(wanted);
  }

  #bindable(address: SocketAddress): Endpoint | number {
    if (this.family === AF_INET) {
      if (address.family === AF_INET) return address;
      const wildcard = address.family === AF_UNSPEC && address.zero;
      return wildcard ? { host: ANY4, port: 0 } : -EAFNOSUPPORT;
    }
    if (address.family === AF_INET) return -EINVAL; // too short
    if (address.family !== AF_INET6) return -EAFNOSUPPORT;
    if (isMapped(address.host) && this.onlyV6) return -EINVAL;
    return address;
  }

  /** A port that it had for a connection that was refused: shown, though it is anybody's. */
  #lastPort = 0;

  /** Get the port of `wanted`, a free one for 0: 0 or -EADDRINUSE. */
  protected take(wanted: Endpoint): number {
    // What is bound to a host of IPv6 has that alone (__inet6_bind).
    const particular = this.family === AF_INET6 && !isAny(wanted.host) && !isMapped(wanted.host);
    const port = this.ports.choose(this, wanted);
    if (port < 0) return port;
    if (particular) this.options.set(V6ONLY, 1);
    this.local = this.own({ host: wanted.host, port });
    this.ports.add(this);
    return 0;
  }

  /** Give the port back. */
  protected drop(shown: boolean): void {
    this.ports.remove(this);
    this.#lastPort = shown ? this.local!.port : 0;
    this.local = null;
  }

  protected override mayListen(): number {
    if (this.local === null) return this.take({ ...this.name, port: 0 });
    return this.ports.conflicts(this, this.local) ? -EADDRINUSE : 0;
  }

  /** Where `address` leads from here: a host of the machine, or -errno. */
  protected destination(address: SocketAddress): Endpoint | number {
    // An address of IPv4 is too short to be one of IPv6.
    if (this.family === AF_INET6 && address.family === AF_INET) return -EINVAL;
    if (!isInternet(address) || address.family !== this.family) return -EAFNOSUPPORT;
    const { host, port } = address;
    if (isMapped(host) && this.family === AF_INET6 && this.onlyV6) return -ENETUNREACH;
    const from = this.name.host;
    if (isMapped(from) && !isMapped(host) && this.family === AF_INET6) return -EAFNOSUPPORT;
    return isLocal(host) ? { host: reached(host), port } : -ENETUNREACH;
  }

  protected override closed(): void {
    if (this.local !== null) this.ports.remove(this);
    super.closed();
  }
}
