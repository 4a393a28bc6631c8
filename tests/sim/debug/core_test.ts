/** Core dumps as gdb opens them: what it shows is what it shows of the live process. */
import { assertEquals, assertMatch } from "@std/assert";
import type { Arch } from "../../../sim/arch.ts";
import { Machine, type MachineOptions } from "../../../mod.ts";
import { debug, debuggee, GDB, quiet, told, without } from "./gdb.ts";

/** What is looked at, live and in the core. */
const look = (arch: Arch): string[] => [
  "echo =====\\n",
  "backtrace",
  ...registers(arch).map((name) => `print/x ${name}`),
  "print total",
  "print $_siginfo",
  "thread apply all backtrace 1",
];

function registers(arch: Arch): string[] {
  const numbered = (count: number, name: (i: number) => string): string[] =>
    Array.from({ length: count }, (_, i) => name(i));
  if (arch === "aarch64") {
    const general = ["$sp", "$pc", "$cpsr", "$fpsr", "$fpcr", ...numbered(31, (i) => `$x${i}`)];
    return [...general, ...numbered(32, (i) => `$v${i}.q.u[0]`)];
  }
  const general = ["a", "b", "c", "d"].map((letter) => `$r${letter}x`);
  const others = ["$rsi", "$rdi", "$rbp", "$rsp", "$rip", "$eflags", "$fs_base", "$cs", "$mxcsr"];
  const x87 = [...numbered(8, (i) => `$st${i}`), "$fctrl", "$fstat", "$ftag", "$fop"];
  const vectors = numbered(16, (i) => `$xmm${i}.uint128`);
  return [...general, ...others, ...numbered(8, (i) => `$r${i + 8}`), ...x87, ...vectors];
}

for (const arch of ["x86_64", "aarch64"] as Arch[]) {
  const needs = without(GDB, `${arch}-linux-gnu-gcc`);

  Deno.test({
    name: `${arch}: core of a crash with two threads${needs}`,
    ignore: needs !== "",
    fn: () =>
      inFolder(arch, async (folder, program) => {
        const root = new Map([["/debuggee", Deno.readFileSync(program)]]);
        for (
          const options of arch === "x86_64"
            ? [{ root }, { root, cpuLevel: 3 as const }]
            : [{ root }]
        ) {
          const live = await debug(["/debuggee", "crash"], options, [
            "handle SIGUSR1 nostop noprint",
            "continue",
            ...look(arch),
            "kill",
          ]);
          const coreFile = `${folder}/%e.%p.%s`;
          const run = await Machine.create(quiet({ ...options, coreFile }));
          const { signal, exit } = await run.run(["/debuggee", "crash"]);
          assertEquals([signal, exit], [11, 139]);
          const core = `${folder}/debuggee.100.11`;
          const dead = await told(look(arch), [program, core]);
          const seen = shown(dead);
          assertEquals(seen, shown(live.text));
          assertMatch(seen, /#0 .*crash \(where=.*0x10/);
          assertMatch(seen, /si_signo = 11[^]*si_addr = 0x10/);
          assertEquals(seen.match(/^Thread \d \(/gm)?.length, 2);
        }
      }),
  });

  Deno.test({
    name: `${arch}: the core where the guest sees it${needs}`,
    ignore: needs !== "",
    fn: () =>
      inFolder(arch, async (folder, program) => {
        const options: MachineOptions = {
          root: new Map([["/debuggee", Deno.readFileSync(program)]]),
          mounts: [{ host: folder, guest: "/work", writable: true }],
          cwd: "/work",
        };
        const { exit } = await (await Machine.create(quiet(options))).run(["/debuggee", "core"]);
        assertEquals(exit, 1, "wait status with WCOREDUMP, and a file");
        const text = await told(["backtrace", "info proc mappings"], [program, `${folder}/core`]);
        assertMatch(text, /#0 .*crash \(where=.*0x20.*\n#1 .*core_of_child .*\n#2 .*main/);
        assertMatch(text, /0x\w+ +0x\w+ +0x\w+ +0x0 +\/debuggee/);
      }),
  });
}

/** What gdb said of the process; a core's threads have other names. */
function shown(text: string): string {
  const [, said] = text.split("=====\n");
  return said.split("\n").filter((line) => /^[$#]|^Thread \d/.test(line))
    .map((line) => line.replace(/^(Thread \d) \(.*/, "$1 (")).join("\n");
}

async function inFolder(
  arch: Arch,
  work: (folder: string, program: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const program = `${folder}/debuggee.elf`;
    await Deno.writeFile(program, debuggee(arch));
    await work(folder, program);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
