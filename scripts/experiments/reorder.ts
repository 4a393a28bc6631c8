// Functions packed by a profile of an earlier run: misses of TLB and instruction cache, faults and pages, for both
// architectures, on an embedded program or on one of your own roots:
//   deno run -A scripts/experiments/reorder.ts [ROOT_X86_64 ROOT_AARCH64 PROGRAM [ARGS…]]
import { linux, measure, preset, reorder } from "../../mod.ts";
import { alignRows, formatCount } from "../../sim/study/table.ts";
import { argumentsOf } from "./arguments.ts";
import { manyGuest } from "./guests_data.ts";

const COUNTERS = [
  "instructions",
  "itlb.misses",
  "l1i.misses",
  "walks",
  "branches.indirect.mispredicted",
  "faults.major",
  "linker.pages.dirtied",
  "linker.reorder.functions.moved",
  "linker.reorder.bytes",
];

const [x86_64, aarch64, ...given] = await argumentsOf(import.meta.url);
const program = given.length > 0 ? given : ["/many/many"];
for (const arch of ["x86_64", "aarch64"] as const) {
  const root = { x86_64, aarch64 }[arch] ?? await manyGuest(arch);
  const cpu = preset(arch === "x86_64" ? "skylake-sp" : "neoverse-n1");
  const machine = { root, cpu, detail: true };
  console.error(`${arch}: a run for its profile`);
  const profiled = await measure(program, {
    root,
    cpu,
    modules: linux(),
    attribution: true,
  });
  const profile = profiled.attribution!;
  const variants = {
    "base": linux(),
    "jump": [...linux(), reorder({ profile })],
    "stay": [...linux(), reorder({ profile, entries: "stay" })],
    "jump, 2M": [...linux(), reorder({ profile, pages: "2M" })],
  };
  const results: Readonly<Record<string, number>>[] = [];
  for (const [name, modules] of Object.entries(variants)) {
    console.error(`${arch}: ${name}`);
    const { counters, stdout, exit } = await measure(program, { ...machine, modules });
    if (stdout !== profiled.stdout || exit !== profiled.exit) {
      throw new Error(`${name}: another output`);
    }
    results.push(counters);
  }
  const rows = COUNTERS.map((name) => [
    name,
    ...results.map((counters) => formatCount(counters[name] ?? 0)),
  ]);
  console.log(`${arch}, ${cpu.name}: ${program.join(" ")}`);
  console.log(`${alignRows([["", ...Object.keys(variants)], ...rows])}`);
  const reasons = Object.entries(results[1]).flatMap(([name, count]) => {
    const [, reason] = /^linker\.reorder\.functions\.stay\.(.*)/.exec(name) ?? [];
    return reason === undefined ? [] : [`${count} ${reason.replaceAll("_", " ")}`];
  });
  console.log(`not moved: ${reasons.join("; ") || "none"}\n`);
}
