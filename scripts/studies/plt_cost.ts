// What calls between objects cost: bound lazily, bound before the start, and made direct, without PLT. Lazy binding is
// glibc's: it is measured on programs of glibc.
//   deno run -A scripts/studies/plt_cost.ts [--root DIR] [--html FILE] [PROGRAM [ARGS…]]
import { ifed, linux, type MeasureOptions } from "../../mod.ts";
import { comparisonReport } from "../report/sections.ts";
import { changeOf, conclude, counterRows, STEADY, targets, variants, WATCHED } from "./study.ts";

const COUNTERS = [
  ...["instructions", "branches.indirect", "branches.indirect.mispredicted", "itlb.misses"],
  ...["linker.lookups", STEADY, "cycles"],
];

const findings: string[] = [];
const tables = [];
const sections = [];
for (const target of await targets()) {
  const lazy: Record<string, MeasureOptions> = target.isOwn
    ? { lazy: { ...WATCHED, modules: linux({ lazy: true }) } }
    : {};
  const sides = await variants(target, {
    now: { ...WATCHED, modules: linux() },
    ...lazy,
    "no PLT": { ...WATCHED, modules: [...linux(), ifed.eliminateBranches()] },
  });
  const [now, ...others] = sides;
  for (const side of others) {
    const changes = ["instructions", "branches.indirect.mispredicted", STEADY]
      .map((name) => changeOf(now, side, name));
    findings.push(`${target.name}, ${side.name} against now: ${changes.join(", ")}`);
  }
  tables.push({ title: target.name, rows: counterRows(sides, COUNTERS) });
  const report = comparisonReport({ title: target.name, findings: [], sides });
  sections.push(...report.sections.map((s) => ({ ...s, title: `${target.name}: ${s.title}` })));
}
await conclude({ title: "plt_cost", findings, tables, sections });
