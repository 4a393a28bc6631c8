/** Plots as SVG, drawn when a report is written: its reader needs no library. */
import { compile, parse, type TopLevelSpec, View, Warn } from "./deps.ts";

/** Series colours; a page defines them, for light and dark. */
export const SERIES: readonly string[] = Array.from(
  { length: 8 },
  (_, i) => `var(--series${i + 1})`,
);

const INK = "var(--ink)";
const FAINT = "var(--faint)";
const GRID = "var(--grid)";
const LABELS = { labelColor: FAINT, titleColor: FAINT, titleFontWeight: "normal" as const };

const CONFIG = {
  background: "transparent",
  font: "system-ui, sans-serif",
  view: { stroke: GRID },
  axis: { ...LABELS, gridColor: GRID, domainColor: FAINT, tickColor: FAINT, labelFontSize: 11 },
  legend: { ...LABELS, labelColor: INK, labelLimit: 300, symbolStrokeWidth: 2 },
  header: { ...LABELS, labelColor: INK, labelFontSize: 12 },
  title: { color: INK },
  range: { category: [...SERIES] },
};

/** A Vega-Lite specification drawn as an `svg` element. */
export async function svgOf(spec: TopLevelSpec): Promise<string> {
  // deno-lint-ignore no-explicit-any -- the type of a specification is the union of all there are
  const compiled = compile({ config: CONFIG, ...spec } as any).spec;
  const view = new View(parse(compiled), { renderer: "none", logLevel: Warn });
  const svg = await view.toSVG();
  view.finalize();
  // As wide as the page lets it be.
  return svg.replace(/^<svg /, '<svg role="img" style="max-width:100%;height:auto" ');
}
