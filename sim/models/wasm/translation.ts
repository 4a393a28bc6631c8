/** `Translation` in WebAssembly: TLBs of two levels, page walks and their caches. */
import {
  entryBits,
  type HierarchyShape,
  PAGE_BITS,
  Side,
  type WalkCacheShape,
} from "../hierarchy.ts";
import type { TlbShape } from "../tlb.ts";
import {
  add,
  and,
  type Cell,
  eq,
  extend,
  type FunctionWriter,
  geS,
  gtU,
  i32,
  i64,
  type Local,
  ltS,
  ltU,
  or,
  shl,
  shrU,
  toInteger,
  type Value,
} from "./function_writer.ts";
import type { Callable, ModelModule } from "./model_module.ts";
import { Store } from "./store.ts";

/** Keys: a number of a page or entry, log2 of the page's size, the address space. */
const BITS_SHIFT = 37;
export const SPACE_SHIFT = 42;
const NUMBER = (1n << BigInt(BITS_SHIFT)) - 1n;

interface Place {
  readonly store: Store;
  readonly bits: number;
}

class Level {
  readonly stores: readonly Store[];
  readonly #places: readonly Place[];
  constructor(m: ModelModule, shapes: readonly TlbShape[], seed: number) {
    this.stores = shapes.map(({ entries, ways, replacement }) =>
      new Store(m, { entries, ways, policy: replacement, key: "i64", seed })
    );
    this.#places = shapes
      .flatMap(({ pageBits }, i) => pageBits.map((bits) => ({ store: this.stores[i], bits })))
      .sort((a, b) => b.bits - a.bits);
  }
  /** Where pages of 2^`pageBits` bytes go, if anywhere. */
  place(pageBits: number): Place | undefined {
    return this.#places.find((p) => p.bits <= pageBits);
  }
}

export class WasmTranslation {
  readonly itlbMisses: Cell;
  readonly dtlbMisses: Cell;
  readonly stlbAccesses: Cell;
  readonly stlbMisses: Cell;
  readonly references: Cell;
  readonly faulted: Cell;
  /** The running space, shifted to where keys have it. */
  readonly space: Cell;
  readonly walkCaches: readonly { level: number; store: Store; hits: Cell }[];
  /** `access[side](va, log2 of the page's size)`: whether level 1 held it. */
  readonly access: readonly [Callable, Callable];
  readonly #first: readonly [Level, Level];
  /** log2 of the bytes of base pages, and of those that an entry of each level of the page table covers. */
  readonly #granule: number;
  readonly #entryBits: readonly number[];
  /** `missed[side](va)`: level 1 does not hold its base page. */
  readonly #missed: readonly [Callable, Callable];

  constructor(m: ModelModule, shape: HierarchyShape, readEntry: Callable | null, seed = 1) {
    this.#granule = shape.granule ?? 12;
    this.#entryBits = entryBits(this.#granule);
    this.itlbMisses = m.cell("i64");
    this.dtlbMisses = m.cell("i64");
    this.stlbAccesses = m.cell("i64");
    this.stlbMisses = m.cell("i64");
    this.references = m.cell("i64");
    this.faulted = m.cell("i64");
    this.space = m.cell("i64");
    const first = this.#first = [new Level(m, shape.itlb, seed), new Level(m, shape.dtlb, seed)];
    const data = new Level(m, shape.stlb, seed);
    const second = [shape.istlb === undefined ? data : new Level(m, shape.istlb, seed), data];
    this.walkCaches = (shape.walkCaches ?? []).map((c: WalkCacheShape) => ({
      level: c.level,
      store: new Store(m, { ...c, policy: c.replacement, key: "i64", seed }),
      hits: m.cell("i64"),
    })).sort((a, b) => a.level - b.level);
    const walks = this.#entryBits.map((_, leaf) => this.#walk(m, leaf, readEntry));
    const sided = (side: Side): [Callable, Callable] => {
      const missed = PAGE_BITS.map((bits) =>
        this.#miss(m, side, first[side], second[side], bits, walks)
      );
      const bySize = PAGE_BITS.map((bits, i) => this.#access(m, first[side], bits, missed[i]));
      const any = m.function(["i64", "i32"], ["i32"], (f, va, bits) => {
        PAGE_BITS.forEach((size, i) => f.if(eq(bits, size), () => f.return(bySize[i](va))));
        f.return(i32(0));
      });
      return [any, missed[PAGE_BITS.findIndex((bits) => bits === this.#granule)]];
    };
    const [instruction, data_] = [sided(Side.Instruction), sided(Side.Data)];
    this.access = [instruction[0], data_[0]];
    this.#missed = [instruction[1], data_[1]];
    const levels = [...new Set([...first, ...second])];
    this.#invalidation(m, levels);
    m.function(["i32", "f64"], [], (f, side, address) => {
      const va = f.keep(toInteger(address));
      for (const s of [Side.Instruction, Side.Data]) {
        f.if(eq(side, s), () => {
          for (const level of new Set([first[s], second[s]])) {
            for (const store of level.stores) {
              store.each(
                f,
                (_, key) => this.#ifIn(f, key, this.space.value, va, add(va, 1), () => f.return()),
              );
            }
          }
        });
      }
      f.count(this.faulted);
    }, "pageFault");
  }

  /** `invalidate(space, from, to)`. */
  #invalidation(m: ModelModule, levels: readonly Level[]): void {
    m.function(["i32", "f64", "f64"], [], (f, number, start, end) => {
      const space = f.keep(shl(extend(number), SPACE_SHIFT));
      const [from, to] = [f.keep(toInteger(start)), f.keep(toInteger(end))];
      for (const { stores } of levels) {
        for (const store of stores) {
          store.each(
            f,
            (place, key) => this.#ifIn(f, key, space, from, to, () => store.clear(f, place)),
          );
        }
      }
      for (const { level, store } of this.walkCaches) {
        if (level >= this.#entryBits.length) continue;
        store.each(f, (place, key) => {
          const at = f.keep(shl(and(key, i64(NUMBER)), this.#entryBits[level]));
          const here = eq(shrU(key, SPACE_SHIFT), shrU(space, SPACE_SHIFT));
          f.if(
            here,
            () =>
              f.if(
                ltU(at, to),
                () =>
                  f.if(
                    gtU(add(at, 2 ** this.#entryBits[level]), from),
                    () => store.clear(f, place),
                  ),
              ),
          );
        });
      }
    }, "invalidate");
  }

  /** `body` if a TLB's entry is of `space` and its page touches `[from, to)`. */
  #ifIn(f: FunctionWriter, key: Local, space: Value, from: Value, to: Value, body: () => void) {
    f.if(eq(shrU(key, SPACE_SHIFT), shrU(space, SPACE_SHIFT)), () => {
      const bits = f.keep(and(shrU(key, BITS_SHIFT), 31));
      const page = f.keep(shl(and(key, i64(NUMBER)), bits));
      f.if(ltU(page, to), () => f.if(gtU(add(page, shl(i64(1), bits)), from), body));
    });
  }

  #key(f: FunctionWriter, page: Value, bits: number): Local {
    return f.keep(or(or(page, i64(BigInt(bits) << BigInt(BITS_SHIFT))), this.space.value));
  }

  /** Translate `va`, on a base page; `missed` if level 1 did not hold it. */
  ifMissed(f: FunctionWriter, side: Side, va: Value, missed: () => void): void {
    const { store, bits } = this.#first[side].place(this.#granule)!;
    const page = f.keep(shrU(va, bits));
    store.ifMissed(f, page, this.#key(f, page, bits), () => {
      f.call(this.#missed[side](va));
      missed();
    });
  }

  /** `access(va)` of a page of some size. */
  #access(m: ModelModule, first: Level, pageBits: number, missed: Callable): Callable {
    return m.function(["i64"], ["i32"], (f, va) => {
      const place = first.place(pageBits);
      if (place !== undefined) {
        const page = f.keep(shrU(va, place.bits));
        const key = this.#key(f, page, place.bits);
        f.if(geS(place.store.find(page, key), 0), () => f.return(i32(1)));
      }
      f.call(missed(va));
      f.return(i32(0));
    });
  }

  /** `miss(va)`: level 1 does not hold the page; it is filled into each level that is without it. */
  #miss(
    m: ModelModule,
    side: Side,
    first: Level,
    second: Level,
    pageBits: number,
    walks: readonly Callable[],
  ): Callable {
    const leaf = Math.max(0, this.#entryBits.findLastIndex((bits) => bits <= pageBits));
    const fill = (f: FunctionWriter, { store, bits }: Place, va: Value): void => {
      const page = f.keep(shrU(va, bits));
      f.call(store.fill(page, store.victim(page), this.#key(f, page, bits)));
    };
    return m.function(["i64"], [], (f, va) => {
      f.count(side === Side.Instruction ? this.itlbMisses : this.dtlbMisses);
      f.count(this.stlbAccesses);
      const place = second.place(pageBits);
      if (place === undefined) f.call(walks[leaf](va));
      else {
        const page = f.keep(shrU(va, place.bits));
        f.if(ltS(place.store.find(page, this.#key(f, page, place.bits)), i32(0)), () => {
          f.call(walks[leaf](va));
          fill(f, place, va);
        });
      }
      const own = first.place(pageBits);
      if (own !== undefined) fill(f, own, va);
    });
  }

  /** A walk that ends at an entry of level `leaf`. */
  #walk(m: ModelModule, leaf: number, readEntry: Callable | null): Callable {
    return m.function(["i64"], [], (f, va) => {
      f.count(this.stlbMisses);
      if (this.walkCaches.length === 0 && readEntry === null) return;
      const levels = this.#entryBits.length;
      const indexOf = (level: number) => shrU(va, this.#entryBits[level]);
      const keyOf = (level: number) => or(indexOf(level), this.space.value);
      const known = f.keep(i32(levels));
      f.block((found) => {
        for (const { level, store, hits } of this.walkCaches) {
          if (level <= leaf || level >= levels) continue;
          f.if(geS(store.find(indexOf(level), keyOf(level)), 0), () => {
            f.count(hits);
            f.set(known, i32(level));
            found();
          });
        }
      });
      for (let level = levels - 1; level >= leaf; level--) {
        f.if(gtU(known, level), () => {
          f.count(this.references);
          if (readEntry !== null) f.call(readEntry(va, i32(levels - 1 - level)));
        });
      }
      for (const { level, store } of this.walkCaches) {
        if (level <= leaf || level >= levels) continue;
        f.if(
          gtU(known, level),
          () => f.call(store.fill(indexOf(level), store.victim(indexOf(level)), keyOf(level))),
        );
      }
    });
  }
}
