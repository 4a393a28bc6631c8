/** `isthmus sweep`: all runs of a study, on all processors, into a file that they can be resumed from. */
import { keyed, type KeyedRun } from "../sweep/keys.ts";
import { Progress } from "../sweep/progress.ts";
import { partFile } from "../sweep/slurm.ts";
import { type Outcome, ResultStore } from "../sweep/store.ts";
import { readStudy, type RunJob, runName, runsOf } from "../sweep/study.ts";
import { type CommandSpec, type Parsed, printJson, UsageError, wholeNumber } from "./command.ts";
import { machineOf } from "./machine_options.ts";
import { WorkerPool } from "./worker_pool.ts";

interface Values {
  readonly out?: string;
  readonly jobs?: number;
  readonly part?: { readonly index: number; readonly of: number };
  readonly retry?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** Throws the `UsageError` of a machine that cannot be made, before anything runs. */
async function checkMachines(runs: readonly KeyedRun[]): Promise<void> {
  const checked = new Set<string>();
  for (const { job: { values } } of runs) {
    const text = JSON.stringify({ ...values, seed: 0, layoutSeed: 0 });
    if (checked.has(text)) continue;
    checked.add(text);
    await machineOf(values);
  }
}

/** Make the runs that are left of `total`. */
async function makeAll(
  left: readonly KeyedRun[],
  total: number,
  jobs: number | undefined,
  store: ResultStore,
): Promise<void> {
  using progress = new Progress(total, { before: total - left.length });
  using pool = new WorkerPool<RunJob, Outcome>(
    new URL("../sweep/worker.ts", import.meta.url),
    jobs,
  );
  await Promise.all(left.map(async ({ key, job, ...labels }) => {
    const outcome = await pool.run(job).catch((error: Error): Outcome => ({
      error: error.message,
    }));
    store.add(key, outcome);
    if ("error" in outcome) progress.step(runName(labels), outcome.error.split("\n")[0]);
    else progress.step(runName(labels));
  }));
}

async function run({ positional: [file], values }: Parsed<Values>): Promise<number> {
  const { part, retry = false } = values;
  const { study, folder } = await readStudy(file);
  const runs = await keyed(runsOf(study, folder));
  await checkMachines(runs);
  if (values.dryRun) {
    if (values.json) printJson(runs);
    else for (const run of runs) console.log(runName(run));
    return 0;
  }
  if (values.out === undefined) throw new UsageError("sweep wants --out FILE");
  const out = part === undefined ? values.out : partFile(values.out, part.index);
  using store = new ResultStore(out);
  store.describe(study, runs);
  if (retry) store.forgetErrors();
  const done = store.done;
  if (part !== undefined) {
    using whole = new ResultStore(values.out);
    for (const key of whole.done) done.add(key);
  }
  const mine = runs.filter(({ number }) => part === undefined || number % part.of === part.index);
  const left = mine.filter(({ key }) => !done.has(key));
  await makeAll(left, mine.length, values.jobs, store);
  const failed = store.results().filter((result) => "error" in result).length;
  const summary = { out, runs: mine.length, made: left.length, failed };
  if (values.json) printJson(summary);
  else {
    const errors = failed === 0 ? "" : `, ${failed} of them errors`;
    console.log(`${out}: ${mine.length} runs${errors}; ${left.length} made now`);
  }
  return failed === 0 ? 0 : 1;
}

function partOf(text: string): { index: number; of: number } {
  const [, index, of] = /^(\d+)\/(\d+)$/.exec(text)?.map(Number) ?? [];
  if (!(index < of)) throw new UsageError(`--part: ${JSON.stringify(text)} is not I/N with I < N`);
  return { index, of };
}

const spec: CommandSpec<Values> = {
  name: "sweep",
  summary: "make all runs of a study, or those that are left, on all processors",
  positional: [{ usage: "<study>", help: "file or URL of JSON or a script that describes it" }],
  options: [
    {
      flags: "--out <file>",
      help: "SQLite file of the results, which a sweep that ended is resumed from",
    },
    {
      flags: "--jobs <n>",
      help: "runs at a time (default: one a processor)",
      parse: wholeNumber("--jobs", 1),
    },
    {
      flags: "--part <i/n>",
      help: "only every n-th run from the i-th on, into FILE.part-i; `gather` collects the parts",
      parse: partOf,
    },
    { flags: "--retry", help: "make runs again that ended with an error" },
    { flags: "--dry-run", help: "list the runs" },
    { flags: "--json", help: "print JSON instead of text" },
  ],
  example: "isthmus sweep scripts/studies/many.json --out results.sqlite",
  run,
};

export default spec;
