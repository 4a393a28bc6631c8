/** Structures in guest memory. */
import type { Struct, Values } from "./abi/struct.ts";
import { EFAULT } from "./errno.ts";
import type { AddressSpace } from "../memory/address_space.ts";

/** Read a structure at `va`, or null if it is not readable (-EFAULT). */
export function readStruct<Name extends string>(
  space: AddressSpace,
  type: Struct<Name>,
  va: number,
): Values<Name> | null {
  const bytes = new Uint8Array(type.size);
  return space.copyIn(va, bytes) < 0 ? null : type.decode(bytes);
}

/** Write a structure at `va`: 0 or -EFAULT. */
export function writeStruct<Name extends string>(
  space: AddressSpace,
  type: Struct<Name>,
  va: number,
  values: Partial<Values<Name>>,
): number {
  return space.copyOut(va, type.encode(values)) < 0 ? -EFAULT : 0;
}

/** Write a 32-bit integer at `va`: 0 or -EFAULT. */
export function writeInt(space: AddressSpace, va: number, value: number): number {
  return space.writeU32(va, value >>> 0) < 0 ? -EFAULT : 0;
}
