/**
 * Truth of whole programs: Debian's python3 and C compiler against the `reference` model under
 * qemu-user. docs/accuracy.md has the figures and says what remains.
 */
import { assert, assertEquals } from "@std/assert";
import { compareCase, missingFor, qemuCases } from "../oracles/qemu_compare.ts";

/** Largest relative difference of each counter. */
const tolerances: Readonly<Record<string, number>> = {
  "instructions": 0.005,
  "itlb.accesses": 0.005,
  "itlb.misses": 0.03,
  "dtlb.misses": 0.03,
  "stlb.misses": 0.03,
  "branches.conditional": 0.005,
  "branches.conditional.mispredicted": 0.01,
};

/** One program on each architecture; `deno run -A tests/oracles/qemu_compare.ts` compares all. */
const chosen = qemuCases.filter(({ arch, name }) => (arch === "x86_64") === (name === "python3"));

for (const one of chosen) {
  const missing = await missingFor(one);
  const name = `${one.arch} ${one.name}: instructions, TLB misses, mispredictions as under qemu`;
  Deno.test({
    name: missing === "" ? name : `${name} (skipped: ${missing})`,
    ignore: missing !== "",
  }, async () => {
    const { qemu, ours } = await compareCase(one);
    assertEquals([ours.exit, qemu.exit], [0, 0]);
    assertEquals(ours.stdout, qemu.stdout);
    for (const [counter, tolerance] of Object.entries(tolerances)) {
      const [expected, counted] = [qemu.counters[counter], ours.counters[counter]];
      const message = `${counter}: ${counted}, under qemu ${expected}`;
      assert(Math.abs(counted / expected - 1) <= tolerance, message);
    }
  });
}
