/** The plots of reports as specifications of Vega-Lite. */
import type { AttributedPage, AttributionReport } from "../../sim/study/attribution.ts";
import type { MissCurve } from "../../sim/models/miss_curves.ts";
import type { TimelineReport } from "../../sim/study/timeline.ts";
import type { TopLevelSpec } from "./deps.ts";
import { SERIES } from "./render.ts";

const WIDTH = 620;

/** Something with a name: a side of a comparison. */
interface Named<T> {
  readonly name: string;
  readonly data: T;
}

/** A colour a name, in the order of the names from series `first` on. */
function colours(names: readonly string[], first = 0) {
  const legend = names.length < 2
    ? null
    : { title: null, orient: "top" as const, columns: names.length > 4 ? 2 : 4 };
  const range = names.map((_, i) => SERIES[(i + first) % SERIES.length]);
  return {
    ...{ field: "side", type: "nominal" as const, sort: null, legend },
    scale: { domain: [...names], range },
  };
}

/** Bars of values by group, a bar a side in each. */
export function bars(
  values: readonly { readonly side: string; readonly group: string; readonly value: number }[],
  { x, sides, first = 0 }: {
    readonly x: string;
    readonly sides: readonly string[];
    /** Series whose colour the first side has. */
    readonly first?: number;
  },
): TopLevelSpec {
  return {
    data: { values: [...values] },
    width: WIDTH,
    height: { step: sides.length > 2 ? 10 : 14 },
    mark: { type: "bar", tooltip: null },
    encoding: {
      y: { field: "group", type: "nominal", sort: null, title: null, axis: { labelLimit: 400 } },
      yOffset: { field: "side", type: "nominal", sort: null, scale: { domain: [...sides] } },
      x: { field: "value", type: "quantitative", title: x },
      color: colours(sides, first),
    },
  };
}

/** Lines of a value over another, a line a side. */
export function lines(
  values: readonly { readonly side: string; readonly x: number; readonly y: number }[],
  { x, y, sides, log = false }: {
    readonly x: string;
    readonly y: string;
    readonly sides: readonly string[];
    /** Whether x is a power of two from one to the next. */
    readonly log?: boolean;
  },
): TopLevelSpec {
  const scale = log ? { type: "log" as const, base: 2 } : { zero: false };
  return {
    data: { values: [...values] },
    width: WIDTH,
    height: 240,
    mark: { type: "line", point: true },
    encoding: {
      x: { field: "x", type: "quantitative", title: x, scale },
      y: { field: "y", type: "quantitative", title: y },
      color: colours(sides),
    },
  };
}

/** Sizes of TLBs that a curve is drawn at: powers of two and what lies halfway. */
function sizes(most: number): number[] {
  const found: number[] = [];
  for (let size = 1; size <= most; size *= 2) found.push(size, Math.round(size * Math.SQRT2));
  return [...new Set(found)].filter((size) => size <= most);
}

/** Misses over the number of entries, a panel for instructions and for data. */
export function missCurvePlot(sides: readonly Named<readonly MissCurve[]>[]): TopLevelSpec {
  const most = Math.max(
    ...sides.flatMap(({ data }) => data.map(({ misses }) => misses.length - 1)),
  );
  const values = sides.flatMap(({ name, data }) =>
    data.filter(({ side }) => side !== "both").flatMap(({ side, pageBits, mapped, misses }) =>
      sizes(most).map((entries) => ({
        side: name,
        of: side,
        pages: `${2 ** pageBits / 1024} KiB${mapped ? "" : " if all were"}`,
        entries,
        misses: misses[Math.min(entries, misses.length - 1)],
      }))
    )
  );
  const several = new Set(values.map(({ pages }) => pages)).size > 1;
  return {
    data: { values },
    facet: { column: { field: "of", type: "nominal", title: null, sort: null } },
    spec: {
      width: WIDTH / 2 - 20,
      height: 240,
      mark: { type: "line" },
      encoding: {
        x: {
          field: "entries",
          type: "quantitative",
          title: "TLB entries",
          scale: { type: "log", base: 2 },
          axis: { tickCount: 7 },
        },
        y: { field: "misses", type: "quantitative", title: "misses", scale: { type: "symlog" } },
        color: colours(sides.map(({ name }) => name)),
        ...several
          ? {
            strokeDash: {
              field: "pages",
              type: "nominal" as const,
              legend: { title: "pages", orient: "top" as const },
            },
          }
          : {},
      },
    },
    resolve: { scale: { y: "independent" } },
  };
}

/** Pages in a row of a heat map. */
const ROW = 64;
const MOST_PAGES = 4096;
/** Objects that have a colour of their own. */
const COLOURED = SERIES.length - 1;

const total = ({ counts }: AttributedPage): number =>
  Object.values(counts).reduce((a, b) => a + b, 0);
const short = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** Pages in order of their addresses, 64 a row: the darker, the more events; coloured by what they are of. */
export function pageMap(pages: readonly AttributedPage[]): TopLevelSpec {
  const shown = [...pages].sort((a, b) => total(b) - total(a)).slice(0, MOST_PAGES)
    .sort((a, b) => a.page - b.page);
  const sums = new Map<string, number>();
  for (const page of shown) {
    const name = short(page.name);
    sums.set(name, (sums.get(name) ?? 0) + total(page));
  }
  const names = [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name).slice(0, COLOURED);
  const others = sums.size > names.length ? ["others"] : [];
  const rows = Array.from(
    { length: Math.ceil(shown.length / ROW) },
    (_, i) => `0x${shown[i * ROW].page.toString(16)}`,
  );
  const values = shown.map((page, i) => ({
    row: rows[Math.floor(i / ROW)],
    column: i % ROW,
    events: total(page),
    object: names.includes(short(page.name)) ? short(page.name) : "others",
  }));
  return {
    data: { values },
    width: WIDTH,
    height: { step: 11 },
    mark: { type: "rect", width: 8, height: 9 },
    encoding: {
      x: { field: "column", type: "quantitative", axis: null, scale: { domain: [-0.5, ROW] } },
      y: { field: "row", type: "nominal", sort: null, title: null, axis: { grid: false } },
      color: {
        field: "object",
        type: "nominal",
        scale: { domain: [...names, ...others] },
        legend: { title: null, orient: "bottom", columns: 4 },
      },
      opacity: {
        field: "events",
        type: "quantitative",
        scale: { type: "log", range: [0.15, 1], nice: false },
        legend: null,
      },
    },
  };
}

/** Events a stretch over the course of the run, a panel an event. */
export function timelinePlot(sides: readonly Named<TimelineReport>[]): TopLevelSpec {
  const values = sides.flatMap(({ name, data: { instructions, events } }) =>
    Object.entries(events).flatMap(([event, counts]) =>
      counts.map((count, i) => ({
        side: name,
        event,
        at: i * instructions,
        // Stretches of different sides may differ in length.
        rate: count / instructions * 1000,
      }))
    )
  );
  return {
    data: { values },
    facet: {
      row: {
        ...{ field: "event", type: "nominal", title: null, sort: null },
        header: { labelAngle: 0, labelAlign: "left", labelOrient: "top", labelAnchor: "start" },
      },
    },
    spec: {
      width: WIDTH,
      height: 70,
      mark: { type: "line", interpolate: "step-after", strokeWidth: 1.2 },
      encoding: {
        x: {
          field: "at",
          type: "quantitative",
          title: "instructions",
          axis: { format: "~s" },
        },
        y: { field: "rate", type: "quantitative", title: "per 1000" },
        color: colours(sides.map(({ name }) => name)),
      },
    },
    resolve: { scale: { y: "independent" } },
  };
}

/** Events of the objects that have most of them, a bar a side. */
export function objectBars(
  event: string,
  sides: readonly Named<AttributionReport>[],
  most = 12,
): TopLevelSpec | null {
  const sums = new Map<string, number>();
  for (const { data } of sides) {
    for (const { name, counts } of data.objects) {
      sums.set(name, (sums.get(name) ?? 0) + (counts[event] ?? 0));
    }
  }
  const names = [...sums].filter(([, sum]) => sum > 0).sort((a, b) => b[1] - a[1])
    .slice(0, most).map(([name]) => name);
  if (names.length === 0) return null;
  const values = names.flatMap((object) =>
    sides.map(({ name, data }) => ({
      side: name,
      group: short(object),
      value: data.objects.find((one) => one.name === object)?.counts[event] ?? 0,
    }))
  );
  return bars(values, { x: event, sides: sides.map(({ name }) => name) });
}
