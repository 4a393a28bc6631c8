/** What inlined models of a preset ask of generated code. */
import type { Arch } from "../arch.ts";
import type { Hierarchy } from "../models/hierarchy.ts";
import { hasInlinedTargets, MOST_HISTORY, type Preset } from "../models/preset.ts";
import type { Instrumentation } from "./wasm/events.ts";

/** Whether branches are watched, and whether it is told where events happen. */
export type Asked = Pick<Instrumentation, "branches" | "sites">;

/** The instrumentation of a preset whose TLBs are `hierarchy`. */
export function instrumentationOf(
  { name, direction, returnStack, targetBuffer }: Preset,
  arch: Arch,
  { granule, smallPages: [itlb, dtlb, istlb, stlb] }: Hierarchy,
  { branches, sites }: Asked,
): Instrumentation {
  const historyBits = direction.kind === "gshare" ? direction.historyBits : 0;
  if (historyBits > MOST_HISTORY) {
    throw new RangeError(`history of ${historyBits} bits; at most ${MOST_HISTORY}`);
  }
  if (returnStack > 64) throw new RangeError(`return stack of ${returnStack}; at most 64`);
  const { entries, ways } = targetBuffer;
  if (branches && !hasInlinedTargets(targetBuffer)) {
    throw new RangeError(`the target buffer of ${name} is not for generated code`);
  }
  return {
    historyBits,
    pcShift: arch === "aarch64" ? 2 : 0,
    targets: { sets: entries / ways, ways },
    // Larger base pages have several entries of the soft TLB each, which only the host knows.
    tlbs: granule === 12 ? { instructions: [itlb, istlb], data: [dtlb, stlb] } : null,
    ...{ returnStack, branches, sites },
  };
}
