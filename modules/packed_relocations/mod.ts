import {
  DT_ANDROID_REL,
  DT_ANDROID_RELA,
  DT_ANDROID_RELR,
  DT_CREL,
  DT_RELR,
  relativeType,
  type RelocationTable,
} from "../../lib/elf/mod.ts";
import {
  type LinkContext,
  type LinkObject,
  type Module,
  type Registration,
  strong,
} from "../../lib/linker/mod.ts";
import { place } from "../sysv/load.ts";
import { relocate } from "../sysv/relocate.ts";
import { loadForTouch, type TouchedPages } from "./touch.ts";

export { FORMATS, type PackedFormat, type PackedObject, packRelocations } from "./pack.ts";

const PACKED_TAGS = [DT_ANDROID_REL, DT_ANDROID_RELA, DT_ANDROID_RELR, DT_CREL, DT_RELR];

/** Options of `packedRelocations`. */
export interface PackedRelocationsOptions {
  /**
   * `start` (the default): all relocations are applied before the program starts. `touch`: relative ones of a
   * page when the page is first touched, so that pages nobody touches are neither read nor written.
   */
  readonly when?: "start" | "touch";
}

/**
 * Applies packed relocations (Android's APS2, RELR, CREL), on every architecture: takes the relocate phase
 * of the objects that have such tables, as `isthmus pack-relocations` makes them.
 *
 * With `when: "touch"` it takes the load of these objects as well: their writable pages come from a file that
 * is made as it is needed, with relative relocations done. That way gives way to other modules that load
 * objects in their own way, for which relocations are applied at the start.
 */
export function packedRelocations(options: PackedRelocationsOptions = {}): Module {
  const touched = new WeakMap<LinkObject, TouchedPages>();
  const loadPass = strong((link, object) => {
    place(link, object);
    touched.set(object, loadForTouch(link, object));
  });
  const relocatePass = strong((link, object) => apply(link, object, touched.get(object)));
  return {
    name: "packed-relocations",
    register: (object, pipeline): Registration => {
      const { dynamic } = object.elf;
      const isPacked = PACKED_TAGS.some((tag) => dynamic?.has(tag));
      // A loader of the guest's relocates itself.
      if (!isPacked || pipeline.main("relocate") !== "sysv") return {};
      const atTouch = options.when === "touch" && object.file !== undefined &&
        pipeline.main("load") === "sysv";
      return atTouch
        ? { "load": loadPass, "relocate": relocatePass }
        : { "relocate": relocatePass };
    },
  };
}

function apply(link: LinkContext, object: LinkObject, pages: TouchedPages | undefined): void {
  const { counters } = link;
  for (const table of object.elf.relocationTables) {
    if (!isPackedTable(table)) continue;
    counters.count("packed.tables");
    counters.count("packed.bytes", table.size);
    counters.count("packed.relocations", table.length);
  }
  if (pages === undefined) relocate(link, object);
  else {
    const relative = relativeType(link.arch);
    relocate(
      link,
      object,
      (table, i) => table.types[i] === relative && pages.isLeft(table.offsets[i]),
    );
  }
}

export function isPackedTable({ kind }: RelocationTable): boolean {
  return kind === "relr" || kind === "android" || kind === "crel";
}
