/**
 * Exact floating-point arithmetic on bit patterns, for what WebAssembly's own operations do not do:
 * other rounding modes than to nearest, flushing to zero, rounding to odd. Slow and rarely used;
 * operands are never NaN (NaNs are handled before).
 *
 * Control word: FPCR (DDI 0487, C5.2.8).
 */

import { Exception } from "./status.ts";

let exceptions = 0;
/** Note an exception; `takeExceptions` hands it over. */
export function raise(exception: Exception | number): void {
  exceptions |= exception;
}
/** Exceptions raised since the last call. */
export function takeExceptions(): number {
  const taken = exceptions;
  exceptions = 0;
  return taken;
}

/** Take back an invalid operation that the instruction defines. */
export function withdrawInvalid(): void {
  exceptions &= ~Exception.Invalid;
}

/** A binary interchange format of IEEE 754. */
export interface Format {
  readonly width: number;
  /** Significand bits, the hidden one included. */
  readonly precision: number;
  readonly bias: number;
}
export const HALF: Format = { width: 16, precision: 11, bias: 15 };
export const SINGLE: Format = { width: 32, precision: 24, bias: 127 };
export const DOUBLE: Format = { width: 64, precision: 53, bias: 1023 };

/** Rounding, numbered as FPCR.RMode, then those that instructions name. */
export const enum Rounding {
  Nearest,
  Up,
  Down,
  Zero,
  Away,
  Odd,
}

/** FPCR.FZ, and FZ16, which is for half precision (but its conversions). */
const FLUSH = 1 << 24;
const FLUSH16 = 1 << 19;
/** FPCR.AHP: half precision without infinities and NaNs. */
const ALTERNATIVE = 1 << 26;
/** Whether subnormals of a format become zeros. */
export function flushes(f: Format, fpcr: number): boolean {
  return (fpcr & (f === HALF ? FLUSH16 : FLUSH)) !== 0;
}
/** FPCR.RMode. */
export function roundingOf(fpcr: number): Rounding {
  return (fpcr >> 22) & 3;
}

/** A finite number (-1)^sign · significand · 2^exponent, or an infinity. */
interface Number754 {
  readonly sign: bigint;
  readonly significand: bigint;
  readonly exponent: number;
  readonly infinite: boolean;
}

const mantissaBits = (f: Format): bigint => BigInt(f.precision - 1);
const hidden = (f: Format): bigint => 1n << mantissaBits(f);
const maxExponent = (f: Format): number => 2 * f.bias + 1;
const signBit = (f: Format, sign: bigint): bigint => sign << BigInt(f.width - 1);

/** Positive infinity with `sign`. */
function infinity(f: Format, sign: bigint): bigint {
  return signBit(f, sign) | (BigInt(maxExponent(f)) << mantissaBits(f));
}
/** The default NaN: positive, quiet, no payload. */
export function defaultNaN(f: Format): bigint {
  return infinity(f, 0n) | (hidden(f) >> 1n);
}
export function isNaN(f: Format, bits: bigint): boolean {
  return (bits & (signBit(f, 1n) - 1n)) > infinity(f, 0n);
}
function isSignalling(f: Format, bits: bigint): boolean {
  return isNaN(f, bits) && (bits & (hidden(f) >> 1n)) === 0n;
}
const DEFAULT_NAN = 1 << 25;
/**
 * The NaN that operands yield, of which at least one is a NaN: the first signalling one, else the
 * first (DDI 0487, shared/functions/float/fpprocessnans).
 */
export function processNaNs(f: Format, fpcr: number, ...operands: bigint[]): bigint {
  const signalling = operands.find((x) => isSignalling(f, x));
  if (signalling !== undefined) raise(Exception.Invalid);
  if (fpcr & DEFAULT_NAN) return defaultNaN(f);
  const chosen = signalling ?? operands.find((x) => isNaN(f, x))!;
  return chosen | (hidden(f) >> 1n);
}
/** A comparison with a NaN: invalid if it is signalling, or any if the comparison `signals`. */
export function unordered(f: Format, signals: boolean, a: bigint, b: bigint): boolean {
  if (!isNaN(f, a) && !isNaN(f, b)) return false;
  if (signals || isSignalling(f, a) || isSignalling(f, b)) raise(Exception.Invalid);
  return true;
}
/** A number as an ordered integer: +0 and -0 are one. */
export function orderOf(f: Format, bits: bigint, fpcr: number): bigint {
  const magnitude = bits & (signBit(f, 1n) - 1n);
  const x = unpack(f, bits, fpcr);
  if (!x.infinite && x.significand === 0n) return 0n;
  return x.sign ? -magnitude : magnitude;
}

function invalid(f: Format): bigint {
  raise(Exception.Invalid);
  return defaultNaN(f);
}

function unpack(f: Format, bits: bigint, fpcr: number): Number754 {
  const sign = (bits >> BigInt(f.width - 1)) & 1n;
  const fraction = bits & (hidden(f) - 1n);
  const biased = Number((bits >> mantissaBits(f)) & BigInt(maxExponent(f)));
  const least = 2 - f.bias - f.precision;
  if (biased === maxExponent(f) && !(f === HALF && fpcr & ALTERNATIVE)) {
    return { sign, significand: 0n, exponent: 0, infinite: true };
  }
  if (biased === 0) {
    const flush = flushes(f, fpcr) && fraction !== 0n;
    if (flush && f !== HALF) raise(Exception.InputDenormal);
    return { sign, significand: flush ? 0n : fraction, exponent: least, infinite: false };
  }
  return { sign, significand: fraction | hidden(f), exponent: least + biased - 1, infinite: false };
}

function lengthOf(x: bigint): number {
  return x === 0n ? 0 : x.toString(2).length;
}

/** Whether a significand with remainder `rest` of `2 * half` is rounded away from zero. */
function roundsUp(mode: Rounding, sign: bigint, odd: boolean, rest: bigint, half: bigint): boolean {
  switch (mode) {
    case Rounding.Nearest:
      return rest > half || (rest === half && odd);
    case Rounding.Up:
      return sign === 0n && rest !== 0n;
    case Rounding.Down:
      return sign === 1n && rest !== 0n;
    case Rounding.Away:
      return rest >= half && rest !== 0n;
    case Rounding.Odd:
      return rest !== 0n && !odd;
    default:
      return false;
  }
}

/** The number rounded into format `f`, as bits. */
function pack(
  f: Format,
  sign: bigint,
  significand: bigint,
  exponent: number,
  mode: Rounding,
  fpcr: number,
): bigint {
  if (significand === 0n) return signBit(f, sign);
  const length = lengthOf(significand);
  const least = 2 - f.bias - f.precision;
  const tiny = exponent + length - 1 < 1 - f.bias;
  if (tiny && flushes(f, fpcr)) {
    raise(Exception.Underflow);
    return signBit(f, sign);
  }
  const shift = Math.max(length - f.precision, least - exponent);
  let q = significand;
  if (shift <= 0) q <<= BigInt(-shift);
  else {
    const by = BigInt(shift);
    q >>= by;
    const rest = significand - (q << by);
    if (rest !== 0n) raise(tiny ? Exception.Inexact | Exception.Underflow : Exception.Inexact);
    if (roundsUp(mode, sign, (q & 1n) === 1n, rest, 1n << (by - 1n))) q += 1n;
  }
  // A carry into the next power of two shows in the exponent field by itself.
  const field = exponent + shift - least;
  const bits = q + (BigInt(field) << mantissaBits(f));
  if (f === HALF && fpcr & ALTERNATIVE) {
    // Overflow is an invalid operation, and the largest number the result.
    if (bits < 0x8000n) return signBit(f, sign) | bits;
    exceptions = (exceptions & ~Exception.Inexact) | Exception.Invalid;
    return signBit(f, sign) | 0x7fffn;
  }
  if (bits >= infinity(f, 0n)) {
    raise(Exception.Overflow | Exception.Inexact);
    const toInfinity = mode === Rounding.Nearest || mode === Rounding.Away ||
      (mode === Rounding.Up && sign === 0n) || (mode === Rounding.Down && sign === 1n);
    return toInfinity ? infinity(f, sign) : signBit(f, sign) | (infinity(f, 0n) - 1n);
  }
  return signBit(f, sign) | bits;
}

/** Sum of two finite numbers as one. */
function sum(a: Number754, b: Number754, mode: Rounding): Number754 {
  const exponent = Math.min(a.exponent, b.exponent);
  const at = (x: Number754): bigint => {
    const magnitude = x.significand << BigInt(x.exponent - exponent);
    return x.sign ? -magnitude : magnitude;
  };
  const total = at(a) + at(b);
  const zeroSign = a.sign === b.sign ? a.sign : mode === Rounding.Down ? 1n : 0n;
  const sign = total === 0n ? zeroSign : total < 0n ? 1n : 0n;
  return { sign, significand: total < 0n ? -total : total, exponent, infinite: false };
}

/** (addend + a · b) · 2^scale with one rounding; the addend may be absent. */
export function fusedMultiplyAdd(
  f: Format,
  addendBits: bigint | null,
  aBits: bigint,
  bBits: bigint,
  fpcr: number,
  scale = 0,
): bigint {
  const a = unpack(f, aBits, fpcr);
  const b = unpack(f, bBits, fpcr);
  const addend = addendBits === null ? null : unpack(f, addendBits, fpcr);
  const mode = roundingOf(fpcr);
  const sign = a.sign ^ b.sign;
  const zero = (x: Number754): boolean => !x.infinite && x.significand === 0n;
  const infinite = a.infinite || b.infinite;
  if (infinite && (zero(a) || zero(b))) return invalid(f);
  const product: Number754 = {
    sign,
    significand: a.significand * b.significand,
    exponent: a.exponent + b.exponent,
    infinite,
  };
  if (addend === null) {
    if (infinite) return infinity(f, sign);
    return pack(f, sign, product.significand, product.exponent, mode, fpcr);
  }
  if (addend.infinite && infinite && addend.sign !== sign) return invalid(f);
  if (addend.infinite) return infinity(f, addend.sign);
  if (infinite) return infinity(f, sign);
  const r = sum(addend, product, mode);
  return pack(f, r.sign, r.significand, r.exponent + scale, mode, fpcr);
}

/** a + b. */
export function add(f: Format, aBits: bigint, bBits: bigint, fpcr: number): bigint {
  const a = unpack(f, aBits, fpcr);
  const b = unpack(f, bBits, fpcr);
  if (a.infinite && b.infinite && a.sign !== b.sign) return invalid(f);
  if (a.infinite) return infinity(f, a.sign);
  if (b.infinite) return infinity(f, b.sign);
  const mode = roundingOf(fpcr);
  const r = sum(a, b, mode);
  return pack(f, r.sign, r.significand, r.exponent, mode, fpcr);
}

/** a / b. */
export function divide(f: Format, aBits: bigint, bBits: bigint, fpcr: number): bigint {
  const a = unpack(f, aBits, fpcr);
  const b = unpack(f, bBits, fpcr);
  const sign = a.sign ^ b.sign;
  const zeroB = !b.infinite && b.significand === 0n;
  if (a.infinite) return b.infinite ? invalid(f) : infinity(f, sign);
  if (zeroB) {
    if (a.significand === 0n) return invalid(f);
    raise(Exception.DivideByZero);
    return infinity(f, sign);
  }
  if (b.infinite || a.significand === 0n) return signBit(f, sign);
  const by = f.precision * 2 + 4;
  const scaled = a.significand << BigInt(by);
  const q = scaled / b.significand;
  const sticky = q * b.significand === scaled ? 0n : 1n;
  const exponent = a.exponent - b.exponent - by - 1;
  return pack(f, sign, (q << 1n) | sticky, exponent, roundingOf(fpcr), fpcr);
}

/** Square root. */
export function squareRoot(f: Format, bits: bigint, fpcr: number): bigint {
  const a = unpack(f, bits, fpcr);
  if (!a.infinite && a.significand === 0n) return signBit(f, a.sign);
  if (a.sign) return invalid(f);
  if (a.infinite) return infinity(f, 0n);
  let by = 2 * f.precision + 6;
  if ((a.exponent - by) % 2 !== 0) by++;
  const scaled = a.significand << BigInt(by);
  const root = integerRoot(scaled);
  const sticky = root * root === scaled ? 0n : 1n;
  return pack(f, 0n, (root << 1n) | sticky, (a.exponent - by) / 2 - 1, roundingOf(fpcr), fpcr);
}
function integerRoot(x: bigint): bigint {
  let r = 1n << BigInt((lengthOf(x) + 1) >> 1);
  for (;;) {
    const next = (r + x / r) >> 1n;
    if (next >= r) return r;
    r = next;
  }
}

/** The larger (or smaller) of two numbers; +0 is larger than -0. */
export function extremum(f: Format, aBits: bigint, bBits: bigint, max: boolean, fpcr: number) {
  const flushed = (bits: bigint): bigint => {
    const x = unpack(f, bits, fpcr);
    return x.infinite || x.significand !== 0n ? bits : signBit(f, x.sign);
  };
  const key = (bits: bigint): bigint =>
    bits >> BigInt(f.width - 1) ? -(bits & (signBit(f, 1n) - 1n)) - 1n : bits;
  const a = flushed(aBits);
  const b = flushed(bBits);
  return (key(a) > key(b)) === max ? a : b;
}

/** Conversion between formats, where half precision is never flushed. */
export function convert(from: Format, to: Format, bits: bigint, fpcr: number, mode: Rounding) {
  const control = fpcr & ~FLUSH16;
  const a = unpack(from, bits, control);
  if (!a.infinite) return pack(to, a.sign, a.significand, a.exponent, mode, control);
  if (to !== HALF || !(fpcr & ALTERNATIVE)) return infinity(to, a.sign);
  raise(Exception.Invalid);
  return signBit(to, a.sign) | 0x7fffn;
}

/** A NaN in the alternative half-precision format: a zero, and invalid. */
export function alternativeOfNaN(from: Format, bits: bigint): bigint {
  raise(Exception.Invalid);
  return signBit(HALF, (bits >> BigInt(from.width - 1)) & 1n);
}

/** Magnitude of a finite number rounded to an integer. */
function rounded(a: Number754, mode: Rounding): bigint {
  if (a.exponent >= 0) return a.significand << BigInt(a.exponent);
  const by = BigInt(-a.exponent);
  const q = a.significand >> by;
  const rest = a.significand - (q << by);
  const up = roundsUp(mode, a.sign, (q & 1n) === 1n, rest, 1n << (by - 1n));
  return up ? q + 1n : q;
}

/** Rounded to an integral value in the same format; `exact` tells of a change. */
export function roundToIntegral(
  f: Format,
  bits: bigint,
  fpcr: number,
  mode: Rounding,
  exact: boolean,
): bigint {
  const a = unpack(f, bits, fpcr);
  if (a.infinite) return bits;
  if (exact && !isInteger(a)) raise(Exception.Inexact);
  return pack(f, a.sign, rounded(a, mode), 0, mode, 0);
}
function isInteger({ significand, exponent }: Number754): boolean {
  return exponent >= 0 || (significand & ((1n << BigInt(-exponent)) - 1n)) === 0n;
}

/** value · 2^fraction to an integer of `width` bits, saturating. */
export function toInteger(
  f: Format,
  bits: bigint,
  fraction: number,
  width: number,
  signed: boolean,
  fpcr: number,
  mode: Rounding,
): bigint {
  const a = unpack(f, bits, fpcr);
  const top = 1n << BigInt(width - (signed ? 1 : 0));
  const low = signed ? -top : 0n;
  const scaled = { ...a, exponent: a.exponent + fraction };
  const magnitude = a.infinite ? top + 1n : rounded(scaled, mode);
  const value = a.sign ? -magnitude : magnitude;
  const fits = value >= low && value < top;
  if (!fits) raise(Exception.Invalid);
  else if (!isInteger(scaled)) raise(Exception.Inexact);
  return value < low ? low : value >= top ? top - 1n : value;
}

/** Integer · 2^-fraction to a float. */
export function fromInteger(f: Format, value: bigint, fraction: number, fpcr: number): bigint {
  const sign = value < 0n ? 1n : 0n;
  return pack(f, sign, sign ? -value : value, -fraction, roundingOf(fpcr), fpcr);
}
