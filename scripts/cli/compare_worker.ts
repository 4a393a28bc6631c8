/** A worker that runs one side of a comparison on one layout. */
import { onLayout } from "../../sim/study/layouts.ts";
import { measure, type Measurement } from "../../sim/study/measure.ts";
import { compareMachines, type CompareValues } from "./compare_machines.ts";
import { answerJobs } from "./worker_pool.ts";

/** One run. */
export interface CompareJob {
  readonly argv: readonly string[];
  readonly values: CompareValues;
  readonly stdin?: Uint8Array;
  readonly side: "base" | "variant";
  readonly layout: number;
}

async function run({ argv, values, stdin, side, layout }: CompareJob): Promise<Measurement> {
  const machines = await compareMachines(values, stdin);
  const { link: _, ...measurement } = await measure(argv, onLayout(machines[side], layout));
  return measurement;
}

answerJobs(run);
