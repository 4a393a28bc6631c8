/**
 * TLBs, ASIDs and page walks as a textbook has them: plain, slow, and importing nothing from the simulator.
 */
import { type Policy, type ReplacementSet, replacementSet, xorshift32 } from "./replacement.ts";

export interface TextbookTlbShape {
  readonly entries: number;
  readonly ways: number;
  readonly pageBits: readonly number[];
  readonly replacement?: Policy;
}

export interface TextbookTranslationShape {
  readonly itlb: readonly TextbookTlbShape[];
  readonly dtlb: readonly TextbookTlbShape[];
  readonly stlb: readonly TextbookTlbShape[];
  readonly istlb?: readonly TextbookTlbShape[];
  readonly walkCaches?: readonly {
    readonly level: number;
    readonly entries: number;
    readonly ways: number;
    readonly replacement?: Policy;
  }[];
  readonly asids?: number;
  /** Binary logarithm of the base page's size; default 12. */
  readonly granule?: number;
}

/**
 * Binary logarithms of what an entry of each level covers, from the leaves to the root: Intel SDM volume 3A, 4.5.4;
 * Arm ARM, D8.2.
 */
const LEVELS: Readonly<Record<number, readonly number[]>> = {
  12: [12, 21, 30, 39],
  14: [14, 25, 36, 47],
  16: [16, 29, 42],
};

interface Line {
  readonly page: number;
  readonly bits: number;
  readonly space: number;
}

/** Sets of ways that hold pages. */
class Sets {
  readonly #sets: { lines: (Line | undefined)[]; order: ReplacementSet }[];
  constructor(entries: number, ways: number, policy: Policy) {
    const draw = xorshift32(1);
    this.#sets = Array.from({ length: entries / ways }, () => ({
      lines: new Array(ways).fill(undefined),
      order: replacementSet(policy, ways, draw),
    }));
  }
  /** Whether the page is there, which is a use. */
  use({ page, bits, space }: Line): boolean {
    const { lines, order } = this.#sets[page % this.#sets.length];
    const way = lines.findIndex((l) => l?.page === page && l.bits === bits && l.space === space);
    if (way >= 0) order.used(way, false);
    return way >= 0;
  }
  fill(line: Line): void {
    const { lines, order } = this.#sets[line.page % this.#sets.length];
    const empty = lines.indexOf(undefined);
    const way = empty >= 0 ? empty : order.victim();
    lines[way] = line;
    order.used(way, true);
  }
  remove(unwanted: (line: Line) => boolean): void {
    for (const { lines } of this.#sets) {
      lines.forEach((line, way) => {
        if (line !== undefined && unwanted(line)) lines[way] = undefined;
      });
    }
  }
  some(wanted: (line: Line) => boolean): boolean {
    return this.#sets.some(({ lines }) => lines.some((l) => l !== undefined && wanted(l)));
  }
}

/** The structures of a level. A page goes in with the largest size of any of them that is not above its own. */
class Level {
  accesses = 0;
  misses = 0;
  readonly structures: { sets: Sets; bits: readonly number[] }[];
  constructor(shapes: readonly TextbookTlbShape[]) {
    this.structures = shapes.map(({ entries, ways, pageBits, replacement = "lru" }) => ({
      sets: new Sets(entries, ways, replacement),
      bits: pageBits,
    }));
  }
  #place(address: number, pageBits: number, space: number): [Sets, Line] | undefined {
    const sizes = this.structures.flatMap(({ bits }) => bits).filter((b) => b <= pageBits);
    if (sizes.length === 0) return undefined;
    const bits = Math.max(...sizes);
    const { sets } = this.structures.find((s) => s.bits.includes(bits))!;
    return [sets, { page: Math.floor(address / 2 ** bits), bits, space }];
  }
  /** An access; what misses comes `from` below and is filled in. */
  access(address: number, bits: number, space: number, from: () => void): void {
    this.accesses++;
    const place = this.#place(address, bits, space);
    if (place !== undefined && place[0].use(place[1])) return;
    this.misses++;
    from();
    if (place !== undefined) place[0].fill(place[1]);
  }
  covers(address: number, space: number): boolean {
    return this.structures.some(({ sets }) =>
      sets.some((l) =>
        l.space === space && l.page * 2 ** l.bits <= address && address < (l.page + 1) * 2 ** l.bits
      )
    );
  }
  remove(unwanted: (line: Line) => boolean): void {
    for (const { sets } of this.structures) sets.remove(unwanted);
  }
}

export class TextbookTranslation {
  readonly #first: Record<"fetch" | "data", Level>;
  readonly #second: Record<"fetch" | "data", Level>;
  readonly #walkCaches: { level: number; sets: Sets; hits: number }[];
  readonly #asids: number;
  readonly #levels: readonly number[];
  #recent: number[] = [];
  #space = 0;
  #faulted = 0;
  /** Page table entries read, as `[address, level from the root]`. */
  readonly read: [number, number][] = [];

  constructor(shape: TextbookTranslationShape) {
    this.#first = { fetch: new Level(shape.itlb), data: new Level(shape.dtlb) };
    const data = new Level(shape.stlb);
    this.#second = { fetch: shape.istlb ? new Level(shape.istlb) : data, data };
    this.#walkCaches = (shape.walkCaches ?? []).map((c) => ({
      level: c.level,
      sets: new Sets(c.entries, c.ways, c.replacement ?? "lru"),
      hits: 0,
    }));
    this.#asids = shape.asids ?? Infinity;
    this.#levels = LEVELS[shape.granule ?? 12];
  }

  access(side: "fetch" | "data", address: number, bits: number): void {
    const space = this.#space;
    this.#first[side].access(address, bits, space, () => {
      this.#second[side].access(address, bits, space, () => this.#walk(address, bits));
    });
  }

  /** The last level is the root's. */
  #walk(address: number, bits: number): void {
    const levels = this.#levels;
    const leaf = levels.filter((covered) => covered <= bits).length - 1;
    const root = levels.length - 1;
    const lineOf = (level: number): Line => ({
      ...{ page: Math.floor(address / 2 ** levels[level]), bits: level },
      space: this.#space,
    });
    const above = this.#walkCaches.filter(({ level }) => level > leaf && level <= root)
      .sort((a, b) => a.level - b.level);
    const hit = above.find(({ level, sets }) => sets.use(lineOf(level)));
    if (hit !== undefined) hit.hits++;
    const from = hit === undefined ? root : hit.level - 1;
    for (let level = from; level >= leaf; level--) this.read.push([address, root - level]);
    for (const { level, sets } of above) if (level <= from) sets.fill(lineOf(level));
  }

  pageFault(side: "fetch" | "data", address: number): void {
    const space = this.#space;
    if (this.#first[side].covers(address, space)) return;
    if (this.#second[side].covers(address, space)) return;
    this.#faulted++;
  }

  #everywhere(unwanted: (line: Line) => boolean): void {
    for (const level of [...Object.values(this.#first), ...Object.values(this.#second)]) {
      level.remove(unwanted);
    }
  }

  invalidate(space: number, from: number, to: number): void {
    const touches = (l: Line, size: number) =>
      l.space === space && l.page * size < to && (l.page + 1) * size > from;
    this.#everywhere((l) => touches(l, 2 ** l.bits));
    for (const { level, sets } of this.#walkCaches) {
      sets.remove((l) => touches(l, 2 ** this.#levels[level]));
    }
  }

  enterSpace(space: number): void {
    this.#space = space;
    if (this.#asids === Infinity) return;
    this.#recent = [...this.#recent.filter((s) => s !== space), space];
    for (const gone of this.#recent.splice(0, this.#recent.length - Math.max(1, this.#asids))) {
      this.#everywhere((l) => l.space === gone);
      for (const { sets } of this.#walkCaches) sets.remove((l) => l.space === gone);
    }
  }

  counters(): Record<string, number> {
    const seconds = [...new Set(Object.values(this.#second))];
    const misses = seconds.reduce((sum, { misses }) => sum + misses, 0);
    return {
      "itlb.accesses": this.#first.fetch.accesses,
      "itlb.misses": this.#first.fetch.misses,
      "dtlb.accesses": this.#first.data.accesses,
      "dtlb.misses": this.#first.data.misses,
      "stlb.accesses": seconds.reduce((sum, { accesses }) => sum + accesses, 0),
      "stlb.misses": misses,
      "walks": misses,
      "walks.faulted": this.#faulted,
      ...this.#walkCaches.length > 0 ? { "walks.references": this.read.length } : {},
      ...Object.fromEntries(this.#walkCaches.map((c) => [`walks.cached.${c.level}`, c.hits])),
    };
  }
}
