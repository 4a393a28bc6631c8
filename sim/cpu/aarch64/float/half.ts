/**
 * Half-precision arithmetic (FEAT_FP16), exactly, on bits in the low half of an i32: all of it on the
 * host, for programs that compute with halves are few.
 */
import type { Emitter } from "../../ir/emitter.ts";
import type { Helper, Node } from "../../ir/types.ts";
import { CURRENT, EXACT, type Mode } from "./convert.ts";
import { recpe, rsqrte } from "./estimate.ts";
import { softHelper } from "./host.ts";
import * as soft from "./soft_float.ts";
import { HALF } from "./soft_float.ts";

const SIGN = 0x8000n, TWO = 0x4000n, THREE = 0x4200n, ONE_AND_A_HALF = 0x3e00n;
const ALL_ONES = 0xffffn;
const isNaN = (x: bigint): boolean => soft.isNaN(HALF, x);

type Run = (control: number, ...operands: bigint[]) => bigint;

/** Arithmetic does not know the alternative format. */
const ALTERNATIVE = 1 << 26;

/** An operation on numbers; NaNs are processed before. */
const ofNumbers = (run: Run): Run => (control, ...operands) =>
  operands.some(isNaN) ? soft.processNaNs(HALF, control, ...operands) : run(control, ...operands);

const multiply: Run = (c, a, b) => soft.fusedMultiplyAdd(HALF, null, a, b, c);
const extremum = (max: boolean): Run => (c, a, b) => soft.extremum(HALF, a, b, max, c);
/** A quiet NaN loses against a number. */
const numberWins = (max: boolean): Run => {
  const plain = ofNumbers(extremum(max));
  const isQuiet = (x: bigint): boolean => isNaN(x) && (x & 0x200n) !== 0n;
  return (c, a, b) => {
    if (isQuiet(a) && !isNaN(b)) a = b;
    else if (isQuiet(b) && !isNaN(a)) b = a;
    return plain(c, a, b);
  };
};
/** Zero times infinity, which steps and FMULX define. */
function isUndefinedProduct(a: bigint, b: bigint, control: number): boolean {
  const zero = (x: bigint): boolean => soft.orderOf(HALF, x, control) === 0n;
  const infinite = (x: bigint): boolean => (x & 0x7fffn) === 0x7c00n;
  return (zero(a) && infinite(b)) || (infinite(a) && zero(b));
}
const step = (addend: bigint, instead: bigint, scale: number): Run => (c, a, b) => {
  const minus = a ^ SIGN;
  if (isNaN(minus) || isNaN(b)) return soft.processNaNs(HALF, c, minus, b);
  if (isUndefinedProduct(a, b, c)) return instead;
  return soft.fusedMultiplyAdd(HALF, addend, minus, b, c, scale);
};
const compare =
  (signals: boolean, magnitude: boolean, holds: (a: bigint, b: bigint) => boolean): Run =>
  (c, a, b) => {
    if (soft.unordered(HALF, signals, a, b)) return 0n;
    const order = (x: bigint): bigint => soft.orderOf(HALF, magnitude ? x & 0x7fffn : x, c);
    return holds(order(a), order(b)) ? ALL_ONES : 0n;
  };
const equal = (a: bigint, b: bigint): boolean => a === b;
const atLeast = (a: bigint, b: bigint): boolean => a >= b;
const greater = (a: bigint, b: bigint): boolean => a > b;

/** FRECPX: the exponent complemented, no fraction. */
const exponentReciprocal: Run = (c, x) => {
  const exponent = x & 0x7c00n;
  const flushed = exponent === 0n ? soft.extremum(HALF, x, x, true, c) : x;
  return (flushed & SIGN) | (exponent === 0n ? 0x7800n : exponent ^ 0x7c00n);
};

const subtract = ofNumbers((c, a, b) => soft.add(HALF, a, b ^ SIGN, c));
const binary = {
  add: ofNumbers((c, a, b) => soft.add(HALF, a, b, c)),
  sub: subtract,
  mul: ofNumbers(multiply),
  mulx: ofNumbers((c, a, b) =>
    isUndefinedProduct(a, b, c) ? ((a ^ b) & SIGN) | TWO : multiply(c, a, b)
  ),
  div: ofNumbers((c, a, b) => soft.divide(HALF, a, b, c)),
  max: ofNumbers(extremum(true)),
  min: ofNumbers(extremum(false)),
  maxnm: numberWins(true),
  minnm: numberWins(false),
  abd: (c, a, b) => subtract(c, a, b) & 0x7fffn,
  recps: step(TWO, TWO, 0),
  rsqrts: step(THREE, ONE_AND_A_HALF, -1),
  eq: compare(false, false, equal),
  ge: compare(true, false, atLeast),
  gt: compare(true, false, greater),
  acge: compare(true, true, atLeast),
  acgt: compare(true, true, greater),
} satisfies Record<string, Run>;
const unary = {
  abs: (_c, x) => x & 0x7fffn,
  neg: (_c, x) => x ^ SIGN,
  sqrt: ofNumbers((c, x) => soft.squareRoot(HALF, x, c)),
  recpe: ofNumbers((c, x) => recpe(HALF, x, c)),
  rsqrte: ofNumbers((c, x) => rsqrte(HALF, x, c)),
  recpx: ofNumbers(exponentReciprocal),
} satisfies Record<string, Run>;

export type HalfBinary = keyof typeof binary;
export type HalfUnary = keyof typeof unary;

function helpers<K extends string>(
  table: Record<K, Run>,
  arity: number,
): Record<K, Helper> {
  const made: Partial<Record<K, Helper>> = {};
  for (const name of Object.keys(table) as K[]) {
    const params = Array.from({ length: arity }, () => "i32" as const);
    made[name] = softHelper(
      `${name}_f16`,
      params,
      "i32",
      (control, ...x) => table[name](control & ~ALTERNATIVE, ...x),
    );
  }
  return made as Record<K, Helper>;
}
const binaryHelpers = helpers(binary, 2);
const unaryHelpers = helpers(unary, 1);

const fused = softHelper("fma_f16", ["i32", "i32", "i32"], "i32", (control, addend, a, b) => {
  const c = control & ~ALTERNATIVE;
  if (!isNaN(a) && !isNaN(b) && isUndefinedProduct(a, b, c) && isNaN(addend)) {
    // Invalid though the addend is a quiet NaN: the default NaN. A signalling one is processed.
    const r = soft.processNaNs(HALF, c, addend);
    if ((addend & 0x200n) === 0n) return r;
    return soft.fusedMultiplyAdd(HALF, null, a, b, c);
  }
  if (isNaN(addend) || isNaN(a) || isNaN(b)) return soft.processNaNs(HALF, c, addend, a, b);
  return soft.fusedMultiplyAdd(HALF, addend, a, b, c);
});

const rounding = softHelper("round_f16", ["i32", "i32"], "i32", (control, x, mode) => {
  const c = control & ~ALTERNATIVE;
  if (isNaN(x)) return soft.processNaNs(HALF, c, x);
  const named = Number(BigInt.asIntN(32, mode)) as Mode;
  const r = named === CURRENT || named === EXACT ? soft.roundingOf(c) : named;
  return soft.roundToIntegral(HALF, x, c, r, named === EXACT);
});

/** Bits, fraction bits, mode, signed, width. */
const integer = softHelper(
  "to_integer_f16",
  ["i32", "i32", "i32", "i32", "i32"],
  "i64",
  (control, x, fraction, mode, signed, width) => {
    if (isNaN(x)) {
      soft.raise(1);
      return 0n;
    }
    const [scale, bits, rounding] = [fraction, width, mode].map(Number);
    return soft.toInteger(
      HALF,
      x,
      scale,
      bits,
      signed !== 0n,
      control & ~ALTERNATIVE,
      rounding,
    );
  },
);
const fromInteger = softHelper(
  "from_integer_f16",
  ["i64", "i32", "i32"],
  "i32",
  (control, x, fraction, signed) =>
    soft.fromInteger(
      HALF,
      signed !== 0n ? BigInt.asIntN(64, x) : x,
      Number(fraction),
      control & ~ALTERNATIVE,
    ),
);
/** NZCV of FCMP and FCMPE in bits 31–28. */
const flags = softHelper("compare_f16", ["i32", "i32", "i32"], "i32", (control, a, b, signals) => {
  const c = control & ~ALTERNATIVE;
  if (soft.unordered(HALF, signals !== 0n, a, b)) return 0x30000000n;
  const [x, y] = [a, b].map((v) => soft.orderOf(HALF, v, c));
  return x === y ? 0x60000000n : x < y ? 0x80000000n : 0x20000000n;
});

/** An operation of two halves, or of one. */
export function halfBinary(e: Emitter, name: HalfBinary, a: Node, b: Node): Node {
  return e.call(binaryHelpers[name], a, b);
}
export function halfUnary(e: Emitter, name: HalfUnary, x: Node): Node {
  return e.call(unaryHelpers[name], x);
}
/** addend + a · b with one rounding. */
export function halfFused(e: Emitter, addend: Node, a: Node, b: Node): Node {
  return e.call(fused, addend, a, b);
}
/** FRINT*. */
export function halfRound(e: Emitter, x: Node, mode: Mode): Node {
  return e.call(rounding, x, e.i32(mode));
}
/** x · 2^fraction as an integer of `width` bits (i64), saturating. */
export function halfToInteger(
  e: Emitter,
  x: Node,
  fraction: Node,
  mode: soft.Rounding,
  signed: boolean,
  width: number,
): Node {
  return e.call(integer, x, fraction, e.i32(mode), e.i32(signed ? 1 : 0), e.i32(width));
}
/** Integer (i64, extended) · 2^-fraction. */
export function halfFromInteger(e: Emitter, x: Node, fraction: Node, signed: boolean): Node {
  return e.call(fromInteger, x, fraction, e.i32(signed ? 1 : 0));
}
/** NZCV of a comparison, in bits 31–28. */
export function halfCompare(e: Emitter, a: Node, b: Node, signals: boolean): Node {
  return e.call(flags, a, b, e.i32(signals ? 1 : 0));
}
