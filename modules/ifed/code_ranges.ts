import {
  type ElfFile,
  type FunctionRange,
  functionRanges,
  PF_X,
  type Segment,
  STT_FUNC,
  STT_GNU_IFUNC,
  type SymbolTable,
} from "../../lib/elf/mod.ts";

/**
 * Where an object's code certainly is, ascending and apart: what FDEs describe, and functions with a
 * symbol of known size where no FDE is. Procedure linkage tables are left out.
 */
export function codeRanges(elf: ElfFile): FunctionRange[] {
  const tables = linkageTables(elf);
  const described = functionRanges(elf);
  const ranges = described.filter(({ start }) => !tables.some((table) => contains(table, start)));
  for (const table of [elf.symbols, staticSymbols(elf)]) {
    if (table === undefined) continue;
    for (const range of symbolRanges(elf, table)) {
      if (!tables.some((linkage) => contains(linkage, range.start))) ranges.push(range);
    }
  }
  ranges.sort((a, b) => a.start - b.start || a.end - b.end);
  const apart: FunctionRange[] = [];
  for (const range of ranges) {
    const last = apart.at(-1);
    if (last === undefined || range.start >= last.end) apart.push(range);
    else if (range.start === last.start && range.end > last.end) apart[apart.length - 1] = range;
  }
  return apart;
}

/** Sections that hold linkage table entries and no code of the object's own. */
export function linkageTables(elf: ElfFile): FunctionRange[] {
  return elf.sections.filter(({ name, size }) => /^\.i?plt(\.|$)/.test(name) && size > 0)
    .map(({ addr, size }) => ({ start: addr, end: addr + size }));
}

function staticSymbols(elf: ElfFile): SymbolTable | undefined {
  return elf.sections.length > 0 ? elf.staticSymbols : undefined;
}

function* symbolRanges(elf: ElfFile, table: SymbolTable): Generator<FunctionRange> {
  const code = executable(elf);
  for (let index = 0; index < table.length; index++) {
    const type = table.type(index);
    if (type !== STT_FUNC && type !== STT_GNU_IFUNC) continue;
    const size = table.size(index);
    const start = table.value(index);
    if (size === 0 || table.shndx(index) === 0) continue;
    const inside = code.some((s) => start >= s.vaddr && start + size <= s.vaddr + s.filesz);
    if (inside) yield { start, end: start + size };
  }
}

/** The segments with code. */
export function executable(elf: ElfFile): readonly Segment[] {
  return elf.loadSegments.filter((segment) => (segment.flags & PF_X) !== 0);
}

export function contains(range: FunctionRange, address: number): boolean {
  return address >= range.start && address < range.end;
}
