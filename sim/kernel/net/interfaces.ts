/** The machine's one network interface, the loopback, as it is when it is up (net/core/dev.c). */
import { type Host, LOOPBACK4, LOOPBACK6 } from "./host.ts";

/** Flags of an interface (include/uapi/linux/if.h). */
export const IFF_UP = 1;
export const IFF_LOOPBACK = 8;
export const IFF_RUNNING = 0x40;
/** Known to netlink alone: the link is there. */
export const IFF_LOWER_UP = 0x10000;

/** An address of an interface. */
export interface InterfaceAddress {
  readonly host: Host;
  readonly prefix: number;
}

export const LO = {
  name: "lo",
  index: 1,
  flags: IFF_UP | IFF_LOOPBACK | IFF_RUNNING,
  mtu: 65536,
  /** ARPHRD_LOOPBACK (include/uapi/linux/if_arp.h). */
  type: 772,
  queueLength: 1000,
  /** Its hardware address and that of broadcasts, both zero. */
  hardware: new Uint8Array(6),
  ipv4: { host: LOOPBACK4, prefix: 8 } satisfies InterfaceAddress,
  ipv6: { host: LOOPBACK6, prefix: 128 } satisfies InterfaceAddress,
} as const;
