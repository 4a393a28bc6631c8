/** Sets of small numbers. */
export class Bits {
  readonly words: Uint32Array;

  constructor(size: number) {
    this.words = new Uint32Array((size + 31) >> 5);
  }

  add(bit: number): void {
    this.words[bit >> 5] |= 1 << (bit & 31);
  }

  has(bit: number): boolean {
    return (this.words[bit >> 5] & (1 << (bit & 31))) !== 0;
  }

  /** Adds all of `other`. */
  union(other: Bits): void {
    const { words } = this;
    for (let i = 0; i < words.length; i++) words[i] |= other.words[i];
  }

  *[Symbol.iterator](): Generator<number> {
    for (let i = 0; i < this.words.length; i++) {
      for (let word = this.words[i]; word !== 0; word &= word - 1) {
        yield i * 32 + 31 - Math.clz32(word & -word);
      }
    }
  }
}
