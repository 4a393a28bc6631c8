/**
 * How areas merge and split: the rules of Linux's mm/vma.c, so that `/proc/self/maps` looks the same
 * and no sequence of calls runs out of areas here that would not there.
 */
import { EINVAL, ENOMEM } from "./abi.ts";
import type { CachedFile } from "./page_cache.ts";
import type { AddressSpace } from "./address_space.ts";
import { AnonymousSet, type MapSource, Vm, VM_ACCESS, type Vma } from "./vma.ts";

/** /proc/sys/vm/max_map_count */
export const MAX_MAP_COUNT = 65530;

/** What a range is about to become. */
export interface VmaShape {
  readonly flags: number;
  readonly file: CachedFile | null;
  readonly source: MapSource | null;
  /** Page offset at the range's start. */
  readonly pageOffset: number;
  readonly anonymous: AnonymousSet | null;
  readonly inherited: boolean;
  readonly key: number;
}

function sameKind(vma: Vma, shape: VmaShape): boolean {
  return vma.flags === shape.flags && vma.file === shape.file &&
    vma.source === shape.source && vma.key === shape.key &&
    vma.name === "" && (shape.flags & Vm.DontExpand) === 0;
}

/** Whether pages of `target` and of the range may live under one anonymous set. */
function setsAgree(target: Vma, shape: VmaShape): boolean {
  if (target.anonymous === null) return shape.anonymous === null || !shape.inherited;
  if (shape.anonymous === null) return !target.inherited;
  return target.anonymous === shape.anonymous;
}

function mergesAfter(previous: Vma | undefined, start: number, shape: VmaShape): boolean {
  return previous !== undefined && previous.end === start && sameKind(previous, shape) &&
    previous.pageAt(start) === shape.pageOffset && setsAgree(previous, shape);
}

function mergesBefore(next: Vma | undefined, start: number, end: number, shape: VmaShape): boolean {
  return next !== undefined && next.start === end && sameKind(next, shape) &&
    shape.pageOffset + (end - start) / next.space.granule.size === next.pageOffset &&
    setsAgree(next, shape);
}

function adoptSet(target: Vma, from: VmaShape): void {
  if (target.anonymous === null && from.anonymous !== null) {
    target.anonymous = from.anonymous;
    target.inherited = from.inherited;
  }
}

/** Extend a neighbour over the free range `[start, end)`; the area that now covers it, or null. */
export function mergeNew(
  space: AddressSpace,
  start: number,
  end: number,
  shape: VmaShape,
): Vma | null {
  const { areas } = space;
  const i = areas.indexOf(start);
  const previous = areas.items[i - 1];
  const next = areas.items[i];
  const left = mergesAfter(previous, start, shape);
  let right = mergesBefore(next, start, end, shape);
  if (left && right) {
    right = previous.anonymous === null || next.anonymous === null ||
      previous.anonymous === next.anonymous;
  }
  if (left) {
    adoptSet(previous, shape);
    if (right) {
      adoptSet(previous, next);
      areas.remove(next);
    }
    previous.end = right ? next.end : end;
    return previous;
  }
  if (!right) return null;
  adoptSet(next, shape);
  next.start = start;
  next.pageOffset = shape.pageOffset;
  return next;
}

/**
 * Give `[start, end)` of `vma` new flags and key, merging with neighbours or splitting. The area
 * that covers the range afterwards, or a negative errno.
 */
export function modify(
  space: AddressSpace,
  vma: Vma,
  start: number,
  end: number,
  flags: number,
  key: number,
): Vma | number {
  const { areas } = space;
  const atStart = vma.start === start;
  const atEnd = vma.end === end;
  const shape: VmaShape = {
    flags,
    file: vma.file,
    source: vma.source,
    pageOffset: vma.pageAt(start),
    anonymous: vma.anonymous,
    inherited: vma.inherited,
    key,
  };
  // A huge page never reaches across the edge of an area.
  space.splitAt(start);
  space.splitAt(end);
  const i = areas.indexOf(vma.start);
  const previous = areas.items[i - 1];
  const next = areas.items[i + 1];
  const mergeable = vma.name === "";
  const left = mergeable && atStart && mergesAfter(previous, start, shape);
  let right = mergeable && atEnd && mergesBefore(next, start, end, shape);
  if (left && right) {
    right = previous.anonymous === null || next.anonymous === null ||
      previous.anonymous === next.anonymous;
  }
  if (left) {
    adoptSet(previous, shape);
    if (right) {
      adoptSet(previous, next);
      areas.remove(next);
    }
    if (atEnd) areas.remove(vma);
    else {
      vma.pageOffset = vma.pageAt(end);
      vma.start = end;
    }
    previous.end = right ? next.end : end;
    return previous;
  }
  if (right) {
    adoptSet(next, shape);
    if (atStart) areas.remove(vma);
    else vma.end = start;
    next.start = start;
    next.pageOffset = shape.pageOffset;
    return next;
  }
  if (!atStart) {
    const failed = split(space, vma, start);
    if (failed < 0) return failed;
    vma = areas.items[areas.indexOf(start)];
  }
  if (!atEnd) {
    const failed = split(space, vma, end);
    if (failed < 0) return failed;
  }
  vma.flags = flags;
  vma.key = key;
  return vma;
}

/** Cut `vma` in two at `at`; `vma` itself keeps the lower part. 0 or a negative errno. */
export function split(space: AddressSpace, vma: Vma, at: number): number {
  if (at % 2 ** vma.pageShift !== 0) return -EINVAL;
  if (space.areas.count >= MAX_MAP_COUNT) return -ENOMEM;
  space.splitAt(at);
  const upper = vma.slice(space, at, vma.end);
  vma.end = at;
  space.areas.insert(upper);
  return 0;
}

/** The set that a private page made in `vma` belongs to: a neighbour's where Linux shares it. */
export function joinSet(space: AddressSpace, vma: Vma): void {
  const items = space.areas.items;
  const i = space.areas.indexOf(vma.start);
  const next = items[i + 1];
  const previous = items[i - 1];
  if (next !== undefined && next.anonymous !== null && !next.inherited && adjoin(vma, next)) {
    vma.anonymous = next.anonymous;
  } else if (
    previous !== undefined && previous.anonymous !== null && !previous.inherited &&
    adjoin(previous, vma)
  ) {
    vma.anonymous = previous.anonymous;
  } else {
    vma.anonymous = new AnonymousSet();
  }
}

function adjoin(a: Vma, b: Vma): boolean {
  return a.end === b.start && a.file === b.file && a.source === b.source &&
    ((a.flags ^ b.flags) & ~VM_ACCESS) === 0 &&
    b.pageOffset === a.pageAt(b.start);
}
