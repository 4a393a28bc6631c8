/**
 * Translation granules: the size of base pages, and the shape of the page tables that map them. x86_64
 * has one of 4 KiB (Intel SDM volume 3A, 4.5), aarch64 also those of 16 KiB and 64 KiB (Arm ARM, D8.2);
 * all tables are one page in size and all addresses have 48 bits.
 *
 * Levels count from the leaves: a leaf of level 0 is a base page, a leaf of level 1 a huge page.
 */

import type { Arch } from "../arch.ts";
import { MemoryError } from "./physical_memory.ts";

/** Sizes of base pages, as Linux for aarch64 can be configured to have. */
export type PageSize = "4k" | "16k" | "64k";

/** Bits of a virtual address. */
const ADDRESS_BITS = 48;

export class Granule {
  /** Its base page as one says it. */
  readonly name: string;
  /** Bytes of a base page, which is also what files are cached and frames are given out in. */
  readonly size: number;
  /** log2 of the bytes that an entry of each level covers, from the leaves to the root. */
  readonly levelShifts: readonly number[];
  /** The same in bytes. */
  readonly spans: readonly number[];
  /** Level of the root. */
  readonly top: number;
  /** Entries of a table. */
  readonly entries: number;
  /** The huge page: log2 of its bytes, its bytes, its frames and log2 of those. */
  readonly hugeShift: number;
  readonly hugeSize: number;
  readonly hugeFrames: number;
  readonly hugeOrder: number;

  /**
   * @param shift log2 of a base page's bytes: 12, 14 or 16
   * @param hugetlb log2 of the page sizes that leaves of levels above 0 can have
   */
  constructor(readonly shift: number, readonly hugetlb: readonly number[]) {
    this.size = 2 ** shift;
    this.name = `${this.size / 1024} KiB`;
    const bits = shift - 3;
    this.levelShifts = Array.from(
      { length: Math.ceil((ADDRESS_BITS - shift) / bits) },
      (_, level) => shift + bits * level,
    );
    this.spans = this.levelShifts.map((bits) => 2 ** bits);
    this.top = this.levelShifts.length - 1;
    this.entries = 2 ** bits;
    this.hugeShift = this.levelShifts[1];
    this.hugeSize = 2 ** this.hugeShift;
    this.hugeOrder = bits;
    this.hugeFrames = this.entries;
  }

  /** Round up to whole base pages. */
  pageUp(bytes: number): number {
    return Math.ceil(bytes / this.size) * this.size;
  }
  /** Round down to a base page. */
  pageDown(bytes: number): number {
    return bytes - bytes % this.size;
  }
  /** Frames that a leaf of `level` maps. */
  frames(level: number): number {
    return 2 ** (this.levelShifts[level] - this.shift);
  }
}

/** Only the smallest granule has blocks above level 1. */
const GRANULES: Readonly<Record<PageSize, Granule>> = {
  "4k": new Granule(12, [21, 30]),
  "16k": new Granule(14, [25]),
  "64k": new Granule(16, [29]),
};

/** The sizes of base pages by name. */
export const pageSizes = Object.keys(GRANULES) as readonly PageSize[];

/** The granule of base pages of some size. Throws a `MemoryError` if the architecture has none such. */
export function granuleOf(arch: Arch, pageSize: PageSize = "4k"): Granule {
  if (!Object.hasOwn(GRANULES, pageSize)) {
    throw new MemoryError(
      `pages are of ${pageSizes.join(", ")}, not of ${JSON.stringify(pageSize)}`,
    );
  }
  if (arch === "x86_64" && pageSize !== "4k") {
    throw new MemoryError(
      `pages of ${pageSize} are for aarch64: x86_64 has base pages of 4k alone`,
    );
  }
  return GRANULES[pageSize];
}
