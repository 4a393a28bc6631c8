/** The sections that reports of runs are put together from. */
import type { Spread } from "../../sim/study/layouts.ts";
import { formatChange, formatCount, MAIN_COUNTERS } from "../../sim/study/table.ts";
import type { TopLevelSpec } from "./deps.ts";
import type { Report, Section } from "./html.ts";
import { eventsOf, objectHeader, objectRows, type Side } from "./objects.ts";
import { bars, missCurvePlot, objectBars, pageMap, timelinePlot } from "./plots.ts";

type Counts = Readonly<Record<string, number>>;
const all = ({ counters, estimated }: Side): Counts => ({ ...counters, ...estimated });

/** Counters side by side, with the changes and a plot of them. */
export function deltas(
  sides: readonly Side[],
  spreads?: Readonly<Record<string, Spread>>,
  counters?: readonly string[],
): Section {
  const counts = sides.map(all);
  const has = (name: string) => counts.some((of) => name in of);
  const main = (counters ?? MAIN_COUNTERS).filter(has);
  const header = [
    "",
    ...sides.flatMap(({ name }, i) => i === 0 ? [name] : [name, "change"]),
    ...spreads === undefined ? [] : ["over layouts"],
  ];
  const row = (name: string): string[] => [
    name,
    ...counts.flatMap((of, i) => {
      const [base, value] = [counts[0][name] ?? 0, of[name] ?? 0];
      return i === 0 ? [formatCount(value)] : [formatCount(value), formatChange(base, value)];
    }),
    ...spreads === undefined ? [] : [spreadText(spreads[name])],
  ];
  const names = [...new Set(counts.flatMap((of) => Object.keys(of)))];
  const changed = sides.slice(1).flatMap(({ name: side }, i) =>
    main.filter((name) => (counts[0][name] ?? 0) > 0).map((name) => ({
      side,
      group: name,
      value: ((counts[i + 1][name] ?? 0) / counts[0][name] - 1) * 100,
    }))
  );
  const others = sides.slice(1).map(({ name }) => name);
  const plot = bars(changed, { x: "change in percent", sides: others, first: 1 });
  return {
    title: "Counters",
    table: [header, ...main.map(row)],
    plots: changed.length > 0 ? [plot] : [],
    more: [header, ...names.map(row)],
  };
}

function spreadText(spread: Spread | undefined): string {
  if (spread === undefined) return "";
  const { least, most, noise } = spread;
  return `${formatCount(least)} … ${formatCount(most)}${noise ? ", noise" : ""}`;
}

const attributed = (sides: readonly Side[]) =>
  sides.flatMap(({ name, attribution }) =>
    attribution === undefined ? [] : [{ name, data: attribution }]
  );

/** Where events happen, object by object. */
export function objects(sides: readonly Side[]): Section[] {
  return eventsOf(sides).map((event) => ({
    title: `${event} by object`,
    plots: [objectBars(event, attributed(sides))].filter((plot): plot is TopLevelSpec =>
      plot !== null
    ),
    more: [objectHeader(sides, event), ...objectRows(sides, event)],
  }));
}

/** What the runs show beyond counts: curves, pages, time; each if the runs recorded it. */
export function pictures(sides: readonly Side[]): Section[] {
  const curves = sides.flatMap(({ name, missCurves }) =>
    missCurves === undefined ? [] : [{ name, data: missCurves }]
  );
  const reports = attributed(sides);
  const timelines = reports.map(({ name, data }) => ({ name, data: data.timeline }));
  const sections: Section[] = [];
  if (curves.length > 0) {
    sections.push({
      title: "Misses of TLBs of every size",
      text: "Fully associative, least recently used replaced; one run has all sizes.",
      plots: [missCurvePlot(curves)],
    });
  }
  if (timelines.some(({ data }) => Object.keys(data.events).length > 0)) {
    sections.push({ title: "Events over the run", plots: [timelinePlot(timelines)] });
  }
  for (const { name, data } of reports) {
    const maps = ([
      ["Code pages", "instructions and events", data.codePages],
      ["Data pages", "misses", data.dataPages],
    ] as const).filter(([, , pages]) => pages.length > 0);
    for (const [what, events, pages] of maps) {
      sections.push({
        title: `${what}: ${name}`,
        text: `A square is a page of 4 KiB, in order of addresses; the fuller, the more ${events}.`,
        plots: [pageMap(pages)],
      });
    }
  }
  return sections;
}

/** What the results were made from. */
export function manifests(sides: readonly Side[]): Section[] {
  return sides.map(({ name, manifest }) => ({
    title: `Manifest: ${name}`,
    folded: JSON.stringify(manifest, null, 2),
  }));
}

/** Runs of one program that are compared; the first is the base. */
export interface Compared {
  readonly title: string;
  readonly findings: readonly string[];
  readonly sides: readonly Side[];
  /** Over several layouts, of two sides. */
  readonly spreads?: Readonly<Record<string, Spread>>;
}

/** All that a comparison has to show. */
export function comparisonReport({ title, findings, sides, spreads }: Compared): Report {
  const sections = [
    deltas(sides, spreads),
    ...pictures(sides),
    ...objects(sides),
    ...manifests(sides),
  ];
  return { title, findings, sections };
}
