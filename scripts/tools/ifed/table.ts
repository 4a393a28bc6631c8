/** iFed's table from its runs: medians and ranges over layouts, as Markdown and as data. */
import type { Arch } from "../../../sim/arch.ts";
import { median } from "../../../sim/study/layouts.ts";
import { formatCount } from "../../../sim/study/table.ts";
import { cores, type Run } from "./run.ts";
import { modes, works } from "./work.ts";

/** Median, least and most of some values. */
interface Range {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** A figure of a run, of one core or of the machine. */
interface Figure {
  readonly name: string;
  readonly of: (run: Run, core: string) => number;
}

const sum = (...names: string[]) => (run: Run, core: string) =>
  names.reduce((total, name) => total + (run.cores[core]?.[name] ?? 0), 0);
const ofMachine = (...names: string[]) => (run: Run) =>
  names.reduce((total, name) => total + (run.counters[name] ?? 0), 0);

const TLB: Figure = { name: "L1 TLB misses", of: sum("itlb.misses", "dtlb.misses") };
const MISPREDICTED: Figure = {
  name: "branch mispredictions",
  of: sum(
    "branches.conditional.mispredicted",
    "branches.indirect.mispredicted",
    "returns.mispredicted",
  ),
};
const WALKS: Figure = { name: "walks", of: sum("walks") };
const ITLB: Figure = { name: "L1 iTLB misses", of: sum("itlb.misses") };
const ofCore: readonly Figure[] = [
  ITLB,
  { name: "L1 dTLB misses", of: sum("dtlb.misses") },
  { name: "L2 TLB misses", of: sum("stlb.misses") },
  WALKS,
  MISPREDICTED,
  { name: "indirect mispredictions", of: sum("branches.indirect.mispredicted") },
];
const faults = ["faults.minor", "faults.major", "linker.faults.minor", "linker.faults.major"];
const ofRun: readonly Figure[] = [
  { name: "instructions", of: ofMachine("instructions") },
  { name: "page faults", of: ofMachine("faults.minor", "faults.major") },
  { name: "with the linker's", of: ofMachine(...faults) },
  {
    name: "memory, KiB",
    of: (run) => 4 * run.counters["frames.peak"],
  },
];

/** What the paper reports: changes of TLB misses and of branch mispredictions. */
const PUBLISHED: Record<Arch, readonly [tlb: string, mispredicted: string]> = {
  x86_64: ["−8.58%", "−3.28%"],
  aarch64: ["−13.04%", "−1.85%"],
};

function rangeOf(values: readonly number[]): Range {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

function percent(value: number): string {
  const text = Math.abs(value).toFixed(1);
  return text === "0.0" ? text : `${value > 0 ? "+" : "−"}${text}`;
}

function counts({ median, least, most }: Range): string {
  const range = least === most ? "" : ` (${formatCount(least)}–${formatCount(most)})`;
  return formatCount(median) + range;
}

function changes({ median, least, most }: Range): string {
  const [middle, low, high] = [median, least, most].map(percent);
  return `${middle}%${low === high ? "" : ` (${low} to ${high})`}`;
}

function markdown(rows: readonly (readonly string[])[]): string {
  const [head, ...body] = rows;
  return [head, head.map(() => "---"), ...body].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** The runs of one architecture, by program and mode. */
class Results {
  constructor(readonly arch: Arch, readonly runs: readonly Run[]) {}

  of(program: string, mode: string): readonly Run[] {
    return this.runs.filter((run) => run.program === program && run.mode === mode);
  }

  get programs(): string[] {
    return works.map(({ name }) => name).filter((name) => this.of(name, "base").length > 0);
  }

  counts(program: string, mode: string, figure: Figure, core: string): Range {
    return rangeOf(this.of(program, mode).map((run) => figure.of(run, core)));
  }

  /** Changes from the base in percent of it, or of the base of `whole`, each on its own layout; undefined without runs. */
  changes(
    program: string,
    mode: string,
    figure: Figure,
    core: string,
    whole: Figure = figure,
  ): Range | undefined {
    const base = new Map(this.of(program, "base").map((run) => [run.layout, run]));
    const all = this.of(program, mode).flatMap((run) => {
      const before = base.get(run.layout);
      if (before === undefined) return [];
      const [from, to] = [figure.of(before, core), figure.of(run, core)];
      return [from === to ? 0 : 100 * (to - from) / whole.of(before, core)];
    });
    return all.length === 0 ? undefined : rangeOf(all);
  }

  /** Median changes of all programs. */
  medians(mode: string, figure: Figure, core: string, whole = figure): number[] {
    return this.programs.flatMap((program) =>
      this.changes(program, mode, figure, core, whole)?.median ?? []
    );
  }
}

/** Runs whose output or exit code is not that of the base. */
function checkOutputs(runs: readonly Run[]): void {
  const expected = new Map<string, Run>();
  for (const run of runs) {
    const key = `${run.arch} ${run.program}`;
    const first = expected.get(key) ?? run;
    expected.set(key, first);
    if (run.output !== first.output || run.exit !== first.exit) {
      throw new Error(`${key}, ${run.mode}, layout ${run.layout}: another output`);
    }
  }
}

const general = modes.filter(({ only }) => only === undefined).map(({ name }) => name);
const changed = general.filter((name) => name !== "base");
const mean = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0) / values.length;

/** Columns of the summary: a figure's change, in percent of its base or of another figure's. */
const SUMMARY: readonly { readonly name: string; readonly of: Figure; readonly whole?: Figure }[] =
  [
    { name: TLB.name, of: TLB },
    { name: "of it by instructions", of: ITLB, whole: TLB },
    { name: WALKS.name, of: WALKS },
    { name: MISPREDICTED.name, of: MISPREDICTED },
  ];

function summary(all: readonly Results[]): string {
  const rows = [["", "", "mode", ...SUMMARY.map(({ name }) => name)]];
  for (const results of all) {
    for (const core of cores) {
      for (const mode of changed) {
        const cells = SUMMARY.map(({ of, whole }) => {
          const values = results.medians(mode, of, core, whole);
          const { least, most } = rangeOf(values);
          return `${percent(mean(values))}% (${percent(least)} to ${percent(most)})`;
        });
        rows.push([results.arch, core, mode, ...cells]);
      }
    }
    const [tlb, mispredicted] = PUBLISHED[results.arch];
    rows.push([results.arch, "the paper", "", tlb, "", "", mispredicted]);
  }
  return markdown(rows);
}

function coreTable(results: Results, core: string): string {
  const rows = [["program", "mode", ...ofCore.map(({ name }) => name)]];
  for (const program of results.programs) {
    rows.push([
      ...[program, "base"],
      ...ofCore.map((figure) => counts(results.counts(program, "base", figure, core))),
    ]);
    for (const mode of changed) {
      const cells = ofCore.map((figure) => results.changes(program, mode, figure, core));
      if (cells[0] === undefined) continue;
      rows.push(["", mode, ...cells.map((cell) => changes(cell!))]);
    }
  }
  return markdown(rows);
}

function runTable(results: Results): string {
  const rows = [[
    ...["program", "mode"],
    ...ofRun.map(({ name }) => name),
    ...["huge pages", "objects"],
  ]];
  for (const program of results.programs) {
    for (const mode of general) {
      const runs = results.of(program, mode);
      if (runs.length === 0) continue;
      const { counters } = runs[0];
      rows.push([
        ...[mode === "base" ? program : "", mode],
        ...ofRun.map((figure) => counts(results.counts(program, mode, figure, ""))),
        ...["linker.ifed.huge.pages", "linker.objects"].map((n) => formatCount(counters[n] ?? 0)),
      ]);
    }
  }
  return markdown(rows);
}

const REFUSED = "linker.ifed.branches.refused.";

/** Calls and jumps between objects, and why some stay indirect. */
function patchTable(results: Results): string {
  const runs = results.programs.flatMap((program) => {
    const [run] = results.of(program, "direct calls");
    return run === undefined ? [] : [run];
  });
  const reasons = [
    ...new Set(
      runs.flatMap(({ counters }) =>
        Object.keys(counters).filter((name) => name.startsWith(REFUSED))
      ),
    ),
  ].sort();
  const readable = reasons.map((name) => name.slice(REFUSED.length).replaceAll("_", " "));
  const rows = [["program", "found", "made direct", ...readable, "functions not decoded"]];
  for (const { program, counters } of runs) {
    const names = ["linker.ifed.branches.found", "linker.ifed.branches.patched", ...reasons];
    rows.push([
      program,
      ...[...names, "linker.ifed.functions.undecodable"]
        .map((name) => formatCount(counters[name] ?? 0)),
    ]);
  }
  return markdown(rows);
}

/** The program that was run with every variant. */
const [VARIED] = modes.flatMap(({ only }) => only ?? []);

function variantTable(results: Results): string {
  const [core] = cores;
  const rows = [[
    ...["mode", "huge pages"],
    ...[...ofCore, ...ofRun].map(({ name }) => name),
  ]];
  for (const { name } of modes) {
    const runs = results.of(VARIED, name);
    if (runs.length === 0) continue;
    rows.push([
      ...[name, formatCount(runs[0].counters["linker.ifed.huge.pages"] ?? 0)],
      ...[...ofCore, ...ofRun].map((figure) =>
        formatCount(results.counts(VARIED, name, figure, core).median)
      ),
    ]);
  }
  return markdown(rows);
}

function dataOf(results: Results): unknown {
  return Object.fromEntries(results.programs.map((program) => [
    program,
    Object.fromEntries(modes.flatMap(({ name: mode }) => {
      if (results.of(program, mode).length === 0) return [];
      const figures = (list: readonly Figure[], core: string) =>
        Object.fromEntries(list.map((figure) => [figure.name, {
          count: results.counts(program, mode, figure, core),
          change: results.changes(program, mode, figure, core),
        }]));
      const perCore = Object.fromEntries(cores.map((core) => [core, figures(ofCore, core)]));
      return [[mode, { machine: figures(ofRun, ""), cores: perCore }]];
    })),
  ]));
}

/** The runs on those layouts that every program of each architecture ran on in every mode. */
function complete(runs: readonly Run[]): Run[] {
  const wanted = modes.flatMap(({ name, only }) =>
    works.filter((work) => only === undefined || only === work.name)
      .map((work) => `${work.name}|${name}`)
  );
  const made = Map.groupBy(runs, ({ arch, layout }) => `${arch}|${layout}`);
  const whole = new Set(
    [...made].filter(([, of]) => {
      const keys = new Set(of.map(({ program, mode }) => `${program}|${mode}`));
      return wanted.every((key) => keys.has(key));
    }).map(([key]) => key),
  );
  return runs.filter(({ arch, layout }) => whole.has(`${arch}|${layout}`));
}

/** All tables, and the figures that they are made of. A run with another output than the rest is an error. */
export function tables(all: readonly Run[]): { markdown: string; data: unknown } {
  checkOutputs(all);
  const runs = complete(all);
  const results = (["x86_64", "aarch64"] as const)
    .map((arch) => new Results(arch, runs.filter((run) => run.arch === arch)))
    .filter(({ programs }) => programs.length > 0);
  const sections: [string, string][] = [["Means over the programs", summary(results)]];
  for (const of of results) {
    const { arch } = of;
    const layouts = new Set(of.runs.map(({ layout }) => layout)).size;
    for (const core of cores) {
      sections.push([`${arch}, ${core}, ${layouts} layouts`, coreTable(of, core)]);
    }
    sections.push([`${arch}: faults and memory`, runTable(of)]);
    sections.push([`${arch}: calls and jumps made direct`, patchTable(of)]);
    const title = `${arch}, ${cores[0]}: kinds of areas and of huge pages (${VARIED})`;
    sections.push([title, variantTable(of)]);
  }
  return {
    markdown: sections.map(([title, text]) => `### ${title}\n\n${text}\n`).join("\n"),
    data: Object.fromEntries(results.map((of) => [of.arch, dataOf(of)])),
  };
}
