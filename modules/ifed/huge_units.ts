import {
  HUGE_PAGE_SHIFTS,
  type HugePage,
  type LinkContext,
  type LinkObject,
  pageDown,
  PROT_EXEC,
  PROT_WRITE,
  type Protection,
  segmentPages,
} from "../../lib/linker/mod.ts";

/** Bytes of a huge page. */
export function bytesOf(page: HugePage): number {
  return 2 ** HUGE_PAGE_SHIFTS[page];
}

/** Base pages of some objects by address. */
export type PageRights = ReadonlyMap<number, { readonly rights: Protection; relro: boolean }>;

/** Rights of every base page of some objects, and whether it becomes read-only after relocation. */
export function pageRights(link: LinkContext, objects: readonly LinkObject[]): PageRights {
  const pages = new Map<number, { rights: Protection; relro: boolean }>();
  for (const object of objects) {
    const base = link.base(object);
    for (const { start, stop, protection } of segmentPages(object.elf, link.pageSize)) {
      for (let page = base + start; page < base + stop; page += link.pageSize) {
        const { rights = 0 } = pages.get(page) ?? {};
        pages.set(page, { rights: rights | protection, relro: false });
      }
    }
    const { relro } = object.elf;
    if (relro === undefined) continue;
    const end = pageDown(base + relro.vaddr + relro.size, link.pageSize);
    for (let at = pageDown(base + relro.vaddr, link.pageSize); at < end; at += link.pageSize) {
      const page = pages.get(at);
      if (page !== undefined) page.relro = true;
    }
  }
  return pages;
}

/** What lies in `size` bytes from `at`, which one huge page may back. */
export interface Unit {
  /** All rights that a page of it needs; 0 if there is none. */
  readonly rights: Protection;
  /** Every base page of it belongs to an object. */
  readonly whole: boolean;
  /**
   * All that lies in it may have the same rights: either nothing is writable, or everything is, nothing is
   * executable, and all of it is or none of it becomes read-only after relocation.
   */
  readonly uniform: boolean;
}

export function unitAt(link: LinkContext, pages: PageRights, at: number, size: number): Unit {
  let rights = 0;
  let count = 0;
  let writable = 0;
  let relro = 0;
  for (let page = at; page < at + size; page += link.pageSize) {
    const found = pages.get(page);
    if (found === undefined) continue;
    count++;
    rights |= found.rights;
    if (found.rights & PROT_WRITE) writable++;
    if (found.relro) relro++;
  }
  const all = (some: number) => some === 0 || some === count;
  return {
    rights,
    whole: count === size / link.pageSize,
    uniform: all(writable) && all(relro) && (writable === 0 || (rights & PROT_EXEC) === 0),
  };
}

/** Copies what of an object's segments lies in `[from, to)`, where memory is zero otherwise. */
export function copySegments(
  link: LinkContext,
  object: LinkObject,
  from = 0,
  to = Infinity,
): void {
  const base = link.base(object);
  for (const { segment } of segmentPages(object.elf, link.pageSize)) {
    const start = base + segment.vaddr;
    const bytes = object.elf.segmentBytes(segment);
    const first = Math.max(start, from);
    const last = Math.min(start + bytes.length, to);
    if (first < last) link.write(first, bytes.subarray(first - start, last - start));
  }
}
