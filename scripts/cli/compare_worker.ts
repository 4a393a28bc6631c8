/** A worker that runs one side of a comparison on one layout. */
import { onLayout } from "../../sim/study/layouts.ts";
import { measure, type Measurement } from "../../sim/study/measure.ts";
import { compareMachines, type CompareValues } from "./compare_machines.ts";
import type { Answer } from "./worker_pool.ts";

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

/** The worker's own side of its channel: the library's types are those of a window. */
const channel = self as unknown as {
  onmessage: (event: MessageEvent<CompareJob>) => void;
  postMessage(answer: Answer<Measurement>): void;
};

channel.onmessage = async ({ data }: MessageEvent<CompareJob>) => {
  let answer: Answer<Measurement>;
  try {
    answer = { result: await run(data) };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    answer = { error: { name, message } };
  }
  channel.postMessage(answer);
};
