/**
 * SSE exceptions (Intel SDM volume 1, section 11.5): what an operation raised, as a *report*: its flags,
 * whether one of them is not masked, and which flags MXCSR did not have before.
 *
 * An unmasked invalid, denormal or zero-divide exception of any element comes before the operation: then
 * no element raises overflow, underflow or inexact.
 */
import type { Node } from "../ir/types.ts";
import { MXCSR } from "../layout.ts";
import type { Instruction } from "./instruction.ts";

const FLAGS = 0x3f;
/** Invalid, denormal, zero-divide. */
const BEFORE = 7;
const FAULT = 0x100;
const CLEAR_SHIFT = 16;

/** On the host: add `flags` to MXCSR, which was `mxcsr`; the report. */
export function reportOf(state: DataView, mxcsr: number, flags: number): number {
  const masked = (mxcsr >> 7) & FLAGS;
  if ((flags & BEFORE & ~masked) !== 0) flags &= BEFORE;
  state.setUint32(MXCSR, mxcsr | flags, true);
  const fault = (flags & ~masked) !== 0 ? FAULT : 0;
  return flags | fault | ((~mxcsr & FLAGS) << CLEAR_SHIFT);
}

/** In IR: add one flag to MXCSR; the report. */
export function raiseFlag(x: Instruction, flag: number): Node {
  const e = x.e;
  const old = e.getState("i32", MXCSR);
  e.setState(MXCSR, e.or(old, e.i32(flag)));
  const unmasked = e.shl(e.eqz(e.and(old, e.i32(flag << 7))), e.i32(8));
  const clear = e.shl(e.and(e.not(old), e.i32(FLAGS)), e.i32(CLEAR_SHIFT));
  return e.or(e.or(unmasked, clear), e.i32(flag));
}

/** #XM if a report says so. */
export function faultIfUnmasked(x: Instruction, report: Node): void {
  x.e.if(x.e.and(report, x.e.i32(FAULT)), () => x.floatFault());
}

/** The same for several reports joined by OR, made one after the other. */
export function settle(x: Instruction, reports: Node): void {
  const e = x.e;
  e.if(e.and(reports, e.i32(FAULT)), () => {
    const mxcsr = e.getState("i32", MXCSR);
    const before = e.and(reports, e.i32(BEFORE));
    e.if(e.and(before, e.not(e.shrU(mxcsr, e.i32(7)))), () => {
      const old = e.and(e.not(e.shrU(reports, e.i32(CLEAR_SHIFT))), e.i32(FLAGS));
      const rest = e.and(mxcsr, e.i32(~FLAGS));
      e.setState(MXCSR, e.or(rest, e.or(old, before)));
    });
    x.floatFault();
  });
}
