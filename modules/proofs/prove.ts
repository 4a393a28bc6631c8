import { ElfError, ElfFile } from "../../lib/elf/mod.ts";
import { withSections } from "../../lib/elf/section_editor.ts";
import { executable } from "../ifed/code_ranges.ts";
import { checkProof, type Claims } from "./check.ts";
import { claimsOf, codeSpans } from "./claims.ts";
import { reader, type ReadInstruction } from "./instructions.ts";
import { encodeProof, type Proof, type Run, SECTION } from "./proof.ts";

const SHT_PROGBITS = 1;

/** A part of a segment that is decoded from its start: a function, or what lies between two. */
interface Piece {
  readonly segment: number;
  readonly start: number;
  readonly end: number;
  readonly isFunction: boolean;
  /** Where its instructions begin. */
  codeStart: number;
  /** After its last instruction; `start` if it is taken for data. */
  codeEnd: number;
  /** After the last instruction that nothing follows. */
  sure: number;
  branches: number[];
  syscalls: number[];
}

/** Finds a proof for an object; an `ElfError` says where none was found. */
export function prove(elf: ElfFile): Proof {
  const claims = claimsOf(elf);
  const read = reader(elf.machine);
  const pieces = piecesOf(elf, claims);
  const codes = executable(elf).map((segment) => elf.segmentBytes(segment));
  const addresses = executable(elf).map(({ vaddr }) => vaddr);
  const redo = (i: number, from: number): void => {
    const [piece, next] = [pieces[i], pieces[i + 1]];
    Object.assign(piece, { codeStart: from, sure: from, branches: [], syscalls: [] });
    const isFollowed = next !== undefined && next.start === piece.end;
    decode(piece, codes[piece.segment], addresses[piece.segment], isFollowed, read);
  };
  pieces.forEach((piece, i) => redo(i, piece.start));
  const isExecutable = (address: number): boolean =>
    executable(elf).some(({ vaddr, filesz }) => address >= vaddr && address < vaddr + filesz);
  dropNonsense(pieces, isExecutable, redo);
  const segments = codes.map((code, index) => {
    const isCode = new Uint8Array(code.length);
    const vaddr = addresses[index];
    for (const { segment, codeStart, codeEnd } of pieces) {
      if (segment === index) isCode.fill(1, codeStart - vaddr, codeEnd - vaddr);
    }
    return runsOf(isCode);
  });
  const functions = pieces.filter(({ syscalls, codeEnd }) => syscalls.some((at) => at < codeEnd))
    .map(({ start, end }) => ({ start, end }));
  const proof = { segments, functions };
  const wrong = checkProof(elf, proof, claims, read);
  if (wrong !== undefined) throw new ElfError(elf.name, 0, "proof", `none was found: ${wrong}`);
  return proof;
}

/** Functions and what is between them, in the spans that hold code. */
function piecesOf(elf: ElfFile, { functions }: Claims): Piece[] {
  const segments = executable(elf);
  const pieces: Piece[] = [];
  const add = (start: number, end: number, isFunction: boolean): void => {
    const segment = segments.findIndex(({ vaddr, filesz }) =>
      start >= vaddr && end <= vaddr + filesz
    );
    if (end <= start || segment < 0) return;
    pieces.push({
      segment,
      start,
      end,
      isFunction,
      codeStart: start,
      codeEnd: start,
      sure: start,
      branches: [],
      syscalls: [],
    });
  };
  for (const span of codeSpans(elf).toSorted((a, b) => a.start - b.start)) {
    let at = span.start;
    for (const { start, end } of functions) {
      if (start < at || start >= span.end) continue;
      add(at, start, false);
      add(start, at = Math.min(end, span.end), true);
    }
    add(at, span.end, false);
  }
  return pieces;
}

/** Decodes a piece; what does not decode, or goes on into nothing, is data from its last end on. */
function decode(
  piece: Piece,
  code: Uint8Array,
  vaddr: number,
  isFollowed: boolean,
  read: ReadInstruction,
): void {
  const { codeStart, end } = piece;
  let at = codeStart;
  while (at < end) {
    const { length, isSyscall, fallsThrough, target } = read(code, at - vaddr, vaddr);
    if (length === 0 || at + length > end) break;
    if (isSyscall) piece.syscalls.push(at);
    if (target >= 0) piece.branches.push(target);
    at += length;
    if (!fallsThrough) piece.sure = at;
  }
  piece.codeEnd = at === end && isFollowed ? end : piece.sure;
  piece.syscalls = piece.syscalls.filter((place) => place < piece.codeEnd);
}

/**
 * Bytes between functions that branch to what is no instruction are no code, at least up to where a function
 * branches into them: link editors put veneers between functions.
 */
function dropNonsense(
  pieces: readonly Piece[],
  isExecutable: (address: number) => boolean,
  redo: (piece: number, from: number) => void,
): void {
  const isIn = (address: number): boolean => {
    let low = 0;
    for (let high = pieces.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (pieces[middle].end > address) high = middle;
      else low = middle + 1;
    }
    const piece = pieces[low];
    if (piece === undefined || address < piece.start) return !isExecutable(address);
    return address >= piece.codeStart && address < piece.codeEnd;
  };
  /** Where functions branch to, ascending. */
  const wanted = pieces.filter(({ isFunction }) => isFunction)
    .flatMap(({ branches }) => branches).sort((a, b) => a - b);
  for (const [i, piece] of pieces.entries()) {
    const { start, end, isFunction } = piece;
    if (isFunction || piece.branches.every(isIn)) continue;
    const from = wanted.find((address) => address >= start && address < end);
    if (from !== undefined) redo(i, from);
    if (from === undefined || !piece.branches.every(isIn)) piece.codeEnd = piece.codeStart;
    // What came before cannot go on there.
    const before = pieces[i - 1];
    const isOpen = piece.codeStart === start && piece.codeEnd > start;
    if (before?.end === start && !isOpen) before.codeEnd = before.sure;
  }
}

function runsOf(isCode: Uint8Array): Run[] {
  const runs: Run[] = [];
  for (let at = 0; at < isCode.length;) {
    const next = isCode.indexOf(1 - isCode[at], at);
    const end = next < 0 ? isCode.length : next;
    runs.push({ length: end - at, isData: isCode[at] === 0 });
    at = end;
  }
  return runs;
}

/** A copy of an ELF program or library with a proof; an earlier one is replaced. */
export function withProof(bytes: Uint8Array, name: string): {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly proof: Proof;
} {
  const proof = prove(ElfFile.parse(bytes, name));
  const content = encodeProof(proof);
  const section = { name: SECTION, type: SHT_PROGBITS, align: 1, content };
  return { bytes: withSections(bytes, name, [section]), proof };
}
