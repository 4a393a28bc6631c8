import { PF_W, relativeType } from "../../lib/elf/mod.ts";
import { writeU64 } from "../../lib/elf/byte_writer.ts";
import {
  type GuestFile,
  type LinkContext,
  type LinkObject,
  type SegmentPages,
  segmentPages,
} from "../../lib/linker/mod.ts";
import { mapSegment } from "../sysv/load.ts";

/** The words of an object that are relocated when their page is first touched. */
export interface TouchedPages {
  /** True if the word at a link-time address is left to the first touch. */
  isLeft(address: number): boolean;
}

/** Relative relocations of one page of the file: offset of the word in the file, and its value. */
interface PageRelocations {
  readonly offsets: number[];
  /** What is added to the base; undefined where it is the word that the file has. */
  readonly addends: (number | undefined)[];
}

/**
 * Maps an object that has its place. The writable pages come from a copy of the file that has relative
 * relocations applied, page by page, as the program touches them.
 */
export function loadForTouch(link: LinkContext, object: LinkObject): TouchedPages {
  const base = link.base(object);
  const { pageSize } = link;
  const segments = segmentPages(object.elf, pageSize);
  const writable = segments.filter((pages) =>
    (pages.segment.flags & PF_W) !== 0 && pages.offset % pageSize === 0
  );
  const byPage = new Map<number, PageRelocations>();
  const segmentOf = (address: number): SegmentPages | undefined =>
    writable.find(({ segment, fileEnd }) => address >= segment.vaddr && address + 8 <= fileEnd);
  const isLeft = (address: number): boolean =>
    address % pageSize <= pageSize - 8 && segmentOf(address) !== undefined;
  const relative = relativeType(link.arch);
  let left = 0;
  for (const { length, types, offsets, addends, implicitAddend } of object.elf.relocationTables) {
    for (let i = 0; i < length; i++) {
      if (types[i] !== relative || !isLeft(offsets[i])) continue;
      const { segment } = segmentOf(offsets[i])!;
      const offset = segment.offset + offsets[i] - segment.vaddr;
      const index = Math.floor(offset / pageSize);
      let page = byPage.get(index);
      if (page === undefined) byPage.set(index, page = { offsets: [], addends: [] });
      page.offsets.push(offset);
      page.addends.push(implicitAddend ? undefined : addends[i]);
      left++;
    }
  }
  link.counters.count("packed.left", left);
  link.counters.count("packed.left.pages", byPage.size);
  const file = relocatedFile(link, object.file!, base, byPage);
  for (const pages of segments) {
    mapSegment(link, object, pages, writable.includes(pages) ? file : object.file);
  }
  return { isLeft };
}

/** A file with an object's relative relocations applied, for one place in memory. */
function relocatedFile(
  link: LinkContext,
  from: GuestFile,
  base: number,
  byPage: ReadonlyMap<number, PageRelocations>,
): GuestFile {
  const { pageSize, counters } = link;
  const bytes = new Uint8Array(from.bytes.length);
  const view = new DataView(bytes.buffer);
  const done = new Uint8Array(Math.ceil(bytes.length / pageSize));
  const fill = (offset: number, length: number): void => {
    const last = Math.floor((offset + length - 1) / pageSize);
    for (let index = Math.floor(offset / pageSize); index <= last; index++) {
      if (done[index] !== 0) continue;
      done[index] = 1;
      const start = index * pageSize;
      const end = Math.min(start + pageSize, bytes.length);
      from.made?.fill(start, end - start);
      bytes.set(from.bytes.subarray(start, end), start);
      const page = byPage.get(index);
      if (page === undefined) continue;
      counters.count("packed.touched.pages");
      counters.relocation("relative", page.offsets.length);
      page.offsets.forEach((at, i) => {
        const addend = page.addends[i] ?? Number(view.getBigInt64(at, true));
        writeU64(view, at, base + addend);
      });
    }
  };
  const { path, realPath, identity, executable } = from;
  return { path, realPath, identity, executable, bytes, made: { from, fill } };
}
