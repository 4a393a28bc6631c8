/** Branch target identification as a program sees it, in both tiers. The same program runs under qemu. */
import { assertEquals } from "@std/assert";
import { BytesInput, CapturedOutput } from "../../../../sim/kernel/fs/streams.ts";
import { Machine } from "../../../../sim/machine.ts";
import { available, output } from "./qemu.ts";

const compiler = "aarch64-linux-gnu-gcc";
const needed = available("qemu-aarch64") && available(compiler);
const missing = needed ? "" : ` (skipped: needs qemu-aarch64 and ${compiler})`;

/**
 * Linux has ILL_ILLOPC where qemu 7.2 has ILL_ILLOPN (arch/arm64/kernel/traps.c, do_el0_bti), and qemu goes on with
 * what it translated when a page was not guarded.
 */
const asLinux = (text: string): string =>
  text.replaceAll("signal 4 code 2", "signal 4 code 1").replaceAll(
    "guarded by mprotect: nothing",
    `guarded by mprotect: 40 of signal 4 code 1 at target+0, BTYPE 2`,
  );

Deno.test({
  name: `branches go where landing pads are${missing}`,
  ignore: !needed,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const program = `${folder}/branch_targets`;
      const source = new URL("./branch_targets.c", import.meta.url).pathname;
      await output(compiler, ["-O1", "-static", "-o", program, source]);
      const expected = asLinux(await output("qemu-aarch64", ["-cpu", "max,pauth=off", program]));
      for (const heat of [Infinity, 1, 20]) {
        const stdout = new CapturedOutput();
        const machine = await Machine.create({
          root: new Map([["/branch_targets", await Deno.readFile(program)]]),
          streams: { stdin: new BytesInput(), stdout, stderr: stdout },
          heat,
          report: () => {},
        });
        assertEquals((await machine.run(["/branch_targets"])).exit, 0, stdout.text);
        assertEquals(stdout.text, expected, `heat ${heat}`);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** Ends with code 7, by a branch to what is no landing pad. */
const NOTED = `void _start(void) {
  __asm__("adr x15, 1f; br x15; 1: nop; mov x0, #7; mov x8, #93; svc #0");
}`;

Deno.test({
  name: `a program's code is guarded if its note says so${missing}`,
  ignore: !needed,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/noted.c`, NOTED);
      for (const [protection, expected] of [["standard", 128 + 4], ["none", 7]] as const) {
        const program = `${folder}/${protection}`;
        const flags = [`-mbranch-protection=${protection}`, "-nostdlib", "-static", "-O1"];
        await output(compiler, [...flags, "-o", program, `${folder}/noted.c`]);
        const qemu = new Deno.Command("qemu-aarch64", { args: ["-cpu", "max", program] });
        const { code, signal } = await qemu.output();
        assertEquals(signal === "SIGILL" ? 128 + 4 : code, expected);
        const stdout = new CapturedOutput();
        const machine = await Machine.create({
          root: new Map([["/program", await Deno.readFile(program)]]),
          streams: { stdin: new BytesInput(), stdout, stderr: stdout },
          report: () => {},
        });
        assertEquals((await machine.run(["/program"])).exit, expected);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
