// What passing between compartments costs: calls through gates that change the rights of protection keys.
//   deno run -A scripts/studies/compartment_gates.ts [--root DIR --libraries NAMES] [--html FILE] [PROGRAM [ARGS…]]
// NAMES are those of libraries, with + between them, all in one compartment.
import { compartments, linux } from "../../mod.ts";
import { formatCount } from "../../sim/study/table.ts";
import { lines } from "../report/plots.ts";
import { deltas, manifests } from "../report/sections.ts";
import { conclude, countOf, parsed, targets, variants } from "./study.ts";

/** Cycles of a change of rights: what is published of WRPKRU, and slower ones. */
const CYCLES = [11, 20, 26, 60, 100];

const { libraries = "libm00.so+libm01.so+libm09.so" } = parsed();
const findings: string[] = [];
const sections = [];
const points: { side: string; x: number; y: number }[] = [];
for (const target of await targets(["many/many", "500"])) {
  const level = target.arch === "x86_64" ? { cpuLevel: 3 as const } : {};
  const box = compartments({ assign: { box: libraries.split("+") } });
  const sides = await variants(target, {
    "one world": { ...level, modules: linux() },
    compartment: { ...level, modules: [...linux(), box] },
  });
  const [base, kept] = sides;
  const entries = countOf(kept, "keys.changes") / 2;
  const more = (name: string) => (countOf(kept, name) - countOf(base, name)) / entries;
  const entry = (cycles: number) => more("cycles") + 2 * cycles;
  const share = (cycles: number) => 100 * entry(cycles) * entries / countOf(base, "cycles");
  findings.push(
    `${target.name}: ${formatCount(entries)} entries into ${libraries}, ` +
      `${more("instructions").toFixed(1)} instructions more for each; with a WRPKRU of 26 cycles ` +
      `${entry(26).toFixed(0)} cycles an entry, +${share(26).toFixed(1)}% of the run`,
  );
  points.push(...CYCLES.map((x) => ({ side: target.name, x, y: share(x) })));
  sections.push(deltas(sides), ...manifests(sides));
}
const plot = lines(points, {
  x: "cycles of a change of rights",
  y: "more cycles of the run, percent",
  sides: [...new Set(points.map(({ side }) => side))],
});
const cost = { title: "Cost over the cycles of a change", plots: [plot] };
await conclude({ title: "compartment_gates", findings, sections: [cost, ...sections] });
