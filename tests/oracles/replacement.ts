/**
 * Replacement policies as textbooks state them, for one set of an associative memory. An empty way
 * is always filled first, the lowest first.
 */

export type Policy = "lru" | "fifo" | "nru" | "tree-plru" | "random";

export interface ReplacementSet {
  /** The way was hit, or (`filled`) has just been filled. */
  used(way: number, filled: boolean): void;
  /** The way to replace; every way is in use. */
  victim(): number;
}

/** The way used, or for FIFO filled, longest ago. */
class Oldest implements ReplacementSet {
  readonly #order: number[] = [];
  readonly #onHit: boolean;
  constructor(onHit: boolean) {
    this.#onHit = onHit;
  }
  used(way: number, filled: boolean): void {
    if (!filled && !this.#onHit) return;
    const at = this.#order.indexOf(way);
    if (at >= 0) this.#order.splice(at, 1);
    this.#order.push(way);
  }
  victim(): number {
    return this.#order[0];
  }
}

/** One reference bit per way: the lowest way whose bit is clear; the last bit set clears the others. */
class NotRecentlyUsed implements ReplacementSet {
  readonly #referenced: boolean[];
  constructor(ways: number) {
    this.#referenced = new Array(ways).fill(false);
  }
  used(way: number): void {
    this.#referenced[way] = true;
    if (this.#referenced.every((bit) => bit)) {
      this.#referenced.fill(false);
      this.#referenced[way] = true;
    }
  }
  victim(): number {
    const clear = this.#referenced.indexOf(false);
    return clear < 0 ? 0 : clear; // a set of one way has no clear bit
  }
}

/** A binary tree of bits, each pointing to the half that was not used last. */
class TreePseudoLru implements ReplacementSet {
  readonly #right: boolean[];
  readonly #ways: number;
  constructor(ways: number) {
    if ((ways & (ways - 1)) !== 0) throw new RangeError(`tree-plru of ${ways} ways`);
    this.#ways = ways;
    this.#right = new Array(ways - 1).fill(false);
  }
  used(way: number): void {
    let node = 0;
    for (let half = this.#ways / 2; half >= 1; half /= 2) {
      const wayIsRight = (way & half) !== 0;
      this.#right[node] = !wayIsRight;
      node = 2 * node + (wayIsRight ? 2 : 1);
    }
  }
  victim(): number {
    let node = 0, way = 0;
    for (let half = this.#ways / 2; half >= 1; half /= 2) {
      const right = this.#right[node];
      if (right) way += half;
      node = 2 * node + (right ? 2 : 1);
    }
    return way;
  }
}

class RandomChoice implements ReplacementSet {
  readonly #ways: number;
  readonly #draw: () => number;
  constructor(ways: number, draw: () => number) {
    this.#ways = ways;
    this.#draw = draw;
  }
  used(): void {}
  victim(): number {
    return this.#draw() % this.#ways;
  }
}

/** xorshift32 (Marsaglia 2003): 32-bit unsigned numbers from a seed other than 0. */
export function xorshift32(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

export function replacementSet(policy: Policy, ways: number, draw: () => number): ReplacementSet {
  switch (policy) {
    case "lru":
      return new Oldest(true);
    case "fifo":
      return new Oldest(false);
    case "nru":
      return new NotRecentlyUsed(ways);
    case "tree-plru":
      return new TreePseudoLru(ways);
    case "random":
      return new RandomChoice(ways, draw);
  }
}
