/** `isthmus compare`: one program with and without modules. */
import { compare, type Comparison } from "../../sim/study/compare.ts";
import type { Measurement, MeasureOptions } from "../../sim/study/measure.ts";
import {
  type CommandSpec,
  jsonOption,
  type Parsed,
  printJson,
  UsageError,
  wholeNumber,
} from "./command.ts";
import { type CompareValues, sideMachine, sidesOf } from "./compare_machines.ts";
import type { CompareJob, Watched } from "./compare_worker.ts";
import { machineOptions } from "./machine_options.ts";
import { comparisonCsv, objectTables, type Side } from "../report/objects.ts";
import { writeText } from "./host_files.ts";
import { roiOption } from "./roi_option.ts";
import { Progress } from "../sweep/progress.ts";
import { withRecipe } from "../sweep/recipe.ts";
import { WorkerPool } from "./worker_pool.ts";

interface Values extends CompareValues {
  readonly layouts?: number;
  readonly objects?: boolean;
  readonly html?: string;
  readonly csv?: string;
  readonly counter?: readonly string[];
  readonly json?: boolean;
}

async function run({ positional, values }: Parsed<Values>): Promise<number> {
  const { with: added = [], withHugeText } = values;
  if (added.length === 0 && !withHugeText) {
    throw new UsageError("compare wants --with MODULE or --with-huge-text");
  }
  const stdin = Deno.stdin.isTerminal()
    ? undefined
    : await new Response(Deno.stdin.readable).bytes();
  const watched = watchedBy(values);
  const base = { ...await sideMachine(values, "base", stdin), ...watched };
  const variant = { ...await sideMachine(values, "variant", stdin), ...watched };
  const job = (side: "base" | "variant", layout: number): CompareJob => ({
    ...{ argv: positional, values, stdin, side, layout },
    watched: layout === 0 ? watched : {},
  });
  const result = await compareWithBar(positional, base, variant, values.layouts, job);
  const sides = [{ ...result.base, name: "base" }, { ...result.variant, name: "variant" }];
  if (values.csv !== undefined) writeText("--csv", values.csv, comparisonCsv(sides));
  if (values.html !== undefined) await writeHtml(values.html, positional, values, result, sides);
  if (values.json) printJson(await asData(result, values, stdin));
  else {
    const { arch, manifest } = result.base;
    console.log(`${positional.join(" ")}: ${arch}, ${manifest.cpu ?? "no modelled core"}`);
    console.log(result.table(...values.counter ?? []));
    if (values.objects) console.log(`\n${objectTables(sides, SHOWN_OBJECTS)}`);
  }
  for (const name of values.counter ?? []) {
    const counted = [result.base, result.variant].some(({ counters, estimated }) =>
      name in counters || name in estimated
    );
    if (!counted) console.error(`isthmus: no run counted ${name}`);
  }
  for (const warning of result.warnings) console.error(`isthmus: ${warning}`);
  return 0;
}

/** Compare, on layouts in workers, and show how far it is. */
async function compareWithBar(
  argv: readonly string[],
  base: MeasureOptions,
  variant: MeasureOptions,
  layouts: number | undefined,
  job: (side: "base" | "variant", layout: number) => CompareJob,
): Promise<Comparison> {
  using progress = new Progress(2 * (layouts ?? 1), { passing: true });
  using pool = new WorkerPool<CompareJob, Measurement>(
    new URL("./compare_worker.ts", import.meta.url),
  );
  return await compare(argv, base, variant, {
    layouts,
    measure: (side, layout) => pool.run(job(side, layout)),
    progress: (side) => progress.step(side),
  });
}

/** Objects that the tables show. */
const SHOWN_OBJECTS = 12;

/** What the runs have to record beside counters. */
function watchedBy({ objects, html, csv }: Values): Watched {
  return {
    attribution: objects || html !== undefined || csv !== undefined || undefined,
    missCurves: html !== undefined || undefined,
  };
}

async function writeHtml(
  file: string,
  argv: readonly string[],
  values: Values,
  { spreads, warnings, base }: Comparison,
  sides: readonly Side[],
): Promise<void> {
  const { htmlOf } = await import("../report/html.ts");
  const { comparisonReport } = await import("../report/sections.ts");
  const variant = [...values.with ?? [], ...values.withHugeText ? ["text on huge pages"] : []];
  const findings = [
    `${base.arch}, ${base.manifest.cpu ?? "no modelled core"}; variant: ${variant.join(", ")}`,
    ...spreads === undefined ? [] : [`Over ${values.layouts} layouts; shown is the first.`],
    ...warnings,
  ];
  const report = comparisonReport({ title: argv.join(" "), findings, sides, spreads });
  writeText("--html", file, await htmlOf(report));
}

async function asData(
  { base, variant, spreads, warnings }: Comparison,
  values: CompareValues,
  stdin: Uint8Array<ArrayBuffer> | undefined,
): Promise<unknown> {
  const sides = sidesOf(values);
  const side = async (result: Measurement, name: "base" | "variant") => {
    const { exit, counters, estimated, execution, attribution } = result;
    const manifest = await withRecipe(result.manifest, sides[name], stdin);
    return { exit, counters, estimated, execution, objects: attribution?.objects, manifest };
  };
  const names = new Set([...Object.keys(base.counters), ...Object.keys(variant.counters)]);
  const delta = Object.fromEntries(
    [...names].map((n) => [n, (variant.counters[n] ?? 0) - (base.counters[n] ?? 0)]),
  );
  return {
    base: await side(base, "base"),
    variant: await side(variant, "variant"),
    delta,
    spreads,
    warnings,
  };
}

const spec: CommandSpec<Values> = {
  name: "compare",
  summary: "run a program with and without linker modules and print the difference",
  positional: [
    { usage: "<program>", help: "path in the guest, or a name to look for in PATH" },
    { usage: "[args...]", help: "its arguments" },
  ],
  options: [
    ...machineOptions,
    { flags: "--with <module>", help: "a module of the variant, as --module", repeated: true },
    { flags: "--with-huge-text", help: "give the variant --huge-text" },
    {
      flags: "--layouts <n>",
      help: "repeat on so many seeded layouts; print median, range and what is noise",
      parse: wholeNumber("--layouts", 2),
    },
    roiOption,
    {
      flags: "--objects",
      help: "show what each object has of the main events, and its share of the change",
    },
    {
      flags: "--html <file>",
      help: "write one self-contained HTML file: deltas, miss curves, pages, events over time",
    },
    { flags: "--csv <file>", help: "write counters, and events by object; - is standard output" },
    { flags: "--counter <name>", help: "show this counter; default the main ones", repeated: true },
    jsonOption,
  ],
  example:
    "isthmus compare --root tests/guests/prebuilt --cpu zen3 --with ifed.concatenate -- /x86_64/many/many",
  passThrough: true,
  run,
};

export default spec;
