/** Which addresses a process holds: what its memory and registers say, aligned word by aligned word. */
import type { AddressSpace } from "./memory/address_space.ts";
import { Vm } from "./memory/vma.ts";

const TWO_32 = 2 ** 32;

/**
 * Words within `[start, end)` in writable pages that are there, and in the states of threads. Nothing is
 * touched or counted.
 */
export function mentions(
  space: AddressSpace,
  states: readonly Uint8Array[],
  start: number,
  end: number,
): Set<number> {
  const found = new Set<number>();
  const scan = (bytes: Uint8Array): void => {
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    const [first, last] = [Math.floor(start / TWO_32), Math.floor((end - 1) / TWO_32)];
    for (let i = 0; i + 1 < words.length; i += 2) {
      const high = words[i + 1];
      if (high < first || high > last) continue;
      const value = high * TWO_32 + words[i];
      if (value >= start && value < end) found.add(value);
    }
  };
  const { table, memory } = space;
  const { size } = space.granule;
  for (const area of space.areas.items) {
    if ((area.flags & Vm.Write) === 0) continue;
    for (let at = area.start; (at = table.next(at, area.end)) < area.end; at += size) {
      const from = table.page + at % table.span;
      scan(memory.physical.u8.subarray(from, from + size));
    }
  }
  for (const state of states) scan(state);
  return found;
}
