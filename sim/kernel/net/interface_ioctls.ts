/**
 * The interface by ioctl, on any socket (netdevice(7); include/uapi/linux/sockios.h, linux/if.h):
 * what net/core/dev_ioctl.c and net/ipv4/devinet.c answer.
 */
import { getUnsigned64, setNumber64 } from "../abi/struct.ts";
import { EADDRNOTAVAIL, EFAULT, ENODEV, ENOTTY, EOPNOTSUPP, EPERM } from "../errno.ts";
import { decodeName, encodeName } from "../fs/file_name.ts";
import type { UserMemory } from "../fs/open_file.ts";
import { ANY4, type Host, mapped } from "./host.ts";
import { LO } from "./interfaces.ts";
import { AF_INET, AF_INET6, encodeAddress } from "./socket_address.ts";

const SIOCGIFNAME = 0x8910;
const SIOCGIFCONF = 0x8912;
const SIOCGIFFLAGS = 0x8913;
const SIOCGIFADDR = 0x8915;
const SIOCGIFDSTADDR = 0x8917;
const SIOCGIFBRDADDR = 0x8919;
const SIOCGIFNETMASK = 0x891b;
const SIOCGIFMETRIC = 0x891d;
const SIOCGIFMTU = 0x8921;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;
const SIOCGIFTXQLEN = 0x8942;
const SIOCETHTOOL = 0x8946;
const SIOCGIFMAP = 0x8970;
/** Those that would change flags, metric, mtu, name, hardware address, queue; and those of addresses. */
const CHANGES = [0x8914, 0x891e, 0x8922, 0x8923, 0x8924, 0x8943];
const ADDRESS_CHANGES = [0x8916, 0x8918, 0x891a, 0x891c];

/** struct ifreq: a name of 16 bytes, a union of 24. struct ifconf: a length, a pointer. */
const IFREQ = 40;
const VALUE = 16;
const IFCONF = 16;

/** Answer an ioctl of a socket of `family` about interfaces: 0 or -errno; -ENOTTY for another one. */
export function interfaceIoctl(
  family: number,
  request: number,
  argument: number,
  memory: UserMemory,
): number {
  if (request === SIOCGIFCONF) return listInterfaces(argument, memory);
  if (request < SIOCGIFNAME || request > SIOCGIFMAP) return -ENOTTY;
  const bytes = new Uint8Array(IFREQ);
  if (memory.copyIn(argument, bytes) < 0) return -EFAULT;
  const result = answer(family, request, bytes);
  if (result < 0) return result;
  return memory.copyOut(argument, bytes) < 0 ? -EFAULT : 0;
}

function answer(family: number, request: number, bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer);
  if (request === SIOCGIFNAME) {
    if (view.getInt32(VALUE, true) !== LO.index) return -ENODEV;
    bytes.fill(0, 0, VALUE);
    bytes.set(encodeName(LO.name));
    return 0;
  }
  bytes[VALUE - 1] = 0;
  const name = decodeName(bytes.subarray(0, bytes.indexOf(0)));
  if (CHANGES.includes(request)) return -EPERM;
  if (ADDRESS_CHANGES.includes(request)) {
    return family === AF_INET || family === AF_INET6 ? -EPERM : -ENOTTY;
  }
  const address = ipv4Address(request);
  if (address !== null) {
    // Only sockets of IPv4 know of its addresses (inet_ioctl); an alias has none.
    if (family !== AF_INET) return -ENOTTY;
    if (name.split(":")[0] !== LO.name) return -ENODEV;
    if (name !== LO.name) return -EADDRNOTAVAIL;
    bytes.set(encodeAddress({ family: AF_INET, host: address, port: 0 }), VALUE);
    return 0;
  }
  const value = property(request);
  if (value === null) return -ENOTTY;
  if (name.split(":")[0] !== LO.name) return -ENODEV;
  if (typeof value === "number") return value;
  bytes.set(value, VALUE);
  return 0;
}

function ipv4Address(request: number): Host | null {
  switch (request) {
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR:
      return LO.ipv4.host;
    case SIOCGIFBRDADDR:
      return ANY4;
    case SIOCGIFNETMASK:
      return mapped(0x1_0000_0000 - 2 ** (32 - LO.ipv4.prefix));
    default:
      return null;
  }
}

/** What the request answers in the union; -errno; null for another request. */
function property(request: number): Uint8Array | number | null {
  const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);
  switch (request) {
    case SIOCGIFFLAGS:
      return int(LO.flags).subarray(0, 2);
    case SIOCGIFMETRIC:
      return int(0);
    case SIOCGIFMTU:
      return int(LO.mtu);
    case SIOCGIFINDEX:
      return int(LO.index);
    case SIOCGIFTXQLEN:
      return int(LO.queueLength);
    case SIOCGIFHWADDR: {
      const address = new Uint8Array(2 + LO.hardware.length);
      address.set(int(LO.type).subarray(0, 2));
      address.set(LO.hardware, 2);
      return address;
    }
    case SIOCGIFMAP:
      return new Uint8Array(21); // no memory, no interrupt
    case SIOCETHTOOL:
      return -EOPNOTSUPP;
    default:
      return null;
  }
}

/** SIOCGIFCONF: names and IPv4 addresses of all interfaces, or the room they need. */
function listInterfaces(argument: number, memory: UserMemory): number {
  const header = new Uint8Array(IFCONF);
  if (memory.copyIn(argument, header) < 0) return -EFAULT;
  const view = new DataView(header.buffer);
  const room = view.getInt32(0, true);
  const buffer = getUnsigned64(view, 8);
  const entry = new Uint8Array(IFREQ);
  entry.set(encodeName(LO.name));
  entry.set(encodeAddress({ family: AF_INET, host: LO.ipv4.host, port: 0 }), VALUE);
  const fits = buffer === 0 || room >= IFREQ;
  if (buffer !== 0 && fits && memory.copyOut(buffer, entry) < 0) return -EFAULT;
  setNumber64(view, 8, buffer);
  view.setInt32(0, fits ? IFREQ : 0, true);
  return memory.copyOut(argument, header) < 0 ? -EFAULT : 0;
}
