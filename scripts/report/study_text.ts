/** The results of a study as tables. */
import { median, spreadOf } from "../../sim/study/layouts.ts";
import { alignRows, formatChange, formatCount, MAIN_COUNTERS } from "../../sim/study/table.ts";
import type { StoredRun } from "../sweep/store.ts";
import { runName, type Study } from "../sweep/study.ts";

export type Done = Exclude<StoredRun, { readonly error: string }>;

/** Runs of one program, preset and choice of parameters: by module set, the seeds in order. */
export interface Group {
  readonly name: string;
  readonly parameters: StoredRun["parameters"];
  readonly sets: Map<string, Done[]>;
}

export function groupsOf(results: readonly StoredRun[]): Group[] {
  const groups = new Map<string, Group>();
  for (const run of results) {
    if ("error" in run) continue;
    const name = runName({ ...run, modules: "", seed: null });
    let group = groups.get(name);
    if (group === undefined) {
      groups.set(name, group = { name, parameters: run.parameters, sets: new Map() });
    }
    const set = group.sets.get(run.modules);
    if (set === undefined) group.sets.set(run.modules, [run]);
    else set.push(run);
  }
  return [...groups.values()];
}

const countOf = (run: Done, counter: string): number =>
  run.counters[counter] ?? run.estimated[counter] ?? 0;

/** Median over the seeds. */
export const typical = (runs: readonly Done[], counter: string): number =>
  median(runs.map((run) => countOf(run, counter)));

/** The change of a set against the base, seed by seed; with `~` if the seeds do not agree on its sign. */
function change(base: readonly Done[], set: readonly Done[], counter: string): string {
  const pairs = set.flatMap((run) => {
    const before = base.find(({ seed }) => seed === run.seed);
    return before === undefined ? [] : [[countOf(before, counter), countOf(run, counter)] as const];
  });
  if (pairs.length === 0) return "";
  const { base: from, median: delta, noise } = spreadOf(pairs);
  return `${noise ? "~" : ""}${formatChange(from, from + delta)}`;
}

/** Counters of the study's own that some run counted, or the main ones. */
export function countersOf(study: Study, results: readonly StoredRun[]): string[] {
  const done = results.filter((run): run is Done => !("error" in run));
  return [...study.counters ?? MAIN_COUNTERS]
    .filter((name) => done.some((run) => name in run.counters || name in run.estimated));
}

/** Rows a group: the base's median, then each set's with its change. */
export function tableOf(groups: readonly Group[], counter: string): string[][] {
  const sets = [...new Set(groups.flatMap(({ sets }) => [...sets.keys()]))];
  const header = [
    counter,
    ...sets.flatMap((set, i) => i === 0 ? [set || "median"] : [set, "change"]),
  ];
  const rows = groups.map(({ name, sets: runs }) => {
    const base = runs.get(sets[0]) ?? [];
    return [
      name,
      ...sets.flatMap((set, i) => {
        const own = runs.get(set) ?? [];
        const value = own.length === 0 ? "-" : formatCount(typical(own, counter));
        return i === 0 ? [value] : [value, change(base, own, counter)];
      }),
    ];
  });
  return [header, ...rows];
}

/** The results as text: a table a counter. */
export function studyText(study: Study, results: readonly StoredRun[]): string {
  const groups = groupsOf(results);
  const tables = countersOf(study, results).map((counter) => alignRows(tableOf(groups, counter)));
  const errors = results.filter((run) => "error" in run)
    .map((run) => `${runName(run)}: ${"error" in run ? run.error.split("\n")[0] : ""}`);
  return [...tables, ...errors.length > 0 ? [`errors\n${errors.join("\n")}`] : []].join("\n\n");
}
