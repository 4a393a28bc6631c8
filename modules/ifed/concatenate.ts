import { ET_EXEC } from "../../lib/elf/mod.ts";
import {
  exclusive,
  type HugePage,
  hugePageOf,
  imageExtent,
  type LinkContext,
  type LinkObject,
  LinkTargetError,
  type Module,
  pageDown,
  pageUp,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  strong,
  weak,
} from "../../lib/linker/mod.ts";
import { load as loadApart } from "../sysv/load.ts";
import { protect as protectApart } from "../sysv/protect.ts";
import { bytesOf, copySegments, type PageRights, pageRights, unitAt } from "./huge_units.ts";

/**
 * Room left after a program at a fixed address for its heap to grow, in bytes: what lets direct calls
 * between program and libraries reach, 2 GiB on x86_64 and 128 MiB on aarch64.
 */
const HEAP_ROOM = { x86_64: 2 ** 29, aarch64: 2 ** 25 } as const;

export interface ConcatenateOptions {
  /** Page size of the area; default the smallest huge page there is: "2M" with base pages of 4 KiB. */
  readonly pages?: HugePage;
  /**
   * `merged` (the default): the whole area is readable, writable and executable, every page of it huge.
   * `kept`: a page is huge only if all in it is writable or nothing is, so that read-only data may
   * become executable but nothing else changes; what is mixed stays on base pages.
   */
  readonly rights?: "merged" | "kept";
  /** Objects to leave where they would be, by what this answers; default none. */
  readonly except?: (object: LinkObject) => boolean;
}

/**
 * iFed's library concatenation, as a module: in post-collect one placement for the whole program, then
 * the main pass of load. All objects lie back to back in one area that huge pages back.
 *
 * An unmodified object addresses its data relative to its code, so the distances between its segments are
 * fixed and its data follows its code at once: text of different objects cannot be made adjacent without
 * data between it. So each object keeps its layout, and the *area* is what is grouped: with `merged` rights
 * code and data share huge pages, at the price of W^X and RELRO inside the area; with `kept` rights only
 * what is homogeneous over a huge page gains, which is the text of large objects.
 *
 * An executable linked at a fixed address (ET_EXEC) has an area of its own there, and the other
 * objects' area is put so near that direct calls can reach. An object whose alignment
 * exceeds the huge page, and a fixed program whose huge pages are not free, stay on base pages.
 */
export function concatenate(options: ConcatenateOptions = {}): Module {
  const passes = {
    "post-collect": weak((link, object) => {
      if (link.batch[0] === object) plan(link, options);
    }),
    "load": exclusive((link, object) => {
      const area = areas.get(object);
      if (area === undefined) return loadApart(link, object);
      area.map(link);
      copySegments(link, object);
    }),
  };
  // Where every page has all rights there is nothing to protect.
  const merged = {
    ...passes,
    "protect": strong((link, object) => {
      if (!areas.has(object)) protectApart(link, object);
    }),
  };
  return {
    name: "ifed.concatenate",
    register: (object) => {
      if (options.except?.(object)) return {};
      return options.rights === "kept" ? passes : merged;
    },
  };
}

/** Address space that huge pages back, and the objects in it. */
class Area {
  readonly objects: LinkObject[] = [];
  #mapped = false;

  constructor(
    readonly start: number,
    readonly end: number,
    readonly pages: HugePage,
    readonly rights: "merged" | "kept",
  ) {}

  /** Maps the whole area the first time an object of it is loaded. */
  map(link: LinkContext): void {
    if (this.#mapped) return;
    this.#mapped = true;
    const name = "ifed";
    const unit = bytesOf(this.pages);
    if (this.rights === "merged") {
      const all = PROT_READ | PROT_WRITE | PROT_EXEC;
      link.map(this.start, this.end - this.start, all, { huge: this.pages, name });
      link.counters.count("ifed.huge.pages", (this.end - this.start) / unit);
      return;
    }
    const pages = pageRights(link, this.objects);
    for (let at = this.start; at < this.end; at += unit) this.#mapUnit(link, at, unit, pages);
  }

  /** One huge page, if what lies in it can have the same rights; else its base pages with their own. */
  #mapUnit(link: LinkContext, at: number, unit: number, pages: PageRights): void {
    const { rights, uniform } = unitAt(link, pages, at, unit);
    if (rights === 0) return;
    const name = "ifed";
    if (uniform) {
      link.map(at, unit, rights, { huge: this.pages, name });
      link.counters.count("ifed.huge.pages");
      return;
    }
    for (let page = at; page < at + unit;) {
      const own = pages.get(page)?.rights;
      let end = page + link.pageSize;
      while (end < at + unit && pages.get(end)?.rights === own) end += link.pageSize;
      if (own !== undefined) link.map(page, end - page, own, { name });
      page = end;
    }
  }
}

const areas = new WeakMap<LinkObject, Area>();

/** Decides where every object of the batch goes. */
function plan(link: LinkContext, options: ConcatenateOptions): void {
  const { pages = hugePageOf(link.pageSize), rights = "merged" } = options;
  const unit = bytesOf(pages);
  const chosen = link.batch.filter((object) => !options.except?.(object));
  let near = nearLast(link);
  for (const object of chosen) {
    if (object.elf.header.type !== ET_EXEC) continue;
    near = planFixed(link, object, pages, rights) + HEAP_ROOM[link.arch];
  }
  const offsets = new Map<LinkObject, number>();
  let size = 0;
  for (const object of chosen) {
    const extent = imageExtent(object.elf, link.pageSize);
    if (extent === undefined || object.elf.header.type === ET_EXEC || extent.align > unit) continue;
    // Common page sizes of the link editor are no need of the object's; larger alignment is.
    const align = extent.align <= 2 ** 16 ? link.pageSize : extent.align;
    size = pageUp(size, align);
    offsets.set(object, size - extent.start);
    size += extent.size;
  }
  if (size === 0) return;
  const bytes = pageUp(size, unit);
  const start = reserveNear(link, bytes, unit, near);
  const area = new Area(start, start + bytes, pages, rights);
  for (const [object, offset] of offsets) {
    link.place(object, start + offset);
    area.objects.push(object);
    areas.set(object, area);
  }
}

/** Where objects opened later are put: after the last area there is, with room for the heap after the program's. */
function nearLast(link: LinkContext): number | undefined {
  const last = link.objects.flatMap((object) => areas.get(object) ?? [])
    .reduce<Area | undefined>((a, b) => a === undefined || b.end > a.end ? b : a, undefined);
  if (last === undefined) return undefined;
  return last.end + (last.objects.includes(link.program) ? HEAP_ROOM[link.arch] : 0);
}

/** An area around an executable at its fixed address; returns where its address space ends. */
function planFixed(
  link: LinkContext,
  object: LinkObject,
  pages: HugePage,
  rights: "merged" | "kept",
): number {
  const extent = imageExtent(object.elf, link.pageSize)!;
  const unit = bytesOf(pages);
  const start = pageDown(extent.start, unit);
  const end = pageUp(extent.end, unit);
  if (start > 0 && tryReserve(link, end - start, unit, start) !== undefined) {
    const area = new Area(start, end, pages, rights);
    area.objects.push(object);
    areas.set(object, area);
    link.place(object, 0);
  }
  return end;
}

/** Reserves after an address, if that is free; else anywhere. */
function reserveNear(link: LinkContext, size: number, align: number, near?: number): number {
  const hint = near === undefined ? undefined : pageUp(near, align);
  const found = hint === undefined ? undefined : tryReserve(link, size, align, hint);
  return found ?? link.reserve(size, align);
}

function tryReserve(
  link: LinkContext,
  size: number,
  align: number,
  hint: number,
): number | undefined {
  try {
    return link.reserve(size, align, hint);
  } catch (error) {
    if (error instanceof LinkTargetError) return undefined;
    throw error;
  }
}
