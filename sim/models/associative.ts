/**
 * A set-associative memory of tagged numbers with a replacement policy: what streamed TLBs, caches and
 * target buffers are made of. An empty way is always filled first, the lowest first.
 */

/**
 * `lru` and `fifo` replace what was used, or filled, longest ago. `nru` has a reference bit per way: the
 * lowest clear one is replaced, and the last one set clears the others. `tree-plru` has a binary tree of
 * bits, each pointing to the half that was not used last. `random` draws from xorshift32 (Marsaglia 2003).
 */
export type Replacement = "lru" | "fifo" | "nru" | "tree-plru" | "random";
export const replacements: readonly Replacement[] = ["lru", "fifo", "nru", "tree-plru", "random"];

/** An empty entry's key: no address is negative. */
const NONE = -1;
/** Entries that a key was found at last are remembered by its low bits. */
const HINTS = 256;

export class Associative {
  readonly sets: number;
  /** Entry `i` is way `i % ways` of set `i / ways`. */
  readonly keys: Float64Array;
  readonly tags: Int32Array;
  readonly #used: Float64Array;
  /** Bits of `nru` and `tree-plru`, by set. */
  readonly #bits: Uint32Array;
  readonly #hints = new Uint32Array(HINTS);
  readonly #onHit: boolean;
  readonly #inBits: boolean;
  /** `sets - 1` if that is a mask, else -1: remainders of doubles are slow. */
  readonly #mask: number;
  #time = 0;
  #random: number;

  /** @param seed of `random`, other than 0 */
  constructor(
    readonly entries: number,
    readonly ways: number,
    readonly policy: Replacement = "lru",
    seed: number = 1,
  ) {
    if (!Number.isInteger(entries / ways) || entries < 1 || ways < 1) {
      throw new RangeError(`${entries} entries cannot have ${ways} ways`);
    }
    if (policy === "tree-plru" && (ways & (ways - 1)) !== 0) {
      throw new RangeError(`tree-plru is for a power of two of ways, not ${ways}`);
    }
    if ((policy === "tree-plru" || policy === "nru") && ways > 64) {
      throw new RangeError(`${policy} is for at most 64 ways, not ${ways}`);
    }
    this.sets = entries / ways;
    this.#mask = (this.sets & (this.sets - 1)) === 0 ? this.sets - 1 : -1;
    this.keys = new Float64Array(entries).fill(NONE);
    this.tags = new Int32Array(entries);
    this.#used = new Float64Array(entries);
    this.#bits = new Uint32Array(2 * this.sets);
    this.#onHit = policy === "lru";
    this.#inBits = policy === "nru" || policy === "tree-plru";
    this.#random = seed | 0;
  }

  /** The set of a number. */
  setOf(index: number): number {
    return this.#mask >= 0 ? index & this.#mask : index % this.sets;
  }

  /** The entry that holds `key` with `tag` in the set of `index`, which counts as a use, or -1. */
  find(index: number, key: number, tag: number): number {
    const hint = index & (HINTS - 1);
    let at = this.#hints[hint];
    if (this.keys[at] !== key || this.tags[at] !== tag) {
      at = this.peek(index, key, tag);
      if (at < 0) return -1;
      this.#hints[hint] = at;
    }
    if (this.#onHit) this.#used[at] = ++this.#time;
    else if (this.#inBits) this.#use(at);
    return at;
  }

  /** The same without a use. */
  peek(index: number, key: number, tag: number): number {
    const first = this.setOf(index) * this.ways;
    const { keys, tags } = this;
    for (let i = first; i < first + this.ways; i++) {
      if (keys[i] === key && tags[i] === tag) return i;
    }
    return -1;
  }

  /**
   * The entry where a key of the set of `index` goes next; whether it is in use says `keys[entry] >= 0`.
   * A random one is drawn anew at each call.
   */
  victim(index: number): number {
    const set = this.setOf(index);
    const first = set * this.ways;
    const { keys } = this;
    for (let i = first; i < first + this.ways; i++) if (keys[i] === NONE) return i;
    switch (this.policy) {
      case "lru":
      case "fifo": {
        let oldest = first;
        for (let i = first + 1; i < first + this.ways; i++) {
          if (this.#used[i] < this.#used[oldest]) oldest = i;
        }
        return oldest;
      }
      case "nru":
        for (let way = 0; way < this.ways; way++) if (!this.#bit(set, way)) return first + way;
        return first; // one way has no clear bit
      case "tree-plru": {
        let node = 0, way = 0;
        for (let half = this.ways / 2; half >= 1; half /= 2) {
          const right = this.#bit(set, node);
          if (right) way += half;
          node = 2 * node + (right ? 2 : 1);
        }
        return first + way;
      }
      case "random":
        return first + this.#draw() % this.ways;
    }
  }

  /** Put `key` into `entry`, which `victim` named; a use. */
  fill(entry: number, key: number, tag: number): void {
    this.keys[entry] = key;
    this.tags[entry] = tag;
    if (this.#inBits) this.#use(entry);
    else this.#used[entry] = ++this.#time;
  }
  clear(entry: number): void {
    this.keys[entry] = NONE;
  }

  /** Clear the entries that `unwanted` says; it gets each entry that is in use. */
  remove(unwanted: (entry: number) => boolean): void {
    for (let i = 0; i < this.entries; i++) {
      if (this.keys[i] !== NONE && unwanted(i)) this.keys[i] = NONE;
    }
  }

  #use(entry: number): void {
    const set = Math.floor(entry / this.ways);
    const way = entry - set * this.ways;
    if (this.policy === "nru") {
      this.#set(set, way, true);
      for (let i = 0; i < this.ways; i++) if (!this.#bit(set, i)) return;
      this.#bits[2 * set] = this.#bits[2 * set + 1] = 0;
      this.#set(set, way, true);
      return;
    }
    let node = 0;
    for (let half = this.ways / 2; half >= 1; half /= 2) {
      const right = (way & half) !== 0;
      this.#set(set, node, !right);
      node = 2 * node + (right ? 2 : 1);
    }
  }
  #bit(set: number, i: number): boolean {
    return (this.#bits[2 * set + (i >> 5)] & (1 << (i & 31))) !== 0;
  }
  #set(set: number, i: number, value: boolean): void {
    const at = 2 * set + (i >> 5);
    if (value) this.#bits[at] |= 1 << (i & 31);
    else this.#bits[at] &= ~(1 << (i & 31));
  }
  #draw(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return x >>> 0;
  }
}
