/** Machines under stock gdb: what it sees, how it stops and goes on, and that no count changes by it. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Arch } from "../../../sim/arch.ts";
import { Machine } from "../../../mod.ts";
import { manyGuest } from "../../../scripts/experiments/guests_data.ts";
import { debug, debuggee, GDB, gdb, quiet, without } from "./gdb.ts";

const ARCHES: readonly Arch[] = ["x86_64", "aarch64"];

const count = (text: string, wanted: RegExp): number => text.match(wanted)?.length ?? 0;

for (const arch of ARCHES) {
  const needs = without(GDB);
  const options = { cpu: "reference", linker: "modular" };

  Deno.test({
    name: `${arch}: libraries by the modular linker, and the counts of a run without gdb${needs}`,
    ignore: needs !== "",
    fn: async () => {
      const root = await manyGuest(arch);
      const plain = await (await Machine.create(quiet({ ...options, root }))).run(["/many/many"]);
      const { text, result } = await debug(["/many/many"], { ...options, root }, [
        "info sharedlibrary",
        "break m00_f00",
        "continue",
        "info symbol $pc",
        "stepi 20",
        "ignore 1 30",
        "watch -l *(long*)($sp - 8)",
        "continue",
        "continue",
        "delete 2",
        "continue",
        "info breakpoints",
        "delete",
        "continue",
      ]);
      assertEquals(count(text, /0x\w+ +0x\w+ +Yes[ (*)]+target:\/many\/lib\/lib\w+\.so/g), 27);
      assertStringIncludes(text, " in section .text of target:/many/lib/libm00.so");
      assertMatch(text, /breakpoint already hit 3\d times/);
      assertStringIncludes(text, "Hardware watchpoint 2");
      assertStringIncludes(text, "exited normally");
      assertEquals(result.exit, plain.exit);
      assertEquals(result.counters, plain.counters);
    },
  });
}

for (const arch of ARCHES) {
  const debian = arch === "x86_64" ? "bookworm-amd64" : "bookworm-arm64";
  const root = new URL(`../../../.cache/roots/${debian}`, import.meta.url).pathname;
  const rooted = hasFolder(root);
  const needs = without(GDB) || (rooted ? "" : ` (skipped: needs ${debian})`);

  Deno.test({
    name: `${arch}: Debian's ls, linked by its own interpreter${needs}`,
    ignore: needs !== "",
    fn: async () => {
      const argv = ["/bin/ls", "/usr"];
      const plain = await (await Machine.create(quiet({ root }))).run(argv);
      const { text, result } = await debug(argv, { root }, [
        `set sysroot ${root}`,
        "set breakpoint pending on",
        "break write",
        "continue",
        "info sharedlibrary",
        "backtrace 2",
        "continue",
      ]);
      assertEquals(count(text, /Yes[ (*)]+\S+\/(ld-linux|libselinux|libc|libpcre2)\S+/g), 4);
      assertMatch(text, /#0 .*write.*\n#1 .*_IO_(new_)?file_write/);
      assertStringIncludes(text, "exited normally");
      assertEquals(result.counters, plain.counters);
    },
  });
}

for (const arch of ARCHES) {
  const compiler = `${arch}-linux-gnu-gcc`;
  const needs = without(GDB, compiler);
  const qemu = `qemu-${arch}`;
  const step = ["stepi", 'printf "at %lx\\n", $pc'];
  const vector = arch === "x86_64" ? "$xmm0.v2_double[0]" : "$v0.d.f[0]";

  Deno.test({
    name: `${arch}: stops, registers and memory as under qemu's stub${needs || without(qemu)}`,
    ignore: needs !== "" || without(qemu) !== "",
    fn: async () => {
      const program = debuggee(arch);
      const script = [
        "handle SIGUSR1 nostop noprint",
        "break half",
        "continue",
        'printf "total %ld at %lx\\n", total, $pc',
        // qemu 7.2 shows no vector registers of x86_64.
        ...arch === "aarch64" ? ['printf "lane %g\\n", $v0.d.f[0]'] : [],
        ...Array(30).fill(step).flat(),
        "set var total = 5",
        "break on_signal",
        "continue",
        'printf "number %d total %ld\\n", number, total',
        "finish",
        "delete",
        "continue",
      ];
      const ours = await debug(["/debuggee"], { root: new Map([["/debuggee", program]]) }, script);
      assertEquals(ours.result.exit, 7);
      assertEquals(printed(ours.text), printed(await underQemu(qemu, program, script)));
      assertEquals(printed(ours.text).length, arch === "aarch64" ? 33 : 32);
    },
  });

  const root = () => new Map([["/debuggee", debuggee(arch)]]);

  Deno.test({
    name: `${arch}: threads, watchpoints, signals, a fault${needs}`,
    ignore: needs !== "",
    fn: async () => {
      const { text, result } = await debug(["/debuggee", "crash"], { root: root() }, [
        "set print thread-events off",
        "watch watched",
        "continue",
        "info threads",
        "backtrace",
        "rwatch total",
        "disable 1",
        "continue",
        "delete",
        "handle SIGUSR1 stop print nopass",
        "continue",
        "print $_siginfo.si_signo",
        "continue",
        "backtrace",
        "print $_siginfo._sifields._sigfault.si_addr",
        "continue",
      ]);
      assertMatch(text, /Old value = 0\nNew value = \d+\n/);
      assertEquals(count(text, /^[* ] \d +Thread 1\d\d "debuggee"/gm), 2);
      assertMatch(text, /#0 .*add \(n=(n@entry=)?2\).*\n#1 .*work/);
      assertMatch(text, /rwatch|read watchpoint/);
      assertStringIncludes(text, "$1 = 10\n");
      assertMatch(text, /SIGSEGV, Segmentation fault[^]*#0 .*crash \(where=.*0x10.*\n#1 .*main/);
      assertStringIncludes(text, "(void *) 0x10");
      assertStringIncludes(text, "Program terminated with signal SIGSEGV");
      assertEquals(result.signal, 11);
    },
  });

  Deno.test({
    name: `${arch}: exec, function calls, changed registers, kill${needs}`,
    ignore: needs !== "",
    fn: async () => {
      const { text, result } = await debug(["/debuggee", "exec"], { root: root() }, [
        "handle SIGUSR1 nostop noprint",
        "break half",
        "continue",
        "print half(9)",
        `set var ${vector} = 40`,
        "delete",
        "finish",
        "catch exec",
        "continue",
        "info breakpoints",
        "kill",
      ]);
      assertStringIncludes(text, "= 4.5\n");
      assertStringIncludes(text, "Value returned is $2 = 20\n");
      assertStringIncludes(text, "executing new program: /debuggee");
      assertEquals(result.signal, 9);
    },
  });

  Deno.test({
    name: `${arch}: one thread alone, and when all sleep for good${needs}`,
    ignore: needs !== "",
    fn: async () => {
      const { text } = await debug(["/debuggee", "stuck"], { root: root() }, [
        "handle SIGUSR1 nostop noprint",
        "break add",
        "continue",
        "set scheduler-locking on",
        "stepi 100",
        "info threads",
        "set scheduler-locking off",
        "delete",
        "continue",
        "thread apply all backtrace -3",
        "kill",
      ]);
      assertMatch(text, /\n\* 2 +Thread 101 "debuggee"/);
      assertMatch(
        text,
        /deadlock: every thread sleeps[^]*tid 100\) in futex[^]*in \w*(?:pause|ppoll)/,
      );
      assertMatch(text, /received signal SIGINT[^]*in sleeper[^]*in main/);
    },
  });

  Deno.test({
    name: `${arch}: interrupted, detached${needs}`,
    ignore: needs !== "",
    fn: async () => {
      const { text, result } = await debug(
        ["/debuggee", "loop"],
        { root: root() },
        ["handle SIGUSR1 nostop noprint", "continue", "backtrace", "set var stop = 1", "detach"],
        interruptLater,
      );
      assertMatch(text, /received signal SIGINT[^]*#0 .*main/);
      assertStringIncludes(text, "detached");
      assertEquals(result.exit, 7);
    },
  });
}

function hasFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Lines that the script had printed: positions and values. */
function printed(text: string): string[] {
  return text.split("\n").filter((line) => /^(at|total|lane|number) /.test(line));
}

async function underQemu(qemu: string, program: Uint8Array, script: string[]): Promise<string> {
  const file = await Deno.makeTempFile();
  await Deno.writeFile(file, program, { mode: 0o755 });
  await Deno.chmod(file, 0o755);
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr;
  listener.close();
  const child = new Deno.Command(qemu, {
    args: ["-g", String(port), file],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    return await gdb(port, [`file ${file}`, ...script]);
  } finally {
    await child.status;
    await Deno.remove(file);
  }
}

/** Press Ctrl-C once the program is in its loop. */
function interruptLater(child: Deno.ChildProcess, machine: Machine): void {
  const timer = setInterval(() => {
    if (machine.kernel.instructions < 5_000_000) return;
    clearInterval(timer);
    child.kill("SIGINT");
  }, 20);
}
