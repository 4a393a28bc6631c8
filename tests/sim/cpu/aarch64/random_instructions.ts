/** Random instances of decode rows, and machine states that suit them. */
import { Decoded } from "../../../../sim/cpu/ir/decoded.ts";
import { aarch64 } from "../../../../sim/cpu/aarch64/isa.ts";
import { AArch64Row } from "../../../../sim/cpu/aarch64/row.ts";
import { fieldsOf } from "../../../../sim/cpu/aarch64/pattern.ts";
import {
  CODE,
  CONTROL,
  MEMORY,
  NZCV,
  SLOT,
  STACK,
  STATE,
  STATE_SIZE,
  STATUS,
  V,
  WORDS,
  X,
} from "./machine_state.ts";

/** xorshift32: the same sequence everywhere. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 1;
  }
  /** 32 random bits, unsigned. */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }
  /** 0 … n-1. */
  below(n: number): number {
    return this.next() % n;
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }
}

const NOP = 0xd503201f;

export const rows = aarch64.rows as readonly AArch64Row[];

/** Rows that are not compared, and why. */
const NOT_COMPARED: readonly [RegExp, string][] = [
  [/^undefined/, "stands for undefined encodings: compared by the tests of faults"],
  [/^BRK/, "ends the program: compared by the tests of faults"],
  [/^SVC/, "ends each case"],
  [/^MRS (\(ID|CNTVCT)/, "answers with what the machine is"],
];
/** Rows that are compared in sequences alone: branches, and those of a register that the harness uses. */
const IN_SEQUENCES = /^(B$|BL$|B\.cond|CBZ|TBZ|BR$|BLR|RET|M(RS|SR) TPIDR_)/;

/** Why a row is not compared, or null. */
export function reasonAgainst(row: AArch64Row): string | null {
  return NOT_COMPARED.find(([pattern]) => pattern.test(row.name))?.[1] ?? null;
}

/** What a row needs of its registers. */
type Kind = "plain" | "memory" | "zva";
export function kindOf(row: AArch64Row): Kind | null {
  if (reasonAgainst(row) !== null || IN_SEQUENCES.test(row.name)) return null;
  if (/^(DC|IC) /.test(row.name)) return "zva";
  if (/^(YIELD|MRS|HINT|DSB|ISB|SB|CLREX|DC |PRF)/.test(row.name)) return "plain";
  // Loads and stores: bits 27 and 25 are x1x0.
  return (row.mask & row.value & 0x08000000) !== 0 && (row.mask & ~row.value & 0x02000000) !== 0
    ? "memory"
    : "plain";
}

/** MRS X0, ID_AA64PFR0_EL1; its neighbours are ID registers too. */
const ID_AA64PFR0 = 0xd5380400;

const bytes = new Uint8Array(4);
const decoded = new Decoded();
/** Number of the row that a word decodes to. */
export function rowOf(word: number): number {
  new DataView(bytes.buffer).setUint32(0, word, true);
  aarch64.decode(bytes, 0, 4, SLOT, decoded);
  return decoded.row;
}

/** A random word of the row that decodes to it, or null after many tries. */
export function instance(row: AArch64Row, random: Random): number | null {
  const fields = fieldsOf(row.pattern);
  const kind = kindOf(row);
  const index = rows.indexOf(row);
  for (let attempt = 0; attempt < 5000; attempt++) {
    let word = (random.next() & ~row.mask) | row.value;
    if (kind === "memory") word = tame(word, fields, row.name, random);
    if (row.name === "MRS (ID register)") word = ID_AA64PFR0 | (random.below(8) << 5) | (word & 31);
    if (kind === "zva") word &= ~1; // not XZR: its zero is no address
    if (row.matches(word) && rowOf(word) === index) return word;
  }
  return null;
}

type FieldMap = ReturnType<typeof fieldsOf>;

/** Offsets that stay near the base, registers that do not collide. */
function tame(word: number, fields: FieldMap, name: string, random: Random): number {
  let w = word;
  const put = (name: string, value: number): void => {
    const f = fields[name];
    if (f !== undefined) w = (w & ~(f.mask << f.shift)) | ((value & f.mask) << f.shift);
  };
  put("imm12", random.below(8));
  // Acquire and release want aligned addresses.
  put("imm9", name.startsWith("LDAPUR") ? 8 * (random.below(8) - 4) : random.below(64) - 32);
  put("imm7", random.below(8) - 4);
  put("imm19", 0x4000 + random.below(64) * 4);
  // Base in X20-X21 or SP, index in X22, data elsewhere.
  put("rn", random.pick([20, 21, 31]));
  put("rm", random.pick([22, 22, 31]));
  put("rt", random.pick([0, 1, 2, 3, 4, 18, 30, 31]));
  put("rt2", random.pick([5, 6, 7, 31]));
  put("rs", random.pick([8, 9, 10, 31]));
  if (fields.l !== undefined && fields.sz !== undefined) {
    put("rs", 8);
    put("rt", 2);
  }
  return w;
}

const DOUBLES = [
  0x0000000000000000n,
  0x8000000000000000n,
  0x3ff0000000000000n,
  0xbff8000000000000n,
  0x7ff0000000000000n,
  0xfff0000000000000n,
  0x7ff8000000000000n,
  0x7ff4000000000123n,
  0xfff8000000abcdefn,
  0x0000000000000001n,
  0x800fffffffffffffn,
  0x0010000000000000n,
  0x7fefffffffffffffn,
  0x3fe0000000000000n,
  0x4004000000000000n,
  0x41dfffffffc00000n,
  0x43e0000000000000n,
  0xc3e0000000000000n,
  0x41efffffffe80000n,
  0x3ca0000000000000n,
  0x36a0000000000000n,
  0x47efffffe0000000n,
  0x47f0000000000001n,
];
const SINGLES = [
  0x00000000,
  0x80000000,
  0x3f800000,
  0xbfc00000,
  0x7f800000,
  0xff800000,
  0x7fc00000,
  0x7fa00123,
  0xffc0abcd,
  0x00000001,
  0x807fffff,
  0x00800000,
  0x7f7fffff,
  0x3f000000,
  0x40200000,
  0x4effffff,
  0x4f000000,
  0xcf000000,
  0x5f000000,
  0x33800000,
  0x477fe000,
  0x477ff000,
  0x38800000,
  0x33000001,
];

const HALVES = [
  ...[0x0000, 0x8000, 0x3c00, 0xbe00, 0x7c00, 0xfc00, 0x7e00, 0x7d23, 0xfeab, 0x0001, 0x83ff],
  ...[0x0400, 0x7bff, 0x3800, 0x4100, 0x77ff, 0xf800, 0x1400, 0x5bff, 0x7fff, 0xffff],
];

/**
 * A number as Berkeley TestFloat makes them: an exponent at or near the ends, the middle or those where
 * integers end, and a fraction of few runs of bits.
 */
function hardNumber(exponentBits: number, fractionBits: number, random: Random): bigint {
  const top = (1 << exponentBits) - 1;
  const middle = top >> 1;
  const near = random.pick([
    ...[0, 0, 1, 2, top, top - 1, top - 2, middle, middle, middle - 1, middle + 1],
    ...[middle - fractionBits, middle + fractionBits, middle + 15, middle + 31, middle + 63],
  ]);
  const spread = random.below(3) === 0 ? random.below(5) - 2 : 0;
  const chosen = random.below(5) === 0 ? random.below(top) : near + spread;
  const exponent = Math.min(Math.max(chosen, 0), top);
  const all = (1n << BigInt(fractionBits)) - 1n;
  const ones = all >> BigInt(random.below(fractionBits));
  const bit = 1n << BigInt(random.below(fractionBits));
  const fraction = random.pick([0n, 0n, 1n, all, bit, all ^ bit, ones, all ^ ones, ones ^ bit]);
  const sign = BigInt(random.below(2)) << BigInt(exponentBits + fractionBits);
  return sign | (BigInt(exponent) << BigInt(fractionBits)) | fraction;
}

/** Fill one vector register: random bits, special floats, floats of one size, or small elements. */
function fillVector(view: DataView, at: number, random: Random): void {
  const style = random.below(10);
  for (let i = 0; i < 4; i++) view.setUint32(at + 4 * i, random.next(), true);
  if (style === 1) {
    for (let i = 0; i < 2; i++) view.setBigUint64(at + 8 * i, random.pick(DOUBLES), true);
  } else if (style === 2) {
    for (let i = 0; i < 4; i++) view.setUint32(at + 4 * i, random.pick(SINGLES), true);
  } else if (style === 3) {
    for (let i = 0; i < 2; i++) {
      view.setFloat64(at + 8 * i, (random.next() - 2 ** 31) / 2 ** random.below(60), true);
    }
  } else if (style === 4) {
    for (let i = 0; i < 4; i++) {
      view.setFloat32(at + 4 * i, (random.next() - 2 ** 31) / 2 ** random.below(60), true);
    }
  } else if (style === 6) {
    for (let i = 0; i < 8; i++) {
      const ordinary = random.below(0x3000) + 0x2400 + (random.below(2) << 15);
      const half = random.below(2) ? random.pick(HALVES) : ordinary;
      view.setUint16(at + 2 * i, half, true);
    }
  } else if (style === 7) {
    for (let i = 0; i < 2; i++) view.setBigUint64(at + 8 * i, hardNumber(11, 52, random), true);
  } else if (style === 8) {
    for (let i = 0; i < 4; i++) view.setUint32(at + 4 * i, Number(hardNumber(8, 23, random)), true);
  } else if (style === 9) {
    for (let i = 0; i < 8; i++) view.setUint16(at + 2 * i, Number(hardNumber(5, 10, random)), true);
  } else if (style === 5) {
    for (let i = 0; i < 16; i++) {
      view.setInt8(at + i, random.pick([0, 1, -1, 127, -128, 8, 64, 15]));
    }
  }
}

const INTEGERS = [
  0n,
  1n,
  0xffffffffffffffffn,
  1n << 63n,
  (1n << 63n) - 1n,
  0x80000000n,
  0x7fffffffn,
];

/** Words (at most four) and a state to run them in. */
export function randomState(words: readonly number[], zva: boolean, random: Random): Uint8Array {
  const state = new Uint8Array(STATE_SIZE);
  const view = new DataView(state.buffer);
  for (let i = 0; i < 31; i++) {
    const x = random.below(4) === 0
      ? random.pick(INTEGERS)
      : (BigInt(random.next()) << 32n) | BigInt(random.next());
    view.setBigUint64(X + 8 * i, x, true);
  }
  const middle = BigInt(STATE + MEMORY + 128);
  for (const base of [20, 21]) view.setBigUint64(X + 8 * base, middle, true);
  view.setBigUint64(STACK, middle, true);
  view.setBigUint64(X + 8 * 22, BigInt(random.below(8)), true);
  if (zva) { for (let i = 0; i < 31; i++) view.setBigUint64(X + 8 * i, middle, true); }
  view.setUint32(NZCV, random.next() & 0xf0000000, true);
  if (random.below(4) === 0) view.setUint32(CONTROL, random.next() & 0x07c80000, true);
  view.setUint32(STATUS, random.pick([0, 0, 0x10, 0x9f, 0x01]), true);
  for (let i = 0; i < WORDS; i++) view.setUint32(CODE + 4 * i, words[i] ?? NOP, true);
  for (let i = 0; i < 32; i++) fillVector(view, V + 16 * i, random);
  for (let i = MEMORY; i + 4 <= STATE_SIZE; i += 4) view.setUint32(i, random.next(), true);
  return state;
}
