/** Finding the row of an instruction word: two levels of tables, then masks. */
import type { AArch64Row } from "./row.ts";

/** Bits 31–21 choose a bucket. */
const TOP = 21;
/** A bucket with more rows than this is split by bits 15–10. */
const LIMIT = 6;

/** Rows that may match, as indices in order of precedence. */
type Candidates = Uint16Array;

/** Decode tables over `rows`; the last row must match everything. */
export class Decoder {
  readonly #buckets: Candidates[] = [];
  /** Per bucket: its 64 parts by bits 15–10, or undefined. */
  readonly #parts: (Candidates[] | undefined)[] = [];

  constructor(readonly rows: readonly AArch64Row[]) {
    const lists: number[][] = Array.from({ length: 1 << (32 - TOP) }, () => []);
    rows.forEach((row, i) => eachMatch(row, TOP, 32 - TOP, (bucket) => lists[bucket].push(i)));
    for (const list of lists) {
      this.#buckets.push(Uint16Array.from(list));
      if (list.length <= LIMIT) {
        this.#parts.push(undefined);
        continue;
      }
      const parts: number[][] = Array.from({ length: 64 }, () => []);
      for (const i of list) eachMatch(rows[i], 10, 6, (part) => parts[part].push(i));
      this.#parts.push(parts.map((part) => Uint16Array.from(part)));
    }
  }

  /** Index of the row that `word` (signed 32 bits) is an instance of. */
  find(word: number): number {
    const bucket = word >>> TOP;
    const parts = this.#parts[bucket];
    const candidates = parts === undefined ? this.#buckets[bucket] : parts[(word >>> 10) & 63];
    const last = candidates.length - 1;
    for (let i = 0; i < last; i++) {
      if (this.rows[candidates[i]].matches(word)) return candidates[i];
    }
    return candidates[last];
  }
}

/** Call `visit` with every value of the `width` bits from `shift` that the row's pattern allows. */
function eachMatch(
  row: AArch64Row,
  shift: number,
  width: number,
  visit: (value: number) => void,
): void {
  const all = (1 << width) - 1;
  const fixed = (row.value >>> shift) & all;
  const free = ~(row.mask >>> shift) & all;
  // Subsets of the free bits, from none to all.
  for (let subset = 0;;) {
    visit(fixed | subset);
    if (subset === free) return;
    subset = (subset - free) & free;
  }
}
