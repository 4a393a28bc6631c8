/**
 * Programs about exceptions, single steps, alignment, signal frames, segments, x87 and code made at run time print the
 * same in the machine, in both tiers, as on this machine's processor and kernel.
 */
import { assertEquals } from "@std/assert";
import { BytesInput, CapturedOutput } from "../../../../sim/kernel/fs/streams.ts";
import { Machine } from "../../../../sim/machine.ts";
import { hasLevel3 } from "./native_cases.ts";
import { available } from "./native_oracle.ts";
import { isIntel } from "./vendor.ts";

const ready = available && hasLevel3;
/** What Intel's manual leaves to the processor is compared with Intel's. */
const vendor = isIntel ? "intel" : "other";

for (
  const name of [
    "exceptions",
    "steps",
    "alignment",
    "segments",
    "contexts",
    "generated",
    "x87_loads",
  ]
) {
  Deno.test({
    name: `${name}: the same as on this processor${
      ready ? "" : " (skipped: needs gcc and a processor of x86-64-v3)"
    }`,
    ignore: !ready,
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        const source = new URL(`./programs/${name}.c`, import.meta.url).pathname;
        const program = `${folder}/${name}`;
        const args = ["-O1", "-mno-red-zone", "-static", "-w", "-o", program, source];
        const { success, stderr } = await new Deno.Command("gcc", { args }).output();
        assertEquals(success, true, new TextDecoder().decode(stderr));
        const native = await new Deno.Command(program, { args: [vendor], stdin: "null" }).output();
        const expected = new TextDecoder().decode(native.stdout);
        assertEquals(native.code, 0, expected);
        for (const heat of [Infinity, 10]) {
          const stdout = new CapturedOutput();
          const machine = await Machine.create({
            root: new Map([[`/${name}`, Deno.readFileSync(program)]]),
            streams: { stdin: new BytesInput(), stdout, stderr: new CapturedOutput() },
            cpuLevel: 3,
            memory: 64 * 2 ** 20,
            heat,
          });
          const { exit } = await machine.run([`/${name}`, vendor]);
          assertEquals(stdout.text.split("\n"), expected.split("\n"), `heat ${heat}`);
          assertEquals(exit, 0);
        }
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
