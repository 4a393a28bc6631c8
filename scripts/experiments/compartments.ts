// Libraries in compartments, for both architectures: how often their gates are passed, what that costs, and what
// it would cost with a WRPKRU of so many cycles; on an embedded program or on one of your own roots:
//   deno run -A scripts/experiments/compartments.ts [ROOT_X86_64 ROOT_AARCH64 LIBRARIES PROGRAM [ARGS…]]
// LIBRARIES are names with + between them, all in one compartment.
import { compartments, linux, measure, preset } from "../../mod.ts";
import { alignRows, formatCount } from "../../sim/study/table.ts";
import { argumentsOf } from "./arguments.ts";
import { manyGuest } from "./guests_data.ts";

/** Cycles of a change of rights: what is published of WRPKRU, and slower ones. */
const CYCLES = [11, 20, 26, 30, 60, 100];
const CLOCK = 3e9;
const SWITCHES = 100_000;

const [x86_64, aarch64, libraries, ...given] = await argumentsOf(import.meta.url);
const program = given.length > 0 ? given : ["/many/many", "2000"];
const boxes = (libraries ?? "libm00.so+libm01.so+libm09.so").split("+");
for (const arch of ["x86_64", "aarch64"] as const) {
  const root = { x86_64, aarch64 }[arch] ?? await manyGuest(arch);
  const cpu = preset(arch === "x86_64" ? "skylake-sp" : "neoverse-n1");
  const machine = { root, cpu, ...arch === "x86_64" ? { cpuLevel: 3 as const } : {} };
  console.error(`${arch}: without compartments`);
  const base = await measure(program, { ...machine, modules: linux() });
  console.error(`${arch}: ${boxes.join(", ")} in one`);
  const modules = [...linux(), compartments({ assign: { box: boxes } })];
  const kept = await measure(program, { ...machine, modules });
  if (kept.stdout !== base.stdout) throw new Error(`${arch}: another output`);
  const more = (name: string) => kept.counters[name] - base.counters[name];
  const changes = kept.counters["keys.changes"];
  const entries = changes / 2;
  const rows = [
    ["", "without", "with", "for each entry"],
    ...["instructions", "itlb.misses", "dtlb.misses", "walks", "branches.indirect.mispredicted"]
      .map((name) => [
        name,
        formatCount(base.counters[name]),
        formatCount(kept.counters[name]),
        (more(name) / entries).toFixed(2),
      ]),
    ["changes of rights", "0", formatCount(changes), "2.00"],
  ];
  console.log(`${arch}, ${cpu.name}: ${formatCount(entries)} entries\n${alignRows(rows)}`);
  const table = [[
    "cycles of a change",
    "of an entry",
    "of the run",
    `at ${formatCount(SWITCHES)} a second`,
  ]];
  for (const cycles of CYCLES) {
    const entry = (kept.estimated.cycles - base.estimated.cycles) / entries + 2 * cycles;
    table.push([
      `${cycles}`,
      entry.toFixed(0),
      `+${(100 * entry * entries / base.estimated.cycles).toFixed(1)}%`,
      `${(100 * entry * SWITCHES / CLOCK).toFixed(2)}%`,
    ]);
  }
  console.log(`${alignRows(table)}\n`);
}
