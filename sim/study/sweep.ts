/** One program on several machines. */
import { allCounts } from "./compare.ts";
import { measure, type Measurement, type MeasureOptions } from "./measure.ts";
import { renderTable } from "./table.ts";

/** What to run, and the machines by name; the first is the base of the table. */
export interface SweepOptions {
  /** Guest path of the program and its arguments. */
  readonly argv: readonly string[];
  /** Machines by name, in the order of the table's columns. */
  readonly machines: Readonly<Record<string, MeasureOptions>>;
  /** Told of each machine before its run. */
  readonly progress?: (name: string) => void;
}

/** One program's results on several machines. */
export interface Sweep {
  /** Results by the machine's name. */
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
