import { type LinkContext, type LinkObject, segmentPages } from "../../lib/linker/mod.ts";
import { guestObjects } from "./scopes.ts";

/** The segments of a process's objects by address. */
interface AddressIndex {
  /** How many objects there were, and how many were unloaded: what the index is of. */
  readonly objects: readonly LinkObject[];
  readonly count: number;
  /** First addresses, ascending, with the ends and objects beside them. */
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  readonly owners: readonly LinkObject[];
}

const indexes = new WeakMap<LinkContext, AddressIndex>();

/** The object that has a segment at a guest address. */
export function objectAt(link: LinkContext, address: number): LinkObject | undefined {
  const { starts, ends, owners } = indexOf(link);
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (starts[middle] <= address) low = middle + 1;
    else high = middle;
  }
  return low > 0 && address < ends[low - 1] ? owners[low - 1] : undefined;
}

/** The object whose code or data is at a guest address; for a copy, the object that it was copied from. */
export function ownerAt(link: LinkContext, address: number): LinkObject | undefined {
  return objectAt(link, link.originalOf(address));
}

/** The index, made again when objects have come or gone: the list grows in place and is replaced otherwise. */
function indexOf(link: LinkContext): AddressIndex {
  const known = indexes.get(link);
  const { objects } = link;
  if (known?.objects === objects && known.count === objects.length) return known;
  const segments = guestObjects(link).flatMap((object) =>
    object.elf.loadSegments.map(({ vaddr, memsz }) => {
      const start = link.base(object) + vaddr;
      return { start, end: start + memsz, object };
    })
  ).sort((a, b) => a.start - b.start);
  const index = {
    objects,
    count: objects.length,
    starts: Float64Array.from(segments, ({ start }) => start),
    ends: Float64Array.from(segments, ({ end }) => end),
    owners: segments.map(({ object }) => object),
  };
  indexes.set(link, index);
  return index;
}

/** Guest addresses from the first segment of an object to its last, page rounded. */
export function rangeOf(link: LinkContext, object: LinkObject): { start: number; end: number } {
  const base = link.base(object);
  const pages = segmentPages(object.elf, link.pageSize);
  return { start: base + pages[0].start, end: base + pages[pages.length - 1].stop };
}
