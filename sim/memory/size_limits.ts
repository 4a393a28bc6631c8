/** Limits of an address space's size: RLIMIT_AS and RLIMIT_DATA (may_expand_vm of mm/mmap.c). */
import type { AddressSpace } from "./address_space.ts";
import { Vm } from "./vma.ts";

/** Private memory that may be written, but a stack: what RLIMIT_DATA counts. */
const isData = (flags: number): boolean =>
  (flags & (Vm.Write | Vm.Shared | Vm.GrowsDown)) === Vm.Write;

/** Whether `space` may have so many more base pages of areas with `flags`. */
export function mayExpand(space: AddressSpace, flags: number, pages: number): boolean {
  const { sizeLimit, dataLimit, granule: { size } } = space;
  if (sizeLimit !== Infinity && (space.totalPages + pages) * size > sizeLimit) return false;
  if (dataLimit === Infinity || !isData(flags)) return true;
  let data = pages;
  for (const area of space.areas.items) {
    if (isData(area.flags)) data += (area.end - area.start) / size;
  }
  return data * size <= dataLimit;
}
