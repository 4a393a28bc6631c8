/** Results of a study as text that other programs read. */
import type { StoredRun } from "./store.ts";

/** A JSON object a line, the whole result of a run each. */
export function jsonLines(results: readonly StoredRun[]): string {
  return results.map((result) => `${JSON.stringify(result)}\n`).join("");
}

/** A cell as RFC 4180 wants it. */
function cell(value: unknown): string {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Rows of cells as lines with commas (RFC 4180). */
export function csvLines(rows: readonly (readonly unknown[])[]): string {
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** A row a run: what was chosen for it, then its counters and estimates, a column each. */
export function csv(results: readonly StoredRun[]): string {
  const counts = results.map((result) =>
    "error" in result ? {} : { ...result.counters, ...result.estimated }
  );
  const parameters = [...new Set(results.flatMap((result) => Object.keys(result.parameters)))];
  const names = [...new Set(counts.flatMap((of) => Object.keys(of)))].sort();
  const header = [
    ...["number", "program", "modules", "preset", ...parameters, "seed", "exit", "error"],
    ...names,
  ];
  const rows = results.map((result, i) => {
    const { number, program, modules, preset, seed } = result;
    const values: Record<string, unknown> = counts[i];
    const [exit, error] = "error" in result ? ["", result.error] : [result.exit, ""];
    return [
      ...[number, program, modules, preset],
      ...parameters.map((name) => result.parameters[name]),
      ...[seed, exit, error],
      ...names.map((name) => values[name]),
    ];
  });
  return csvLines([header, ...rows]);
}
