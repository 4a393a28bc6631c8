/** `isthmus report`: the results of a study as text, HTML, CSV or JSON lines. */
import { csv, jsonLines } from "../sweep/export.ts";
import { ResultStore } from "../sweep/store.ts";
import { type CommandSpec, jsonOption, type Parsed, UsageError } from "./command.ts";
import { writeText } from "./host_files.ts";

interface Values {
  readonly html?: string;
  readonly csv?: string;
  readonly jsonl?: string;
  readonly json?: boolean;
}

async function run({ positional: [file], values }: Parsed<Values>): Promise<number> {
  using store = new ResultStore(file, { isNew: false });
  const { study } = store;
  if (study === null) throw new UsageError(`${file} has no study`);
  const results = store.results();
  if (values.csv !== undefined) writeText("--csv", values.csv, csv(results));
  if (values.jsonl !== undefined) writeText("--jsonl", values.jsonl, jsonLines(results));
  if (values.html !== undefined) {
    const { htmlOf } = await import("../report/html.ts");
    const { studyReport } = await import("../report/study.ts");
    writeText("--html", values.html, await htmlOf(studyReport(study, results)));
  }
  if (values.json) console.log(JSON.stringify(results));
  else if (values.csv === undefined && values.jsonl === undefined && values.html === undefined) {
    const { studyText } = await import("../report/study_text.ts");
    console.log(studyText(study, results));
  }
  return 0;
}

const spec: CommandSpec<Values> = {
  name: "report",
  summary: "print the results of a study, or write them as HTML, CSV or JSON lines",
  positional: [{ usage: "<results>", help: "the SQLite file that `sweep` wrote" }],
  options: [
    { flags: "--html <file>", help: "write one self-contained HTML file with tables and plots" },
    { flags: "--csv <file>", help: "write a row a run, a column a counter; - is standard output" },
    { flags: "--jsonl <file>", help: "write a JSON object a run; - is standard output" },
    jsonOption,
  ],
  example: "isthmus report results.sqlite --html report.html",
  run,
};

export default spec;
