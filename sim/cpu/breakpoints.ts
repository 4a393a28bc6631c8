/** Addresses and bytes of a program at which a run ends: breakpoints, and data that is watched. */
import { ARMED, type Block, type Blocks } from "./blocks.ts";
import { Access, type CpuSpace } from "./cpu.ts";
import type { SpaceLinks } from "./space_links.ts";

/** Breakpoints, by space. */
export class Breakpoints {
  /** Whether they are gone over. */
  stepping = false;
  readonly #blocks: Blocks;
  readonly #links: SpaceLinks;
  readonly #spaces = new Map<CpuSpace, ReadonlySet<number>>();

  constructor(blocks: Blocks, links: SpaceLinks) {
    this.#blocks = blocks;
    this.#links = links;
  }

  /** Break before the next execution of any of `pcs` in `space`, once. Replaces those of before. */
  set(space: CpuSpace, pcs: readonly number[]): void {
    for (const pc of pcs) this.#blocks.cutAt(pc);
    this.#links.stale = true;
    if (pcs.length > 0) this.#spaces.set(space, new Set(pcs));
    else this.#spaces.delete(space);
    this.arm();
  }

  /** No address breaks any more; blocks go over those that did. */
  clear(): void {
    this.#spaces.clear();
    this.arm();
    this.#blocks.uncut();
  }

  /** Let blocks that break in the current space, and no others, count down to zero at once. */
  arm(): void {
    const { heat, cut } = this.#blocks;
    const here = this.#here();
    for (const block of cut) this.#blocks.reheat(block, here?.has(block.pc) ? ARMED : heat);
  }

  /** Whether the run ends before `block`; the space's breakpoints are then gone. */
  reached({ pc }: Block): boolean {
    if (this.stepping || !this.#here()?.has(pc)) return false;
    this.#spaces.delete(this.#links.current!);
    this.arm();
    return true;
  }

  /** `space` is gone. */
  free(space: CpuSpace): void {
    this.#spaces.delete(space);
  }

  #here(): ReadonlySet<number> | undefined {
    const { current } = this.#links;
    return current === null ? undefined : this.#spaces.get(current);
  }
}

/** Bytes of a program's memory that are watched, and accesses of which kind. */
export interface WatchedRange {
  readonly start: number;
  readonly size: number;
  readonly access: "read" | "write" | "any";
}

/** Watched bytes, by space. */
export class WatchedBytes {
  readonly #spaces = new Map<CpuSpace, readonly WatchedRange[]>();

  /** Whether there are any. */
  get any(): boolean {
    return this.#spaces.size > 0;
  }

  /** Watch `ranges` of `space` in the place of those of before; whether that changes anything. */
  set(space: CpuSpace, ranges: readonly WatchedRange[]): boolean {
    if (ranges.length === 0) return this.#spaces.delete(space);
    this.#spaces.set(space, ranges);
    return true;
  }

  /** Whether an access to `size` bytes at `first` is to watched bytes. */
  hit(space: CpuSpace, first: number, size: number, access: Access): boolean {
    const other = access === Access.Write ? "read" : "write";
    return (this.#spaces.get(space) ?? []).some((range) =>
      range.access !== other && first < range.start + range.size && first + size > range.start
    );
  }

  /** Whether bytes on the page of `va` are watched. */
  onPage(space: CpuSpace, va: number): boolean {
    const page = Math.floor(va / 4096);
    return (this.#spaces.get(space) ?? []).some(({ start, size }) =>
      Math.floor(start / 4096) <= page && page <= Math.floor((start + size - 1) / 4096)
    );
  }

  /** `space` is gone. */
  free(space: CpuSpace): void {
    this.#spaces.delete(space);
  }
}
