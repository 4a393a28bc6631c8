/** The auxiliary vector for debuggers, which find a program by it. */
import { PT_PHDR } from "../../lib/elf/constants.ts";
import { AT_ENTRY, AT_PHDR, AT_PHNUM } from "../../lib/linker/target.ts";
import type { PlacedObject } from "../memory/address_space.ts";

/**
 * The auxiliary vector with the program's own headers and entry point, where the modular linker has shown the
 * guest's loader others (`modules/sysv/stand_in.ts`).
 */
export function auxiliaryVector(
  bytes: Uint8Array,
  program: PlacedObject | undefined,
): Uint8Array {
  if (program === undefined) return bytes;
  const { base, elf } = program;
  const headers = elf.segments.find(({ type }) => type === PT_PHDR);
  const own = new Map([[AT_ENTRY, base + elf.header.entry], [AT_PHNUM, elf.segments.length]]);
  if (headers !== undefined) own.set(AT_PHDR, base + headers.vaddr);
  const result = bytes.slice();
  const view = new DataView(result.buffer);
  for (let at = 0; at < result.length; at += 16) {
    const value = own.get(view.getUint32(at, true));
    if (value !== undefined) view.setBigUint64(at + 8, BigInt(value), true);
  }
  return result;
}
