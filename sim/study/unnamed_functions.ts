/**
 * Functions in code that has neither symbols nor unwind tables: they begin where calls went to, or where control
 * first came to what no call led to.
 */
import { type CodePlace, firstAfter, hexadecimal } from "../code_places.ts";

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
    const last = starts[firstAfter(starts, address, itself) - 1];
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
      const at = firstAfter(starts, address, itself);
      if (starts[at - 1] !== address) starts.splice(at, 0, address);
    }
  }
}

const itself = (address: number): number => address;
