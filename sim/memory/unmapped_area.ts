/**
 * Where a mapping without a fixed address goes: Linux's search from the top down (mm/mmap.c,
 * mm/vma.c, mm/huge_memory.c).
 */
import { ENOMEM } from "./abi.ts";
import type { AddressSpace } from "./address_space.ts";
import type { MapSource } from "./vma.ts";

/** vm.mmap_min_addr: hints below go here, and fixed mappings below are not permitted. */
export const MIN_ADDRESS = 65536;
/** Where x86_64's `MAP_32BIT` looks. */
const LOW_START = 0x4000_0000;
const LOW_END = 0x8000_0000;

/** What is to be placed. */
export interface Placement {
  /** Page-aligned address to try first, 0 for none. */
  readonly hint: number;
  /** Bytes, a multiple of the page size. */
  readonly length: number;
  /** Alignment of the address in bytes. */
  readonly alignment: number;
  readonly source: MapSource | null;
  /** Whether it is of a file in memory or shared: never placed for huge pages. */
  readonly shared: boolean;
  /** Byte offset in the file. */
  readonly offset: number;
  /** Below 2 GiB: `MAP_32BIT`. */
  readonly low: boolean;
}

/** An unmapped range for the placement, or -ENOMEM. */
export function unmappedArea(space: AddressSpace, wish: Placement): number {
  const { hint, length, source } = wish;
  const { size, hugeSize } = space.granule;
  if (length > space.layout.taskSize) return -ENOMEM;
  // Linux places what a huge page could hold so that one could: stored files, and whole multiples
  // of private anonymous memory.
  const file = source !== null && source.file.inMemory !== true;
  const anonymous = source === null && !wish.shared && hint === 0 && length % hugeSize === 0;
  if (wish.alignment === size && (file || anonymous)) {
    const offset = file ? wish.offset : 0;
    const from = Math.ceil(offset / hugeSize) * hugeSize;
    if (offset + length - from >= hugeSize) {
      const room = plainArea(space, wish, length + hugeSize);
      if (room >= 0) {
        if (room === hint) return room;
        const shift = ((offset - room) % hugeSize + hugeSize) % hugeSize;
        return room + (shift === 0 ? hugeSize : shift);
      }
    }
  }
  return plainArea(space, wish, length);
}

function plainArea(
  space: AddressSpace,
  { hint, alignment, low }: Placement,
  length: number,
): number {
  const { taskSize, mmapBase } = space.layout;
  const limit = low ? LOW_END : taskSize;
  if (length > limit) return -ENOMEM;
  if (hint !== 0) {
    const start = Math.ceil(hint / alignment) * alignment;
    const next = space.areas.items[space.areas.indexOf(start)];
    const room = next === undefined ? limit : next.guardedStart;
    if (start + length <= limit && start + length <= room && start < (next?.start ?? limit)) {
      return start;
    }
  }
  if (low) return lowestGap(space, length, alignment, LOW_START, limit);
  const down = highestGap(space, length, alignment, mmapBase);
  if (down >= 0) return down;
  return lowestGap(space, length, alignment, space.granule.pageUp(taskSize / 3), taskSize);
}

/**
 * The highest gap below `limit`. A gap that would do but for the guard below a growing stack lowers
 * the limit for all that follows, as Linux's search does.
 */
function highestGap(space: AddressSpace, length: number, alignment: number, limit: number): number {
  const { items } = space.areas;
  const search = length + alignment - space.granule.size;
  for (let i = space.areas.indexOf(limit); i >= 0; i--) {
    const next = items[i];
    const bottom = i > 0 ? items[i - 1].end : MIN_ADDRESS;
    let end = next === undefined ? limit : Math.min(limit, next.start);
    if (end - bottom >= search && next !== undefined && next.guardedStart < end) {
      end = limit = next.guardedStart;
    }
    if (end - bottom >= search) {
      const start = end - length;
      return start - start % alignment;
    }
  }
  return -ENOMEM;
}

function lowestGap(
  space: AddressSpace,
  length: number,
  alignment: number,
  from: number,
  limit: number,
): number {
  const { items } = space.areas;
  let start = Math.ceil(from / alignment) * alignment;
  for (let i = space.areas.indexOf(from);; i++) {
    const room = i < items.length ? Math.min(items[i].guardedStart, limit) : limit;
    if (start + length <= room) return start;
    if (i >= items.length) return -ENOMEM;
    start = Math.max(start, Math.ceil(items[i].end / alignment) * alignment);
  }
}
