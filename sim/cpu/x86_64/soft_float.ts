/**
 * Binary floating point in software (IEEE 754-2019), exact in every rounding mode, with exceptions:
 * for the x87, and for SSE when MXCSR asks for more than the host's own arithmetic gives.
 *
 * A value is a sign, an integer significand and a power of two: (-1)^sign × significand × 2^exponent.
 */

/** Exception bits, as MXCSR and the x87 status word place them. */
export const INVALID = 1;
export const DENORMAL = 2;
export const DIVIDE = 4;
export const OVERFLOW = 8;
export const UNDERFLOW = 16;
export const INEXACT = 32;

/** Rounding, as the RC fields encode it. */
export const enum Rounding {
  Nearest,
  Down,
  Up,
  Zero,
}

export const enum Class {
  Zero,
  Finite,
  Infinity,
  /** `significand` holds the fraction, left-aligned below the integer bit of 64 bits. */
  QuietNan,
  SignalingNan,
}

/** An unpacked value. */
export interface Float {
  readonly class: Class;
  readonly sign: boolean;
  readonly significand: bigint;
  readonly exponent: number;
  /** It was a subnormal number (or an x87 pseudo-denormal). */
  readonly denormal?: boolean;
}

/** A format: precision in bits, and the exponents of its normal numbers. */
export interface Format {
  readonly precision: number;
  readonly least: number;
  readonly most: number;
  /** Bits of the interchange format. */
  readonly width: number;
}

export const SINGLE: Format = { precision: 24, least: -126, most: 127, width: 32 };
export const DOUBLE: Format = { precision: 53, least: -1022, most: 1023, width: 64 };
export const EXTENDED: Format = { precision: 64, least: -16382, most: 16383, width: 80 };

/** How to round, and the exceptions raised so far. */
export class Environment {
  flags = 0;
  /** C1 of the x87: the last rounding went away from zero. */
  roundedUp = false;
  /** An unmasked denormal exception ended the operation: what follows raises nothing. */
  stopped = false;
  constructor(
    readonly rounding: Rounding,
    /** Exceptions that are masked. */
    readonly masked: number = 0x3f,
    readonly flushToZero = false,
    /** Exponent that unmasked overflow and underflow take from and add to a result (x87 registers). */
    readonly bias = 0,
  ) {}
  raise(flags: number): void {
    if (!this.stopped) this.flags |= flags;
  }
  /** Operands are denormal: an exception that, unmasked, comes before the operation. */
  denormal(): void {
    this.raise(DENORMAL);
    if ((this.masked & DENORMAL) === 0) this.stopped = true;
  }
}

export const DEFAULT_NAN: Float = {
  class: Class.QuietNan,
  sign: true,
  significand: 1n << 62n,
  exponent: 0,
};
export const zero = (sign: boolean): Float => ({
  class: Class.Zero,
  sign,
  significand: 0n,
  exponent: 0,
});
export const infinity = (sign: boolean): Float => ({
  class: Class.Infinity,
  sign,
  significand: 0n,
  exponent: 0,
});
export const finite = (
  sign: boolean,
  significand: bigint,
  exponent: number,
): Float => significand === 0n ? zero(sign) : { class: Class.Finite, sign, significand, exponent };

export const isNan = (x: Float): boolean => x.class >= Class.QuietNan;

/** A NaN made quiet. */
export function quiet(x: Float): Float {
  return { ...x, class: Class.QuietNan, significand: x.significand | (1n << 62n) };
}

/** Number of bits of `x` > 0. */
export function bitLength(x: bigint): number {
  return x.toString(2).length;
}

// ---- packing ------------------------------------------------------------------------------

/** Unpack the bits of an interchange format (single or double). */
export function unpack(bits: bigint, f: Format): Float {
  const { width } = f;
  const fractionBits = f.precision - 1;
  const sign = (bits >> BigInt(width - 1)) !== 0n;
  const fraction = bits & ((1n << BigInt(fractionBits)) - 1n);
  const biased = Number((bits >> BigInt(fractionBits)) & BigInt(2 * f.most + 1));
  if (biased === 2 * f.most + 1) {
    if (fraction === 0n) return infinity(sign);
    const significand = fraction << BigInt(63 - fractionBits);
    const signaling = (significand & (1n << 62n)) === 0n;
    return {
      class: signaling ? Class.SignalingNan : Class.QuietNan,
      sign,
      significand,
      exponent: 0,
    };
  }
  if (biased === 0) {
    if (fraction === 0n) return zero(sign);
    return {
      class: Class.Finite,
      sign,
      significand: fraction,
      exponent: f.least - fractionBits,
      denormal: true,
    };
  }
  const significand = fraction | (1n << BigInt(fractionBits));
  return finite(sign, significand, biased - f.most - fractionBits);
}

/** Pack a value that the format represents exactly (as `round` leaves it). */
export function pack(x: Float, f: Format): bigint {
  const { width } = f;
  const fractionBits = f.precision - 1;
  const sign = x.sign ? 1n << BigInt(width - 1) : 0n;
  const top = BigInt(2 * f.most + 1) << BigInt(fractionBits);
  switch (x.class) {
    case Class.Zero:
      return sign;
    case Class.Infinity:
      return sign | top;
    case Class.Finite: {
      const e = x.exponent + bitLength(x.significand) - 1;
      const scale = Math.max(e, f.least) - fractionBits;
      const s = shift(x.significand, x.exponent - scale);
      if (e < f.least) return sign | s;
      const fraction = s & ((1n << BigInt(fractionBits)) - 1n);
      return sign | (BigInt(e + f.most) << BigInt(fractionBits)) | fraction;
    }
    default: {
      const fraction = (x.significand & ((1n << 63n) - 1n)) >> BigInt(63 - fractionBits);
      return sign | top | fraction;
    }
  }
}

/** `x` × 2^n, dropping bits below the unit. */
function shift(x: bigint, n: number): bigint {
  return n >= 0 ? x << BigInt(n) : x >> BigInt(-n);
}

// ---- rounding -----------------------------------------------------------------------------

/** Whether a magnitude with discarded part (half, sticky) rounds up. */
function roundsUp(r: Rounding, sign: boolean, odd: boolean, half: boolean, sticky: boolean) {
  switch (r) {
    case Rounding.Nearest:
      return half && (sticky || odd);
    case Rounding.Down:
      return sign && (half || sticky);
    case Rounding.Up:
      return !sign && (half || sticky);
    default:
      return false;
  }
}

/** Round a significand to multiples of 2^drop; the result counts those. */
function dropBits(
  significand: bigint,
  drop: number,
  sticky: boolean,
  sign: boolean,
  rounding: Rounding,
): { kept: bigint; inexact: boolean; up: boolean } {
  if (drop <= 0) {
    // Nothing is dropped but what is below already.
    const kept = significand << BigInt(-drop);
    const up = sticky && roundsUp(rounding, sign, (kept & 1n) === 1n, false, true);
    return { kept: up ? kept + 1n : kept, inexact: sticky, up };
  }
  const n = BigInt(drop);
  const kept = significand >> n;
  const rest = significand & ((1n << n) - 1n);
  const halfway = 1n << (n - 1n);
  const half = (rest & halfway) !== 0n;
  const below = sticky || (rest & (halfway - 1n)) !== 0n;
  const up = roundsUp(rounding, sign, (kept & 1n) === 1n, half, below);
  return { kept: up ? kept + 1n : kept, inexact: half || below, up };
}

/**
 * Round an exact nonzero result to `f`; `sticky` says that a little more was cut off below.
 * Raises inexact, overflow and underflow (tininess after rounding).
 */
export function round(
  env: Environment,
  f: Format,
  sign: boolean,
  significand: bigint,
  exponent: number,
  sticky = false,
): Float {
  let length = bitLength(significand);
  if (sticky && length < f.precision + 2) {
    // Keep enough bits above the sticky ones for a correct decision.
    const more = f.precision + 2 - length;
    significand <<= BigInt(more);
    exponent -= more;
    length += more;
  }
  const e = exponent + length - 1;
  env.roundedUp = false;
  let scale = e - f.precision + 1;
  let r = dropBits(significand, scale - exponent, sticky, sign, env.rounding);
  const tiny = e < f.least &&
    scale + bitLength(r.kept) - 1 < f.least;
  if (e < f.least) {
    const wrapped = e + env.bias >= f.least || env.bias === 0;
    if (tiny && (env.masked & UNDERFLOW) === 0 && wrapped) {
      // Unmasked underflow delivers the result with its full precision.
      env.raise(UNDERFLOW | (r.inexact ? INEXACT : 0));
      env.roundedUp = r.up;
      return finite(sign, r.kept, scale + env.bias);
    }
    if (tiny && !wrapped && (env.masked & UNDERFLOW) === 0) {
      // FSCALE alone gets here: zero, whatever the rounding (Intel SDM volume 1, 8.5.5).
      env.raise(UNDERFLOW | INEXACT);
      return zero(sign);
    }
    if (tiny && env.flushToZero) {
      env.raise(UNDERFLOW | INEXACT);
      return zero(sign);
    }
    scale = f.least - f.precision + 1;
    r = dropBits(significand, scale - exponent, sticky, sign, env.rounding);
    if (tiny && (r.inexact || (env.masked & UNDERFLOW) === 0)) env.raise(UNDERFLOW);
  }
  if (r.inexact) env.raise(INEXACT);
  env.roundedUp = r.up;
  if (r.kept === 0n) return zero(sign);
  if (scale + bitLength(r.kept) - 1 > f.most) {
    const wrapped = scale + bitLength(r.kept) - 1 - env.bias <= f.most;
    const unmasked = (env.masked & OVERFLOW) === 0;
    if (unmasked && env.bias !== 0 && wrapped) {
      env.raise(OVERFLOW);
      return finite(sign, r.kept, scale - env.bias);
    }
    // Unmasked, what is inexact is the result before it overflowed.
    env.raise(unmasked && env.bias === 0 ? OVERFLOW : OVERFLOW | INEXACT);
    if (unmasked && env.bias !== 0) {
      env.roundedUp = true;
      return infinity(sign);
    }
    const toInfinity = env.rounding === Rounding.Nearest ||
      env.rounding === (sign ? Rounding.Down : Rounding.Up);
    env.roundedUp = toInfinity;
    if (toInfinity) return infinity(sign);
    return finite(sign, (1n << BigInt(f.precision)) - 1n, f.most - f.precision + 1);
  }
  return finite(sign, r.kept, scale);
}

// ---- arithmetic on numbers that are not NaN ------------------------------------------------

/** An invalid operation. */
export function invalid(env: Environment): Float {
  env.raise(INVALID);
  return DEFAULT_NAN;
}

export function add(env: Environment, f: Format, a: Float, b: Float): Float {
  if (a.class === Class.Infinity) {
    return b.class === Class.Infinity && a.sign !== b.sign ? invalid(env) : infinity(a.sign);
  }
  if (b.class === Class.Infinity) return infinity(b.sign);
  if (a.class === Class.Zero && b.class === Class.Zero) {
    return zero(a.sign === b.sign ? a.sign : env.rounding === Rounding.Down);
  }
  const exponent = a.class === Class.Zero
    ? b.exponent
    : b.class === Class.Zero
    ? a.exponent
    : Math.min(a.exponent, b.exponent);
  // Far below the other operand, a value is a sticky bit only: keep the integers small.
  const value = (x: Float): bigint => {
    const v = x.class === Class.Zero ? 0n : x.significand << BigInt(x.exponent - exponent);
    return x.sign ? -v : v;
  };
  if (a.class === Class.Finite && b.class === Class.Finite) {
    const gap = a.exponent - b.exponent;
    if (Math.abs(gap) > 300) {
      const [big, small] = gap > 0 ? [a, b] : [b, a];
      const wide = big.significand << 140n;
      const near = big.sign === small.sign ? wide : wide - 1n;
      return round(env, f, big.sign, near, big.exponent - 140, true);
    }
  }
  const sum = value(a) + value(b);
  if (sum === 0n) return zero(env.rounding === Rounding.Down);
  return round(env, f, sum < 0n, sum < 0n ? -sum : sum, exponent);
}

export function negate(x: Float): Float {
  return { ...x, sign: !x.sign };
}

export function multiply(env: Environment, f: Format, a: Float, b: Float): Float {
  const sign = a.sign !== b.sign;
  if (a.class === Class.Infinity || b.class === Class.Infinity) {
    return a.class === Class.Zero || b.class === Class.Zero ? invalid(env) : infinity(sign);
  }
  if (a.class === Class.Zero || b.class === Class.Zero) return zero(sign);
  return round(env, f, sign, a.significand * b.significand, a.exponent + b.exponent);
}

export function divide(env: Environment, f: Format, a: Float, b: Float): Float {
  const sign = a.sign !== b.sign;
  if (a.class === Class.Infinity) {
    return b.class === Class.Infinity ? invalid(env) : infinity(sign);
  }
  if (b.class === Class.Infinity) return zero(sign);
  if (b.class === Class.Zero) {
    if (a.class === Class.Zero) return invalid(env);
    env.raise(DIVIDE);
    return infinity(sign);
  }
  if (a.class === Class.Zero) return zero(sign);
  const extra = Math.max(0, f.precision + 3 + bitLength(b.significand) - bitLength(a.significand));
  const numerator = a.significand << BigInt(extra);
  const quotient = numerator / b.significand;
  const sticky = numerator % b.significand !== 0n;
  return round(env, f, sign, quotient, a.exponent - extra - b.exponent, sticky);
}

/** Integer square root, rounded down. */
function rootOf(n: bigint): bigint {
  let x = 1n << BigInt((bitLength(n) + 1) >> 1);
  for (;;) {
    const y = (x + n / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}

export function squareRoot(env: Environment, f: Format, a: Float): Float {
  if (a.class === Class.Zero) return a;
  if (a.sign) return invalid(env);
  if (a.class === Class.Infinity) return a;
  let extra = Math.max(0, 2 * f.precision + 6 - bitLength(a.significand));
  if ((a.exponent - extra) & 1) extra++;
  const n = a.significand << BigInt(extra);
  const root = rootOf(n);
  return round(env, f, false, root, (a.exponent - extra) / 2, root * root !== n);
}

/** a × b + c with one rounding; none of them a NaN. */
export function fused(env: Environment, f: Format, a: Float, b: Float, c: Float): Float {
  const sign = a.sign !== b.sign;
  const none = a.class === Class.Zero || b.class === Class.Zero;
  if (a.class === Class.Infinity || b.class === Class.Infinity) {
    if (none || (c.class === Class.Infinity && c.sign !== sign)) return invalid(env);
    return infinity(sign);
  }
  if (none) return add(env, f, zero(sign), c);
  return add(env, f, finite(sign, a.significand * b.significand, a.exponent + b.exponent), c);
}

/** Round to an integral value. */
export function roundToIntegral(env: Environment, a: Float): Float {
  if (a.class !== Class.Finite || a.exponent >= 0) return a;
  const r = dropBits(a.significand, -a.exponent, false, a.sign, env.rounding);
  if (r.inexact) env.raise(INEXACT);
  env.roundedUp = r.up;
  return finite(a.sign, r.kept, 0);
}

/** Compare two numbers: -1, 0 or 1. */
export function order(a: Float, b: Float): number {
  const sign = (x: Float): number => x.class === Class.Zero ? 0 : x.sign ? -1 : 1;
  if (sign(a) !== sign(b)) return sign(a) < sign(b) ? -1 : 1;
  if (a.class === Class.Zero) return 0;
  let magnitude: number;
  if (a.class === Class.Infinity || b.class === Class.Infinity) {
    magnitude = Number(a.class === Class.Infinity) - Number(b.class === Class.Infinity);
  } else {
    const x = a.exponent + bitLength(a.significand), y = b.exponent + bitLength(b.significand);
    if (x !== y) magnitude = x < y ? -1 : 1;
    else {
      const least = Math.min(a.exponent, b.exponent);
      const p = a.significand << BigInt(a.exponent - least);
      const q = b.significand << BigInt(b.exponent - least);
      magnitude = p < q ? -1 : p > q ? 1 : 0;
    }
  }
  return a.sign ? -magnitude : magnitude;
}

/** An integer as a value. */
export function fromInteger(n: bigint): Float {
  return n < 0n ? finite(true, -n, 0) : finite(false, n, 0);
}

/** The integer that an integral value is. */
export function toInteger(x: Float): bigint {
  if (x.class === Class.Zero) return 0n;
  const n = shift(x.significand, x.exponent);
  return x.sign ? -n : n;
}
