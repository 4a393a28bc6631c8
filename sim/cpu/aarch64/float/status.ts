/**
 * FPSR's cumulative exception bits.
 *
 * They are collected from the moment that a program first touches FPSR: until then floating point runs
 * at full speed. So a program that reads FPSR before it ever wrote it does not see what came before the
 * read; those of C clear the flags first (feclearexcept), which is such a touch. From then on a bit of our
 * own in the state word of FPCR, which programs do not see, sends every operation to a path that keeps
 * them. The same holds for FPSR.QC, the cumulative saturation bit of integer vector instructions.
 */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { FPCR, FPSR } from "../../layout.ts";

/** Our bit in the state word of FPCR. */
export const COLLECT = 1;
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
/** Set bits of FPSR. */
export function raise(e: Emitter, exceptions: Exception): void {
  e.setState(FPSR, e.or(e.getState("i32", FPSR), e.i32(exceptions)));
}

/**
 * Whether only inexactness, which FPSR shows already, can come of a normal result: nothing but our
 * bit is set in FPCR, and IXC in FPSR.
 */
export function inexactAlready(e: Emitter): Node {
  const seen = e.ne(e.and(e.getState("i32", FPSR), e.i32(Exception.Inexact)), e.i32(0));
  return e.and(seen, e.eq(fpcr(e), e.i32(COLLECT)));
}
