// How large TLBs have to be: misses of all sizes, from one run.
//   deno run -A scripts/studies/tlb_size.ts [--root DIR] [--html FILE] [PROGRAM [ARGS…]]
import { type MissCurve, missesAt } from "../../mod.ts";
import { formatCount } from "../../sim/study/table.ts";
import { missCurvePlot } from "../report/plots.ts";
import { manifests } from "../report/sections.ts";
import { conclude, targets, variants } from "./study.ts";

const SIZES = [8, 16, 32, 64, 128, 256, 512, 1024, 2048];

/** Smallest size from which on a TLB misses no more than `share` above the misses that none avoids. */
function enough(curve: MissCurve, share: number): number {
  const { misses, cold } = curve;
  const found = misses.findIndex((count, size) => size > 0 && count <= cold + share * misses[1]);
  return found < 0 ? misses.length : found;
}

const findings: string[] = [];
const tables = [];
const sections = [];
for (const target of await targets()) {
  const [side] = await variants(target, { measured: { missCurves: true } });
  const curves = side.missCurves!.filter(({ side, pageBits }) =>
    side !== "both" && pageBits === 12
  );
  for (const curve of curves) {
    findings.push(
      `${target.name}: ${curve.side} want ${
        enough(curve, 0.01)
      } entries to miss less than 1% as often ` +
        `as with one, ${enough(curve, 0)} to miss each of ${formatCount(curve.cold)} pages once`,
    );
  }
  const rows = [
    ["entries", ...curves.map((curve) => `misses of ${curve.side}`)],
    ...SIZES.map((size) => [
      `${size}`,
      ...curves.map((curve) => formatCount(missesAt(curve, size))),
    ]),
  ];
  tables.push({ title: target.name, rows });
  sections.push({
    title: `${target.name}: misses over size`,
    plots: [missCurvePlot([{ name: target.name, data: side.missCurves! }])],
  }, ...manifests([{ ...side, name: target.name }]));
}
await conclude({ title: "tlb_size", findings, tables, sections });
