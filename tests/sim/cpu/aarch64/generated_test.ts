/** A program that writes its own code runs what it wrote last, in both tiers and in between. */
import { assertEquals } from "@std/assert";
import { BytesInput, CapturedOutput } from "../../../../sim/kernel/fs/streams.ts";
import { Machine } from "../../../../sim/machine.ts";
import { available } from "./qemu.ts";

const compiler = "aarch64-linux-gnu-gcc";
const needed = available(compiler);
const missing = needed ? "" : ` (skipped: needs ${compiler})`;

/** What each way of `generated.c` writes first; the numbers after it are one more each. */
const WAYS: readonly [string, number][] = [
  ["written in place", 0],
  ["callee written anew", 1],
  ["one instruction of two", 1],
  ["writable, then executable", 100],
  ["by another mapping", 200],
  ["by a system call", 300],
  ["mapped anew at the same address", 400],
  ["for another thread", 501],
];
const TIMES = 12;

Deno.test({
  name: `generated code is what was written last${missing}`,
  ignore: !needed,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const program = `${folder}/generated`;
      const source = new URL("./generated.c", import.meta.url).pathname;
      const args = ["-O1", "-static", "-pthread", "-o", program, source];
      const { success, stderr } = await new Deno.Command(compiler, { args }).output();
      if (!success) throw new Error(new TextDecoder().decode(stderr));
      const expected = WAYS.map(([name, first]) =>
        `${name}: ${Array.from({ length: TIMES }, (_, i) => first + i).join(" ")}\n`
      ).join("");
      for (const heat of [Infinity, 1, 50]) {
        const stdout = new CapturedOutput();
        const machine = await Machine.create({
          root: new Map([["/generated", await Deno.readFile(program)]]),
          streams: { stdin: new BytesInput(), stdout, stderr: stdout },
          heat,
          report: () => {},
        });
        assertEquals((await machine.run(["/generated"])).exit, 0, stdout.text);
        assertEquals(stdout.text, expected, `heat ${heat}`);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
