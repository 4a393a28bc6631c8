/** A machine's trace into the textbook's TLBs, caches and predictors. Knows pages of one size alone. */
import type { TraceSink } from "../../sim/trace.ts";
import { TextbookBranches, type TextbookBranchShape } from "./textbook_predictors.ts";
import { TextbookCaches, type TextbookCachesShape } from "./textbook_caches.ts";
import { TextbookTranslation, type TextbookTranslationShape } from "./textbook_translation.ts";

export interface TextbookCoreShape {
  readonly tlb?: TextbookTranslationShape;
  readonly branches?: TextbookBranchShape;
  /** By virtual address. */
  readonly caches?: TextbookCachesShape;
}

export class TextbookCore implements TraceSink {
  readonly #translation: TextbookTranslation | undefined;
  readonly #branches: TextbookBranches | undefined;
  readonly #caches: TextbookCaches | undefined;
  readonly #unit: number;
  readonly #pageBits: number;
  #space = -1;
  #pc = 0;

  constructor(shape: TextbookCoreShape, pcShift: number) {
    this.#unit = 2 ** pcShift;
    this.#pageBits = shape.tlb?.granule ?? 12;
    this.#translation = shape.tlb && new TextbookTranslation(shape.tlb);
    this.#branches = shape.branches && new TextbookBranches(shape.branches, pcShift);
    this.#caches = shape.caches && new TextbookCaches(shape.caches);
  }

  #enter(space: number): void {
    if (space === this.#space) return;
    this.#space = space;
    this.#translation?.enterSpace(space);
  }
  #pages(side: "fetch" | "data", address: number, size: number): void {
    const bytes = 2 ** this.#pageBits;
    const last = Math.floor((address + size - 1) / bytes);
    for (let page = Math.floor(address / bytes); page <= last; page++) {
      this.#translation?.access(side, page * bytes, this.#pageBits);
    }
  }
  fetch(pc: number, length: number, space: number): void {
    this.#enter(space);
    this.#pc = pc;
    this.#pages("fetch", pc, length);
    this.#caches?.access("l1i", pc, length, space, Math.floor(pc / this.#unit));
  }
  access(address: number, size: number): void {
    this.#pages("data", address, size);
    this.#caches?.access("l1d", address, size, this.#space, Math.floor(this.#pc / this.#unit));
  }
  branch(kind: Parameters<TextbookBranches["branch"]>[0], pc: number, to: number, length: number) {
    this.#branches?.branch(kind, pc, to, length);
  }
  abandoned(pc: number): void {
    throw new RangeError(`the instruction at 0x${pc.toString(16)} did not retire`);
  }
  pageFault(address: number, kind: "fetch" | "data", space: number): void {
    this.#enter(space);
    this.#translation?.pageFault(kind, address);
  }
  shootdown(address: number, size: number, space: number): void {
    this.#translation?.invalidate(space, address, address + size);
  }
  counters(): Record<string, number> {
    return {
      ...this.#translation?.counters(),
      ...this.#branches?.counters(),
      ...this.#caches?.counters(),
    };
  }
}
