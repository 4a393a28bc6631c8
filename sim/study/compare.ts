/** Comparing machines on one program. */
import type { Counts } from "../counters.ts";
import { onLayout, type Spread, spreadOf } from "./layouts.ts";
import { measure, type Measurement, type MeasureOptions, StudyError } from "./measure.ts";
import {
  alignRows,
  formatChange,
  formatCount,
  MAIN_COUNTERS,
  NOT_COUNTED,
  renderTable,
} from "./table.ts";

/** Options of `compare`. */
export interface CompareOptions {
  /** Pairs of runs on seeded layouts; default one run each on the fixed layout. */
  readonly layouts?: number;
  /**
   * Makes the runs on the layouts, which it is asked for all at once: in workers, say. By default they are
   * made here, one after the other. A machine cannot be sent to a worker; what it is made from can.
   */
  readonly measure?: (side: "base" | "variant", layout: number) => Promise<Measurement>;
  /** Told of each run when it is done. */
  readonly progress?: (side: "base" | "variant", layout: number) => void;
}

/** Two machines' results on one program. */
export interface Comparison {
  /** Results on the first layout. */
  readonly base: Measurement;
  /** Result of the second machine, on the same layout. */
  readonly variant: Measurement;
  /** Over the layouts, by counter; absent without `layouts`. */
  readonly spreads?: Readonly<Record<string, Spread>>;
  /** What makes the comparison doubtful: other output, for instance. */
  readonly warnings: readonly string[];
  /** Base, variant and difference of some counters, or of the main ones, as text. */
  readonly table: (...names: string[]) => string;
}

/** Exact and estimated counts together. */
export function allCounts({ counters, estimated }: Measurement): Counts {
  return { ...counters, ...estimated };
}

/**
 * Run `argv` on two machines. Throws a `StudyError` if the runs cannot be compared: other exit codes,
 * architectures or linkers.
 */
export async function compare(
  argv: readonly string[],
  base: MeasureOptions,
  variant: MeasureOptions,
  options: CompareOptions = {},
): Promise<Comparison> {
  const { layouts, measure: elsewhere, progress = () => {} } = options;
  if (layouts === undefined) {
    const pair = await measurePair(argv, base, variant, (side) => progress(side, 0));
    const table = (...names: string[]) => renderPair(pair, names);
    return { ...pair, warnings: warningsOf(pair), table };
  }
  const pairs: Pair[] = [];
  if (elsewhere !== undefined) {
    const indices = Array.from({ length: layouts }, (_, i) => i);
    pairs.push(
      ...await Promise.all(indices.map(async (i) => {
        const [b, v] = await Promise.all((["base", "variant"] as const).map(async (side) => {
          const result = await elsewhere(side, i);
          progress(side, i);
          return result;
        }));
        return comparable({ base: b, variant: v });
      })),
    );
  } else {
    for (let i = 0; i < layouts; i++) {
      const [b, v] = [onLayout(base, i), onLayout(variant, i)];
      pairs.push(await measurePair(argv, b, v, (side) => progress(side, i)));
    }
  }
  const spreads = spreadsOf(pairs);
  const [first] = pairs;
  return {
    ...first,
    spreads,
    warnings: [...new Set(pairs.flatMap(warningsOf))],
    table: (...names) => renderSpreads(spreads, names, pairs.length),
  };
}

/** A base and a variant on one layout. */
interface Pair {
  readonly base: Measurement;
  readonly variant: Measurement;
}

async function measurePair(
  argv: readonly string[],
  baseOptions: MeasureOptions,
  variantOptions: MeasureOptions,
  done: (side: "base" | "variant") => void,
): Promise<Pair> {
  const base = await measure(argv, baseOptions);
  done("base");
  const variant = await measure(argv, variantOptions);
  done("variant");
  return comparable({ base, variant });
}

/** `pair`, unless its runs cannot be compared. */
function comparable(pair: Pair): Pair {
  const { base, variant } = pair;
  if (base.arch !== variant.arch) {
    throw new StudyError(`base ran on ${base.arch}, variant on ${variant.arch}`);
  }
  if (base.exit !== variant.exit) {
    throw new StudyError(
      `base exits with ${base.exit}, variant with ${variant.exit}\n${variant.stderr}`.trimEnd(),
    );
  }
  return pair;
}

function warningsOf({ base, variant }: Pair): string[] {
  const warnings: string[] = [];
  if (base.stdout !== variant.stdout) warnings.push("base and variant print different output");
  if (base.exit !== 0) warnings.push(`both runs exit with ${base.exit}`);
  if (base.manifest.linker !== variant.manifest.linker) {
    warnings.push("base and variant have different linkers: their totals do not compare");
  }
  return warnings;
}

function renderPair({ base, variant }: Pair, names: readonly string[]): string {
  const columns = [
    { name: "base", counters: allCounts(base) },
    { name: "variant", counters: allCounts(variant) },
  ];
  return renderTable(columns, names);
}

function spreadsOf(pairs: readonly Pair[]): Record<string, Spread> {
  const names = new Set<string>();
  const counts = pairs.map(({ base, variant }) => [allCounts(base), allCounts(variant)] as const);
  for (const pair of counts) {
    for (const side of pair) Object.keys(side).forEach((n) => names.add(n));
  }
  return Object.fromEntries(
    [...names].map((name) => [
      name,
      spreadOf(counts.map(([base, variant]) => [base[name] ?? 0, variant[name] ?? 0])),
    ]),
  );
}

function renderSpreads(
  spreads: Readonly<Record<string, Spread>>,
  names: readonly string[],
  layouts: number,
): string {
  const shown = names.length > 0 ? names : MAIN_COUNTERS.filter((name) => name in spreads);
  const rows = shown.map((name) => {
    const spread = spreads[name];
    if (spread === undefined) return [name, NOT_COUNTED];
    const { base, median, least, most, noise } = spread;
    const change = formatChange(base, base + median);
    return [
      name,
      ...[base, median, least, most].map(formatCount),
      change,
      noise ? "noise" : "",
    ];
  });
  const title = [`${layouts} layouts`, "base", "delta", "least", "most", "change", ""];
  return alignRows([title, ...rows]);
}
