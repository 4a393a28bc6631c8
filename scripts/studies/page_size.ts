// What larger pages would do to the TLBs and to memory: granules of 4, 16 and 64 KiB, from one run. The machine's own pages
// stay 4 KiB; each access counts as one to the page of 16 or 64 KiB that it lies in. Pages touched are
// faults that a kernel with such pages would take, and its memory, if it reads whole pages.
//   deno run -A scripts/studies/page_size.ts [--root DIR] [--html FILE] [PROGRAM [ARGS…]]
import { missesAt } from "../../mod.ts";
import { formatChange, formatCount } from "../../sim/study/table.ts";
import { missCurvePlot } from "../report/plots.ts";
import { manifests } from "../report/sections.ts";
import { conclude, targets, variants } from "./study.ts";

const GRANULES = [12, 14, 16];
/** Entries of the level-1 TLBs that the figures are for. */
const ENTRIES = 48;

const findings: string[] = [];
const tables = [];
const sections = [];
for (const target of await targets()) {
  const [side] = await variants(target, { measured: { missCurves: { pageBits: GRANULES } } });
  const curves = side.missCurves!.filter(({ mapped }) => !mapped);
  const of = (who: string, bits: number) =>
    curves.find((curve) => curve.side === who && curve.pageBits === bits)!;
  const rows = [["granule", "instruction misses", "data misses", "pages touched", "memory, KiB"]];
  for (const bits of GRANULES) {
    const touched = of("both", bits).cold;
    rows.push([
      `${2 ** bits / 1024} KiB`,
      formatCount(missesAt(of("instructions", bits), ENTRIES)),
      formatCount(missesAt(of("data", bits), ENTRIES)),
      formatCount(touched),
      formatCount(touched * 2 ** bits / 1024),
    ]);
    if (bits === 12) continue;
    const change = (value: (bits: number) => number) => formatChange(value(12), value(bits));
    findings.push(
      `${target.name}, ${
        2 ** bits / 1024
      } KiB against 4: instruction misses of ${ENTRIES} entries ` +
        `${change((b) => missesAt(of("instructions", b), ENTRIES))}, data misses ` +
        `${change((b) => missesAt(of("data", b), ENTRIES))}, pages touched ` +
        `${change((b) => of("both", b).cold)}, memory ${
          change((b) => of("both", b).cold * 2 ** b)
        }`,
    );
  }
  tables.push({ title: `${target.name}, TLBs of ${ENTRIES} entries`, rows });
  sections.push({
    title: `${target.name}: misses over size`,
    plots: [missCurvePlot([{ name: target.name, data: curves }])],
  }, ...manifests([{ ...side, name: target.name }]));
}
await conclude({ title: "page_size", findings, tables, sections });
