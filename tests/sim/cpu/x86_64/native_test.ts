import { assert } from "@std/assert";
import { rows } from "../../../../sim/cpu/x86_64/isa.ts";
import { compare, describe } from "./native_compare.ts";
import { available, native, Simulated, split } from "./native_oracle.ts";
import { CODE, instance, Random, RECORD } from "./random_instruction.ts";

const suffix = available ? "" : " (skipped: needs gcc on x86_64 Linux)";

/** Rows that a lone instruction cannot show, or that differ by design. */
const EXCLUDED =
  /^(undefined|jcc|jmp|call|ret|loop|jrcxz|syscall|cpuid|rdtsc|pause|hlt|in\/out|ins\/outs|int|cli|sti|prefetch|nop Ev|clflush|mov Ev,Sw|popf|ud|fxrstor)/;

const PER_ROW = Number(Deno.env.get("PER_ROW") ?? 24);
const SEED = Number(Deno.env.get("SEED") ?? 1);
const LIMIT = Number(Deno.env.get("LIMIT") ?? 30);
const ONLY = new RegExp(Deno.env.get("ONLY") ?? ".");

for (const heat of [undefined, 1]) {
  const tier = heat === undefined ? "cold" : "hot";
  Deno.test({
    name: `x86_64, ${tier} tier: random instances of every row equal this processor${suffix}`,
    ignore: !available,
    async fn() {
      const random = new Random(SEED);
      const cases = rows.filter((r) => !EXCLUDED.test(r.name) && ONLY.test(r.name)).flatMap((row) =>
        Array.from({ length: PER_ROW }, () => row)
      ).map((row, i) => instance(row, CODE + 64 * i, random));
      const input = new Uint8Array(cases.length * RECORD);
      cases.forEach((c, i) => input.set(c.record, i * RECORD));
      const expected = split(await native(input));
      const simulated = new Simulated(heat);
      const failures: string[] = [];
      cases.forEach((c, i) => {
        const actual = c.record.slice();
        simulated.run(actual, heat === undefined ? 1 : 3);
        const difference = compare(c, expected[i], actual);
        if (difference !== "") failures.push(describe(c, difference));
      });
      assert(
        failures.length === 0,
        `${failures.length} of ${cases.length}:\n${failures.slice(0, LIMIT).join("\n")}`,
      );
    },
  });
}
