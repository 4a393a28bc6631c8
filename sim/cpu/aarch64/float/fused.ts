/**
 * Fused multiply-add with one rounding, which WebAssembly does not promise.
 *
 * Double precision: the product as an exact sum of two doubles (Dekker, Veltkamp), then the three
 * summands with one rounding through rounding to odd (Boldo and Melquiond, "Emulation of a FMA and
 * correctly rounded sums", IEEE Transactions on Computers 57(4), 2008). Single precision: the product
 * is exact in double precision and the sum is rounded to odd there. Operands out of the range where
 * that holds, and other rounding modes, take the exact slow path.
 *
 * Where the host's relaxed SIMD operation is fused it is used instead; the results are the same.
 */
import type { Emitter } from "../../ir/emitter.ts";
import type { Helper, Node } from "../../ir/types.ts";
import { pure } from "../multiply.ts";
import { hasExtreme, power, returnIfSumStands, twoProduct, twoSum } from "./exact.ts";
import { flushOperands } from "./flush.ts";
import { hostFuses } from "./fused_probe.ts";
import { softHelper } from "./host.ts";
import { lanewise } from "./lanes.ts";
import { isExtreme } from "./limits.ts";
import { float, type FloatKind, fromBits, isNaNBits, processNaNs, toBits } from "./nan.ts";
import { Exception, fpcr, raise } from "./status.ts";
import * as soft from "./soft_float.ts";

const formats = [soft.SINGLE, soft.DOUBLE];
const index = (k: FloatKind): 0 | 1 => k.lanes === 4 ? 0 : 1;

/** IR functions on bits (addend, a, b): NaNs, infinities, other rounding modes, extreme exponents. */
const slow: Helper[] = float.map((k, i) => {
  const params = [k.int, k.int, k.int];
  const exact = softHelper(
    `fma_${k.type}`,
    params,
    k.int,
    (control, addend, a, b) => soft.fusedMultiplyAdd(formats[i], addend, a, b, control),
  );
  return pure(`aarch64.fma_slow_${k.type}`, params, k.int, (e, addend, a, b) => {
    const anyNaN = e.or(
      e.or(isNaNBits(e, k, addend), isNaNBits(e, k, a)),
      isNaNBits(e, k, b),
    );
    e.if(anyNaN, () => {
      // Infinity times zero plus a quiet NaN is invalid too: the default NaN.
      const [x, y] = flushOperands(e, k, fromBits(e, k, a), fromBits(e, k, b));
      const product = e.op(`${k.type}.mul`, [x, y]);
      const factors = e.or(isNaNBits(e, k, a), isNaNBits(e, k, b));
      const invalid = e.and(e.op(`${k.type}.ne`, [product, product]), e.eqz(factors));
      const result = processNaNs(e, k, addend, a, b);
      const quietAddend = e.eq(e.and(addend, quietBit(e, k)), quietBit(e, k));
      e.if(e.and(invalid, quietAddend), () => {
        raise(e, Exception.Invalid);
        e.return(defaultNaN(e, k));
      });
      e.return(result);
    });
    const operands = [addend, a, b].map((x) => fromBits(e, k, x));
    returnIfSumStands(e, k, operands, hostFuses ? hostFused(e, k, operands) : null);
    return e.call(exact, addend, a, b);
  });
});
function quietBit(e: Emitter, k: FloatKind): Node {
  return k.int === "i64" ? e.i64(k.quiet) : e.i32(Number(k.quiet));
}
function defaultNaN(e: Emitter, k: FloatKind): Node {
  return k.int === "i64" ? e.i64(k.defaultNaN) : e.i32(Number(k.defaultNaN));
}

/** Bits of `s`, made odd if `t`, the error of `s`, is not zero: `s + t` rounded to odd. */
function towardsOdd(e: Emitter, s: Node, t: Node): Node {
  const bits = e.op("i64.reinterpret_f64", [s]);
  const zero = e.op("f64.reinterpret_i64", [e.i64(0)]);
  const inexact = e.and(e.op("f64.ne", [t, zero]), e.eqz(e.and(e.wrap(bits), e.i32(1))));
  // Same sign: away from zero; else towards it.
  const differ = e.ltS(e.xor(bits, e.op("i64.reinterpret_f64", [t])), e.i64(0));
  const step = e.select(differ, e.i64(-1), e.i64(1));
  return e.op("f64.reinterpret_i64", [e.add(bits, e.select(inexact, step, e.i64(0)))]);
}

const double = pure("aarch64.fma_f64", ["f64", "f64", "f64"], "f64", (e, addend, a, b) => {
  const k = float[1];
  const f = (name: string, x: Node, y: Node): Node => e.op(`f64.${name}`, [x, y]);
  const below = (x: Node, exponent: number): Node =>
    f("lt", e.op("f64.abs", [x]), power(e, k, exponent));
  const [p, pError] = twoProduct(e, a, b);
  const safe = e.and(
    e.and(below(a, 990), below(b, 990)),
    e.and(
      below(addend, 1000),
      e.and(below(p, 1000), f("gt", e.op("f64.abs", [p]), power(e, k, -900))),
    ),
  );
  e.if(e.or(e.eqz(safe), fpcr(e)), () => {
    const bits = [addend, a, b].map((x) => toBits(e, k, x));
    e.return(fromBits(e, k, e.call(slow[1], ...bits)));
  });
  const [t, tError] = twoSum(e, k, addend, pError);
  const [v, vError] = twoSum(e, k, p, t);
  const [z, zError] = twoSum(e, k, tError, vError);
  return f("add", v, towardsOdd(e, z, zError));
});

const single = pure("aarch64.fma_f32", ["f32", "f32", "f32"], "f32", (e, addend, a, b) => {
  const k = float[0];
  const promote = (x: Node): Node => e.op("f64.promote_f32", [x]);
  const p = e.op("f64.mul", [promote(a), promote(b)]);
  const [s, error] = twoSum(e, float[1], p, promote(addend));
  const r = e.op("f32.demote_f64", [towardsOdd(e, s, error)]);
  e.ifSeldom(isExtreme(e, float[0], r), () => {
    const bits = [addend, a, b].map((x) => toBits(e, k, x));
    e.return(fromBits(e, k, e.call(slow[0], ...bits)));
  });
  return r;
});

/** The IR functions in software: (addend, a, b) of single and of double precision. */
export const software: readonly [Helper, Helper] = [single, double];

/** The host's fused operation alone, of floats or vectors. */
function hostFused(e: Emitter, k: FloatKind, operands: readonly Node[]): Node {
  const vector = operands[0].type === "v128";
  const [addend, a, b] = vector ? operands : operands.map((x) => e.op(`${k.shape}.splat`, [x]));
  const sum = e.op(`${k.shape}.relaxed_madd`, [a, b, addend]);
  return vector ? sum : e.op(`${k.shape}.extract_lane`, [sum], 0);
}

/** By the host's fused operation, the slow path where more than inexactness may be raised. */
function byHost(e: Emitter, k: FloatKind, operands: readonly Node[]): Node {
  const vector = operands[0].type === "v128";
  const r = e.variable(operands[0].type, hostFused(e, k, operands));
  const value = e.read(r);
  const special = vector ? e.or(hasExtreme(e, k, value), fpcr(e)) : isExtreme(e, k, value);
  e.ifSeldom(special, () => {
    const exact = vector
      ? e.call(vectors[index(k)], ...operands)
      : fromBits(e, k, e.call(slow[index(k)], ...operands.map((x) => toBits(e, k, x))));
    e.assign(r, exact);
  });
  return e.read(r);
}

/** addend + a · b of floats, with one rounding. */
export function fusedMultiplyAdd(e: Emitter, k: FloatKind, addend: Node, a: Node, b: Node): Node {
  return hostFuses ? byHost(e, k, [addend, a, b]) : e.call(software[index(k)], addend, a, b);
}

const vectors = float.map((k) =>
  lanewise(`fma_${k.shape}`, k, 3, (e, addend, a, b) => {
    const [x, y, z] = [addend, a, b].map((bits) => fromBits(e, k, bits));
    return toBits(e, k, e.call(software[index(k)], x, y, z));
  })
);

/** The same of vectors, lane by lane. */
export function vectorFusedMultiplyAdd(
  e: Emitter,
  k: FloatKind,
  addend: Node,
  a: Node,
  b: Node,
): Node {
  return hostFuses ? byHost(e, k, [addend, a, b]) : e.call(vectors[index(k)], addend, a, b);
}
