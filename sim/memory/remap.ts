/** mremap(2), after Linux's mm/mremap.c as of 6.17, where a move may span several areas. */
import { EFAULT, EINVAL, ENOMEM, MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE } from "./abi.ts";
import { type AddressSpace, OutOfMemoryError } from "./address_space.ts";
import { overcommits, removeRange } from "./mapping.ts";
import { unmappedArea } from "./unmapped_area.ts";
import { Vm, Vma } from "./vma.ts";
import { mayExpand } from "./size_limits.ts";
import { MAX_MAP_COUNT, mergeNew, type VmaShape } from "./vma_merge.ts";

export function remap(
  space: AddressSpace,
  address: number,
  oldLength: number,
  newLength: number,
  flags: number,
  newAddress: number,
): number {
  const { layout: { taskSize }, granule } = space;
  oldLength = granule.pageUp(oldLength);
  newLength = granule.pageUp(newLength);
  const placed = (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
  if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return -EINVAL;
  if (address % granule.size !== 0 || newLength === 0 || newLength > taskSize) return -EINVAL;
  if (placed) {
    if (newAddress > taskSize - newLength || newAddress % granule.size !== 0) return -EINVAL;
    if ((flags & MREMAP_MAYMOVE) === 0) return -EINVAL;
    if ((flags & MREMAP_DONTUNMAP) !== 0 && oldLength !== newLength) return -EINVAL;
    if (address + oldLength > newAddress && newAddress + newLength > address) return -EINVAL;
    if (space.areas.count + 2 >= MAX_MAP_COUNT - 3) return -ENOMEM;
  }
  if (oldLength === newLength && (flags & MREMAP_FIXED) !== 0) {
    return moveAll(space, address, oldLength, flags, newAddress);
  }
  return one(space, address, oldLength, newLength, flags, newAddress);
}

/** Move every area of a range without resizing, keeping the gaps between them. */
function moveAll(
  space: AddressSpace,
  address: number,
  length: number,
  flags: number,
  newAddress: number,
): number {
  const { areas } = space;
  const end = address + length;
  let at = address;
  let seen = false;
  while (at < end) {
    const vma = areas.items[areas.indexOf(at)];
    if (vma === undefined || vma.start >= end) break;
    if (!seen && vma.start > address) return -EFAULT;
    const from = Math.max(vma.start, at);
    const to = Math.min(vma.end, end);
    if (vma.huge !== null && (seen || vma.end < end)) return -EFAULT;
    const moved = one(space, from, to - from, to - from, flags, newAddress + (from - address));
    if (moved < 0) return moved;
    seen = true;
    at = to;
  }
  return seen ? newAddress : -EFAULT;
}

/** Resize or move inside one area. */
function one(
  space: AddressSpace,
  address: number,
  oldLength: number,
  newLength: number,
  flags: number,
  newAddress: number,
): number {
  const { areas } = space;
  const placed = (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
  let vma = areas.lookup(address);
  if (vma === null) return -EFAULT;
  if (vma.huge !== null) {
    const size = 2 ** vma.pageShift;
    oldLength = Math.ceil(oldLength / size) * size;
    newLength = Math.ceil(newLength / size) * size;
    if (address % size !== 0 || newAddress % size !== 0) return -EINVAL;
    if (newLength > oldLength) return -EINVAL;
  }
  if (!placed && newLength <= oldLength) {
    if (newLength === oldLength) return address;
    const failed = removeRange(space, address + newLength, address + oldLength);
    return failed < 0 ? failed : address;
  }
  if (oldLength === 0 && (vma.flags & (Vm.Shared | Vm.MayShare)) === 0) return -EINVAL;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && (vma.flags & Vm.DontExpand) !== 0) return -EINVAL;
  // A move that also shrinks lets go of the tail first, whatever it is.
  if (Math.min(oldLength, newLength) > vma.end - address) return -EFAULT;
  if (newLength !== oldLength) {
    if ((vma.flags & Vm.DontExpand) !== 0) return -EFAULT;
    const growth = newLength - oldLength;
    const pages = growth / space.granule.size;
    if (growth > 0 && !mayExpand(space, vma.flags, pages)) return -ENOMEM;
  }
  if (!placed) return expand(space, vma, address, oldLength, newLength, flags);

  if ((flags & MREMAP_FIXED) !== 0) {
    const failed = removeRange(space, newAddress, newAddress + newLength);
    if (failed < 0) return failed;
  }
  if (newLength < oldLength) {
    const failed = removeRange(space, address + newLength, address + oldLength);
    if (failed < 0) return failed;
    oldLength = newLength;
  }
  vma = areas.lookup(address);
  if (vma === null) return -EFAULT;
  if ((flags & MREMAP_FIXED) === 0) {
    newAddress = room(space, vma, address, newAddress, newLength);
    if (newAddress < 0) return newAddress;
  }
  const keep = (flags & MREMAP_DONTUNMAP) !== 0;
  return move(space, vma, address, oldLength, newAddress, newLength, keep);
}

function room(
  space: AddressSpace,
  vma: Vma,
  address: number,
  hint: number,
  length: number,
): number {
  return unmappedArea(space, {
    hint,
    length,
    alignment: 2 ** vma.pageShift,
    source: vma.source,
    shared: !vma.isPrivate || vma.file !== null,
    offset: vma.pageAt(address) * space.granule.size,
    low: false,
  });
}

function expand(
  space: AddressSpace,
  vma: Vma,
  address: number,
  oldLength: number,
  newLength: number,
  flags: number,
): number {
  const growth = newLength - oldLength;
  const accounted = (vma.flags & Vm.Account) !== 0;
  const end = vma.end + growth;
  if (
    address + oldLength === vma.end && end <= space.layout.taskSize &&
    !space.areas.overlaps(vma.end, end)
  ) {
    if (accounted && overcommits(space, growth)) return -ENOMEM;
    return mergeNew(space, vma.end, end, shapeOf(vma, vma.end)) === null ? -ENOMEM : address;
  }
  if ((flags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
  const to = room(space, vma, address, 0, newLength);
  return to < 0 ? to : move(space, vma, address, oldLength, to, newLength, false);
}

function shapeOf(vma: Vma, at: number): VmaShape {
  return {
    flags: vma.flags,
    file: vma.file,
    source: vma.source,
    pageOffset: vma.pageAt(at),
    anonymous: vma.anonymous,
    inherited: vma.inherited,
    key: vma.key,
  };
}

/** Move `[address, address + oldLength)` of `vma` to free room, `keep` leaving an empty area behind. */
function move(
  space: AddressSpace,
  vma: Vma,
  address: number,
  oldLength: number,
  newAddress: number,
  newLength: number,
  keep: boolean,
): number {
  const { areas } = space;
  if (areas.count >= MAX_MAP_COUNT - 3) return -ENOMEM;
  if ((vma.flags & Vm.Account) !== 0 && overcommits(space, newLength)) return -ENOMEM;
  const end = newAddress + newLength;
  // Private memory that has no page yet takes its numbering from where it is.
  const untouched = vma.isAnonymous && vma.anonymous === null;
  const pageOffset = untouched ? newAddress / space.granule.size : vma.pageAt(address);
  const shape = { ...shapeOf(vma, address), pageOffset };
  let target = mergeNew(space, newAddress, end, shape);
  if (target === null) {
    target = new Vma(space, newAddress, end, vma.flags, vma.file, pageOffset);
    target.anonymous = vma.anonymous;
    target.inherited = vma.inherited;
    target.source = vma.source;
    target.key = vma.key;
    target.pageShift = vma.pageShift;
    target.huge = vma.huge;
    target.reserved = vma.reserved;
    target.name = vma.name;
    areas.insert(target);
  }
  const source = areas.lookup(address)!;
  if (!moveLeaves(space, source, address, newAddress, oldLength)) {
    removeRange(space, newAddress, end);
    return -ENOMEM;
  }
  if (keep) {
    if (source !== target && source.start === address && source.end === address + oldLength) {
      source.anonymous = null;
      source.inherited = false;
      if (source.reserved) source.reserved = false;
    }
    return newAddress;
  }
  if (oldLength > 0) {
    const piece = areas.lookup(address)!;
    const reserved = piece.reserved;
    // The promises of hugetlb pages went along.
    piece.reserved = false;
    const failed = removeRange(space, address, address + oldLength);
    const rest = areas.lookup(address);
    if (failed < 0 && rest !== null) rest.reserved = reserved;
  }
  return newAddress;
}

/** Move page table entries; huge ones whole where both ends allow. False, and undone: no frame. */
function moveLeaves(
  space: AddressSpace,
  vma: Vma,
  from: number,
  to: number,
  length: number,
): boolean {
  const { table } = space;
  const end = from + length;
  if (vma.huge === null) {
    space.splitAt(from);
    space.splitAt(end);
  }
  let va = table.next(from, end);
  if (va === end) return true;
  space.changed(from, length, vma);
  while (va < end) {
    const target = to + (va - from);
    if (table.level === 1 && vma.huge === null && target % space.granule.hugeSize !== 0) {
      if (!space.splitHuge(vma, va)) throw new OutOfMemoryError("no frame to split a huge page");
      table.find(va);
    }
    const { page, level, flags, span } = table;
    if (!table.map(target, page, level, flags)) {
      if (va > from) moveLeaves(space, vma, to, from, va - from);
      return false;
    }
    table.find(va);
    table.clear();
    va = table.next(va + span, end);
  }
  return true;
}
