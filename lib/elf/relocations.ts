import type { ByteView } from "./byte_view.ts";
import {
  type ElfMachine,
  R_AARCH64_RELATIVE,
  R_X86_64_RELATIVE,
  REL_SIZE,
  RELA_SIZE,
} from "./constants.ts";

/** Which table of the object a relocation stands in. */
export type RelocationTableKind = "rela" | "rel" | "relr" | "plt" | "android" | "crel" | "section";

/** One relocation. */
export interface Relocation {
  /** r_offset: an unrelocated address (in ET_REL files an offset into the section). */
  readonly offset: number;
  readonly type: number;
  /** Index into the dynamic symbol table; 0 for none. */
  readonly symbol: number;
  /** r_addend; 0 where it stands at the place itself (`implicitAddend` of its table). */
  readonly addend: number;
  readonly table: RelocationTableKind;
}

/** A relocation table as columns, so that half a million entries are four typed arrays. */
export class RelocationTable {
  /** Bytes that it takes in the file. */
  size = 0;

  constructor(
    readonly kind: RelocationTableKind,
    /** REL and RELR tables: the addend is the word at the relocated place. */
    readonly implicitAddend: boolean,
    readonly length: number,
    readonly offsets: Float64Array,
    readonly types: Uint32Array,
    readonly symbols: Uint32Array,
    readonly addends: Float64Array,
  ) {}

  static empty(
    kind: RelocationTableKind,
    implicitAddend: boolean,
    length: number,
  ): RelocationTable {
    return new RelocationTable(
      kind,
      implicitAddend,
      length,
      new Float64Array(length),
      new Uint32Array(length),
      new Uint32Array(length),
      new Float64Array(length),
    );
  }

  at(i: number): Relocation {
    return {
      offset: this.offsets[i],
      type: this.types[i],
      symbol: this.symbols[i],
      addend: this.addends[i],
      table: this.kind,
    };
  }

  *[Symbol.iterator](): IterableIterator<Relocation> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }
}

const TWO_32 = 0x1_0000_0000;

/** Elf64_Rela (`explicit`) or Elf64_Rel records at `[offset, offset + size)` of the file. */
export function parseRecords(
  file: ByteView,
  offset: number,
  size: number,
  explicit: boolean,
  kind: RelocationTableKind,
): RelocationTable {
  const field = explicit ? "Elf64_Rela" : "Elf64_Rel";
  const entry = explicit ? RELA_SIZE : REL_SIZE;
  if (size % entry !== 0) file.fail(offset, field, `size ${size} is not a multiple of ${entry}`);
  file.check(offset, size, field);
  const count = size / entry;
  const table = RelocationTable.empty(kind, !explicit, count);
  table.size = size;
  const { offsets, types, symbols, addends } = table;
  const view = file.view;
  for (let i = 0, at = offset; i < count; i++, at += entry) {
    const high = view.getUint32(at + 4, true);
    if (high >= 0x20_0000) file.tooLarge(at, "r_offset");
    offsets[i] = high * TWO_32 + view.getUint32(at, true);
    types[i] = view.getUint32(at + 8, true);
    symbols[i] = view.getUint32(at + 12, true);
    if (explicit) {
      const addendHigh = view.getInt32(at + 20, true);
      if (addendHigh >= 0x20_0000 || addendHigh < -0x20_0000) file.tooLarge(at + 16, "r_addend");
      addends[i] = addendHigh * TWO_32 + view.getUint32(at + 16, true);
    }
  }
  return table;
}

export function relativeType(machine: ElfMachine): number {
  return machine === "x86_64" ? R_X86_64_RELATIVE : R_AARCH64_RELATIVE;
}

/**
 * RELR (gABI, "Relocation", SHT_RELR): an even word is an address to relocate; an odd one is a bitmap
 * of the 63 words that follow the last.
 */
export function parseRelr(
  file: ByteView,
  offset: number,
  size: number,
  machine: ElfMachine,
): RelocationTable {
  if (size % 8 !== 0) file.fail(offset, "DT_RELRSZ", `size ${size} is not a multiple of 8`);
  file.check(offset, size, "DT_RELR");
  const view = file.view;
  let count = 0;
  for (let at = offset; at < offset + size; at += 8) {
    const low = view.getUint32(at, true);
    count += (low & 1) === 0 ? 1 : ones(low & ~1) + ones(view.getUint32(at + 4, true));
  }
  // Each relocates a word that the file holds, so there are no more of them than words.
  if (8 * count > file.length) {
    file.fail(offset, "DT_RELR", `${count} relocations in a file of ${file.length} bytes`);
  }
  const table = RelocationTable.empty("relr", true, count);
  table.size = size;
  const offsets = table.offsets;
  table.types.fill(relativeType(machine));
  let next = -1;
  let i = 0;
  for (let at = offset; at < offset + size; at += 8) {
    const low = view.getUint32(at, true);
    if ((low & 1) === 0) {
      const address = file.u64(at, "DT_RELR");
      offsets[i++] = address;
      next = address + 8;
      continue;
    }
    if (next < 0) file.fail(at, "DT_RELR", "the first word is a bitmap");
    const high = view.getUint32(at + 4, true);
    for (let bit = 1; bit < 64; bit++) {
      const word = bit < 32 ? low >>> bit : high >>> (bit - 32);
      if ((word & 1) !== 0) offsets[i++] = next + 8 * (bit - 1);
    }
    next += 8 * 63;
  }
  return table;
}

function ones(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
