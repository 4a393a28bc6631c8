import type { LinkContext, LinkObject } from "../../lib/linker/mod.ts";
import { loadFailure } from "../sysv/library_file.ts";
import { runtimeOf } from "../sysv/runtime.ts";
import { stateOf, type ThreadLocal } from "../sysv/state.ts";
import { gnuStateOf } from "./state.ts";

/** How relocations of programs of glibc see thread-local storage: by module numbers. */
export const threadLocal: ThreadLocal = {
  moduleOf: (link, object) => gnuStateOf(link).blocks.numberOf(object),

  /** A late object gets a fixed place, if there is room, when a reference insists on one. */
  offsetOf: (link, object) => {
    const { tls } = stateOf(link);
    const known = tls.offsetOf(object);
    if (known !== undefined || object.elf.tls === undefined) return known;
    if (!tls.fits(object) || gnuStateOf(link).blocks.isDynamic(object)) {
      throw loadFailure(object.path, "cannot allocate memory in static TLS block");
    }
    tls.add(object);
    return tls.offsetOf(object);
  },

  describe: (link, object, value) => {
    const runtime = runtimeOf(link);
    const offset = placeIfCheap(link, object);
    if (offset !== undefined) return [runtime.address(link, "tlsdesc_static"), offset + value];
    return [runtime.address(link, "tlsdesc_dynamic"), indexOf(link, object, value)];
  },
};

/** A descriptor is faster for a block at a fixed offset: a late object gets one while little is used up. */
function placeIfCheap(link: LinkContext, object: LinkObject): number | undefined {
  const { tls } = stateOf(link);
  const { blocks } = gnuStateOf(link);
  const { memsz = 0 } = object.elf.tls ?? {};
  const isPlaced = tls.offsetOf(object) !== undefined;
  if (!isPlaced && memsz <= blocks.optional && tls.fits(object) && !blocks.isDynamic(object)) {
    const before = tls.size;
    tls.add(object);
    blocks.optional -= tls.size - before;
  }
  return tls.offsetOf(object);
}

/** A `tls_index` for a descriptor: module number and offset. */
function indexOf(link: LinkContext, object: LinkObject, value: number): number {
  const { blocks, heap } = gnuStateOf(link);
  return heap.words(link, [blocks.numberOf(object)!, value]);
}
