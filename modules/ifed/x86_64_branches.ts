import type { ElfFile, FunctionRange } from "../../lib/elf/mod.ts";
import type { BranchEditor, BranchSite, CodeSearch } from "./branch_site.ts";
import { codeRanges, executable } from "./code_ranges.ts";
import { X86Decoder } from "./x86_64_decoder.ts";

const CALL = 0xe8;
const JMP = 0xe9;
const NOP = 0x90;
const ADDRESS_SIZE = 0x67;
const GROUP_5 = 0xff;
const MOV_LOAD = 0x8b;
const LEA = 0x8d;

/** Finds and edits branches of x86_64 code. */
export const x86_64Branches: BranchEditor = {
  find: (elf, isSlot, isConstant = () => false) => new Search(elf, isSlot, isConstant).run(),
  edit,
};

class Search {
  readonly #decoder = new X86Decoder();
  readonly #sites: BranchSite[] = [];
  /** Slot of the linkage table entry at an address, or -1 where there is none; found once. */
  readonly #entries = new Map<number, number>();
  readonly #segments;
  #instructions = 0;
  #undecodable = 0;

  constructor(
    readonly elf: ElfFile,
    readonly isSlot: (address: number) => boolean,
    readonly isConstant: (address: number) => boolean,
  ) {
    this.#segments = executable(elf);
  }

  run(): CodeSearch {
    for (const range of codeRanges(this.elf)) this.#sweep(range);
    return {
      sites: this.#sites,
      instructions: this.#instructions,
      undecodable: this.#undecodable,
      refused: {},
      refusedLoads: {},
    };
  }

  /** Decodes one range; if it does not decode to its very end, nothing in it is believed. */
  #sweep({ start, end }: FunctionRange): void {
    const bytes = this.elf.bytesAt(start, end - start);
    const before = this.#sites.length;
    let count = 0;
    for (let at = 0; at < bytes.length; count++) {
      const length = this.#decoder.decode(bytes, at, bytes.length);
      if (length === 0) {
        this.#sites.length = before;
        this.#undecodable++;
        return;
      }
      this.#examine(bytes, at, length, start);
      at += length;
    }
    this.#instructions += count;
  }

  /** Notes the instruction at `at` of a range if it is a site. */
  #examine(bytes: Uint8Array, at: number, length: number, start: number): void {
    const { map, opcode } = this.#decoder;
    const isDirect = (map === 0 && (opcode === CALL || opcode === JMP)) ||
      (map === 1 && opcode >= 0x80 && opcode <= 0x8f);
    if (isDirect) {
      const slot = this.#entryAt(start + at + length + int32(bytes, at + length - 4));
      if (slot >= 0) this.#sites.push({ kind: "plt", at: start + at, length, slot });
    } else if (map === 0 && opcode === GROUP_5 && this.#decoder.isRipRelative) {
      const operation = (this.#decoder.modrm >> 3) & 7;
      if (operation !== 2 && operation !== 4) return;
      const slot = start + at + length + int32(bytes, at + length - 4);
      if (this.isSlot(slot)) this.#sites.push({ kind: "got", at: start + at, length, slot });
    } else if (map === 0 && opcode === MOV_LOAD && this.#decoder.isRipRelative) {
      const slot = start + at + length + int32(bytes, at + length - 4);
      const isWhole = this.#decoder.wide && this.#decoder.prefixes === 0;
      if (isWhole && this.isConstant(slot)) {
        this.#sites.push({ kind: "load", at: start + at, length, slot });
      }
    }
  }

  /** The slot that a linkage table entry jumps through: `endbr64`, `bnd`, `jmp *slot(%rip)`. */
  #entryAt(address: number): number {
    let slot = this.#entries.get(address);
    if (slot === undefined) this.#entries.set(address, slot = this.#readEntry(address));
    return slot;
  }

  #readEntry(address: number): number {
    const segment = this.#segments.find((s) =>
      address >= s.vaddr && address + 16 <= s.vaddr + s.filesz
    );
    if (segment === undefined) return -1;
    const bytes = this.elf.bytesAt(address, 16);
    let at = 0;
    if (bytes[0] === 0xf3 && bytes[1] === 0x0f && bytes[2] === 0x1e && bytes[3] === 0xfa) at = 4;
    if (bytes[at] === 0xf2) at++;
    if (bytes[at] !== GROUP_5 || bytes[at + 1] !== 0x25) return -1;
    const slot = address + at + 6 + int32(bytes, at + 2);
    return this.isSlot(slot) ? slot : -1;
  }
}

function int32(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

const decoder = new X86Decoder();

/**
 * A branch to the linkage table keeps its opcode. An indirect call of six bytes becomes a direct one
 * behind an address-size prefix, which it ignores, as the link editor writes it: no instruction is added
 * and the return address stays. That prefix comes first, since REX only counts right before the opcode, and
 * without REX.W AMD's processors make a call with an operand-size prefix (as calls of __tls_get_addr have it) one
 * to 16 bits. An indirect jump becomes a direct one and a nop that never runs. A load becomes LEA.
 */
function edit(
  site: BranchSite,
  at: number,
  target: number,
  current: Uint8Array,
): Uint8Array | string {
  const length = decoder.decode(current, 0, current.length);
  const bytes = current.slice(0, length);
  const view = new DataView(bytes.buffer);
  let end = length;
  if (site.kind === "load") {
    bytes[decoder.opcodeAt] = LEA;
  } else if (site.kind === "got") {
    const isCall = ((decoder.modrm >> 3) & 7) === 2;
    // Prefixes before it (bnd, notrack) mean nothing to a direct branch but may stay.
    const opcodeAt = decoder.opcodeAt;
    if (isCall) {
      bytes.copyWithin(1, 0, opcodeAt);
      bytes[0] = ADDRESS_SIZE;
      bytes[opcodeAt + 1] = CALL;
    } else {
      bytes[opcodeAt] = JMP;
      bytes[length - 1] = NOP;
      end = length - 1;
    }
  }
  const distance = target - (at + end);
  if (distance < -(2 ** 31) || distance >= 2 ** 31) return "out of range";
  view.setInt32(end - 4, distance, true);
  return bytes;
}
