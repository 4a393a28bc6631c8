// What larger base pages do to TLBs, page faults and memory: kernels with pages of 4, 16 and 64 KiB (aarch64).
//   deno run -A scripts/studies/page_size.ts [--root DIR] [--html FILE] [PROGRAM [ARGS…]]
import { formatChange, formatCount } from "../../sim/study/table.ts";
import { comparisonReport } from "../report/sections.ts";
import type { Side } from "../report/objects.ts";
import { changeOf, conclude, counterRows, countOf, targets, variants, WATCHED } from "./study.ts";

const SIZES = { "4 KiB": "4k", "16 KiB": "16k", "64 KiB": "64k" } as const;
const COUNTERS = ["itlb.misses", "dtlb.misses", "walks", "faults.minor", "faults.major", "cycles"];

/** Memory in use at most, in KiB: frames are base pages. */
const memoryOf = (side: Side) => countOf(side, "frames.peak") * parseInt(side.name);

const findings: string[] = [];
const tables = [];
const sections = [];
for (const target of await targets(["hugepages_64k", "4"], ["aarch64"])) {
  const sides = await variants(
    target,
    Object.fromEntries(
      Object.entries(SIZES).map(([name, pageSize]) => [name, { ...WATCHED, pageSize }]),
    ),
  );
  const [base, ...others] = sides;
  for (const side of others) {
    const changes = ["itlb.misses", "dtlb.misses", "walks", "faults.minor", "cycles"].map((name) =>
      changeOf(base, side, name)
    );
    const memory = `memory ${formatChange(memoryOf(base), memoryOf(side))}`;
    findings.push(
      `${target.name}, ${side.name} against ${base.name}: ${[...changes, memory].join(", ")}`,
    );
  }
  tables.push({
    title: target.name,
    rows: [
      ...counterRows(sides, COUNTERS),
      ["memory, KiB", ...sides.map((side) => formatCount(memoryOf(side)))],
    ],
  });
  const report = comparisonReport({ title: target.name, findings: [], sides });
  sections.push(...report.sections.map((s) => ({ ...s, title: `${target.name}: ${s.title}` })));
}
await conclude({ title: "page_size", findings, tables, sections });
