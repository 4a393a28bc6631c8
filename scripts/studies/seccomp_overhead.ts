// What a filter of system calls costs that is made from the program's own code: instructions of the filter, which the
// kernel runs at every call.
//   deno run -A scripts/studies/seccomp_overhead.ts [--root DIR] [--html FILE] [PROGRAM [ARGS…]]
import { linux, seccomp } from "../../mod.ts";
import { formatCount } from "../../sim/study/table.ts";
import { deltas, manifests } from "../report/sections.ts";
import { conclude, targets, variants } from "./study.ts";

const findings: string[] = [];
const sections = [];
for (const target of await targets()) {
  let allowed = "all";
  let length = 0;
  const filter = seccomp({
    report: ({ syscalls, unknown }, program) => {
      if (unknown.length === 0) allowed = formatCount(syscalls.length);
      length = (program?.length ?? 0) / 8;
    },
  });
  const sides = await variants(target, {
    "no filter": { modules: linux() },
    filter: { modules: [...linux(), filter] },
  });
  const [base, filtered] = sides;
  const { "syscalls.filtered": calls, "syscalls.filter.instructions": executed } =
    filtered.counters;
  // The base of the cost model: the filter is straight code in the kernel's caches.
  const share = 100 * executed / base.counters.instructions;
  findings.push(
    `${target.name}: ${allowed} system calls allowed by a filter of ${length} instructions; ` +
      `${formatCount(calls)} calls judged by ${(executed / calls).toFixed(1)} instructions each, ` +
      `${share.toFixed(2)}% of the program's own`,
  );
  sections.push(deltas(sides), ...manifests(sides));
}
await conclude({ title: "seccomp_overhead", findings, sections });
