/**
 * A page table in physical memory, four levels of 512 entries of 8 bytes, as the hardware's walker
 * reads it. Levels count from the leaves: 0 holds 4 KiB pages, 1 may hold 2 MiB and 2 may hold 1 GiB.
 */
import { type EntryFormat } from "./entry_format.ts";
import { FrameKind, type Frames } from "./frames.ts";
import type { PhysicalMemory } from "./physical_memory.ts";

const TOP = 3;
const GIB = 0x4000_0000;
/** Bytes mapped by an entry of each level, and the mask of a leaf's address in its low word. */
const SPAN = [0x1000, 0x20_0000, GIB, 512 * GIB];
const ADDRESS = [0xffff_f000, 0xffe0_0000, 0xc000_0000, 0xffff_f000];

/** Where tables come from: the machine's `Memory`. */
export interface TableMemory {
  readonly physical: PhysicalMemory;
  readonly frames: Frames;
  readonly format: EntryFormat;
  allocateZeroed(order: number, kind: FrameKind): number;
}

/** What a hardware walk of one address reads. */
export interface Walk {
  /** Entries read, 1 to 4. */
  depth: number;
  /** Physical address of each entry read, the root's first. */
  readonly entries: Uint32Array;
  /** Whether the last entry is a valid leaf. */
  present: boolean;
  /** log2 of the leaf's page size (12, 21, 30), meaningful when `present`. */
  pageShift: number;
}

export class PageTable {
  /** Physical address of the root: CR3 or TTBR0. */
  readonly root: number;
  /** Where the last `find` or `next` ended: physical address of the entry, and its level. */
  entry = 0;
  level = 0;
  /** Frames that the tables take, the root included. */
  tables = 1;

  /** Entry visited at each level by the last `find`. */
  private readonly path = new Uint32Array(TOP + 1);
  private readonly u32: Uint32Array;
  private readonly walked: Walk = {
    depth: 0,
    entries: new Uint32Array(4),
    present: false,
    pageShift: 0,
  };

  private readonly frames: Frames;
  readonly format: EntryFormat;

  /** @param root first frame of an empty table, as `allocateZeroed(0, FrameKind.Table)` gives it */
  constructor(private readonly memory: TableMemory, root: number) {
    this.u32 = memory.physical.u32;
    this.frames = memory.frames;
    this.format = memory.format;
    this.root = root * 4096;
  }

  /** Go to the entry that decides about `va`. True if it is a leaf, be it valid or `PROT_NONE`. */
  find(va: number): boolean {
    const u32 = this.u32;
    const { tableMask, tableValue } = this.format;
    const path = this.path;
    const high = (va * (1 / GIB)) | 0;
    let entry = this.root + (high >>> 9) * 8;
    path[3] = entry;
    let low = u32[entry >>> 2];
    if (low === 0) return this.at(entry, 3, false);
    entry = (low & 0xffff_f000) >>> 0;
    entry += (high & 511) * 8;
    path[2] = entry;
    low = u32[entry >>> 2];
    if ((low & tableMask) !== tableValue) return this.at(entry, 2, low !== 0);
    entry = ((low & 0xffff_f000) >>> 0) + (va >>> 21 & 511) * 8;
    path[1] = entry;
    low = u32[entry >>> 2];
    if ((low & tableMask) !== tableValue) return this.at(entry, 1, low !== 0);
    entry = ((low & 0xffff_f000) >>> 0) + (va >>> 12 & 511) * 8;
    path[0] = entry;
    return this.at(entry, 0, u32[entry >>> 2] !== 0);
  }

  private at(entry: number, level: number, leaf: boolean): boolean {
    this.entry = entry;
    this.level = level;
    return leaf;
  }

  /** The first address in `[va, end)` that a leaf covers, going there; `end` if there is none. */
  next(va: number, end: number): number {
    while (va < end) {
      if (this.find(va)) return va;
      const span = SPAN[this.level];
      va = (Math.floor(va / span) + 1) * span;
    }
    return end;
  }

  /** Low and high word of the current entry. */
  get low(): number {
    return this.u32[this.entry >>> 2];
  }
  get high(): number {
    return this.u32[(this.entry >>> 2) + 1];
  }
  /** Physical address of the current leaf's page. */
  get page(): number {
    return (this.low & ADDRESS[this.level]) >>> 0;
  }
  /** `Pte` flags of the current leaf. */
  get flags(): number {
    return this.format.flags(this.low, this.high);
  }
  /** Bytes that the current entry covers. */
  get span(): number {
    return SPAN[this.level];
  }

  /**
   * Map `va` to the page at `physical` with a leaf of `level`, replacing a leaf of that level but
   * never a table. False if no frame is left for a table.
   */
  map(va: number, physical: number, level: number, flags: number): boolean {
    if (!this.descend(va, level)) return false;
    const { format, u32, entry } = this;
    if (u32[entry >>> 2] === 0) this.frames.maps[entry >>> 12]++;
    u32[entry >>> 2] = format.low(physical, level, flags);
    u32[(entry >>> 2) + 1] = format.high(flags);
    return true;
  }

  /** Go to the entry of `level` for `va`, making tables on the way. False if no frame is left. */
  descend(va: number, level: number): boolean {
    this.find(va);
    while (this.level > level) {
      const table = this.memory.allocateZeroed(0, FrameKind.Table);
      if (table === 0) return false;
      this.tables++;
      this.u32[this.entry >>> 2] = this.format.table(table * 4096);
      this.u32[(this.entry >>> 2) + 1] = 0;
      this.frames.maps[this.entry >>> 12]++;
      this.find(va);
    }
    return true;
  }

  /** Rewrite the current leaf's flags. */
  setFlags(flags: number): void {
    const { u32, entry, format } = this;
    u32[entry >>> 2] = format.low(this.page, this.level, flags);
    u32[(entry >>> 2) + 1] = format.high(flags);
  }

  /** Clear the current leaf; tables left without an entry are freed. */
  clear(): void {
    const { u32, frames, path } = this;
    let entry = this.entry;
    for (let level = this.level;; level++) {
      u32[entry >>> 2] = 0;
      u32[(entry >>> 2) + 1] = 0;
      const table = entry >>> 12;
      if (--frames.maps[table] !== 0 || level === TOP) return;
      frames.release(table);
      this.tables--;
      entry = path[level + 1];
    }
  }

  /** Replace the current 2 MiB leaf by a table of 512 leaves with its flags. False if no frame is left. */
  split(): boolean {
    const { u32, frames, format, entry, page, flags } = this;
    const table = this.memory.allocateZeroed(0, FrameKind.Table);
    if (table === 0) return false;
    this.tables++;
    frames.maps[table] = 512;
    const high = format.high(flags);
    for (let i = 0; i < 512; i++) {
      u32[table * 1024 + i * 2] = format.low(page + i * 4096, 0, flags);
      u32[table * 1024 + i * 2 + 1] = high;
    }
    u32[entry >>> 2] = format.table(table * 4096);
    u32[(entry >>> 2) + 1] = 0;
    return true;
  }

  /** What the hardware's walker reads for `va`. The result is reused by the next call. */
  walk(va: number): Walk {
    const walked = this.walked;
    const leaf = this.find(va);
    walked.depth = TOP + 1 - this.level;
    for (let i = 0; i < walked.depth; i++) walked.entries[i] = this.path[TOP - i];
    walked.present = leaf && (this.low & 1) !== 0;
    walked.pageShift = 12 + 9 * this.level;
    return walked;
  }

  /** Free the root; every leaf must have been cleared. */
  free(): void {
    this.frames.release(this.root / 4096);
    this.tables--;
  }
}
