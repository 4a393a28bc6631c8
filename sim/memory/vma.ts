/**
 * Virtual memory areas: what a range of addresses is mapped to, and the sorted list of them.
 */
import type { HugeMapping } from "./hugetlb.ts";
import type { CachedFile, MappedFile } from "./page_cache.ts";
import type { AddressSpace } from "./address_space.ts";

/** Flags of a VMA, with the values of include/linux/mm.h. */
export const enum Vm {
  None = 0,
  Read = 0x1,
  Write = 0x2,
  Execute = 0x4,
  Shared = 0x8,
  MayRead = 0x10,
  MayWrite = 0x20,
  MayExecute = 0x40,
  MayShare = 0x80,
  GrowsDown = 0x100,
  SequentialRead = 0x8000,
  RandomRead = 0x1_0000,
  DontCopy = 0x2_0000,
  DontExpand = 0x4_0000,
  Account = 0x10_0000,
  NoReserve = 0x20_0000,
  Hugetlb = 0x40_0000,
  /** aarch64: branch targets are checked (VM_ARM64_BTI). */
  Guarded = 0x100_0000,
  WipeOnFork = 0x200_0000,
  DontDump = 0x400_0000,
  Huge = 0x2000_0000,
  NoHuge = 0x4000_0000,
}

/** The bits that `PROT_*` sets. */
export const VM_ACCESS = Vm.Read | Vm.Write | Vm.Execute;

/**
 * The identity of a set of private pages. Linux refuses to merge areas whose pages were made under
 * different ones, so the layout in `/proc/self/maps` depends on it.
 */
export class AnonymousSet {}

/** An open file as mmap sees it: one object per open file description, which is what areas merge by. */
export interface MapSource {
  readonly file: MappedFile;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Whether the file system is mounted noexec. */
  readonly noExec?: boolean;
  /** Path to show in `/proc/self/maps`; default the file's own. */
  readonly path?: string;
}

export class Vma {
  /** First page of the file that `start` maps; of private anonymous memory, `start` in pages at birth. */
  pageOffset: number;
  anonymous: AnonymousSet | null = null;
  /** Whether the pages were inherited by fork and the set so has ancestors. */
  inherited = false;
  /** The open file that was mapped. */
  source: MapSource | null = null;
  /** Protection key. */
  key = 0;
  /** log2 of the page size: the base page's, or the hugetlb page's. */
  pageShift: number;
  /** Where hugetlb pages come from. */
  huge: HugeMapping | null = null;
  /** Whether the hugetlb pool keeps a page ready for each page of this private area. */
  reserved = false;
  /** Name in `/proc/self/maps` of a special mapping, such as `[vdso]`. */
  name = "";

  constructor(
    readonly space: AddressSpace,
    public start: number,
    public end: number,
    public flags: number,
    public file: CachedFile | null,
    pageOffset: number,
  ) {
    this.pageOffset = pageOffset;
    this.pageShift = space.granule.shift;
  }

  /** Page of the file (or anonymous numbering) that backs `va`. */
  pageAt(va: number): number {
    return this.pageOffset + Math.floor((va - this.start) / this.space.granule.size);
  }

  /** Offset in the file of the byte at `va`. */
  fileOffset(va: number): number {
    return this.pageOffset * this.space.granule.size + va - this.start;
  }

  /** A copy that covers `[start, end)` of this area, in `space`. */
  slice(space: AddressSpace, start: number, end: number): Vma {
    const copy = new Vma(space, start, end, this.flags, this.file, this.pageAt(start));
    copy.anonymous = this.anonymous;
    copy.inherited = this.inherited;
    copy.source = this.source;
    copy.key = this.key;
    copy.pageShift = this.pageShift;
    copy.huge = this.huge;
    copy.reserved = this.reserved;
    copy.name = this.name;
    return copy;
  }

  /** Whether its pages belong to no file: private, anonymous. */
  get isAnonymous(): boolean {
    return this.file === null && (this.flags & Vm.Hugetlb) === 0;
  }

  get isPrivate(): boolean {
    return (this.flags & Vm.MayShare) === 0;
  }

  /** Lowest address that other mappings must leave free: a growing stack keeps a guard gap. */
  get guardedStart(): number {
    return (this.flags & Vm.GrowsDown) !== 0
      ? Math.max(0, this.start - STACK_GUARD_PAGES * this.space.granule.size)
      : this.start;
  }
}

/** Pages kept free below a growing stack. */
export const STACK_GUARD_PAGES = 256;

/** Areas sorted by address; they never overlap. */
export class VmaList {
  readonly items: Vma[] = [];
  private last: Vma | null = null;

  get count(): number {
    return this.items.length;
  }

  /** Index of the first area that ends above `va`. */
  indexOf(va: number): number {
    const items = this.items;
    let low = 0;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (items[middle].end > va) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The area that contains `va`. */
  lookup(va: number): Vma | null {
    const last = this.last;
    if (last !== null && va >= last.start && va < last.end) return last;
    const i = this.indexOf(va);
    if (i === this.items.length || this.items[i].start > va) return null;
    return this.last = this.items[i];
  }

  /** Whether any area overlaps `[start, end)`. */
  overlaps(start: number, end: number): boolean {
    const i = this.indexOf(start);
    return i < this.items.length && this.items[i].start < end;
  }

  insert(vma: Vma): void {
    this.items.splice(this.indexOf(vma.start), 0, vma);
    vma.file?.mappings.add(vma);
    vma.huge?.mappings.add(vma);
  }

  remove(vma: Vma): void {
    this.items.splice(this.indexOf(vma.start), 1);
    if (this.last === vma) this.last = null;
    if (vma.file !== null) {
      vma.file.mappings.delete(vma);
      if (vma.file.mappings.size === 0) vma.file.file.unmapped?.();
    }
    if (vma.huge !== null) {
      vma.huge.mappings.delete(vma);
      if (vma.huge.mappings.size === 0) vma.huge.dispose();
    }
  }
}
