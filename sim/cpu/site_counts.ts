/** Counts of events in state memory, an i64 for each kind. */
import { siteNames } from "./site_kinds.ts";
import type { StateMemory } from "./state_memory.ts";

/** Numbers in a slab. */
const SLAB = 1 << 14;

/** Takes counts into arrays that are cut from large ones: thousands of small ones cost the collector of garbage much. */
export class SiteCounts {
  readonly #state: StateMemory;
  #slab = new Float64Array(0);

  constructor(state: StateMemory) {
    this.#state = state;
  }

  /** The counts at `at`, of so many sets, which are 0 from now on. */
  take(at: number, sets = 1): Float64Array {
    const { i32, u32 } = this.#state;
    const length = siteNames.length * sets;
    if (length > this.#slab.length) this.#slab = new Float64Array(Math.max(SLAB, length));
    const counts = this.#slab.subarray(0, length);
    this.#slab = this.#slab.subarray(length);
    for (let i = 0, word = at >> 2; i < length; i++, word += 2) {
      counts[i] = u32[word] + i32[word + 1] * 2 ** 32;
    }
    u32.fill(0, at >> 2, (at >> 2) + 2 * length);
    return counts;
  }
}
