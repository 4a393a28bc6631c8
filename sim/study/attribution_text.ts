/** Attributed events as text. */
import type { Attributed, AttributedLine, AttributionReport } from "./attribution.ts";
import { eventsOf } from "./profile_formats.ts";
import { alignRows, formatCount } from "./table.ts";

/** Rows of a part that are shown. */
const SHOWN = 20;

/** Tables of domains, objects, functions, slots and pages, each with its first rows. */
export function attributionText(report: AttributionReport): string {
  const events = eventsOf(report.domains);
  const table = (title: string, part: readonly Attributed[], name: (a: Attributed) => string) => {
    const rows = part.slice(0, SHOWN).map((one) => [
      `  ${name(one)}`,
      ...events.map((event) => formatCount(one.counts[event] ?? 0)),
    ]);
    const more = part.length > SHOWN ? `\n  … ${part.length - SHOWN} more` : "";
    return rows.length === 0 ? "" : `${alignRows([[title, ...events], ...rows])}${more}\n`;
  };
  const hex = (page: number): string => `0x${page.toString(16)}`;
  const named = (a: Attributed): string => a.name;
  const inObject = (a: Attributed): string =>
    "object" in a ? `${a.name} in ${(a.object as string).replace(/.*\//, "")}` : a.name;
  const onPage = (a: Attributed): string =>
    "page" in a ? `${hex(a.page as number)} ${a.name}` : a.name;
  return [
    table("domains", report.domains, named),
    table("objects", report.objects, named),
    table("functions", report.symbols.filter(({ plt }) => !plt), inObject),
    table("source lines", report.lines, (a) => `${a.name}:${(a as AttributedLine).line}`),
    table("linkage slots", report.symbols.filter(({ plt }) => plt), inObject),
    table("code pages", report.codePages, onPage),
    table("data pages", report.dataPages, onPage),
  ].filter((text) => text !== "").join("\n");
}
