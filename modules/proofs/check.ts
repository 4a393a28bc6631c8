import type { ElfFile, FunctionRange } from "../../lib/elf/mod.ts";
import { executable } from "../ifed/code_ranges.ts";
import type { ReadInstruction } from "./instructions.ts";
import type { Proof } from "./proof.ts";

/** What the checker believes of an object, apart from its bytes: where functions begin and end. */
export interface Claims {
  /** Functions by FDE and symbol, ascending; the listed ones must be among them. */
  readonly functions: readonly FunctionRange[];
  /** Addresses that code or data of other objects may be given: entry point, symbols, pointers. */
  readonly published: readonly number[];
  /** Where instructions may begin after data: sections of instructions, functions, and ends of functions. */
  readonly starts: ReadonlySet<number>;
}

/**
 * Verifies a proof against an object's bytes; answers what is wrong with it, undefined if nothing is. It holds if
 *
 * 1. the runs fill every executable segment, and each run of instructions decodes from its first byte to its end;
 * 2. a direct branch within the object goes to an instruction of a run, or past its LOCK prefix, as glibc's do;
 * 3. so does every published address in an executable segment that does not lie in a run of data;
 * 4. no instruction falls through into data or out of its segment;
 * 5. a system call instruction lies in a listed function, each of which is one, or lies between two, and has one;
 * 6. runs of instructions begin where functions, their ends or sections do or a branch goes, and none could be
 *    joined with the one before.
 *
 * Then every instruction that control reaches from the entry points by falling through, by direct branches, calls
 * and returns, and by indirect branches to instructions of the runs, was looked at under 5.
 */
export function checkProof(
  elf: ElfFile,
  { segments: proved, functions: listed }: Proof,
  { functions, published, starts }: Claims,
  read: ReadInstruction,
): string | undefined {
  const segments = executable(elf);
  if (segments.length !== proved.length) return "it is of another number of segments";
  const hex = (address: number) => `0x${address.toString(16)}`;
  /** By segment: 1 where an instruction begins, 2 in data. */
  const marks: Uint8Array[] = [];
  const branches: number[] = [];
  const syscalls: number[] = [];
  const begins: number[] = [];
  for (const [i, segment] of segments.entries()) {
    const code = elf.segmentBytes(segment);
    const mark = new Uint8Array(code.length);
    marks.push(mark);
    let at = 0;
    let wasData: boolean | undefined;
    /** Whether the instruction before may go on here. */
    let falls = false;
    for (const { length, isData } of proved[i]) {
      const place = segment.vaddr + at;
      const end = at + length;
      if (length === 0 || end > code.length) return `a run at ${hex(place)} has a wrong length`;
      if (wasData === isData) return `the runs before and after ${hex(place)} are one`;
      wasData = isData;
      if (isData) {
        if (falls) return `an instruction before ${hex(place)} goes on into data`;
        mark.fill(2, at, end);
        at = end;
        continue;
      }
      if (at > 0 && !starts.has(place)) begins.push(place);
      while (at < end) {
        const { length, isSyscall, target, fallsThrough } = read(code, at, segment.vaddr);
        if (length === 0 || at + length > end) {
          return `no instruction of the run begins at ${hex(segment.vaddr + at)}`;
        }
        mark[at] = 1;
        if (isSyscall) syscalls.push(segment.vaddr + at);
        if (target >= 0) branches.push(target);
        falls = fallsThrough;
        at += length;
      }
    }
    if (at !== code.length) return `its runs end at ${hex(segment.vaddr + at)}, before the segment`;
    if (falls && wasData === false) return "the last instruction goes on after its segment";
  }
  for (const place of begins) {
    if (!branches.includes(place)) return `no function, section or branch leads to ${hex(place)}`;
  }
  const markAt = (address: number): number | undefined => {
    for (const [i, { vaddr, filesz }] of segments.entries()) {
      if (address >= vaddr && address < vaddr + filesz) return marks[i][address - vaddr];
    }
    return undefined;
  };
  for (const target of branches) {
    const mark = markAt(target);
    if (mark === 0 && markAt(target - 1) === 1 && isLocked(elf, target - 1)) continue;
    if (mark !== undefined && mark !== 1) return `a branch goes to ${hex(target)}, no instruction`;
  }
  for (const { start } of functions) {
    if (markAt(start) !== 1) return `a function begins at ${hex(start)}, which is no instruction`;
  }
  for (const address of published) {
    if (markAt(address) === 0) return `${hex(address)} may be called, and is no instruction`;
  }
  const has = listed.map(() => false);
  for (const address of syscalls) {
    const index = listed.findIndex(({ start, end }) => address >= start && address < end);
    if (index < 0) return `a system call at ${hex(address)} is in no listed function`;
    has[index] = true;
  }
  for (const [i, { start, end }] of listed.entries()) {
    if (!has[i]) return `the listed function at ${hex(start)} makes no system call`;
    if (!isFunction(functions, start, end)) {
      return `${hex(start)} to ${hex(end)} is listed, and is no function`;
    }
  }
  return undefined;
}

/** True of a function, and of what lies between two: assembly code has no FDE now and then. */
function isFunction(functions: readonly FunctionRange[], start: number, end: number): boolean {
  if (functions.some((f) => f.start === start)) {
    return functions.some((f) => f.start === start && f.end === end);
  }
  const isApart = functions.every((f) => f.end <= start || f.start >= end);
  return isApart && functions.some((f) => f.end === start || f.start === end);
}

/** True if an x86_64 instruction has the LOCK prefix, first of all; without it, it is the same instruction. */
function isLocked(elf: ElfFile, address: number): boolean {
  return elf.machine === "x86_64" && elf.bytesAt(address, 1)[0] === 0xf0;
}
