/**
 * The modelled address-translation hierarchy: level-1 structures for instructions and for data, a
 * shared second level, page walks beyond it. Nothing is inclusive or exclusive: what was found or
 * walked is filled into each level that was missed; a level-1 hit does not touch level 2.
 *
 * A page larger than a level can hold is entered in pieces of the largest size that it holds, as
 * cores do that fracture large pages.
 */
import type { Replacement } from "./associative.ts";
import { PAGE_SIZE, Tlb, tlbBytes, type TlbShape } from "./tlb.ts";

/** A cache of page table entries that point to tables. */
export interface WalkCacheShape {
  /**
   * Level of the entries, from the leaves up: with base pages of 4 KiB, 1 covers 2 MiB, 2 1 GiB, 3 512 GiB. One
   * of a level that the page tables do not have stays empty.
   */
  readonly level: number;
  readonly entries: number;
  readonly ways: number;
  readonly replacement?: Replacement;
}

/** Structures of the three parts. */
export interface HierarchyShape {
  readonly itlb: readonly TlbShape[];
  readonly dtlb: readonly TlbShape[];
  /** Level 2: of both sides, or if there is an `istlb`, of data. */
  readonly stlb: readonly TlbShape[];
  /** Level 2 of instructions, where it is split. */
  readonly istlb?: readonly TlbShape[];
  /** Default none: a walk is a walk. */
  readonly walkCaches?: readonly WalkCacheShape[];
  /** log2 of base pages' bytes, which is the machine's matter; default 12. */
  readonly granule?: number;
  /** Address spaces that entries are kept of at once; 0 flushes at every switch; default no limit. */
  readonly asids?: number;
}

/** log2 of the page sizes that page tables of all granules may have. */
export const PAGE_BITS = [12, 14, 16, 21, 25, 29, 30] as const;

/**
 * log2 of the bytes that an entry of each level of the page table covers, from the leaves up: tables are one base
 * page in size, and addresses have 48 bits.
 */
export function entryBits(granule: number): readonly number[] {
  const bits = [granule];
  while (bits.at(-1)! + granule - 3 < 48) bits.push(bits.at(-1)! + granule - 3);
  return bits;
}

/** Told when a level-1 entry goes, so that soft entries it issued go too. */
export type Evicted = (side: Side, address: number, bits: number, space: number) => void;

export const enum Side {
  Instruction = 0,
  Data = 1,
}

/** Where pages of one size go in a level, and with what size they are entered. */
interface Place {
  readonly tlb: Tlb;
  readonly bits: number;
}

/** Structures of one level by page size. */
class Level {
  /** The structure for each log2 page size, after fracturing, and the size it is entered with. */
  readonly #by: (Place | undefined)[] = [];
  constructor(readonly structures: readonly Tlb[]) {
    const sizes = structures.flatMap((t) => t.shape.pageBits.map((bits) => ({ tlb: t, bits })));
    sizes.sort((a, b) => b.bits - a.bits);
    for (const bits of PAGE_BITS) {
      const found = sizes.find((s) => s.bits <= bits);
      this.#by[bits] = found;
    }
  }
  structure(bits: number): Place {
    const found = this.#by[bits];
    if (found === undefined) throw new RangeError(`no TLB holds pages of 2^${bits} bytes`);
    return found;
  }
  /** Whether some structure holds a page, of whatever size, that `va` lies on. */
  holds(va: number, space: number): boolean {
    for (const tlb of this.structures) {
      for (const bits of tlb.shape.pageBits) {
        if (tlb.find(Math.floor(va / PAGE_SIZE[bits]), bits, space) >= 0) return true;
      }
    }
    return false;
  }
}

/** Exact event counts of a hierarchy. */
export interface TlbCounts {
  itlbMisses: number;
  dtlbMisses: number;
  stlbAccesses: number;
  stlbMisses: number;
}

export class Hierarchy {
  readonly counts: TlbCounts = { itlbMisses: 0, dtlbMisses: 0, stlbAccesses: 0, stlbMisses: 0 };
  readonly #sides: readonly [Level, Level];
  readonly #second: readonly [Level, Level];
  readonly #evicted: Evicted;
  readonly granule: number;
  /** Results of the last `access`: stamp address of the level-1 entry. */
  stampAddress = 0;

  /** @param base where in `state` the structures may lie; `Hierarchy.bytes` of them are used */
  constructor(shape: HierarchyShape, state: WebAssembly.Memory, base: number, evicted: Evicted) {
    this.granule = shape.granule ?? 12;
    let at = base;
    const make = (shapes: readonly TlbShape[]): Level =>
      new Level(shapes.map((s) => {
        const tlb = new Tlb(s, state, at);
        at += tlbBytes(s);
        return tlb;
      }));
    this.#sides = [make(shape.itlb), make(shape.dtlb)];
    const shared = make(shape.stlb);
    this.#second = [shape.istlb === undefined ? shared : make(shape.istlb), shared];
    this.#evicted = evicted;
  }

  /** Bytes of state memory  of `shape`. */
  static bytes(shape: HierarchyShape): number {
    return [...shape.itlb, ...shape.dtlb, ...shape.stlb, ...shape.istlb ?? []]
      .reduce((n, s) => n + tlbBytes(s), 0);
  }

  /**
   * The access numbered `ordinal` touches `va`, on a page of 2^`pageBits` bytes. Counts misses,
   * fills what missed, and leaves the stamp's address in `stampAddress`.
   */
  access(side: Side, va: number, pageBits: number, space: number, ordinal: number): void {
    const { tlb, bits } = this.#sides[side].structure(pageBits);
    const page = Math.floor(va / PAGE_SIZE[bits]);
    let entry = tlb.find(page, bits, space);
    if (entry < 0) {
      if (side === Side.Instruction) this.counts.itlbMisses++;
      else this.counts.dtlbMisses++;
      this.#secondLevel(this.#second[side], va, pageBits, space, ordinal);
      entry = tlb.victim(page);
      if (tlb.occupied(entry)) {
        this.#evicted(side, tlb.addressOf(entry), tlb.bitsOf(entry), tlb.spaceOf(entry));
      }
      tlb.set(entry, page, bits, space);
    }
    tlb.touch(entry, ordinal);
    this.stampAddress = tlb.stampAddress(entry);
  }

  #secondLevel(
    second: Level,
    va: number,
    pageBits: number,
    space: number,
    ordinal: number,
  ): void {
    const { tlb, bits } = second.structure(pageBits);
    const page = Math.floor(va / PAGE_SIZE[bits]);
    this.counts.stlbAccesses++;
    let entry = tlb.find(page, bits, space);
    if (entry < 0) {
      this.counts.stlbMisses++;
      entry = tlb.victim(page);
      tlb.set(entry, page, bits, space);
    }
    tlb.touch(entry, ordinal);
  }

  /** The structures of base pages: for instructions, for data, and of level 2 of each. */
  get smallPages(): readonly Tlb[] {
    return [...this.#sides, ...this.#second].map((level) => level.structure(this.granule).tlb);
  }

  /** Whether level 1 of `side` or level 2 holds the page of `va`; no state changes. */
  holds(side: Side, va: number, space: number): boolean {
    return this.#sides[side].holds(va, space) || this.#second[side].holds(va, space);
  }

  /** The mapping of `[from, to)` of `space` changed. */
  invalidate(space: number, from: number, to: number): void {
    for (const side of [Side.Instruction, Side.Data]) {
      for (const tlb of this.#sides[side].structures) {
        tlb.invalidate(
          space,
          from,
          to,
          (i) => this.#evicted(side, tlb.addressOf(i), tlb.bitsOf(i), tlb.spaceOf(i)),
        );
      }
    }
    for (const second of new Set(this.#second)) {
      for (const tlb of second.structures) tlb.invalidate(space, from, to, () => {});
    }
  }
}
