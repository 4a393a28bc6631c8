/**
 * One modelled TLB structure: set-associative, true LRU by stamps.
 *
 * Stamps live in state memory, because generated code writes them: an inline hit stores the
 * access's ordinal, and the victim of a miss is the smallest stamp of its set. Ordinals only grow.
 */

/** Shape of one structure. */
export interface TlbShape {
  readonly entries: number;
  readonly ways: number;
  /** log2 of the page sizes it holds: 12, 21, 30. */
  readonly pageBits: readonly number[];
}

/** Bytes of state memory that a structure's stamps take. */
export function stampBytes(shape: TlbShape): number {
  return 8 * shape.entries;
}

const NONE = -1;
/** Ranges up to so many pages are invalidated page by page, larger ones by a look at all entries. */
const FEW_PAGES = 16;

/** Bytes of a page by log2 of its size: a table, because powers and remainders of doubles are slow. */
export const PAGE_SIZE: readonly number[] = Array.from({ length: 31 }, (_, bits) => 2 ** bits);

/** A structure's tags and stamps. Entry `i` is way `i % ways` of set `i / ways`. */
export class Tlb {
  readonly ways: number;
  readonly sets: number;
  /** Page number of each entry in units of its own size, -1 when empty; space and log2 of its size. */
  readonly #page: Float64Array;
  readonly #space: Int32Array;
  readonly #bits: Uint8Array;
  readonly #stamps: Uint32Array;
  readonly #base: number;
  /** `sets - 1` if that is a mask, else -1. */
  readonly #mask: number;

  /** @param stamps address in `state` of `stampBytes` bytes for the stamps */
  constructor(readonly shape: TlbShape, state: WebAssembly.Memory, readonly stamps: number) {
    const { entries, ways } = shape;
    if (!Number.isInteger(entries / ways) || entries < 1) {
      throw new RangeError(`a TLB of ${entries} entries cannot have ${ways} ways`);
    }
    this.ways = ways;
    this.sets = entries / ways;
    this.#mask = (this.sets & (this.sets - 1)) === 0 ? this.sets - 1 : -1;
    this.#page = new Float64Array(entries).fill(NONE);
    this.#space = new Int32Array(entries);
    this.#bits = new Uint8Array(entries);
    this.#stamps = new Uint32Array(state.buffer);
    this.#base = stamps >> 2;
  }

  /** The first entry of the set of `page`. */
  #first(page: number): number {
    return (this.#mask >= 0 ? page & this.#mask : page % this.sets) * this.ways;
  }

  /** Entry that holds `page` (in units of 2^`bits` bytes) of `space`, or -1. */
  find(page: number, bits: number, space: number): number {
    const first = this.#first(page);
    const pages = this.#page;
    for (let i = first; i < first + this.ways; i++) {
      if (pages[i] === page && this.#bits[i] === bits && this.#space[i] === space) return i;
    }
    return -1;
  }

  /** The entry where a missing `page` goes: the first empty one of its set, or the least recent. */
  victim(page: number): number {
    const first = this.#first(page);
    let best = first;
    let low = Infinity;
    for (let i = first; i < first + this.ways; i++) {
      if (this.#page[i] === NONE) return i;
      const at = this.#base + 2 * i;
      const stamp = this.#stamps[at] + this.#stamps[at + 1] * 4294967296;
      if (stamp < low) {
        low = stamp;
        best = i;
      }
    }
    return best;
  }

  /** Put a page into entry `i`. */
  set(i: number, page: number, bits: number, space: number): void {
    this.#page[i] = page;
    this.#bits[i] = bits;
    this.#space[i] = space;
  }

  /** Address in state memory of entry `i`'s stamp. */
  stampAddress(i: number): number {
    return this.stamps + 8 * i;
  }
  /** Entry `i` was used by the access with this ordinal. */
  touch(i: number, ordinal: number): void {
    this.#stamps[this.#base + 2 * i] = ordinal >>> 0;
    this.#stamps[this.#base + 2 * i + 1] = Math.floor(ordinal / 4294967296);
  }

  /** Whether entry `i` holds a page; then its first byte address, log2 size and space. */
  occupied(i: number): boolean {
    return this.#page[i] !== NONE;
  }
  addressOf(i: number): number {
    return this.#page[i] * PAGE_SIZE[this.#bits[i]];
  }
  bitsOf(i: number): number {
    return this.#bits[i];
  }
  spaceOf(i: number): number {
    return this.#space[i];
  }

  /** Forget what lies in `[from, to)` of `space`. */
  invalidate(space: number, from: number, to: number, evicted: (i: number) => void): void {
    if (to - from > FEW_PAGES * PAGE_SIZE[12]) {
      for (let i = 0; i < this.#page.length; i++) {
        if (this.#page[i] === NONE || this.#space[i] !== space) continue;
        const size = PAGE_SIZE[this.#bits[i]];
        const at = this.#page[i] * size;
        if (at < to && at + size > from) this.#forget(i, evicted);
      }
      return;
    }
    for (const bits of this.shape.pageBits) {
      const last = Math.floor((to - 1) / PAGE_SIZE[bits]);
      for (let page = Math.floor(from / PAGE_SIZE[bits]); page <= last; page++) {
        const entry = this.find(page, bits, space);
        if (entry >= 0) this.#forget(entry, evicted);
      }
    }
  }
  #forget(i: number, evicted: (i: number) => void): void {
    evicted(i);
    this.#page[i] = NONE;
  }
}
