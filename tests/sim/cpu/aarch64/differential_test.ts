/**
 * Every row against qemu: random instances run from random machine states; registers, flags, vectors,
 * memory and FPSR must come out equal.
 */
import { assertEquals } from "@std/assert";
import {
  type Case,
  disagreements,
  flagCases,
  instances,
  newer,
  older,
  sequenceCases,
  specialFusedCases,
  straightCases,
  threadPointerCases,
} from "./cases.ts";
import { Subject } from "./machine_state.ts";
import { available, buildHarness } from "./qemu.ts";
import { Random } from "./random_instructions.ts";

const needed = available("qemu-aarch64") && available("aarch64-linux-gnu-gcc");
const missing = needed ? "" : " (skipped: needs qemu-aarch64 and aarch64-linux-gnu-gcc)";

async function agree(cases: readonly Case[], cpu: string, heat?: number): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    const harness = await buildHarness(directory);
    const times = heat === undefined ? 1 : Math.min(heat, 2) + 3;
    const failures = await disagreements(harness, cases, cpu, new Subject(heat), times);
    assertEquals(failures.slice(0, 10).join("\n"), "", `${failures.length} differ`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const floating = (name: string): boolean => /^(F|[SU]CVTF)/.test(name);

Deno.test({
  name: `every row, cold tier${missing}`,
  ignore: !needed,
  fn: () => agree(instances(15, new Random(1), older), "neoverse-n1"),
});
Deno.test({
  name: `floating point in depth, cold tier${missing}`,
  ignore: !needed,
  fn: () => agree(instances(30, new Random(2), floating), "max"),
});
Deno.test({
  name: `fused multiply-adds of special numbers${missing}`,
  ignore: !needed,
  fn: () => agree(specialFusedCases(new Random(9)), "neoverse-n1"),
});
Deno.test({
  name: `rows that Neoverse N1 lacks, cold tier${missing}`,
  ignore: !needed,
  fn: () => agree(instances(40, new Random(3), newer), "max"),
});
Deno.test({
  name: `every row, hot tier (regions)${missing}`,
  ignore: !needed,
  fn: () => agree(instances(2, new Random(4), older), "neoverse-n1", 2),
});
Deno.test({
  name: `every row, hot tier (functions)${missing}`,
  ignore: !needed,
  fn: () => agree(instances(2, new Random(8), older), "neoverse-n1", 100),
});
Deno.test({
  name: `four instructions of any rows, and the thread pointer${missing}`,
  ignore: !needed,
  fn: () => {
    const random = new Random(7);
    const cases = [...straightCases(500, random), ...threadPointerCases(20, random)];
    return agree(cases, "neoverse-n1");
  },
});

for (const heat of [undefined, 100, 2]) {
  const tier = heat === undefined ? "cold" : heat === 100 ? "hot (functions)" : "hot (regions)";
  const scale = heat === undefined ? 10 : 1;
  Deno.test({
    name: `conditions after every setter of flags, ${tier} tier${missing}`,
    ignore: !needed,
    fn: () => agree(flagCases(10 * scale, new Random(5)), "neoverse-n1", heat),
  });
  Deno.test({
    name: `branches over an instruction, exclusives, ${tier} tier${missing}`,
    ignore: !needed,
    fn: () => agree(sequenceCases(30 * scale, new Random(6)), "neoverse-n1", heat),
  });
}
