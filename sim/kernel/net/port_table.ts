/**
 * Who has which port: conflicts between binders and the choice of a receiver, over both families.
 *
 * A socket of IPv6 bound to `::` has IPv4's hosts too, unless it is IPV6_V6ONLY; one bound to a
 * mapped address has that IPv4 host alone (inet_rcv_saddr_equal in net/ipv4/inet_connection_sock.c).
 */
import { EADDRINUSE } from "../errno.ts";
import { ANY4, ANY6, type Host, isAny, isMapped } from "./host.ts";
import { AF_INET, type InternetAddress } from "./socket_address.ts";

/** A host and port. */
export interface Endpoint {
  readonly host: Host;
  readonly port: number;
}

/** What a port table asks of a socket. */
export interface PortHolder {
  readonly local: InternetAddress | null;
  readonly remote: InternetAddress | null;
  /** IPV6_V6ONLY. */
  readonly onlyV6: boolean;
  /** SO_REUSEADDR, SO_REUSEPORT. */
  readonly reusesAddress: boolean;
  readonly reusesPort: boolean;
  readonly listening: boolean;
  readonly uid: number;
}

/** Range of ports that are given to who asks for none (net.ipv4.ip_local_port_range). */
export const FIRST_EPHEMERAL = 32768;
export const LAST_EPHEMERAL = 60999;

/** The port table of one protocol. */
export class PortTable<Holder extends PortHolder> {
  readonly #holders: Map<number, Set<Holder>> = new Map();
  #nextPort = FIRST_EPHEMERAL;

  /** @param connections whether the protocol has them: TCP, not UDP */
  constructor(readonly connections: boolean) {}

  /** All sockets that have a port, in the order in which they got it. */
  *[Symbol.iterator](): Iterator<Holder> {
    for (const holders of this.#holders.values()) yield* holders;
  }

  /** The port that `holder` may have at `wanted`, a free one for 0; or -EADDRINUSE. */
  choose(holder: Holder, wanted: Endpoint): number {
    if (wanted.port !== 0) return this.conflicts(holder, wanted) ? -EADDRINUSE : wanted.port;
    for (let tried = FIRST_EPHEMERAL; tried <= LAST_EPHEMERAL; tried++) {
      const port = this.#nextPort;
      this.#nextPort = port === LAST_EPHEMERAL ? FIRST_EPHEMERAL : port + 1;
      if (!this.#holders.has(port)) return port;
    }
    return -EADDRINUSE;
  }

  /** Whether somebody else's use of the port forbids `holder` to be at `wanted`. */
  conflicts(holder: Holder, { host, port }: Endpoint): boolean {
    for (const other of this.#holders.get(port) ?? []) {
      if (other === holder || !overlap(host, holder.onlyV6, other.local!.host, other.onlyV6)) {
        continue;
      }
      const reuses = holder.reusesAddress && other.reusesAddress &&
        !(this.connections && other.listening);
      const shares = holder.reusesPort && other.reusesPort && holder.uid === other.uid;
      if (!reuses && !shares) return true;
    }
    return false;
  }

  /** `holder` has the port of its local address from now on. */
  add(holder: Holder): void {
    const { port } = holder.local!;
    const holders = this.#holders.get(port) ?? new Set();
    this.#holders.set(port, holders.add(holder));
  }

  remove(holder: Holder): void {
    const port = holder.local?.port ?? 0;
    const holders = this.#holders.get(port);
    if (holders?.delete(holder) && holders.size === 0) this.#holders.delete(port);
  }

  /** Who gets what `from` sends to `to`: the most particular holder, of equal ones the last. */
  find(to: Endpoint, from: Endpoint): Holder | undefined {
    let best: Holder[] = [];
    let most = 0;
    for (const holder of this.#holders.get(to.port) ?? []) {
      const score = this.#score(holder, to, from);
      if (score === 0 || score < most) continue;
      if (score > most) best = [];
      most = score;
      best.push(holder);
    }
    // Sockets that share a port by SO_REUSEPORT share the senders.
    return best.every((holder) => holder.reusesPort) ? best[from.port % best.length] : best.at(-1);
  }

  /** How well a holder fits, 0 for not at all (compute_score in net/ipv4/udp.c). */
  #score(holder: Holder, to: Endpoint, from: Endpoint): number {
    const { local, remote } = holder;
    if (this.connections && !holder.listening) return 0;
    if (!overlap(local!.host, holder.onlyV6, to.host, true)) return 0;
    let score = local!.family === AF_INET ? 2 : 1;
    if (!isAny(local!.host)) score += 16;
    if (!this.connections && remote !== null) {
      if (remote.host !== from.host || remote.port !== from.port) return 0;
      score += 4;
    }
    return score;
  }
}

/** Whether two bound hosts have a host in common; `…Only` says that `::` does not mean IPv4's. */
function overlap(a: Host, aOnly: boolean, b: Host, bOnly: boolean): boolean {
  if (a === b) return true;
  const everything = (host: Host, only: boolean): boolean => host === ANY6 && !only;
  if (isMapped(a) !== isMapped(b)) return everything(a, aOnly) || everything(b, bOnly);
  return isMapped(a) ? a === ANY4 || b === ANY4 : a === ANY6 || b === ANY6;
}
