/** The exception syndrome that signal frames show (ESR_ELx; DDI 0487, D17.2.37). */
import { Access } from "../cpu.ts";
import type { AccessFault, Trap } from "../ir/decoded.ts";
import { gpr, SP } from "../layout.ts";

/** Exception classes: aborts from a lower level, a pc and a stack pointer that are not aligned. */
const INSTRUCTION_ABORT = 0x20, PC_ALIGNMENT = 0x22, DATA_ABORT = 0x24, SP_ALIGNMENT = 0x26;
/** IL: a 32-bit instruction. */
const LONG = 1 << 25;
/** Fault status: translation and permission fault, plus the level; alignment. */
const TRANSLATION = 4, PERMISSION = 12, ALIGNMENT = 0x21;
const WRITE = 1 << 6, MAINTENANCE = 1 << 8;
const SIGBUS = 7;
const BUS_ADRALN = 1;
/** Linux's TASK_SIZE: it shows a translation fault at level 0 for all that lies beyond. */
const TASK_SIZE = 2 ** 48;

/** Of an access to a page that is not there, or may not be accessed so, or of a misaligned pc. */
export function abort(
  fault: AccessFault,
): { trapno: number; error: number; address?: bigint } {
  const { access, bytes } = fault;
  if (fault.signal === SIGBUS && fault.code === BUS_ADRALN) {
    return { trapno: 0, error: ((PC_ALIGNMENT << 26) | LONG) >>> 0 };
  }
  const kind = access === Access.Execute ? INSTRUCTION_ABORT : DATA_ABORT;
  // Arm numbers levels from the root.
  const walked = (fault.present ? PERMISSION : TRANSLATION) + 3 - fault.level;
  const status = fault.va < TASK_SIZE ? walked : TRANSLATION;
  const word = access === Access.Execute || bytes === undefined ? 0 : wordOf(bytes);
  const cache = isCacheOperation(word);
  const maintenance = cache && !isZeroing(word) ? MAINTENANCE : 0;
  const write = access === Access.Write || maintenance !== 0 ? WRITE : 0;
  const error = ((kind << 26) | LONG | status | write | maintenance) >>> 0;
  if (!cache) return { trapno: 0, error };
  // Operations on a line show what they were given.
  const register = word & 31;
  const given = register === 31 ? 0n : fault.state.getBigUint64(gpr(register), true);
  return { trapno: 0, error, address: BigInt.asUintN(64, BigInt.asIntN(56, given)) };
}

function wordOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}
/** DC and IC by address. */
function isCacheOperation(word: number): boolean {
  return (word & 0xfffff0e0) === (0xd50b7020 | 0);
}
function isZeroing(word: number): boolean {
  return (word >>> 8 & 15) === 4;
}

/** Whether an instruction that wants alignment only stores; one that also loads counts as a load. */
function onlyStores(word: number): boolean {
  const bit = (n: number): boolean => (word >>> n & 1) === 1;
  switch ((word >>> 24) & 0x3f) {
    case 0x08: // exclusives, ordered, CAS and CASP
      return !bit(22) && !(bit(21) && (bit(23) || !bit(31)));
    case 0x19: // STLUR
      return !bit(22) && !bit(23);
    default:
      return false;
  }
}

/**
 * A fault that semantics raised: of those only alignment faults have a syndrome. Linux shows none of
 * undefined instructions and breakpoints (arch/arm64/kernel/traps.c).
 */
export function semanticTrap(
  signal: number,
  code: number,
  state: DataView,
  bytes: Uint8Array,
): Trap {
  if (signal !== SIGBUS) return { signal, code, trapno: 0, error: 0 };
  const word = wordOf(bytes);
  // The stack pointer is checked before addresses that it is the base of.
  if ((word >>> 5 & 31) === SP && (state.getUint32(gpr(SP), true) & 15) !== 0) {
    return { signal, code, trapno: 0, error: ((SP_ALIGNMENT << 26) | LONG) >>> 0 };
  }
  const write = onlyStores(word) ? WRITE : 0;
  return { signal, code, trapno: 0, error: ((DATA_ABORT << 26) | LONG | ALIGNMENT | write) >>> 0 };
}

/** Whether a syndrome is of an access, whose address a signal frame then shows. */
export function isAbort(syndrome: number): boolean {
  const kind = syndrome >>> 26;
  return kind === INSTRUCTION_ABORT || kind === DATA_ABORT;
}
