/**
 * Numbers pairs of numbers in the order in which they come. It holds millions of them: in typed arrays, which cost the
 * collector of garbage nothing.
 */
export class PairIndex {
  #first = new Int32Array(64);
  #second = new Float64Array(64);
  /** Open addressing, at most half full: numbers, plus one. */
  #table = new Int32Array(128);
  #length = 0;

  /** Pairs so far. */
  get length(): number {
    return this.#length;
  }
  /** The first of the pair with a number. */
  first(number: number): number {
    return this.#first[number];
  }
  /** The second of it. */
  second(number: number): number {
    return this.#second[number];
  }

  /** The number of a pair of an integer of 32 bits and one below 2^53; the pair is new if there were as many before. */
  numberOf(first: number, second: number): number {
    if (this.#length === this.#first.length) this.#grow();
    const mask = this.#table.length - 1;
    let at = hash(first, second) & mask;
    for (let known = this.#table[at]; known !== 0; known = this.#table[at]) {
      if (this.#first[known - 1] === first && this.#second[known - 1] === second) return known - 1;
      at = (at + 1) & mask;
    }
    const number = this.#length++;
    this.#table[at] = number + 1;
    this.#first[number] = first;
    this.#second[number] = second;
    return number;
  }
  #grow(): void {
    const room = 2 * this.#first.length;
    const [first, second] = [this.#first, this.#second];
    (this.#first = new Int32Array(room)).set(first);
    (this.#second = new Float64Array(room)).set(second);
    this.#table = new Int32Array(2 * room);
    const mask = this.#table.length - 1;
    for (let number = 0; number < this.#length; number++) {
      let at = hash(first[number], second[number]) & mask;
      while (this.#table[at] !== 0) at = (at + 1) & mask;
      this.#table[at] = number + 1;
    }
  }

  clear(): void {
    this.#table.fill(0);
    this.#length = 0;
  }
}

function hash(first: number, second: number): number {
  const mixed = Math.imul(first, 0x9e3779b1) ^
    Math.imul(second ^ Math.floor(second / 2 ** 32), 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
