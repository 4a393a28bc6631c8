/**
 * hugetlb pages: pools of pages of one size each, set aside at the start, and the mappings that draw
 * on them. A mapping reserves its pages when it is made, so a later fault cannot fail
 * (Documentation/mm/hugetlbfs_reserv.rst).
 */
import { FrameKind, type Frames } from "./frames.ts";
import type { Granule } from "./granule.ts";
import type { Vma } from "./vma.ts";

/** Free huge pages of one size. */
export class HugePool {
  /** Pages that mappings may still draw without asking. */
  reserved = 0;
  readonly total: number;

  /** Base pages in one of its pages. */
  private readonly count: number;

  /**
   * @param shift log2 of a page's bytes
   * @param free first frames of the pool's pages
   */
  constructor(
    readonly shift: number,
    private readonly frames: Frames,
    private readonly free: number[],
    private readonly granule: Granule,
  ) {
    this.count = 2 ** (shift - granule.shift);
    this.total = free.length;
  }

  get available(): number {
    return this.free.length;
  }

  /** Promise `count` pages; false if they are not there. */
  reserve(count: number): boolean {
    if (this.free.length - this.reserved < count) return false;
    this.reserved += count;
    return true;
  }

  /** A page of zeros with one reference, 0 if none is left for the asker. */
  take(fromReserve: boolean): number {
    if (!fromReserve && this.free.length <= this.reserved) return 0;
    const frame = this.free.pop();
    if (frame === undefined) return 0;
    if (fromReserve) this.reserved--;
    const { count } = this;
    this.frames.zero(frame, count);
    this.frames.soil(frame, count);
    this.frames.took(count);
    this.frames.refs[frame] = 1;
    this.frames.kind[frame] = FrameKind.Hugetlb;
    return frame;
  }

  /** Drop one reference of a page; the last one returns it to the pool. Whether it did. */
  release(frame: number): boolean {
    if (--this.frames.refs[frame] !== 0) return false;
    const { count } = this;
    for (let f = frame; f < frame + count; f++) this.frames.onFree?.(f * this.granule.size);
    this.frames.took(-count);
    this.free.push(frame);
    return true;
  }
}

/** What one mmap with `MAP_HUGETLB` made; areas split from it or inherited by fork share it. */
export class HugeMapping {
  readonly mappings = new Set<Vma>();
  /** Pages of a shared mapping, by index. */
  private readonly pages = new Map<number, number>();
  private reserved: number;

  /** @param reserved pages that a shared mapping has promised and not used */
  constructor(readonly pool: HugePool, reserved: number) {
    this.reserved = reserved;
  }

  /** First frame of a shared mapping's page, made at need; 0 if the pool is empty. */
  page(index: number): number {
    let frame = this.pages.get(index);
    if (frame === undefined) {
      frame = this.pool.take(this.reserved > 0);
      if (frame === 0) return 0;
      if (this.reserved > 0) this.reserved--;
      this.pages.set(index, frame);
    }
    return frame;
  }

  /** No area is left: pages and promises go back. */
  dispose(): void {
    for (const frame of this.pages.values()) this.pool.release(frame);
    this.pages.clear();
    this.pool.reserved -= this.reserved;
    this.reserved = 0;
  }
}
