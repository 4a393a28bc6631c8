/** mmap(2), munmap(2) and brk(2), after Linux's mm/mmap.c and mm/vma.c. */
import {
  EACCES,
  EEXIST,
  EINVAL,
  ENOMEM,
  EOPNOTSUPP,
  EOVERFLOW,
  EPERM,
  MAP_32BIT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_HUGE_1GB,
  MAP_HUGE_2MB,
  MAP_HUGE_SHIFT,
  MAP_HUGETLB,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_STACK,
  MAP_TYPE,
  PROT_BTI,
} from "./abi.ts";
import type { AddressSpace } from "./address_space.ts";
import { HugeMapping, type HugePool } from "./hugetlb.ts";
import type { CachedFile } from "./page_cache.ts";
import { populate } from "./page_fault.ts";
import { MIN_ADDRESS, unmappedArea } from "./unmapped_area.ts";
import { type MapSource, STACK_GUARD_PAGES, Vm, VM_ACCESS, Vma } from "./vma.ts";
import { mayExpand } from "./size_limits.ts";
import { MAX_MAP_COUNT, mergeNew, split, type VmaShape } from "./vma_merge.ts";

/** Flags that `MAP_SHARED_VALIDATE` knows for files: LEGACY_MAP_MASK of include/linux/mman.h. */
const VALIDATED = MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | 0xc0 | MAP_GROWSDOWN | 0x1800 |
  MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB |
  MAP_HUGE_2MB | MAP_HUGE_1GB;

/** The heuristic of vm.overcommit_memory = 0: refuse only what could never fit. */
export function overcommits(space: AddressSpace, size: number): boolean {
  return size / space.granule.size > space.memory.frames.count;
}

export function mmap(
  space: AddressSpace,
  address: number,
  length: number,
  prot: number,
  flags: number,
  source: MapSource | null,
  offset: number,
): number {
  const { taskSize } = space.layout;
  const { granule } = space;
  if (offset % granule.size !== 0) return -EINVAL;
  let pool: HugePool | undefined;
  if ((flags & MAP_HUGETLB) !== 0) {
    if (source !== null) return -EINVAL;
    const shift = flags >>> MAP_HUGE_SHIFT & 63;
    pool = space.memory.pools.get(shift === 0 ? granule.hugeShift : shift);
    if (pool === undefined) return -EINVAL;
    length = Math.ceil(length / 2 ** pool.shift) * 2 ** pool.shift;
  }
  if (length === 0) return -EINVAL;
  if ((flags & MAP_FIXED_NOREPLACE) !== 0) flags |= MAP_FIXED;
  const fixed = (flags & MAP_FIXED) !== 0;
  if (!fixed && address !== 0) address = Math.max(granule.pageDown(address), MIN_ADDRESS);
  length = granule.pageUp(length);
  if (length >= 2 ** 64) return -ENOMEM;
  if (offset + length >= 2 ** 64) return -EOVERFLOW;
  if (space.areas.count > MAX_MAP_COUNT) return -ENOMEM;

  const alignment = pool === undefined ? granule.size : 2 ** pool.shift;
  const shared = (flags & MAP_TYPE) !== MAP_PRIVATE;
  const start = fixed ? fixedAddress(address, length, taskSize, alignment) : unmappedArea(space, {
    hint: address,
    length,
    alignment,
    source,
    shared,
    offset,
    low: (flags & MAP_32BIT) !== 0 && space.memory.arch === "x86_64",
  });
  if (start < 0) return start;
  if ((flags & MAP_FIXED_NOREPLACE) !== 0 && space.areas.overlaps(start, start + length)) {
    return -EEXIST;
  }
  const access = accessFlags(space, prot) | MAY_ALL;
  const vm = pool === undefined
    ? (source !== null ? fileFlags(access, flags, source) : anonymousFlags(access, flags))
    : hugetlbFlags(access, flags);
  if (vm < 0) return vm;
  const failed = mapRegion(space, start, length, vm, source, offset / granule.size, pool);
  if (failed < 0) return failed;
  if ((flags & MAP_LOCKED) !== 0) space.memory.counters.lockCalls++;
  if ((flags & (MAP_POPULATE | MAP_LOCKED)) !== 0 && (flags & MAP_NONBLOCK) === 0) {
    populateRange(space, start, start + length, (vm & (Vm.Write | Vm.Shared)) === Vm.Write);
  }
  return start;
}

function fixedAddress(
  address: number,
  length: number,
  taskSize: number,
  alignment: number,
): number {
  if (length > taskSize || address > taskSize - length) return -ENOMEM;
  if (address % alignment !== 0) return -EINVAL;
  return address < MIN_ADDRESS ? -EPERM : address;
}

/** The flags that `PROT_*` sets. */
export function accessFlags(space: AddressSpace, prot: number): number {
  const guarded = (prot & PROT_BTI) !== 0 && space.memory.arch === "aarch64";
  return prot & VM_ACCESS | (guarded ? Vm.Guarded : 0);
}
const MAY_ALL = Vm.MayRead | Vm.MayWrite | Vm.MayExecute;

function privateFlags(vm: number, flags: number): number {
  if ((flags & MAP_NORESERVE) !== 0) return vm | Vm.NoReserve;
  return (vm & (Vm.Write | Vm.Shared)) === Vm.Write ? vm | Vm.Account : vm;
}

function anonymousFlags(vm: number, flags: number): number {
  const down = (flags & MAP_GROWSDOWN) !== 0;
  switch (flags & MAP_TYPE) {
    case MAP_SHARED:
      return down ? -EINVAL : privateFlags(vm | Vm.Shared | Vm.MayShare, flags);
    case MAP_PRIVATE:
      return privateFlags(down ? vm | Vm.GrowsDown : vm, flags);
    default:
      return -EINVAL;
  }
}

function hugetlbFlags(access: number, flags: number): number {
  const vm = access | Vm.Hugetlb | Vm.DontExpand;
  if ((flags & MAP_GROWSDOWN) !== 0) return -EINVAL;
  const reserve = (flags & MAP_NORESERVE) !== 0 ? Vm.NoReserve : 0;
  switch (flags & MAP_TYPE) {
    case MAP_SHARED:
      return vm | reserve | Vm.Shared | Vm.MayShare;
    case MAP_PRIVATE:
      return vm | reserve;
    default:
      return -EINVAL;
  }
}

function fileFlags(access: number, flags: number, source: MapSource): number {
  let vm = access;
  const type = flags & MAP_TYPE;
  if (type === MAP_SHARED_VALIDATE && (flags & ~VALIDATED) !== 0) return -EOPNOTSUPP;
  if (type === MAP_SHARED || type === MAP_SHARED_VALIDATE) {
    if ((vm & Vm.Write) !== 0 && !source.writable) return -EACCES;
    vm |= Vm.Shared | Vm.MayShare;
    if (!source.writable) vm &= ~(Vm.MayWrite | Vm.Shared);
  } else if (type !== MAP_PRIVATE) return -EINVAL;
  if (!source.readable) return -EACCES;
  if (source.noExec === true) {
    if ((vm & Vm.Execute) !== 0) return -EPERM;
    vm &= ~Vm.MayExecute;
  }
  if ((flags & MAP_GROWSDOWN) !== 0) return -EINVAL;
  return privateFlags(vm, flags);
}

/** Put an area of `flags` at `[start, start + length)`, in place of what was there. */
function mapRegion(
  space: AddressSpace,
  start: number,
  length: number,
  flags: number,
  source: MapSource | null,
  page: number,
  pool: HugePool | undefined,
): number {
  const { areas, memory } = space;
  const { size } = space.granule;
  const end = start + length;
  const limited = space.sizeLimit !== Infinity || space.dataLimit !== Infinity;
  const replaced = limited ? mappedPages(space, start, end) : 0;
  if (!mayExpand(space, flags, length / size - replaced)) return -ENOMEM;
  if ((flags & Vm.Account) !== 0 && overcommits(space, length)) return -ENOMEM;
  const failed = removeRange(space, start, end);
  if (failed < 0) return failed;
  const sharedAnonymous = source === null && (flags & Vm.MayShare) !== 0;
  let file: CachedFile | null = null;
  if (source !== null) file = memory.cache.open(source.file);
  else if (sharedAnonymous && pool === undefined) file = memory.cache.anonymous(length);
  const pageOffset = source !== null ? page : sharedAnonymous ? 0 : start / size;
  const shape: VmaShape = {
    flags,
    file,
    source,
    pageOffset,
    anonymous: null,
    inherited: false,
    key: 0,
  };
  if (mergeNew(space, start, end, shape) !== null) return 0;
  const vma = new Vma(space, start, end, flags, file, pageOffset);
  vma.source = source;
  if (pool !== undefined) {
    const count = (flags & Vm.NoReserve) !== 0 ? 0 : length / 2 ** pool.shift;
    if (!pool.reserve(count)) return -ENOMEM;
    vma.pageShift = pool.shift;
    vma.huge = new HugeMapping(pool, sharedAnonymous ? count : 0);
    vma.reserved = !sharedAnonymous && count > 0;
  }
  areas.insert(vma);
  return 0;
}

export function mapSpecial(
  space: AddressSpace,
  address: number,
  length: number,
  prot: number,
  name: string,
): number {
  const result = mmap(
    space,
    address,
    length,
    prot,
    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
    null,
    0,
  );
  if (result < 0) return result;
  const vma = carve(space, address, address + space.granule.pageUp(length));
  vma.name = name;
  return result;
}

/** Make `[start, end)`, inside one area, an area of its own. */
function carve(space: AddressSpace, start: number, end: number): Vma {
  let vma = space.areas.lookup(start)!;
  if (vma.start < start) {
    split(space, vma, start);
    vma = space.areas.lookup(start)!;
  }
  if (vma.end > end) split(space, vma, end);
  return vma;
}

function mappedPages(space: AddressSpace, start: number, end: number): number {
  const { items } = space.areas;
  let bytes = 0;
  for (let i = space.areas.indexOf(start); i < items.length && items[i].start < end; i++) {
    bytes += Math.min(end, items[i].end) - Math.max(start, items[i].start);
  }
  return bytes / space.granule.size;
}

/** Fault every page of `[start, end)` in, as far as its areas permit; 0 or the first fault. */
export function populateRange(
  space: AddressSpace,
  start: number,
  end: number,
  write: boolean,
): number {
  const { items } = space.areas;
  for (let i = space.areas.indexOf(start); i < items.length && items[i].start < end; i++) {
    const vma = items[i];
    if ((vma.flags & VM_ACCESS) === 0) continue;
    const size = 2 ** vma.pageShift;
    const to = Math.min(end, vma.end);
    for (let va = Math.max(start, vma.start); va < to; va += size) {
      const fault = populate(space, vma, va, write && (vma.flags & Vm.Write) !== 0);
      if (fault !== 0) return fault;
    }
  }
  return 0;
}

// ---- munmap and brk -------------------------------------------------------------------------

export function munmap(space: AddressSpace, address: number, length: number): number {
  const { layout: { taskSize }, granule } = space;
  if (address % granule.size !== 0 || address > taskSize || length > taskSize - address) {
    return -EINVAL;
  }
  const size = granule.pageUp(length);
  if (size === 0) return -EINVAL;
  return removeRange(space, address, address + size);
}

/** Unmap `[start, end)`, splitting areas at its ends; 0 or a negative errno. */
export function removeRange(space: AddressSpace, start: number, end: number): number {
  const { areas } = space;
  let i = areas.indexOf(start);
  let vma = areas.items[i];
  if (vma === undefined || vma.start >= end) return 0;
  if (vma.start < start) {
    if (end < vma.end && areas.count >= MAX_MAP_COUNT) return -ENOMEM;
    const failed = split(space, vma, start);
    if (failed < 0) return failed;
  }
  const last = areas.lookup(end - 1);
  if (last !== null && last.end > end) {
    const failed = split(space, last, end);
    if (failed < 0) return failed;
  }
  i = areas.indexOf(start);
  while ((vma = areas.items[i]) !== undefined && vma.start < end) {
    space.unreserve(vma);
    space.zap(vma, vma.start, vma.end);
    areas.remove(vma);
  }
  return 0;
}

export function brk(space: AddressSpace, address: number): number {
  const { heapStart, heapEnd, areas, granule } = space;
  if (heapStart === 0 || address < heapStart || address > space.layout.taskSize) return heapEnd;
  const from = granule.pageUp(heapEnd);
  const to = granule.pageUp(address);
  if (to < from) {
    if (removeRange(space, to, from) < 0) return heapEnd;
  } else if (to > from) {
    const next = areas.items[areas.indexOf(from)];
    if (next !== undefined && to + granule.size > next.guardedStart) return heapEnd;
    if (to > space.layout.taskSize - STACK_GUARD_PAGES * granule.size) return heapEnd;
    const flags = Vm.Read | Vm.Write | MAY_ALL | Vm.Account;
    if (mapRegion(space, from, to - from, flags, null, 0, undefined) < 0) return heapEnd;
  }
  return space.heapEnd = address;
}
