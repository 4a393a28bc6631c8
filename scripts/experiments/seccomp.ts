// System calls that programs are allowed by the module seccomp, and their runs under it, for both
// architectures, on your own roots (scripts/tools/rootfs.ts makes Debian ones), or on embedded libraries:
//   deno run -A scripts/experiments/seccomp.ts [ROOT_X86_64 ROOT_AARCH64 [PROGRAM…]]
import { linux, measure, seccomp } from "../../mod.ts";
import { alignRows, formatCount } from "../../sim/study/table.ts";
import { argumentsOf } from "./arguments.ts";
import { manyGuest } from "./guests_data.ts";

const PROGRAMS = [
  "/bin/true",
  "/bin/ls -l /etc",
  "/usr/bin/find /usr/share/misc",
  "/bin/grep root /etc/passwd",
  "/usr/bin/sort /etc/passwd",
  "/usr/bin/sha256sum /etc/passwd",
  "/bin/gzip -kc /etc/passwd",
  "/usr/bin/xz -kc /etc/passwd",
  "/usr/bin/lua5.4 -e print(6*7)",
  "/usr/bin/sqlite3 :memory: select(6*7)",
];

const [x86_64, aarch64, ...given] = await argumentsOf(import.meta.url);
const programs = x86_64 === undefined ? ["/many/many"] : given.length > 0 ? given : PROGRAMS;
for (const arch of ["x86_64", "aarch64"] as const) {
  const root = { x86_64, aarch64 }[arch] ?? await manyGuest(arch);
  const rows = [["program", "allowed", "used", "refused", "filter", "a call", "same output"]];
  for (const program of programs) {
    console.error(`${arch}: ${program}`);
    const argv = program.split(" ");
    let allowed = "";
    let length = 0;
    const filter = seccomp({
      report: ({ syscalls, unknown }, program) => {
        allowed = unknown.length > 0 ? "all" : formatCount(syscalls.length);
        length = (program?.length ?? 0) / 8;
      },
    });
    const base = await measure(argv, { root, modules: linux() });
    const run = await measure(argv, { root, modules: [...linux(), filter] });
    const { counters } = run;
    const totals = ["filtered", "refused", "filter.instructions", "unknown", "noop"];
    const used = Object.entries(counters).filter(([name, count]) =>
      count > 0 && name.startsWith("syscalls.") && !totals.includes(name.slice(9))
    );
    const cost = counters["syscalls.filter.instructions"] / counters["syscalls.filtered"];
    const isSame = run.stdout === base.stdout && run.exit === base.exit;
    rows.push([
      program,
      allowed,
      formatCount(used.length),
      formatCount(counters["syscalls.refused"]),
      `${length} instructions`,
      cost.toFixed(1),
      isSame ? "yes" : "NO",
    ]);
  }
  console.log(`${arch}\n${alignRows(rows)}\n`);
}
