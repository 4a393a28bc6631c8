/**
 * SSE floating point where the host's arithmetic does not do: NaN results, a rounding mode other
 * than nearest, flush-to-zero, denormals-are-zero, unmasked exceptions.
 *
 * Operands and result travel through the scratch area of state memory: destination at +0, source at
 * +16, result at +32.
 */
import type { Helper } from "../ir/types.ts";
import { MXCSR, SCRATCH } from "../layout.ts";
import * as F from "./soft_float.ts";
import { reportOf } from "./sse_exceptions.ts";

/** Where operands and result lie. */
export const FIRST = SCRATCH;
export const SECOND = SCRATCH + 16;
export const RESULT = SCRATCH + 32;

export const enum FloatOp {
  Add,
  Sub,
  Mul,
  Div,
  Sqrt,
  Min,
  Max,
  AddSub,
  /** Source format to the other one; lanes count destination lanes. */
  Convert,
  /** Signed integers of 32 and 64 bits to the format. */
  FromInt32,
  FromInt64,
  /** Compares: `Compare` + predicate (0–31). */
  Compare = 32,
}

/** Shapes: lanes and format. */
export const enum Shape {
  S1,
  S4,
  D1,
  D2,
}

/** MXCSR fields. */
const DAZ = 1 << 6;
const FTZ = 1 << 15;

/** First NaN operand made quiet, as SSE chooses it; `a` before `b`. */
function chooseNan(env: F.Environment, a: F.Float, b: F.Float): F.Float {
  if (a.class === F.Class.SignalingNan || b.class === F.Class.SignalingNan) env.raise(F.INVALID);
  return F.quiet(F.isNan(a) ? a : b);
}

/** Outcomes of a comparison as bits, and for which of them each predicate (modulo 16) holds. */
const LESS = 1, EQUAL = 2, GREATER = 4, UNORDERED = 8;
const holds = [
  EQUAL,
  LESS,
  LESS | EQUAL,
  UNORDERED,
  LESS | GREATER | UNORDERED,
  EQUAL | GREATER | UNORDERED,
  GREATER | UNORDERED,
  LESS | EQUAL | GREATER,
  EQUAL | UNORDERED,
  LESS | UNORDERED,
  LESS | EQUAL | UNORDERED,
  0,
  LESS | GREATER,
  EQUAL | GREATER,
  GREATER,
  15,
];

function compare(env: F.Environment, predicate: number, a: F.Float, b: F.Float): boolean {
  let outcome = UNORDERED;
  if (F.isNan(a) || F.isNan(b)) {
    const signaling = a.class === F.Class.SignalingNan || b.class === F.Class.SignalingNan;
    // The ordering predicates refuse quiet NaNs as well, the others do not; bit 4 turns that round.
    const ordering = (predicate & 3) === 1 || (predicate & 3) === 2;
    if (signaling || ordering !== ((predicate & 16) !== 0)) env.raise(F.INVALID);
  } else {
    denormals(env, a, b);
    const o = F.order(a, b);
    outcome = o < 0 ? LESS : o > 0 ? GREATER : EQUAL;
  }
  return (holds[predicate & 15] & outcome) !== 0;
}

function denormals(env: F.Environment, a: F.Float, b: F.Float): void {
  if (a.denormal || b.denormal) env.raise(F.DENORMAL);
}

function arithmetic(
  env: F.Environment,
  f: F.Format,
  op: FloatOp,
  a: F.Float,
  b: F.Float,
): F.Float {
  if (op === FloatOp.Min || op === FloatOp.Max) {
    if (F.isNan(a) || F.isNan(b)) {
      env.raise(F.INVALID);
      return b;
    }
    denormals(env, a, b);
    const o = F.order(a, b);
    return (op === FloatOp.Min ? o < 0 : o > 0) ? a : b;
  }
  if (op === FloatOp.Sqrt) {
    if (F.isNan(b)) return chooseNan(env, b, b);
    if (!b.sign) denormals(env, b, b);
    return F.squareRoot(env, f, b);
  }
  if (F.isNan(a) || F.isNan(b)) return chooseNan(env, a, b);
  const before = env.flags;
  env.flags = 0;
  denormals(env, a, b);
  let r: F.Float;
  switch (op) {
    case FloatOp.Add:
      r = F.add(env, f, a, b);
      break;
    case FloatOp.Sub:
      r = F.add(env, f, a, F.negate(b));
      break;
    case FloatOp.Mul:
      r = F.multiply(env, f, a, b);
      break;
    default:
      r = F.divide(env, f, a, b);
  }
  // Division by zero and invalid operations come before the denormal exception.
  const first = env.flags & (F.INVALID | F.DIVIDE);
  env.flags = before | (first !== 0 ? first : env.flags);
  return r;
}

/** One operation; returns the report of its exceptions. */
function run(state: DataView, op: number, shape: number): number {
  const mxcsr = state.getUint32(MXCSR, true);
  const env = new F.Environment(
    (mxcsr >> 13) & 3,
    (mxcsr >> 7) & 0x3f,
    (mxcsr & FTZ) !== 0,
  );
  const f = shape <= Shape.S4 ? F.SINGLE : F.DOUBLE;
  const size = f === F.SINGLE ? 4 : 8;
  const full = shape === Shape.S4 ? 4 : shape === Shape.D2 ? 2 : 1;
  const lanes = op === FloatOp.Convert ? Math.min(full, 2) : full;
  const read = (at: number, format: F.Format, i: number): F.Float => {
    const bits = format === F.SINGLE
      ? BigInt(state.getUint32(at + 4 * i, true))
      : state.getBigUint64(at + 8 * i, true);
    const x = F.unpack(bits, format);
    return (mxcsr & DAZ) !== 0 && x.denormal ? F.zero(x.sign) : x;
  };
  const write = (i: number, bits: bigint): void => {
    if (size === 4) state.setUint32(RESULT + 4 * i, Number(BigInt.asUintN(32, bits)), true);
    else state.setBigUint64(RESULT + 8 * i, BigInt.asUintN(64, bits), true);
  };
  for (let i = 0; i < lanes; i++) {
    if (op >= FloatOp.Compare) {
      write(
        i,
        compare(env, op - FloatOp.Compare, read(FIRST, f, i), read(SECOND, f, i)) ? -1n : 0n,
      );
    } else if (op === FloatOp.FromInt32 || op === FloatOp.FromInt64) {
      const n = op === FloatOp.FromInt32
        ? BigInt(state.getInt32(SECOND + 4 * i, true))
        : state.getBigInt64(SECOND + 8 * i, true);
      const x = F.fromInteger(n);
      write(i, F.pack(x.class === F.Class.Zero ? x : F.round(env, f, x.sign, x.significand, 0), f));
    } else if (op === FloatOp.Convert) {
      const x = read(SECOND, f === F.SINGLE ? F.DOUBLE : F.SINGLE, i);
      let r = x;
      if (F.isNan(x)) r = chooseNan(env, x, x);
      else {
        denormals(env, x, x);
        if (x.class === F.Class.Finite) r = F.round(env, f, x.sign, x.significand, x.exponent);
      }
      write(i, F.pack(r, f));
    } else {
      const lane = op === FloatOp.AddSub ? (i & 1 ? FloatOp.Add : FloatOp.Sub) : op;
      write(i, F.pack(arithmetic(env, f, lane, read(FIRST, f, i), read(SECOND, f, i)), f));
    }
  }
  return reportOf(state, mxcsr, env.flags);
}

/** The helper: operation, shape → report of exceptions. */
export const slowFloat: Helper = {
  name: "x86_sse_float",
  params: ["i32", "i32"],
  result: "i32",
  reads: [],
  writes: [],
  run,
};
