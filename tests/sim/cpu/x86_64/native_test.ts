import { assert } from "@std/assert";
import { rows } from "../../../../sim/cpu/x86_64/isa.ts";
import { compare, describe } from "./native_compare.ts";
import { available, native, Simulated, split } from "./native_oracle.ts";
import { AT, type Case, CODE, instance, Random, RECORD } from "./random_instruction.ts";

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

/** Rows whose flags are defined (but for AF, which nothing here reads) on registers. */
const IN_SEQUENCE =
  /^(add|sub|cmp|and|or|xor|test|inc|dec|neg|adc|sbb|not|setcc|cmovcc|lea|movzx|movsx|bswap|stc|clc|cmc|comisd|ucomiss|ptest|popcnt|cdqe|cqo|(shl|shr|sar|rol|ror) E[bv],C1)( |$)/;

/** Sequences of ten instructions; conditional jumps skip some of them. */
function sequence(address: number, random: Random): Case {
  const code: number[] = [];
  const pool = rows.filter((r) => IN_SEQUENCE.test(r.name));
  let first: Case | null = null;
  while (code.length < 70) {
    const c = instance(random.pick(pool), address, random);
    first ??= c;
    if (c.memory || c.bytes.length > 8) continue;
    // A jump over this instruction on some condition.
    if (random.chance(3)) code.push(0x70 | random.below(16), c.bytes.length);
    code.push(...c.bytes);
  }
  const record = first!.record.slice();
  record.fill(0, AT.code, AT.code + 112);
  record.set(code, AT.code);
  new DataView(record.buffer).setUint32(AT.length, code.length, true);
  return { ...first!, row: rows[0], record, bytes: code };
}

for (const heat of [undefined, 1]) {
  const tier = heat === undefined ? "cold" : "hot";
  Deno.test({
    name: `x86_64, ${tier} tier: random sequences with branches equal this processor${suffix}`,
    ignore: !available,
    async fn() {
      const random = new Random(SEED + 1000);
      const count = heat === undefined ? 2000 : 1000;
      const cases = Array.from({ length: count }, (_, i) => sequence(CODE + 128 * i, random));
      const input = new Uint8Array(cases.length * RECORD);
      cases.forEach((c, i) => input.set(c.record, i * RECORD));
      const expected = split(await native(input));
      const simulated = new Simulated(heat);
      const failures: string[] = [];
      cases.forEach((c, i) => {
        const actual = c.record.slice();
        simulated.run(actual, heat === undefined ? 1 : 3);
        // AF is undefined after logical operations.
        for (const r of [actual, expected[i]]) {
          const view = new DataView(r.buffer, r.byteOffset);
          view.setUint32(AT.rflags, view.getUint32(AT.rflags, true) & ~0x10, true);
        }
        const difference = compare(c, expected[i], actual);
        if (difference !== "") failures.push(describe(c, difference));
      });
      assert(
        failures.length === 0,
        `${failures.length} of ${count}:\n${failures.slice(0, LIMIT).join("\n")}`,
      );
    },
  });
}
