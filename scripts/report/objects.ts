/** Runs side by side, object by object: as text and as CSV. */
import type { Result } from "../../sim/machine/result.ts";
import type { AttributionReport } from "../../sim/study/attribution.ts";
import { alignRows, formatChange, formatCount } from "../../sim/study/table.ts";
import { csvLines } from "../sweep/export.ts";

/** A run with the name that it has in a report; the first of several is the base of the others. */
export interface Side
  extends Pick<Result, "counters" | "estimated" | "missCurves" | "attribution"> {
  readonly name: string;
  readonly manifest: unknown;
}

/** Events that objects are compared by, the most telling first. */
const EVENTS = [
  "instructions",
  "itlb.misses",
  "dtlb.misses",
  "mispredicted",
  "l1i.misses",
  "l1d.misses",
];

/** Rows of a table: what each object has of an event on each side, the change, and its share of the whole change. */
export function objectRows(sides: readonly Side[], event: string, most = Infinity): string[][] {
  const reports = sides.map(({ attribution }) => attribution!);
  const of = (report: AttributionReport, name: string): number =>
    report.objects.find((object) => object.name === name)?.counts[event] ?? 0;
  const names = [...new Set(reports.flatMap(({ objects }) => objects.map(({ name }) => name)))];
  const rows = names.map((name) => ({ name, counts: reports.map((report) => of(report, name)) }));
  const moved = (counts: readonly number[]) =>
    Math.max(...counts.map((c) => Math.abs(c - counts[0])));
  const whole = rows.reduce((sum, { counts }) => sum + counts[counts.length - 1] - counts[0], 0);
  const shown = rows.filter(({ counts }) => counts.some((count) => count > 0))
    .sort((a, b) => moved(b.counts) - moved(a.counts) || b.counts[0] - a.counts[0]).slice(0, most);
  return shown.map(({ name, counts: [base, ...others] }) => [
    name,
    formatCount(base),
    ...others.flatMap((count, i) => [
      formatCount(count),
      formatChange(base, count),
      ...i < others.length - 1
        ? []
        : [whole === 0 ? "" : `${((count - base) / whole * 100).toFixed(1)}%`],
    ]),
  ]);
}

/** The header of `objectRows`. */
export function objectHeader(sides: readonly Side[], event: string): string[] {
  const [base, ...others] = sides;
  const share = others.length === 0 ? [] : ["share of change"];
  return [event, base.name, ...others.flatMap(({ name }) => [name, "change"]), ...share];
}

/** Events that some object has. */
export function eventsOf(sides: readonly Side[]): string[] {
  return EVENTS.filter((event) =>
    sides.some(({ attribution }) =>
      attribution?.objects.some(({ counts }) => (counts[event] ?? 0) > 0)
    )
  );
}

/** A table an event: what each object has of it on each side, and its share of the change. */
export function objectTables(sides: readonly Side[], most: number): string {
  return eventsOf(sides).map((event) => {
    const rows = objectRows(sides, event);
    const more = rows.length > most ? `\n… ${rows.length - most} more` : "";
    return `${alignRows([objectHeader(sides, event), ...rows.slice(0, most)])}${more}`;
  }).join("\n\n");
}

/** A row a counter, and a row an event and object where objects were told apart: value on each side. */
export function comparisonCsv(sides: readonly Side[]): string {
  const counts = sides.map(({ counters, estimated }): Record<string, number> => ({
    ...counters,
    ...estimated,
  }));
  const names = [...new Set(counts.flatMap((of) => Object.keys(of)))];
  const rows: (string | number)[][] = names.map((name) => [
    ...["", name],
    ...counts.map((of) => of[name] ?? 0),
  ]);
  for (const event of eventsOf(sides)) {
    const reports = sides.map(({ attribution }) => attribution!);
    const objects = new Set(reports.flatMap(({ objects }) => objects.map(({ name }) => name)));
    for (const object of objects) {
      const of = reports.map((report) =>
        report.objects.find(({ name }) => name === object)?.counts[event] ?? 0
      );
      if (of.some((count) => count > 0)) rows.push([object, event, ...of]);
    }
  }
  return csvLines([["object", "counter", ...sides.map(({ name }) => name)], ...rows]);
}
