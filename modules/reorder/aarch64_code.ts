import type { Image } from "../seccomp/image.ts";
import type { CodeMover, MovableCode, NoteAddress, Reference } from "./movable_code.ts";

/** Instruction patterns of the Arm ARM (DDI 0487), chapters C4 and C6. */
const isBranch = (w: number) => (w & 0x7c000000) === 0x14000000; // B, BL
const isConditional = (w: number) =>
  (w & 0xff000000) >>> 0 === 0x54000000 || (w & 0x7e000000) === 0x34000000;
const isTest = (w: number) => (w & 0x7e000000) === 0x36000000;
const isAdr = (w: number) => (w & 0x9f000000) >>> 0 === 0x10000000;
const isAdrp = (w: number) => (w & 0x9f000000) >>> 0 === 0x90000000;
/** LDR, LDRSW, PRFM and vector LDR of a literal. */
const isLiteral = (w: number) => (w & 0x3b000000) === 0x18000000;
const isBr = (w: number) => (w & 0xfffff81f) >>> 0 === 0xd61f0000;
/** BR, BLR, RET and theirs with authentication. */
const isIndirect = (w: number) => (w & 0xfe000000) >>> 0 === 0xd6000000;
const isBreak = (w: number) => (w & 0xffe0001f) >>> 0 === 0xd4200000;
const NOP = 0xd503201f;
/** ADD of an immediate, 64 bits, not shifted. */
const isAddImmediate = (w: number) => (w & 0xffc00000) >>> 0 === 0x91000000;
/** ADD Xd, Xn, Wm, SXTB, SXTH or SXTW #2. */
const isAddExtended = (w: number) =>
  (w & 0xffe01c00) >>> 0 === 0x8b200800 && (w >>> 15 & 1) === 1 && (w >>> 13 & 3) !== 3;
/** LDRB, LDRH, LDR of a W register, register offset. */
const isTableLoad = (w: number) => (w & 0x3fe00c00) === 0x38600800 && w >>> 30 !== 3;
/** CMP (SUBS) of an immediate, not shifted. */
const isCompare = (w: number) => (w & 0x7fc0001f) === 0x7100001f;
/** B.HI, B.LS. */
const isUnsignedOrder = (w: number) => (w & 0xff00001e) >>> 0 === 0x54000008;
const WINDOW = 24;
const ADRP_REACH = 2 ** 32;
const BRANCH_REACH = 2 ** 27;

/** Moves aarch64 code. */
export const aarch64Code: CodeMover = {
  read: (start, code, image) => new Reader(start, code, image).read(),
  write,
  jump,
  addresses,
};

class Reader {
  readonly #words: Uint32Array;
  readonly #references: Reference[] = [];

  constructor(readonly start: number, code: Uint8Array, readonly image: Image) {
    this.#words = wordsOf(code);
  }

  read(): MovableCode | string {
    const last = this.#words.findLast((word) => word !== NOP) ?? NOP;
    if (!isBranch(last) && !isIndirect(last) && !isBreak(last)) {
      return "it goes on into what follows";
    }
    const anchors = new Set<number>();
    for (const [i, word] of this.#words.entries()) {
      const at = 4 * i;
      const place = this.start + at;
      // Classes of the instruction set that are not allocated: data among the code.
      if ((word >>> 25 & 15) === 0 || (word >>> 25 & 13) === 1) return "undecodable";
      if (isBranch(word)) {
        const target = place + offset(word, 0, 26);
        if (!this.#isInside(target)) this.#refer(at, target, true);
      } else if (isConditional(word) || isTest(word)) {
        const target = place + (isTest(word) ? offset(word, 5, 14) : offset(word, 5, 19));
        if (!this.#isInside(target)) return "a short branch out of it";
      } else if (isAdrp(word)) {
        this.#refer(at, place - place % 4096 + 1024 * adrOffset(word), false);
      } else if (isAdr(word)) {
        // Beside tables of jumps, a nearby address leads out of what is copied or into data.
        if (!this.#isInside(place + adrOffset(word) / 4)) return "a nearby address";
        anchors.add(i);
      } else if (isLiteral(word)) return "literals";
    }
    for (const [i, word] of this.#words.entries()) {
      if (!isBr(word)) continue;
      const anchor = this.#tableJump(i);
      if (anchor === "unknown") return "a jump table that is not understood";
      if (anchor !== undefined) anchors.delete(anchor);
    }
    if (anchors.size > 0) return "an address in the code itself";
    return {
      references: this.#references,
      tables: [],
      entrySize: 4,
      isClosed: !this.#makesOwnAddress(),
    };
  }

  /** Whether `adrp` and `add` may make an address in the function itself, such as one to jump to. */
  #makesOwnAddress(): boolean {
    const pages = new Map<number, Set<number>>();
    for (const [i, word] of this.#words.entries()) {
      if (!isAdrp(word)) continue;
      const place = this.start + 4 * i;
      const known = pages.get(word & 31) ?? new Set();
      pages.set(word & 31, known.add(place - place % 4096 + 1024 * adrOffset(word)));
    }
    return this.#words.some((word) =>
      isAddImmediate(word) && [...pages.get(word >>> 5 & 31) ?? []].some((page) => {
        const address = page + (word >>> 10 & 0xfff);
        return address !== this.start && this.#isInside(address);
      })
    );
  }

  #refer(at: number, target: number, isBranch: boolean): void {
    this.#references.push({ at, length: 4, field: 0, target, isBranch });
  }

  #isInside(address: number): boolean {
    return address >= this.start && address < this.start + 4 * this.#words.length;
  }

  /**
   * `ldrb T, [table, I]; adr A, anchor; add T, A, T, sxtb #2; br T` after `cmp I, #last; b.hi`: what compilers make
   * of a switch. Its entries are relative to the anchor, so that the same table serves a copy, if none leads
   * out of the function. Answers with the index of `adr`; undefined for a jump that is not of this kind.
   */
  #tableJump(index: number): number | "unknown" | undefined {
    const target = this.#words[index] >>> 5 & 31;
    const sum = this.#lastWrite(index, target, 8);
    if (sum === undefined || !isAddExtended(this.#words[sum])) return undefined;
    const add = this.#words[sum];
    const [anchorRegister, entry] = [add >>> 5 & 31, add >>> 16 & 31];
    const adr = this.#lastWrite(sum, anchorRegister, index);
    const load = this.#lastWrite(sum, entry, WINDOW);
    if (adr === undefined || load === undefined || !isAdr(this.#words[adr])) return "unknown";
    const loading = this.#words[load];
    if (!isTableLoad(loading)) return "unknown";
    const size = 1 << (loading >>> 30);
    const table = this.#address(load, loading >>> 5 & 31);
    const count = this.#bound(load, loading >>> 16 & 31);
    if (table === undefined || count === undefined) return "unknown";
    const bytes = this.image.bytes(table, size * count);
    if (bytes.length < size * count) return "unknown";
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const anchor = this.start + 4 * adr + adrOffset(this.#words[adr]) / 4;
    for (let i = 0; i < count; i++) {
      const value = size === 1
        ? view.getInt8(i)
        : size === 2
        ? view.getInt16(2 * i, true)
        : view.getInt32(4 * i, true);
      if (!this.#isInside(anchor + 4 * value)) return "unknown";
    }
    return adr;
  }

  /** Index of the last instruction before one that names a register as its destination. */
  #lastWrite(before: number, register: number, window: number): number | undefined {
    for (let i = before - 1; i >= 0 && i >= before - window; i--) {
      if ((this.#words[i] & 31) === register) return i;
    }
    return undefined;
  }

  /** The address that `adrp` and `add` have put into a register. */
  #address(before: number, register: number): number | undefined {
    const low = this.#lastWrite(before, register, before);
    if (low === undefined || !isAddImmediate(this.#words[low])) return undefined;
    const word = this.#words[low];
    const high = this.#lastWrite(low, word >>> 5 & 31, low);
    if (high === undefined || !isAdrp(this.#words[high])) return undefined;
    const place = this.start + 4 * high;
    return place - place % 4096 + 1024 * adrOffset(this.#words[high]) + (word >>> 10 & 0xfff);
  }

  /** Entries of a table: one more than the last index that `cmp I, #last; b.hi` or `b.ls` lets pass. */
  #bound(before: number, index: number): number | undefined {
    for (let i = before - 1; i >= 0 && i >= before - WINDOW; i--) {
      const word = this.#words[i];
      if (!isCompare(word) || (word >>> 5 & 31) !== index) continue;
      const isBounded = [1, 2, 3].some((after) => isUnsignedOrder(this.#words[i + after] ?? 0));
      return isBounded ? (word >>> 10 & 0xfff) + 1 : undefined;
    }
    return undefined;
  }
}

function wordsOf(code: Uint8Array): Uint32Array {
  const view = new DataView(code.buffer, code.byteOffset, code.length);
  return Uint32Array.from({ length: code.length >> 2 }, (_, i) => view.getUint32(4 * i, true));
}

/** The signed number of words in a field of an instruction, in bytes. */
function offset(word: number, low: number, bits: number): number {
  return (word << (32 - low - bits) >> (32 - bits)) * 4;
}

/** The immediate of ADR and ADRP, times four. */
function adrOffset(word: number): number {
  return 4 * (((word << 8) >> 13) * 4 + (word >>> 29 & 3));
}

function write(code: Uint8Array, { at }: Reference, from: number, target: number): boolean {
  const view = new DataView(code.buffer, code.byteOffset + at, 4);
  const word = view.getUint32(0, true);
  if (isBranch(word)) {
    const distance = target - from;
    if (distance < -BRANCH_REACH || distance >= BRANCH_REACH) return false;
    view.setUint32(0, (word & 0xfc000000) | (distance / 4 & 0x03ffffff), true);
    return true;
  }
  const distance = target - (from - from % 4096);
  if (distance < -ADRP_REACH || distance >= ADRP_REACH) return false;
  const pages = distance / 4096;
  view.setUint32(0, (word & 0x9f00001f) | (pages & 3) << 29 | (pages >> 2 & 0x7ffff) << 5, true);
  return true;
}

function jump(from: number, to: number): Uint8Array | undefined {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, 0x14000000, true);
  const reference = { at: 0, length: 4, field: 0, target: to, isBranch: true };
  return write(bytes, reference, from, to) ? bytes : undefined;
}

function addresses(start: number, code: Uint8Array, note: NoteAddress): void {
  const pages = new Map<number, number>();
  for (const [i, word] of wordsOf(code).entries()) {
    const place = start + 4 * i;
    if (isBranch(word)) note(place + offset(word, 0, 26), true);
    else if (isTest(word)) note(place + offset(word, 5, 14), true);
    else if (isConditional(word)) note(place + offset(word, 5, 19), true);
    else if (isAdr(word)) note(place + adrOffset(word) / 4, false);
    else if (isAdrp(word)) pages.set(word & 31, place - place % 4096 + 1024 * adrOffset(word));
    else if (isAddImmediate(word)) {
      const page = pages.get(word >>> 5 & 31);
      if (page !== undefined) note(page + (word >>> 10 & 0xfff), false);
    }
  }
}
