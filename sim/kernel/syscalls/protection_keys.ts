/** Protection keys (pkeys(7)): pkey_mprotect, pkey_alloc, pkey_free. */
import { PKRU, POR, XCR0 } from "../../cpu/layout.ts";
import { Component } from "../../cpu/x86_64/features.ts";
import { EINVAL, ENOSPC } from "../errno.ts";
import type { AddressSpace } from "../../memory/address_space.ts";
import type { Kernel } from "../kernel.ts";
import type { Call, SyscallRow } from "../syscall.ts";

const KEYS = 16;
/** FEAT_S1POE has sixteen, of which Linux uses those that three bits of an entry can name. */
const POE_KEYS = 8;
/** PKEY_DISABLE_ACCESS | PKEY_DISABLE_WRITE */
const RIGHTS = 3;

function state(kernel: Kernel): DataView {
  const { buffer, byteOffset } = kernel.cpu.stateBytes;
  return new DataView(buffer, byteOffset);
}

/** Protection keys of the processor, key 0 included; 0 where it has none. */
function keys(kernel: Kernel): number {
  const features = state(kernel).getUint32(XCR0, true);
  if (kernel.abi.arch === "aarch64") return features === 0 ? 0 : POE_KEYS;
  return (features & (1 << Component.Pkru)) !== 0 ? KEYS : 0;
}

/** Gives out a key of `space` that nobody has, or undefined. */
export function giveKey(kernel: Kernel, space: AddressSpace): number | undefined {
  for (let key = 1; key < keys(kernel); key++) {
    if ((space.keys & (1 << key)) !== 0) continue;
    space.keys |= 1 << key;
    return key;
  }
  return undefined;
}

/** PKRU or POR_EL0 of the loaded thread with the rights of `key` as pkey_alloc gives them. */
function setRights(kernel: Kernel, key: number, rights: number): void {
  const view = state(kernel);
  if (kernel.abi.arch === "x86_64") {
    const others = view.getUint32(PKRU, true) & ~(RIGHTS << (2 * key));
    view.setUint32(PKRU, (others | (rights << (2 * key))) >>> 0, true);
    return;
  }
  // R, X and W of a field of POR_EL0 (DDI 0487, D24.2.147): without access, nothing; without writes, R and X.
  const field = rights & 1 ? 0n : rights & 2 ? 3n : 7n;
  const shift = BigInt(4 * key);
  const others = view.getBigUint64(POR, true) & ~(15n << shift);
  view.setBigUint64(POR, others | (field << shift), true);
}

function allocate(call: Call, flags: number, rights: number): number {
  if (flags !== 0 || (rights & ~RIGHTS) !== 0) return -EINVAL;
  const key = giveKey(call.kernel, call.space);
  if (key === undefined) return -ENOSPC;
  setRights(call.kernel, key, rights);
  return key;
}

function free(call: Call, key: number): number {
  const { space } = call;
  if (key < 0 || key >= KEYS || (space.keys & (1 << key)) === 0) return -EINVAL;
  space.keys &= ~(1 << key);
  return 0;
}

function protect(call: Call, address: number, length: number, prot: number, key: number): number {
  const { space } = call;
  if (key === -1) return space.mprotect(address, length, prot);
  if (key < 0 || key >= KEYS || (space.keys & (1 << key)) === 0) return -EINVAL;
  return space.mprotect(address, length, prot, key);
}

export const protectionKeyRows: readonly SyscallRow[] = [
  {
    name: "pkey_mprotect",
    x86_64: 329,
    aarch64: 288,
    args: ["ptr", "size", "flags:prot", "int"],
    run: protect,
  },
  {
    name: "pkey_alloc",
    x86_64: 330,
    aarch64: 289,
    args: ["uint", "uint"],
    run: allocate,
  },
  { name: "pkey_free", x86_64: 331, aarch64: 290, args: ["int"], run: free },
];
