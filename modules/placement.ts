import { ET_EXEC } from "../lib/elf/mod.ts";
import {
  imageExtent,
  type LinkContext,
  type LinkObject,
  LinkTargetError,
  pageUp,
} from "../lib/linker/mod.ts";

/**
 * Room left after a program at a fixed address for its heap to grow, in bytes: what lets direct calls
 * between program and libraries reach, 2 GiB on x86_64 and 128 MiB on aarch64.
 */
export const HEAP_ROOM = { x86_64: 2 ** 29, aarch64: 2 ** 25 } as const;

export interface PlacementOptions {
  /** Bytes left free before an object, a multiple of the page size; default none. */
  readonly gap?: (object: LinkObject) => number;
  /** A multiple of it is where an object begins; default the page size. */
  readonly align?: (object: LinkObject) => number;
}

/**
 * Places objects one after the other in one range of address space, which a direct call can cross if it is
 * not too large; programs at fixed addresses stay where they are, and the range comes after them. In
 * post-collect; answers where the range ends, which is where the heap of a program in it can begin.
 */
export function placeTogether(
  link: LinkContext,
  objects: readonly LinkObject[],
  { gap = () => 0, align = () => link.pageSize }: PlacementOptions = {},
): number {
  const offsets = new Map<LinkObject, number>();
  let size = 0;
  let largest = link.pageSize;
  let near: number | undefined;
  for (const object of objects) {
    const extent = imageExtent(object.elf, link.pageSize);
    if (extent === undefined) continue;
    if (object.elf.header.type === ET_EXEC) {
      near = Math.max(near ?? 0, extent.end + HEAP_ROOM[link.arch]);
      continue;
    }
    // Common page sizes of the link editor are no need of the object's; larger alignment is.
    const own = Math.max(align(object), extent.align <= 2 ** 16 ? 0 : extent.align);
    largest = Math.max(largest, own);
    size = pageUp(size + gap(object), own);
    offsets.set(object, size - extent.start);
    size += extent.size;
  }
  size = pageUp(size, largest);
  const start = reserveNear(link, size, largest, near);
  for (const [object, offset] of offsets) link.place(object, start + offset);
  return start + size;
}

/** Reserves at an address, if that is free; else anywhere. */
function reserveNear(link: LinkContext, size: number, align: number, near?: number): number {
  try {
    if (near !== undefined) return link.reserve(size, align, pageUp(near, align));
  } catch (error) {
    if (!(error instanceof LinkTargetError)) throw error;
  }
  return link.reserve(size, align);
}
