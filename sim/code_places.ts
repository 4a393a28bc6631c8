/** What code lies at an address: the object, and in it the function or the slot of a linkage table. */
import { PT_LOAD, STT_FUNC, STT_GNU_IFUNC } from "../lib/elf/constants.ts";
import { ElfError, ElfFile, functionRanges } from "../lib/elf/mod.ts";
import { readMappedFile } from "./kernel/symbolize.ts";
import type { AddressSpace, PlacedObject } from "./memory/address_space.ts";
import type { MappedFile } from "./memory/page_cache.ts";
import type { Vma } from "./memory/vma.ts";

export interface CodePlace {
  /** Path of the file, or a name such as `[stack]`, `[anon]`. */
  readonly object: string;
  /** Function, `name@plt` for a slot of a linkage table, or the address in hexadecimal without a name. */
  readonly symbol: string;
  /** Whether it is a slot of a linkage table. */
  readonly plt: boolean;
  /** Bytes from where the function begins; 0 without one. */
  readonly offset: number;
  /** Address in the object, as its symbol table has it; the guest's where there is no object. */
  readonly address: number;
  /** In code of an object without names or unwind tables: where the last function that has them ended; else null. */
  readonly unnamedSince: number | null;
  readonly elf: ElfFile | null;
}

interface Range {
  readonly start: number;
  readonly end: number;
  readonly symbol: string;
  readonly plt: boolean;
}

const files = new WeakMap<MappedFile, ElfFile | null>();
const ranges = new WeakMap<ElfFile, readonly Range[]>();
const loaded = new WeakMap<ElfFile, ElfFile["segments"]>();
const EM_X86_64 = 62;

/** Where `va` lies: in an object that a linker placed, or in a mapped area. */
interface Located {
  readonly placed: PlacedObject | undefined;
  readonly area: Vma | null;
  /** The object, and the address in it, if it is one that can be read and `va` lies in one of its segments. */
  readonly elf: ElfFile | null;
  readonly address: number;
}

function locate(space: AddressSpace, va: number): Located {
  for (const placed of space.objects) {
    const { base, elf } = placed;
    const address = va - base;
    if (segmentAt(elf, address) !== undefined) return { placed, area: null, elf, address };
  }
  const area = space.areas.lookup(va);
  const file = area?.source?.file;
  const elf = area && file ? elfOf(file, () => pathOf(area)) : null;
  if (elf === null) return { placed: undefined, area, elf, address: va };
  const offset = area!.fileOffset(va);
  const segment = loads(elf).find((s) => offset >= s.offset && offset < s.offset + s.filesz);
  if (segment === undefined) return { placed: undefined, area, elf: null, address: va };
  return { placed: undefined, area, elf, address: segment.vaddr + offset - segment.offset };
}
function segmentAt(elf: ElfFile, address: number): ElfFile["segments"][number] | undefined {
  return loads(elf).find((s) => address >= s.vaddr && address < s.vaddr + s.memsz);
}
/** Path of the file that is mapped, if any: it is asked for from the file system each time. */
function pathOf(area: Vma | null): string {
  const file = area?.source?.file;
  return file ? area!.source?.path ?? file.path ?? "[file]" : area?.name || "[anon]";
}

/** The place of the code at `va` in `space`, as it is mapped now. */
export function codePlace(space: AddressSpace, va: number): CodePlace {
  const { placed, area, elf, address } = locate(space, va);
  const path = placed?.path ?? pathOf(area);
  return elf === null ? nowhere(path, va) : inObject(path, elf, address);
}

/** Whether `unnamedSince` of the code at `va` is null. */
export function isNamed(space: AddressSpace, va: number): boolean {
  const { elf, address } = locate(space, va);
  return elf === null || rangeAt(rangesOf(elf), address) !== undefined;
}

function loads(elf: ElfFile): ElfFile["segments"] {
  let known = loaded.get(elf);
  if (known === undefined) {
    loaded.set(elf, known = elf.segments.filter(({ type }) => type === PT_LOAD));
  }
  return known;
}

function nowhere(object: string, va: number): CodePlace {
  const symbol = hexadecimal(va);
  return { object, symbol, plt: false, offset: 0, address: va, unnamedSince: null, elf: null };
}

function inObject(object: string, elf: ElfFile, address: number): CodePlace {
  const sorted = rangesOf(elf);
  const range = rangeAt(sorted, address);
  if (range === undefined) {
    const unnamedSince = sorted[firstAfter(sorted, address, startOf) - 1]?.end ?? 0;
    const symbol = hexadecimal(address);
    return { object, symbol, plt: false, offset: 0, address, unnamedSince, elf };
  }
  const { symbol, plt, start } = range;
  return { object, symbol, plt, offset: address - start, address, unnamedSince: null, elf };
}

/** What code without a name is called. */
export function hexadecimal(address: number): string {
  return `0x${address.toString(16)}`;
}

/** The range of `sorted` with `address`. Code that is asked for lies near what was asked for last. */
function rangeAt(sorted: readonly Range[], address: number): Range | undefined {
  if (
    sorted === lastSorted && lastRange !== undefined && address >= lastRange.start &&
    address < lastRange.end
  ) return lastRange;
  lastSorted = sorted;
  return lastRange = find(sorted, address);
}
let lastSorted: readonly Range[] | undefined;
let lastRange: Range | undefined;

function find(sorted: readonly Range[], address: number): Range | undefined {
  const range = sorted[firstAfter(sorted, address, startOf) - 1];
  return range !== undefined && address < range.end ? range : undefined;
}
const startOf = ({ start }: Range): number => start;

/** Index of the first of `sorted` that begins after `address`. */
export function firstAfter<T>(
  sorted: readonly T[],
  address: number,
  startOf: (entry: T) => number,
): number {
  let low = 0;
  for (let high = sorted.length; low < high;) {
    const middle = (low + high) >> 1;
    if (startOf(sorted[middle]) <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

function elfOf(file: MappedFile, path: () => string): ElfFile | null {
  let elf = files.get(file);
  if (elf === undefined) {
    try {
      elf = ElfFile.parse(readMappedFile(file), path());
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      elf = null;
    }
    files.set(file, elf);
  }
  return elf;
}

/** Functions and slots, ascending and apart: by symbols, then by unwind tables where no symbol is. */
function rangesOf(elf: ElfFile): readonly Range[] {
  let known = ranges.get(elf);
  if (known === undefined) ranges.set(elf, known = findRanges(elf));
  return known;
}

function findRanges(elf: ElfFile): Range[] {
  const found: Range[] = [];
  const plt = elf.sections.filter(({ name, size }) => /^\.i?plt(\.|$)/.test(name) && size > 0)
    .map(({ addr, size }) => ({ start: addr, end: addr + size }));
  found.push(...linkageSlots(elf, plt));
  const inPlt = (at: number) => plt.some(({ start, end }) => at >= start && at < end);
  for (const table of [elf.sections.length > 0 ? elf.staticSymbols : undefined, elf.symbols]) {
    for (let i = 0; i < (table?.length ?? 0); i++) {
      const type = table!.type(i);
      if ((type !== STT_FUNC && type !== STT_GNU_IFUNC) || table!.shndx(i) === 0) continue;
      const start = table!.value(i);
      const size = table!.size(i);
      if (size > 0 && !inPlt(start)) {
        found.push({ start, end: start + size, symbol: table!.name(i), plt: false });
      }
    }
  }
  for (const { start, end } of functionRanges(elf)) {
    if (inPlt(start)) continue;
    found.push({ start, end, symbol: `0x${start.toString(16)}`, plt: false });
  }
  // Of those that begin alike the first found stands; what begins inside another is its own.
  const byStart = new Map<number, Range>();
  for (const range of found) if (!byStart.has(range.start)) byStart.set(range.start, range);
  const sorted = [...byStart.values()].sort((a, b) => a.start - b.start);
  const apart: Range[] = [];
  for (const range of sorted) {
    const last = apart.at(-1);
    if (last !== undefined && range.start < last.end) {
      // An unwind table that describes a part of a function with a symbol.
      if (range.symbol.startsWith("0x")) continue;
      apart[apart.length - 1] = { ...last, end: range.start };
    }
    apart.push(range);
  }
  return apart;
}

/** Slots of linkage tables, named by the relocation of the word that each jumps through. */
function linkageSlots(
  elf: ElfFile,
  tables: readonly { readonly start: number; readonly end: number }[],
): Range[] {
  if (tables.length === 0) return [];
  const targets = new Map<number, string>();
  const { symbols } = elf;
  for (const table of elf.relocationTables) {
    for (let i = 0; i < table.length; i++) {
      const symbol = table.symbols[i];
      if (symbol !== 0 && symbols !== undefined) {
        targets.set(table.offsets[i], symbols.name(symbol));
      } else if (table.kind === "plt") {
        targets.set(table.offsets[i], `0x${table.addends[i].toString(16)}`);
      }
    }
  }
  const slots: Range[] = [];
  for (const { start, end } of tables) {
    const bytes = elf.bytesAt(start, end - start);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const slot of elf.header.machine === EM_X86_64 ? x86Slots(view) : armSlots(view, start)) {
      const name = targets.get(slot.word + start);
      const symbol = name === undefined ? "[plt]" : `${name}@plt`;
      slots.push({ start: start + slot.from, end: start + slot.to, symbol, plt: true });
    }
    const first = slots.find((slot) => slot.start >= start && slot.start < end);
    const header = first?.start ?? end;
    if (header > start) slots.push({ start, end: header, symbol: "[plt]", plt: true });
  }
  return slots;
}

interface Slot {
  readonly from: number;
  readonly to: number;
  /** Offset from the table's start of the word that the slot jumps through. */
  readonly word: number;
}

/** Slots of 16 or 8 bytes with `jmp *disp32(%rip)` (ff 25) among the first bytes. */
function x86Slots(view: DataView): Slot[] {
  const jumps: number[] = [];
  for (let at = 0; at + 6 <= view.byteLength; at++) {
    if (view.getUint8(at) === 0xff && view.getUint8(at + 1) === 0x25) jumps.push(at);
  }
  const size = jumps.length > 1 && jumps.every((at, i) => i === 0 || at - jumps[i - 1] === 8)
    ? 8
    : 16;
  return jumps.map((at) => {
    const from = Math.floor(at / size) * size;
    return { from, to: from + size, word: at + 6 + view.getInt32(at + 2, true) };
  }).filter((slot, i, all) => i === 0 || slot.from !== all[i - 1].from);
}

/** Slots with `adrp x16, page; ldr x17, [x16, #offset]`, perhaps after `bti c`; entry 0 pushes first. */
function armSlots(view: DataView, start: number): Slot[] {
  const slots: Slot[] = [];
  for (let at = 0; at + 8 <= view.byteLength; at += 4) {
    const adrp = view.getUint32(at, true);
    const ldr = view.getUint32(at + 4, true);
    if ((adrp & 0x9f00001f) >>> 0 !== 0x90000010 || (ldr & 0xffc003ff) >>> 0 !== 0xf9400211) {
      continue;
    }
    const high = (adrp >> 5) & 0x7ffff;
    const pages = (((high << 2) | ((adrp >> 29) & 3)) << 11) >> 11;
    const afterBti = at >= 4 && view.getUint32(at - 4, true) === 0xd503245f;
    const pushes = at >= 4 && view.getUint32(at - 4, true) === 0xa9bf7bf0;
    if (pushes) continue;
    const page = (Math.floor((start + at) / 4096) + pages) * 4096;
    slots.push({
      from: afterBti ? at - 4 : at,
      to: at + 16,
      word: page + 8 * ((ldr >> 10) & 0xfff) - start,
    });
  }
  return slots;
}
