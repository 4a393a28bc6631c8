/** madvise(2), mincore(2), msync(2), mlock(2) and promotion to huge pages. */
import * as abi from "./abi.ts";
import { EACCES, EFAULT, EINVAL, ENOMEM } from "./abi.ts";
import type { AddressSpace } from "./address_space.ts";
import { FrameKind } from "./frames.ts";
import { populateRange } from "./mapping.ts";
import { populate, writeFlags } from "./page_fault.ts";
import { Vm, VM_ACCESS, type Vma } from "./vma.ts";
import { joinSet, modify } from "./vma_merge.ts";

/** Advice that sets flags of the area: those to clear, then those to set. */
const FLAG_ADVICE: ReadonlyMap<number, readonly [number, number]> = new Map([
  [abi.MADV_NORMAL, [Vm.RandomRead | Vm.SequentialRead, 0]],
  [abi.MADV_RANDOM, [Vm.SequentialRead, Vm.RandomRead]],
  [abi.MADV_SEQUENTIAL, [Vm.RandomRead, Vm.SequentialRead]],
  [abi.MADV_DONTFORK, [0, Vm.DontCopy]],
  [abi.MADV_DOFORK, [Vm.DontCopy, 0]],
  [abi.MADV_WIPEONFORK, [0, Vm.WipeOnFork]],
  [abi.MADV_KEEPONFORK, [Vm.WipeOnFork, 0]],
  [abi.MADV_DONTDUMP, [0, Vm.DontDump]],
  [abi.MADV_DODUMP, [Vm.DontDump, 0]],
  [abi.MADV_HUGEPAGE, [Vm.NoHuge, Vm.Huge]],
  [abi.MADV_NOHUGEPAGE, [Vm.Huge, Vm.NoHuge]],
]);

/** Advice that acts on pages, area by area; 0 or a negative errno. */
const PAGE_ADVICE: ReadonlyMap<
  number,
  (space: AddressSpace, vma: Vma, start: number, end: number) => number
> = new Map([
  [abi.MADV_WILLNEED, willNeed],
  [abi.MADV_DONTNEED, dontNeed],
  [abi.MADV_DONTNEED_LOCKED, dontNeed],
  [abi.MADV_FREE, free],
  [abi.MADV_REMOVE, removePages],
  [abi.MADV_COLD, reclaim],
  [abi.MADV_PAGEOUT, reclaim],
  [abi.MADV_POPULATE_READ, (space, vma, start, end) => fill(space, vma, start, end, false)],
  [abi.MADV_POPULATE_WRITE, (space, vma, start, end) => fill(space, vma, start, end, true)],
  [abi.MADV_COLLAPSE, collapse],
]);

/** Advice that stops at the first hole instead of going on and answering -ENOMEM at the end. */
const STOPS_AT_HOLE = new Set([abi.MADV_POPULATE_READ, abi.MADV_POPULATE_WRITE]);

export function madvise(
  space: AddressSpace,
  address: number,
  length: number,
  behaviour: number,
): number {
  const flags = FLAG_ADVICE.get(behaviour);
  const act = PAGE_ADVICE.get(behaviour);
  if (flags === undefined && act === undefined) return -EINVAL;
  if (address % space.granule.size !== 0) return -EINVAL;
  const end = address + space.granule.pageUp(length);
  if (end >= 2 ** 64) return -EINVAL;
  const { areas } = space;
  let hole = false;
  for (let at = address; at < end;) {
    const vma = areas.items[areas.indexOf(at)];
    if (vma === undefined) return -ENOMEM;
    if (vma.start > at) {
      if (STOPS_AT_HOLE.has(behaviour)) return -ENOMEM;
      hole = true;
      at = vma.start;
      if (at >= end) break;
    }
    const to = Math.min(vma.end, end);
    const failed = flags !== undefined
      ? setFlags(space, vma, at, to, behaviour, flags)
      : act!(space, vma, at, to);
    if (failed < 0) return failed;
    at = to;
  }
  return hole ? -ENOMEM : 0;
}

function setFlags(
  space: AddressSpace,
  vma: Vma,
  start: number,
  end: number,
  behaviour: number,
  [clear, set]: readonly [number, number],
): number {
  if (behaviour === abi.MADV_WIPEONFORK && (vma.file !== null || !vma.isPrivate)) return -EINVAL;
  const huge = behaviour === abi.MADV_HUGEPAGE || behaviour === abi.MADV_NOHUGEPAGE;
  const special = (vma.flags & Vm.DontExpand) !== 0;
  if (special && (huge || behaviour === abi.MADV_DODUMP)) return -EINVAL;
  const flags = vma.flags & ~clear | set;
  if (flags === vma.flags) return 0;
  const changed = modify(space, vma, start, end, flags, vma.key);
  return typeof changed === "number" ? changed : 0;
}

function willNeed(_: AddressSpace, vma: Vma, start: number, end: number): number {
  if (vma.file === null) return 0;
  const last = Math.min(vma.pageAt(end), vma.file.pages);
  if (vma.file.file.inMemory === true) return 0;
  for (let index = vma.pageAt(start); index < last; index++) {
    if (vma.file.load(index) === 0) break;
  }
  return 0;
}

function dontNeed(space: AddressSpace, vma: Vma, start: number, end: number): number {
  if (vma.huge !== null) {
    const size = 2 ** vma.pageShift;
    if (start % size !== 0) return -EINVAL;
    end -= end % size;
    if (vma.reserved) vma.huge.pool.reserved += space.leaves(start, end);
  }
  space.zap(vma, start, end);
  return 0;
}

/** MADV_FREE: pages may be taken under memory pressure, which this machine never does to them. */
function free(_: AddressSpace, vma: Vma): number {
  return vma.isAnonymous ? 0 : -EINVAL;
}

function removePages(space: AddressSpace, vma: Vma, start: number, end: number): number {
  if (vma.huge !== null) return -EINVAL;
  if (vma.file === null || vma.file.file.inMemory !== true) return -EINVAL;
  if ((vma.flags & (Vm.Shared | Vm.Write)) !== (Vm.Shared | Vm.Write)) return -EACCES;
  space.splitAt(start);
  vma.file.punch(vma.pageAt(start), vma.pageAt(end));
  return 0;
}

/** MADV_COLD and MADV_PAGEOUT: there is no swap and no ageing to hurry. */
function reclaim(_: AddressSpace, vma: Vma): number {
  return vma.huge !== null ? -EINVAL : 0;
}

function fill(space: AddressSpace, vma: Vma, start: number, end: number, write: boolean): number {
  const needed = write ? Vm.Write : Vm.Read;
  if ((vma.flags & needed) === 0) return -EINVAL;
  const fault = populateRange(space, start, end, write);
  if (fault === 0) return 0;
  return fault === abi.FAULT_OOM ? -ENOMEM : -EFAULT;
}

// ---- huge pages on request ------------------------------------------------------------------

function collapse(space: AddressSpace, vma: Vma, start: number, end: number): number {
  if (vma.huge !== null || (vma.flags & Vm.NoHuge) !== 0) return -EINVAL;
  const { hugeSize } = space.granule;
  const last = vma.end - hugeSize;
  if (last - last % hugeSize < vma.start) return -EINVAL;
  let failed = 0;
  const first = Math.ceil(start / hugeSize) * hugeSize;
  for (let base = first; base + hugeSize <= end; base += hugeSize) {
    if (!collapseAt(space, vma, base)) failed = -EINVAL;
  }
  return failed;
}

export function promote(space: AddressSpace, address: number, length: number): number {
  const end = address + length;
  const { hugeSize } = space.granule;
  let done = 0;
  const first = Math.ceil(address / hugeSize) * hugeSize;
  for (let base = first; base + hugeSize <= end; base += hugeSize) {
    const vma = space.areas.lookup(base);
    if (vma !== null && base + hugeSize <= vma.end && vma.huge === null) {
      if (collapseAt(space, vma, base)) done++;
    }
  }
  return done;
}

/** Bring the range of a huge page at `base`, all of one area, onto a huge page. */
function collapseAt(space: AddressSpace, vma: Vma, base: number): boolean {
  const { table } = space;
  const { hugeFrames, hugeSize } = space.granule;
  if (table.find(base) && table.level === 1) return true;
  if (vma.file !== null && !hasCopies(space, base)) {
    const index = vma.pageAt(base);
    if (index % hugeFrames === 0) {
      if (!vma.file.promote(index)) return false;
      space.zap(vma, base, base + hugeSize);
      space.memory.counters.hugeCollapses++;
      return (vma.flags & VM_ACCESS) === 0 || populate(space, vma, base, false) === 0;
    }
  }
  // A private copy serves any alignment, as a text remapper would make it.
  return vma.isPrivate && copyOntoHuge(space, vma, base);
}

function hasCopies(space: AddressSpace, base: number): boolean {
  const { table } = space;
  const { kind } = space.memory.frames;
  const { size, hugeSize } = space.granule;
  const end = base + hugeSize;
  for (let va = table.next(base, end); va < end; va = table.next(va + table.span, end)) {
    if (kind[table.page / size] === FrameKind.Anonymous) return true;
  }
  return false;
}

function copyOntoHuge(space: AddressSpace, vma: Vma, base: number): boolean {
  const { memory, table } = space;
  const { frames, physical } = memory;
  const { size, hugeSize, hugeFrames, hugeOrder } = space.granule;
  const end = base + hugeSize;
  if (vma.file !== null) {
    // Every page of the file is part of the copy, so every page must exist.
    if (vma.pageAt(end) > vma.file.pages || (vma.flags & VM_ACCESS) === 0) return false;
    for (let va = base; va < end; va += size) {
      if (!table.find(va) && populate(space, vma, va, false) !== 0) return false;
    }
  } else if (table.next(base, end) === end) return false;
  const block = memory.allocate(hugeOrder, FrameKind.Anonymous);
  if (block === 0) return false;
  for (let i = 0; i < hugeFrames; i++) {
    const source = table.find(base + i * size) ? table.page : 0;
    if (frames.kind[source / size] === FrameKind.Reserved) frames.zero(block + i, 1);
    else physical.u8.copyWithin((block + i) * size, source, source + size);
  }
  space.zap(vma, base, end);
  if (vma.anonymous === null) joinSet(space, vma);
  if (!space.install(base, block, 1, writeFlags(vma))) {
    for (let i = 0; i < hugeFrames; i++) frames.release(block + i);
    return false;
  }
  memory.counters.hugeCollapses++;
  return true;
}

// ---- mincore, msync, mlock ------------------------------------------------------------------

export function mincore(
  space: AddressSpace,
  address: number,
  length: number,
  into: Uint8Array,
): number {
  if (address % space.granule.size !== 0) return -EINVAL;
  const { size } = space.granule;
  const end = address + space.granule.pageUp(length);
  if (end > space.layout.taskSize) return -ENOMEM;
  for (let va = address, i = 0; va < end; va += size, i++) {
    const vma = space.areas.lookup(va);
    if (vma === null) return -ENOMEM;
    const present = space.table.find(va) ||
      vma.file !== null && vma.file.frame(vma.pageAt(va)) !== 0;
    into[i] = present ? 1 : 0;
  }
  return 0;
}

export function msync(space: AddressSpace, address: number, length: number, flags: number): number {
  if ((flags & ~(abi.MS_ASYNC | abi.MS_INVALIDATE | abi.MS_SYNC)) !== 0) return -EINVAL;
  if (address % space.granule.size !== 0) return -EINVAL;
  if ((flags & abi.MS_ASYNC) !== 0 && (flags & abi.MS_SYNC) !== 0) return -EINVAL;
  const end = address + space.granule.pageUp(length);
  if (end >= 2 ** 64) return -ENOMEM;
  return overAreas(space, address, end, (vma, start, to) => {
    if ((flags & abi.MS_SYNC) !== 0 && vma.file !== null && (vma.flags & Vm.Shared) !== 0) {
      vma.file.sync(vma.pageAt(start), vma.pageAt(to));
    }
  });
}

export function mlock(space: AddressSpace, address: number, length: number): number {
  space.memory.counters.lockCalls++;
  const start = space.granule.pageDown(address);
  const end = space.granule.pageUp(address + length);
  if (end >= 2 ** 64) return -EINVAL;
  return overAreas(space, start, end, () => {});
}

/** Visit the areas of a range; -ENOMEM if it has a hole. */
function overAreas(
  space: AddressSpace,
  start: number,
  end: number,
  visit: (vma: Vma, start: number, end: number) => void,
): number {
  const { items } = space.areas;
  let hole = false;
  let at = start;
  for (let i = space.areas.indexOf(start); at < end; i++) {
    const vma = items[i];
    if (vma === undefined || vma.start >= end) return -ENOMEM;
    if (vma.start > at) hole = true;
    const to = Math.min(end, vma.end);
    visit(vma, Math.max(at, vma.start), to);
    at = to;
  }
  return hole ? -ENOMEM : 0;
}
