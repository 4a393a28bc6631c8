/**
 * The page fault handler: what happens when a page table entry does not permit an access that its
 * area may permit. Functions return 0, or a fault as `signal << 8 | si_code`.
 */
import { Access } from "../cpu/cpu.ts";
import { FAULT_ACCERR, FAULT_BUS, FAULT_MAPERR, FAULT_OOM, FAULT_PKUERR } from "./abi.ts";
import type { AddressSpace } from "./address_space.ts";
import { Pte, PTE_KEY_SHIFT } from "./entry_format.ts";
import { FrameKind } from "./frames.ts";
import type { CachedFile } from "./page_cache.ts";
import { MIN_ADDRESS } from "./unmapped_area.ts";
import { STACK_GUARD_PAGES, Vm, VM_ACCESS, type Vma } from "./vma.ts";
import { mayExpand } from "./size_limits.ts";
import { joinSet } from "./vma_merge.ts";

/** Make the page of `va` present with the rights that `access` needs. */
export function pageFault(space: AddressSpace, va: number, access: Access): number {
  let vma = space.areas.lookup(va);
  if (vma === null) {
    vma = growStack(space, va);
    if (vma === null) return FAULT_MAPERR;
  }
  const denied = refusal(space, vma, access);
  if (denied !== 0) return denied;
  return populate(space, vma, va, access === Access.Write);
}

/** Why `vma` does not permit `access`, or 0. */
function refusal(space: AddressSpace, vma: Vma, access: Access): number {
  const { flags } = vma;
  if (access === Access.Write) {
    if ((flags & Vm.Write) === 0) return FAULT_ACCERR;
  } else if (access === Access.Execute) {
    if ((flags & Vm.Execute) === 0) return FAULT_ACCERR;
  } else if ((flags & VM_ACCESS) === 0) return FAULT_ACCERR;
  return keyPermits(space, vma.key, access) ? 0 : FAULT_PKUERR;
}

/**
 * Whether a page of protection key `key` may be accessed: PKRU governs data (Intel SDM volume 3A, 4.6.2),
 * an overlay of aarch64 fetches too.
 */
export function keyPermits(
  { pkru, noFetch }: { readonly pkru: number; readonly noFetch: number },
  key: number,
  access: Access,
): boolean {
  if (access === Access.Execute) return (noFetch >>> key & 1) === 0;
  const rights = pkru >>> (2 * key) & 3;
  return rights === 0 || (rights === 2 && access !== Access.Write);
}

/** `Pte` flags of a page of `vma` that is not writable yet. */
export function readFlags(vma: Vma): number {
  const { flags } = vma;
  if ((flags & VM_ACCESS) === 0) return vma.key << PTE_KEY_SHIFT;
  let result = vma.key << PTE_KEY_SHIFT | Pte.Read;
  if ((flags & Vm.Execute) !== 0) result |= Pte.Execute;
  if ((flags & Vm.Guarded) !== 0) result |= Pte.Guarded;
  if (vma.isPrivate && (flags & Vm.Write) !== 0) result |= Pte.Cow;
  return result;
}

/** `Pte` flags of a page of `vma` that may be written as far as its area permits. */
export function writeFlags(vma: Vma): number {
  const flags = readFlags(vma) & ~Pte.Cow | Pte.Dirty;
  return (vma.flags & Vm.Write) !== 0 ? flags | Pte.Write : flags;
}

/** Fault in the page of `va` of `vma`, whose rights were checked. `write` breaks copy-on-write. */
export function populate(space: AddressSpace, vma: Vma, va: number, write: boolean): number {
  const { memory, table } = space;
  if (vma.huge !== null) return hugetlbFault(space, vma, va, write);
  if (table.find(va)) {
    if (!write) return 0;
    memory.counters.minor[memory.domain]++;
    return writeFault(space, vma, va);
  }
  if (vma.file === null) {
    memory.counters.minor[memory.domain]++;
    return anonymousFault(space, vma, va, write);
  }
  return fileFault(space, vma, vma.file, va, write);
}

/** Extend the stack area above `va` down to it, if there is one and it may grow so far. */
function growStack(space: AddressSpace, va: number): Vma | null {
  const { areas } = space;
  const i = areas.indexOf(va);
  const vma = areas.items[i];
  if (vma === undefined || (vma.flags & Vm.GrowsDown) === 0) return null;
  const { size } = space.granule;
  const start = va - va % size;
  if (start < MIN_ADDRESS) return null;
  const below = areas.items[i - 1];
  if (below !== undefined) {
    const guarded = (below.flags & Vm.GrowsDown) === 0 && (below.flags & VM_ACCESS) !== 0;
    if (start - below.end < (guarded ? STACK_GUARD_PAGES * size : 0)) return null;
  }
  joinSetOnce(space, vma);
  const grown = (vma.start - start) / size;
  if (grown > vma.pageOffset || vma.end - start > space.stackLimit) return null;
  if (!mayExpand(space, vma.flags, grown)) return null;
  vma.start = start;
  vma.pageOffset -= grown;
  return vma;
}

function joinSetOnce(space: AddressSpace, vma: Vma): void {
  if (vma.anonymous === null) joinSet(space, vma);
}

function wantsHuge(space: AddressSpace, vma: Vma, base: number): boolean {
  if (base < vma.start || base + space.granule.hugeSize > vma.end || vma.name !== "") return false;
  if ((vma.flags & Vm.NoHuge) !== 0) return false;
  const policy = space.memory.thp;
  return policy === "always" || policy === "madvise" && (vma.flags & Vm.Huge) !== 0;
}

/** First touch of private anonymous memory; the table is at the empty entry. */
function anonymousFault(space: AddressSpace, vma: Vma, va: number, write: boolean): number {
  const { memory, table, granule } = space;
  const { frames } = memory;
  const { size } = granule;
  const base = va - va % granule.hugeSize;
  if (table.level > 0 && wantsHuge(space, vma, base)) {
    joinSetOnce(space, vma);
    if (!write) {
      const zero = memory.hugeZeroFrame();
      if (zero !== 0) {
        return table.map(base, zero * size, 1, readFlags(vma)) ? 0 : FAULT_OOM;
      }
    } else if (installHuge(space, vma, base)) return 0;
    table.find(va);
  }
  if (!write) {
    if (!table.map(va, memory.zeroFrame * size, 0, readFlags(vma))) return FAULT_OOM;
    return 0;
  }
  const frame = memory.allocateZeroed(0, FrameKind.Anonymous);
  if (frame === 0) return FAULT_OOM;
  joinSetOnce(space, vma);
  if (!table.map(va, frame * size, 0, writeFlags(vma))) return outOfTables(space, frame, 0);
  frames.maps[frame]++;
  return 0;
}

/** Put a fresh huge page at `base`. False if there is none to be had. */
function installHuge(space: AddressSpace, vma: Vma, base: number): boolean {
  const { memory } = space;
  const { hugeOrder } = space.granule;
  const block = memory.allocateZeroed(hugeOrder, FrameKind.Anonymous);
  if (block === 0) return false;
  if (!space.install(base, block, 1, writeFlags(vma))) {
    outOfTables(space, block, hugeOrder);
    return false;
  }
  memory.counters.hugeFaults++;
  return true;
}

function outOfTables(space: AddressSpace, frame: number, order: number): number {
  for (let f = frame; f < frame + (1 << order); f++) space.memory.frames.release(f);
  return FAULT_OOM;
}

/** First touch of a page of a file. */
function fileFault(
  space: AddressSpace,
  vma: Vma,
  file: CachedFile,
  va: number,
  write: boolean,
): number {
  const { memory, table } = space;
  const { counters, domain, frames, physical } = memory;
  const { size } = space.granule;
  const index = vma.pageAt(va);
  const privately = write && vma.isPrivate;
  // Linux prepares for the copy before it looks at the file, and areas merge by it.
  if (privately) joinSetOnce(space, vma);
  if (index >= file.pages) return FAULT_BUS;
  const cached = file.frame(index) !== 0 || file.file.inMemory === true;
  if (cached) counters.minor[domain]++;
  else counters.major[domain]++;
  if (!privately && mapHugeFile(space, vma, file, va, index)) {
    return write ? writeFault(space, vma, va) : 0;
  }
  if (!write) return mapAround(space, vma, file, va, index) ? 0 : FAULT_OOM;
  const source = file.load(index);
  if (source === 0) return FAULT_OOM;
  if (!privately) {
    file.markDirty(index);
    return space.share(va, source, writeFlags(vma)) ? 0 : FAULT_OOM;
  }
  frames.refs[source]++;
  const frame = memory.allocate(0, FrameKind.Anonymous);
  frames.release(source);
  if (frame === 0) return FAULT_OOM;
  physical.u8.copyWithin(frame * size, source * size, (source + 1) * size);
  counters.copies[domain]++;
  if (!table.map(va, frame * size, 0, writeFlags(vma))) return outOfTables(space, frame, 0);
  frames.maps[frame]++;
  return 0;
}

/** Map a huge page of the file at once if its cached pages and the area's shape permit. */
function mapHugeFile(
  space: AddressSpace,
  vma: Vma,
  file: CachedFile,
  va: number,
  index: number,
): boolean {
  const block = file.hugeFrame(index);
  if (block === 0 || space.table.level === 0) return false;
  const { hugeSize, hugeFrames } = space.granule;
  const base = va - va % hugeSize;
  if (base < vma.start || base + hugeSize > vma.end) return false;
  if (vma.pageAt(base) !== index - index % hugeFrames) return false;
  if (!space.table.descend(va, 1)) return false;
  const { frames } = space.memory;
  for (let f = block; f < block + hugeFrames; f++) frames.refs[f]++;
  return space.install(base, block, 1, sharedFlags(vma, file));
}

/** Flags of a file page on a read fault: pages of memory-only files need no dirty tracking. */
function sharedFlags(vma: Vma, file: CachedFile): number {
  return file.file.inMemory === true && !vma.isPrivate ? writeFlags(vma) : readFlags(vma);
}

/** Map the file's pages around `va`, reading those of a stored file ahead. False: no frame for it. */
function mapAround(
  space: AddressSpace,
  vma: Vma,
  file: CachedFile,
  va: number,
  index: number,
): boolean {
  const flags = sharedFlags(vma, file);
  const frame = file.load(index);
  if (frame === 0 || !space.share(va, frame, flags)) return false;
  const page = space.granule.size;
  const size = space.memory.faultAround * page;
  const window = va - va % size;
  const from = Math.max(window, vma.start);
  const to = Math.min(
    window + size,
    vma.end,
    vma.start + (file.pages - vma.pageOffset) * page,
  );
  for (let at = from; at < to; at += page) {
    if (space.table.find(at)) continue;
    const index = vma.pageAt(at);
    const around = file.file.inMemory === true ? file.frame(index) : file.load(index);
    if (around !== 0) space.share(at, around, flags);
  }
  return true;
}

/** A write to a page that is present and not writable; the table is at its leaf. */
function writeFault(space: AddressSpace, vma: Vma, va: number): number {
  const { memory, table } = space;
  const { frames, counters, domain, physical } = memory;
  const { size, hugeSize } = space.granule;
  if (!vma.isPrivate) {
    const file = vma.file!;
    const first = vma.pageAt(va - va % table.span);
    for (let i = 0; i < table.span / size; i++) file.markDirty(first + i);
    return makeWritable(space, vma, va);
  }
  if (space.ownsLeaf()) {
    joinSetOnce(space, vma);
    return makeWritable(space, vma, va);
  }
  if (table.level > 0) {
    const base = va - va % hugeSize;
    const zeros = frames.kind[table.page / size] === FrameKind.Reserved;
    if (zeros && installHuge(space, vma, base)) {
      space.changed(base, hugeSize, vma);
      return 0;
    }
    if (!space.splitHuge(vma, va)) return FAULT_OOM;
    table.find(va);
  }
  const source = table.page / size;
  const zero = frames.kind[source] === FrameKind.Reserved;
  const frame = memory.allocate(0, FrameKind.Anonymous);
  if (frame === 0) return FAULT_OOM;
  if (zero) frames.zero(frame, 1);
  else {
    physical.u8.copyWithin(frame * size, source * size, (source + 1) * size);
    counters.copies[domain]++;
    frames.maps[source]--;
    frames.release(source);
  }
  joinSetOnce(space, vma);
  table.map(va, frame * size, 0, writeFlags(vma));
  frames.maps[frame]++;
  space.changed(va - va % size, size, vma);
  return 0;
}

/**
 * Let the leaf that the table is at be written. Its translation stays the same, but a TLB may hold it
 * with the rights of before: the fault drops it (Intel SDM volume 3A, 4.10.4.1; Linux does so on Arm).
 */
function makeWritable(space: AddressSpace, vma: Vma, va: number): number {
  const { table } = space;
  const { span } = table;
  table.setFlags(writeFlags(vma));
  space.changed(va - va % span, span, vma);
  return 0;
}

/** Any fault in a hugetlb area: it has pages of one size only, and they are never split. */
function hugetlbFault(space: AddressSpace, vma: Vma, va: number, write: boolean): number {
  const { memory, table } = space;
  const { frames, physical, counters, domain } = memory;
  const mapping = vma.huge!;
  const page = space.granule.size;
  const size = 2 ** vma.pageShift;
  const base = va - va % size;
  const level = space.granule.levelShifts.indexOf(vma.pageShift);
  const present = table.find(base);
  if (present && (!write || (table.flags & Pte.Write) !== 0)) return 0;
  counters.minor[domain]++;
  if (!vma.isPrivate) {
    if (present) return makeWritable(space, vma, va);
    const index = vma.pageAt(base) * page / size;
    const frame = mapping.page(index);
    if (frame === 0) return FAULT_BUS;
    if (!table.map(base, frame * page, level, writeFlags(vma))) return FAULT_OOM;
    frames.refs[frame]++;
    frames.maps[frame]++;
    return 0;
  }
  if (present && space.ownsLeaf()) return makeWritable(space, vma, va);
  const source = present ? table.page : 0;
  const frame = mapping.pool.take(vma.reserved && !present);
  if (frame === 0) return FAULT_BUS;
  if (present) {
    physical.u8.copyWithin(frame * page, source, source + size);
    counters.copies[domain]++;
    frames.maps[source / page]--;
    mapping.pool.release(source / page);
  }
  joinSetOnce(space, vma);
  if (!table.map(base, frame * page, level, writeFlags(vma))) {
    mapping.pool.release(frame);
    return FAULT_OOM;
  }
  frames.maps[frame]++;
  if (present) space.changed(base, size, vma);
  return 0;
}
