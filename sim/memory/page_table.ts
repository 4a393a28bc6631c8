/**
 * A page table in physical memory, levels of tables of one page with entries of 8 bytes, as the hardware's
 * walker reads it; how many of which size is the granule's. Levels count from the leaves: 0 holds base
 * pages, those above may hold larger ones.
 */
import { type EntryFormat } from "./entry_format.ts";
import { FrameKind, type Frames } from "./frames.ts";
import type { Granule } from "./granule.ts";
import type { PhysicalMemory } from "./physical_memory.ts";

/** Levels above the leaves are indexed by bits of the address from here on. */
const HIGH_SHIFT = 16;

/** Where tables come from: the machine's `Memory`. */
export interface TableMemory {
  readonly physical: PhysicalMemory;
  readonly frames: Frames;
  readonly format: EntryFormat;
  readonly granule: Granule;
  allocateZeroed(order: number, kind: FrameKind): number;
}

/** What a hardware walk of one address reads. */
export interface Walk {
  /** Entries read, at least 1. */
  depth: number;
  /** Physical address of each entry read, the root's first. */
  readonly entries: Uint32Array;
  /** Whether the last entry is a valid leaf. */
  present: boolean;
  /** log2 of the leaf's page size (12, 21, 30 with base pages of 4 KiB), meaningful when `present`. */
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
  private readonly path: Uint32Array;
  private readonly u32: Uint32Array;
  private readonly walked: Walk;

  private readonly frames: Frames;
  readonly format: EntryFormat;
  private readonly granule: Granule;
  private readonly top: number;
  private readonly shift: number;
  /** Shift of each level's index within the address's bits from `HIGH_SHIFT` on. */
  private readonly shifts: Uint8Array;
  private readonly indexMask: number;
  /** Masks of the addresses in low words: of tables, and of a leaf of each level. */
  private readonly tableAddress: number;
  private readonly addresses: Int32Array;

  /** @param root first frame of an empty table, as `allocateZeroed(0, FrameKind.Table)` gives it */
  constructor(private readonly memory: TableMemory, root: number) {
    this.u32 = memory.physical.u32;
    this.frames = memory.frames;
    this.format = memory.format;
    const { granule } = memory;
    const { size, shift, top, levelShifts, spans, entries } = granule;
    this.granule = granule;
    this.top = top;
    this.shift = shift;
    this.shifts = Uint8Array.from(levelShifts, (bits) => Math.max(0, bits - HIGH_SHIFT));
    this.indexMask = entries - 1;
    this.tableAddress = -size;
    this.addresses = Int32Array.from(spans, (span) => span < 2 ** 31 ? -span : -size);
    this.path = new Uint32Array(top + 1);
    this.walked = { depth: 0, entries: new Uint32Array(top + 1), present: false, pageShift: 0 };
    this.root = root * size;
  }

  /** Go to the entry that decides about `va`. True if it is a leaf, be it valid or `PROT_NONE`. */
  find(va: number): boolean {
    const { u32, path, shifts, indexMask, tableAddress } = this;
    const { tableMask, tableValue } = this.format;
    const high = (va * 2 ** -HIGH_SHIFT) >>> 0;
    let table = this.root;
    for (let level = this.top; level > 0; level--) {
      const entry = table + (high >>> shifts[level] & indexMask) * 8;
      path[level] = entry;
      const low = u32[entry >>> 2];
      if ((low & tableMask) !== tableValue) return this.at(entry, level, low !== 0);
      table = (low & tableAddress) >>> 0;
    }
    const entry = table + (va >>> this.shift & indexMask) * 8;
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
    const { spans } = this.granule;
    while (va < end) {
      if (this.find(va)) return va;
      const span = spans[this.level];
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
    return (this.low & this.addresses[this.level]) >>> 0;
  }
  /** `Pte` flags of the current leaf. */
  get flags(): number {
    return this.format.flags(this.low, this.high);
  }
  /** Bytes that the current entry covers. */
  get span(): number {
    return this.granule.spans[this.level];
  }

  /**
   * Map `va` to the page at `physical` with a leaf of `level`, replacing a leaf of that level but
   * never a table. False if no frame is left for a table.
   */
  map(va: number, physical: number, level: number, flags: number): boolean {
    if (!this.descend(va, level)) return false;
    const { format, u32, entry } = this;
    if (u32[entry >>> 2] === 0) this.frames.maps[entry >>> this.shift]++;
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
      this.u32[this.entry >>> 2] = this.format.table(table * this.granule.size);
      this.u32[(this.entry >>> 2) + 1] = 0;
      this.frames.maps[this.entry >>> this.shift]++;
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
    const { u32, frames, path, shift, top } = this;
    let entry = this.entry;
    for (let level = this.level;; level++) {
      u32[entry >>> 2] = 0;
      u32[(entry >>> 2) + 1] = 0;
      const table = entry >>> shift;
      if (--frames.maps[table] !== 0 || level === top) return;
      frames.release(table);
      this.tables--;
      entry = path[level + 1];
    }
  }

  /** Replace the current leaf of level 1 by a table of leaves with its flags. False if no frame is left. */
  split(): boolean {
    const { u32, frames, format, entry, page, flags } = this;
    const { size, entries } = this.granule;
    const table = this.memory.allocateZeroed(0, FrameKind.Table);
    if (table === 0) return false;
    this.tables++;
    frames.maps[table] = entries;
    const high = format.high(flags);
    const first = table * size / 4;
    for (let i = 0; i < entries; i++) {
      u32[first + i * 2] = format.low(page + i * size, 0, flags);
      u32[first + i * 2 + 1] = high;
    }
    u32[entry >>> 2] = format.table(table * size);
    u32[(entry >>> 2) + 1] = 0;
    return true;
  }

  /** What the hardware's walker reads for `va`. The result is reused by the next call. */
  walk(va: number): Walk {
    const walked = this.walked;
    const leaf = this.find(va);
    walked.depth = this.top + 1 - this.level;
    for (let i = 0; i < walked.depth; i++) walked.entries[i] = this.path[this.top - i];
    walked.present = leaf && (this.low & 1) !== 0;
    walked.pageShift = this.granule.levelShifts[this.level];
    return walked;
  }

  /** Free the root; every leaf must have been cleared. */
  free(): void {
    this.frames.release(this.root / this.granule.size);
    this.tables--;
  }
}
