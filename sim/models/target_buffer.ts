/**
 * The indirect target buffer: the last target of each indirect jump and call, set-associative, true
 * LRU, indexed by the branch's address. Direct branches do not occupy it.
 */
export interface TargetBufferShape {
  readonly entries: number;
  readonly ways: number;
  /**
   * Bits of a hash of the last indirect targets that, with the branch's address, index it (a target cache:
   * Chang, Hao and Patt 1997); default 0, the address alone.
   */
  readonly historyBits?: number;
}

const NONE = -1;

export class TargetBuffer {
  readonly #ways: number;
  readonly #sets: number;
  /** `sets - 1` if that is a mask, else -1: remainders of doubles are slow. */
  readonly #mask: number;
  readonly #shift: number;
  readonly #branch: Float64Array;
  readonly #target: Float64Array;
  readonly #used: Float64Array;
  #time = 0;
  accesses = 0;
  misses = 0;

  /** @param pcShift low bits of an instruction address that never differ */
  constructor(shape: TargetBufferShape, pcShift: number) {
    const { entries, ways } = shape;
    if (!Number.isInteger(entries / ways) || entries < 1) {
      throw new RangeError(`a target buffer of ${entries} entries cannot have ${ways} ways`);
    }
    this.#ways = ways;
    this.#sets = entries / ways;
    this.#mask = (this.#sets & (this.#sets - 1)) === 0 ? this.#sets - 1 : -1;
    this.#shift = 2 ** pcShift;
    this.#branch = new Float64Array(entries).fill(NONE);
    this.#target = new Float64Array(entries);
    this.#used = new Float64Array(entries);
  }

  /** The indirect branch at `pc` goes to `target`. */
  access(pc: number, target: number): void {
    this.accesses++;
    const at = Math.floor(pc / this.#shift);
    const first = (this.#mask >= 0 ? at & this.#mask : at % this.#sets) * this.#ways;
    let victim = first;
    for (let i = first; i < first + this.#ways; i++) {
      if (this.#branch[i] === pc) {
        if (this.#target[i] !== target) this.misses++;
        this.#target[i] = target;
        this.#used[i] = ++this.#time;
        return;
      }
      if (this.#used[i] < this.#used[victim]) victim = i;
    }
    this.misses++;
    this.#branch[victim] = pc;
    this.#target[victim] = target;
    this.#used[victim] = ++this.#time;
  }
}
