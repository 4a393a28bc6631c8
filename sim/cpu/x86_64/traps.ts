/**
 * What Linux makes of exceptions: signal, si_code, and the trap number and error code of the ucontext
 * (arch/x86/kernel/traps.c, arch/x86/kernel/fpu/core.c).
 */
import { Access } from "../cpu.ts";
import type { AccessFault, Decoded, Trap } from "../ir/decoded.ts";
import { gpr, MXCSR, SCRATCH, X87_CONTROL, X87_STATUS, ZERO } from "../layout.ts";
import { Form, FORM_SHIFT, SEGMENT_SHIFT } from "./instruction.ts";

const SIGILL = 4, SIGTRAP = 5, SIGBUS = 7, SIGFPE = 8, SIGSEGV = 11;
const SI_KERNEL = 0x80;
/** si_code of #AC, for which Linux shows no address. */
export const BUS_ADRALN = 1;
const FPE_FLTDIV = 3, FPE_FLTOVF = 4, FPE_FLTUND = 5, FPE_FLTRES = 6, FPE_FLTINV = 7;

/** Stand for si_codes of SIGFPE that the kernel works out: an x87 exception, an SSE exception. */
export const FPE_X87 = 0x50;
export const FPE_SSE = 0x53;
/** Stand for si_codes of SIGSEGV: #GP whose error code is in SCRATCH, and #OF. */
export const GP_ERROR = 0x54;
export const OF_TRAP = 0x55;
/** si_code of INT1, a debug exception without a condition. */
export const TRAP_BRKPT = 1;
const TRAP_TRACE = 2;

/** Vectors. */
const enum Vector {
  Divide = 0,
  Debug = 1,
  Breakpoint = 3,
  Overflow = 4,
  Undefined = 6,
  Stack = 12,
  Protection = 13,
  Page = 14,
  X87 = 16,
  Alignment = 17,
  Sse = 19,
}

/** si_code of the unmasked exceptions `flags`, in the order in which Linux looks. */
function floatCode(flags: number): number {
  if (flags & 1) return FPE_FLTINV;
  if (flags & 4) return FPE_FLTDIV;
  if (flags & 8) return FPE_FLTOVF;
  if (flags & 0x12) return FPE_FLTUND;
  return FPE_FLTRES;
}

/** Linux's TASK_SIZE_MAX: beyond it, Linux says that a page is there. */
const TASK_SIZE_MAX = 2 ** 47 - 4096;

/** A page fault: present (bit 0), write, user, fetch (bit 4). #GP has no error code. */
export function pageFault(fault: AccessFault): { trapno: number; error: number } {
  const { signal, code, access, va } = fault;
  if (signal === SIGBUS && code === BUS_ADRALN) return { trapno: Vector.Alignment, error: 0 };
  const present = fault.present || va >= TASK_SIZE_MAX;
  if (code === SI_KERNEL) return { trapno: Vector.Protection, error: 0 };
  const error = 4 | (present ? 1 : 0) | (access === Access.Write ? 2 : 0) |
    (access === Access.Execute ? 16 : 0);
  return { trapno: Vector.Page, error };
}

/** A fault raised by semantics. */
export function semanticTrap(signal: number, code: number, state: DataView): Trap {
  const trap = (trapno: number, siCode = code): Trap => ({
    signal,
    code: siCode,
    trapno,
    error: 0,
  });
  switch (signal) {
    case SIGILL:
      return trap(Vector.Undefined);
    case SIGBUS:
      return trap(Vector.Alignment);
    case SIGTRAP:
      return trap(code === SI_KERNEL ? Vector.Breakpoint : Vector.Debug);
    case SIGFPE: {
      if (code === FPE_SSE) {
        const mxcsr = state.getUint32(MXCSR, true);
        return trap(Vector.Sse, floatCode(mxcsr & ~(mxcsr >> 7)));
      }
      if (code !== FPE_X87) return trap(Vector.Divide);
      const flags = state.getUint32(X87_STATUS, true) & ~state.getUint32(X87_CONTROL, true);
      return trap(Vector.X87, floatCode(flags));
    }
    default:
      if (code === OF_TRAP) return trap(Vector.Overflow, SI_KERNEL);
      if (code !== GP_ERROR) return trap(Vector.Protection);
      return { ...trap(Vector.Protection, SI_KERNEL), error: state.getUint32(SCRATCH, true) };
  }
}

/** The trap of RFLAGS.TF (Intel SDM volume 3, 18.3.1.4); `repeats`: after an iteration that is not the last. */
export function singleStep(repeats: boolean): Trap {
  return { signal: SIGTRAP, code: TRAP_TRACE, trapno: Vector.Debug, error: 0, resume: repeats };
}

/** Instructions that use the stack without an operand that says so. */
const STACK = /^(push|pop|call|i?ret|enter|leave)/;

/** Whether an address is outside the 48 bits that are translated. */
function isCanonical(address: bigint): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;
}

/** An access to an address that is not canonical: #SS through the stack segment, else #GP. */
export function nonCanonicalTrap(name: string, d: Decoded, state: DataView): Trap {
  const form: Form = (d.statics >> FORM_SHIFT) & 7;
  const overridden = ((d.statics >> SEGMENT_SHIFT) & 3) !== 0;
  const stack = gpr(4), frame = gpr(5);
  let viaStack = STACK.test(name) && !isCanonical(state.getBigUint64(stack, true));
  if (form !== Form.Register && !overridden && d.regs[1] !== ZERO) {
    viaStack ||= d.regs[1] === stack || d.regs[1] === frame;
  }
  return viaStack
    ? { signal: SIGBUS, code: SI_KERNEL, trapno: Vector.Stack, error: 0 }
    : { signal: SIGSEGV, code: SI_KERNEL, trapno: Vector.Protection, error: 0 };
}
