/** Protection keys (pkeys(7)): pkey_mprotect, pkey_alloc, pkey_free. */
import { PKRU, XCR0 } from "../../cpu/layout.ts";
import { Component } from "../../cpu/x86_64/features.ts";
import { EINVAL, ENOSPC } from "../errno.ts";

import type { Call, SyscallRow } from "../syscall.ts";

const KEYS = 16;
/** PKEY_DISABLE_ACCESS | PKEY_DISABLE_WRITE */
const RIGHTS = 3;

function state(call: Call): DataView {
  const { buffer, byteOffset } = call.kernel.cpu.stateBytes;
  return new DataView(buffer, byteOffset);
}

/** Whether the processor has protection keys. */
function available(call: Call): boolean {
  return call.kernel.abi.arch === "x86_64" &&
    (state(call).getUint32(XCR0, true) & (1 << Component.Pkru)) !== 0;
}

function allocate(call: Call, flags: number, rights: number): number {
  if (flags !== 0 || (rights & ~RIGHTS) !== 0) return -EINVAL;
  if (!available(call)) return -ENOSPC;
  const { space } = call;
  for (let key = 1; key < KEYS; key++) {
    if ((space.keys & (1 << key)) !== 0) continue;
    space.keys |= 1 << key;
    const view = state(call);
    const others = view.getUint32(PKRU, true) & ~(RIGHTS << (2 * key));
    view.setUint32(PKRU, (others | (rights << (2 * key))) >>> 0, true);
    return key;
  }
  return -ENOSPC;
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
