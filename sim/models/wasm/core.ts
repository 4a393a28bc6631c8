/**
 * A modelled core in WebAssembly, written for its preset: it reads the event stream as `CoreModel` does, and
 * counts the same. Where blocks lie is in the models' memory, put there by the host at a block's first event.
 */
import {
  ARGUMENT_SHIFT,
  EVENT_SIZE,
  EVENT_WORD,
  EventKind,
  INDEX_SHIFT,
  KIND_SHIFT,
} from "../../cpu/wasm/event_stream.ts";
import { Site } from "../../cpu/site_kinds.ts";
import type { CoreParts } from "../core_model.ts";
import { Side } from "../hierarchy.ts";
import type { Preset } from "../preset.ts";
import { WasmBranches } from "./branches.ts";
import { WasmCaches } from "./caches.ts";
import { DIRECTION_PARAMS, wasmDirection } from "./directions.ts";
import {
  add,
  and,
  type Cell,
  eq,
  extend,
  type FunctionWriter,
  geU,
  gtU,
  i32,
  i64,
  leU,
  load,
  loadOutside,
  type Local,
  ltU,
  ne,
  not,
  or,
  select,
  shl,
  shrU,
  sub,
  toNumber,
  type Value,
  wrap,
} from "./function_writer.ts";
import { type Callable, ModelModule } from "./model_module.ts";
import { type SiteImports, siteImports, WasmSites } from "./sites.ts";
import { SPACE_SHIFT, WasmTranslation } from "./translation.ts";

/** A block's description: offsets, in bytes. */
export const BLOCK = {
  pc: 0,
  /** Static target, or -1. */
  target: 8,
  /** Line and address of its first byte as the caches have them, and address of its second page. */
  line: 16,
  address: 24,
  second: 32,
  count: 40,
  /** Whether its only instruction lies on two pages. */
  straddles: 44,
  /** What `WasmSites` has of it. */
  symbol: 48,
  records: 52,
  whole: 56,
  /** Instructions, and one more for the end: offset (u16), line less the first (u8), `run` (u8). */
  instructions: 64,
} as const;
/** Bytes of an instruction in it, and of all before. */
export const INSTRUCTION = 4;
/**
 * `run` of an instruction: number of the first from it on that does not lie in its first byte's line alone;
 * its own, if it lies on two.
 */
const [OFFSET, LINE, RUN] = [0, 2, 3];

/** Blocks there can be: each has some hundred bytes in state memory. */
export const MOST_BLOCKS = 12 << 20;
/** Large pages' sizes, remembered by 64 KiB: a direct-mapped table. */
const SIZE_ENTRIES = 256;
const SIZE_SHIFT = 16;

/** Who predicts directions, other than the preset's predictor. */
export type OwnDirection = "script" | "wasm" | null;

export interface WasmCore {
  readonly module: ModelModule;
  readonly translation: WasmTranslation | null;
  readonly caches: WasmCaches | null;
  readonly branches: WasmBranches | null;
  readonly sites: WasmSites | null;
  readonly instructions: Cell;
  readonly loads: Cell;
  readonly stores: Cell;
  readonly dataStraddles: Cell;
  readonly fetchStraddles: Cell;
  readonly lineStraddles: Cell;
  readonly fetchLineStraddles: Cell;
  /** Entries that walks of inlined TLBs read. */
  readonly references: Cell;
  /** Whether larger pages were seen in the running space. */
  readonly hasLargePages: Cell;
  /** Remembered sizes of pages: entries of two i64, and how many. */
  readonly sizes: number;
  readonly sizeBytes: number;
  /** Addresses of blocks' descriptions by number, i32; descriptions follow. */
  readonly index: number;
  readonly end: number;
}

export function wasmCore(
  preset: Preset,
  parts: CoreParts,
  pcShift: number,
  own: OwnDirection,
  observed: boolean,
): WasmCore {
  const m = new ModelModule();
  const describe = m.import("describe", ["i32"], ["i32"]);
  const pageBits = m.import("pageBits", ["f64"], ["i32"]);
  const entryAddress = m.import("entryAddress", ["f64", "i32"], ["i32"]);
  const script = own === "script" ? m.import("predict", ["f64", "f64", "i32"], ["i32"]) : undefined;
  const step = own === "wasm" ? m.import("predict", ["i32", "i32"], ["i32"]) : undefined;
  const cut = observed ? m.import("cut", ["i32", "i32"]) : undefined;
  const sites = observed ? siteImports(m) : null;
  return new CoreWriter(m, preset, parts, pcShift, {
    ...{ describe, pageBits, entryAddress, script, step, sites, cut },
  }).core;
}

interface Imports {
  readonly describe: Callable;
  readonly pageBits: Callable;
  readonly entryAddress: Callable;
  readonly script?: Callable;
  readonly step?: Callable;
  readonly sites: SiteImports | null;
  /** Of a block, only so many instructions retired. */
  readonly cut?: Callable;
}

/** Writes the functions of a core in the order of their use. */
class CoreWriter {
  readonly core: WasmCore;
  readonly #m: ModelModule;
  readonly #imports: Imports;
  readonly #pcShift: number;
  /** log2 of base pages' bytes. */
  readonly #pageBits: number;
  readonly #key: "i32" | "i64";
  readonly #lineBits: number;
  readonly #needsPc: boolean;
  readonly #translation: WasmTranslation | null;
  readonly #caches: WasmCaches | null;
  readonly #branches: WasmBranches | null;
  /** Counts where events happen, if anyone asks. */
  readonly #sites: WasmSites | null;
  /** The block under way, its number, how many of its instructions retire, and how many were fetched. */
  readonly #block: Cell;
  readonly #number: Cell;
  readonly #count: Cell;
  readonly #fetched: Cell;
  /** Instructions below this lie where it was fetched from last. */
  readonly #quiet: Cell;
  readonly #second: Cell;
  /** Page and line that were fetched from last, page of the last access; -1 if level 1 may not hold it. */
  readonly #page: Cell;
  readonly #line: Cell;
  readonly #dataPage: Cell;
  /** Whether there are blocks of which it is not told. */
  readonly #filtered: boolean;
  /** `walk(side, va, index)`: of inlined TLBs. */
  readonly #walk: Callable | null;
  /** What keys of the running space's lines have beside the number. */
  readonly #tag: Cell;

  constructor(
    m: ModelModule,
    preset: Preset,
    parts: CoreParts,
    pcShift: number,
    imports: Imports,
  ) {
    this.#m = m;
    this.#imports = imports;
    this.#filtered = parts.filtered === true;
    this.#pcShift = pcShift;
    this.#pageBits = preset.tlb.granule ?? 12;
    const shape = parts.caches ? preset.caches! : undefined;
    const key = shape?.indexed === "virtual" ? "i64" : "i32";
    this.#key = key;
    this.#lineBits = Math.log2(shape?.line ?? 64);
    this.#needsPc = [shape?.l1i, shape?.l1d, shape?.l2, shape?.llc]
      .some((level) => level?.prefetcher === "stride");
    this.#block = m.cell("i32");
    this.#number = m.cell("i32");
    this.#count = m.cell("i32");
    this.#fetched = m.cell("i32");
    this.#quiet = m.cell("i32");
    this.#second = m.cell("i32", -1);
    this.#page = m.cell("i64", -1);
    this.#line = m.cell(key, -1);
    this.#dataPage = m.cell("i64", -1);
    this.#tag = m.cell("i64");
    const counters = {
      instructions: m.cell("i64"),
      loads: m.cell("i64"),
      stores: m.cell("i64"),
      dataStraddles: m.cell("i64"),
      fetchStraddles: m.cell("i64"),
      lineStraddles: m.cell("i64"),
      fetchLineStraddles: m.cell("i64"),
      references: m.cell("i64"),
    };
    const under = { block: this.#block, number: this.#number };
    this.#sites = imports.sites === null ? null : new WasmSites(m, imports.sites, under, BLOCK);
    const hasLargePages = m.cell("i32");
    const sizeBytes = 16 * SIZE_ENTRIES;
    const sizes = m.allocate(sizeBytes);
    this.#caches = shape === undefined ? null : new WasmCaches(
      m,
      shape,
      (f) => {
        f.set(this.#line, this.#none);
        f.set(this.#quiet, i32(0));
      },
    );
    const read = this.#caches === null ? null : this.#readEntry(this.#caches);
    this.#translation = parts.tlb ? new WasmTranslation(m, preset.tlb, read) : null;
    this.#branches = parts.branches
      ? new WasmBranches(m, preset, this.#direction(preset), pcShift)
      : null;
    const index = m.allocate(4 * MOST_BLOCKS);
    this.core = {
      module: m,
      translation: this.#translation,
      caches: this.#caches,
      branches: this.#branches,
      sites: this.#sites,
      ...counters,
      ...{ hasLargePages, sizes, sizeBytes, index, end: m.size },
    };
    const described = m.function(["i32"], ["i32"], (f, number) => {
      const found = f.keep(load("i32", shl(number, 2), index));
      f.if(found, () => f.return(found));
      f.return(imports.describe(number));
    });
    const accesses = parts.tlb || parts.caches || imports.sites !== null;
    const fetch = this.#writeFetch();
    const finish = m.function([], [], (f) => {
      if (fetch !== null) {
        f.if(
          ltU(this.#fetched.value, this.#count.value),
          () =>
            f.if(ltU(this.#quiet.value, this.#count.value), () => f.call(fetch(this.#count.value))),
        );
      }
      f.count(counters.instructions, extend(this.#count.value));
      f.if(this.#count.value, () => {
        const straddles = load("i32", this.#block.value, BLOCK.straddles);
        f.count(counters.fetchStraddles, extend(straddles));
        if (this.#sites !== null) this.#retired(f, this.#sites);
      });
      f.set(this.#count, i32(0));
      f.set(this.#fetched, i32(0));
    }, "finish");
    m.function(["i32"], [], (f, at) => this.#reach(f, fetch, at), "executing");
    m.function(["i32"], [], (f, space) => {
      if (this.#translation !== null) {
        f.set(this.#translation.space, shl(extend(space), SPACE_SHIFT));
      }
      if (this.#caches !== null) f.set(this.#tag, this.#caches.tag(extend(space)));
      f.set(this.#line, this.#none);
      this.#forgetPages(f);
    }, "enterSpace");
    m.function([], [], (f) => this.#forgetPages(f), "forgetPages");
    const branch = this.#branches === null && this.#sites === null
      ? null
      : this.#writeBranch(finish);
    this.#walk = parts.filtered ? this.#writeWalk(read!, fetch, finish) : null;
    this.#writeRead(described, fetch, finish, accesses, branch);
  }

  /** Attribution: the block's instructions retired. */
  #retired(f: FunctionWriter, sites: WasmSites): void {
    const at = f.keep(this.#block.value);
    const retired = f.keep(this.#count.value);
    f.call(sites.spend(load("i32", at, BLOCK.symbol), retired));
    f.if(
      eq(retired, load("i32", at, BLOCK.count)),
      () => f.store("i64", at, add(load("i64", at, BLOCK.whole), 1), BLOCK.whole),
      () => f.call(this.#imports.cut!(this.#number.value, retired)),
    );
  }

  get #none(): Value {
    return this.#key === "i32" ? i32(-1) : i64(-1);
  }
  #forgetPages(f: FunctionWriter): void {
    f.set(this.#page, i64(-1));
    f.set(this.#dataPage, i64(-1));
    // Pages are not this core's business then, and no block may be under way.
    if (!this.#filtered) f.set(this.#quiet, i32(0));
  }

  // ---- predictors and page walks ---------------------------------------------------------

  #direction(preset: Preset): Callable {
    const { script, step } = this.#imports;
    if (step !== undefined) {
      return this.#m.function(
        DIRECTION_PARAMS,
        ["i32"],
        (f, pc, _target, taken) => f.return(ne(step(wrap(pc), taken), 0)),
      );
    }
    if (script !== undefined) {
      return this.#m.function(
        DIRECTION_PARAMS,
        ["i32"],
        (f, pc, target, taken) => f.return(script(toNumber(pc), toNumber(target), taken)),
      );
    }
    return wasmDirection(this.#m, preset.direction, this.#pcShift);
  }

  /** The page walker reads an entry, which lies at its physical address. */
  #readEntry(caches: WasmCaches): Callable {
    const { line, key, walkTag, walks } = caches;
    return this.#m.function(["i64", "i32"], [], (f, va, index) => {
      const at = f.keep(this.#imports.entryAddress(toNumber(va), index));
      f.if(eq(at, i32(-1)), () => f.return());
      const number = f.keep(this.#toKey(shrU(at, Math.log2(line))));
      const tagged = key === "i32" ? number : or(number, i64(walkTag));
      // No instruction: -1 - index.
      const pc = sub(i64(-1), extend(index));
      f.do(walks.access(number, tagged, this.#toKey(at), pc));
    });
  }
  /** An i32 as the caches' numbers are. */
  #toKey(v: Value): Value {
    return this.#key === "i32" ? v : extend(v);
  }
  /** An i64 as the caches' numbers are. */
  #ofLong(v: Value): Value {
    return this.#key === "i32" ? wrap(v) : v;
  }
  #tagged(number: Value): Value {
    return this.#key === "i32" ? number : or(number, this.#tag.value);
  }

  // ---- translation -----------------------------------------------------------------------

  /** `translate(va, index, address)` of one side. */
  #writeTranslate(translation: WasmTranslation, side: Side, bits: Callable): Callable {
    const at = this.#sites?.at ?? null;
    return this.#m.function(["i64", "i32", "i64"], [], (f, va, index, address) => {
      const walks = at === null ? null : f.keep(translation.stlbMisses.value);
      f.block((missed) => {
        f.if(this.core.hasLargePages.value, () => {
          f.if(not(translation.access[side](va, bits(va))), missed);
          f.return();
        });
        translation.ifMissed(f, side, va, missed);
        f.return();
      });
      if (at === null) return;
      const site = side === Side.Data ? Site.DtlbMisses : Site.ItlbMisses;
      f.call(at(i32(site), index, address));
      f.if(
        ne(translation.stlbMisses.value, walks!),
        () => f.call(at(i32(Site.StlbMisses), index, address)),
      );
    });
  }

  /** `pageBits(va)`, of large pages too: what the host says is remembered. */
  #writePageBits(): Callable {
    const { sizes } = this.core;
    return this.#m.function(["i64"], ["i32"], (f, va) => {
      const part = f.keep(shrU(va, SIZE_SHIFT));
      const at = f.keep(shl(and(wrap(part), SIZE_ENTRIES - 1), 4));
      // What is remembered is one more: 0 is an empty entry.
      f.if(eq(load("i64", at, sizes), add(part, 1)), () => f.return(load("i32", at, sizes + 8)));
      const bits = f.keep(this.#imports.pageBits(toNumber(va)));
      f.store("i64", at, add(part, 1), sizes);
      f.store("i32", at, bits, sizes + 8);
      f.return(bits);
    });
  }
  #fetchLine: Callable | null = null;
  #sizeOf!: Callable;
  #translateData!: Callable;

  // ---- fetches ---------------------------------------------------------------------------

  /** Address of the part of the description of instruction `index`. */
  #instruction(block: Value, index: Value): Value {
    return add(block, shl(index, 2));
  }
  #offset(block: Value, index: Value, more = 0): Value {
    return load(
      "u16",
      this.#instruction(block, index),
      BLOCK.instructions + INSTRUCTION * more + OFFSET,
    );
  }
  /** The address of an instruction without the bits that never differ: what prefetchers tell it by. */
  #pcOf(index: Value): Value {
    if (!this.#needsPc) return i64(0);
    const block = this.#block.value;
    const pc = add(load("i64", block, BLOCK.pc), extend(this.#offset(block, index)));
    return shrU(pc, this.#pcShift);
  }

  /** `fetch(to)`: instructions up to `to` of the block are fetched; null if nothing looks. */
  #writeFetch(): Callable | null {
    const m = this.#m;
    const translation = this.#translation;
    const caches = this.#caches;
    if (translation === null && caches === null) return null;
    const bits = this.#sizeOf = this.#writePageBits();
    const translate = translation === null
      ? null
      : this.#writeTranslate(translation, Side.Instruction, bits);
    if (translation !== null) {
      this.#translateData = this.#writeTranslate(translation, Side.Data, bits);
    }
    const fetchLine = caches === null ? null : this.#writeFetchLine(caches);
    this.#fetchLine = fetchLine;
    return m.function(["i32"], [], (f, to) => {
      const block = f.keep(this.#block.value);
      const from = f.keep(this.#fetched.value);
      const straddles = f.keep(load("i32", block, BLOCK.straddles));
      f.set(this.#fetched, to);
      if (translate !== null) {
        const pc = f.keep(load("i64", block, BLOCK.pc));
        const page = f.keep(shrU(pc, this.#pageBits));
        f.if(or(straddles, ne(page, this.#page.value)), () => {
          f.set(this.#page, page);
          f.call(translate(pc, from, NOWHERE));
          f.if(straddles, () => {
            f.set(this.#page, add(page, 1));
            f.call(translate(shl(add(page, 1), this.#pageBits), from, NOWHERE));
          });
        });
      }
      if (fetchLine === null) {
        f.set(this.#quiet, select(straddles, i32(0), i32(255)));
        return;
      }
      f.if(straddles, () => {
        this.#fetchStraddling(f, block, fetchLine);
        f.return();
      });
      const base = f.keep(load(this.#key, block, BLOCK.line));
      const i = f.keep(from);
      const line = f.local(this.#key);
      const run = f.local("i32");
      f.loop((again) => {
        const at = f.keep(this.#instruction(block, i));
        f.set(line, add(base, this.#toKey(load("u8", at, BLOCK.instructions + LINE))));
        f.if(ne(this.#tagged(line), this.#line.value), () => {
          const address = load("i64", block, BLOCK.address);
          const offset = extend(load("u16", at, BLOCK.instructions + OFFSET));
          f.call(fetchLine(line, this.#ofLong(add(address, offset)), i));
        });
        f.set(run, load("u8", at, BLOCK.instructions + RUN));
        f.if(eq(run, i), () => {
          // It goes on in the next line.
          f.set(line, add(line, 1));
          f.count(this.core.fetchLineStraddles);
          f.call(fetchLine(line, this.#ofLine(line), i));
          f.set(run, add(i, 1));
        }, () => {
          // Unless a level below took the line away meanwhile.
          f.if(ne(this.#tagged(line), this.#line.value), () => f.set(run, add(i, 1)));
        });
        f.set(i, run);
        f.if(ltU(i, to), again);
      });
      f.set(this.#quiet, run);
    });
  }
  #ofLine(line: Value): Value {
    return shl(line, this.#lineBits);
  }

  /** The block's only instruction lies on two pages. */
  #fetchStraddling(f: FunctionWriter, block: Local, fetchLine: Callable): void {
    const at = f.keep(this.#ofLong(load("i64", block, BLOCK.address)));
    const room = f.keep(
      this.#ofLong(sub(i64(4096), and(load("i64", block, BLOCK.pc), 4095))),
    );
    const first = f.keep(shrU(at, this.#lineBits));
    f.call(fetchLine(first, at, i32(0)));
    const last = f.keep(shrU(sub(add(at, room), 1), this.#lineBits));
    f.if(ne(last, first), () => f.call(fetchLine(last, this.#ofLine(last), i32(0))));
    const second = f.keep(this.#ofLong(load("i64", block, BLOCK.second)));
    f.call(fetchLine(shrU(second, this.#lineBits), second, i32(0)));
    f.count(this.core.fetchLineStraddles);
    f.set(this.#quiet, i32(0));
  }

  /** `fetchLine(line, address, index)`. */
  #writeFetchLine(caches: WasmCaches): Callable {
    const at = this.#sites?.at ?? null;
    return this.#m.function([this.#key, this.#key, "i32"], [], (f, line, address, index) => {
      const missesBelow = this.#missesBelow(f, caches);
      const tagged = f.keep(this.#tagged(line));
      f.set(this.#line, tagged);
      caches.l1i.ifMissed(f, [line, tagged, address, this.#pcOf(index)], () => {
        if (at === null) return;
        f.call(at(i32(Site.L1iMisses), index, NOWHERE));
        missesBelow(() => f.call(at(i32(Site.LlcMisses), index, NOWHERE)));
      });
    });
  }
  /** Notes what the last level has missed, if anyone is told; writes what happens if it missed since. */
  #missesBelow(f: FunctionWriter, { llc, l2 }: WasmCaches): (then: () => void) => void {
    const last = llc ?? l2;
    if (last === null || this.#sites === null) return () => {};
    const before = f.keep(last.misses.value);
    return (then) => f.if(ne(last.misses.value, before), then);
  }

  /** Instruction `index` of the block is executed. */
  #reach(f: FunctionWriter, fetch: Callable | null, index: Value): void {
    if (fetch === null) return;
    f.if(geU(index, this.#fetched.value), () =>
      f.if(
        geU(index, this.#quiet.value),
        () => f.call(fetch(add(index, 1))),
        () => f.set(this.#fetched, add(index, 1)),
      ));
  }

  // ---- data ------------------------------------------------------------------------------

  /** `accessLine(line, address, index, va)`. */
  #writeAccessLine(caches: WasmCaches): Callable {
    const key = this.#key;
    const at = this.#sites?.at ?? null;
    return this.#m.function([key, key, "i32", "i64"], [], (f, line, address, index, va) => {
      const missesBelow = this.#missesBelow(f, caches);
      caches.l1d.ifMissed(f, [line, this.#tagged(line), address, this.#pcOf(index)], () => {
        if (at === null) return;
        const tell = (site: Site) => f.call(at(i32(site), index, va));
        tell(Site.L1dMisses);
        missesBelow(() => tell(Site.LlcMisses));
      });
    });
  }

  #translatePage(f: FunctionWriter, address: Local, index: Local): void {
    if (this.#translation === null) return;
    const page = f.keep(shrU(address, this.#pageBits));
    f.if(ne(page, this.#dataPage.value), () => {
      f.set(this.#dataPage, page);
      f.call(this.#translateData(address, index, address));
    });
  }

  /** `accessMany(address, size, at, index)`: an access that may lie on several lines, or on two pages. */
  #writeAccessMany(accessLine: Callable | null): Callable {
    return this.#m.function(["i64", "i32", this.#key, "i32"], [], (f, address, size, at, index) => {
      this.#translatePage(f, address, index);
      const restOf = (unit: number) => f.keep(sub(i32(unit), and(wrap(address), unit - 1)));
      const rest = restOf(2 ** this.#pageBits);
      const crosses = f.keep(ltU(rest, size));
      f.if(crosses, () => {
        f.count(this.core.dataStraddles);
        if (this.#translation === null) return;
        f.set(this.#dataPage, add(shrU(address, this.#pageBits), 1));
        const second = f.keep(add(address, extend(rest)));
        f.call(this.#translateData(second, index, second));
      });
      if (accessLine === null) return;
      // What crosses 4 KiB comes in two parts, whatever a page is.
      const same = this.#pageBits === 12;
      const room = same ? rest : restOf(4096);
      const two = same ? crosses : f.keep(ltU(room, size));
      const bits = this.#lineBits;
      const first = f.keep(shrU(at, bits));
      f.call(accessLine(first, at, index, address));
      const lines = (from: Value, to: Value): void =>
        f.for(from, f.keep(add(to, 1)), 1, (line) => {
          f.count(this.core.lineStraddles);
          f.call(accessLine(line, this.#ofLine(line), index, address));
        });
      const isPhysical = this.#key === "i32";
      const length = isPhysical ? select(two, room, size) : size;
      lines(add(first, 1), shrU(sub(add(at, this.#toKey(length)), 1), bits));
      if (!isPhysical) return;
      f.if(two, () => {
        const second = f.keep(this.#second.value);
        const from = f.keep(shrU(second, bits));
        f.count(this.core.lineStraddles);
        f.call(accessLine(from, second, index, address));
        lines(add(from, 1), shrU(sub(add(second, sub(size, room)), 1), bits));
      });
    });
  }

  /** What a load or store of `size` bytes at `address`, the first at `physical`, does. */
  #access(
    f: FunctionWriter,
    accessLine: Callable | null,
    accessMany: Callable,
    { address, size, physical, index }: Readonly<
      Record<"address" | "size" | "physical" | "index", Local>
    >,
  ): void {
    const at = this.#key === "i32" ? physical : address;
    // Without caches only pages count.
    const unit = this.#caches === null ? 2 ** this.#pageBits : this.#caches.line;
    const begin = and(at.type === "i64" ? wrap(at) : at, unit - 1);
    f.if(gtU(add(begin, size), unit), () => f.call(accessMany(address, size, at, index)), () => {
      this.#translatePage(f, address, index);
      if (accessLine === null) return;
      const line = f.keep(shrU(at, this.#lineBits));
      if (this.#sites === null) {
        const access = [line, this.#tagged(line), at, this.#pcOf(index)] as const;
        this.#caches!.l1d.ifMissed(f, access, () => {});
      } else f.call(accessLine(line, at, index, address));
    });
  }

  #writeWalk(read: Callable, fetch: Callable | null, finish: Callable): Callable {
    return this.#m.function(["i32", "i64", "i32"], [], (f, side, va, index) => {
      // What was fetched before is of the block before.
      f.if(eq(side, Side.Data), () => this.#reach(f, fetch, index), () => f.call(finish()));
      const reads = f.keep(i32(4));
      f.if(this.core.hasLargePages.value, () => {
        const bits = f.keep(this.#sizeOf(va));
        f.set(reads, sub(sub(i32(4), geU(bits, 21)), geU(bits, 30)));
      });
      f.for(i32(0), reads, 1, (entry) => {
        f.count(this.core.references);
        f.call(read(va, entry));
      });
    });
  }

  // ---- branches --------------------------------------------------------------------------

  /** `branch(kind, block, index, target)`. */
  #writeBranch(finish: Callable): Callable {
    const sites = this.#sites;
    return this.#m.function(
      ["i32", "i32", "i32", "i64"],
      [],
      (f, kind, block, index, target) => {
        const pc = load("i64", block, BLOCK.pc);
        const here = f.keep(add(pc, extend(this.#offset(block, index))));
        const next = f.keep(add(pc, extend(this.#offset(block, index, 1))));
        f.if(leU(kind, EventKind.Call), () => f.set(target, load("i64", block, BLOCK.target)));
        if (this.#branches !== null) {
          const wrong = f.keep(this.#branches.branch(kind, here, next, target));
          if (sites !== null) {
            f.if(wrong, () => f.call(sites.at(i32(Site.Mispredicted), index, NOWHERE)));
          }
        }
        if (sites === null) return;
        f.if(geU(kind, EventKind.Call), () => {
          // The block ends here: its instructions are the caller's.
          f.call(finish());
          f.call(sites.branch(kind, next, target));
        });
      },
    );
  }

  // ---- the stream ------------------------------------------------------------------------

  /** `read(from, to)`: the events at these addresses of the machine's memory. */
  #writeRead(
    described: Callable,
    fetch: Callable | null,
    finish: Callable,
    accesses: boolean,
    branch: Callable | null,
  ): void {
    const accessLine = this.#caches === null ? null : this.#writeAccessLine(this.#caches);
    const accessMany = accesses ? this.#writeAccessMany(accessLine) : null;
    this.#m.function(["i32", "i32"], [], (f, at, end) => {
      const high = f.local("i32");
      const third = f.local("i32");
      const index = f.local("i32");
      const size = f.local("i32");
      const address = f.local("i64");
      const block = f.local("i32");
      const kind = f.local("i32");
      // Data accesses and stores among them, of these events.
      const all = f.local("i64");
      const stores = f.local("i64");
      const is = (k: EventKind): Value => eq(kind, k);
      const data = (): void => {
        if (accessMany === null) return;
        f.set(all, add(all, 1));
        f.set(stores, add(stores, extend(kind)));
        this.#reach(f, fetch, index);
        this.#access(f, accessLine, accessMany, { address, size, physical: third, index });
      };
      const begin = (): void => {
        if (!accesses) return;
        f.call(finish());
        f.set(block, described(third));
        f.set(this.#block, block);
        f.set(this.#number, third);
        f.set(this.#count, add(and(sub(size, 1), 63), 1));
        this.#entered(f, block);
      };
      const branches = (): void => {
        if (branch === null) return;
        f.set(block, described(third));
        if (accesses) this.#reach(f, fetch, index);
        f.call(branch(kind, block, index, address));
      };
      const rare = (): void => {
        if (!accesses) return;
        f.if(is(EventKind.Straddle), () => f.set(this.#second, third));
        f.if(is(EventKind.Cut), () => f.set(this.#count, size));
        if (this.#filtered) {
          f.if(is(EventKind.Quiet), () => {
            f.call(finish());
            // Instructions are fetched already, however many are executed.
            f.set(this.#quiet, i32(255));
          });
        }
        const walk = this.#walk;
        if (walk !== null) {
          f.if(is(EventKind.Walk), () => f.call(walk(third, address, index)));
        }
      };
      f.block((done) =>
        f.loop((again) => {
          f.if(geU(at, end), done);
          f.set(address, loadOutside("i64", at));
          f.set(high, wrap(shrU(address, 32)));
          f.set(address, and(address, i64((1n << 48n) - 1n)));
          f.set(third, loadOutside("i32", at, EVENT_WORD));
          f.set(index, shrU(high, INDEX_SHIFT));
          f.set(size, and(shrU(high, ARGUMENT_SHIFT), 63));
          f.set(kind, and(shrU(high, KIND_SHIFT), 15));
          f.set(at, add(at, EVENT_SIZE));
          f.if(leU(kind, EventKind.Store), data, () =>
            f.if(is(EventKind.Block), begin, () => {
              if (this.#filtered) {
                f.if(is(EventKind.Line), () => {
                  f.call(this.#fetchLine!(shrU(third, this.#lineBits), third, i32(0)));
                  again();
                });
              }
              const isBranch = leU(sub(kind, EventKind.NotTaken), LAST - EventKind.NotTaken);
              f.if(isBranch, branches, rare);
            }));
          again();
        })
      );
      f.count(this.core.loads, sub(all, stores));
      f.count(this.core.stores, stores);
    }, "read");
  }

  /** Nothing of the block was fetched yet; where it begins may have been fetched from last. */
  #entered(f: FunctionWriter, block: Local): void {
    const quiet = f.keep(i32(0));
    f.if(not(load("i32", block, BLOCK.straddles)), () => {
      const same: Value[] = [];
      if (this.#translation !== null) {
        same.push(eq(shrU(load("i64", block, BLOCK.pc), this.#pageBits), this.#page.value));
      }
      if (this.#caches !== null) {
        same.push(eq(this.#tagged(load(this.#key, block, BLOCK.line)), this.#line.value));
      }
      if (same.length === 0) return;
      const run = load("u8", block, BLOCK.instructions + RUN);
      const until = this.#caches === null ? i32(255) : run;
      f.if(same.reduce((a, b) => and(a, b)), () => f.set(quiet, until));
    });
    f.set(this.#quiet, quiet);
  }
}

/** The last kind of branch. */
const LAST = EventKind.Return;
/** No address. */
const NOWHERE = i64(-1);
