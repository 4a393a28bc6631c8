/** A worker that runs one side of a comparison on one layout. */
import { onLayout } from "../../sim/study/layouts.ts";
import { measure, type Measurement, type MeasureOptions } from "../../sim/study/measure.ts";
import { type CompareValues, type Side, sideMachine } from "./compare_machines.ts";
import { answerJobs } from "./worker_pool.ts";

/** One run. */
export interface CompareJob {
  readonly argv: readonly string[];
  readonly values: CompareValues;
  readonly stdin?: Uint8Array;
  readonly side: Side;
  readonly layout: number;
  readonly watched: Watched;
}

/** What a run records beside counters. */
export type Watched = Pick<MeasureOptions, "attribution" | "missCurves">;

async function run(
  { argv, values, stdin, side, layout, watched }: CompareJob,
): Promise<Measurement> {
  const machine = { ...await sideMachine(values, side, stdin), ...watched };
  const { link: _, ...measurement } = await measure(argv, onLayout(machine, layout));
  return measurement;
}

answerJobs(run);
