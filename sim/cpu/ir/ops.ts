/**
 * The op table: every pure operation of the IR with its operand types, its WebAssembly lowering and
 * a plain reference evaluation. All that executes guest code is generated from this table.
 *
 * Opcodes are those of the WebAssembly core specification 3.0, section 5.4 (binary instructions).
 * Reference values: i32 a signed number, i64 an unsigned bigint below 2^64, f32 and f64 their bits in
 * the same forms (so NaN payloads survive), v128 sixteen bytes.
 */
import type { Type } from "./types.ts";
import { simdOps } from "./ops_simd.ts";

export type Value = number | bigint | Uint8Array;

/** One pure operation. */
export interface Op {
  readonly args: readonly Type[];
  readonly result: Type;
  /** Opcode bytes; a lane or shuffle immediate follows where `immediate` says so. */
  readonly wasm: readonly number[];
  /** Bytes of immediate that follow the opcode (1 for a lane, 16 for a shuffle). */
  readonly immediate?: number;
  /** May trap (divisions): semantics must exclude the trapping inputs first. */
  readonly traps?: boolean;
  readonly evaluate: (args: readonly Value[], immediate?: Uint8Array) => Value;
}

const MASK = (1n << 64n) - 1n;
const u64 = (x: bigint): bigint => x & MASK;
const s64 = (x: bigint): bigint => BigInt.asIntN(64, x);
const bit = (x: boolean): number => x ? 1 : 0;

/** Conversion between floats and their bits, in one scratch buffer. */
const scratch = new DataView(new ArrayBuffer(16));
/** @internal */
export function f64Of(bits: Value): number {
  scratch.setBigUint64(0, bits as bigint);
  return scratch.getFloat64(0);
}
/** @internal */
export function f64Bits(x: number): bigint {
  scratch.setFloat64(0, x);
  return scratch.getBigUint64(0);
}
/** @internal */
export function f32Of(bits: Value): number {
  scratch.setInt32(0, bits as number);
  return scratch.getFloat32(0);
}
/** @internal */
export function f32Bits(x: number): number {
  scratch.setFloat32(0, x);
  return scratch.getInt32(0);
}

/** Round to the nearest integral value, ties to even, keeping the sign of zero. */
export function nearest(x: number): number {
  if (!Number.isFinite(x) || x === 0 || Math.abs(x) >= 2 ** 52) return x;
  const floor = Math.floor(x);
  const rest = x - floor;
  const r = rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
  return r === 0 && (x < 0 || Object.is(x, -0)) ? -0 : r;
}

const table: Record<string, Op> = {};

type I32Binary = (a: number, b: number) => number;
type I64Binary = (a: bigint, b: bigint) => bigint;
function i32op(name: string, opcode: number, run: I32Binary, traps = false): void {
  table[`i32.${name}`] = {
    args: ["i32", "i32"],
    result: "i32",
    wasm: [opcode],
    traps,
    evaluate: ([a, b]) => run(a as number, b as number) | 0,
  };
}
function i64op(name: string, opcode: number, run: I64Binary, traps = false): void {
  table[`i64.${name}`] = {
    args: ["i64", "i64"],
    result: "i64",
    wasm: [opcode],
    traps,
    evaluate: ([a, b]) => u64(run(a as bigint, b as bigint)),
  };
}
function i64compare(name: string, opcode: number, run: (a: bigint, b: bigint) => boolean): void {
  table[`i64.${name}`] = {
    args: ["i64", "i64"],
    result: "i32",
    wasm: [opcode],
    evaluate: ([a, b]) => bit(run(a as bigint, b as bigint)),
  };
}
function unary(
  name: string,
  arg: Type,
  result: Type,
  wasm: readonly number[],
  run: (a: Value) => Value,
  traps = false,
): void {
  table[name] = { args: [arg], result, wasm, traps, evaluate: ([a]) => run(a) };
}

i32op("add", 0x6a, (a, b) => a + b);
i32op("sub", 0x6b, (a, b) => a - b);
i32op("mul", 0x6c, Math.imul);
i32op("div_s", 0x6d, (a, b) => a / b, true);
i32op("div_u", 0x6e, (a, b) => (a >>> 0) / (b >>> 0), true);
i32op("rem_s", 0x6f, (a, b) => a % b, true);
i32op("rem_u", 0x70, (a, b) => (a >>> 0) % (b >>> 0), true);
i32op("and", 0x71, (a, b) => a & b);
i32op("or", 0x72, (a, b) => a | b);
i32op("xor", 0x73, (a, b) => a ^ b);
i32op("shl", 0x74, (a, b) => a << b);
i32op("shr_s", 0x75, (a, b) => a >> b);
i32op("shr_u", 0x76, (a, b) => a >>> b);
i32op("rotl", 0x77, (a, b) => (a << b) | (a >>> (-b & 31)));
i32op("rotr", 0x78, (a, b) => (a >>> b) | (a << (-b & 31)));
i32op("eq", 0x46, (a, b) => bit(a === b));
i32op("ne", 0x47, (a, b) => bit(a !== b));
i32op("lt_s", 0x48, (a, b) => bit(a < b));
i32op("lt_u", 0x49, (a, b) => bit(a >>> 0 < b >>> 0));
i32op("gt_s", 0x4a, (a, b) => bit(a > b));
i32op("gt_u", 0x4b, (a, b) => bit(a >>> 0 > b >>> 0));
i32op("le_s", 0x4c, (a, b) => bit(a <= b));
i32op("le_u", 0x4d, (a, b) => bit(a >>> 0 <= b >>> 0));
i32op("ge_s", 0x4e, (a, b) => bit(a >= b));
i32op("ge_u", 0x4f, (a, b) => bit(a >>> 0 >= b >>> 0));
unary("i32.eqz", "i32", "i32", [0x45], (a) => bit(a === 0));
unary("i32.clz", "i32", "i32", [0x67], (a) => Math.clz32(a as number));
unary("i32.ctz", "i32", "i32", [0x68], (a) => {
  const x = a as number;
  return x === 0 ? 32 : 31 - Math.clz32(x & -x);
});
unary("i32.popcnt", "i32", "i32", [0x69], (a) => popcount(BigInt(a as number >>> 0)));
unary("i32.extend8_s", "i32", "i32", [0xc0], (a) => (a as number) << 24 >> 24);
unary("i32.extend16_s", "i32", "i32", [0xc1], (a) => (a as number) << 16 >> 16);
unary("i32.wrap_i64", "i64", "i32", [0xa7], (a) => Number(BigInt.asIntN(32, a as bigint)));

i64op("add", 0x7c, (a, b) => a + b);
i64op("sub", 0x7d, (a, b) => a - b);
i64op("mul", 0x7e, (a, b) => a * b);
i64op("div_s", 0x7f, (a, b) => s64(a) / s64(b), true);
i64op("div_u", 0x80, (a, b) => a / b, true);
i64op("rem_s", 0x81, (a, b) => s64(a) % s64(b), true);
i64op("rem_u", 0x82, (a, b) => a % b, true);
i64op("and", 0x83, (a, b) => a & b);
i64op("or", 0x84, (a, b) => a | b);
i64op("xor", 0x85, (a, b) => a ^ b);
i64op("shl", 0x86, (a, b) => a << (b & 63n));
i64op("shr_s", 0x87, (a, b) => s64(a) >> (b & 63n));
i64op("shr_u", 0x88, (a, b) => a >> (b & 63n));
i64op("rotl", 0x89, (a, b) => (a << (b & 63n)) | (a >> (-b & 63n)));
i64op("rotr", 0x8a, (a, b) => (a >> (b & 63n)) | (a << (-b & 63n)));
i64compare("eq", 0x51, (a, b) => a === b);
i64compare("ne", 0x52, (a, b) => a !== b);
i64compare("lt_s", 0x53, (a, b) => s64(a) < s64(b));
i64compare("lt_u", 0x54, (a, b) => a < b);
i64compare("gt_s", 0x55, (a, b) => s64(a) > s64(b));
i64compare("gt_u", 0x56, (a, b) => a > b);
i64compare("le_s", 0x57, (a, b) => s64(a) <= s64(b));
i64compare("le_u", 0x58, (a, b) => a <= b);
i64compare("ge_s", 0x59, (a, b) => s64(a) >= s64(b));
i64compare("ge_u", 0x5a, (a, b) => a >= b);
unary("i64.eqz", "i64", "i32", [0x50], (a) => bit(a === 0n));
unary("i64.clz", "i64", "i64", [0x79], (a) => BigInt(64 - (a === 0n ? 0 : a.toString(2).length)));
unary("i64.ctz", "i64", "i64", [0x7a], (a) => {
  const x = a as bigint;
  return x === 0n ? 64n : BigInt((x & -x).toString(2).length - 1);
});
unary("i64.popcnt", "i64", "i64", [0x7b], (a) => BigInt(popcount(a as bigint)));
unary("i64.extend8_s", "i64", "i64", [0xc2], (a) => u64(BigInt.asIntN(8, a as bigint)));
unary("i64.extend16_s", "i64", "i64", [0xc3], (a) => u64(BigInt.asIntN(16, a as bigint)));
unary("i64.extend32_s", "i64", "i64", [0xc4], (a) => u64(BigInt.asIntN(32, a as bigint)));
unary("i64.extend_i32_s", "i32", "i64", [0xac], (a) => u64(BigInt(a as number)));
unary("i64.extend_i32_u", "i32", "i64", [0xad], (a) => BigInt((a as number) >>> 0));

function popcount(x: bigint): number {
  let n = 0;
  for (; x !== 0n; x &= x - 1n) n++;
  return n;
}

// Floating point. Wasm does not promise NaN payloads: semantics that show a NaN to the guest choose
// its bits themselves.
for (
  const [type, of, bits, base, compare, fround] of [
    ["f64", f64Of, f64Bits, 0x99, 0x61, (x: number) => x],
    ["f32", f32Of, f32Bits, 0x8b, 0x5b, Math.fround],
  ] as const
) {
  const un: [string, number, (x: number) => number][] = [
    ["ceil", 2, Math.ceil],
    ["floor", 3, Math.floor],
    ["trunc", 4, Math.trunc],
    ["nearest", 5, nearest],
    ["sqrt", 6, Math.sqrt],
  ];
  for (const [name, at, run] of un) {
    unary(`${type}.${name}`, type, type, [base + at], (a) => bits(fround(run(of(a)))));
  }
  const bin: [string, number, (x: number, y: number) => number][] = [
    ["add", 7, (x, y) => x + y],
    ["sub", 8, (x, y) => x - y],
    ["mul", 9, (x, y) => x * y],
    ["div", 10, (x, y) => x / y],
    ["min", 11, Math.min],
    ["max", 12, Math.max],
  ];
  for (const [name, at, run] of bin) {
    table[`${type}.${name}`] = {
      args: [type, type],
      result: type,
      wasm: [base + at],
      evaluate: ([a, b]) => bits(fround(run(of(a), of(b)))),
    };
  }
  const compares: [string, (x: number, y: number) => boolean][] = [
    ["eq", (x, y) => x === y],
    ["ne", (x, y) => x !== y],
    ["lt", (x, y) => x < y],
    ["gt", (x, y) => x > y],
    ["le", (x, y) => x <= y],
    ["ge", (x, y) => x >= y],
  ];
  compares.forEach(([name, run], i) => {
    table[`${type}.${name}`] = {
      args: [type, type],
      result: "i32",
      wasm: [compare + i],
      evaluate: ([a, b]) => bit(run(of(a), of(b))),
    };
  });
}
const SIGN64 = 1n << 63n;
const SIGN32 = 1 << 31;
unary("f64.abs", "f64", "f64", [0x99], (a) => (a as bigint) & ~SIGN64);
unary("f64.neg", "f64", "f64", [0x9a], (a) => (a as bigint) ^ SIGN64);
unary("f32.abs", "f32", "f32", [0x8b], (a) => (a as number) & ~SIGN32);
unary("f32.neg", "f32", "f32", [0x8c], (a) => (a as number) ^ SIGN32);

unary("i32.reinterpret_f32", "f32", "i32", [0xbc], (a) => a);
unary("i64.reinterpret_f64", "f64", "i64", [0xbd], (a) => a);
unary("f32.reinterpret_i32", "i32", "f32", [0xbe], (a) => a);
unary("f64.reinterpret_i64", "i64", "f64", [0xbf], (a) => a);
unary("f32.demote_f64", "f64", "f32", [0xb6], (a) => f32Bits(f64Of(a)));
unary("f64.promote_f32", "f32", "f64", [0xbb], (a) => f64Bits(f32Of(a)));
unary("f32.convert_i32_s", "i32", "f32", [0xb2], (a) => f32Bits(a as number));
unary("f32.convert_i32_u", "i32", "f32", [0xb3], (a) => f32Bits((a as number) >>> 0));
unary("f32.convert_i64_s", "i64", "f32", [0xb4], (a) => bigToF32(s64(a as bigint)));
unary("f32.convert_i64_u", "i64", "f32", [0xb5], (a) => bigToF32(a as bigint));
unary("f64.convert_i32_s", "i32", "f64", [0xb7], (a) => f64Bits(a as number));
unary("f64.convert_i32_u", "i32", "f64", [0xb8], (a) => f64Bits((a as number) >>> 0));
unary("f64.convert_i64_s", "i64", "f64", [0xb9], (a) => f64Bits(Number(s64(a as bigint))));
unary("f64.convert_i64_u", "i64", "f64", [0xba], (a) => f64Bits(Number(a as bigint)));

/** 64-bit integer to f32 with one rounding: a sticky bit keeps the double exact enough. */
function bigToF32(x: bigint): number {
  const negative = x < 0n;
  let m = negative ? -x : x;
  let scale = 1;
  while (m >= 1n << 40n) {
    m = (m >> 1n) | (m & 1n);
    scale *= 2;
  }
  const value = Math.fround(Number(m) * scale);
  return f32Bits(negative ? -value : value);
}

function truncate(x: number, low: bigint, high: bigint): bigint {
  if (Number.isNaN(x)) return 0n;
  if (x <= Number(low)) return low;
  if (x >= Number(high)) return high;
  return BigInt(Math.trunc(x));
}
const sat: [string, Type, number][] = [
  ["i32.trunc_sat_f32_s", "f32", 0],
  ["i32.trunc_sat_f32_u", "f32", 1],
  ["i32.trunc_sat_f64_s", "f64", 2],
  ["i32.trunc_sat_f64_u", "f64", 3],
  ["i64.trunc_sat_f32_s", "f32", 4],
  ["i64.trunc_sat_f32_u", "f32", 5],
  ["i64.trunc_sat_f64_s", "f64", 6],
  ["i64.trunc_sat_f64_u", "f64", 7],
];
for (const [name, from, sub] of sat) {
  const wide = name.startsWith("i64");
  const width = wide ? 64n : 32n;
  const signed = name.endsWith("_s");
  const low = signed ? -(1n << (width - 1n)) : 0n;
  const high = (1n << (signed ? width - 1n : width)) - 1n;
  unary(name, from, wide ? "i64" : "i32", [0xfc, sub], (a) => {
    const v = truncate(from === "f32" ? f32Of(a) : f64Of(a), low, high);
    return wide ? u64(v) : Number(BigInt.asIntN(32, v));
  });
}

/** Every pure operation by name. */
export const ops: Readonly<Record<string, Op>> = Object.assign(table, simdOps);
