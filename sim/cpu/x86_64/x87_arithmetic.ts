/** x87 operations on the register stack, except transcendental functions. */
import * as F from "./soft_float.ts";
import { C0, C1, C2, C3, chooseNan, denormals, isUnsupported, unpack80, X87 } from "./x87_state.ts";

/** Operations in the order of ModRM.reg of D8 … DE. */
export const enum Arithmetic {
  Add,
  Mul,
  Com,
  ComPop,
  Sub,
  SubReverse,
  Div,
  DivReverse,
}

/** Forms of memory operands. */
export const enum Memory {
  Single,
  Double,
  Extended,
  Integer,
}

/** A memory operand (integers sign-extended to 64 bits) as a value. */
export function fromMemory(kind: Memory, low: bigint, high: number): F.Float {
  const bits = BigInt.asUintN(64, low);
  switch (kind) {
    case Memory.Single:
      return F.unpack(bits & 0xffffffffn, F.SINGLE);
    case Memory.Double:
      return F.unpack(bits, F.DOUBLE);
    case Memory.Extended:
      return unpack80(bits, high);
    default:
      return F.fromInteger(BigInt.asIntN(64, low));
  }
}

/** `a op b`; undefined for comparisons. */
function compute(
  env: F.Environment,
  f: F.Format,
  op: Arithmetic,
  a: F.Float,
  b: F.Float,
): F.Float {
  if (F.isNan(a) || F.isNan(b)) return chooseNan(env, a, b);
  const own = new F.Environment(env.rounding, env.masked, false, env.bias);
  let r: F.Float;
  switch (op) {
    case Arithmetic.Add:
      r = F.add(own, f, a, b);
      break;
    case Arithmetic.Mul:
      r = F.multiply(own, f, a, b);
      break;
    case Arithmetic.Sub:
      r = F.add(own, f, a, F.negate(b));
      break;
    case Arithmetic.SubReverse:
      r = F.add(own, f, b, F.negate(a));
      break;
    case Arithmetic.Div:
      r = F.divide(own, f, a, b);
      break;
    default:
      r = F.divide(own, f, b, a);
  }
  // Invalid and zero-divide come before the denormal exception.
  if ((own.flags & (F.INVALID | F.DIVIDE)) === 0) denormals(env, a, b);
  env.raise(own.flags);
  env.roundedUp = own.roundedUp;
  return r;
}

/** ST(to) = ST(to) op `b`; whether there was a result. */
export function arithmetic(fpu: X87, op: Arithmetic, to: number, b: F.Float | null): boolean {
  if (b === null || fpu.isEmpty(to)) {
    if (fpu.stackFault(false)) return false;
    fpu.set(to, F.DEFAULT_NAN);
    return true;
  }
  const env = fpu.environment();
  const r = compute(env, fpu.format(), op, fpu.get(to), b);
  if (!fpu.finish(env)) return false;
  fpu.set(to, r);
  return true;
}

/** ST(i), or null if it is empty. */
export function register(fpu: X87, i: number): F.Float | null {
  return fpu.isEmpty(i) ? null : fpu.get(i);
}

/** Outcome of a comparison as condition bits C3, C2, C0. */
export function compare(
  fpu: X87,
  a: F.Float | null,
  b: F.Float | null,
  quiet: boolean,
): number {
  if (a === null || b === null) {
    fpu.stackFault(false);
    return C3 | C2 | C0;
  }
  fpu.setConditions(C1, 0);
  if (F.isNan(a) || F.isNan(b)) {
    const signaling = [a, b].some((x) => x.class === F.Class.SignalingNan || isUnsupported(x));
    if (!quiet || signaling) fpu.raise(F.INVALID);
    return C3 | C2 | C0;
  }
  if (a.denormal || b.denormal) fpu.raise(F.DENORMAL);
  const o = F.order(a, b);
  return o > 0 ? 0 : o < 0 ? C0 : C3;
}

/** FXAM: class and sign of ST(0). */
export function examine(fpu: X87): void {
  const sign = fpu.high(0) & 0x8000 ? C1 : 0;
  const x = fpu.get(0);
  let bits: number;
  if (fpu.isEmpty(0)) bits = C3 | C0;
  else if (isUnsupported(x)) bits = 0;
  else if (F.isNan(x)) bits = C0;
  else if (x.class === F.Class.Infinity) bits = C2 | C0;
  else if (x.class === F.Class.Zero) bits = C3;
  else bits = x.denormal ? C3 | C2 : C2;
  fpu.setConditions(C0 | C1 | C2 | C3, bits | sign);
}

/** Apply `run` to ST(0): NaN and empty registers handled. */
export function unary(fpu: X87, run: (env: F.Environment, x: F.Float) => F.Float): void {
  if (fpu.isEmpty(0)) {
    if (!fpu.stackFault(false)) fpu.set(0, F.DEFAULT_NAN);
    return;
  }
  const env = fpu.environment();
  const x = fpu.get(0);
  const r = F.isNan(x) ? chooseNan(env, x, x) : run(env, x);
  if (fpu.finish(env)) fpu.set(0, r);
}

export function squareRoot(fpu: X87): void {
  unary(fpu, (env, x) => {
    if (x.class === F.Class.Zero || !x.sign) denormals(env, x);
    return F.squareRoot(env, fpu.format(), x);
  });
}

export function roundToIntegral(fpu: X87): void {
  unary(fpu, (env, x) => {
    denormals(env, x);
    return F.roundToIntegral(env, x);
  });
}

/** FSCALE: ST(0) × 2^trunc(ST(1)). */
export function scale(fpu: X87): void {
  const b = register(fpu, 1);
  if (b === null) {
    if (!fpu.stackFault(false)) fpu.set(0, F.DEFAULT_NAN);
    return;
  }
  if (!fpu.isEmpty(0) && F.isNan(b)) {
    arithmetic(fpu, Arithmetic.Add, 0, b);
    return;
  }
  unary(fpu, (env, a) => {
    if (b.class === F.Class.Infinity) {
      if (b.sign) {
        if (a.class === F.Class.Infinity) return F.invalid(env);
        denormals(env, a);
        return F.zero(a.sign);
      }
      if (a.class === F.Class.Zero) return F.invalid(env);
      denormals(env, a);
      return F.infinity(a.sign);
    }
    denormals(env, a, b);
    if (a.class !== F.Class.Finite || b.class !== F.Class.Finite) return a;
    const truncated = F.roundToIntegral(new F.Environment(F.Rounding.Zero), b);
    const wide = F.toInteger(truncated);
    const n = wide > 70000n ? 70000 : wide < -70000n ? -70000 : Number(wide);
    return F.round(env, F.EXTENDED, a.sign, a.significand, a.exponent + n);
  });
}

/** FXTRACT: exponent replaces ST(0), the significand is pushed. */
export function extract(fpu: X87): void {
  if (fpu.isEmpty(0) || !fpu.isEmpty(7)) {
    const overflow = !fpu.isEmpty(0);
    if (fpu.stackFault(overflow)) return;
    fpu.set(0, F.DEFAULT_NAN);
    fpu.top--;
    fpu.set(0, F.DEFAULT_NAN);
    return;
  }
  const env = fpu.environment();
  const x = fpu.get(0);
  let exponent: F.Float, significand: F.Float;
  if (F.isNan(x)) exponent = significand = chooseNan(env, x, x);
  else if (x.class === F.Class.Zero) {
    env.raise(F.DIVIDE);
    exponent = F.infinity(true);
    significand = x;
  } else if (x.class === F.Class.Infinity) {
    exponent = F.infinity(false);
    significand = x;
  } else {
    denormals(env, x);
    const length = F.bitLength(x.significand);
    exponent = F.fromInteger(BigInt(x.exponent + length - 1));
    significand = F.finite(x.sign, x.significand, 1 - length);
  }
  if (!fpu.finish(env)) return;
  fpu.set(0, exponent);
  fpu.top--;
  fpu.set(0, significand);
}

/** FPREM (truncating) and FPREM1 (nearest): one step of at most 63 quotient bits. */
export function remainder(fpu: X87, nearest: boolean): void {
  const b = register(fpu, 1);
  // Without a quotient C0 and C3 stay.
  fpu.setConditions(C1 | C2, 0);
  if (b === null) {
    if (!fpu.stackFault(false)) fpu.set(0, F.DEFAULT_NAN);
    return;
  }
  if (!fpu.isEmpty(0) && F.isNan(b)) {
    arithmetic(fpu, Arithmetic.Add, 0, b);
    return;
  }
  let conditions = -1;
  unary(fpu, (env, a) => {
    if (a.class === F.Class.Infinity || b.class === F.Class.Zero) return F.invalid(env);
    denormals(env, a, b);
    if (env.stopped) return a;
    conditions = 0;
    if (a.class === F.Class.Zero || b.class === F.Class.Infinity) return a;
    const exponentOf = (x: F.Float): number => x.exponent + F.bitLength(x.significand);
    const difference = exponentOf(a) - exponentOf(b);
    // Numbers go through rounding, which changes none but reports those that are tiny.
    if (difference < -1) return F.round(env, F.EXTENDED, a.sign, a.significand, a.exponent);
    const least = Math.min(a.exponent, b.exponent);
    const p = a.significand << BigInt(a.exponent - least);
    const q = b.significand << BigInt(b.exponent - least);
    if (difference >= 64) {
      // Partial: reduce by a multiple that leaves the exponents 32 to 63 closer.
      const closer = 32 + (difference & 31);
      const unit = q << BigInt(difference - closer);
      conditions = C2;
      const part = p % unit;
      return part === 0n ? F.zero(a.sign) : F.round(env, F.EXTENDED, a.sign, part, least);
    }
    let quotient = p / q;
    let rest = p % q;
    let sign = a.sign;
    if (nearest && (2n * rest > q || (2n * rest === q && (quotient & 1n) === 1n))) {
      quotient += 1n;
      rest = q - rest;
      sign = !sign;
    }
    const bits = Number(quotient & 7n);
    conditions = (bits & 4 ? C0 : 0) | (bits & 2 ? C3 : 0) | (bits & 1 ? C1 : 0);
    if (rest === 0n) return F.zero(a.sign);
    return F.round(env, F.EXTENDED, sign, rest, least);
  });
  if (conditions >= 0) fpu.setConditions(C0 | C1 | C2 | C3, conditions);
}

// ---- conversions to memory ------------------------------------------------------------------

/** ST(0) as the bits of a single or double. */
export function toFloat(fpu: X87, f: F.Format): bigint | null {
  const x = register(fpu, 0);
  if (x === null) return fpu.stackFault(false) ? null : F.pack(F.DEFAULT_NAN, f);
  const { rounding, masked } = fpu.environment();
  const env = new F.Environment(rounding, masked);
  let r = x;
  if (F.isNan(x)) r = chooseNan(env, x, x);
  else if (x.class === F.Class.Finite) {
    r = F.round(env, f, x.sign, x.significand, x.exponent);
  }
  // Unmasked, overflow and underflow leave memory as it was, and nothing is inexact.
  const refused = (env.flags & ~masked & (F.OVERFLOW | F.UNDERFLOW)) !== 0;
  if (refused) env.flags &= ~F.INEXACT;
  return fpu.finish(env) && !refused ? F.pack(r, f) : null;
}

/** ST(0) as an integer of `bits` bits; `truncate` for FISTTP. */
export function toInteger(fpu: X87, bits: number, truncate: boolean): bigint | null {
  const indefinite = -(1n << BigInt(bits - 1));
  const x = register(fpu, 0);
  if (x === null) return fpu.stackFault(false) ? null : indefinite;
  const control = fpu.environment();
  const env = truncate ? new F.Environment(F.Rounding.Zero, control.masked) : control;
  let n = indefinite;
  const bad = F.isNan(x) || x.class === F.Class.Infinity || x.exponent > 64;
  if (!bad) n = F.toInteger(F.roundToIntegral(env, x));
  if (bad || n < indefinite || n >= -indefinite) {
    env.flags = F.INVALID;
    env.roundedUp = false;
    n = indefinite;
  }
  return fpu.finish(env) ? n : null;
}

/** ST(0) as 18 packed decimal digits and a sign: low 64 bits, and the upper 16. */
export function toDecimal(fpu: X87): { low: bigint; high: number } | null {
  const indefinite = { low: 0xc000000000000000n, high: 0xffff };
  const x = register(fpu, 0);
  if (x === null) return fpu.stackFault(false) ? null : indefinite;
  const env = fpu.environment();
  const bad = F.isNan(x) || x.class === F.Class.Infinity || x.exponent > 64;
  let n = bad ? 0n : F.toInteger(F.roundToIntegral(env, x));
  if (n < 0n) n = -n;
  if (bad || n >= 10n ** 18n) {
    env.flags = F.INVALID;
    return fpu.finish(env) ? indefinite : null;
  }
  if (!fpu.finish(env)) return null;
  let packed = 0n;
  for (let i = 0n; i < 18n; i++, n /= 10n) packed |= (n % 10n) << (4n * i);
  const sign = x.sign ? 0x8000 : 0;
  return { low: packed & 0xffffffffffffffffn, high: Number(packed >> 64n) | sign };
}

/** Packed decimal digits as a value. */
export function fromDecimal(low: bigint, high: number): F.Float {
  let n = 0n;
  const packed = BigInt.asUintN(64, low) | (BigInt(high & 0xff) << 64n);
  for (let i = 17n; i >= 0n; i--) n = n * 10n + ((packed >> (4n * i)) & 15n);
  return F.finite((high & 0x8000) !== 0, n, 0);
}
