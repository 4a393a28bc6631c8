/** A worker that makes one run of a study at a time. */
import { measure } from "../../sim/study/measure.ts";
import { sha256 } from "../../sim/study/manifest.ts";
import { machineOf } from "../cli/machine_options.ts";
import { answerJobs } from "../cli/worker_pool.ts";
import { withRecipe } from "./recipe.ts";
import type { Outcome } from "./store.ts";
import type { RunJob } from "./study.ts";

async function run({ argv, values, stdin }: RunJob): Promise<Outcome> {
  const input = stdin === undefined ? undefined : new TextEncoder().encode(stdin);
  const result = await measure(argv, { ...await machineOf(values), stdin: input });
  const { exit, counters, estimated, stdout } = result;
  const output = await sha256(new TextEncoder().encode(stdout));
  const manifest = await withRecipe(result.manifest, values, input);
  return { exit, output, counters, estimated, manifest };
}

answerJobs(run);
