/**
 * One modelled TLB structure: set-associative, true LRU by stamps.
 *
 * Stamps and tags live in state memory, because generated code uses them: an inline hit stores the
 * access's ordinal, and the victim of a miss is the smallest stamp of its set. Ordinals only grow.
 * `cpu/layout.ts` says how an entry looks.
 */

import type { Replacement } from "./associative.ts";

/** Shape of one structure. */
export interface TlbShape {
  readonly entries: number;
  readonly ways: number;
  /** log2 of the page sizes it holds: 12, 21, 30. */
  readonly pageBits: readonly number[];
  /** Default `lru`. */
  readonly replacement?: Replacement;
}

/** Bytes of an entry, and of the state memory that a structure takes. */
const ENTRY_SIZE = 16;
export function tlbBytes(shape: TlbShape): number {
  return ENTRY_SIZE * shape.entries;
}

/** Both halves of the tag of an empty entry. */
const NONE = 0xffffffff;
/** Within the high half of a tag: the page's number beyond 32 bits, log2 of its size, the space. */
const PAGE_MASK = 31;
const BITS_SHIFT = 5;
const SPACE_SHIFT = 10;

/** High half of the tag of a page. */
function tagHigh(page: number, bits: number, space: number): number {
  return (Math.floor(page / 4294967296) | (bits << BITS_SHIFT) | (space << SPACE_SHIFT)) >>> 0;
}
/** Ranges up to so many pages are invalidated page by page, larger ones by a look at all entries. */
const FEW_PAGES = 16;

/** Bytes of a page by log2 of its size: a table, because powers and remainders of doubles are slow. */
export const PAGE_SIZE: readonly number[] = Array.from({ length: 31 }, (_, bits) => 2 ** bits);

/** A structure's tags and stamps. Entry `i` is way `i % ways` of set `i / ways`. */
export class Tlb {
  readonly ways: number;
  readonly sets: number;
  /** Entries of four words: the stamp, the tag. */
  readonly #u32: Uint32Array;
  readonly #base: number;
  /** `sets - 1` if that is a mask, else -1. */
  readonly #mask: number;

  /** @param address of `tlbBytes` bytes in `state` */
  constructor(readonly shape: TlbShape, state: WebAssembly.Memory, readonly address: number) {
    const { entries, ways } = shape;
    if (!Number.isInteger(entries / ways) || entries < 1) {
      throw new RangeError(`a TLB of ${entries} entries cannot have ${ways} ways`);
    }
    this.ways = ways;
    this.sets = entries / ways;
    this.#mask = (this.sets & (this.sets - 1)) === 0 ? this.sets - 1 : -1;
    this.#u32 = new Uint32Array(state.buffer);
    this.#base = address >> 2;
    for (let i = 0; i < entries; i++) this.#forget(i);
  }

  /** The first entry of the set of `page`. */
  #first(page: number): number {
    return (this.#mask >= 0 ? page & this.#mask : page % this.sets) * this.ways;
  }

  /** Entry that holds `page` (in units of 2^`bits` bytes) of `space`, or -1. */
  find(page: number, bits: number, space: number): number {
    const first = this.#first(page);
    const low = page >>> 0;
    const high = tagHigh(page, bits, space);
    const u32 = this.#u32;
    for (let i = first; i < first + this.ways; i++) {
      const at = this.#base + 4 * i;
      if (u32[at + 2] === low && u32[at + 3] === high) return i;
    }
    return -1;
  }

  /** The entry where a missing `page` goes: the first empty one of its set, or the least recent. */
  victim(page: number): number {
    const first = this.#first(page);
    let best = first;
    let low = Infinity;
    for (let i = first; i < first + this.ways; i++) {
      if (!this.occupied(i)) return i;
      const at = this.#base + 4 * i;
      const stamp = this.#u32[at] + this.#u32[at + 1] * 4294967296;
      if (stamp < low) {
        low = stamp;
        best = i;
      }
    }
    return best;
  }

  /** Put a page into entry `i`. */
  set(i: number, page: number, bits: number, space: number): void {
    this.#u32[this.#base + 4 * i + 2] = page >>> 0;
    this.#u32[this.#base + 4 * i + 3] = tagHigh(page, bits, space);
  }

  /** Address in state memory of entry `i`'s stamp. */
  stampAddress(i: number): number {
    return this.address + ENTRY_SIZE * i;
  }
  /** Entry `i` was used by the access with this ordinal. */
  touch(i: number, ordinal: number): void {
    this.#u32[this.#base + 4 * i] = ordinal >>> 0;
    this.#u32[this.#base + 4 * i + 1] = Math.floor(ordinal / 4294967296);
  }

  /** Whether entry `i` holds a page; then its first byte address, log2 size and space. */
  occupied(i: number): boolean {
    return this.#high(i) !== NONE;
  }
  addressOf(i: number): number {
    const page = this.#u32[this.#base + 4 * i + 2] + (this.#high(i) & PAGE_MASK) * 4294967296;
    return page * PAGE_SIZE[this.bitsOf(i)];
  }
  bitsOf(i: number): number {
    return (this.#high(i) >>> BITS_SHIFT) & 31;
  }
  spaceOf(i: number): number {
    return this.#high(i) >>> SPACE_SHIFT;
  }
  #high(i: number): number {
    return this.#u32[this.#base + 4 * i + 3];
  }

  /** Forget what lies in `[from, to)` of `space`. */
  invalidate(space: number, from: number, to: number, evicted: (i: number) => void): void {
    if (to - from > FEW_PAGES * PAGE_SIZE[12]) {
      for (let i = 0; i < this.shape.entries; i++) {
        if (!this.occupied(i) || this.spaceOf(i) !== space) continue;
        const at = this.addressOf(i);
        if (at >= to || at + PAGE_SIZE[this.bitsOf(i)] <= from) continue;
        evicted(i);
        this.#forget(i);
      }
      return;
    }
    for (const bits of this.shape.pageBits) {
      const last = Math.floor((to - 1) / PAGE_SIZE[bits]);
      for (let page = Math.floor(from / PAGE_SIZE[bits]); page <= last; page++) {
        const entry = this.find(page, bits, space);
        if (entry < 0) continue;
        evicted(entry);
        this.#forget(entry);
      }
    }
  }
  #forget(i: number): void {
    this.touch(i, 0);
    this.#u32[this.#base + 4 * i + 2] = this.#u32[this.#base + 4 * i + 3] = NONE;
  }
}
