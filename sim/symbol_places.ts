/** Where the functions of a running program lie, by name. */
import { PF_X, PT_LOAD, STT_FUNC, STT_NOTYPE } from "../lib/elf/constants.ts";
import { ElfError, ElfFile } from "../lib/elf/mod.ts";
import { type AddressSpace, type PlacedObject } from "./memory/address_space.ts";
import type { MappedFile } from "./memory/page_cache.ts";
import { Vm, type Vma } from "./memory/vma.ts";
import { readMappedFile } from "./kernel/symbolize.ts";

/** A function by name; `object`, if given, says in which file: its path, its name, or the name's start up to a dot. */
export interface FunctionName {
  /** The file: its path, its name, or the name's start up to a dot; undefined: any. */
  readonly object?: string;
  /** The symbol's name, without a version. */
  readonly symbol: string;
}

/** ELF files by identity of the mapped file; null for what is not ELF. */
const parsed = new WeakMap<MappedFile, ElfFile | null>();

/**
 * Addresses of the functions called `name` in `space` now, by symbol tables static and dynamic. Without
 * an object they are the program's, or if it has none, those of all its libraries.
 */
export function functionPlaces(space: AddressSpace, name: FunctionName): number[] {
  const objects = space.objects.length > 0 ? space.objects : mappedObjects(space);
  const places = new Set<number>();
  for (const [i, { path, base, elf }] of objects.entries()) {
    if (name.object !== undefined && !isCalled(path, name.object)) continue;
    for (const value of valuesOf(elf, name.symbol)) places.add(base + value);
    if (i === 0 && name.object === undefined && places.size > 0) break;
  }
  return [...places];
}

/** Whether the file at `path` is called `name`: by its path, its name, or the name's start up to a dot. */
export function isCalled(path: string, name: string): boolean {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return path === name || file === name || file.startsWith(`${name}.`);
}

/** The ELF files that `space` has executable mappings of, in order of address: the program first. */
function mappedObjects(space: AddressSpace): PlacedObject[] {
  const objects: PlacedObject[] = [];
  for (const area of space.areas.items) {
    const file = area.source?.file;
    if (!file || (area.flags & Vm.Execute) === 0) continue;
    const path = area.source?.path ?? file.path ?? "";
    const elf = elfOf(file, path);
    if (elf === null) continue;
    const base = baseOf(elf, area);
    if (base === undefined) continue;
    if (!objects.some((o) => o.elf === elf && o.base === base)) objects.push({ path, base, elf });
  }
  return objects;
}

/** What is added to the addresses in a file whose code `area` maps. */
function baseOf(elf: ElfFile, area: Vma): number | undefined {
  const offset = area.fileOffset(area.start);
  const { size } = area.space.granule;
  const segment = elf.segments.find((s) =>
    s.type === PT_LOAD && (s.flags & PF_X) !== 0 && offset + size > s.offset &&
    offset < s.offset + s.filesz
  );
  return segment && area.start - (segment.vaddr - segment.offset + offset);
}

function elfOf(file: MappedFile, path: string): ElfFile | null {
  let elf = parsed.get(file);
  if (elf === undefined) {
    try {
      elf = ElfFile.parse(readMappedFile(file), path);
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
      elf = null;
    }
    parsed.set(file, elf);
  }
  return elf;
}

function valuesOf(elf: ElfFile, symbol: string): number[] {
  const values: number[] = [];
  for (const table of [elf.staticSymbols, elf.symbols]) {
    for (let i = 0; i < (table?.length ?? 0); i++) {
      const type = table!.type(i);
      if (table!.shndx(i) === 0 || (type !== STT_FUNC && type !== STT_NOTYPE)) continue;
      if (table!.name(i) === symbol) values.push(table!.value(i));
    }
  }
  return values;
}
