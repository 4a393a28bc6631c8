/** Whatever a program asks of the kernel, and whatever it executes, only the program may come to harm. */
import { assertEquals } from "@std/assert";
import type { Arch } from "../../../sim/arch.ts";
import { BytesInput, CapturedOutput } from "../../../sim/kernel/fs/streams.ts";
import { Machine } from "../../../sim/machine.ts";
import { build, note, ready } from "./beside_linux.ts";

/** Another seed tries others: `SEED=7 deno test …`. */
const SEED = Deno.env.get("SEED") ?? "1";

/** Run one of `programs`, which says so when all that it tries is over. */
async function survive(arch: Arch, name: string, ...args: string[]): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = build(arch, new URL(`programs/${name}.c`, import.meta.url), folder);
    const stdout = new CapturedOutput();
    const machine = await Machine.create({
      root: new Map([["/program", await Deno.readFile(path)], ["/etc/", new Uint8Array()]]),
      arch,
      cwd: "/tmp",
      streams: { stdin: new BytesInput(), stdout, stderr: new CapturedOutput() },
      memory: 256 * 2 ** 20,
      report: () => {},
    });
    const { exit } = await machine.run(["/program", SEED, ...args]);
    assertEquals(stdout.text, `seed ${SEED} is over\n`);
    assertEquals(exit, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const arch of ["x86_64", "aarch64"] as const) {
  Deno.test({
    name: `the machine survives random calls and programs on ${arch}${note}`,
    ignore: !ready,
    async fn(t) {
      await t.step(
        "calls that their caller survives",
        () => survive(arch, "random_calls", "40", "400"),
      );
      await t.step("all calls", () => survive(arch, "random_calls", "40", "400", "all"));
      await t.step("programs", () => survive(arch, "random_programs", "60"));
    },
  });
}
