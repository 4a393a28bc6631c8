/**
 * x87 transcendental functions: F2XM1, FYL2X, FYL2XP1, FPTAN, FPATAN, FSIN, FCOS, FSINCOS.
 *
 * Algorithm: power series in fixed point with 192 bits below the leading bit of the argument, then one
 * rounding to 64 bits. Processors promise less than one unit in the last place; these results are
 * correctly rounded but for ties closer than 2^-100. Trigonometric arguments are reduced with the
 * 66-bit value of pi that the processors use (SDM volume 1, section 8.3.8).
 */
import * as F from "./soft_float.ts";
import { C1, C2, chooseNan, denormals, X87 } from "./x87_state.ts";
import { register, unary } from "./x87_arithmetic.ts";

/** Fraction bits of fixed-point numbers. */
const BITS = 192;

/** `x` in fixed point with `bits` fraction bits. */
function fixed(x: F.Float, bits: number): bigint {
  const n = x.exponent + bits;
  const magnitude = n >= 0 ? x.significand << BigInt(n) : x.significand >> BigInt(-n);
  return x.sign ? -magnitude : magnitude;
}

/** Round a fixed-point result that stands for an irrational number. */
function result(env: F.Environment, x: bigint, bits: number): F.Float {
  return F.round(env, F.EXTENDED, x < 0n, x < 0n ? -x : x, -bits, true);
}

/** Fraction bits for an argument: more for tiny ones, so that their relative precision stays. */
function bitsFor(x: F.Float): number {
  return BITS + Math.max(0, -(x.exponent + F.bitLength(x.significand)));
}

/** exp(x) - 1 by its series. */
function expm1(x: bigint, bits: number): bigint {
  let term = x, sum = x;
  for (let n = 2n; term !== 0n && term !== -1n; n++) {
    term = ((term * x) >> BigInt(bits)) / n;
    sum += term;
  }
  return sum;
}

/** Inverse hyperbolic (sign 1) or circular (sign -1) tangent by its series, |x| well below 1. */
function inverseTangent(x: bigint, bits: number, hyperbolic: boolean): bigint {
  const square = (x * x) >> BigInt(bits);
  let power = x, sum = x;
  for (let n = 3n;; n += 2n) {
    power = (power * square) >> BigInt(bits);
    if (!hyperbolic) power = -power;
    const term = power / n;
    if (term === 0n) return sum;
    sum += term;
  }
}

/** ln(1 + x) for -1/2 < x < 1. */
function log1p(x: bigint, bits: number): bigint {
  const one = 1n << BigInt(bits);
  return 2n * inverseTangent((x << BigInt(bits)) / (2n * one + x), bits, true);
}

const ln2Cache = new Map<number, bigint>();
function ln2(bits: number): bigint {
  let v = ln2Cache.get(bits);
  if (v === undefined) {
    // ln 2 = 2 atanh(1/3), with guard bits.
    v = 2n * inverseTangent((1n << BigInt(bits + 32)) / 3n, bits + 32, true) >> 32n;
    ln2Cache.set(bits, v);
  }
  return v;
}

/** atan of a fraction in [0, 1]: halved twice first, so that the series is short. */
function arcTangent(x: bigint, bits: number): bigint {
  const one = 1n << BigInt(bits);
  // atan x = 2 atan(x / (1 + sqrt(1 + x²))).
  const halve = (t: bigint): bigint => (t << BigInt(bits)) / (one + root(one * one + t * t));
  return 4n * inverseTangent(halve(halve(x)), bits, false);
}
function root(n: bigint): bigint {
  let x = 1n << BigInt((F.bitLength(n) + 1) >> 1);
  for (;;) {
    const y = (x + n / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}
/** pi by Machin's formula. */
function pi(bits: number): bigint {
  const wide = bits + 32;
  const one = 1n << BigInt(wide);
  const at = (n: bigint): bigint => inverseTangent(one / n, wide, false);
  return (16n * at(5n) - 4n * at(239n)) >> 32n;
}

/** F2XM1: 2^x - 1 for |x| <= 1; outside that, ST(0) is undefined and stays. */
export function twoToXMinus1(fpu: X87): void {
  unary(fpu, (env, x) => {
    if (x.class === F.Class.Infinity) return x.sign ? F.fromInteger(-1n) : x;
    if (x.class === F.Class.Zero) return x;
    denormals(env, x);
    if (x.exponent + F.bitLength(x.significand) > 0) {
      if (F.order({ ...x, sign: false }, F.fromInteger(1n)) === 0) {
        return x.sign ? F.finite(true, 1n, -1) : x; // exactly 2^±1 - 1
      }
      env.raise(F.INEXACT);
      return x;
    }
    const bits = bitsFor(x);
    return result(env, expm1((fixed(x, bits) * ln2(bits)) >> BigInt(bits), bits), bits);
  });
}

/** Shared frame of FYL2X, FYL2XP1 and FPATAN: ST(1) = f(ST(0), ST(1)), pop. */
function binary(fpu: X87, run: (env: F.Environment, x: F.Float, y: F.Float) => F.Float): void {
  const x = register(fpu, 0), y = register(fpu, 1);
  if (x === null || y === null) {
    if (fpu.stackFault(false)) return;
    fpu.set(1, F.DEFAULT_NAN);
    fpu.pop();
    return;
  }
  const env = fpu.environment();
  const r = F.isNan(x) || F.isNan(y) ? chooseNan(env, x, y) : run(env, x, y);
  if (!fpu.finish(env)) return;
  fpu.set(1, r);
  fpu.pop();
}

/** y × log2(1 + z) for a small fixed-point z. */
function scaledLog(env: F.Environment, y: F.Float, log: bigint, bits: number): F.Float {
  const sign = y.sign !== log < 0n;
  const magnitude = log < 0n ? -log : log;
  return F.round(env, F.EXTENDED, sign, magnitude * y.significand, y.exponent - bits, true);
}

/** FYL2X: y × log2 x. */
export function yLog2(fpu: X87): void {
  binary(fpu, (env, x, y) => {
    if (x.class === F.Class.Zero) {
      if (y.class === F.Class.Zero) return F.invalid(env);
      if (y.class === F.Class.Infinity) return F.infinity(!y.sign);
      env.raise(F.DIVIDE);
      return F.infinity(!y.sign);
    }
    if (x.sign) return F.invalid(env);
    const one = x.class === F.Class.Finite && F.order(x, F.fromInteger(1n)) === 0;
    const below = x.class === F.Class.Finite && F.order(x, F.fromInteger(1n)) < 0;
    const infinite = y.class === F.Class.Infinity;
    if (x.class === F.Class.Infinity && y.class === F.Class.Zero) return F.invalid(env);
    if (infinite && one) return F.invalid(env);
    denormals(env, x, y);
    if (x.class === F.Class.Infinity) return F.infinity(y.sign);
    if (infinite) return F.infinity(y.sign !== below);
    if (y.class === F.Class.Zero || one) return F.zero(y.sign !== below);
    const e = x.exponent + F.bitLength(x.significand) - 1;
    const isPower = (x.significand & (x.significand - 1n)) === 0n;
    if (isPower) return F.multiply(env, F.EXTENDED, F.fromInteger(BigInt(e)), y);
    // x = 2^e × (1 + z); near 1 from below take e + 1, so that nothing cancels.
    const unit = 1n << BigInt(BITS);
    const z = fixed({ ...x, exponent: x.exponent - e }, BITS) - unit;
    const log = below && e === -1
      ? log1p((z - unit) / 2n, BITS)
      : log1p(z, BITS) + BigInt(e) * ln2(BITS);
    return scaledLog(env, y, (log << BigInt(BITS)) / ln2(BITS), BITS);
  });
}

/** FYL2XP1: y × log2(x + 1), for |x| below 1 - sqrt(2)/2. */
export function yLog2Plus1(fpu: X87): void {
  binary(fpu, (env, x, y) => {
    if (x.class === F.Class.Infinity) {
      if (x.sign || y.class === F.Class.Zero) return F.invalid(env);
      return F.infinity(y.sign);
    }
    if (x.class === F.Class.Zero && y.class === F.Class.Infinity) return F.invalid(env);
    denormals(env, x, y);
    if (y.class === F.Class.Infinity) return F.infinity(x.sign !== y.sign);
    if (x.class === F.Class.Zero || y.class === F.Class.Zero) return F.zero(x.sign !== y.sign);
    // Outside its domain the result is undefined.
    if (x.exponent + F.bitLength(x.significand) > 0) {
      env.raise(F.INEXACT);
      return x;
    }
    const bits = bitsFor(x);
    const log = log1p(fixed(x, bits), bits);
    return scaledLog(env, y, (log << BigInt(bits)) / ln2(bits), bits);
  });
}

/** FPATAN: the angle of the point (x, y) = (ST(0), ST(1)). */
export function arcTangent2(fpu: X87): void {
  binary(fpu, (env, x, y) => {
    const quarter = (n: bigint, sign: boolean): F.Float => {
      const v = (n * pi(BITS)) / 4n;
      return F.round(env, F.EXTENDED, sign, v, -BITS, true);
    };
    if (y.class === F.Class.Infinity) {
      if (x.class !== F.Class.Infinity) denormals(env, x);
      return quarter(x.class === F.Class.Infinity ? (x.sign ? 3n : 1n) : 2n, y.sign);
    }
    denormals(env, x, y);
    if (y.class === F.Class.Zero) return x.sign ? quarter(4n, y.sign) : y;
    if (x.class === F.Class.Zero) return quarter(2n, y.sign);
    if (x.class === F.Class.Infinity) return x.sign ? quarter(4n, y.sign) : F.zero(y.sign);
    // Ratio of the smaller to the larger magnitude, with enough bits below its leading one.
    const magnitude = (v: F.Float): F.Float => ({ ...v, sign: false });
    const steep = F.order(magnitude(y), magnitude(x)) > 0;
    const [p, q] = steep ? [x, y] : [y, x];
    const gap = q.exponent + F.bitLength(q.significand) - p.exponent - F.bitLength(p.significand);
    if (gap > 40000) {
      return steep ? quarter(2n, y.sign) : x.sign ? quarter(4n, y.sign) : F.zero(y.sign);
    }
    const bits = BITS + Math.max(0, gap);
    const n = bits + p.exponent - q.exponent;
    const ratio = n >= 0
      ? (p.significand << BigInt(n)) / q.significand
      : p.significand / (q.significand << BigInt(-n));
    let angle = arcTangent(ratio, bits);
    if (steep) angle = pi(bits) / 2n + (x.sign ? angle : -angle);
    else if (x.sign) angle = pi(bits) - angle;
    return F.round(env, F.EXTENDED, y.sign, angle, -bits, true);
  });
}

/** pi with 66 bits: 3.243F6A8885A308D3 (hexadecimal), scaled by 2^64. */
const PI66 = 0x3243f6a8885a308d3n;

/** Sine and cosine of an angle in fixed point, |x| at most about 1. */
function sineCosine(x: bigint, bits: number): { sine: bigint; cosine: bigint } {
  const b = BigInt(bits);
  let sine = 0n, cosine = 0n;
  let term = 1n << b;
  for (let n = 0n; term !== 0n && term !== -1n; n++) {
    switch (n & 3n) {
      case 0n:
        cosine += term;
        break;
      case 1n:
        sine += term;
        break;
      case 2n:
        cosine -= term;
        break;
      default:
        sine -= term;
    }
    term = ((term * x) >> b) / (n + 1n);
  }
  return { sine, cosine };
}

/** Sine and cosine of a finite nonzero value below 2^63; null if it is out of range. */
function trigonometry(x: F.Float): { sine: bigint; cosine: bigint; bits: number } | null {
  if (x.exponent + F.bitLength(x.significand) > 63) return null;
  const bits = bitsFor(x) + 70;
  const angle = fixed(x, bits);
  const half = (PI66 << BigInt(bits - 64)) / 2n;
  // Quotient to nearest, so that the rest is within pi/4.
  let quotient = (2n * angle + half) / (2n * half);
  if (2n * angle + half < 0n && (2n * angle + half) % (2n * half) !== 0n) quotient -= 1n;
  const rest = angle - quotient * half;
  const { sine: s, cosine: c } = sineCosine(rest, bits);
  switch (quotient & 3n) {
    case 0n:
      return { sine: s, cosine: c, bits };
    case 1n:
      return { sine: c, cosine: -s, bits };
    case 2n:
      return { sine: -s, cosine: -c, bits };
    default:
      return { sine: -c, cosine: s, bits };
  }
}

/** Which results an instruction leaves. */
export const enum Trig {
  Sine,
  Cosine,
  SineCosine,
  /** Tangent, then 1.0 on top. */
  Tangent,
}

export function trigonometric(fpu: X87, kind: Trig): void {
  const pushes = kind >= Trig.SineCosine;
  fpu.setConditions(C2, 0);
  if (fpu.isEmpty(0) || (pushes && !fpu.isEmpty(7))) {
    const overflow = !fpu.isEmpty(0);
    if (fpu.stackFault(overflow)) return;
    fpu.set(0, F.DEFAULT_NAN);
    if (pushes) {
      fpu.top--;
      fpu.set(0, F.DEFAULT_NAN);
    }
    return;
  }
  const x = fpu.get(0);
  const env = fpu.environment();
  let first: F.Float, second: F.Float;
  if (F.isNan(x)) first = second = chooseNan(env, x, x);
  else if (x.class === F.Class.Infinity) first = second = F.invalid(env);
  else if (x.class === F.Class.Zero) {
    first = kind === Trig.Cosine ? F.fromInteger(1n) : x;
    second = F.fromInteger(1n);
  } else {
    denormals(env, x);
    const t = trigonometry(x);
    if (t === null) {
      // Out of range: the operand stays, C2 says so.
      fpu.setConditions(C1 | C2, C2);
      return;
    }
    if (kind === Trig.Tangent) {
      const tangent = (t.sine << BigInt(t.bits)) / t.cosine;
      first = result(env, tangent, t.bits);
      second = F.fromInteger(1n);
    } else {
      first = result(env, kind === Trig.Cosine ? t.cosine : t.sine, t.bits);
      second = kind === Trig.SineCosine ? result(env, t.cosine, t.bits) : first;
    }
  }
  if (!fpu.finish(env)) return;
  fpu.set(0, first);
  if (pushes) fpu.push(second);
}
