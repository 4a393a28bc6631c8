import { assert } from "@std/assert";
import { rows } from "../../../../sim/cpu/x86_64/isa.ts";
import { rows as allRows, x86_64_v3 } from "../../../../sim/cpu/x86_64/level3_isa.ts";
import { compare, describe } from "./native_compare.ts";
import { available, features, native, Simulated, split } from "./native_oracle.ts";
import { AT, type Case, CODE, instance, Random, RECORD } from "./random_instruction.ts";

const suffix = available ? "" : " (skipped: needs gcc on x86_64 Linux)";

/** Rows that a lone instruction cannot show, or that differ by design. */
const EXCLUDED =
  /^(undefined|jcc|jmp|call|ret|loop|jrcxz|syscall|cpuid|rdtsc|pause|hlt|in\/out|ins\/outs|int|cli|sti|prefetch|nop Ev|clflush|mov Ev,Sw|popf|ud|fxrstor|system|mov Rq|xsave|xrstor|xgetbv|rdtscp|rdpid|rdrand|rdseed|(rd|wr)[fg]sbase|(rd|wr)pkru|clwb)/;

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

const here = features();
const hasLevel3 = ["avx2", "bmi2", "fma", "f16c", "aes", "pclmulqdq", "movbe", "abm"]
  .every((name) => here.has(name));
/** Rows of processors that this one is not. */
const MISSING = new RegExp(
  Object.entries({
    sha_ni: "^sha",
    vaes: "^vaes(enc|dec)",
    vpclmulqdq: "^vpclmul",
    adx: "^ad[co]x",
  }).filter(([name]) => !here.has(name)).map(([, pattern]) => pattern).join("|") || "^$",
);

for (const heat of [undefined, 1]) {
  const tier = heat === undefined ? "cold" : "hot";
  Deno.test({
    name: `x86_64-v3, ${tier} tier: random instances of every row equal this processor${
      hasLevel3 ? "" : " (skipped: needs a processor of that level)"
    }`,
    ignore: !hasLevel3,
    async fn() {
      const random = new Random(SEED + 1);
      const chosen = allRows.slice(rows.length).filter((r) =>
        ONLY.test(r.name) && !EXCLUDED.test(r.name) && !MISSING.test(r.name)
      );
      const cases = chosen.flatMap((row) => Array.from({ length: PER_ROW }, () => row))
        .map((row, i) => instance(row, CODE + 64 * i, random));
      const input = new Uint8Array(cases.length * RECORD);
      cases.forEach((c, i) => input.set(c.record, i * RECORD));
      const expected = split(await native(input));
      const simulated = new Simulated(heat, x86_64_v3);
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

/** Whether an instance might change the stack pointer, which calls need. */
function mayWriteStackPointer(c: Case): boolean {
  const modrm = c.bytes.at(-1)!;
  return (modrm & 7) === 4 || ((modrm >> 3) & 7) === 4 || c.bytes.includes(0xcc);
}

/** Control transfers as bytes: each goes on after its own end, over `skip` bytes or not. */
function transfer(random: Random, skip: number): number[] {
  switch (random.below(8)) {
    case 0:
      return [0xe3, skip]; // jrcxz
    case 1:
      return [0x67, 0xe3, skip]; // jecxz
    case 2:
      return [0xe0 + random.below(3), skip]; // loopne, loope, loop
    case 3:
      return [0x67, 0xe2, skip];
    case 4:
      return [0xe8, 2, 0, 0, 0, 0xeb, 1, 0xc3]; // call a ret
    case 5:
      return [0xe8, 2, 0, 0, 0, 0xeb, 3, 0xc2, 8, 0]; // which releases 8 bytes
    case 6: // lea r11, [rip+2]; jmp r11
      return [0x4c, 0x8d, 0x1d, 3, 0, 0, 0, 0x41, 0xff, 0xe3];
    default:
      return [0x0f, 0x80 | random.below(16), skip, 0, 0, 0];
  }
}

/** Sequences of ten instructions; conditional jumps skip some of them. */
function sequence(address: number, random: Random): Case {
  const code: number[] = [];
  const pool = rows.filter((r) => IN_SEQUENCE.test(r.name));
  let first: Case | null = null;
  while (code.length < 70) {
    const c = instance(random.pick(pool), address, random);
    first ??= c;
    if (c.memory || c.bytes.length > 8 || mayWriteStackPointer(c)) continue;
    // A jump over this instruction on some condition.
    const before = random.below(4);
    if (before === 0) code.push(0x70 | random.below(16), c.bytes.length);
    else if (before === 1) code.push(...transfer(random, c.bytes.length));
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
