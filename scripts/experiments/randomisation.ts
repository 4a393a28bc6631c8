// Layouts by seed, and functions that move while the program runs: what they cost, for both architectures, on an embedded
// program or on one of your own roots:
//   deno run -A scripts/experiments/randomisation.ts [ROOT_X86_64 ROOT_AARCH64 LIBRARIES PROGRAM [ARGS…]]
// LIBRARIES are those that move, names with + between them.
import { layoutRandomisation, linux, measure, preset, rerandomisation } from "../../mod.ts";
import { alignRows, formatCount } from "../../sim/study/table.ts";
import { argumentsOf } from "./arguments.ts";
import { manyGuest } from "./guests_data.ts";

const SEEDS = [1, 2, 3, 4, 5];
const COUNTERS = ["instructions", "itlb.misses", "walks", "branches.indirect.mispredicted"];
const MOVES = ["moves", "functions.moved", "moved", "held"];

const [x86_64, aarch64, moving = "program+libm03.so", ...given] = await argumentsOf(
  import.meta.url,
);
const program = given.length > 0 ? given : ["/many/many"];
// The embedded program makes few system calls.
const periods = given.length > 0 ? [1000, 100, 10] : [1];

/** The median of some counts with their range. */
function spread(counts: number[]): string {
  const sorted = counts.sort((a, b) => a - b);
  const [least, median, most] = [0, counts.length >> 1, counts.length - 1].map((i) => sorted[i]);
  return least === most
    ? formatCount(median)
    : `${formatCount(median)} (${formatCount(least)} to ${formatCount(most)})`;
}

for (const arch of ["x86_64", "aarch64"] as const) {
  const root = { x86_64, aarch64 }[arch] ?? await manyGuest(arch);
  const cpu = preset(arch === "x86_64" ? "skylake-sp" : "neoverse-n1");
  const run = async (name: string, ...modules: ReturnType<typeof linux>) => {
    console.error(`${arch}: ${name}`);
    return await measure(program, { root, cpu, modules: [...linux(), ...modules] });
  };
  const base = await run("base");
  const check = (name: string, { stdout, exit }: typeof base) => {
    if (stdout === base.stdout && exit === base.exit) return;
    throw new Error(`${name}: another output`);
  };
  const rows = [["", ...COUNTERS], [
    "base",
    ...COUNTERS.map((name) => formatCount(base.counters[name])),
  ]];
  for (const pages of ["4K", "2M"] as const) {
    const results: (typeof base.counters)[] = [];
    for (const seed of SEEDS) {
      const name = `layout, ${pages}, seed ${seed}`;
      const result = await run(name, layoutRandomisation({ seed, pages }));
      check(name, result);
      results.push(result.counters);
    }
    rows.push([
      `layout, ${pages}`,
      ...COUNTERS.map((name) => spread(results.map((counters) => counters[name]))),
    ]);
  }
  const moves = [["calls from move to move", ...MOVES, "pages dirtied"]];
  for (const every of [Infinity, ...periods]) {
    const name = every === Infinity ? "never" : `${every}`;
    const module = rerandomisation({ libraries: moving.split("+"), every });
    const result = await run(`moving every ${name}`, module);
    check(name, result);
    const { counters } = result;
    rows.push([`moving, ${name}`, ...COUNTERS.map((name) => formatCount(counters[name]))]);
    moves.push([
      name,
      ...MOVES.map((name) => formatCount(counters[`linker.rerandomisation.${name}`] ?? 0)),
      formatCount(counters["linker.pages.dirtied"]),
    ]);
  }
  console.log(`${arch}, ${cpu.name}: ${program.join(" ")}; ${moving} moving`);
  console.log(`${alignRows(rows)}\n\n${alignRows(moves)}\n`);
}
