/** Reciprocal and reciprocal square root estimates (DDI 0487, shared/functions/float), on bits. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Helper, Node } from "../../ir/types.ts";
import { pure } from "../multiply.ts";
import { flushOperands } from "./flush.ts";
import { softHelper } from "./host.ts";
import {
  bitsConstant,
  float,
  type FloatKind,
  fromBits,
  isNaNBits,
  processNaNs,
  toBits,
} from "./nan.ts";
import {
  defaultNaN,
  DOUBLE,
  flushes,
  type Format,
  HALF,
  raise,
  Rounding,
  roundingOf,
  SINGLE,
} from "./soft_float.ts";
import { Exception } from "./status.ts";

const formats = [SINGLE, DOUBLE];

/** RecipEstimate: 256–511 for an argument of 256–511, both fractions of 512. */
function reciprocal(a: number): number {
  const b = Math.floor(2 ** 19 / (2 * a + 1));
  return (b + 1) >> 1;
}
/** RecipSqrtEstimate: 256–511 for 128–511. */
function reciprocalRoot(a: number): number {
  const x = a < 256 ? 2 * a + 1 : ((a & ~1) + 1) * 2;
  let b = 512;
  while (x * (b + 1) * (b + 1) < 2 ** 28) b++;
  return (b + 1) >> 1;
}

/** Sign, exponent field and the fraction as 52 bits. */
function split(f: Format, bits: bigint): [bigint, number, bigint] {
  const mantissa = BigInt(f.precision - 1);
  const fraction = (bits & ((1n << mantissa) - 1n)) << (52n - mantissa);
  const exponent = Number((bits >> mantissa) & BigInt(2 * f.bias + 1));
  return [bits >> BigInt(f.width - 1), exponent, fraction];
}
function join(f: Format, sign: bigint, exponent: number, fraction: bigint): bigint {
  const mantissa = BigInt(f.precision - 1);
  return (sign << BigInt(f.width - 1)) | (BigInt(exponent) << mantissa) |
    (fraction >> (52n - mantissa));
}
/** The fraction, zero if a subnormal is flushed. */
function flushed(f: Format, exponent: number, fraction: bigint, fpcr: number): bigint {
  if (!flushes(f, fpcr) || exponent !== 0 || fraction === 0n) return fraction;
  if (f !== HALF) raise(Exception.InputDenormal);
  return 0n;
}
const TOP = 1n << 51n;
const FRACTION = (1n << 52n) - 1n;

/** FRECPE of a number's bits. */
export function recpe(f: Format, bits: bigint, fpcr: number): bigint {
  const [sign, field, all] = split(f, bits);
  const most = 2 * f.bias + 1;
  let exponent = field;
  let fraction = flushed(f, field, all, fpcr);
  if (exponent === most) return join(f, sign, 0, 0n);
  if (exponent === 0 && fraction === 0n) {
    raise(Exception.DivideByZero);
    return join(f, sign, most, 0n);
  }
  // Below 2^-(bias + 1) the reciprocal overflows.
  if (exponent === 0 && fraction < 1n << 50n) {
    raise(Exception.Overflow | Exception.Inexact);
    const mode = roundingOf(fpcr);
    const infinite = mode === Rounding.Nearest || mode === (sign ? Rounding.Down : Rounding.Up);
    return infinite ? join(f, sign, most, 0n) : join(f, sign, most - 1, FRACTION);
  }
  if (flushes(f, fpcr) && exponent >= most - 2) {
    raise(Exception.Underflow);
    return join(f, sign, 0, 0n);
  }
  if (exponent === 0) {
    if (fraction & TOP) fraction = (fraction << 1n) & FRACTION;
    else {
      exponent = -1;
      fraction = (fraction << 2n) & FRACTION;
    }
  }
  const estimate = reciprocal(256 + Number(fraction >> 44n));
  let result = BigInt(estimate & 255) << 44n;
  let resultExponent = most - 2 - exponent;
  if (resultExponent === 0) result = TOP | (result >> 1n);
  else if (resultExponent === -1) {
    result = (TOP >> 1n) | (result >> 2n);
    resultExponent = 0;
  }
  return join(f, sign, resultExponent, result);
}

/** FRSQRTE of a number's bits. */
export function rsqrte(f: Format, bits: bigint, fpcr: number): bigint {
  const [sign, field, all] = split(f, bits);
  const most = 2 * f.bias + 1;
  let exponent = field;
  let fraction = flushed(f, field, all, fpcr);
  if (exponent === 0 && fraction === 0n) {
    raise(Exception.DivideByZero);
    return join(f, sign, most, 0n);
  }
  if (sign) {
    raise(Exception.Invalid);
    return defaultNaN(f);
  }
  if (exponent === most) return 0n;
  if (exponent === 0) {
    while ((fraction & TOP) === 0n) {
      fraction <<= 1n;
      exponent--;
    }
    fraction = (fraction << 1n) & FRACTION;
  }
  const scaled = exponent & 1 ? 128 + Number(fraction >> 45n) : 256 + Number(fraction >> 44n);
  const resultExponent = Math.floor((3 * f.bias - 1 - exponent) / 2);
  return join(f, 0n, resultExponent, BigInt(reciprocalRoot(scaled) & 255) << 44n);
}

/** IR functions on bits, by kind. */
function estimator(
  name: string,
  run: (f: Format, bits: bigint, fpcr: number) => bigint,
): Helper[] {
  return float.map((k, i) => {
    const exact = softHelper(
      `${name}_${k.type}`,
      [k.int],
      k.int,
      (control, bits) => run(formats[i], bits, control),
    );
    return pure(`aarch64.${name}_${k.type}`, [k.int], k.int, (e, bits) => {
      e.if(isNaNBits(e, k, bits), () => e.return(processNaNs(e, k, bits)));
      return e.call(exact, bits);
    });
  });
}
const recpes = estimator("recpe", recpe);
const rsqrtes = estimator("rsqrte", rsqrte);

const index = (k: FloatKind): 0 | 1 => k.lanes === 4 ? 0 : 1;

/** FRECPE and FRSQRTE of a float's bits. */
export function estimate(e: Emitter, k: FloatKind, root: boolean, bits: Node): Node {
  return e.call((root ? rsqrtes : recpes)[index(k)], bits);
}

const fixed = [false, true].map((root) =>
  softHelper(root ? "ursqrte" : "urecpe", ["i32"], "i32", (_control, bits) => {
    const x = Number(bits);
    const least = root ? 0x40000000 : 0x80000000;
    if (x < least) return 0xffffffffn;
    const top = x >>> 23;
    return BigInt(root ? reciprocalRoot(top) : reciprocal(top)) << 23n;
  })
);
/** URECPE and URSQRTE of an i32. */
export function fixedEstimate(e: Emitter, root: boolean, x: Node): Node {
  return e.call(fixed[root ? 1 : 0], x);
}

/** FRECPX: the exponent complemented, no fraction; a NaN as ever. */
export function exponentReciprocal(e: Emitter, k: FloatKind, bits: Node): Node {
  const result = e.variable(k.int, bits);
  e.if(
    isNaNBits(e, k, bits),
    () => e.assign(result, processNaNs(e, k, bits)),
    () => {
      const [number] = flushOperands(e, k, fromBits(e, k, bits));
      const exponent = e.and(toBits(e, k, number), bitsConstant(e, k, k.infinity));
      const least = k.infinity & -k.infinity;
      const flipped = e.select(
        e.eqz(exponent),
        bitsConstant(e, k, k.infinity ^ least),
        e.xor(exponent, bitsConstant(e, k, k.infinity)),
      );
      e.assign(result, e.or(e.and(bits, bitsConstant(e, k, k.sign)), flipped));
    },
  );
  return e.read(result);
}
