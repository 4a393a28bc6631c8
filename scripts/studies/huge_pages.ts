// What transparent huge pages are worth: never, for who asks (madvise), always; and for program text too.
//   deno run -A scripts/studies/huge_pages.ts [--root DIR] [--html FILE] [PROGRAM [ARGS…]]
import { comparisonReport } from "../report/sections.ts";
import { changeOf, conclude, counterRows, targets, variants, WATCHED } from "./study.ts";

const COUNTERS = ["dtlb.misses", "itlb.misses", "walks", "faults.minor", "frames.peak", "cycles"];

const findings: string[] = [];
const tables = [];
const sections = [];
for (const target of await targets(["hugepages", "8"])) {
  const sides = await variants(target, {
    never: { ...WATCHED, thp: "never" },
    madvise: { ...WATCHED, thp: "madvise" },
    always: { ...WATCHED, thp: "always" },
    "always, text too": { ...WATCHED, thp: "always", hugeText: true },
  });
  const [never, ...others] = sides;
  for (const side of others) {
    const changes = ["walks", "faults.minor", "frames.peak", "cycles"].map((name) =>
      changeOf(never, side, name)
    );
    findings.push(`${target.name}, ${side.name} against never: ${changes.join(", ")}`);
  }
  tables.push({ title: target.name, rows: counterRows(sides, COUNTERS) });
  const report = comparisonReport({ title: target.name, findings: [], sides });
  sections.push(...report.sections.map((s) => ({ ...s, title: `${target.name}: ${s.title}` })));
}
await conclude({ title: "huge_pages", findings, tables, sections });
