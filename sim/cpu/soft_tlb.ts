/**
 * The soft TLBs: what generated code looks translations up in, inline. Direct-mapped by the low 20 bits
 * of the page number; another one, by `layout.fetchPlace`, for fetches, which only models need.
 *
 * An entry for data has a tag for loads and one for stores. A tag is the page's address, which XORed with an address of the page
 * yields the offset in it, and with any other address a number that is no offset. An empty one is zero: page 0, which only
 * the first place could match; there it is an address that belongs elsewhere. Loads may do what stores may.
 */
import * as L from "./layout.ts";

/** Entries filled since the last flush that are remembered one by one. */
const LOG_SIZE = 1 << 16;
const U32 = 4294967296;
/** Word indices of the tags at the first place, and what they hold when empty. */
const FIRST = L.READ_TLB >> 2;
const ELSEWHERE = 4096;
/** From an entry's tag for loads to that for stores, its physical address, its stamp's, in words. */
const STORES = (L.WRITE_TLB - L.READ_TLB) >> 2;
const PHYSICAL = (L.SOFT_PHYSICAL - L.READ_TLB) >> 2;
const STAMP = (L.SOFT_STAMP - L.READ_TLB) >> 2;
/** In place of an entry: a frame has or had more than one. */
const SEVERAL = 0xffffffff;
/** High half of `SOFT_EVICTED`. */
const EVICTED = 0x80000000 | 0;

/** The low word of an empty tag at word index `tag`. */
const emptyTag = (tag: number): number => tag === FIRST || tag === FIRST + STORES ? ELSEWHERE : 0;
function isEmpty(u32: Uint32Array, tag: number): boolean {
  return u32[tag + 1] === 0 && u32[tag] === emptyTag(tag);
}

export class SoftTlb {
  readonly #u32: Uint32Array;
  readonly #lastFrame: number;
  /** Word indices of data entries that may be filled. */
  readonly #log = new Uint32Array(LOG_SIZE);
  #logged = 0;
  /** By frame: the word index of the entry for stores that was filled for it last, 0 before; or `SEVERAL`. */
  readonly #stores: Uint32Array;

  constructor(memory: WebAssembly.Memory) {
    this.#u32 = new Uint32Array(memory.buffer);
    this.#lastFrame = memory.buffer.byteLength - 4096;
    this.#stores = new Uint32Array(memory.buffer.byteLength / 4096);
    // Zeros match fetches from page 0.
    this.#u32[L.FETCHED >> 2] = 1;
    this.#clear(FIRST);
    this.flush();
  }

  /** `va` translates to `physical`, for loads, and if `stores` for those; `stamp` is the modelled entry's, or 0. */
  fill(va: number, physical: number, stamp: number, stores: boolean): void {
    // Code may read as many bytes as an access has from anywhere on a page, before it knows whether they lie on it.
    if (physical >= this.#lastFrame) return;
    const entry = (L.READ_TLB + L.dataPlace(va)) >> 2;
    const u32 = this.#u32;
    if (isEmpty(u32, entry)) {
      if (this.#logged === LOG_SIZE) this.#flushData();
      this.#log[this.#logged++] = entry;
    }
    u32[entry] = va & ~4095;
    u32[entry + 1] = Math.floor(va / U32);
    u32[entry + PHYSICAL] = physical & ~4095;
    u32[entry + STAMP] = stamp;
    if (stores) {
      this.#reach(physical >>> 12, entry);
      u32[entry + STORES] = u32[entry];
      u32[entry + STORES + 1] = u32[entry + 1];
    } else this.#clearTag(entry + STORES);
  }

  /** The page of `va` may be fetched from; its modelled entry's stamp is at `stamp`. */
  fillFetch(va: number, stamp: number): void {
    this.#u32[L.FETCHED >> 2] = 1;
    const page = Math.floor(va / 4096);
    const entry = (L.FETCH_TLB + L.fetchPlace(page)) >> 2;
    this.#u32[entry] = page << 20;
    this.#u32[entry + 1] = Math.floor(page / 4096);
    this.#u32[entry + 3] = stamp;
  }

  /** Forget the data translations of `[from, to)`. */
  clearData(from: number, to: number): void {
    const end = Math.min(to, from + U32);
    for (let va = from; va < end; va += 4096) {
      const entry = (L.READ_TLB + L.dataPlace(va)) >> 2;
      const page = this.#u32[entry] + (this.#u32[entry + 1] & ~EVICTED) * U32;
      if (page >= from - 4095 && page < to) this.#clear(entry);
    }
  }
  #clear(entry: number): void {
    this.#clearTag(entry);
    this.#clearTag(entry + STORES);
  }
  #clearTag(tag: number): void {
    this.#u32[tag] = emptyTag(tag);
    this.#u32[tag + 1] = 0;
  }

  /** The modelled entry of the 4 KiB page at `va` went; its translation is still known. */
  evictData(va: number): void {
    const entry = (L.READ_TLB + L.dataPlace(va)) >> 2;
    for (const tag of [entry, entry + STORES]) {
      if (this.#u32[tag] + this.#u32[tag + 1] * U32 === va && va !== 0) {
        this.#u32[tag + 1] |= EVICTED;
      }
    }
  }

  /** Stores are to reach `frame` by the entry at `entry`. */
  #reach(frame: number, entry: number): void {
    const known = this.#stores[frame];
    if (known === entry) return;
    const others = known !== 0 && (known === SEVERAL || this.#isOf(frame, known));
    this.#stores[frame] = others ? SEVERAL : entry;
  }
  #isOf(frame: number, entry: number): boolean {
    return this.#u32[entry + PHYSICAL] >>> 12 === frame && !isEmpty(this.#u32, entry + STORES);
  }

  /** Stores may no longer reach `frame` unseen: it holds translated code now. */
  dropStores(frame: number): void {
    const known = this.#stores[frame];
    this.#stores[frame] = 0;
    if (known !== SEVERAL) {
      if (known !== 0 && this.#isOf(frame, known)) this.#clearTag(known + STORES);
      return;
    }
    for (let i = 0; i < this.#logged; i++) {
      const entry = this.#log[i];
      if (this.#isOf(frame, entry)) this.#clearTag(entry + STORES);
    }
  }

  /** Forget the fetch translations of `[from, to)`. */
  clearFetch(from: number, to: number): void {
    const pages = Math.min(Math.ceil((to - from) / 4096), L.FETCH_ENTRIES);
    const first = Math.floor(from / 4096);
    for (let i = 0; i < pages; i++) {
      const at = L.FETCH_TLB + L.fetchPlace(first + i);
      const page = (this.#u32[at >> 2] >>> 20) + this.#u32[(at >> 2) + 1] * 4096;
      if (page * 4096 >= from - 4095 && page * 4096 < to) this.#clearFetchEntry(at);
    }
  }
  /** Give a fetch entry a page number that no page has. */
  #clearFetchEntry(at: number): void {
    this.#u32.fill(U32 - 1, at >> 2, (at >> 2) + 2);
  }

  /** Forget everything. */
  flush(): void {
    this.#flushData();
    if (this.#u32[L.FETCHED >> 2] === 0) return;
    this.#u32[L.FETCHED >> 2] = 0;
    // No page has the number of these, and what else is in an entry says nothing then.
    this.#u32.fill(U32 - 1, L.FETCH_TLB >> 2, (L.FETCH_TLB >> 2) + 4 * L.FETCH_ENTRIES);
  }
  #flushData(): void {
    for (let i = 0; i < this.#logged; i++) this.#clear(this.#log[i]);
    this.#logged = 0;
  }
}
