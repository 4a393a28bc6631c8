/**
 * Whether a result of the host's arithmetic stands with no new exception flag: the middle way
 * between the fast path and the exact slow one, taken while MXCSR.PE is clear and for results at
 * the ends of the exponent range.
 *
 * A helper answers 1 if MXCSR is in its default mode and the operation raised nothing that is not
 * sticky already; 0 sends the operation to the slow path.
 */
import type { Emitter } from "../ir/emitter.ts";
import type { Helper, Node, Type } from "../ir/types.ts";
import { MXCSR } from "../layout.ts";
import { FloatOp, Shape } from "./sse_float_slow.ts";

/** MXCSR without its sticky flags, and its value in the default mode. */
export const MODE_MASK = 0xffc0;
export const MODE_DEFAULT = 0x1f80;
/** The sticky inexact flag. */
export const PE = 0x20;

/** Constants and operations of a format. */
class Format {
  constructor(readonly e: Emitter, readonly type: "f32" | "f64") {}
  op(name: string, ...args: Node[]): Node {
    return this.e.op(`${this.type}.${name}`, args);
  }
  constant(value: number): Node {
    const bits = new DataView(new ArrayBuffer(8));
    if (this.type === "f32") {
      bits.setFloat32(0, value);
      return this.e.op("f32.reinterpret_i32", [this.e.i32(bits.getInt32(0))]);
    }
    bits.setFloat64(0, value);
    return this.e.op("f64.reinterpret_i64", [this.e.i64(bits.getBigUint64(0))]);
  }
  abs(x: Node): Node {
    return this.op("abs", x);
  }
  isInfinite(x: Node): Node {
    return this.op("eq", this.abs(x), this.constant(Infinity));
  }
  isFinite(x: Node): Node {
    return this.op("lt", this.abs(x), this.constant(Infinity));
  }
  isZero(x: Node): Node {
    return this.op("eq", x, this.constant(0));
  }
  /** The least normal number. */
  get #least(): Node {
    return this.constant(this.type === "f32" ? 2 ** -126 : 2 ** -1022);
  }
  /** Zero or denormal. */
  isTiny(x: Node): Node {
    return this.op("lt", this.abs(x), this.#least);
  }
  /** It may have been rounded from a tiny value: zero, denormal, or the least normal number. */
  maybeTiny(x: Node): Node {
    return this.op("le", this.abs(x), this.#least);
  }
  isDenormal(x: Node): Node {
    return this.e.and(this.isTiny(x), this.op("ne", x, this.constant(0)));
  }
  /** Bits from the leading to the last one of a double's significand (at most 53), i64. */
  significant(x: Node): Node {
    const e = this.e;
    const bits = e.or(e.op("i64.reinterpret_f64", [x]), e.i64(1n << 52n));
    return e.sub(e.i64(53), e.ctz(bits));
  }
}

const mxcsr = (e: Emitter): Node => e.getState("i32", MXCSR);

/** Leave with `answer` if `condition`. */
function answerIf(e: Emitter, condition: Node, answer: Node): void {
  e.if(condition, () => e.return(answer));
}

/** The mode is the default one; else leave with 0. */
function requireDefaultMode(e: Emitter): void {
  const mode = e.and(mxcsr(e), e.i32(MODE_MASK));
  answerIf(e, e.ne(mode, e.i32(MODE_DEFAULT)), e.i32(0));
}

/** Whether the finite result is exact; `r` is no smaller than normal, or exact when it is. */
function isExact(f: Format, op: FloatOp, a: Node, b: Node, r: Node): Node {
  const e = f.e;
  if (op === FloatOp.Add || op === FloatOp.Sub) {
    // The rounding error of a sum is a number of the format (Knuth's TwoSum).
    const addend = op === FloatOp.Sub ? f.op("neg", b) : b;
    const back = f.op("sub", r, a);
    const lostA = f.op("sub", a, f.op("sub", r, back));
    const lostB = f.op("sub", addend, back);
    return f.isZero(f.op("add", lostA, lostB));
  }
  if (f.type === "f32") {
    // Products of two singles are doubles.
    const wide = (x: Node): Node => e.op("f64.promote_f32", [x]);
    const product = (x: Node, y: Node): Node => e.op("f64.mul", [wide(x), wide(y)]);
    const same = (x: Node, y: Node): Node => e.op("f64.eq", [x, y]);
    if (op === FloatOp.Mul) return same(product(a, b), wide(r));
    return same(product(r, op === FloatOp.Div ? b : r), wide(op === FloatOp.Div ? a : b));
  }
  const [p, q] = op === FloatOp.Mul ? [a, b] : op === FloatOp.Div ? [r, b] : [r, r];
  const fits = e.leU(e.add(f.significant(p), f.significant(q)), e.i64(53));
  if (op === FloatOp.Mul) return fits;
  // A quotient (root) is exact if it gives the dividend (square) back without rounding.
  const back = f.op("eq", f.op("mul", p, q), op === FloatOp.Div ? a : b);
  return e.and(fits, back);
}

function buildScalar(op: FloatOp, type: "f32" | "f64") {
  return (e: Emitter, a: Node, b: Node, r: Node): Node => {
    const f = new Format(e, type);
    requireDefaultMode(e);
    const unary = op === FloatOp.Sqrt;
    const denormal = unary ? f.isDenormal(b) : e.or(f.isDenormal(a), f.isDenormal(b));
    answerIf(e, denormal, e.i32(0));
    const infinite = unary
      ? f.isInfinite(b)
      : op === FloatOp.Div
      ? f.isInfinite(a)
      : e.or(f.isInfinite(a), f.isInfinite(b));
    answerIf(e, e.eqz(f.isFinite(r)), e.and(infinite, f.op("eq", r, r)));
    if (op === FloatOp.Mul) {
      answerIf(e, f.maybeTiny(r), e.or(f.isZero(a), f.isZero(b)));
    } else if (op === FloatOp.Div) {
      answerIf(e, f.maybeTiny(r), e.or(f.isZero(a), f.isInfinite(b)));
    }
    answerIf(e, e.and(mxcsr(e), e.i32(PE)), e.i32(1));
    return isExact(f, op, a, b, r);
  };
}

const scalarHelpers = new Map<number, Helper>();

function scalarHelper(op: FloatOp, type: "f32" | "f64"): Helper {
  const key = op * 2 + (type === "f32" ? 0 : 1);
  let helper = scalarHelpers.get(key);
  if (helper === undefined) {
    const build = buildScalar(op, type);
    helper = {
      name: `x86_exact_${type}_${op}`,
      params: [type, type, type],
      result: "i32",
      reads: [],
      writes: [],
      build: (e, ...p) => build(e, p[0], p[1], p[2]),
    };
    scalarHelpers.set(key, helper);
  }
  return helper;
}

/** Call the helper of an arithmetic operation; for vectors, of every lane. */
export function stands(e: Emitter, op: FloatOp, shape: Shape, a: Node, b: Node, r: Node): Node {
  if (shape === Shape.S1 || shape === Shape.D1) {
    return e.call(scalarHelper(op, shape === Shape.S1 ? "f32" : "f64"), a, b, r);
  }
  const [type, lanes] = shape === Shape.S4 ? ["f32", 4] as const : ["f64", 2] as const;
  const at = (v: Node, i: number): Node => e.op(`${type}x${lanes}.extract_lane`, [v], i);
  let all: Node | null = null;
  for (let i = 0; i < lanes; i++) {
    const lane = op === FloatOp.AddSub ? (i & 1 ? FloatOp.Add : FloatOp.Sub) : op;
    const one = e.call(scalarHelper(lane, type), at(a, i), at(b, i), at(r, i));
    all = all === null ? one : e.and(all, one);
  }
  return all!;
}

function helper(name: string, params: Type[], build: NonNullable<Helper["build"]>): Helper {
  return { name: `x86_exact_${name}`, params, result: "i32", reads: [], writes: [], build };
}

/** A double narrowed to a single. */
export const narrowingStands = helper("narrow", ["f64", "f32"], (e, x, r) => {
  const wide = new Format(e, "f64"), f = new Format(e, "f32");
  requireDefaultMode(e);
  answerIf(e, wide.isDenormal(x), e.i32(0));
  answerIf(e, e.eqz(f.isFinite(r)), wide.isInfinite(x));
  answerIf(e, f.maybeTiny(r), wide.isZero(x));
  answerIf(e, e.and(mxcsr(e), e.i32(PE)), e.i32(1));
  return wide.op("eq", e.op("f64.promote_f32", [r]), x);
});

/** A signed 64-bit integer (or a sign-extended narrower one) as a float. */
function integerStands(type: "f32" | "f64"): Helper {
  return helper(`from_integer_${type}`, ["i64", type], (e, n, r) => {
    const f = new Format(e, type);
    requireDefaultMode(e);
    answerIf(e, e.and(mxcsr(e), e.i32(PE)), e.i32(1));
    const inRange = f.op("lt", r, f.constant(2 ** 63));
    return e.and(inRange, e.eq(e.op(`i64.trunc_sat_${type}_s`, [r]), n));
  });
}
export const integerStandsSingle = integerStands("f32");
export const integerStandsDouble = integerStands("f64");
