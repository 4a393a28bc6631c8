/** `isthmus submit`: a study as an array job of Slurm. */
import { keyed } from "../sweep/keys.ts";
import { sbatchArguments } from "../sweep/slurm.ts";
import { ResultStore } from "../sweep/store.ts";
import { readStudy, runsOf } from "../sweep/study.ts";
import {
  type CommandSpec,
  jsonOption,
  type Parsed,
  printJson,
  UsageError,
  wholeNumber,
} from "./command.ts";

interface Values {
  readonly out?: string;
  readonly tasks?: number;
  readonly sbatch?: readonly string[];
  readonly wait?: boolean;
  readonly json?: boolean;
}

async function run({ positional: [file], values }: Parsed<Values>): Promise<number> {
  const { out, sbatch = [], wait } = values;
  if (out === undefined) throw new UsageError("submit wants --out FILE");
  const { study, folder } = await readStudy(file);
  const runs = await keyed(runsOf(study, folder));
  const tasks = Math.min(values.tasks ?? 16, runs.length);
  // Made here, so that the tasks, which look into it at once, need not.
  using store = new ResultStore(out);
  store.describe(study, runs);
  const options = wait ? [...sbatch, "--wait"] : sbatch;
  const { job, failed } = await submit(
    sbatchArguments({ study: file, name: study.name, out, tasks, options }),
  );
  if (values.json) printJson({ job, tasks, runs: runs.length, failed });
  else {
    console.log(`job ${job}: ${runs.length} runs in ${tasks} tasks`);
    if (failed) console.log(`some of its tasks failed: see ${out}.log-*`);
    console.log(`${wait ? "now" : "when it has ended"}: isthmus gather ${out}`);
  }
  return failed ? 1 : 0;
}

/** Number of the job, and whether it is over and a task of it failed. Throws a `UsageError` without Slurm, or with what it refuses. */
async function submit(args: readonly string[]): Promise<{ job: string; failed: boolean }> {
  let output;
  try {
    output = await new Deno.Command("sbatch", { args: [...args], stdin: "null" }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UsageError("submit needs Slurm: there is no sbatch in PATH");
  }
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  const [job] = /^\d+/.exec(text(output.stdout)) ?? [];
  if (job === undefined) throw new UsageError(text(output.stderr) || "sbatch names no job");
  return { job, failed: output.code !== 0 };
}

const spec: CommandSpec<Values> = {
  name: "submit",
  summary: "hand a study to Slurm as an array job; `gather` collects its results",
  positional: [{ usage: "<study>", help: "file or URL, as of `sweep`" }],
  options: [
    {
      flags: "--out <file>",
      help: "SQLite file of the results, on a file system that all nodes have",
    },
    {
      flags: "--tasks <n>",
      help: "tasks of the array, at most one a run (default: 16)",
      parse: wholeNumber("--tasks", 1),
    },
    {
      flags: "--sbatch <option>",
      help: "a further option of sbatch, --sbatch=--time=60",
      repeated: true,
    },
    { flags: "--wait", help: "return when the job has ended" },
    jsonOption,
  ],
  example:
    "isthmus submit study.json --out /shared/results.sqlite --tasks 64 --sbatch=--partition=long",
  run,
};

export default spec;
