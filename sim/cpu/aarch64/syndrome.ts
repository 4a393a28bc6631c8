/** The exception syndrome that signal frames show (ESR_ELx; DDI 0487, D17.2.37). */
import { Access } from "../cpu.ts";

/** Exception classes: instruction and data abort from a lower level; IL: a 32-bit instruction. */
const INSTRUCTION_ABORT = 0x20, DATA_ABORT = 0x24;
const LONG = 1 << 25;
/** Fault status: translation and permission fault at level 3. */
const TRANSLATION = 7, PERMISSION = 15;
const WRITE = 1 << 6;

/** Of an access to a page that is not there, or may not be accessed so. */
export function abort(
  _code: number,
  access: Access,
  present: boolean,
): { trapno: number; error: number } {
  const kind = access === Access.Execute ? INSTRUCTION_ABORT : DATA_ABORT;
  const status = (present ? PERMISSION : TRANSLATION) | (access === Access.Write ? WRITE : 0);
  return { trapno: 0, error: ((kind << 26) | LONG | status) >>> 0 };
}
