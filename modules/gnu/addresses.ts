import { PF_X } from "../../lib/elf/mod.ts";
import { type LinkContext, type LinkObject, segmentPages } from "../../lib/linker/mod.ts";
import { guestObjects } from "./scopes.ts";

/** The object that has a segment at a guest address. */
export function objectAt(link: LinkContext, address: number): LinkObject | undefined {
  for (const object of guestObjects(link)) {
    const offset = address - link.base(object);
    for (const { vaddr, memsz } of object.elf.loadSegments) {
      if (offset >= vaddr && offset < vaddr + memsz) return object;
    }
  }
  return undefined;
}

/** Guest addresses from the first segment of an object to its last, page rounded. */
export function rangeOf(link: LinkContext, object: LinkObject): { start: number; end: number } {
  const base = link.base(object);
  const pages = segmentPages(object.elf, link.pageSize);
  return { start: base + pages[0].start, end: base + pages[pages.length - 1].stop };
}

/** Whether an object has code. */
export function hasCode({ elf }: LinkObject): boolean {
  return elf.loadSegments.some(({ flags }) => (flags & PF_X) !== 0);
}
