/**
 * The frame allocator: a buddy system over 4 KiB frames with blocks up to 2 MiB, and the state of
 * every frame in typed arrays. Frame 0 is never given out, so 0 means "none".
 *
 * A block of 2 MiB is 512 frames that happen to be contiguous: each frame keeps its own reference
 * count, so a huge page can be split with no bookkeeping and its frames come back one by one.
 */
import { MemoryError, type PhysicalMemory } from "./physical_memory.ts";

/** Order of a 2 MiB block: 2^9 frames. */
export const HUGE_ORDER = 9;
/** Frames in a 2 MiB block, and in a 1 GiB page. */
export const HUGE_FRAMES = 1 << HUGE_ORDER;
export const GIANT_FRAMES = 1 << 18;

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
  private readonly heads = new Int32Array(HUGE_ORDER + 1);
  /** 1 for frames that were in use before, so may not be zero. */
  private readonly stale: Uint8Array;
  /** Frames from here to `limit` were never used: free, zero, and on no list. */
  private watermark: number;
  /** The first frame of the guest. */
  private readonly first: number;
  private limit: number;

  constructor(private readonly memory: PhysicalMemory) {
    const count = Math.floor(memory.size / 4096);
    this.limit = count;
    this.refs = new Int32Array(count);
    this.maps = new Int32Array(count);
    this.kind = new Uint8Array(count);
    this.freeOrder = new Uint8Array(count);
    this.next = new Int32Array(count);
    this.previous = new Int32Array(count);
    this.stale = new Uint8Array(count);
    this.first = memory.base / 4096;
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
    const top = Math.floor(this.limit / GIANT_FRAMES) * GIANT_FRAMES;
    const bottom = top - count * GIANT_FRAMES;
    if (bottom < this.watermark) {
      throw new MemoryError(`${count} pages of 1 GiB do not fit physical memory beside the rest`);
    }
    this.limit = bottom;
    return Array.from({ length: count }, (_, i) => bottom + i * GIANT_FRAMES);
  }

  /** A block of 2^order frames, each with one reference; contents undefined. 0 when none is left. */
  allocate(order: number, kind: FrameKind): number {
    let have = order;
    while (have <= HUGE_ORDER && this.heads[have] === 0) have++;
    if (have > HUGE_ORDER) {
      if (!this.takeFresh()) return 0;
      have = HUGE_ORDER;
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
    for (let f = frame; f < frame + count; f++) {
      if (this.stale[f] !== 0) this.memory.u8.fill(0, f * 4096, f * 4096 + 4096);
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
    if (this.onFree !== null && this.kind[frame] !== FrameKind.Table) this.onFree(frame * 4096);
    this.kind[frame] = FrameKind.Free;
    this.maps[frame] = 0;
    this.stale[frame] = 1;
    this.inUse--;
    let block = frame;
    let order = 0;
    while (order < HUGE_ORDER) {
      const buddy = block ^ (1 << order);
      if (this.freeOrder[buddy] !== order + 1) break;
      this.unlink(buddy, order);
      if (buddy < block) block = buddy;
      order++;
    }
    this.link(block, order);
  }

  private takeFresh(): boolean {
    if (this.watermark + HUGE_FRAMES > this.limit) return false;
    this.link(this.watermark, HUGE_ORDER);
    this.watermark += HUGE_FRAMES;
    return true;
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
