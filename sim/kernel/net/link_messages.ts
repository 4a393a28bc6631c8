/**
 * What NETLINK_ROUTE tells of the loopback: its link, addresses, routes and the rules between them
 * (rtnetlink(7); include/uapi/linux/if_link.h, if_addr.h, rtnetlink.h, fib_rules.h).
 */
import { Struct } from "../abi/struct.ts";
import { ANY6, type Host, hostBytes, LOOPBACK4, LOOPBACK6, mapped } from "./host.ts";
import { IFF_LOWER_UP, type InterfaceAddress, LO } from "./interfaces.ts";
import { attribute, text, u32, u8 } from "./netlink.ts";
import { AF_INET, AF_INET6 } from "./socket_address.ts";

/** The parts of one message's body. */
export type Body = readonly Uint8Array[];

type Family = typeof AF_INET | typeof AF_INET6;
const hostOf = (family: Family, host: Host): Uint8Array =>
  hostBytes(host, family === AF_INET ? 4 : 16);

/** struct ifinfomsg */
export const Ifinfomsg = new Struct("ifinfomsg", {
  family: "u8",
  type: "u16",
  index: "i32",
  flags: "u32",
  change: "u32",
});

/** Sizes of struct rtnl_link_ifmap, rtnl_link_stats and rtnl_link_stats64. */
const MAP = 32;
const STATS = 96;
const STATS64 = 200;

/** IFLA_IFNAME and its kin. */
export function linkBody(): Body {
  const { index, type, flags, hardware } = LO;
  return [
    Ifinfomsg.encode({ type, index, flags: flags | IFF_LOWER_UP }),
    attribute(3, text(LO.name)),
    attribute(13, u32(LO.queueLength)),
    attribute(16, u8(0)), // operational state: unknown
    attribute(17, u8(0)), // link mode
    attribute(4, u32(LO.mtu)),
    attribute(27, u32(0)), // group
    attribute(30, u32(0)), // promiscuity
    attribute(31, u32(1)), // queues to transmit
    attribute(32, u32(1)), // and to receive
    attribute(33, u8(1)), // carrier
    attribute(6, text("noqueue")),
    attribute(35, u32(0)), // changes of the carrier
    attribute(39, u8(0)), // protocol down
    attribute(14, new Uint8Array(MAP)),
    attribute(1, hardware),
    attribute(2, hardware), // broadcast
    attribute(23, new Uint8Array(STATS64)),
    attribute(7, new Uint8Array(STATS)),
  ];
}

/** struct ifaddrmsg */
const Ifaddrmsg = new Struct("ifaddrmsg", {
  family: "u8",
  prefix: "u8",
  flags: "u8",
  scope: "u8",
  index: "u32",
});
const IFA_F_PERMANENT = 0x80;
const SCOPE_UNIVERSE = 0;
const SCOPE_LINK = 253;
const SCOPE_HOST = 254;

function addressBody(family: Family, { host, prefix }: InterfaceAddress): Body {
  const flags = IFA_F_PERMANENT;
  const bytes = hostOf(family, host);
  const forever = new Uint8Array(16).fill(0xff, 0, 8); // lifetimes, then times of changes
  return [
    Ifaddrmsg.encode({ family, prefix, flags, scope: SCOPE_HOST, index: LO.index }),
    attribute(1, bytes), // IFA_ADDRESS
    ...(family === AF_INET ? [attribute(2, bytes), attribute(3, text(LO.name))] : []),
    attribute(8, u32(flags)),
    attribute(6, forever),
  ];
}

/** The addresses of each family. */
export const addressBodies = (): ReadonlyMap<number, readonly Body[]> =>
  new Map([
    [AF_INET, [addressBody(AF_INET, LO.ipv4)]],
    [AF_INET6, [addressBody(AF_INET6, LO.ipv6)]],
  ]);

/** struct rtmsg; struct fib_rule_hdr has the same shape. */
export const Rtmsg = new Struct("rtmsg", {
  family: "u8",
  toLength: "u8",
  fromLength: "u8",
  tos: "u8",
  table: "u8",
  protocol: "u8",
  scope: "u8",
  type: "u8",
  flags: "u32",
});
export const RTA_DST = 1;
const RTA_SRC = 2;
const RTA_OIF = 4;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_CACHEINFO = 12;
const RTA_TABLE = 15;
const RTA_PREF = 20;
const TABLE_DEFAULT = 253;
const TABLE_MAIN = 254;
const TABLE_LOCAL = 255;
const RTPROT_KERNEL = 2;
const RTN_LOCAL = 2;
const RTN_BROADCAST = 3;
/** A route that was looked up; of hosts of the machine (RTCF_LOCAL). */
const RTM_F_CLONED = 0x200;
const RTCF_LOCAL = 0x8000_0000;
const CACHEINFO = 32;

function route4(host: Host, toLength: number, scope: number, type: number): Body {
  const table = TABLE_LOCAL;
  return [
    Rtmsg.encode({ family: AF_INET, toLength, table, protocol: RTPROT_KERNEL, scope, type }),
    attribute(RTA_TABLE, u32(table)),
    attribute(RTA_DST, hostOf(AF_INET, host)),
    attribute(RTA_PREFSRC, hostOf(AF_INET, LOOPBACK4)),
    attribute(RTA_OIF, u32(LO.index)),
  ];
}

function route6(host: Host, asked: boolean): Body {
  const [table, toLength] = [TABLE_LOCAL, 128];
  const [protocol, scope, type] = [RTPROT_KERNEL, SCOPE_UNIVERSE, RTN_LOCAL];
  const fromLength = asked ? 128 : 0;
  const address = hostOf(AF_INET6, host);
  return [
    Rtmsg.encode({ family: AF_INET6, toLength, fromLength, table, protocol, scope, type }),
    attribute(RTA_DST, address),
    ...(asked ? [attribute(RTA_SRC, hostOf(AF_INET6, ANY6))] : []),
    attribute(RTA_TABLE, u32(table)),
    ...(asked ? [attribute(RTA_PREFSRC, address)] : []),
    attribute(RTA_PRIORITY, u32(0)),
    attribute(RTA_OIF, u32(LO.index)),
    attribute(RTA_CACHEINFO, new Uint8Array(CACHEINFO)),
    attribute(RTA_PREF, u8(0)),
  ];
}

/** The routes of each family. */
export const routeBodies = (): ReadonlyMap<number, readonly Body[]> =>
  new Map([
    [AF_INET, [
      route4(mapped(0x7f000000), 8, SCOPE_HOST, RTN_LOCAL),
      route4(LOOPBACK4, 32, SCOPE_HOST, RTN_LOCAL),
      route4(mapped(0x7fffffff), 32, SCOPE_LINK, RTN_BROADCAST),
    ]],
    [AF_INET6, [route6(LOOPBACK6, false)]],
  ]);

/** The route that a packet to a host of the machine takes. */
export function routeTo(family: Family, host: Host): Body {
  if (family === AF_INET6) return route6(host, true);
  const flags = RTM_F_CLONED | RTCF_LOCAL;
  return [
    Rtmsg.encode({ family, toLength: 32, table: TABLE_MAIN, type: RTN_LOCAL, flags }),
    attribute(RTA_TABLE, u32(TABLE_MAIN)),
    attribute(RTA_DST, hostOf(family, host)),
    attribute(RTA_OIF, u32(LO.index)),
    attribute(RTA_PREFSRC, hostOf(family, LOOPBACK4)),
    attribute(RTA_CACHEINFO, new Uint8Array(CACHEINFO)),
  ];
}

const FRA_PRIORITY = 6;
const FRA_SUPPRESS_PREFIXLEN = 14;
const FRA_TABLE = 15;
const FR_ACT_TO_TBL = 1;

function rule(family: Family, priority: number, table: number): Body {
  return [
    Rtmsg.encode({ family, table, type: FR_ACT_TO_TBL }),
    attribute(FRA_TABLE, u32(table)),
    attribute(FRA_SUPPRESS_PREFIXLEN, u32(0xffff_ffff)),
    ...(priority === 0 ? [] : [attribute(FRA_PRIORITY, u32(priority))]),
  ];
}

/** The rules by which tables are looked into. */
export const ruleBodies = (): ReadonlyMap<number, readonly Body[]> =>
  new Map([
    [AF_INET, [
      rule(AF_INET, 0, TABLE_LOCAL),
      rule(AF_INET, 32766, TABLE_MAIN),
      rule(AF_INET, 32767, TABLE_DEFAULT),
    ]],
    [AF_INET6, [rule(AF_INET6, 0, TABLE_LOCAL), rule(AF_INET6, 32766, TABLE_MAIN)]],
  ]);
