/** Cases for the comparison with qemu, and the comparison itself. */
import {
  CONTROL,
  MEMORY,
  NZCV,
  STATE_SIZE,
  STATUS,
  type Subject,
  V,
  WORDS,
  X,
} from "./machine_state.ts";
import { runQemu } from "./qemu.ts";
import { instance, kindOf, Random, randomState, rows } from "./random_instructions.ts";

/** Neoverse N1 has not these; qemu's "max" has. */
export const newer = (name: string): boolean =>
  /^(LDAPUR|FCMLA|FCADD|FJCVTZS|CFINV|RMIF|SETF)/.test(name);
export const older = (name: string): boolean => !newer(name);

/** DC CVAP, X0: qemu's user mode has it not (target/arm/helper.c, dcpop_reg). */
const DC_CVAP = 0xd50b7c20;

/** FPCR.FZ and FPCR.DN. */
const FLUSH_TO_ZERO = 1 << 24;
const DEFAULT_NAN = 1 << 25;

/** A state to run, and what it is called. */
export interface Case {
  readonly name: string;
  readonly state: Uint8Array;
}

/** `count` instances of each row that `wanted` picks. */
export function instances(
  count: number,
  random: Random,
  wanted: (name: string) => boolean = () => true,
): Case[] {
  const cases: Case[] = [];
  for (const row of rows) {
    const kind = kindOf(row);
    if (kind === null || !wanted(row.name)) continue;
    for (let i = 0; i < count; i++) {
      let word: number | null;
      do word = instance(row, random); while (word !== null && (word & ~31) >>> 0 === DC_CVAP);
      if (word === null) throw new Error(`no instance of ${row.name}`);
      const state = randomState([word], kind === "zva", random);
      cases.push({ name: `${row.name} ${(word >>> 0).toString(16)}`, state });
    }
  }
  return cases;
}

/** What differs, in words. */
function differences(want: Uint8Array, got: Uint8Array): string[] {
  const hex = (state: Uint8Array, at: number, size: number): string =>
    [...state.subarray(at, at + size)].reverse().map((b) => b.toString(16).padStart(2, "0"))
      .join("");
  const parts: string[] = [];
  const compare = (name: string, at: number, size: number): void => {
    for (let i = at; i < at + size; i++) {
      if (want[i] === got[i]) continue;
      parts.push(`${name}: qemu ${hex(want, at, size)}, ours ${hex(got, at, size)}`);
      return;
    }
  };
  for (let i = 0; i < 32; i++) compare(i === 31 ? "sp" : `x${i}`, X + 8 * i, 8);
  for (let i = 0; i < 32; i++) compare(`v${i}`, V + 16 * i, 16);
  compare("nzcv", NZCV, 8);
  // Its flags are those of AArch32, which this CPU has not; qemu keeps them.
  want[STATUS + 3] &= 0x0f;
  compare("fpsr", STATUS, 4);
  compare("memory", MEMORY, STATE_SIZE - MEMORY);
  return parts;
}

/**
 * qemu 7.2 writes 32 bits, sign-extended, where the manual's V[d, 16] clears all above 16 (DDI 0487,
 * FCVTZS (vector, fixed-point)).
 */
const QEMU_SIGN_EXTENDS = /^FCVTZ.*half, scalar, fixed-point/;

/** Clear all but the lowest half of vector register `i`. */
function clearAbove(state: Uint8Array, i: number): void {
  state.fill(0, V + 16 * i + 2, V + 16 * i + 16);
}

/**
 * qemu 7.2 calls a positive subnormal number that FPCR.FZ flushes exact; the manual does not
 * (DDI 0487, FPToFixedJS).
 */
const QEMU_CALLS_EXACT = /^FJCVTZS/;

/** If vector register `i` of `before` was a subnormal number that was flushed, Z is clear. */
function notExact(state: Uint8Array, before: Uint8Array, i: number): void {
  const view = new DataView(before.buffer, before.byteOffset);
  const [low, high] = [0, 4].map((at) => view.getUint32(V + 16 * (i & 31) + at, true));
  const flushes = (view.getUint32(CONTROL, true) & FLUSH_TO_ZERO) !== 0;
  if (flushes && high < 0x100000 && (low | high) !== 0) state[NZCV + 3] &= 0xbf;
}

/** Run `cases` under qemu and on our CPU, `times` each; what differs, as text. */
export async function disagreements(
  harness: string,
  cases: readonly Case[],
  cpu: string,
  subject: Subject,
  times: number,
): Promise<string[]> {
  const expected = await runQemu(harness, cases.map((c) => c.state), cpu);
  const failures: string[] = [];
  cases.forEach(({ name, state }, i) => {
    const got = subject.run(state, times);
    const want = expected[i];
    if (QEMU_SIGN_EXTENDS.test(name)) clearAbove(want, Number.parseInt(name.slice(-2), 16) & 31);
    if (QEMU_CALLS_EXACT.test(name)) {
      notExact(want, state, Number.parseInt(name.slice(-3), 16) >> 5);
    }
    const parts = differences(want, got);
    if (parts.length > 0) failures.push(`${name}\n  ${parts.join("\n  ")}`);
  });
  return failures;
}

/** Conditions, after every way to set flags: set, then branch over an instruction, or select. */
export function flagCases(count: number, random: Random): Case[] {
  const setters = rows.filter((r) =>
    /^(ADDS|ANDS|ADD\/SUB|ADCS|CCM|FCMP|FCCMP|AND\/ORR|logical)/.test(r.name)
  );
  const cases: Case[] = [];
  const ADD = 0x91000401; // add x1, x0, #1
  for (const row of setters) {
    for (let i = 0; i < count; i++) {
      const set = instance(row, random)!;
      const branch = 0x54000040 | random.below(16);
      const select = rows.find((r) => r.name.startsWith("CSEL"))!;
      const words = [set, branch, ADD, instance(select, random)!];
      const name = `${row.name} ${words.map((w) => (w >>> 0).toString(16)).join(" ")}`;
      cases.push({ name, state: randomState(words, false, random) });
    }
  }
  return cases;
}
/** Compare and test branches over one instruction; exclusive pairs. */
export function sequenceCases(count: number, random: Random): Case[] {
  const ADD = 0x91000401;
  const over = (row: string): number => {
    const r = rows.find((x) => x.name.startsWith(row))!;
    const word = r.value | (random.next() & ~r.mask);
    // 8 bytes ahead.
    return row === "TBZ" ? (word & ~(0x3fff << 5)) | (2 << 5) : (word & ~(0x7ffff << 5)) | (2 << 5);
  };
  const cases: Case[] = [];
  // adr x16, . + 12; then br, blr or ret by x16 over one instruction; b or bl over one.
  const far = [0x10000070, 0xd61f0200, 0xd63f0200, 0xd65f0200, 0x14000002, 0x94000002];
  for (let i = 0; i < count; i++) {
    const [adr, ...transfers] = far;
    const transfer = random.pick(transfers);
    const direct = transfer < 0xa0000000;
    const words = direct ? [ADD, transfer, ADD, ADD] : [adr, transfer, ADD, ADD];
    cases.push({
      name: words.map((w) => (w >>> 0).toString(16)).join(" "),
      state: randomState(words, false, random),
    });
  }
  for (let i = 0; i < count; i++) {
    const size = random.below(4) << 30;
    // ldxr x1, [x20]; add x1, x1, #n; stxr w2, x3, [x20]; clrex or nop
    const load = 0x085f7e81 | size;
    const store = 0x08027e83 | size;
    for (
      const words of [
        [over("CBZ"), ADD, over("TBZ"), ADD],
        [load, ADD, store, store],
        [load, 0xd503305f, store, ADD],
      ]
    ) {
      cases.push({
        name: words.map((w) => (w >>> 0).toString(16)).join(" "),
        state: randomState(words.slice(0, WORDS), false, random),
      });
    }
  }
  return cases;
}

/** FMADD of every combination of special numbers, in each mode of flushing and of NaNs. */
export function specialFusedCases(random: Random): Case[] {
  const doubles = [0n, 1n, 0x3ff0n << 48n, 0x7ff0n << 48n, 0xfff0n << 48n, 0x7ff8n << 48n]
    .concat(0x7ff0_0000_0000_0001n);
  const singles = [0n, 1n, 0x3f80_0000n, 0x7f80_0000n, 0xff80_0000n, 0x7fc0_0000n, 0x7f80_0001n];
  const cases: Case[] = [];
  for (const [word, numbers] of [[0x1f020c20, singles], [0x1f420c20, doubles]] as const) {
    for (const mode of [0, FLUSH_TO_ZERO, FLUSH_TO_ZERO | DEFAULT_NAN]) {
      for (let i = 0; i < numbers.length ** 3; i++) {
        const operands = [0, 1, 2].map((k) => numbers[Math.floor(i / 7 ** k) % 7]);
        const state = randomState([word], false, random);
        const view = new DataView(state.buffer);
        view.setUint32(CONTROL, mode, true);
        operands.forEach((bits, k) => view.setBigUint64(V + 16 * (k + 1), bits, true));
        const name = `FMADD, FPCR ${mode.toString(16)}, ${operands.map((x) => x.toString(16))}`;
        cases.push({ name, state });
      }
    }
  }
  return cases;
}

/** Whether `words` have the instruction, MRS or MSR of FPCR or FPSR, of any register. */
const has = (words: readonly number[], instruction: number): boolean =>
  words.some((word) => (word & ~31) >>> 0 === instruction);
/** Pairs of MSR and MRS of FPCR and FPSR. qemu keeps fields of AArch32, which this CPU has not. */
const ROUND_TRIPS = [[0xd51b4400, 0xd53b4400], [0xd51b4420, 0xd53b4420]];

/** TPIDR_EL0 written and read. */
export function threadPointerCases(count: number, random: Random): Case[] {
  const [write, read] = [0xd51bd040, 0xd53bd040];
  return Array.from({ length: count }, () => {
    const words = [write | random.below(32), read | random.below(32)];
    const name = words.map((w) => (w >>> 0).toString(16)).join(" ");
    return { name, state: randomState(words, false, random) };
  });
}

/** Four instructions of any rows, one after the other. */
export function straightCases(count: number, random: Random): Case[] {
  const pool = rows.filter((row) =>
    older(row.name) && !QEMU_SIGN_EXTENDS.test(row.name) && kindOf(row) === "plain"
  );
  return Array.from({ length: count }, () => {
    let words: number[];
    do words = Array.from({ length: WORDS }, () => instance(random.pick(pool), random)!); while (
      ROUND_TRIPS.some((pair) => pair.every((each) => has(words, each)))
    );
    const name = words.map((w) => (w >>> 0).toString(16)).join(" ");
    const state = randomState(words, false, random);
    return { name, state };
  });
}
