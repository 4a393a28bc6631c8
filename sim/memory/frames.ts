/**
 * The frame allocator: a buddy system over frames of a base page with blocks up to a huge page, and the
 * state of every frame in typed arrays. Frame 0 is never given out, so 0 means "none".
 *
 * The block of a huge page is frames that happen to be contiguous: each keeps its own reference count,
 * so a huge page can be split with no bookkeeping and its frames come back one by one.
 */
import type { Granule } from "./granule.ts";
import { MemoryError, type PhysicalMemory } from "./physical_memory.ts";

/** Bytes of the largest hugetlb pages. */
const GIANT = 2 ** 30;

/** What a frame is used for. */
export const enum FrameKind {
  Free = 0,
  /** Frame 0 and the shared pages of zeros: never freed. */
  Reserved = 1,
  Table = 2,
  Anonymous = 3,
  File = 4,
  /** Part of a hugetlb page; counted on the page's first frame only. */
  Hugetlb = 5,
}

export class Frames {
  /** Owners of each frame: page table entries, and the page cache. */
  readonly refs: Int32Array;
  /** Page table entries that map each frame; for a page table, its entries in use. */
  readonly maps: Int32Array;
  /** `FrameKind` of each frame. */
  readonly kind: Uint8Array;
  /** Frames in use now and at most so far (pools count when a page is taken out of them). */
  inUse = 0;
  peak = 0;
  /** Called with the physical address of every frame that held data and is free again. */
  onFree: ((physical: number) => void) | null = null;

  /** Order + 1 of the free block that starts at a frame, else 0. */
  private readonly freeOrder: Uint8Array;
  private readonly next: Int32Array;
  private readonly previous: Int32Array;
  private readonly heads: Int32Array;
  /** 1 for frames that were in use before, so may not be zero. */
  private readonly stale: Uint8Array;
  /** Frames from here to `limit` were never used: free, zero, and on no list. */
  private watermark: number;
  /** The first frame of the guest. */
  private readonly first: number;
  private limit: number;

  /** Order of the largest blocks, a huge page's. */
  private readonly largest: number;
  private readonly frameSize: number;

  constructor(private readonly memory: PhysicalMemory, granule: Granule) {
    this.frameSize = granule.size;
    this.largest = granule.hugeOrder;
    this.heads = new Int32Array(this.largest + 1);
    const count = Math.floor(memory.size / this.frameSize);
    this.limit = count;
    this.refs = new Int32Array(count);
    this.maps = new Int32Array(count);
    this.kind = new Uint8Array(count);
    this.freeOrder = new Uint8Array(count);
    this.next = new Int32Array(count);
    this.previous = new Int32Array(count);
    this.stale = new Uint8Array(count);
    this.first = memory.base / this.frameSize;
    this.watermark = this.first;
    this.kind.fill(FrameKind.Reserved, 0, this.first);
  }

  /** Frames of physical memory. */
  get count(): number {
    return this.refs.length - this.first;
  }

  /** Frames that the buddy system manages: all but the 1 GiB pool. */
  get managed(): number {
    return this.limit - this.first;
  }

  /** Set `count` 1 GiB pages aside, at the top of memory. Returns their first frames. */
  reserveGiant(count: number): number[] {
    if (count === 0) return [];
    const frames = GIANT / this.frameSize;
    const top = Math.floor(this.limit / frames) * frames;
    const bottom = top - count * frames;
    if (bottom < this.watermark) {
      throw new MemoryError(`${count} pages of 1 GiB do not fit physical memory beside the rest`);
    }
    this.limit = bottom;
    return Array.from({ length: count }, (_, i) => bottom + i * frames);
  }

  /** A block of 2^order frames, each with one reference; contents undefined. 0 when none is left. */
  allocate(order: number, kind: FrameKind): number {
    let have = order;
    while (have <= this.largest && this.heads[have] === 0) have++;
    if (have > this.largest) {
      have = this.takeFresh(order);
      if (have < 0) return 0;
    }
    const frame = this.heads[have];
    this.unlink(frame, have);
    while (have > order) {
      have--;
      this.link(frame + (1 << have), have);
    }
    const end = frame + (1 << order);
    for (let f = frame; f < end; f++) {
      this.refs[f] = 1;
      this.kind[f] = kind;
    }
    this.took(1 << order);
    return frame;
  }

  /** The same, filled with zeros. */
  allocateZeroed(order: number, kind: FrameKind): number {
    const frame = this.allocate(order, kind);
    if (frame !== 0) this.zero(frame, 1 << order);
    return frame;
  }

  /** Fill with zeros; frames that were never used are zero already. */
  zero(frame: number, count: number): void {
    const size = this.frameSize;
    for (let f = frame; f < frame + count; f++) {
      if (this.stale[f] !== 0) this.memory.u8.fill(0, f * size, f * size + size);
    }
  }

  /** Drop one reference of a frame; the last one frees it. */
  release(frame: number): void {
    if (--this.refs[frame] === 0) this.free(frame);
  }

  /** Note that frames left a pool or came back to it, for the counters. */
  took(count: number): void {
    this.inUse += count;
    if (this.inUse > this.peak) this.peak = this.inUse;
  }

  /** Note that a pool page's contents are no longer zero. */
  soil(frame: number, count: number): void {
    this.stale.fill(1, frame, frame + count);
  }

  private free(frame: number): void {
    if (this.onFree !== null && this.kind[frame] !== FrameKind.Table) {
      this.onFree(frame * this.frameSize);
    }
    this.kind[frame] = FrameKind.Free;
    this.maps[frame] = 0;
    this.stale[frame] = 1;
    this.inUse--;
    let block = frame;
    let order = 0;
    while (order < this.largest) {
      const buddy = block ^ (1 << order);
      if (this.freeOrder[buddy] !== order + 1) break;
      this.unlink(buddy, order);
      if (buddy < block) block = buddy;
      order++;
    }
    this.link(block, order);
  }

  /** Free the largest block at the watermark; its order, or -1 if there is none of `order`. */
  private takeFresh(order: number): number {
    let have = this.largest;
    while (this.watermark % 2 ** have !== 0 || this.watermark + 2 ** have > this.limit) {
      if (--have < order) return -1;
    }
    this.link(this.watermark, have);
    this.watermark += 2 ** have;
    return have;
  }

  private link(frame: number, order: number): void {
    const head = this.heads[order];
    this.next[frame] = head;
    this.previous[frame] = 0;
    if (head !== 0) this.previous[head] = frame;
    this.heads[order] = frame;
    this.freeOrder[frame] = order + 1;
  }

  private unlink(frame: number, order: number): void {
    const next = this.next[frame];
    const previous = this.previous[frame];
    if (previous !== 0) this.next[previous] = next;
    else this.heads[order] = next;
    if (next !== 0) this.previous[next] = previous;
    this.freeOrder[frame] = 0;
  }
}
