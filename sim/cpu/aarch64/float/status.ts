/**
 * FPSR's cumulative exception bits, which are exact from a program's first instruction.
 *
 * Floating point runs at the host's speed where a result tells that it can have raised nothing but
 * inexactness, and FPSR.IXC is set already. A bit of our own in the state word of FPCR, which programs do
 * not see, says that IXC is clear; so one comparison of that word with zero finds every other rounding
 * mode and the results whose exactness counts. Those go to `exact.ts`, and what it cannot
 * answer to the host's exact arithmetic.
 */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { FPCR, FPSR } from "../../layout.ts";
import { putLimits, setLimits } from "./limits.ts";

/** Our bit in the state word of FPCR: FPSR.IXC is clear. */
export const UNSEEN = 1;
/** Bits of FPCR that programs write and read: AHP, DN, FZ, RMode, FZ16. */
export const FPCR_MASK = 0x07c80000;
/** Bits of FPSR that programs write and read: QC and the cumulative exception bits. */
export const FPSR_MASK = 0x0800009f;

/** Cumulative exception bits. */
export const enum Exception {
  Invalid = 1 << 0,
  DivideByZero = 1 << 1,
  Overflow = 1 << 2,
  Underflow = 1 << 3,
  Inexact = 1 << 4,
  InputDenormal = 1 << 7,
}

/** FPCR with our bit. */
export function fpcr(e: Emitter): Node {
  return e.getState("i32", FPCR);
}
/** Set FPCR's state word. */
export function setControl(e: Emitter, word: Node): void {
  e.setState(FPCR, word);
  setLimits(e, word);
}
/** Set bits of FPSR, which are not Inexact. */
export function raise(e: Emitter, exceptions: Exception): void {
  e.setState(FPSR, e.or(e.getState("i32", FPSR), e.i32(exceptions)));
}

/** FPCR is as a program finds it: to nearest, nothing flushed, NaNs propagated. */
export function isDefaultMode(e: Emitter): Node {
  return e.eqz(e.and(fpcr(e), e.i32(~UNSEEN)));
}

/** FPCR's state word for the program's value of FPCR, or of FPSR. */
export function withControl(e: Emitter, control: Node): Node {
  return e.or(e.and(control, e.i32(FPCR_MASK)), e.and(fpcr(e), e.i32(UNSEEN)));
}
export function withStatus(e: Emitter, status: Node): Node {
  const inexact = e.shrU(e.and(status, e.i32(Exception.Inexact)), e.i32(4));
  return e.or(e.and(fpcr(e), e.i32(~UNSEEN)), e.xor(inexact, e.i32(UNSEEN)));
}

/** Sets both state words, on the host. */
export function setStatus(state: DataView, control: number, status: number): void {
  const unseen = status & Exception.Inexact ? 0 : UNSEEN;
  setControlWord(state, (control & FPCR_MASK) | unseen);
  state.setUint32(FPSR, status, true);
}
/** Sets FPCR's state word, on the host. */
export function setControlWord(state: DataView, word: number): void {
  state.setUint32(FPCR, word, true);
  putLimits(state, word);
}
