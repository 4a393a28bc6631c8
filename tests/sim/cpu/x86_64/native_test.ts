/** Random instances of every decode row, and sequences, against this machine's processor. */
import { assert } from "@std/assert";
import { rows, x86_64 } from "../../../../sim/cpu/x86_64/isa.ts";
import { rows as allRows, x86_64_v3 } from "../../../../sim/cpu/x86_64/level3_isa.ts";
import { disagreements, hasLevel3, rowCases, sequence, sequencePool } from "./native_cases.ts";
import { available, Simulated } from "./native_oracle.ts";
import { type Case, CODE, Random } from "./random_instruction.ts";

const PER_ROW = Number(Deno.env.get("PER_ROW") ?? 24);
const SEED = Number(Deno.env.get("SEED") ?? 1);
const LIMIT = Number(Deno.env.get("LIMIT") ?? 30);
const ONLY = new RegExp(Deno.env.get("ONLY") ?? ".");

async function agree(cases: readonly Case[], simulated: Simulated, times: number): Promise<void> {
  const failures = await disagreements(cases, simulated, times);
  const report = failures.slice(0, LIMIT).join("\n");
  assert(failures.length === 0, `${failures.length} of ${cases.length}:\n${report}`);
}

for (const level of [2, 3]) {
  const isa = level === 2 ? x86_64 : x86_64_v3;
  const ignore = !available || (level === 3 && !hasLevel3);
  const needs = level === 2 ? "gcc on x86_64 Linux" : "gcc and a processor of that level";
  const suffix = ignore ? ` (skipped: needs ${needs})` : "";
  const own = level === 2 ? rows : allRows.slice(rows.length);
  const pool = sequencePool(level === 2 ? rows : allRows);
  for (const heat of [undefined, 100, 1]) {
    const tier = heat === undefined ? "cold" : heat === 100 ? "hot (functions)" : "hot (regions)";
    const times = heat === undefined ? 1 : 3;
    Deno.test({
      name: `x86-64-v${level}, ${tier} tier: random instances of every row${suffix}`,
      ignore,
      fn: () => {
        const chosen = own.filter((row) => ONLY.test(row.name));
        const cases = rowCases(chosen, PER_ROW, new Random(SEED + level));
        return agree(cases, new Simulated(heat, isa), times);
      },
    });
    Deno.test({
      name: `x86-64-v${level}, ${tier} tier: random sequences with branches${suffix}`,
      ignore,
      fn: () => {
        const random = new Random(SEED + 1000 + level);
        const count = heat === undefined ? 1500 : 600;
        const cases = Array.from(
          { length: count },
          (_, i) => sequence(pool, CODE + 128 * i, random),
        );
        return agree(cases, new Simulated(heat, isa), times);
      },
    });
  }
}
