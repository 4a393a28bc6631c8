// Where the time to main goes: linked by the guest's own ld.so, inside the machine, and by the modular linker, outside.
//   deno run -A scripts/studies/startup.ts [--root DIR] [--html FILE] [PROGRAM [ARGS…]]
// Built-in programs have no ld.so: of them it shows what the modular linker does.
import { linux, type MeasureOptions } from "../../mod.ts";
import { formatCount } from "../../sim/study/table.ts";
import { bars } from "../report/plots.ts";
import { deltas, manifests, objects } from "../report/sections.ts";
import { changeOf, conclude, counterRows, countOf, targets, variants } from "./study.ts";

const COUNTERS = [
  ...["instructions", "walks", "faults.minor", "faults.major", "syscalls", "cycles"],
  ...["linker.objects", "linker.lookups", "linker.pages.dirtied", "linker.faults.minor"],
  "linker.cycles",
];
/** Functions of ld.so that are shown. */
const SHOWN = 8;

const findings: string[] = [];
const tables = [];
const sections = [];
for (const target of await targets(["many/many", "1"])) {
  // Counted from the first instruction to main; where events happen is told of the whole run.
  const toMain: MeasureOptions = target.isOwn
    ? { roi: { from: { instruction: 0 }, to: { symbol: "main" } } }
    : {};
  const guest: Record<string, MeasureOptions> = target.isOwn
    ? { "ld.so": { ...toMain, linker: "guest", attribution: true } }
    : {};
  const sides = await variants(target, {
    ...guest,
    modular: { ...toMain, modules: linux() },
  });
  const modular = sides[sides.length - 1];
  const relocations = Object.entries(modular.counters)
    .filter(([name]) => name.startsWith("linker.relocations."))
    .reduce((sum, [, count]) => sum + count, 0);
  findings.push(
    `${target.name}: ${countOf(modular, "linker.objects")} objects, ` +
      `${formatCount(relocations)} relocations, ${
        formatCount(countOf(modular, "linker.lookups"))
      } ` +
      `lookups; the modular linker dirties ${
        formatCount(countOf(modular, "linker.pages.dirtied"))
      } pages`,
  );
  if (target.isOwn) {
    const [own] = sides;
    const functions = own.attribution!.symbols
      .filter(({ object }) => /\/ld[-.][^/]*$/.test(object))
      .map(({ name, counts }) => ({ name, instructions: counts.instructions ?? 0 }));
    const inside = functions.reduce((sum, { instructions }) => sum + instructions, 0);
    const share = (count: number) => `${(100 * count / inside).toFixed(1)}%`;
    findings.push(
      `${target.name}: in the whole run ld.so takes ${formatCount(inside)} instructions; ` +
        functions.slice(0, 3).map((f) => `${f.name} ${share(f.instructions)}`).join(", "),
      `${target.name}, modular against ld.so: ${
        ["instructions", "faults.minor", "cycles"].map((name) => changeOf(own, modular, name))
          .join(", ")
      } to main; its own work is estimated at ${
        formatCount(countOf(modular, "linker.cycles"))
      } cycles`,
    );
    const values = functions.slice(0, SHOWN)
      .map(({ name, instructions }) => ({ side: "ld.so", group: name, value: instructions }));
    sections.push({
      title: `${target.name}: functions of ld.so`,
      plots: [bars(values, { x: "instructions", sides: ["ld.so"] })],
    });
  }
  tables.push({ title: target.name, rows: counterRows(sides, COUNTERS) });
  sections.push(deltas(sides), ...objects(sides.slice(0, 1)), ...manifests(sides));
}
await conclude({ title: "startup", findings, tables, sections });
