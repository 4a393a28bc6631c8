/** Socket addresses and protocols as strace prints them. */
import type { AddressSpace } from "../../memory/address_space.ts";
import { encodeName } from "../fs/file_name.ts";
import { hostText } from "../net/host.ts";
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, decodeAddress } from "../net/socket_address.ts";
import { enumName } from "./enums.ts";
import { quote } from "./strings.ts";

/** `{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}` */
export function socketAddress(at: number, space: AddressSpace, length: number): string | null {
  const bytes = space.readBytes(at, Math.max(0, Math.min(length, 128)));
  if (typeof bytes === "number" || bytes.length < 2) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = `sa_family=${enumName("family", view.getUint16(0, true))}`;
  const address = decodeAddress(bytes);
  if (typeof address === "number") return `{${family}, sa_data=${quote(bytes.subarray(2))}}`;
  switch (address.family) {
    case AF_UNIX: {
      if (address.name === "") return `{${family}}`;
      const name = encodeName(address.name);
      const path = address.abstract ? "@" + quote(name.subarray(1)) : quote(name);
      return `{${family}, sun_path=${path}}`;
    }
    case AF_INET:
      return `{${family}, sin_port=htons(${address.port}), ` +
        `sin_addr=inet_addr("${hostText(address.host, 4)}")}`;
    case AF_INET6: {
      const scope = bytes.length < 28 ? "" : `, sin6_scope_id=${view.getUint32(24, true)}`;
      return `{${family}, sin6_port=htons(${address.port}), ` +
        `sin6_flowinfo=htonl(${view.getUint32(4)}), ` +
        `inet_pton(AF_INET6, "${hostText(address.host, 16)}", &sin6_addr)${scope}}`;
    }
    case AF_NETLINK:
      return `{${family}, nl_pid=${address.port}, ` +
        `nl_groups=${address.groups === 0 ? "" : "0x"}${
          address.groups.toString(16).padStart(address.groups === 0 ? 8 : 0, "0")
        }}`;
    default:
      return `{${family}}`;
  }
}

/** The third argument of socket(2), which depends on the first. */
export function protocolName(family: number, protocol: number): string {
  switch (family) {
    case AF_INET:
    case AF_INET6:
      return enumName("ip_protocol", protocol);
    case AF_NETLINK:
      return enumName("netlink", protocol);
    default:
      return String(protocol);
  }
}
