// What system calls cost, if one takes so many cycles: one run, whose calls are counted.
//   deno run -A scripts/studies/syscall_cost.ts [--root DIR] [--html FILE] [PROGRAM [ARGS…]]
import { preset } from "../../mod.ts";
import { estimate } from "../../sim/counters.ts";
import { formatCount } from "../../sim/study/table.ts";
import { lines } from "../report/plots.ts";
import { manifests } from "../report/sections.ts";
import { conclude, targets, variants } from "./study.ts";

/** Cycles of entering and leaving the kernel: none, without and with page tables of its own, in a virtual machine. */
const CYCLES = [0, 70, 200, 500, 1000, 2000];

const findings: string[] = [];
const tables = [];
const sections = [];
const points: { side: string; x: number; y: number }[] = [];
for (const target of await targets(["threads"])) {
  const [side] = await variants(target, { measured: {} });
  const { counters } = side;
  const { cost } = preset(target.machine.cpu);
  const total = (syscall: number) => estimate(counters, { ...cost, syscall }).cycles;
  const share = (syscall: number) => 100 * (total(syscall) - total(0)) / total(syscall);
  const most = Object.entries(counters)
    .filter(([name]) =>
      /^syscalls\.[a-z0-9_]+$/.test(name) && !/\.(noop|unknown|filtered|refused)$/.test(name)
    )
    .sort((a, b) => b[1] - a[1]).slice(0, 3).map(([name, count]) =>
      `${name.slice(9)} ${formatCount(count)}`
    );
  const each = counters.instructions / counters.syscalls;
  findings.push(
    `${target.name}: ${formatCount(counters.syscalls)} calls, one in ${
      formatCount(Math.round(each))
    } ` +
      `instructions (${most.join(", ")}); at 200 cycles a call they are ${
        share(200).toFixed(1)
      }% of its ` +
      `time, at 1000 ${share(1000).toFixed(1)}%`,
  );
  tables.push({
    title: target.name,
    rows: [
      ["cycles a call", "cycles of the run", "share of calls"],
      ...CYCLES.map((c) => [`${c}`, formatCount(total(c)), `${share(c).toFixed(1)}%`]),
    ],
  });
  points.push(...CYCLES.map((x) => ({ side: target.name, x, y: share(x) })));
  sections.push(...manifests([{ ...side, name: target.name }]));
}
const plot = lines(points, {
  x: "cycles a call",
  y: "share of the run, percent",
  sides: [...new Set(points.map(({ side }) => side))],
});
const sharesOf = { title: "Share of system calls", plots: [plot] };
await conclude({ title: "syscall_cost", findings, tables, sections: [sharesOf, ...sections] });
