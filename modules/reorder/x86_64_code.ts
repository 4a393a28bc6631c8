import { X86Decoder } from "../ifed/x86_64_decoder.ts";
import type { Image } from "../seccomp/image.ts";
import type { CodeMover, JumpTable, MovableCode, NoteAddress, Reference } from "./movable_code.ts";

const JUMP = 5;
/** Instructions before a jump through a table in which its parts are looked for. */
const WINDOW = 24;
/** CALL, JMP, RET, IRET, HLT, INT3. */
const ENDS = new Set([0xe8, 0xe9, 0xeb, 0xc2, 0xc3, 0xca, 0xcb, 0xcf, 0xf4, 0xcc]);
const MOST_ENTRIES = 4096;

/** Moves x86_64 code (Intel SDM, volume 2). */
export const x86_64Code: CodeMover = {
  read: (start, code, image) => new Reader(start, code, image).read(),
  write,
  jump,
  addresses,
};

interface Instruction {
  readonly at: number;
  readonly length: number;
  readonly map: number;
  readonly opcode: number;
  readonly modrm: number;
  /** Offset of ModRM, 0 without one, and of the opcode. */
  readonly modrmAt: number;
  readonly opcodeAt: number;
  readonly isRipRelative: boolean;
}

class Reader {
  readonly #decoder = new X86Decoder();
  readonly #view: DataView;
  readonly #instructions: Instruction[] = [];
  readonly #boundaries = new Set<number>();
  readonly #references: Reference[] = [];

  constructor(readonly start: number, readonly code: Uint8Array, readonly image: Image) {
    this.#view = new DataView(code.buffer, code.byteOffset, code.length);
  }

  read(): MovableCode | string {
    const { code } = this;
    for (let at = 0; at < code.length;) {
      const length = this.#decoder.decode(code, at, code.length);
      if (length === 0) return "undecodable";
      const { map, opcode, modrm, modrmAt, opcodeAt, isRipRelative } = this.#decoder;
      this.#instructions.push(
        { at, length, map, opcode, modrm, modrmAt, opcodeAt, isRipRelative },
      );
      this.#boundaries.add(at);
      at += length;
    }
    if (this.#goesOn()) return "it goes on into what follows";
    const targets = new Set<number>();
    for (const instruction of this.#instructions) {
      const { at, length, map, opcode, modrm, opcodeAt, modrmAt } = instruction;
      if (instruction.isRipRelative) {
        // With an address-size prefix the address has 32 bits.
        if (code.subarray(at, at + opcodeAt).includes(0x67)) return "odd addresses";
        const field = modrmAt + 1;
        const target = this.#next(instruction) + this.#view.getInt32(at + field, true);
        this.#references.push({ at, length, field, target, isBranch: false });
        continue;
      }
      // XBEGIN has the address of its other way out.
      if (map === 0 && opcode === 0xc7 && modrm === 0xf8) return "transactions";
      const short = isShortBranch(map, opcode);
      const near = (map === 0 && (opcode === 0xe8 || opcode === 0xe9)) ||
        (map === 1 && (opcode & 0xf0) === 0x80);
      if (!short && !near) continue;
      const field = length - (short ? 1 : 4);
      const distance = short
        ? this.#view.getInt8(at + field)
        : this.#view.getInt32(at + field, true);
      const target = this.#next(instruction) + distance;
      if (this.#isInside(target)) {
        if (!this.#boundaries.has(target - this.start)) return "a branch into an instruction";
        targets.add(target - this.start);
      } else if (short) return "a short branch out of it";
      else this.#references.push({ at, length, field, target, isBranch: true });
    }
    const readsItself = this.#references.some(({ target, isBranch }) =>
      !isBranch && this.#isInside(target) && target !== this.start
    );
    const tables = this.#jumpTables();
    for (const table of tables.found) {
      for (const target of table.targets) targets.add(target - this.start);
    }
    const isFree = !tables.unknown && ![1, 2, 3, 4].some((at) => targets.has(at));
    const size = this.#instructions.find(({ at, length }) => at + length >= JUMP);
    return {
      references: this.#references,
      tables: tables.found,
      entrySize: isFree && size !== undefined ? size.at + size.length : 0,
      isClosed: !tables.unknown && !readsItself,
    };
  }

  /** Whether its last instruction leads to the one after it; a call there is one that does not return. */
  #goesOn(): boolean {
    const last = this.#instructions.findLast(({ map, opcode }) =>
      !(map === 0 && opcode === 0x90) && !(map === 1 && opcode === 0x1f)
    );
    if (last === undefined) return true;
    const { map, opcode, modrm } = last;
    if (map === 1) return opcode !== 0x0b;
    const isIndirect = opcode === 0xff && [2, 4].includes(modrm >> 3 & 7);
    return map !== 0 || !(ENDS.has(opcode) || isIndirect);
  }

  #next({ at, length }: Instruction): number {
    return this.start + at + length;
  }

  #isInside(address: number): boolean {
    return address >= this.start && address < this.start + this.code.length;
  }

  /** Tables whose entries are known, and whether control may go through others. */
  #jumpTables(): { readonly found: readonly JumpTable[]; readonly unknown: boolean } {
    const found = new Map<number, JumpTable>();
    let unknown = false;
    for (const [i, { map, opcode, modrm, isRipRelative }] of this.#instructions.entries()) {
      if (map !== 0 || opcode !== 0xff || ((modrm >> 3) & 7) !== 4 || isRipRelative) continue;
      const table = modrm >> 6 === 3 ? this.#relativeTable(i) : undefined;
      if (table === undefined) unknown = true;
      else found.set(table.address, table);
    }
    return { found: [...found.values()], unknown };
  }

  /**
   * `lea table(%rip), B; movslq (B, I, 4), T; add B, T; jmp *T`, after `cmp $last, I; ja`: what compilers make of
   * a switch in position-independent code. The address of such a table has no other use.
   */
  #relativeTable(index: number): JumpTable | undefined {
    const jump = this.#instructions[index];
    const target = (jump.modrm & 7) | this.#rex(jump, 0);
    const add = this.#instructions[index - 1];
    if (add === undefined || add.map !== 0 || (add.opcode !== 0x01 && add.opcode !== 0x03)) {
      return undefined;
    }
    if (add.modrm >> 6 !== 3) return undefined;
    const [reg, rm] = [this.#reg(add), (add.modrm & 7) | this.#rex(add, 0)];
    const [sum, base] = add.opcode === 0x01 ? [rm, reg] : [reg, rm];
    if (sum !== target) return undefined;
    let load: Instruction | undefined;
    let last: number | undefined;
    let lea: Instruction | undefined;
    for (let i = index - 2; i >= 0; i--) {
      const one = this.#instructions[i];
      const isNear = i >= index - WINDOW;
      if (load === undefined) {
        if (!isNear) return undefined;
        if (one.map === 0 && one.opcode === 0x63 && (one.modrm & 0xc7) === 0x04) {
          if (this.#reg(one) !== target) continue;
          const sib = this.code[one.at + one.modrmAt + 1];
          const baseOfLoad = (sib & 7) | this.#rex(one, 0);
          if (sib >> 6 !== 2 || baseOfLoad !== base || (baseOfLoad & 7) === 5) return undefined;
          load = one;
        }
      }
      if (lea === undefined && one.map === 0 && one.opcode === 0x8d && this.#reg(one) === base) {
        if (!one.isRipRelative) return undefined;
        lea = one;
      }
      if (last === undefined && isNear) last = this.#bound(i);
      if (lea !== undefined && (last !== undefined || !isNear)) break;
    }
    if (load === undefined || lea === undefined || last === undefined) return undefined;
    return this.#readTable(lea, last + 1);
  }

  /** The last index that `cmp $last, I; ja` or `jbe` lets pass, if such a comparison is at `index`. */
  #bound(index: number): number | undefined {
    const { at, length, map, opcode, modrm } = this.#instructions[index];
    const jump = this.#instructions[index + 1];
    const condition = jump !== undefined && jump.opcode >> 4 === (jump.map === 0 ? 7 : 8) &&
      jump.map <= 1 && (jump.opcode & 14) === 6;
    const isGroup = (opcode === 0x80 || opcode === 0x81 || opcode === 0x83) &&
      (modrm >> 3 & 7) === 7;
    if (!condition || map !== 0 || !(isGroup || opcode === 0x3c || opcode === 0x3d)) {
      return undefined;
    }
    const end = at + length;
    return opcode === 0x81 || opcode === 0x3d
      ? this.#view.getUint32(end - 4, true)
      : this.#view.getUint8(end - 1);
  }

  /** The entries of a table, `count` of them at least, and what follows them as far as it leads into the function. */
  #readTable(lea: Instruction, count: number): JumpTable | undefined {
    const address = this.#next(lea) + this.#view.getInt32(lea.at + lea.modrmAt + 1, true);
    const bytes = this.image.bytes(address, 4 * MOST_ENTRIES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const targets: number[] = [];
    for (let at = 0; at + 4 <= bytes.length; at += 4) {
      const target = address + view.getInt32(at, true);
      if (!this.#boundaries.has(target - this.start)) break;
      targets.push(target);
    }
    if (targets.length < count) return undefined;
    const users = this.#references.filter((one) => !one.isBranch && one.target === address);
    return { address, targets, users, entrySize: 4 };
  }

  #reg(instruction: Instruction): number {
    return ((instruction.modrm >> 3) & 7) | this.#rex(instruction, 2);
  }

  /** 8 if the bit of REX is set that extends a register's number: 0 for B, 2 for R. */
  #rex({ at, opcodeAt }: Instruction, bit: number): number {
    const rex = opcodeAt > 0 ? this.code[at + opcodeAt - 1] : 0;
    return (rex & 0xf0) === 0x40 && (rex >> bit & 1) === 1 ? 8 : 0;
  }
}

/** JMP, Jcc, LOOP and JRCXZ with 8 bits of distance. */
function isShortBranch(map: number, opcode: number): boolean {
  return map === 0 && (opcode === 0xeb || (opcode & 0xf0) === 0x70 || (opcode & 0xfc) === 0xe0);
}

function write(code: Uint8Array, reference: Reference, at: number, target: number): boolean {
  const distance = target - (at + reference.length);
  if (distance < -(2 ** 31) || distance >= 2 ** 31) return false;
  new DataView(code.buffer, code.byteOffset).setInt32(
    reference.at + reference.field,
    distance,
    true,
  );
  return true;
}

function jump(from: number, to: number): Uint8Array | undefined {
  const distance = to - (from + JUMP);
  if (distance < -(2 ** 31) || distance >= 2 ** 31) return undefined;
  const bytes = new Uint8Array(JUMP);
  bytes[0] = 0xe9;
  new DataView(bytes.buffer).setInt32(1, distance, true);
  return bytes;
}

function addresses(start: number, code: Uint8Array, note: NoteAddress): void {
  const decoder = new X86Decoder();
  const view = new DataView(code.buffer, code.byteOffset, code.length);
  for (let at = 0; at < code.length;) {
    const length = decoder.decode(code, at, code.length);
    const { map, opcode } = decoder;
    const next = start + at + length;
    if (length === 0) at++;
    else if (decoder.isRipRelative) {
      note(next + view.getInt32(at + decoder.modrmAt + 1, true), false);
    } else if (
      (map === 0 && (opcode === 0xe8 || opcode === 0xe9)) || (map === 1 && opcode >> 4 === 8)
    ) {
      note(next + view.getInt32(at + length - 4, true), true);
    } else if (isShortBranch(map, opcode)) note(next + view.getInt8(at + length - 1), true);
    at += length;
  }
}
