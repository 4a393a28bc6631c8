import {
  type ElfFile,
  ET_EXEC,
  type FunctionRange,
  STB_LOCAL,
  type SymbolTable,
} from "../../lib/elf/mod.ts";
import { codeRanges, executable, linkageTables } from "../ifed/code_ranges.ts";
import type { ImageReader } from "./function_facts.ts";
import type { Import } from "./summary.ts";

/** What a pointer that the loader writes leads to: a symbol of the scope, or a place in the image. */
export type Pointer =
  | { readonly kind: "symbol"; readonly index: number }
  | { readonly kind: "address"; readonly target: number };

interface PointerTypes {
  /** Types that write a symbol's address, of which a slot is read by code alone. */
  readonly symbol: readonly number[];
  readonly slot: readonly number[];
  readonly relative: readonly number[];
}

/** R_X86_64_64, GLOB_DAT, JUMP_SLOT, RELATIVE, IRELATIVE, RELATIVE64, and the like of AArch64. */
const TYPES: Record<ElfFile["machine"], PointerTypes> = {
  x86_64: { symbol: [1, 6, 7], slot: [6, 7], relative: [8, 37, 38] },
  aarch64: { symbol: [257, 1025, 1026], slot: [1025, 1026], relative: [1027, 1032] },
};
const SHF_EXECINSTR = 4;
const WORD = 8;

/** An object's code and pointers, as the analysis needs them. */
export class Image implements ImageReader {
  /** Functions, and what code there is between them. */
  readonly functions: readonly FunctionRange[];
  readonly between: readonly FunctionRange[];
  readonly tables: readonly FunctionRange[];
  readonly pointers: ReadonlyMap<number, Pointer>;
  /** Pointers that code reads one by one: the global offset table. */
  readonly slots: ReadonlySet<number>;
  readonly imports: readonly Import[];
  readonly #imports = new Map<number, number>();

  constructor(readonly elf: ElfFile) {
    this.functions = codeRanges(elf);
    this.tables = linkageTables(elf);
    this.between = gaps(codeSpans(elf), [...this.functions, ...this.tables]);
    const imports: Import[] = [];
    const pointers = new Map<number, Pointer>();
    const slots = new Set<number>();
    this.#readPointers(pointers, slots, imports);
    if (elf.header.type === ET_EXEC) this.#guessPointers(pointers);
    this.pointers = pointers;
    this.slots = slots;
    this.imports = imports;
  }

  bytes(address: number, size: number): Uint8Array {
    const segment = this.elf.loadSegments.find((s) =>
      address >= s.vaddr && address < s.vaddr + s.filesz
    );
    if (segment === undefined) return new Uint8Array(0);
    return this.elf.bytesAt(address, Math.min(size, segment.vaddr + segment.filesz - address));
  }

  isSlot(address: number): boolean {
    return this.pointers.has(address);
  }

  isTable(address: number): boolean {
    return this.tables.some(({ start, end }) => address >= start && address < end);
  }

  #readPointers(
    pointers: Map<number, Pointer>,
    slots: Set<number>,
    imports: Import[],
  ): void {
    const { elf } = this;
    const types = TYPES[elf.machine];
    const got = elf.sections.filter(({ name }) => /^\.got(\.|$)/.test(name));
    for (const table of elf.relocationTables) {
      for (let i = 0; i < table.length; i++) {
        const at = table.offsets[i];
        const type = table.types[i];
        const addend = () => table.implicitAddend ? this.#word(at) : table.addends[i];
        if (types.relative.includes(type)) {
          pointers.set(at, { kind: "address", target: addend() });
          if (got.some(({ addr, size }) => at >= addr && at < addr + size)) slots.add(at);
        } else if (types.symbol.includes(type)) {
          const symbols = elf.symbols!;
          const symbol = table.symbols[i];
          if (symbols.bind(symbol) === STB_LOCAL) {
            pointers.set(at, { kind: "address", target: symbols.value(symbol) + addend() });
          } else {pointers.set(at, {
              kind: "symbol",
              index: this.#import(symbols, symbol, imports),
            });}
          if (types.slot.includes(type)) slots.add(at);
        }
      }
    }
  }

  #import(symbols: SymbolTable, index: number, imports: Import[]): number {
    const known = this.#imports.get(index);
    if (known !== undefined) return known;
    const { name, version, versionHidden } = symbols.at(index);
    const named = version === undefined ? { name } : { name, version };
    imports.push(versionHidden ? { ...named, hidden: true } : named);
    this.#imports.set(index, imports.length - 1);
    return imports.length - 1;
  }

  /** A program at fixed addresses has no relocations for its own pointers: any word may be one. */
  #guessPointers(pointers: Map<number, Pointer>): void {
    const code = codeSpans(this.elf);
    for (const segment of this.elf.loadSegments) {
      const bytes = this.elf.segmentBytes(segment);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let at = (WORD - segment.vaddr % WORD) % WORD; at + WORD <= bytes.length; at += WORD) {
        if (view.getUint32(at + 4, true) !== 0) continue;
        const target = view.getUint32(at, true);
        if (!code.some(({ start, end }) => target >= start && target < end)) continue;
        const place = segment.vaddr + at;
        if (!pointers.has(place)) pointers.set(place, { kind: "address", target });
      }
    }
  }

  #word(at: number): number {
    const bytes = this.bytes(at, WORD);
    if (bytes.length < WORD) return 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset, WORD);
    return view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
  }

  /** Where an image of fixed addresses lies. */
  get fixed(): FunctionRange | undefined {
    const loads = this.elf.loadSegments;
    if (this.elf.header.type !== ET_EXEC || loads.length === 0) return undefined;
    const last = loads[loads.length - 1];
    return { start: loads[0].vaddr, end: last.vaddr + last.memsz };
  }
}

/** Where code is: sections of instructions, or without sections the executable segments. */
export function codeSpans(elf: ElfFile): FunctionRange[] {
  const sections = elf.sections.filter(({ flags, size, addr }) =>
    (flags & SHF_EXECINSTR) !== 0 && size > 0 && addr > 0
  );
  if (sections.length > 0) {
    return sections.map(({ addr, size }) => ({ start: addr, end: addr + size }));
  }
  return executable(elf).map(({ vaddr, filesz }) => ({ start: vaddr, end: vaddr + filesz }));
}

function gaps(spans: readonly FunctionRange[], taken: readonly FunctionRange[]): FunctionRange[] {
  const sorted = [...taken].sort((a, b) => a.start - b.start);
  const found: FunctionRange[] = [];
  for (const { start, end } of spans) {
    let at = start;
    for (const range of sorted) {
      if (range.end <= at || range.start >= end) continue;
      if (range.start > at) found.push({ start: at, end: range.start });
      at = Math.max(at, range.end);
    }
    if (at < end) found.push({ start: at, end });
  }
  return found;
}
