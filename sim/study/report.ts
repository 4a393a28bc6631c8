/** One result as text. */
import type { Result } from "../machine/result.ts";
import { alignRows, formatCount } from "./table.ts";

/** All of a result's numbers, exact ones apart from what the cost model estimates. */
export function report({ program, arch, exit, counters, estimated, execution }: Result): string {
  const section = (title: string, values: Readonly<Record<string, number>>): string => {
    const rows = Object.entries(values).map(([name, value]) => [`  ${name}`, formatCount(value)]);
    return rows.length === 0 ? "" : `${title}\n${alignRows(rows)}`;
  };
  return [
    `${program} on ${arch}, exit code ${exit}`,
    section("counted", counters),
    section("estimated", estimated),
    section("execution", execution),
  ].filter((text) => text !== "").join("\n");
}
