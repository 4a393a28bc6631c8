/** Impossible addresses: the signal says what it says on this processor and kernel, in either tier. */
import { assertEquals } from "@std/assert";
import { BytesInput, CapturedOutput } from "../../../sim/kernel/fs/streams.ts";
import { Machine } from "../../../sim/machine.ts";
import { compile, hasTool } from "./compile.ts";

const ready = Deno.build.os === "linux" && Deno.build.arch === "x86_64" &&
  hasTool("x86_64-linux-gnu-gcc");

Deno.test({
  name: `x86_64: faults at addresses of the kernel and of nobody${
    ready ? "" : " (skipped: needs gcc on x86_64 Linux)"
  }`,
  ignore: !ready,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const program = `${folder}/addresses`;
      const source = new URL("./programs/addresses.c", import.meta.url).pathname;
      compile("x86_64", ["-O1", "-w", "-static", "-o", program, source]);
      const native = await new Deno.Command(program).output();
      const expected = new TextDecoder().decode(native.stdout);
      for (const heat of [Infinity, 1]) {
        const stdout = new CapturedOutput();
        const machine = await Machine.create({
          root: new Map([["/addresses", Deno.readFileSync(program)]]),
          streams: { stdin: new BytesInput(), stdout, stderr: new CapturedOutput() },
          heat,
        });
        await machine.run(["/addresses"]);
        assertEquals(stdout.text, expected);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
