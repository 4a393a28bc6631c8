/** Results side by side as text: a row a counter, a column a variant. */

/** One column. The first column of a table is the base. */
export interface Column {
  readonly name: string;
  readonly counters: Readonly<Record<string, number>>;
  /** Names of counters whose difference to the base is noise. */
  readonly noise?: ReadonlySet<string>;
}

/** Counters that tables show unless told otherwise, those that were counted. */
export const MAIN_COUNTERS: readonly string[] = [
  "instructions",
  "loads",
  "stores",
  "itlb.misses",
  "dtlb.misses",
  "stlb.misses",
  "walks",
  "branches.conditional.mispredicted",
  "branches.indirect",
  "branches.indirect.mispredicted",
  "returns.mispredicted",
  "faults.minor",
  "faults.major",
  "linker.faults.minor",
  "cycles",
];

/** In the place of a value that no run counted. */
export const NOT_COUNTED = "-";

/** A count with its thousands apart. */
export function formatCount(value: number): string {
  // Of itself: the host's tables of languages take longer to load than a table to write.
  return Number.isInteger(value)
    ? String(value).replace(/\B(?=(\d{3})+$)/g, ",")
    : value.toLocaleString("en-US", { maximumFractionDigits: 3 });
}

/** A change in percent of the base, with its sign: `-14.4%`; a base of 0 has none. */
export function formatChange(base: number, value: number): string {
  if (value === base) return "=";
  if (base === 0) return `+${formatCount(value)}`;
  const percent = (value - base) / base * 100;
  const digits = Math.abs(percent) < 10 ? 2 : Math.abs(percent) < 1000 ? 1 : 0;
  return `${percent > 0 ? "+" : ""}${percent.toFixed(digits)}%`;
}

/** Lines of cells, the first column to the left, the others to the right. */
export function alignRows(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, cell.length));
  }
  return rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))
      .join("  ").trimEnd()
  ).join("\n");
}

/**
 * The table of `columns` for `names`, or for the main counters there are. Each column after the base has
 * its value and the change; a change that is noise is marked with `~`. What no column counts has a dash.
 */
export function renderTable(columns: readonly Column[], names: readonly string[] = []): string {
  const [base, ...variants] = columns;
  const shown = names.length > 0
    ? names
    : MAIN_COUNTERS.filter((name) => columns.some(({ counters }) => name in counters));
  const header = ["", base.name, ...variants.flatMap(({ name }) => [name, ""])];
  const rows = shown.map((name) => {
    if (!columns.some(({ counters }) => name in counters)) return [name, NOT_COUNTED];
    const before = base.counters[name] ?? 0;
    return [
      name,
      formatCount(before),
      ...variants.flatMap(({ counters, noise }) => {
        const after = counters[name] ?? 0;
        const change = formatChange(before, after);
        return [formatCount(after), noise?.has(name) ? `~${change}` : change];
      }),
    ];
  });
  return alignRows([header, ...rows]);
}
