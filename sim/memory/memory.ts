/**
 * The memory of one machine: physical memory and what is shared by all address spaces.
 */
import type { Arch } from "../arch.ts";
import type { Access } from "../cpu/cpu.ts";
import { aarch64Format } from "./aarch64_entry.ts";
import type { AddressSpace } from "./address_space.ts";
import type { EntryFormat } from "./entry_format.ts";
import { FrameKind, Frames } from "./frames.ts";
import { type Granule, granuleOf, type PageSize } from "./granule.ts";
import { HugePool } from "./hugetlb.ts";
import { PageCache } from "./page_cache.ts";
import { MemoryError, PhysicalMemory } from "./physical_memory.ts";
import { x86_64Format } from "./x86_64_entry.ts";

/** Transparent huge pages of anonymous memory: always, where madvise asks, never. */
export type ThpPolicy = "always" | "madvise" | "never";

export interface MemoryOptions {
  readonly arch: Arch;
  /** Size of base pages; default 4 KiB. */
  readonly pageSize?: PageSize;
  /** Bytes of physical memory, a multiple of 2 MiB; default 4 GiB. */
  readonly bytes?: number;
  readonly thp?: ThpPolicy;
  /** Pages in the hugetlb pools; default none. Which sizes there are is the base pages' matter. */
  readonly hugePages2M?: number;
  readonly hugePages32M?: number;
  readonly hugePages512M?: number;
  readonly hugePages1G?: number;
  /** File pages mapped around a fault when the cache has them, a power of two to 512; default 64 KiB of them. */
  readonly faultAround?: number;
}

/** Who is told of changes that a CPU must know about: its caches of translations and of code. */
export interface MemoryObserver {
  /** An access of the program is about to take a page fault. */
  pageFault(space: AddressSpace, va: number, access: Access): void;
  /** Mapping or permission of `[va, va+size)` changed; `code` if it may have been executable. */
  shootdown(space: AddressSpace, va: number, size: number, code: boolean): void;
  /** The host changed bytes of a frame. */
  frameWritten(physical: number, size: number): void;
  /** A frame of `size` bytes was freed. */
  frameFreed(physical: number, size: number): void;
  /** An address space is gone. */
  spaceFreed(space: AddressSpace): void;
}

/** On whose account page faults are counted. */
export const enum Domain {
  Program = 0,
  Kernel = 1,
  Linker = 2,
}

const DOMAIN_PREFIX = ["", "kernel.", "linker."];

/** Exact event counts; the arrays are indexed by `Domain`. */
export interface MemoryCounters {
  /** Page faults served without reading a file, and with. */
  readonly minor: Float64Array;
  readonly major: Float64Array;
  /** Private pages copied because they were shared. */
  readonly copies: Float64Array;
  /** Transparent huge pages made at a fault, split, and collapsed on request. */
  hugeFaults: number;
  hugeSplits: number;
  hugeCollapses: number;
  /** Calls that succeed without effect: mlock and its kin. */
  lockCalls: number;
}

/** Bytes of a file that are mapped around a fault: fault_around_bytes of mm/memory.c. */
const FAULT_AROUND = 65536;

/** hugetlb pages: log2 of their bytes, their name, and the option that says how many. */
const POOLS = [
  [30, "1 GiB", "hugePages1G"],
  [29, "512 MiB", "hugePages512M"],
  [25, "32 MiB", "hugePages32M"],
  [21, "2 MiB", "hugePages2M"],
] as const;

const SILENT: MemoryObserver = {
  pageFault() {},
  shootdown() {},
  frameWritten() {},
  frameFreed() {},
  spaceFreed() {},
};

export class Memory {
  readonly arch: Arch;
  readonly granule: Granule;
  readonly physical: PhysicalMemory;
  readonly frames: Frames;
  readonly format: EntryFormat;
  readonly cache: PageCache;
  /** hugetlb pools by log2 of the page size. */
  readonly pools: ReadonlyMap<number, HugePool>;
  /** The shared frame of zeros that reads of untouched private memory map. */
  readonly zeroFrame: number;
  /** The same for a huge page, made at first use; 0 before. */
  private hugeZero = 0;
  readonly faultAround: number;
  thp: ThpPolicy;
  observer: MemoryObserver = SILENT;
  /** Current accountant of page faults. */
  domain = Domain.Program;
  readonly counters: MemoryCounters = {
    minor: new Float64Array(3),
    major: new Float64Array(3),
    copies: new Float64Array(3),
    hugeFaults: 0,
    hugeSplits: 0,
    hugeCollapses: 0,
    lockCalls: 0,
  };
  /** Id of the next address space. */
  nextSpace = 1;

  constructor(options: MemoryOptions) {
    this.arch = options.arch;
    this.format = options.arch === "x86_64" ? x86_64Format : aarch64Format;
    this.granule = granuleOf(options.arch, options.pageSize);
    this.thp = options.thp ?? "madvise";
    this.faultAround = options.faultAround ?? FAULT_AROUND / this.granule.size;
    if (!Number.isInteger(Math.log2(this.faultAround)) || this.faultAround > 512) {
      throw new MemoryError(
        `faultAround must be a power of two up to 512, not ${this.faultAround}`,
      );
    }
    this.physical = new PhysicalMemory(options.bytes);
    this.frames = new Frames(this.physical, this.granule);
    const { size } = this.granule;
    this.frames.onFree = (physical) => this.observer.frameFreed(physical, size);
    this.pools = this.makePools(options);
    this.cache = new PageCache(this);
    this.zeroFrame = this.frames.allocateZeroed(0, FrameKind.Reserved);
    this.frames.peak = this.frames.inUse;
  }

  /** Set the pages of the hugetlb pools aside, the largest first. */
  private makePools(options: MemoryOptions): Map<number, HugePool> {
    const { granule, frames } = this;
    const pools = new Map<number, HugePool>();
    for (const [shift, name, option] of POOLS) {
      const wanted = options[option] ?? 0;
      if (granule.hugetlb.includes(shift)) {
        const free = shift === granule.hugeShift
          ? Array.from({ length: wanted }, () => this.hugeBlock(name))
          : frames.reserveGiant(wanted);
        pools.set(shift, new HugePool(shift, frames, free, granule));
        if (shift === granule.hugeShift) frames.took(-granule.hugeFrames * wanted);
      } else if (wanted > 0) {
        const sizes = POOLS.filter(([other]) => granule.hugetlb.includes(other));
        throw new MemoryError(
          `there are no hugetlb pages of ${name} with base pages of ${granule.name}, but of ${
            sizes.map(([, name]) => name).join(" and ")
          }`,
        );
      }
    }
    return pools;
  }

  private hugeBlock(name: string): number {
    const frame = this.frames.allocate(this.granule.hugeOrder, FrameKind.Hugetlb);
    if (frame === 0) {
      throw new MemoryError(`the pool of ${name} pages does not fit physical memory`);
    }
    return frame;
  }

  /** A block of 2^order frames, freeing clean cached file pages if need be; 0 if there is none. */
  allocate(order: number, kind: FrameKind): number {
    const frame = this.frames.allocate(order, kind);
    if (frame !== 0) return frame;
    // A huge page is a wish; a single frame is worth emptying some of the cache.
    if (order > 0 || this.cache.shrink(1024) === 0) return 0;
    return this.frames.allocate(order, kind);
  }

  /** The same, filled with zeros. */
  allocateZeroed(order: number, kind: FrameKind): number {
    const frame = this.allocate(order, kind);
    if (frame !== 0) this.frames.zero(frame, 1 << order);
    return frame;
  }

  /** First frame of a huge page of zeros that reads of untouched huge pages map; 0 if there is no room. */
  hugeZeroFrame(): number {
    if (this.hugeZero === 0) {
      this.hugeZero = this.allocateZeroed(this.granule.hugeOrder, FrameKind.Reserved);
    }
    return this.hugeZero;
  }

  /** Counters under their dotted names in a result. */
  report(): Record<string, number> {
    const { counters, frames } = this;
    const result: Record<string, number> = {};
    for (const [domain, prefix] of DOMAIN_PREFIX.entries()) {
      result[`${prefix}faults.minor`] = counters.minor[domain];
      result[`${prefix}faults.major`] = counters.major[domain];
      result[`${prefix}faults.copies`] = counters.copies[domain];
    }
    result["frames.used"] = frames.inUse;
    result["frames.peak"] = frames.peak;
    result["huge.faults"] = counters.hugeFaults;
    result["huge.splits"] = counters.hugeSplits;
    result["huge.collapses"] = counters.hugeCollapses;
    return result;
  }
}
