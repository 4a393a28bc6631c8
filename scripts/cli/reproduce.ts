/** `isthmus reproduce`: makes recorded results again. */
import { VERSION } from "../../lib/version.ts";
import { Progress } from "../sweep/progress.ts";
import {
  type RecordedResult,
  reproduce,
  type Reproduction,
  resultsIn,
} from "../sweep/reproduce.ts";
import { type CommandSpec, jsonOption, type Parsed, printJson, UsageError } from "./command.ts";

interface Values {
  readonly root?: string;
  readonly stdin?: string;
  readonly json?: boolean;
}

async function textOf(file: string): Promise<string> {
  const url = new URL(file, `file://${Deno.cwd()}/`);
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    return await response.text();
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${(error as Error).message}`);
  }
}

/** One result after the other, with a bar between. */
async function* reproduceAll(
  results: readonly RecordedResult[],
  where: Parameters<typeof reproduce>[1],
): AsyncGenerator<Reproduction> {
  using progress = new Progress(results.length, { passing: true });
  for (const result of results) {
    const found = await reproduce(result, where);
    progress.hide();
    yield found;
    progress.step("");
  }
}

function verdictOf({ argv, side, compared, difference }: Reproduction): string {
  const name = [argv.join(" "), ...side === undefined ? [] : [side]].join(", ");
  return difference === undefined
    ? `${name}: the same, ${compared} counters`
    : `${name}: ${difference.what} is ${difference.now}, was ${difference.recorded}`;
}

async function run({ positional: [file], values }: Parsed<Values>): Promise<number> {
  const results = resultsIn(await textOf(file), file);
  const stdin = values.stdin === undefined ? undefined : await Deno.readFile(values.stdin)
    .catch((error: Error) => {
      throw new UsageError(`--stdin: ${error.message}`);
    });
  const other = results.find(({ manifest }) => manifest.isthmus !== VERSION);
  if (other !== undefined) {
    const { isthmus } = other.manifest;
    console.error(`isthmus: the result is of version ${isthmus}, this is ${VERSION}`);
  }
  const done: Reproduction[] = [];
  for await (const found of reproduceAll(results, { root: values.root, stdin })) {
    done.push(found);
    if (!values.json) console.log(verdictOf(found));
  }
  if (values.json) printJson(done);
  return done.every(({ difference }) => difference === undefined) ? 0 : 1;
}

const spec: CommandSpec<Values> = {
  name: "reproduce",
  summary: "make a recorded result again and say whether all counters are the same",
  positional: [
    {
      usage: "<result>",
      help: "file or URL of what run --stats, compare --json or report --jsonl wrote",
    },
  ],
  options: [
    { flags: "--root <folder>", help: "where the guest's files are, if not where they were" },
    { flags: "--stdin <file>", help: "what the program read, if it was too long to be recorded" },
    jsonOption,
  ],
  example: "isthmus reproduce result.json",
  run,
};

export default spec;
