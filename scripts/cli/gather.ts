/** `isthmus gather`: the parts of a sweep in one file. */
import { partFiles } from "../sweep/slurm.ts";
import { ResultStore } from "../sweep/store.ts";
import { type CommandSpec, jsonOption, type Parsed, printJson, UsageError } from "./command.ts";

function run({ positional: [file], values }: Parsed<{ readonly json?: boolean }>): number {
  using store = new ResultStore(file, { isNew: false });
  if (store.study === null) throw new UsageError(`${file} has no study`);
  const parts = partFiles(file);
  for (const part of parts) store.merge(part);
  const { size } = store;
  const done = store.results().length;
  if (values.json) printJson({ runs: size, done, parts: parts.length });
  else console.log(`${file}: ${done} of ${size} runs done, ${parts.length} parts`);
  return done === size ? 0 : 1;
}

const spec: CommandSpec<{ readonly json?: boolean }> = {
  name: "gather",
  summary: "collect the parts of a sweep; exit code 1 while runs are missing",
  positional: [{
    usage: "<results>",
    help: "the SQLite file that `submit` or `sweep --part` was given",
  }],
  options: [jsonOption],
  example: "isthmus gather results.sqlite",
  run,
};

export default spec;
