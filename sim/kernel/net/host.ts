/**
 * Internet hosts. All are IPv6 addresses of 32 hexadecimal digits; those of IPv4 are mapped,
 * ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), so that both families share one space.
 */

/** 32 lower-case hexadecimal digits. */
export type Host = string;

const MAPPED = "0".repeat(20) + "ffff";

/** `::` */
export const ANY6: Host = "0".repeat(32);
/** `::1` */
export const LOOPBACK6: Host = "1".padStart(32, "0");
/** 0.0.0.0 */
export const ANY4: Host = MAPPED + "00000000";
/** 127.0.0.1 */
export const LOOPBACK4: Host = MAPPED + "7f000001";

/** The host of an IPv4 address, a number. */
export function mapped(address: number): Host {
  return MAPPED + address.toString(16).padStart(8, "0");
}

export function isMapped(host: Host): boolean {
  return host.startsWith(MAPPED);
}

/** Whether it stands for every host of its family. */
export function isAny(host: Host): boolean {
  return host === ANY6 || host === ANY4;
}

/** Whether packets to `host` stay in the machine. */
export function isLocal(host: Host): boolean {
  return isAny(host) || host === LOOPBACK6 || host.startsWith(MAPPED + "7f");
}

/** The loopback's address that speaks to hosts of the family of `host`. */
export function loopbackOf(host: Host): Host {
  return isMapped(host) ? LOOPBACK4 : LOOPBACK6;
}

/** The host itself, or the loopback for one that stands for all: so Linux connects to `0.0.0.0` and `::`. */
export function reached(host: Host): Host {
  return isAny(host) ? loopbackOf(host) : host;
}

/** Bytes of an address in network order, four or sixteen. */
export function hostBytes(host: Host, count: 4 | 16): Uint8Array {
  return Uint8Array.fromHex(host.slice(-2 * count));
}

/** The host as inet_ntop(3) writes it, as one of IPv4 (4 bytes) or of IPv6. */
export function hostText(host: Host, count: 4 | 16): string {
  const dotted = [...hostBytes(host, 4)].join(".");
  if (count === 4) return dotted;
  if (isMapped(host)) return `::ffff:${dotted}`;
  const groups = host.match(/.{4}/g)!.map((group) => group.replace(/^0{1,3}/, "")).join(":");
  // The first of the longest runs of zeros, of two groups at least, is left out (RFC 5952, 4.2).
  const runs = [...groups.matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)];
  const longest = runs.reduce((best, run) => run[0].length > best.length ? run[0] : best, "");
  if (longest === "") return groups;
  const at = runs.find((run) => run[0] === longest)!.index;
  return groups.slice(0, at).replace(/:$/, "") + "::" +
    groups.slice(at + longest.length).replace(/^:/, "");
}
