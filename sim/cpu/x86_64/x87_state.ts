/**
 * The x87 register stack in state memory: 80-bit values, tags, status word, stack faults.
 * Intel SDM volume 1, chapter 8.
 */
import * as L from "../layout.ts";
import * as F from "./soft_float.ts";

/** Status word bits beyond the exception flags. */
export const STACK_FAULT = 0x40;
export const ERROR_SUMMARY = 0x80;
export const C0 = 0x100;
export const C1 = 0x200;
export const C2 = 0x400;
export const C3 = 0x4000;
export const BUSY = 0x8000;

/** What unmasked overflow and underflow change a register's exponent by. */
const BIAS = 24576;

/** An 80-bit encoding that is no number, infinity or NaN since the 387: an invalid operand. */
const UNSUPPORTED: F.Float = { ...F.DEFAULT_NAN, exponent: 1 };
export const isUnsupported = (x: F.Float): boolean => x === UNSUPPORTED;

/** Significand (with its integer bit) and sign-exponent word of an 80-bit value. */
export function unpack80(low: bigint, high: number): F.Float {
  const sign = (high & 0x8000) !== 0;
  const biased = high & 0x7fff;
  const integerBit = (low >> 63n) !== 0n;
  if (biased === 0) {
    if (low === 0n) return F.zero(sign);
    return {
      class: F.Class.Finite,
      sign,
      significand: low,
      exponent: -16382 - 63,
      denormal: true,
    };
  }
  if (!integerBit) return UNSUPPORTED;
  if (biased === 0x7fff) {
    const fraction = low & ((1n << 63n) - 1n);
    if (fraction === 0n) return F.infinity(sign);
    const signaling = (fraction >> 62n) === 0n;
    return {
      class: signaling ? F.Class.SignalingNan : F.Class.QuietNan,
      sign,
      significand: fraction,
      exponent: 0,
    };
  }
  return F.finite(sign, low, biased - 16383 - 63);
}

/** The two words of a value that the format represents exactly. */
export function pack80(x: F.Float): { low: bigint; high: number } {
  const sign = x.sign ? 0x8000 : 0;
  switch (x.class) {
    case F.Class.Zero:
      return { low: 0n, high: sign };
    case F.Class.Infinity:
      return { low: 1n << 63n, high: sign | 0x7fff };
    case F.Class.Finite: {
      const e = x.exponent + F.bitLength(x.significand) - 1;
      if (e < -16382) {
        const n = x.exponent + 16382 + 63;
        return {
          low: n >= 0 ? x.significand << BigInt(n) : x.significand >> BigInt(-n),
          high: sign,
        };
      }
      const n = 64 - F.bitLength(x.significand);
      const low = n >= 0 ? x.significand << BigInt(n) : x.significand >> BigInt(-n);
      return { low, high: sign | (e + 16383) };
    }
    default:
      return { low: x.significand | (1n << 63n), high: sign | 0x7fff };
  }
}

/** The x87 of the thread whose registers are in `state`. */
export class X87 {
  constructor(readonly state: DataView) {}

  get control(): number {
    return this.state.getUint32(L.X87_CONTROL, true);
  }
  get status(): number {
    return this.state.getUint32(L.X87_STATUS, true);
  }
  set status(value: number) {
    this.state.setUint32(L.X87_STATUS, value & 0xffff, true);
  }
  get top(): number {
    return this.state.getUint32(L.X87_TOP, true) & 7;
  }
  set top(value: number) {
    this.state.setUint32(L.X87_TOP, value & 7, true);
  }
  get tags(): number {
    return this.state.getUint32(L.X87_TAGS, true);
  }
  set tags(value: number) {
    this.state.setUint32(L.X87_TAGS, value & 0xff, true);
  }

  /** Rounding, masks and precision for arithmetic. */
  environment(): F.Environment {
    const control = this.control;
    return new F.Environment((control >> 10) & 3, control & 0x3f, false, BIAS);
  }
  /** The format that results are rounded to: the extended exponent range at PC's precision. */
  format(): F.Format {
    const precision = [24, 64, 53, 64][(this.control >> 8) & 3];
    return { ...F.EXTENDED, precision };
  }

  #slot(i: number): number {
    return L.X87_REGISTERS + 16 * ((this.top + i) & 7);
  }
  isEmpty(i: number): boolean {
    return ((this.tags >> ((this.top + i) & 7)) & 1) !== 0;
  }
  setEmpty(i: number, empty: boolean): void {
    const bit = 1 << ((this.top + i) & 7);
    this.tags = empty ? this.tags | bit : this.tags & ~bit;
  }
  low(i: number): bigint {
    return this.state.getBigUint64(this.#slot(i), true);
  }
  high(i: number): number {
    return this.state.getUint16(this.#slot(i) + 8, true);
  }
  get(i: number): F.Float {
    return unpack80(this.low(i), this.high(i));
  }
  setRaw(i: number, low: bigint, high: number): void {
    this.state.setBigUint64(this.#slot(i), low, true);
    this.state.setBigUint64(this.#slot(i) + 8, BigInt(high), true);
    this.setEmpty(i, false);
  }
  set(i: number, x: F.Float): void {
    const { low, high } = pack80(x);
    this.setRaw(i, low, high);
  }
  pop(): void {
    this.setEmpty(0, true);
    this.top++;
  }

  /** Replace condition bits. */
  setConditions(mask: number, value: number): void {
    this.status = (this.status & ~mask) | value;
  }

  /** Add exception flags; an unmasked one sets the summary bits. Returns whether one is unmasked. */
  raise(flags: number): boolean {
    let status = this.status | flags;
    const unmasked = (status & ~this.control & 0x3f) !== 0;
    if (unmasked) status |= ERROR_SUMMARY | BUSY;
    this.status = status;
    return (flags & ~this.control & 0x3f) !== 0;
  }

  /** A read of an empty register (C1 = 0) or a push onto a full one (C1 = 1). */
  stackFault(overflow: boolean): boolean {
    this.setConditions(C1, overflow ? C1 : 0);
    return this.raise(F.INVALID | STACK_FAULT);
  }

  /**
   * End an operation: report its exceptions and set C1 by how it was rounded. False when an
   * unmasked invalid, denormal or zero-divide exception forbids the result.
   */
  finish(env: F.Environment): boolean {
    this.setConditions(C1, env.flags & F.INEXACT && env.roundedUp ? C1 : 0);
    const unmasked = this.raise(env.flags);
    return !unmasked || (env.flags & ~this.control & (F.INVALID | F.DENORMAL | F.DIVIDE)) === 0;
  }

  /** Push a value; onto a full register it is a stack fault and the value is lost. */
  push(x: F.Float): void {
    const { low, high } = pack80(x);
    this.pushRaw(low, high);
  }
  pushRaw(low: bigint, high: number): void {
    if (!this.isEmpty(7)) {
      if (this.stackFault(true)) return;
      low = 0xc000000000000000n;
      high = 0xffff;
    } else this.setConditions(C1, 0);
    this.top--;
    this.setRaw(0, low, high);
  }

  /** The full tag word: two bits for each physical register. */
  tagWord(): number {
    let word = 0;
    const top = this.top;
    for (let p = 0; p < 8; p++) {
      const i = (p - top) & 7;
      const x = this.get(i);
      let tag = 0;
      if (this.isEmpty(i)) tag = 3;
      else if (x.class === F.Class.Zero) tag = 1;
      else if (x.class !== F.Class.Finite || x.denormal) tag = 2;
      word |= tag << (2 * p);
    }
    return word;
  }
}

/** Which of two operands, at least one of them a NaN, the result is made from. */
export function chooseNan(env: F.Environment, a: F.Float, b: F.Float): F.Float {
  if (isUnsupported(a) || isUnsupported(b)) return F.invalid(env);
  const signaling = (x: F.Float): boolean => x.class === F.Class.SignalingNan;
  if (signaling(a) || signaling(b)) env.raise(F.INVALID);
  if (!F.isNan(b)) return F.quiet(a);
  if (!F.isNan(a)) return F.quiet(b);
  if (signaling(a) !== signaling(b)) return F.quiet(signaling(a) ? b : a);
  if (a.significand !== b.significand) return F.quiet(a.significand > b.significand ? a : b);
  return F.quiet(a.sign ? b : a);
}

/** Raise the denormal exception for numbers. */
export function denormals(env: F.Environment, ...xs: F.Float[]): void {
  if (xs.some((x) => x.denormal === true)) env.denormal();
}
