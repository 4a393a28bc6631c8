/** Counts of events in state memory, an i64 for each kind. */
import { siteNames } from "./site_kinds.ts";
import type { StateMemory } from "./state_memory.ts";

/** The counts at `at`, of so many sets, which are 0 from now on. */
export function takeCounts(state: StateMemory, at: number, sets = 1): Float64Array {
  const counts = new Float64Array(siteNames.length * sets);
  for (let i = 0; i < counts.length; i++) counts[i] = state.signed(at + 8 * i);
  state.u32.fill(0, at >> 2, (at >> 2) + 2 * counts.length);
  return counts;
}
