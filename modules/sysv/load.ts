import { ET_EXEC, hasLandingPads } from "../../lib/elf/mod.ts";
import {
  type GuestFile,
  imageExtent,
  type LinkContext,
  LinkError,
  type LinkObject,
  pageUp,
  PROT_BTI,
  PROT_EXEC,
  type SegmentPages,
  segmentPages,
} from "../../lib/linker/mod.ts";
import { stateOf } from "./state.ts";

/** Reserves address space for an object and maps its segments there. */
export function load(link: LinkContext, object: LinkObject): void {
  place(link, object);
  for (const pages of segmentPages(object.elf, link.pageSize)) mapSegment(link, object, pages);
}

/** Reserves address space for an object, unless it has a place. */
export function place(link: LinkContext, object: LinkObject): void {
  const extent = imageExtent(object.elf, link.pageSize);
  if (extent === undefined) {
    throw new LinkError("it has no PT_LOAD segment");
  }
  const odd = object.elf.loadSegments.find(({ vaddr, offset }) =>
    (vaddr - offset) % link.pageSize !== 0
  );
  if (object.file !== undefined && odd !== undefined) {
    throw new LinkError(
      `the segment at 0x${
        odd.vaddr.toString(16)
      } cannot be mapped on pages of ${link.pageSize} bytes: ` +
        `it is aligned to ${odd.align}`,
    );
  }
  if (!link.isPlaced(object)) {
    const fixed = object.elf.header.type === ET_EXEC;
    const at = link.reserve(extent.size, extent.align, fixed ? extent.start : undefined);
    link.place(object, at - extent.start);
  }
}

function isGuarded(link: LinkContext, { elf }: LinkObject, { protection }: SegmentPages): boolean {
  return stateOf(link).guards && link.arch === "aarch64" && (protection & PROT_EXEC) !== 0 &&
    hasLandingPads(elf.properties);
}

/**
 * Maps one segment: file pages, then zero pages, with the tail of the last file page cleared. The pages come
 * from `file`, usually the object's own.
 */
export function mapSegment(
  link: LinkContext,
  object: LinkObject,
  pages: SegmentPages,
  file: GuestFile | undefined = object.file,
): void {
  const base = link.base(object);
  const { start, fileStop, stop, fileEnd, memoryEnd, segment } = pages;
  const protection = pages.protection | (isGuarded(link, object, pages) ? PROT_BTI : 0);
  if (fileStop > start) {
    if (file !== undefined && pages.offset % link.pageSize === 0) {
      const source = { file, offset: pages.offset };
      link.map(base + start, fileStop - start, protection, { source });
    } else {
      link.map(base + start, fileStop - start, protection);
      link.write(base + segment.vaddr, object.elf.segmentBytes(segment));
    }
  }
  if (stop > fileStop) link.map(base + fileStop, stop - fileStop, protection);
  if (file !== undefined && memoryEnd > fileEnd) {
    const tail = Math.min(memoryEnd, fileStop) - fileEnd;
    if (tail > 0) {
      link.write(base + fileEnd, new Uint8Array(pageUp(fileEnd, link.pageSize) - fileEnd));
    }
  }
}
