/**
 * Functions in code that has neither symbols nor unwind tables: they begin where calls went to, or where control
 * first came to what no call led to.
 */
import { type CodePlace, hexadecimal } from "../code_places.ts";

export class UnnamedFunctions {
  /** First addresses in an object, ascending. */
  readonly #starts = new Map<string, number[]>();

  /** A call went to `place`. */
  called({ object, address, unnamedSince }: CodePlace): void {
    if (unnamedSince !== null) this.#add(object, address);
  }

  /** `place`, which is executed now, with the function that it is in. */
  named(place: CodePlace): CodePlace {
    const { object, address, unnamedSince } = place;
    if (unnamedSince === null) return place;
    const starts = this.#starts.get(object) ?? [];
    const last = starts[after(starts, address) - 1];
    if (last === undefined || last < unnamedSince) {
      this.#add(object, address);
      return place;
    }
    return { ...place, symbol: hexadecimal(last), offset: address - last };
  }

  #add(object: string, address: number): void {
    const starts = this.#starts.get(object);
    if (starts === undefined) this.#starts.set(object, [address]);
    else {
      const at = after(starts, address);
      if (starts[at - 1] !== address) starts.splice(at, 0, address);
    }
  }
}

/** Index of the first of `sorted` that is greater than `address`. */
function after(sorted: readonly number[], address: number): number {
  let low = 0;
  for (let high = sorted.length; low < high;) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}
