/**
 * Streamed caches: level 1 for instructions and for data, then levels 2 and 3 of both, as far as there
 * are any. Reads and writes allocate alike; lines that are written back are not counted.
 *
 * A line that misses is fetched from the next level and then filled. A level that is `inclusive` takes a line
 * that it replaces from the levels above too. Lines are known by address and tag: the tag is the address
 * space with caches indexed by virtual addresses, else `PHYSICAL`.
 */
import { Associative, type Replacement } from "./associative.ts";
import { type PrefetcherKind, StrideTable } from "./prefetcher.ts";

export interface CacheShape {
  /** Bytes. */
  readonly size: number;
  readonly ways: number;
  /** Default `lru`. */
  readonly replacement?: Replacement;
  /** Default `off`. */
  readonly prefetcher?: PrefetcherKind;
  /** Whether the levels above hold only what this one does; default not. Not for level 1. */
  readonly inclusive?: boolean;
}

export interface CachesShape {
  /** Bytes of a line, of all levels; default 64. */
  readonly line?: number;
  /** Addresses that lines are known by; default `physical`. */
  readonly indexed?: "physical" | "virtual";
  readonly l1i: CacheShape;
  readonly l1d: CacheShape;
  readonly l2?: CacheShape;
  readonly llc?: CacheShape;
  /** Where page walks read page table entries; default `l1d`. */
  readonly walks?: "l1d" | "l2";
}

/** Tag of lines known by physical address. */
export const PHYSICAL = -1;

export class CacheLevel {
  accesses = 0;
  misses = 0;
  /** Lines that the prefetcher fetched, and those of them that were used. */
  prefetches = 0;
  useful = 0;
  readonly store: Associative;
  /** The lines that were prefetched and not used yet. */
  readonly #early: Uint8Array;
  readonly #line: number;
  readonly #inclusive: boolean;
  readonly #kind: PrefetcherKind;
  readonly #strides = new StrideTable();
  /** Levels that read from this one. */
  readonly above: CacheLevel[] = [];
  /** A line of this level was taken away by an inclusive one below. */
  taken: () => void = () => {};

  /** @param next where lines that miss come from; null is memory */
  constructor(shape: CacheShape, line: number, readonly next: CacheLevel | null, seed: number) {
    const entries = shape.size / line;
    if (!Number.isInteger(entries)) {
      throw new RangeError(`${shape.size} bytes are no whole lines of ${line}`);
    }
    this.store = new Associative(entries, shape.ways, shape.replacement, seed);
    this.#early = new Uint8Array(entries);
    this.#line = line;
    this.#inclusive = shape.inclusive ?? false;
    this.#kind = shape.prefetcher ?? "off";
    next?.above.push(this);
  }

  /** The instruction at `pc` accesses `address`; `number` is that of its line. Whether it was there. */
  access(number: number, tag: number, address: number, pc: number): boolean {
    this.accesses++;
    const at = this.store.find(number, number, tag);
    if (at >= 0 && this.#kind === "off") return true;
    let next = false;
    if (at < 0) {
      this.misses++;
      this.next?.access(number, tag, address, pc);
      this.#fill(number, tag, 0);
      next = true;
    } else if (this.#early[at] !== 0) {
      this.#early[at] = 0;
      this.useful++;
      next = true;
    }
    if (this.#kind === "off") return at >= 0;
    if (this.#kind === "next-line") {
      if (next && (number + 1) * this.#line % 4096 !== 0) this.#prefetch(number + 1, tag);
    } else {
      const ahead = this.#strides.train(pc, address);
      if (ahead >= 0) {
        const wanted = Math.floor(ahead / this.#line);
        if (wanted !== number) this.#prefetch(wanted, tag);
      }
    }
    return at >= 0;
  }

  #prefetch(number: number, tag: number): void {
    if (this.store.peek(number, number, tag) >= 0) return;
    this.prefetches++;
    this.next?.bring(number, tag);
    this.#fill(number, tag, 1);
  }

  /** A level above fetches a line ahead: no demand of it is made. */
  bring(number: number, tag: number): void {
    if (this.store.find(number, number, tag) >= 0) return;
    this.next?.bring(number, tag);
    this.#fill(number, tag, 0);
  }

  #fill(number: number, tag: number, early: number): void {
    const { store } = this;
    const at = store.victim(number);
    const key = store.keys[at];
    if (this.#inclusive && key >= 0) {
      for (const level of this.above) level.take(key, store.tags[at]);
    }
    store.fill(at, number, tag);
    this.#early[at] = early;
  }

  /** A level below no longer holds a line: neither do this one and those above. */
  take(number: number, tag: number): void {
    const at = this.store.peek(number, number, tag);
    if (at >= 0) {
      this.store.clear(at);
      this.taken();
    }
    for (const level of this.above) level.take(number, tag);
  }
}

export class Caches {
  readonly line: number;
  readonly physical: boolean;
  readonly l1i: CacheLevel;
  readonly l1d: CacheLevel;
  readonly l2: CacheLevel | null;
  readonly llc: CacheLevel | null;
  /** Where page walks read. */
  readonly walks: CacheLevel;

  constructor(shape: CachesShape, seed: number = 1) {
    const { line = 64 } = shape;
    this.line = line;
    this.physical = (shape.indexed ?? "physical") === "physical";
    this.llc = shape.llc === undefined ? null : new CacheLevel(shape.llc, line, null, seed);
    this.l2 = shape.l2 === undefined ? null : new CacheLevel(shape.l2, line, this.llc, seed);
    const next = this.l2 ?? this.llc;
    this.l1i = new CacheLevel(shape.l1i, line, next, seed);
    this.l1d = new CacheLevel(shape.l1d, line, next, seed);
    this.walks = shape.walks === "l2" && next !== null ? next : this.l1d;
  }

  /** Counters under their report names. */
  report(): Record<string, number> {
    const report: Record<string, number> = {};
    for (const name of ["l1i", "l1d", "l2", "llc"] as const) {
      const level = this[name];
      if (level === null) continue;
      report[`${name}.accesses`] = level.accesses;
      report[`${name}.misses`] = level.misses;
      if (level.prefetches === 0) continue;
      report[`${name}.prefetches`] = level.prefetches;
      report[`${name}.prefetches.useful`] = level.useful;
    }
    return report;
  }
}
