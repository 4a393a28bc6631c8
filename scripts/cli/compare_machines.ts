/** The two machines of `isthmus compare`, from its options: made anew in every worker. */
import type { MeasureOptions } from "../../sim/study/measure.ts";
import type { Roi } from "../../sim/roi.ts";
import { machineOf, type MachineValues } from "./machine_options.ts";

export type Side = "base" | "variant";

/** Options of `compare` that the machines depend on. */
export interface CompareValues extends MachineValues {
  readonly with?: readonly string[];
  readonly withHugeText?: boolean;
  readonly roi?: Roi;
}

/** What the machine of each side is made from; both have the same linker, or their totals would not compare. */
export function sidesOf(values: CompareValues): Readonly<Record<Side, CompareValues>> {
  const { with: added = [], withHugeText, module = [], hugeText } = values;
  const both = added.length > 0 ? { ...values, linker: values.linker ?? "modular" } : values;
  const modules = [...module, ...added];
  return {
    base: both,
    variant: {
      ...both,
      module: modules.length > 0 ? modules : undefined,
      hugeText: withHugeText ?? hugeText,
    },
  };
}

/** The machine of a side. */
export async function sideMachine(
  values: CompareValues,
  side: Side,
  stdin: Uint8Array | undefined,
): Promise<MeasureOptions> {
  const own = sidesOf(values)[side];
  return { ...await machineOf(own), roi: own.roi, stdin };
}
