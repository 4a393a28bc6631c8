import { ET_EXEC, PF_X } from "../../lib/elf/mod.ts";
import {
  exclusive,
  hugePageOf,
  imageExtent,
  type LinkContext,
  type LinkObject,
  type Module,
  pageDown,
  pageUp,
} from "../../lib/linker/mod.ts";
import { load as loadApart } from "../sysv/load.ts";
import { bytesOf, copySegments, pageRights, unitAt } from "./huge_units.ts";

/**
 * iFed's first mode, as a module: every object by itself, its text at a multiple of a huge page, and on
 * huge pages those parts of it that fill one, aligned and of one kind: nothing in them writable, or everything.
 * Rights stay what they are, but for read-only data beside text, which become executable. All else is mapped
 * from the file as always. An object of less than a huge page (2 MiB with base pages of 4 KiB) gains nothing; one at a fixed address stays there.
 */
export function align(): Module {
  const load = exclusive((link, object) => {
    const page = hugePageOf(link.pageSize);
    const unit = bytesOf(page);
    placeText(link, object, unit);
    loadApart(link, object);
    const extent = imageExtent(object.elf, link.pageSize)!;
    const base = link.base(object);
    const pages = pageRights(link, [object]);
    for (let at = pageUp(base + extent.start, unit); at + unit <= base + extent.end; at += unit) {
      const { rights, whole, uniform } = unitAt(link, pages, at, unit);
      if (!whole || !uniform) continue;
      link.map(at, unit, rights, { huge: page, name: "ifed" });
      copySegments(link, object, at, at + unit);
      link.counters.count("ifed.huge.pages");
    }
  });
  return { name: "ifed.align", register: () => ({ load }) };
}

/** Decides the place of an object that has none and may lie anywhere, its largest text at a huge page's start. */
function placeText(link: LinkContext, object: LinkObject, unit: number): void {
  const extent = imageExtent(object.elf, link.pageSize);
  if (extent === undefined || extent.size < unit || extent.align > unit) return;
  if (link.isPlaced(object) || object.elf.header.type === ET_EXEC) return;
  const [text] = object.elf.loadSegments.filter(({ flags }) => (flags & PF_X) !== 0)
    .sort((a, b) => b.memsz - a.memsz);
  if (text === undefined) return;
  const before = pageDown(text.vaddr, link.pageSize) - extent.start;
  // From a huge page's start on, so that the text lies at the start of a later one.
  const gap = (unit - before % unit) % unit;
  const start = link.reserve(pageUp(gap + extent.size, unit), unit);
  link.place(object, start + gap - extent.start);
}
