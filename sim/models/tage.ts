/**
 * TAGE (Seznec and Michaud, "A case for (partially) tagged geometric history length branch prediction",
 * JILP 2006), as deterministic as the paper leaves open: a mispredicted branch gets an entry in the first
 * longer table whose entry is not useful; if there is none, those become less useful. A new entry that is
 * weak is trusted over the next longest match unless that has lately been better.
 */
import type { DirectionPredictor, DirectionShape } from "./direction.ts";

/** A three-bit signed counter, and the least that predicts taken: -4..3, 0. */
const MOST = 3;
const LEAST = -4;
/** Useful counters have two bits; after so many branches their high, then their low bits are cleared. */
const USEFUL = 3;
const PERIOD = 1 << 18;
/** A four-bit counter: at least 0 says that weak new entries are to be passed over. */
const ALTERNATE_MOST = 7;
const ALTERNATE_LEAST = -8;

/** A history of `length` outcomes folded to `bits` by XOR, kept up outcome by outcome. */
class Folded {
  value = 0;
  readonly #out: number;
  readonly #mask: number;
  constructor(readonly length: number, readonly bits: number) {
    this.#out = length % bits;
    this.#mask = 2 ** bits - 1;
  }
  /** `entered` is the newest outcome, `left` the one that is now too old. */
  push(entered: number, left: number): void {
    const value = (this.value << 1) | entered;
    this.value = (value ^ (left << this.#out) ^ (value >>> this.bits)) & this.#mask;
  }
}

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
  readonly #index: Folded[];
  readonly #tagFirst: Folded[];
  readonly #tagSecond: Folded[];
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
    this.#index = histories.map((length) => new Folded(length, tableBits));
    this.#tagFirst = histories.map((length) => new Folded(length, tagBits));
    this.#tagSecond = histories.map((length) => new Folded(length, tagBits - 1));
    this.#outcomes = new Uint8Array(Math.max(...histories) + 1);
    this.#places = new Int32Array(histories.length);
    this.#wanted = new Int32Array(histories.length);
  }

  predict(pc: number): boolean {
    const address = Math.floor(pc / this.#shift) % 4294967296;
    this.#provider = this.#next = -1;
    for (let t = 0; t < this.#tables; t++) {
      const index = (address ^ (address >>> this.#tableBits) ^ this.#index[t].value) &
        this.#indexMask;
      const tag = (address ^ this.#tagFirst[t].value ^ (this.#tagSecond[t].value << 1)) &
        this.#tagMask;
      const place = (t << this.#tableBits) | index;
      this.#places[t] = place;
      this.#wanted[t] = tag;
      if (this.#tags[place] === tag) {
        this.#next = this.#provider;
        this.#provider = t;
      }
    }
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
    const address = Math.floor(pc / this.#shift) % 4294967296;
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
    for (let t = 0; t < this.#tables; t++) {
      const { length } = this.#index[t];
      let at = this.#latest + length;
      if (at >= size) at -= size;
      const left = outcomes[at];
      this.#index[t].push(outcome, left);
      this.#tagFirst[t].push(outcome, left);
      this.#tagSecond[t].push(outcome, left);
    }
  }
}
