/** Socket addresses: sockaddr_un, sockaddr_in, sockaddr_in6, sockaddr_nl (unix(7), ip(7), ipv6(7), netlink(7)). */
import { EAFNOSUPPORT, EINVAL } from "../errno.ts";
import { decodeName, encodeName } from "../fs/file_name.ts";
import { type Host, hostBytes, mapped } from "./host.ts";

export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;

/** A host and port as a socket of IPv4 or IPv6 names it. */
export interface InternetAddress {
  readonly family: typeof AF_INET | typeof AF_INET6;
  readonly host: Host;
  readonly port: number;
}

export interface UnixAddress {
  readonly family: typeof AF_UNIX;
  /** A name in the file system, a name of its own (abstract: begins with NUL), or empty. */
  readonly name: string;
  readonly abstract: boolean;
}

export interface NetlinkAddress {
  readonly family: typeof AF_NETLINK;
  /** Which socket: 0 is the kernel. */
  readonly port: number;
  /** Multicast groups, a bit each. */
  readonly groups: number;
}

/** No name; of sixteen bytes or more, all zero, it is also IPv4's wildcard (inet_bind). */
interface UnspecifiedAddress {
  readonly family: typeof AF_UNSPEC;
  readonly zero: boolean;
}

export type SocketAddress = UnspecifiedAddress | UnixAddress | InternetAddress | NetlinkAddress;

export const UNNAMED: UnixAddress = { family: AF_UNIX, name: "", abstract: false };

export function isInternet(address: SocketAddress): address is InternetAddress {
  return address.family === AF_INET || address.family === AF_INET6;
}

/** Least length of a sockaddr_in6: before it had a scope (SIN6_LEN_RFC2133). */
const SHORT_IN6 = 24;
const SOCKADDR_IN6 = 28;

/** The address `bytes` spell, or -EINVAL, -EAFNOSUPPORT. */
export function decodeAddress(bytes: Uint8Array): SocketAddress | number {
  if (bytes.length < 2) return -EINVAL;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = view.getUint16(0, true);
  switch (family) {
    case AF_UNSPEC:
      return { family, zero: bytes.length >= 16 && view.getUint32(4) === 0 };
    case AF_UNIX: {
      if (bytes.length > 110) return -EINVAL;
      const path = bytes.subarray(2);
      if (path.length === 0) return UNNAMED;
      const abstract = path[0] === 0;
      const end = abstract ? path.length : path.indexOf(0);
      return { family, name: decodeName(end < 0 ? path : path.subarray(0, end)), abstract };
    }
    case AF_INET:
      if (bytes.length < 16) return -EINVAL;
      return { family, port: view.getUint16(2), host: mapped(view.getUint32(4)) };
    case AF_INET6:
      if (bytes.length < SHORT_IN6) return -EINVAL;
      return { family, port: view.getUint16(2), host: bytes.subarray(8, 24).toHex() };
    case AF_NETLINK:
      if (bytes.length < 12) return -EINVAL;
      return { family, port: view.getUint32(4, true), groups: view.getUint32(8, true) };
    default:
      return -EAFNOSUPPORT;
  }
}

/** sockaddr bytes of an address. */
export function encodeAddress(address: SocketAddress): Uint8Array {
  if (address.family === AF_UNIX) {
    const name = encodeName(address.name);
    const ended = name.length > 0 && !address.abstract;
    const bytes = new Uint8Array(2 + name.length + Number(ended));
    bytes[0] = AF_UNIX;
    bytes.set(name, 2);
    return bytes;
  }
  const bytes = new Uint8Array(
    { [AF_UNSPEC]: 2, [AF_INET]: 16, [AF_INET6]: SOCKADDR_IN6, [AF_NETLINK]: 12 }[address.family],
  );
  const view = new DataView(bytes.buffer);
  view.setUint16(0, address.family, true);
  switch (address.family) {
    case AF_INET:
      view.setUint16(2, address.port);
      bytes.set(hostBytes(address.host, 4), 4);
      break;
    case AF_INET6:
      // The scope is 0: it belongs to link-local addresses, and the loopback has none.
      view.setUint16(2, address.port);
      bytes.set(hostBytes(address.host, 16), 8);
      break;
    case AF_NETLINK:
      view.setUint32(4, address.port, true);
      view.setUint32(8, address.groups, true);
  }
  return bytes;
}
