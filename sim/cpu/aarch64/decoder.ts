/** Finding the row of an instruction word: two levels of tables, made as they are needed. */
import type { AArch64Row } from "./row.ts";

/** Bits 31–21 choose a bucket. */
const TOP = 21;
const TOP_MASK = -1 << TOP;
/** Bits 28–25, `op0` of the top-level encoding table (C4.1), choose a group of buckets. */
const GROUP = 25;
const GROUP_MASK = 15 << GROUP;
/** A bucket with more rows than this is split by bits 15–10. */
const LIMIT = 6;
const MIDDLE = 10;
const MIDDLE_MASK = 0x3f << MIDDLE;

/** Rows that may match, as indices in order of precedence. */
type Candidates = Uint16Array;

/** Decode tables over `rows`; the last row must match everything. */
export class Decoder {
  /** Per bucket: its rows, or undefined while nothing of it was decoded. */
  readonly #buckets: (Candidates | undefined)[];
  /** Per bucket that is split: its 64 parts by bits 15–10. */
  readonly #parts: ((Candidates | undefined)[] | undefined)[];
  /** Per group: its rows. */
  readonly #groups: (Candidates | undefined)[];
  readonly #all: Candidates;

  constructor(readonly rows: readonly AArch64Row[]) {
    this.#groups = new Array(16).fill(undefined);
    this.#buckets = new Array(1 << (32 - TOP)).fill(undefined);
    this.#parts = new Array(1 << (32 - TOP)).fill(undefined);
    this.#all = Uint16Array.from(rows, (_, i) => i);
  }

  /** Index of the row that `word` (signed 32 bits) is an instance of. */
  find(word: number): number {
    let candidates = this.#buckets[word >>> TOP] ?? this.#bucket(word);
    if (candidates.length > LIMIT) candidates = this.#part(word, candidates);
    const last = candidates.length - 1;
    for (let i = 0; i < last; i++) {
      if (this.rows[candidates[i]].matches(word)) return candidates[i];
    }
    return candidates[last];
  }

  #bucket(word: number): Candidates {
    const at = (word & GROUP_MASK) >>> GROUP;
    const group = this.#groups[at] ??= this.#filter(this.#all, word, GROUP_MASK);
    return this.#buckets[word >>> TOP] = this.#filter(group, word, TOP_MASK);
  }

  #part(word: number, candidates: Candidates): Candidates {
    const parts = this.#parts[word >>> TOP] ??= new Array(64).fill(undefined);
    const at = (word & MIDDLE_MASK) >> MIDDLE;
    return parts[at] ??= this.#filter(candidates, word, MIDDLE_MASK);
  }

  /** The candidates whose pattern agrees with `word` in the bits of `mask`. */
  #filter(candidates: Candidates, word: number, mask: number): Candidates {
    return candidates.filter((i) => {
      const row = this.rows[i];
      return ((word ^ row.value) & row.mask & mask) === 0;
    });
  }
}
