import { type ElfFile, PF_R, PF_W, PF_X, type Segment } from "../elf/mod.ts";
import { PROT_EXEC, PROT_READ, PROT_WRITE, type Protection } from "./target.ts";

/** The address range an object's PT_LOAD segments span, page rounded, before the bias is added. */
export interface ImageExtent {
  readonly start: number;
  readonly end: number;
  readonly size: number;
  /** Largest p_align of a PT_LOAD, at least the page size. */
  readonly align: number;
}

/** One PT_LOAD as pages; addresses are unbiased, all but `fileEnd` and `memoryEnd` page multiples. */
export interface SegmentPages {
  readonly segment: Segment;
  readonly start: number;
  /** End of the pages that have bytes of the file; `start` if the segment has none. */
  readonly fileStop: number;
  /** End of the last page. */
  readonly stop: number;
  /** File offset of `start`. */
  readonly offset: number;
  /** First address with no byte of the file. */
  readonly fileEnd: number;
  readonly memoryEnd: number;
  readonly protection: Protection;
}

export function pageDown(address: number, pageSize: number): number {
  return address - (address % pageSize);
}

export function pageUp(address: number, pageSize: number): number {
  return pageDown(address + pageSize - 1, pageSize);
}

/** Access rights of a segment from its PF_* flags. */
export function protectionOf(flags: number): Protection {
  return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
    (flags & PF_X ? PROT_EXEC : 0);
}

/** The span of an object's PT_LOAD segments; undefined if it has none. */
export function imageExtent(elf: ElfFile, pageSize: number): ImageExtent | undefined {
  let start = Infinity;
  let end = 0;
  let align = pageSize;
  for (const segment of elf.loadSegments) {
    if (segment.memsz === 0) continue;
    start = Math.min(start, pageDown(segment.vaddr, pageSize));
    end = Math.max(end, pageUp(segment.vaddr + segment.memsz, pageSize));
    align = Math.max(align, segment.align);
  }
  return end === 0 ? undefined : { start, end, size: end - start, align };
}

/** An object's PT_LOAD segments as the page ranges a loader maps, in file order. */
export function segmentPages(elf: ElfFile, pageSize: number): SegmentPages[] {
  const pages: SegmentPages[] = [];
  for (const segment of elf.loadSegments) {
    if (segment.memsz === 0) continue;
    const start = pageDown(segment.vaddr, pageSize);
    const fileEnd = segment.vaddr + segment.filesz;
    const memoryEnd = segment.vaddr + segment.memsz;
    pages.push({
      segment,
      start,
      fileStop: segment.filesz === 0 ? start : pageUp(fileEnd, pageSize),
      stop: pageUp(memoryEnd, pageSize),
      offset: segment.offset - (segment.vaddr - start),
      fileEnd,
      memoryEnd,
      protection: protectionOf(segment.flags),
    });
  }
  return pages;
}
