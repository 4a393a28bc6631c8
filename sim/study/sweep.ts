/** One program on several machines. */
import { allCounts } from "./compare.ts";
import { measure, type Measurement, type MeasureOptions } from "./measure.ts";
import { renderTable } from "./table.ts";

/** What to run, and the machines by name; the first is the base of the table. */
export interface SweepOptions {
  readonly argv: readonly string[];
  readonly machines: Readonly<Record<string, MeasureOptions>>;
  /** Told of each machine before its run. */
  readonly progress?: (name: string) => void;
}

export interface Sweep {
  readonly results: Readonly<Record<string, Measurement>>;
  /** Some counters, or the main ones, of all machines as text. */
  readonly table: (...names: string[]) => string;
}

/** Run a program on several machines, one after the other. */
export async function sweep({ argv, machines, progress }: SweepOptions): Promise<Sweep> {
  const results: Record<string, Measurement> = {};
  for (const [name, options] of Object.entries(machines)) {
    progress?.(name);
    results[name] = await measure(argv, options);
  }
  const columns = Object.entries(results).map(([name, result]) => ({
    name,
    counters: allCounts(result),
  }));
  return { results, table: (...names) => renderTable(columns, names) };
}
