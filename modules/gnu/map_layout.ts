import { DT_GNU_HASH, DT_STRSZ, DT_STRTAB, DT_SYMTAB, DYN_SIZE } from "../../lib/elf/mod.ts";
import {
  type LinkContext,
  LinkError,
  type LinkObject,
  segmentPages,
} from "../../lib/linker/mod.ts";
import type { StandIn } from "../sysv/stand_in.ts";

/** Bytes of a `struct link_map` that are looked at, and that our own have: more than any version's. */
export const MAP_SIZE = 2048;

/** Words at the start of a `struct link_map` that `<link.h>` shows to programs. */
export const MAP_ADDR = 0;
export const MAP_LD = 16;
export const MAP_NEXT = 24;
export const MAP_PREV = 32;

/**
 * Where glibc keeps what it reads of a `struct link_map` beyond its public words. These places differ
 * from version to version: they are found in the one map that the guest's loader made, of the
 * program, by the values that are known to be there. What was not found is not written.
 */
export interface MapLayout {
  /** `l_info`: where the address of the dynamic entry with each tag is. */
  readonly info: ReadonlyMap<number, number>;
  /** `l_phdr`, the entry point after it, and 16 bits of `l_phnum` after that. */
  readonly headers: number | undefined;
  /** `l_map_start`, with `l_map_end` after it. */
  readonly extent: number | undefined;
  /** Words that hold the map's own address (`l_real`). */
  readonly self: readonly number[];
  /** `l_nbuckets` (32 bits), the Bloom filter's mask and shift, then three pointers into the hash table. */
  readonly gnuHash: number | undefined;
}

/** Finds the places in the map at `at`, which the guest's loader made of the program's stand-in. */
export function findMapLayout(
  link: LinkContext,
  program: LinkObject,
  at: number,
  { headers, dynamic, entries }: StandIn,
): MapLayout {
  const bytes = link.read(at, MAP_SIZE);
  const view = new DataView(bytes.buffer);
  const words = Array.from(
    { length: MAP_SIZE / 8 },
    (_, index) => view.getUint32(8 * index + 4, true) * 2 ** 32 + view.getUint32(8 * index, true),
  );
  const info = new Map<number, number>();
  const dynamicEnd = dynamic + entries.length * DYN_SIZE;
  words.forEach((word, index) => {
    // l_ld itself is the address of the first entry.
    if (8 * index <= MAP_LD || word < dynamic || word >= dynamicEnd) return;
    const [tag] = entries[Math.floor((word - dynamic) / DYN_SIZE)];
    if (!info.has(tag)) info.set(tag, 8 * index);
  });
  const [strings, symbols, size] = [DT_STRTAB, DT_SYMTAB, DT_STRSZ].map((tag) => info.get(tag));
  if (strings === undefined || symbols !== strings + 8 || size !== strings + 8 * 5) {
    throw new LinkError(
      `the link map of the guest's loader at 0x${at.toString(16)} is of no known form`,
    );
  }
  const { start, end } = extentOf(link, program);
  const place = (test: (word: number, index: number) => boolean): number | undefined => {
    const index = words.findIndex((word, index) => 8 * index > MAP_PREV && test(word, index));
    return index < 0 ? undefined : 8 * index;
  };
  const table = program.elf.dynamic?.value(DT_GNU_HASH);
  const hash = program.elf.gnuHashTable;
  const bloom = table === undefined ? undefined : link.base(program) + table + 16;
  const bloomAt = hash && bloom === undefined
    ? undefined
    : place((word, index) => word === bloom && words[index + 1] === bloom! + 8 * hash!.bloomWords);
  return {
    info,
    headers: place((word, index) => word === headers && words[index + 1] === link.landing),
    extent: place((word, index) => word === start && words[index + 1] === end),
    self: words.flatMap((word, index) => word === at ? [8 * index] : []),
    gnuHash: bloomAt === undefined || bloomAt < 12 ? undefined : bloomAt - 12,
  };
}

/** First and last address of an object's segments in memory, the last one to the byte. */
export function extentOf(link: LinkContext, object: LinkObject): { start: number; end: number } {
  const base = link.base(object);
  const pages = segmentPages(object.elf, link.pageSize);
  return { start: base + pages[0].start, end: base + Math.max(...pages.map((p) => p.memoryEnd)) };
}
