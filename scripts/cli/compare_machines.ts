/** The two machines of `isthmus compare`, from its options: made anew in every worker. */
import type { MeasureOptions } from "../../sim/study/measure.ts";
import type { Roi } from "../../sim/roi.ts";
import { machineOf, type MachineValues } from "./machine_options.ts";

/** Options of `compare` that the machines depend on. */
export interface CompareValues extends MachineValues {
  readonly with?: readonly string[];
  readonly withHugeText?: boolean;
  readonly roi?: Roi;
}

/** Base and variant; both have the same linker, or their totals would not compare. */
export async function compareMachines(
  values: CompareValues,
  stdin: Uint8Array | undefined,
): Promise<{ readonly base: MeasureOptions; readonly variant: MeasureOptions }> {
  const { with: added = [], withHugeText, roi } = values;
  const both = added.length > 0 ? { ...values, linker: values.linker ?? "modular" } : values;
  return {
    base: { ...await machineOf(both), roi, stdin },
    variant: {
      ...await machineOf(both, added),
      ...{ hugeText: withHugeText ?? values.hugeText, roi, stdin },
    },
  };
}
