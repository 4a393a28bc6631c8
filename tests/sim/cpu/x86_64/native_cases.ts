/** Cases for the comparison with this machine's processor, and the comparison itself. */
import { Decoded, type Isa } from "../../../../sim/cpu/ir/decoded.ts";
import { rows } from "../../../../sim/cpu/x86_64/isa.ts";
import { type Encoding, File, Place } from "../../../../sim/cpu/x86_64/row.ts";
import { compare, describe } from "./native_compare.ts";
import { features, native, Simulated, split } from "./native_oracle.ts";
import { AT, type Case, CODE, instance, type Random, RECORD } from "./random_instruction.ts";

/** Rows that are not compared one by one, and why. */
const NOT_COMPARED: readonly [RegExp, string][] = [
  [/^undefined$/, "stands for undefined encodings"],
  [/^(retf|iret|jmp Mv|call Mv)/, "far transfers: compared by programs/segments.c"],
  [
    /^(mov Ew,Sw|pop [fg]s|verr|verw|lar)/,
    "the harness's segments: compared by programs/segments.c",
  ],
  [/^(jcc|jmp|call|ret|loop|jrcxz)/, "leaves a straight line: compared in sequences alone"],
  [/^syscall/, "enters the kernel: compared by the kernel's conformance tests"],
  [
    /^(cpuid|rdtsc|rdpid|rdrand|rdseed|xgetbv|lsl|smsw|sldt|str|sgdt|sidt)/,
    "answers with what the machine is",
  ],
  [/^(rd|wr)([fg]sbase|pkru)/, "the harness's own thread and keys"],
  [/^(xsave|xrstor|fxrstor)/, "areas with state that this CPU has not; round trips are tested"],
  [/^(prefetch|nop Ev|clflush|clwb|pause)/, "has no effect to compare"],
  [/^system/, "some are permitted here, by the machine that this one runs on"],
];

/** Why a row is not compared one by one, or null. */
export function reasonAgainst(row: Encoding): string | null {
  const found = NOT_COMPARED.find(([pattern]) => pattern.test(row.name));
  if (found !== undefined) return found[1];
  const lacking = FEATURES.find(([name, pattern]) => !here.has(name) && pattern.test(row.name));
  return lacking === undefined ? null : `this processor has no ${lacking[0]}`;
}

const here = features();
/** Features of level 3 that a processor of that level may lack. */
const FEATURES: readonly [string, RegExp][] = [
  ["sha_ni", /^sha/],
  ["vaes", /^vaes(enc|dec)/],
  ["vpclmulqdq", /^vpclmul/],
  ["adx", /^ad[co]x/],
];
/** Whether this processor has x86-64-v3 and what else the rows of level 3 need. */
export const hasLevel3: boolean = [
  "avx2",
  "bmi2",
  "fma",
  "f16c",
  "aes",
  "pclmulqdq",
  "movbe",
  "abm",
]
  .every((name) => here.has(name));

/** `perRow` random instances of each row that can be compared. */
export function rowCases(rows: readonly Encoding[], perRow: number, random: Random): Case[] {
  return rows.filter((row) => reasonAgainst(row) === null)
    .flatMap((row) => Array.from({ length: perRow }, () => row))
    .map((row, i) => instance(row, CODE + 64 * i, random));
}

/** Rows whose flags are defined (but for AF, which nothing here reads) on registers. */
const IN_SEQUENCE =
  /^(add|sub|cmp|and|or|xor|test|inc|dec|neg|adc|sbb|not|setcc|cmovcc|lea|movzx|movsx|bswap|stc|clc|cmc|comisd|ucomiss|ptest|popcnt|cdqe|cqo|(shl|shr|sar|rol|ror) E[bv],C1|andn|bzhi|blsr|sarx|shlx|shrx|rorx|mulx|pdep|pext|adcx|adox)( |$)/;
/** Vector rows whose result is not the processor's choice. */
const NOT_IN_SEQUENCE = /rcp|rsqrt|dpp[sd]|gather|maskmov|pcmp.str|testp|movnt|lddqu|xmm0/i;

/** Rows for sequences: integer ones, and those that work on vector registers alone. */
export function sequencePool(rows: readonly Encoding[]): Encoding[] {
  return rows.filter((row) => {
    if (reasonAgainst(row) !== null) return false;
    if (IN_SEQUENCE.test(row.name)) return true;
    return row.register && row.map > 0 && !NOT_IN_SEQUENCE.test(row.name) &&
      row.operands.length > 1 && row.operands.every((o) =>
        o.file === File.Vector || o.place === Place.Immediate || o.place === Place.Static
      );
  });
}

/** Whether an instance might change the stack pointer, which calls need. */
function mayWriteStackPointer(c: Case): boolean {
  const modrm = c.bytes.at(-1)!;
  return (modrm & 7) === 4 || ((modrm >> 3) & 7) === 4 || c.bytes.includes(0xcc) ||
    c.row.operands.some((o) => o.place === Place.Vex && o.file === File.General);
}

/** Control transfers as bytes: each goes on after its own end, over `skip` bytes or not. */
function transfer(random: Random, skip: number): number[] {
  switch (random.below(9)) {
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
    case 6: // lea r11, [rip+3]; jmp r11
      return [0x4c, 0x8d, 0x1d, 3, 0, 0, 0, 0x41, 0xff, 0xe3];
    case 7: // lea r11, [rip+5]; call r11; jmp over; ret
      return [0x4c, 0x8d, 0x1d, 8, 0, 0, 0, 0x41, 0xff, 0xd3, 0xe9, 1, 0, 0, 0, 0xc3];
    default:
      return [0x0f, 0x80 | random.below(16), skip, 0, 0, 0];
  }
}

/** About ten instructions, conditional jumps over some of them; its row is the undefined one. */
export function sequence(pool: readonly Encoding[], address: number, random: Random): Case {
  const code: number[] = [];
  let first: Case | null = null;
  while (code.length < 70) {
    const c = instance(random.pick(pool), address, random);
    first ??= c;
    if (c.memory || c.bytes.length > 9 || mayWriteStackPointer(c)) continue;
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

/** Index of the row of each instruction of `cases`, as the decoder finds it. */
export function* rowsOf(cases: readonly Case[], isa: Isa): Generator<number> {
  const d = new Decoded();
  for (const { bytes } of cases) {
    const code = Uint8Array.from([...bytes, ...new Array(15).fill(0xcc)]);
    for (let at = 0; at < bytes.length; at += d.length) {
      isa.decode(code, at, code.length - at, CODE + at, d);
      yield d.row;
    }
  }
}

/** Flags that are undefined after what sequences do: AF. */
function clearAuxiliary(record: Uint8Array): void {
  const view = new DataView(record.buffer, record.byteOffset);
  view.setUint32(AT.rflags, view.getUint32(AT.rflags, true) & ~0x10, true);
}

/** Our CPU in both tiers. */
export interface Tiers {
  readonly cold: Simulated;
  readonly hot: Simulated;
}
export function tiers(isa: Isa): Tiers {
  return { cold: new Simulated(undefined, isa), hot: new Simulated(1, isa) };
}

/** Run `cases` here and on our CPU, `times` each; what differs, as text. */
export async function disagreements(
  cases: readonly Case[],
  simulated: Simulated,
  times: number,
): Promise<string[]> {
  const input = new Uint8Array(cases.length * RECORD);
  cases.forEach((c, i) => input.set(c.record, i * RECORD));
  const expected = split(await native(input));
  const failures: string[] = [];
  cases.forEach((c, i) => {
    const actual = c.record.slice();
    simulated.run(actual, times);
    if (c.row === rows[0]) [actual, expected[i]].forEach(clearAuxiliary);
    const difference = compare(c, expected[i], actual);
    if (difference !== "") failures.push(describe(c, difference));
  });
  return failures;
}
