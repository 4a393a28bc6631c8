/**
 * Caches and prefetchers as a textbook has them: plain, slow, and importing nothing from the simulator.
 * A line is known by its number and a tag.
 */
import { type Policy, type ReplacementSet, replacementSet, xorshift32 } from "./replacement.ts";

export interface TextbookCacheShape {
  readonly size: number;
  readonly ways: number;
  readonly replacement?: Policy;
  readonly prefetcher?: "off" | "next-line" | "stride";
  readonly inclusive?: boolean;
}

interface Line {
  readonly number: number;
  readonly tag: number;
  prefetched: boolean;
}

/** Chen and Baer's reference prediction table, 64 entries by pc. */
class Strides {
  readonly #entries = new Map<
    number,
    { pc: number; last: number; stride: number; confidence: number }
  >();
  train(pc: number, address: number): number | undefined {
    const entry = this.#entries.get(pc % 64);
    if (entry?.pc !== pc) {
      this.#entries.set(pc % 64, { pc, last: address, stride: 0, confidence: 0 });
      return undefined;
    }
    const stride = address - entry.last;
    entry.last = address;
    if (stride === entry.stride) entry.confidence = Math.min(3, entry.confidence + 1);
    else if (entry.confidence > 0) entry.confidence--;
    else entry.stride = stride;
    const believed = stride !== 0 && stride === entry.stride && entry.confidence >= 2;
    const samePage = Math.floor((address + stride) / 4096) === Math.floor(address / 4096);
    return believed && samePage ? address + stride : undefined;
  }
}

export class TextbookCache {
  accesses = 0;
  misses = 0;
  prefetches = 0;
  useful = 0;
  readonly above: TextbookCache[] = [];
  readonly #sets: { lines: (Line | undefined)[]; order: ReplacementSet }[];
  readonly #strides = new Strides();
  readonly #shape: TextbookCacheShape;
  readonly #line: number;
  readonly #next: TextbookCache | undefined;

  constructor(shape: TextbookCacheShape, line: number, next?: TextbookCache) {
    this.#shape = shape;
    this.#line = line;
    this.#next = next;
    next?.above.push(this);
    const draw = xorshift32(1);
    this.#sets = Array.from({ length: shape.size / line / shape.ways }, () => ({
      lines: new Array(shape.ways).fill(undefined),
      order: replacementSet(shape.replacement ?? "lru", shape.ways, draw),
    }));
  }
  #setOf(number: number) {
    return this.#sets[number % this.#sets.length];
  }
  #wayOf(number: number, tag: number): number {
    return this.#setOf(number).lines.findIndex((l) => l?.number === number && l.tag === tag);
  }

  access(number: number, tag: number, address: number, pc: number): void {
    this.accesses++;
    const way = this.#wayOf(number, tag);
    const { lines, order } = this.#setOf(number);
    let first = true;
    if (way >= 0) {
      order.used(way, false);
      first = lines[way]!.prefetched;
      if (first) this.useful++;
      lines[way]!.prefetched = false;
    } else {
      this.misses++;
      this.#next?.access(number, tag, address, pc);
      this.#fill({ number, tag, prefetched: false });
    }
    if (this.#shape.prefetcher === "next-line") {
      if (first && (number + 1) * this.#line % 4096 !== 0) this.#prefetch(number + 1, tag);
    } else if (this.#shape.prefetcher === "stride") {
      const ahead = this.#strides.train(pc, address);
      const wanted = ahead === undefined ? number : Math.floor(ahead / this.#line);
      if (wanted !== number) this.#prefetch(wanted, tag);
    }
  }
  #prefetch(number: number, tag: number): void {
    if (this.#wayOf(number, tag) >= 0) return;
    this.prefetches++;
    this.#next?.bring(number, tag);
    this.#fill({ number, tag, prefetched: true });
  }
  /** For a prefetch of a level above. */
  bring(number: number, tag: number): void {
    const way = this.#wayOf(number, tag);
    if (way >= 0) return this.#setOf(number).order.used(way, false);
    this.#next?.bring(number, tag);
    this.#fill({ number, tag, prefetched: false });
  }
  #fill(line: Line): void {
    const { lines, order } = this.#setOf(line.number);
    const empty = lines.indexOf(undefined);
    const way = empty >= 0 ? empty : order.victim();
    const gone = lines[way];
    if (gone !== undefined && this.#shape.inclusive) {
      this.above.forEach((level) => level.take(gone.number, gone.tag));
    }
    lines[way] = line;
    order.used(way, true);
  }
  take(number: number, tag: number): void {
    const way = this.#wayOf(number, tag);
    if (way >= 0) this.#setOf(number).lines[way] = undefined;
    this.above.forEach((level) => level.take(number, tag));
  }
}

export interface TextbookCachesShape {
  readonly line?: number;
  readonly l1i: TextbookCacheShape;
  readonly l1d: TextbookCacheShape;
  readonly l2?: TextbookCacheShape;
  readonly llc?: TextbookCacheShape;
}

export class TextbookCaches {
  readonly levels: Record<string, TextbookCache> = {};
  readonly #line: number;
  constructor({ line = 64, l1i, l1d, l2, llc }: TextbookCachesShape) {
    this.#line = line;
    let next: TextbookCache | undefined;
    if (llc !== undefined) next = this.levels.llc = new TextbookCache(llc, line);
    if (l2 !== undefined) next = this.levels.l2 = new TextbookCache(l2, line, next);
    this.levels.l1i = new TextbookCache(l1i, line, next);
    this.levels.l1d = new TextbookCache(l1d, line, next);
  }
  /** `size` bytes at `address` are fetched or accessed by the instruction at `pc`, line by line. */
  access(level: "l1i" | "l1d", address: number, size: number, tag: number, pc: number): void {
    const first = Math.floor(address / this.#line);
    const last = Math.floor((address + size - 1) / this.#line);
    for (let number = first; number <= last; number++) {
      const at = number === first ? address : number * this.#line;
      this.levels[level].access(number, tag, at, pc);
    }
  }
  counters(): Record<string, number> {
    return Object.fromEntries(
      Object.entries(this.levels).flatMap(([name, l]) => [
        [`${name}.accesses`, l.accesses],
        [`${name}.misses`, l.misses],
        ...l.prefetches === 0 ? [] : [
          [`${name}.prefetches`, l.prefetches],
          [`${name}.prefetches.useful`, l.useful],
        ],
      ]),
    );
  }
}
