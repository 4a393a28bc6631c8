/** `Caches` in WebAssembly. Numbers of lines and addresses are i32 where they are physical, else i64. */
import type { CacheShape, CachesShape } from "../caches.ts";
import { BELIEVED, MOST, STRIDES } from "../prefetcher.ts";
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
  load,
  type Local,
  ltU,
  ne,
  not,
  or,
  shl,
  shrU,
  sub,
  type Value,
  wrap,
} from "./function_writer.ts";
import type { Callable, ModelModule } from "./model_module.ts";
import { Store } from "./store.ts";

/** Bits of an address. */
const ADDRESS_BITS = 48;

/** A level's functions; a line has a number, which selects its set, and a key, which has the space too. */
export class WasmCache {
  readonly accesses: Cell;
  readonly misses: Cell;
  readonly prefetches: Cell;
  readonly useful: Cell;
  readonly #store: Store;
  /** `access(number, key, address, pc)`: whether the line was there. */
  access!: Callable;
  /** `miss(number, key, address, pc)`: it is not; null with a prefetcher, which looks at hits too. */
  #miss: Callable | null = null;
  /** `bring(number, key)`: a level above fetches a line ahead. */
  bring!: Callable;
  /** `take(number, key)`: a level below no longer holds a line. */
  take!: Callable;
  readonly above: WasmCache[] = [];

  constructor(
    m: ModelModule,
    readonly shape: CacheShape,
    readonly line: number,
    readonly key: "i32" | "i64",
    readonly next: WasmCache | null,
    seed: number,
  ) {
    this.accesses = m.cell("i64");
    this.misses = m.cell("i64");
    this.prefetches = m.cell("i64");
    this.useful = m.cell("i64");
    const { ways, replacement: policy } = shape;
    this.#store = new Store(m, { entries: shape.size / line, ways, policy, key, seed });
    next?.above.push(this);
  }

  /** Write `take`, of the levels above first; `taken` writes what else happens then. */
  writeTake(m: ModelModule, taken: (f: FunctionWriter) => void): void {
    const { key } = this;
    this.take = m.function([key, key], [], (f, number, wanted) => {
      const at = f.keep(this.#store.peek(number, wanted));
      f.if(geS(at, 0), () => {
        this.#store.clear(f, at);
        taken(f);
      });
      for (const level of this.above) f.call(level.take(number, wanted));
    });
  }

  /** Write the rest, of the levels below first. */
  writeAccess(m: ModelModule): void {
    const { key } = this;
    const { prefetcher = "off", inclusive = false } = this.shape;
    const store = this.#store;
    // Lines that were prefetched and not used yet.
    const early = prefetcher === "off" ? -1 : m.allocate(store.places);
    const lineBits = Math.log2(this.line);
    const numberMask = (1n << BigInt(ADDRESS_BITS - lineBits)) - 1n;
    const fill = m.function([key, key, "i32"], [], (f, number, wanted, ahead) => {
      const at = f.keep(store.victim(number));
      if (inclusive && this.above.length > 0) {
        const gone = f.keep(store.keyAt(at));
        f.if(store.isUsed(gone), () => {
          const line = key === "i32" ? gone : and(gone, i64(numberMask));
          for (const level of this.above) f.call(level.take(line, gone));
        });
      }
      f.call(store.fill(number, at, wanted));
      if (early >= 0) f.store("u8", at, ahead, early);
    });
    this.bring = m.function([key, key], [], (f, number, wanted) => {
      f.if(geS(store.find(number, wanted), 0), () => f.return());
      if (this.next !== null) f.call(this.next.bring(number, wanted));
      f.call(fill(number, wanted, i32(0)));
    });
    const prefetch = m.function([key, key], [], (f, number, wanted) => {
      f.if(geS(store.peek(number, wanted), 0), () => f.return());
      f.count(this.prefetches);
      if (this.next !== null) f.call(this.next.bring(number, wanted));
      f.call(fill(number, wanted, i32(1)));
    });
    const train = prefetcher === "stride" ? strideTable(m) : null;
    const params = [key, key, key, "i64"] as const;
    const miss = m.function(params, [], (f, number, wanted, address, pc) => {
      f.count(this.misses);
      if (this.next !== null) f.do(this.next.access(number, wanted, address, pc));
      f.call(fill(number, wanted, i32(0)));
    });
    if (prefetcher === "off") {
      this.#miss = miss;
      this.access = m.function(params, ["i32"], (f, number, wanted, address, pc) => {
        f.count(this.accesses);
        store.ifMissed(f, number, wanted, () => {
          f.call(miss(number, wanted, address, pc));
          f.return(i32(0));
        });
        f.return(i32(1));
      });
      return;
    }
    this.access = m.function(params, ["i32"], (f, number, wanted, address, pc) => {
      f.count(this.accesses);
      const at = f.keep(store.find(number, wanted));
      const hit = geS(at, 0);
      const used = f.keep(i32(1));
      f.if(hit, () => {
        f.set(used, load("u8", at, early));
        f.if(used, () => {
          f.store("u8", at, i32(0), early);
          f.count(this.useful);
        });
      }, () => f.call(miss(number, wanted, address, pc)));
      if (train === null) {
        // Not beyond the page.
        const following = add(number, 1);
        const stays = ne(and(following, 4096 / this.line - 1), 0);
        f.if(used, () => f.if(stays, () => f.call(prefetch(following, add(wanted, 1)))));
      } else {
        const ahead = f.keep(train(pc, key === "i32" ? extend(address) : address));
        f.if(geS(ahead, 0), () => {
          const line = f.keep(toKey(shrU(ahead, lineBits), key));
          const other = add(sub(wanted, number), line);
          f.if(ne(line, number), () => f.call(prefetch(line, other)));
        });
      }
      f.return(hit);
    });
  }

  /** An access of level 1, whose accesses are counted elsewhere; `missed` if the line was not there. */
  ifMissed(
    f: FunctionWriter,
    [number, key, address, pc]: readonly [Value, Value, Value, Value],
    missed: () => void,
  ): void {
    const miss = this.#miss;
    if (miss === null) return f.if(not(this.access(number, key, address, pc)), missed);
    this.#store.ifMissed(f, number, key, () => {
      f.call(miss(number, key, address, pc));
      missed();
    });
  }
}

const toKey = (v: Value, key: "i32" | "i64"): Value => key === "i32" ? wrap(v) : v;

/** `train(pc, address)` of a table of strides: what to fetch ahead, or -1 (`StrideTable`). */
function strideTable(m: ModelModule): Callable {
  const [PC, LAST, STRIDE, CONFIDENCE] = [0, 8, 16, 24];
  const base = m.allocate(STRIDES * 32);
  for (let i = 0; i < STRIDES; i++) {
    m.initial.push({ address: base + 32 * i, bytes: new Uint8Array(8).fill(255) });
  }
  return m.function(["i64", "i64"], ["i64"], (f, pc, address) => {
    // Page walks have no instruction.
    f.if(not(geS(pc, 0)), () => f.return(i64(-1)));
    const at = f.keep(shl(wrap(and(pc, STRIDES - 1)), 5));
    f.if(ne(load("i64", at, base + PC), pc), () => {
      f.store("i64", at, pc, base + PC);
      f.store("i64", at, address, base + LAST);
      f.store("i64", at, i64(0), base + STRIDE);
      f.store("i32", at, i32(0), base + CONFIDENCE);
      f.return(i64(-1));
    });
    const stride = f.keep(sub(address, load("i64", at, base + LAST)));
    f.store("i64", at, address, base + LAST);
    const confidence = f.keep(load("i32", at, base + CONFIDENCE));
    const known: Local = f.keep(load("i64", at, base + STRIDE));
    f.if(eq(stride, known), () => {
      f.if(ltU(confidence, MOST), () => f.set(confidence, add(confidence, 1)));
    }, () => {
      f.if(gtU(confidence, 0), () => f.set(confidence, sub(confidence, 1)), () => {
        f.store("i64", at, stride, base + STRIDE);
        f.set(known, stride);
      });
    });
    f.store("i32", at, confidence, base + CONFIDENCE);
    const refused = or(or(eq(stride, i64(0)), ne(stride, known)), ltU(confidence, BELIEVED));
    f.if(refused, () => f.return(i64(-1)));
    const ahead = f.keep(add(address, stride));
    f.if(ne(shrU(ahead, 12), shrU(address, 12)), () => f.return(i64(-1)));
    f.return(ahead);
  });
}

export class WasmCaches {
  readonly line: number;
  readonly key: "i32" | "i64";
  readonly l1i: WasmCache;
  readonly l1d: WasmCache;
  readonly l2: WasmCache | null;
  readonly llc: WasmCache | null;
  /** Where page walks read. */
  readonly walks: WasmCache;

  /** @param taken writes what happens when level 1 of instructions loses a line to a level below */
  constructor(
    m: ModelModule,
    shape: CachesShape,
    taken: (f: FunctionWriter) => void,
    seed = 1,
  ) {
    const { line = 64, indexed = "physical" } = shape;
    this.line = line;
    this.key = indexed === "physical" ? "i32" : "i64";
    const level = (of: CacheShape | undefined, next: WasmCache | null): WasmCache | null =>
      of === undefined ? null : new WasmCache(m, of, line, this.key, next, seed);
    this.llc = level(shape.llc, null);
    this.l2 = level(shape.l2, this.llc);
    const next = this.l2 ?? this.llc;
    this.l1i = level(shape.l1i, next)!;
    this.l1d = level(shape.l1d, next)!;
    this.walks = shape.walks === "l2" && next !== null ? next : this.l1d;
    this.l1i.writeTake(m, taken);
    this.l1d.writeTake(m, () => {});
    this.l2?.writeTake(m, () => {});
    this.llc?.writeTake(m, () => {});
    for (const one of [this.llc, this.l2, this.l1i, this.l1d]) one?.writeAccess(m);
  }

  /** Notes what the last level has missed; what comes back writes what happens if it missed since. */
  watchLast(f: FunctionWriter): ((then: () => void) => void) | null {
    const last = this.llc ?? this.l2;
    if (last === null) return null;
    const before = f.keep(last.misses.value);
    return (then) => f.if(ne(last.misses.value, before), then);
  }

  /** What keys of lines of the space in `space`, an i64, have beside the number. */
  tag(space: Value): Value {
    return shl(space, ADDRESS_BITS - Math.log2(this.line));
  }
  /** The tag of lines that page walks read, which no space has. */
  get walkTag(): bigint {
    return this.key === "i32" ? 0n : -1n << BigInt(ADDRESS_BITS - Math.log2(this.line));
  }
  /** The most spaces that keys tell apart. */
  get spaces(): number {
    return this.key === "i32" ? Infinity : 2 ** (64 - ADDRESS_BITS + Math.log2(this.line)) - 1;
  }
}
