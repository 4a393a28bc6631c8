/**
 * TAGE (Seznec and Michaud, "A case for (partially) tagged geometric history length branch prediction",
 * JILP 2006), as deterministic as the paper leaves open: a mispredicted branch gets an entry in the first
 * longer table whose entry is not useful; if there is none, those become less useful. A new entry that is
 * weak is trusted over the next longest match unless that has lately been better.
 */
import type { DirectionPredictor, DirectionShape } from "./direction.ts";

/** A three-bit signed counter, and the least that predicts taken: -4..3, 0. */
export const MOST = 3;
export const LEAST = -4;
/** Useful counters have two bits; after so many branches their high, then their low bits are cleared. */
export const USEFUL = 3;
export const PERIOD = 1 << 18;
/** A four-bit counter: at least 0 says that weak new entries are to be passed over. */
export const ALTERNATE_MOST = 7;
export const ALTERNATE_LEAST = -8;

export class Tage implements DirectionPredictor {
  readonly #shift: number;
  readonly #base: Uint8Array;
  readonly #baseMask: number;
  readonly #tables: number;
  readonly #indexMask: number;
  readonly #tableBits: number;
  readonly #tagMask: number;
  /** Entry `i` of table `t` is at `t << tableBits | i`; a tag of -1 is no entry. */
  readonly #tags: Int32Array;
  readonly #counters: Int8Array;
  readonly #useful: Uint8Array;
  readonly #tagBits: number;
  readonly #lengths: Int32Array;
  /**
   * For each table, its history folded by XOR to the bits of an index, of a tag, and of a tag less one:
   * outcome `i`, 0 being the latest, counts at bit `i` modulo the bits.
   */
  readonly #folded: Int32Array;
  /** Where an outcome leaves each of them. */
  readonly #out: Int32Array;
  /** The last outcomes, the latest at `#latest`, older ones follow, cyclically. */
  readonly #outcomes: Uint8Array;
  #latest = 0;
  #branches = 0;
  #alternate = 0;
  /** Of the branch being predicted: its places and tags in the tables, the longest match and the next. */
  readonly #places: Int32Array;
  readonly #wanted: Int32Array;
  #provider = -1;
  #next = -1;
  #providerTaken = false;
  #nextTaken = false;

  constructor(shape: DirectionShape & { kind: "tage" }, pcShift: number) {
    const { baseBits, tableBits, tagBits, histories } = shape;
    this.#shift = 2 ** pcShift;
    this.#base = new Uint8Array(2 ** baseBits).fill(1);
    this.#baseMask = 2 ** baseBits - 1;
    this.#tables = histories.length;
    this.#tableBits = tableBits;
    this.#indexMask = 2 ** tableBits - 1;
    this.#tagMask = 2 ** tagBits - 1;
    this.#tags = new Int32Array(histories.length << tableBits).fill(-1);
    this.#counters = new Int8Array(this.#tags.length);
    this.#useful = new Uint8Array(this.#tags.length);
    this.#tagBits = tagBits;
    this.#lengths = Int32Array.from(histories);
    this.#folded = new Int32Array(3 * histories.length);
    this.#out = Int32Array.from(
      histories.flatMap((n) => [n % tableBits, n % tagBits, n % (tagBits - 1)]),
    );
    this.#outcomes = new Uint8Array(Math.max(...histories) + 1);
    this.#places = new Int32Array(histories.length);
    this.#wanted = new Int32Array(histories.length);
  }

  predict(pc: number): boolean {
    const address = Math.floor(pc / this.#shift) | 0;
    this.#next = -1;
    const bits = this.#tableBits;
    const low = address ^ (address >>> bits);
    const indexMask = this.#indexMask;
    const tagMask = this.#tagMask;
    const folded = this.#folded;
    const tags = this.#tags;
    const places = this.#places;
    const wanted = this.#wanted;
    let provider = -1;
    for (let t = 0; t < places.length; t++) {
      const place = (t << bits) | ((low ^ folded[3 * t]) & indexMask);
      const tag = (address ^ folded[3 * t + 1] ^ (folded[3 * t + 2] << 1)) & tagMask;
      places[t] = place;
      wanted[t] = tag;
      if (tags[place] === tag) {
        this.#next = provider;
        provider = t;
      }
    }
    this.#provider = provider;
    const base = this.#base[address & this.#baseMask] >= 2;
    this.#nextTaken = this.#next < 0 ? base : this.#counters[this.#places[this.#next]] >= 0;
    if (this.#provider < 0) return base;
    this.#providerTaken = this.#counters[this.#places[this.#provider]] >= 0;
    return this.#isNew(this.#places[this.#provider]) && this.#alternate >= 0
      ? this.#nextTaken
      : this.#providerTaken;
  }

  /** Whether an entry was never right for good: weak and not useful. */
  #isNew(place: number): boolean {
    const counter = this.#counters[place];
    return this.#useful[place] === 0 && (counter === 0 || counter === -1);
  }

  update(pc: number, taken: boolean, predicted: boolean): void {
    const address = Math.floor(pc / this.#shift) | 0;
    const provider = this.#provider;
    if (provider >= 0) {
      const place = this.#places[provider];
      const differ = this.#providerTaken !== this.#nextTaken;
      if (differ && this.#isNew(place)) {
        if (this.#nextTaken === taken) {
          if (this.#alternate < ALTERNATE_MOST) this.#alternate++;
        } else if (this.#alternate > ALTERNATE_LEAST) this.#alternate--;
      }
      if (differ) {
        if (this.#providerTaken === taken) {
          if (this.#useful[place] < USEFUL) this.#useful[place]++;
        } else if (this.#useful[place] > 0) this.#useful[place]--;
      }
    }
    if (predicted !== taken && provider < this.#tables - 1) this.#allocate(provider + 1, taken);
    if (provider >= 0) {
      const place = this.#places[provider];
      const counter = this.#counters[place];
      if (taken) {
        if (counter < MOST) this.#counters[place] = counter + 1;
      } else if (counter > LEAST) this.#counters[place] = counter - 1;
    } else {
      const at = address & this.#baseMask;
      const counter = this.#base[at];
      if (taken) {
        if (counter < 3) this.#base[at] = counter + 1;
      } else if (counter > 0) this.#base[at] = counter - 1;
    }
    this.#age();
    this.#push(taken ? 1 : 0);
  }

  #allocate(from: number, taken: boolean): void {
    for (let t = from; t < this.#tables; t++) {
      const place = this.#places[t];
      if (this.#useful[place] !== 0) continue;
      this.#tags[place] = this.#wanted[t];
      this.#counters[place] = taken ? 0 : -1;
      return;
    }
    for (let t = from; t < this.#tables; t++) this.#useful[this.#places[t]]--;
  }

  /** Clear one bit of all useful counters from time to time. */
  #age(): void {
    if (++this.#branches % PERIOD !== 0) return;
    const keep = this.#branches / PERIOD % 2 === 1 ? 1 : 2;
    for (let i = 0; i < this.#useful.length; i++) this.#useful[i] &= keep;
  }

  #push(outcome: number): void {
    const outcomes = this.#outcomes;
    const size = outcomes.length;
    this.#latest = (this.#latest === 0 ? size : this.#latest) - 1;
    outcomes[this.#latest] = outcome;
    const lengths = this.#lengths;
    const folded = this.#folded;
    const out = this.#out;
    const bits = this.#tableBits;
    const mask = this.#indexMask;
    const tagBits = this.#tagBits;
    const tagMask = this.#tagMask;
    for (let t = 0, i = 0; t < lengths.length; t++, i += 3) {
      let at = this.#latest + lengths[t];
      if (at >= size) at -= size;
      const left = outcomes[at];
      const index = (folded[i] << 1) | outcome;
      folded[i] = (index ^ (left << out[i]) ^ (index >>> bits)) & mask;
      const tag = (folded[i + 1] << 1) | outcome;
      folded[i + 1] = (tag ^ (left << out[i + 1]) ^ (tag >>> tagBits)) & tagMask;
      const less = (folded[i + 2] << 1) | outcome;
      folded[i + 2] = (less ^ (left << out[i + 2]) ^ (less >>> (tagBits - 1))) & (tagMask >>> 1);
    }
  }
}
