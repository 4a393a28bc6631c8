import {
  type ElfFile,
  type FunctionRange,
  R_AARCH64_IRELATIVE,
  R_X86_64_IRELATIVE,
  relativeType,
  STT_FUNC,
  STT_GNU_IFUNC,
} from "../../lib/elf/mod.ts";
import { codeRanges } from "../ifed/code_ranges.ts";
import type { Claims } from "./check.ts";

const SHF_EXECINSTR = 4;

/** What an object itself says of its code: FDEs, symbols, entry point, and the pointers that relocation makes. */
export function claimsOf(elf: ElfFile): Claims {
  const published: number[] = [elf.header.entry];
  const { dynamic, symbols } = elf;
  for (const address of [dynamic?.init, dynamic?.fini]) {
    if (address !== undefined && address !== 0) published.push(address);
  }
  for (let i = 1; i < (symbols?.length ?? 0); i++) {
    const { type, shndx, value } = symbols!.at(i);
    if (shndx !== 0 && (type === STT_FUNC || type === STT_GNU_IFUNC)) published.push(value);
  }
  const relative = relativeType(elf.machine);
  const indirect = elf.machine === "x86_64" ? R_X86_64_IRELATIVE : R_AARCH64_IRELATIVE;
  for (const table of elf.relocationTables) {
    for (let i = 0; i < table.length; i++) {
      if (table.types[i] === indirect) published.push(table.addends[i]);
      // Relative pointers go to data too: those into code that are no instruction are of data in it.
      if (table.types[i] === relative && !table.implicitAddend) published.push(table.addends[i]);
    }
  }
  const functions = codeRanges(elf);
  const starts = new Set(codeSpans(elf).map(({ start }) => start));
  for (const { start, end } of functions) starts.add(start).add(end);
  return { functions, published, starts };
}

/** Where code is: sections of instructions, or without sections the functions. */
export function codeSpans(elf: ElfFile): readonly FunctionRange[] {
  const sections = elf.sections.filter(({ flags, size, addr }) =>
    (flags & SHF_EXECINSTR) !== 0 && size > 0 && addr > 0
  );
  if (sections.length === 0) return codeRanges(elf);
  return sections.map(({ addr, size }) => ({ start: addr, end: addr + size }));
}
