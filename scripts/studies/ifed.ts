// What iFed's three modes are worth: objects aligned to huge pages, or concatenated on them, and calls through PLT and GOT
// made direct.
//   deno run -A scripts/studies/ifed.ts [--root DIR] [--html FILE] [PROGRAM [ARGS…]]
import { ifed, linux } from "../../mod.ts";
import { comparisonReport } from "../report/sections.ts";
import { changeOf, conclude, STEADY, targets, variants, WATCHED } from "./study.ts";

const findings: string[] = [];
const sections = [];
for (const target of await targets()) {
  const sides = await variants(target, {
    base: { ...WATCHED, modules: linux() },
    align: { ...WATCHED, modules: [...linux(), ifed.align()] },
    concatenate: { ...WATCHED, modules: [...linux(), ifed.concatenate()] },
    eliminateBranches: { ...WATCHED, modules: [...linux(), ifed.eliminateBranches()] },
    both: { ...WATCHED, modules: [...linux(), ifed.concatenate(), ifed.eliminateBranches()] },
  });
  const [base, ...others] = sides;
  for (const side of others) {
    const changes = ["itlb.misses", "branches.indirect", STEADY, "cycles"].map((name) =>
      changeOf(base, side, name)
    );
    findings.push(`${target.name}, ${side.name}: ${changes.join(", ")}`);
  }
  const report = comparisonReport({ title: target.name, findings: [], sides });
  sections.push(...report.sections.map((s) => ({ ...s, title: `${target.name}: ${s.title}` })));
}
await conclude({ title: "ifed", findings, sections });
