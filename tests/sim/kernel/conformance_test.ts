/**
 * Programs that exercise the process side of the kernel print the same in the machine, on both
 * architectures, as on the Linux kernel that runs the tests.
 */
import { assertEquals } from "@std/assert";
import { BytesInput, CapturedOutput } from "../../../sim/kernel/fs/streams.ts";
import { Machine } from "../../../sim/machine.ts";
import { buildProgram, compilable } from "./compile.ts";

const needed = compilable("x86_64") && compilable("aarch64") && Deno.build.os === "linux" &&
  Deno.build.arch === "x86_64";
const missing = needed ? "" : " (skipped: needs gcc for both architectures and an x86_64 kernel)";

/** The program's output on the host's kernel. */
async function native(path: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(path, { stdin: "null" }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Its output in a machine. */
async function simulated(path: string, heat: number): Promise<string> {
  const stdout = new CapturedOutput();
  const stderr = new CapturedOutput();
  const machine = await Machine.create({
    root: new Map([["/program", Deno.readFileSync(path)]]),
    streams: { stdin: new BytesInput(), stdout, stderr },
    memory: 64 * 2 ** 20,
    heat,
    // The native run is the test runner's user, who may be root.
    uid: Deno.uid() ?? undefined,
  });
  const { exit } = await machine.run(["/program"]);
  assertEquals(exit, 0, stderr.text);
  return stdout.text;
}

for (const name of ["processes", "waking", "threading"]) {
  Deno.test({
    name: `${name}: the same as on Linux${missing}`,
    ignore: !needed,
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        const expected = await native(buildProgram("x86_64", name, folder));
        for (const arch of ["x86_64", "aarch64"] as const) {
          const path = buildProgram(arch, name, folder);
          assertEquals(await simulated(path, Infinity), expected, `${arch}, cold`);
          assertEquals(await simulated(path, 10), expected, `${arch}, hot`);
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
