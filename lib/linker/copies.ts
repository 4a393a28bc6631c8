/** Code that is a copy of other code. */
export interface Copy {
  readonly at: number;
  /** In bytes. */
  readonly size: number;
  readonly original: number;
}

/** The copies in a process, found by address. */
export class Copies {
  readonly #byOriginal = new Map<number, Copy>();
  #all: readonly Copy[] = [];
  #isSorted = true;

  get all(): Iterable<Copy> {
    return this.#byOriginal.values();
  }

  /** Adds copies, in the place of those that there are of the same originals. */
  add(...copies: readonly Copy[]): void {
    for (const copy of copies) this.#byOriginal.set(copy.original, copy);
    this.#isSorted = false;
  }

  /** The address that `address` is a copy of; itself if it lies in no copy. */
  originalOf(address: number): number {
    if (!this.#isSorted) this.#all = [...this.all].sort((a, b) => a.at - b.at);
    this.#isSorted = true;
    let low = 0;
    for (let high = this.#all.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (this.#all[middle].at <= address) low = middle + 1;
      else high = middle;
    }
    const copy = this.#all[low - 1];
    if (copy === undefined || address >= copy.at + copy.size) return address;
    return copy.original + address - copy.at;
  }
}
