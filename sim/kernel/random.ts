/**
 * The machine's randomness: xoshiro128** (Blackman and Vigna, 2018), seeded, so that getrandom,
 * AT_RANDOM and seeded layouts repeat.
 */
export class Random {
  readonly #state: Uint32Array = new Uint32Array(4);

  /** `seed` is any number; the state is spread from it by SplitMix32. */
  constructor(seed: number) {
    let x = seed >>> 0 ^ Math.floor(seed / 0x1_0000_0000);
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e3779b9) | 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      this.#state[i] = z ^ (z >>> 16);
    }
  }

  /** Next 32 bits, unsigned. */
  next(): number {
    const s = this.#state;
    const product = Math.imul(s[1], 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result >>> 0;
  }

  /** A whole number below `bound` (at most 2^32). */
  below(bound: number): number {
    return Math.floor(this.next() / 0x1_0000_0000 * bound);
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 4) {
      let word = this.next();
      for (let j = i; j < Math.min(i + 4, bytes.length); j++) {
        bytes[j] = word & 0xff;
        word >>>= 8;
      }
    }
  }
}
