import type { ByteView } from "./byte_view.ts";
import type { AddressMap } from "./address_map.ts";
import type { Segment } from "./headers.ts";
import { StringTable } from "./string_table.ts";
import {
  DT_FINI,
  DT_FINI_ARRAY,
  DT_FINI_ARRAYSZ,
  DT_FLAGS,
  DT_FLAGS_1,
  DT_INIT,
  DT_INIT_ARRAY,
  DT_INIT_ARRAYSZ,
  DT_NEEDED,
  DT_NULL,
  DT_PREINIT_ARRAY,
  DT_PREINIT_ARRAYSZ,
  DT_RPATH,
  DT_RUNPATH,
  DT_SONAME,
  DT_STRSZ,
  DT_STRTAB,
  DYN_SIZE,
} from "./constants.ts";

/** One entry of the dynamic section; `value` is d_val or d_ptr, an unrelocated address. */
export interface DynamicEntry {
  readonly tag: number;
  readonly value: number;
}

/** An array of function addresses in the object's memory image: `size` bytes at `vaddr`. */
export interface FunctionArray {
  readonly vaddr: number;
  readonly size: number;
}

/** The dynamic section (gABI, "Dynamic Section"). All addresses are unrelocated. */
export interface Dynamic {
  /** In file order, up to and without DT_NULL. */
  readonly entries: readonly DynamicEntry[];
  /** Address of the table itself. */
  readonly vaddr: number;
  /** File offset of the table. */
  readonly offset: number;
  readonly needed: readonly string[];
  readonly soname?: string;
  readonly rpath?: string;
  readonly runpath?: string;
  /** DT_FLAGS, 0 if absent. */
  readonly flags: number;
  /** DT_FLAGS_1, 0 if absent. */
  readonly flags1: number;
  readonly init?: number;
  readonly fini?: number;
  readonly preinitArray?: FunctionArray;
  readonly initArray?: FunctionArray;
  readonly finiArray?: FunctionArray;
  /** DT_STRTAB; absent where the object names nothing. */
  readonly strings?: StringTable;
  /** The value of the first entry with this tag. */
  value(tag: number): number | undefined;
  /** Whether an entry with this tag exists. */
  has(tag: number): boolean;
  /** File offset of the first entry with this tag; of the table if there is none. */
  entryOffset(tag: number): number;
}

/** `at` is the file offset of the segment's program header. */
export function parseDynamic(
  file: ByteView,
  map: AddressMap,
  segment: Segment,
  at: number,
): Dynamic {
  const start = map.offsetOf(segment.vaddr, segment.filesz, "PT_DYNAMIC", at + 16);
  const entries: DynamicEntry[] = [];
  const values = new Map<number, number>();
  const count = Math.floor(segment.filesz / DYN_SIZE);
  for (let i = 0; i < count; i++) {
    const at = start + i * DYN_SIZE;
    const tag = file.i64(at, "d_tag");
    if (tag === DT_NULL) break;
    const value = file.u64(at + 8, "d_val");
    entries.push({ tag, value });
    if (!values.has(tag)) values.set(tag, value);
  }
  const entryOffset = (tag: number): number =>
    start + DYN_SIZE * Math.max(0, entries.findIndex((e) => e.tag === tag));
  const strings = dynamicStrings(file, map, values, entryOffset(DT_STRTAB));
  const text = (index: number, field: string): string => {
    if (strings === undefined) return file.fail(start, field, "there is no DT_STRTAB");
    return strings.at(index, field);
  };
  const optionalText = (tag: number, field: string): string | undefined => {
    const index = values.get(tag);
    return index === undefined ? undefined : text(index, field);
  };
  const array = (tag: number, sizeTag: number, field: string): FunctionArray | undefined => {
    const vaddr = values.get(tag);
    if (vaddr === undefined) return undefined;
    const size = values.get(sizeTag);
    if (size === undefined) return file.fail(entryOffset(tag), field, "it has no size entry");
    if (size % 8 !== 0) {
      return file.fail(entryOffset(sizeTag), field, `its size ${size} is not a multiple of 8`);
    }
    return { vaddr, size };
  };
  return {
    entries,
    vaddr: segment.vaddr,
    offset: start,
    needed: entries.filter((e) => e.tag === DT_NEEDED).map((e) => text(e.value, "DT_NEEDED")),
    soname: optionalText(DT_SONAME, "DT_SONAME"),
    rpath: optionalText(DT_RPATH, "DT_RPATH"),
    runpath: optionalText(DT_RUNPATH, "DT_RUNPATH"),
    flags: values.get(DT_FLAGS) ?? 0,
    flags1: values.get(DT_FLAGS_1) ?? 0,
    init: values.get(DT_INIT),
    fini: values.get(DT_FINI),
    preinitArray: array(DT_PREINIT_ARRAY, DT_PREINIT_ARRAYSZ, "DT_PREINIT_ARRAY"),
    initArray: array(DT_INIT_ARRAY, DT_INIT_ARRAYSZ, "DT_INIT_ARRAY"),
    finiArray: array(DT_FINI_ARRAY, DT_FINI_ARRAYSZ, "DT_FINI_ARRAY"),
    strings,
    value: (tag) => values.get(tag),
    has: (tag) => values.has(tag),
    entryOffset,
  };
}

function dynamicStrings(
  file: ByteView,
  map: AddressMap,
  values: Map<number, number>,
  at: number,
): StringTable | undefined {
  const vaddr = values.get(DT_STRTAB);
  if (vaddr === undefined) return undefined;
  const size = values.get(DT_STRSZ);
  if (size === undefined) return file.fail(at, "DT_STRSZ", "DT_STRTAB has no size");
  return new StringTable(file, map.offsetOf(vaddr, size, "DT_STRTAB", at), size, "DT_STRTAB");
}
