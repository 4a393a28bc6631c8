/** Miss curves of a run: misses of fully associative LRU TLBs of all sizes, by side and page size. */
import type { CodeBlock, StreamContext } from "../cpu/event_buffer.ts";
import type { BranchKind } from "./stream_model.ts";
import { StackDistance } from "./stack_distance.ts";
import { StreamModel } from "./stream_model.ts";

/** Whose accesses: fetches, data accesses, or all of them in one TLB. */
export type CurveSide = "instructions" | "data" | "both";

/** The misses of TLBs of all sizes on the accesses of one side. */
export interface MissCurve {
  /** Whose accesses. */
  readonly side: CurveSide;
  /** log2 of the page size. */
  readonly pageBits: number;
  /**
   * Whether it is of the accesses to pages that have this size, or of all accesses as if all pages had.
   */
  readonly mapped: boolean;
  /** How many there were. */
  readonly accesses: number;
  /** Accesses that miss however large the TLB is. */
  readonly cold: number;
  /** Misses of a TLB of as many entries as the index says; the last are those of all larger ones too. */
  readonly misses: readonly number[];
}

/** Options of miss curves. */
export interface MissCurvesOptions {
  /** Most entries; default 4096. */
  readonly entries?: number;
  /** Page sizes, log2, for curves as if all pages had them; default none. */
  readonly pageBits?: readonly number[];
}

const SIDES: readonly CurveSide[] = ["instructions", "data", "both"];
/** An address space's pages lie apart from those of others. */
const SPACES = 65536;

/** One stack of pages of one size. */
class Curve {
  readonly stack: StackDistance;
  constructor(
    readonly side: CurveSide,
    readonly pageBits: number,
    readonly mapped: boolean,
    entries: number,
  ) {
    this.stack = new StackDistance(entries);
  }
  page(va: number, space: number): number {
    return Math.floor(va / 2 ** this.pageBits) * SPACES + space;
  }
}

export class MissCurves extends StreamModel {
  override readonly kinds = { accesses: true, branches: false };
  readonly #entries: number;
  /** Curves by side, of mapped page sizes as they are seen, and of those as if. */
  readonly #mapped: Record<"instructions" | "data" | "both", Curve[]> = {
    instructions: [],
    data: [],
    both: [],
  };
  readonly #asIf: Record<"instructions" | "data" | "both", Curve[]>;

  constructor({ entries = 4096, pageBits = [] }: MissCurvesOptions = {}) {
    super();
    this.#entries = entries;
    const of = (side: CurveSide) => pageBits.map((bits) => new Curve(side, bits, false, entries));
    this.#asIf = { instructions: of("instructions"), data: of("data"), both: of("both") };
  }

  override attach(context: StreamContext): void {
    super.attach(context);
    for (const side of SIDES) {
      this.#mapped[side].push(new Curve(side, context.basePageBits, true, this.#entries));
    }
  }

  /** `count` accesses to the page of `va`, with nothing between them. */
  #access(side: "instructions" | "data", va: number, count: number): void {
    const { basePageBits, hasLargePages } = this.context;
    const bits = hasLargePages ? this.context.pageBits(va) : basePageBits;
    const space = this.context.space % SPACES;
    for (const one of [side, "both"] as const) {
      const curves = this.#mapped[one];
      let curve: Curve | undefined = curves[0];
      if (bits !== basePageBits) {
        curve = curves.find((c) => c.pageBits === bits);
        if (curve === undefined) curves.push(curve = new Curve(one, bits, true, this.#entries));
      }
      curve.stack.access(curve.page(va, space), count);
      for (const other of this.#asIf[one]) other.stack.access(other.page(va, space), count);
    }
  }

  protected override fetch(from: number, to: number): void {
    const { pc, offsets, physical2 } = this.block;
    this.#access("instructions", pc + offsets[from], to - from);
    // Such a block is one instruction.
    if (physical2 >= 0) this.#access("instructions", (Math.floor(pc / 4096) + 1) * 4096, 1);
  }
  protected override access(address: number, size: number): void {
    this.#access("data", address, 1);
    const room = 2 ** this.context.basePageBits - address % 2 ** this.context.basePageBits;
    if (room < size) this.#access("data", address + room, 1);
  }
  protected override branch(_kind: BranchKind, _block: CodeBlock): void {}

  override invalidate(space: number, from: number, to: number): void {
    const tag = space % SPACES;
    for (const side of SIDES) {
      for (const { stack, pageBits } of [...this.#mapped[side], ...this.#asIf[side]]) {
        const size = 2 ** pageBits;
        const [first, last] = [Math.floor(from / size), Math.floor((to - 1) / size)];
        if (last - first < stack.pages) {
          for (let page = first; page <= last; page++) stack.forget(page * SPACES + tag);
        } else {
          stack.invalidate((key) => {
            const page = Math.floor(key / SPACES);
            return key - page * SPACES === tag && page >= first && page <= last;
          });
        }
      }
    }
  }
  override pageFault(): void {}

  /** The curves, those of pages that were mapped first. */
  curves(): MissCurve[] {
    return [this.#mapped, this.#asIf].flatMap((group) =>
      SIDES.flatMap((side) =>
        group[side].filter(({ stack }) => stack.accesses > 0).map((c) => this.#curve(c))
      )
    );
  }
  #curve({ side, pageBits, mapped, stack }: Curve): MissCurve {
    const { accesses, cold, depths } = stack;
    const misses = [accesses];
    for (let entries = 1; entries <= this.#entries; entries++) {
      const left = misses[entries - 1] - depths[entries];
      misses.push(left);
      if (left === cold) break;
    }
    return { side, pageBits, mapped, accesses, cold, misses };
  }
}

/** Misses of a TLB of `entries` on a curve. */
export function missesAt({ misses }: MissCurve, entries: number): number {
  return misses[Math.min(entries, misses.length - 1)];
}
