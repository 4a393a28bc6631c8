/**
 * Whether a result of the host's arithmetic, rounded to nearest, stands: nothing was raised that FPSR
 * does not show. It is asked for results that the fast path refuses: zeros, infinities, numbers near the
 * ends of the range, and all of them until the first inexact one. A zero for an answer costs time only.
 */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { isOrdinary } from "./limits.ts";
import { bitsConstant, float, type FloatKind, fromBits, toBits } from "./nan.ts";
import { fpcr, isDefaultMode } from "./status.ts";

const double = float[1];

/** Operations whose result is a rounded one. */
export type Rounded = "add" | "sub" | "mul" | "div" | "sqrt";

const op = (e: Emitter, k: FloatKind, name: string, ...x: Node[]): Node =>
  e.op(`${k.type}.${name}`, x);
/** 2^exponent. */
export function power(e: Emitter, k: FloatKind, exponent: number): Node {
  const [bias, shift] = k.type === "f64" ? [1023, 52n] : [127, 23n];
  return fromBits(e, k, bitsConstant(e, k, BigInt(exponent + bias) << shift));
}
const zero = (e: Emitter, k: FloatKind): Node => fromBits(e, k, bitsConstant(e, k, 0n));
const isZero = (e: Emitter, k: FloatKind, x: Node): Node => op(e, k, "eq", x, zero(e, k));
const isInfinite = (e: Emitter, k: FloatKind, x: Node): Node =>
  op(e, k, "eq", op(e, k, "abs", x), fromBits(e, k, bitsConstant(e, k, k.infinity)));

/** a + b exactly, as the rounded sum and its error (Knuth). */
export function twoSum(e: Emitter, k: FloatKind, a: Node, b: Node): [Node, Node] {
  const s = op(e, k, "add", a, b);
  const bPart = op(e, k, "sub", s, a);
  const aPart = op(e, k, "sub", s, bPart);
  return [s, op(e, k, "add", op(e, k, "sub", a, aPart), op(e, k, "sub", b, bPart))];
}

/** a · b of doubles exactly, as the rounded product and its error (Dekker, Veltkamp). */
export function twoProduct(e: Emitter, a: Node, b: Node): [Node, Node] {
  const f = (name: string, x: Node, y: Node): Node => e.op(`f64.${name}`, [x, y]);
  const splitter = e.op("f64.reinterpret_i64", [e.i64(0x41a0000002000000n)]); // 2^27 + 1
  const split = (x: Node): [Node, Node] => {
    const g = f("mul", splitter, x);
    const high = f("sub", g, f("sub", g, x));
    return [high, f("sub", x, high)];
  };
  const p = f("mul", a, b);
  const [ah, al] = split(a);
  const [bh, bl] = split(b);
  const low = f("add", f("sub", f("mul", ah, bh), p), f("mul", ah, bl));
  return [p, f("add", f("add", low, f("mul", al, bh)), f("mul", al, bl))];
}

/** Whether a · b is exactly `product`; numbers at the ends of the range are not looked into. */
function isProduct(e: Emitter, k: FloatKind, a: Node, b: Node, product: Node): Node {
  if (k.type === "f32") {
    const [x, y, p] = [a, b, product].map((v) => e.op("f64.promote_f32", [v]));
    return e.op("f64.eq", [e.op("f64.mul", [x, y]), p]);
  }
  const abs = (x: Node): Node => op(e, k, "abs", x);
  const below = (x: Node, exponent: number): Node => op(e, k, "lt", abs(x), power(e, k, exponent));
  const [p, error] = twoProduct(e, a, b);
  const safe = e.and(
    e.and(below(a, 990), below(b, 990)),
    op(e, k, "gt", abs(p), power(e, k, -900)),
  );
  return e.and(safe, e.and(op(e, k, "eq", p, product), isZero(e, k, error)));
}

/** Whether the finite result is exact. */
function isExact(e: Emitter, k: FloatKind, name: Rounded, x: Node[], r: Node): Node {
  switch (name) {
    case "add":
      return isZero(e, k, twoSum(e, k, x[0], x[1])[1]);
    case "sub":
      return isZero(e, k, twoSum(e, k, x[0], op(e, k, "neg", x[1]))[1]);
    case "mul":
      return isProduct(e, k, x[0], x[1], r);
    case "div":
      return isProduct(e, k, r, x[1], x[0]);
    case "sqrt":
      return isProduct(e, k, r, r, x[0]);
  }
}

/** Whether some float of a vector is not ordinary. */
export function hasExtreme(e: Emitter, k: FloatKind, x: Node): Node {
  const shape = k.intShape;
  // Exponents without their lowest bit, where infinities and NaNs less themselves are numbers: no constants.
  const kept = k.type === "f64" ? 54 : 25;
  const exponents = e.op(`${shape}.shr_u`, [e.op(`${shape}.shl`, [x, e.i32(1)]), e.i32(kept)]);
  const nothing = e.op(`${k.shape}.sub`, [x, x]);
  const finite = e.op(`${k.shape}.eq`, [nothing, nothing]);
  return e.eqz(e.op(`${shape}.all_true`, [e.op("v128.and", [exponents, finite])]));
}

/**
 * In IR functions: leave with `r`, the bits of which are `bits`, if `name` of the operands, none of which
 * is a NaN, stands.
 */
export function returnIfItStands(
  e: Emitter,
  k: FloatKind,
  name: Rounded,
  operands: Node[],
  r: Node,
): void {
  const seen = e.eqz(fpcr(e));
  const bits = toBits(e, k, r);
  if (name !== "sqrt") e.if(e.and(seen, isOrdinary(e, k, r)), () => e.return(bits));
  e.if(isDefaultMode(e), () => {
    const number = op(e, k, "eq", r, r);
    // Zeros and infinities of zeros and infinities are exact.
    const [a, b] = operands;
    const infinite = e.or(isInfinite(e, k, a), isInfinite(e, k, b ?? a));
    const nothing = name === "div"
      ? e.or(isZero(e, k, a), infinite)
      : e.or(e.or(isZero(e, k, a), isZero(e, k, b ?? a)), infinite);
    const divided = name === "div" ? e.eqz(isZero(e, k, b)) : e.i32(1);
    e.if(e.and(e.and(number, divided), nothing), () => e.return(bits));
    // Sums cannot underflow inexactly; neither can roots.
    const finite = e.and(number, e.eqz(isInfinite(e, k, r)));
    if (name === "add" || name === "sub" || name === "sqrt") {
      e.if(e.and(seen, finite), () => e.return(bits));
    }
    e.if(e.and(finite, isExact(e, k, name, operands, r)), () => e.return(bits));
  });
}

/**
 * The same for addend + a · b, the operands in this order. Without `r`, the result with one rounding, only
 * sums that are not rounded stand.
 */
export function returnIfSumStands(
  e: Emitter,
  k: FloatKind,
  [addend, a, b]: Node[],
  r: Node | null,
): void {
  const f = (name: string, ...x: Node[]): Node => op(e, k, name, ...x);
  const any = (...conditions: Node[]): Node => conditions.reduce((x, y) => e.or(x, y));
  const all = (...conditions: Node[]): Node => conditions.reduce((x, y) => e.and(x, y));
  const leave = (condition: Node, x: Node): void =>
    e.if(condition, () => e.return(toBits(e, k, x)));
  e.if(isDefaultMode(e), () => {
    // With a product of zero, or an infinity, two roundings are none.
    const sum = f("add", f("mul", a, b), addend);
    const zeros = e.or(isZero(e, k, a), isZero(e, k, b));
    const unbounded = [addend, a, b].map((x) => isInfinite(e, k, x));
    leave(e.and(f("eq", sum, sum), any(zeros, ...unbounded)), sum);
    if (r === null) return;
    const ordinary = isOrdinary(e, k, r);
    leave(e.and(e.eqz(fpcr(e)), ordinary), r);
    // What cancels leaves a zero, or a number that is far from underflow.
    const large = f("gt", f("abs", addend), power(e, k, k.type === "f64" ? -900 : -100));
    leave(e.and(isZero(e, k, r), large), r);
    if (k.type === "f32") {
      const [x, y, z] = [a, b, addend].map((v) => e.op("f64.promote_f32", [v]));
      const [exact, error] = twoSum(e, double, e.op("f64.mul", [x, y]), z);
      const same = e.op("f64.eq", [exact, e.op("f64.promote_f32", [r])]);
      leave(all(ordinary, same, isZero(e, double, error)), r);
      return;
    }
    const [product, lost] = twoProduct(e, a, b);
    const [, error] = twoSum(e, k, product, addend);
    const below = (x: Node, exponent: number): Node => f("lt", f("abs", x), power(e, k, exponent));
    const safe = all(below(a, 990), below(b, 990), f("gt", f("abs", product), power(e, k, -900)));
    leave(all(safe, ordinary, isZero(e, k, lost), isZero(e, k, error)), r);
  });
}
