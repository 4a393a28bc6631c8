/**
 * Caches that are told of filtered accesses, with TLBs and branches inlined, count what a core counts that reads the
 * whole stream: in the cold tier, in blocks' own functions and in regions.
 */
import { assert, assertEquals } from "@std/assert";
import { BytesInput, CapturedOutput, Machine, type MachineOptions, preset } from "../../../mod.ts";
import { canFilter } from "../../../sim/models/compiled_core.ts";
import type { Preset } from "../../../sim/models/preset.ts";

/** Small, so that small programs miss; levels and policies differ. */
const small: Preset = {
  ...preset("reference"),
  name: "small",
  tlb: {
    itlb: [{ entries: 4, ways: 4, pageBits: [12] }],
    dtlb: [{ entries: 4, ways: 4, pageBits: [12] }],
    stlb: [{ entries: 8, ways: 4, pageBits: [12] }],
  },
  caches: {
    l1i: { size: 1024, ways: 2, replacement: "nru" },
    l1d: { size: 2048, ways: 4, replacement: "tree-plru" },
    l2: { size: 16384, ways: 8, replacement: "random" },
  },
};
const PROGRAMS = ["/signals", "/threads", "/hugepages"];

for (const arch of ["x86_64", "aarch64"] as const) {
  const root = new URL(`../../guests/prebuilt/${arch}`, import.meta.url).pathname;
  for (const program of PROGRAMS) {
    Deno.test(`${arch} ${program}: filtered accesses give the same counters`, async () => {
      const run = async (options: MachineOptions) => {
        const [stdout, stderr] = [new CapturedOutput(), new CapturedOutput()];
        const streams = { stdin: new BytesInput(), stdout, stderr };
        const machine = await Machine.create({
          ...{ root, linker: "guest", streams, maxInstructions: 150_000, cpu: small },
          ...options,
        });
        return (await machine.run([program])).counters;
      };
      assert(canFilter(small));
      // A core beside the first has all read the whole stream.
      const expected = await run({ cores: [small], heat: 20 });
      assert(expected["l1d.misses"] > 5 && expected["walks.references"] > 5);
      for (const heat of [2, 200]) {
        assertEquals(await run({ heat }), expected, `heat ${heat}`);
      }
    });
  }
}
