/** Naming a code address: the file that is mapped there, and the function in it. */
import { STT_FUNC } from "../../lib/elf/constants.ts";
import { ElfError } from "../../lib/elf/elf_error.ts";
import { ElfFile } from "../../lib/elf/elf_file.ts";
import type { SymbolTable } from "../../lib/elf/symbol_table.ts";
import type { AddressSpace } from "../memory/address_space.ts";
import type { MappedFile } from "../memory/page_cache.ts";

const PT_LOAD = 1;
/** Largest file whose symbols are read for a message. */
const LARGEST = 512 * 1024 * 1024;

/** All bytes of a file. */
export function readMappedFile(file: MappedFile): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(file.size);
  file.readPage(0, bytes);
  return bytes;
}

/** The function that contains `address`, with the distance from its start. */
function functionAt(
  table: SymbolTable | undefined,
  address: number,
): { name: string; distance: number } | null {
  if (table === undefined) return null;
  let best = -1;
  let start = -1;
  for (let i = 0; i < table.length; i++) {
    const value = table.value(i);
    if (table.shndx(i) === 0 || table.type(i) !== STT_FUNC) continue;
    if (value <= address && value > start) {
      best = i;
      start = value;
    }
  }
  if (best < 0) return null;
  const size = table.size(best);
  const distance = address - start;
  return size !== 0 && distance >= size ? null : { name: table.name(best), distance };
}

const inRange = (at: number, start: number, size: number): boolean =>
  at >= start && at < start + size;

/** Function and distance of an address in a file, or undefined if no symbol is there. */
function nameAddress(elf: ElfFile, address: number): string | undefined {
  const symbol = functionAt(elf.staticSymbols, address) ?? functionAt(elf.symbols, address);
  return symbol ? `${symbol.name}+0x${symbol.distance.toString(16)} in ${elf.name}` : undefined;
}

/** `strlen+0x12 in /usr/lib/libc.so.6`, `/bin/true+0x1234`, `[stack]`; undefined where nothing is mapped. */
export function symbolizeAddress(space: AddressSpace, pc: number): string | undefined {
  const vma = space.areas.lookup(pc);
  if (vma === null) return undefined;
  for (const { path, base, elf } of space.objects) {
    const address = pc - base;
    if (!elf.segments.some((s) => s.type === PT_LOAD && inRange(address, s.vaddr, s.memsz))) {
      continue;
    }
    return nameAddress(elf, address) ?? `${path}+0x${address.toString(16)}`;
  }
  const file = vma.source?.file;
  if (!file) return vma.name || "anonymous memory";
  const path = vma.source?.path ?? file.path ?? "a file";
  const offset = vma.fileOffset(pc);
  const plain = `${path}+0x${offset.toString(16)}`;
  if (file.size > LARGEST) return plain;
  try {
    const elf = ElfFile.parse(readMappedFile(file), path);
    const segment = elf.segments.find((s) =>
      s.type === PT_LOAD && inRange(offset, s.offset, s.filesz)
    );
    if (!segment) return plain;
    const address = segment.vaddr + offset - segment.offset;
    return nameAddress(elf, address) ?? plain;
  } catch (error) {
    if (error instanceof ElfError) return plain;
    throw error;
  }
}
