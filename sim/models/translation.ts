/**
 * Streamed address translation: TLBs with any replacement, a second level that is shared or split,
 * ASIDs, and a page walker with caches of the upper levels of the page table.
 *
 * It is the hierarchy of `hierarchy.ts`, which is inlined: what was found or walked is filled into each
 * level that was missed, a level-1 hit does not touch level 2, and a page larger than a level can hold is
 * entered in pieces. A walk looks up the walk caches from the leaves up; the first that holds the address
 * saves the entries above, and those below it that were read are filled in.
 */
import { Associative } from "./associative.ts";
import {
  entryBits,
  type HierarchyShape,
  PAGE_BITS,
  Side,
  type TlbCounts,
  type WalkCacheShape,
} from "./hierarchy.ts";
import { PAGE_SIZE, type TlbShape } from "./tlb.ts";

/** A structure, and the size that pages of some size are entered with. */
interface Place {
  readonly store: Associative;
  readonly bits: number;
}

class Level {
  readonly stores: readonly Associative[];
  readonly #by: (Place | undefined)[] = [];

  constructor(shapes: readonly TlbShape[], seed: number) {
    this.stores = shapes.map(({ entries, ways, replacement }) =>
      new Associative(entries, ways, replacement, seed)
    );
    const places = shapes.flatMap((shape, i) =>
      shape.pageBits.map((bits) => ({ store: this.stores[i], bits }))
    ).sort((a, b) => b.bits - a.bits);
    for (const bits of PAGE_BITS) this.#by[bits] = places.find((p) => p.bits <= bits);
  }

  /** Where pages of 2^`pageBits` bytes go, if anywhere. */
  place(pageBits: number): Place | undefined {
    return this.#by[pageBits];
  }

  holds(va: number, space: number): boolean {
    return this.stores.some(({ keys, tags, entries }) => {
      for (let i = 0; i < entries; i++) {
        if (keys[i] < 0 || tags[i] !== space) continue;
        const bits = keys[i] % 4096;
        const page = keys[i] - bits;
        if (page <= va && va < page + PAGE_SIZE[bits]) return true;
      }
      return false;
    });
  }

  invalidate(space: number, from: number, to: number): void {
    for (const store of this.stores) {
      store.remove((i) => {
        if (store.tags[i] !== space) return false;
        const bits = store.keys[i] % 4096;
        const page = store.keys[i] - bits;
        return page < to && page + PAGE_SIZE[bits] > from;
      });
    }
  }
  flush(space: number): void {
    for (const store of this.stores) store.remove((i) => store.tags[i] === space);
  }
}

/** A cache of page table entries of one level that point to tables. */
interface WalkCache {
  readonly level: number;
  readonly store: Associative;
  hits: number;
}

/** Reads entry `index` of the walk for `va`, the root's being 0. */
export type ReadEntry = (va: number, index: number) => void;

export class Translation {
  readonly counts: TlbCounts = { itlbMisses: 0, dtlbMisses: 0, stlbAccesses: 0, stlbMisses: 0 };
  /** Level-2 misses of the side of instructions. */
  instructionWalks = 0;
  /** Page table entries that walks read, if there are walk caches or caches. */
  references = 0;
  faulted = 0;
  readonly #first: readonly [Level, Level];
  readonly #second: readonly [Level, Level];
  readonly #levels: readonly Level[];
  readonly walkCaches: readonly WalkCache[];
  readonly #asids: number;
  /** log2 of the bytes that an entry of each level of the page table covers, and those bytes. */
  readonly #entryBits: readonly number[];
  readonly #spans: readonly number[];
  /** Spaces that have an ASID, the least recent first. */
  readonly #recent: number[] = [];
  space = -1;

  constructor(shape: HierarchyShape, readonly readEntry: ReadEntry | null, seed: number = 1) {
    this.#first = [new Level(shape.itlb, seed), new Level(shape.dtlb, seed)];
    const data = new Level(shape.stlb, seed);
    this.#second = [shape.istlb === undefined ? data : new Level(shape.istlb, seed), data];
    this.#levels = [...new Set([...this.#first, ...this.#second])];
    this.#entryBits = entryBits(shape.granule ?? 12);
    this.#spans = this.#entryBits.map((bits) => 2 ** bits);
    this.walkCaches = (shape.walkCaches ?? []).map((c: WalkCacheShape) => ({
      level: c.level,
      store: new Associative(c.entries, c.ways, c.replacement, seed),
      hits: 0,
    })).sort((a, b) => a.level - b.level);
    this.#asids = shape.asids ?? Infinity;
  }

  /** An access to `va` on a page of 2^`pageBits` bytes; whether level 1 held it. */
  access(side: Side, va: number, pageBits: number): boolean {
    const place = this.#first[side].place(pageBits);
    if (place === undefined) {
      this.#miss(side, va, pageBits);
      return false;
    }
    const { store, bits } = place;
    const page = Math.floor(va / PAGE_SIZE[bits]);
    const key = page * PAGE_SIZE[bits] + bits;
    if (store.find(page, key, this.space) >= 0) return true;
    this.#miss(side, va, pageBits);
    store.fill(store.victim(page), key, this.space);
    return false;
  }

  #miss(side: Side, va: number, pageBits: number): void {
    const { counts } = this;
    if (side === Side.Instruction) counts.itlbMisses++;
    else counts.dtlbMisses++;
    counts.stlbAccesses++;
    const place = this.#second[side].place(pageBits);
    if (place === undefined) return this.#walk(side, va, pageBits);
    const { store, bits } = place;
    const page = Math.floor(va / PAGE_SIZE[bits]);
    const key = page * PAGE_SIZE[bits] + bits;
    if (store.find(page, key, this.space) >= 0) return;
    this.#walk(side, va, pageBits);
    store.fill(store.victim(page), key, this.space);
  }

  #walk(side: Side, va: number, pageBits: number): void {
    this.counts.stlbMisses++;
    if (side === Side.Instruction) this.instructionWalks++;
    const { walkCaches, readEntry } = this;
    const spans = this.#spans;
    const levels = spans.length;
    if (walkCaches.length === 0 && readEntry === null) return;
    // The leaf's level, and the lowest level above it whose entry need not be read.
    let leaf = levels - 1;
    while (this.#entryBits[leaf] > pageBits) leaf--;
    let known = levels;
    for (const cache of walkCaches) {
      if (cache.level <= leaf || cache.level >= levels) continue;
      const index = Math.floor(va / spans[cache.level]);
      if (cache.store.find(index, index, this.space) >= 0) {
        cache.hits++;
        known = cache.level;
        break;
      }
    }
    for (let level = known - 1; level >= leaf; level--) {
      this.references++;
      readEntry?.(va, levels - 1 - level);
    }
    for (const { level, store } of walkCaches) {
      if (level <= leaf || level >= known) continue;
      const index = Math.floor(va / spans[level]);
      store.fill(store.victim(index), index, this.space);
    }
  }

  /** An access to `va` takes a page fault: after a walk, unless a TLB held the page with fewer rights. */
  pageFault(side: Side, va: number): void {
    if (this.#first[side].holds(va, this.space) || this.#second[side].holds(va, this.space)) return;
    this.faulted++;
  }

  invalidate(space: number, from: number, to: number): void {
    for (const level of this.#levels) level.invalidate(space, from, to);
    for (const { level, store } of this.walkCaches) {
      const size = this.#spans[level];
      store.remove((i) => {
        const at = store.keys[i] * size;
        return store.tags[i] === space && at < to && at + size > from;
      });
    }
  }

  /** Another space runs. Without an ASID left for it, the one that ran longest ago loses its own. */
  enterSpace(space: number): void {
    this.space = space;
    if (this.#asids === Infinity) return;
    const at = this.#recent.indexOf(space);
    if (at >= 0) this.#recent.splice(at, 1);
    this.#recent.push(space);
    // Without ASIDs the running space is untagged: it is the one that is remembered.
    while (this.#recent.length > Math.max(1, this.#asids)) {
      const gone = this.#recent.shift()!;
      for (const level of this.#levels) level.flush(gone);
      for (const { store } of this.walkCaches) store.remove((i) => store.tags[i] === gone);
    }
  }
}
