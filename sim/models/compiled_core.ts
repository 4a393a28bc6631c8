/**
 * A modelled core that reads the event stream in WebAssembly (`wasm/core.ts`): `CoreModel` with the same counters,
 * many times as fast.
 */
import type { Arch } from "../arch.ts";
import type { EventReader, StreamContext } from "../cpu/event_buffer.ts";
import { MOST_SETS } from "../cpu/layout.ts";
import type { DataLines, StreamKinds } from "../cpu/wasm/event_stream.ts";
import type { CacheShape } from "./caches.ts";
import type { CoreParts } from "./core_model.ts";
import { type DirectionPredictor, WasmPredictor } from "./direction.ts";
import type { Side } from "./hierarchy.ts";
import type { Preset } from "./preset.ts";
import { GrowingMemory } from "./growing_memory.ts";
import { type SiteKeeper, SiteMemory } from "./site_memory.ts";
import { BLOCK, INSTRUCTION } from "./wasm/block_index.ts";
import type { WasmCache } from "./wasm/caches.ts";
import { type WasmCore, wasmCore } from "./wasm/core.ts";
import type { Cell } from "./wasm/function_writer.ts";

/** What the module exports. */
interface Functions {
  read(from: number, to: number): void;
  finish(): void;
  executing(index: number): void;
  enterSpace(space: number): void;
  forgetPages(): void;
  invalidate?(space: number, from: number, to: number): void;
  pageFault?(side: Side, va: number): void;
  forgetSlot?(): void;
}

export class CompiledCore implements EventReader {
  readonly kinds: StreamKinds;
  readonly #core: WasmCore;
  readonly #memory: GrowingMemory;
  readonly #predictor: DirectionPredictor | null;
  readonly #physical: boolean;
  readonly #line: number;
  #functions!: Functions;
  #context!: StreamContext;
  /** Numbers that have a description are below. */
  #described = 0;
  #sizesKnown = -1;
  readonly #asids: number;
  readonly #sites: SiteMemory | null;
  /** Spaces that have an ASID, the least recent first. */
  readonly #recent: number[] = [];

  constructor(
    readonly preset: Preset,
    readonly arch: Arch,
    readonly parts: CoreParts,
    predictor?: DirectionPredictor,
    keeper: SiteKeeper | null = null,
  ) {
    if (parts.caches && preset.caches === undefined) {
      throw new RangeError(`the preset ${preset.name} has no caches`);
    }
    const observed = keeper !== null;
    this.kinds = {
      accesses: parts.tlb || parts.caches || observed,
      branches: parts.branches || observed,
      lines: parts.filtered ? dataLines(preset) : undefined,
    };
    this.#predictor = predictor ?? null;
    const own = predictor === undefined
      ? null
      : predictor instanceof WasmPredictor
      ? "wasm"
      : "script";
    this.#core = wasmCore(preset, parts, arch === "aarch64" ? 2 : 0, own, observed);
    const { module, end } = this.#core;
    this.#memory = new GrowingMemory(module, end);
    this.#physical = this.#core.caches === null || this.#core.caches.key === "i32";
    this.#line = this.#core.caches?.line ?? 64;
    this.#asids = preset.tlb.asids ?? Infinity;
    this.#sites = keeper === null
      ? null
      : new SiteMemory(keeper, this.#core.sites!, this.#memory, (number) =>
        this.#context.block(number));
  }

  attach(context: StreamContext): void {
    this.#context = context;
    const own = this.#predictor;
    this.#functions = this.#memory.instantiate(this.#core.module, context.memory, {
      describe: (number: number) => this.#describe(number),
      pageBits: (va: number) => context.pageBits(va),
      entryAddress: (va: number, index: number) => context.entryAddress(va, index),
      predict: own instanceof WasmPredictor
        ? own.step
        : (pc: number, target: number, taken: number) => {
          const predicted = own!.predict(pc, target);
          own!.update(pc, taken !== 0, predicted);
          return predicted;
        },
      ...this.#sites?.imports,
      cut: (number: number, count: number) => this.#sites!.keeper.cut(context.block(number), count),
    }) as unknown as Functions;
    const sites = this.#sites;
    if (sites === null) return;
    sites.forgetSlot = this.#functions.forgetSlot!;
    sites.keeper.attach(context, () => {
      this.#collectBlocks();
      sites.collectRest();
    });
  }

  /** Describe a block to the module; returns where. */
  #describe(number: number): number {
    const block = this.#context.block(number);
    const { pc, count, offsets, physical, physical2 } = block;
    const at = this.#memory.allocate(BLOCK.instructions + INSTRUCTION.bytes * (count + 1));
    const { view } = this.#memory;
    const long = (offset: number, value: number) => {
      view.setUint32(at + offset, value >>> 0, true);
      view.setInt32(at + offset + 4, Math.floor(value / 2 ** 32), true);
    };
    const straddles = physical2 >= 0;
    const address = this.#physical ? physical : pc;
    const lineOf = (offset: number): number => Math.floor((address + offset) / this.#line);
    const base = lineOf(0);
    long(BLOCK.pc, pc);
    long(BLOCK.target, block.target);
    long(BLOCK.line, base);
    long(BLOCK.address, address);
    long(BLOCK.second, this.#physical ? physical2 : pc + 4096 - pc % 4096);
    view.setInt32(at + BLOCK.count, count, true);
    view.setInt32(at + BLOCK.straddles, straddles ? 1 : 0, true);
    view.setInt32(at + BLOCK.symbol, this.#sites?.keeper.symbolOf(block) ?? 0, true);
    view.setInt32(at + BLOCK.records, 0, true);
    long(BLOCK.whole, 0);
    let run = count;
    for (let i = count; i >= 0; i--) {
      const here = at + BLOCK.instructions + INSTRUCTION.bytes * i;
      view.setUint16(here + INSTRUCTION.offset, offsets[i], true);
      if (i === count) continue;
      const first = lineOf(offsets[i]);
      const last = lineOf(offsets[i + 1] - 1);
      if (last !== first) run = i;
      else if (i + 1 < count && lineOf(offsets[i + 1]) !== first) run = i + 1;
      view.setUint8(here + INSTRUCTION.line, first - base);
      view.setUint8(here + INSTRUCTION.run, run);
    }
    view.setInt32(this.#core.blocks.address + 4 * number, at, true);
    this.#described = Math.max(this.#described, number + 1);
    return at;
  }
  forgetBlocks(): void {
    this.#collectBlocks();
    const { address } = this.#core.blocks;
    new Int32Array(this.#memory.view.buffer, address, this.#described).fill(0);
    this.#described = 0;
    // Counts of where events happened stay where they are.
    if (this.#sites === null) this.#memory.free = this.#core.end;
  }
  #collectBlocks(): void {
    if (this.#sites === null) return;
    const { address } = this.#core.blocks;
    const { view } = this.#memory;
    for (let number = 0; number < this.#described; number++) {
      const at = view.getInt32(address + 4 * number, true);
      if (at === 0) continue;
      const whole = Number(view.getBigInt64(at + BLOCK.whole, true));
      view.setBigInt64(at + BLOCK.whole, 0n, true);
      const records = view.getInt32(at + BLOCK.records, true);
      this.#sites.collectBlock(this.#context.block(number), whole, records);
    }
  }

  // ---- what the machine does -------------------------------------------------------------

  read(_words: Uint32Array, from: number, to: number): void {
    this.#showSizes();
    this.#functions.read(4 * from, 4 * to);
  }
  finish(): void {
    this.#showSizes();
    this.#functions.finish();
  }
  executing(index: number): void {
    this.#showSizes();
    this.#functions.executing(index);
  }
  /** Sizes of pages that were remembered are forgotten when others were seen. */
  #showSizes(): void {
    const { largePages, hasLargePages } = this.#context;
    if (largePages === this.#sizesKnown) return;
    this.#sizesKnown = largePages;
    const { hasLarge, table, tableBytes } = this.#core.pageSizes;
    this.#memory.view.setInt32(hasLarge.address, hasLargePages ? 1 : 0, true);
    new Uint8Array(this.#memory.view.buffer, table, tableBytes).fill(0);
  }

  enterThread(thread: number): void {
    this.#sites?.enterThread(thread);
  }
  /** Another space runs. Without an ASID left for it, the one that ran longest ago loses its own. */
  enterSpace(space: number): void {
    const spaces = this.#core.caches?.spaces ?? Infinity;
    if (space >= spaces) throw new RangeError(`caches tell at most ${spaces} address spaces apart`);
    this.#functions.enterSpace(space);
    this.#sites?.enterSpace(space);
    if (this.#asids === Infinity || this.#core.translation === null) return;
    const at = this.#recent.indexOf(space);
    if (at >= 0) this.#recent.splice(at, 1);
    this.#recent.push(space);
    // Without ASIDs the running space is untagged: it is the one that is remembered.
    while (this.#recent.length > Math.max(1, this.#asids)) {
      this.#functions.invalidate!(this.#recent.shift()!, 0, 2 ** 48);
    }
  }
  invalidate(space: number, from: number, to: number): void {
    this.#functions.invalidate?.(space, from, to);
    this.#functions.forgetPages();
  }
  pageFault(side: Side, va: number): void {
    this.#functions.pageFault?.(side, va);
  }

  // ---- counters --------------------------------------------------------------------------

  #read({ address }: Cell): number {
    return this.#memory.view.getUint32(address, true) +
      this.#memory.view.getInt32(address + 4, true) * 2 ** 32;
  }

  /** Counters under their report names; `inlined` are those of the parts that are not in the stream. */
  report(inlined: Readonly<Record<string, number>> = {}): Record<string, number> {
    const { translation: t, caches, branches: b, counters } = this.#core;
    const { filtered } = this.parts;
    const loads = filtered ? inlined.loads : this.#read(counters.loads);
    const stores = filtered ? inlined.stores : this.#read(counters.stores);
    const instructions = filtered ? inlined.instructions : this.#read(counters.instructions);
    const report: Record<string, number> = {};
    if (this.kinds.accesses) Object.assign(report, { loads, stores });
    if (t !== null) {
      Object.assign(report, {
        "itlb.accesses": instructions + this.#read(counters.fetchStraddles),
        "itlb.misses": this.#read(t.itlbMisses),
        "dtlb.accesses": loads + stores + this.#read(counters.dataStraddles),
        "dtlb.misses": this.#read(t.dtlbMisses),
        "stlb.accesses": this.#read(t.stlbAccesses),
        "stlb.misses": this.#read(t.stlbMisses),
        "walks": this.#read(t.stlbMisses),
        "walks.faulted": this.#read(t.faulted),
      });
      if (t.walkCaches.length > 0 || caches !== null) {
        report["walks.references"] = this.#read(t.references);
      }
      for (const { level, hits } of t.walkCaches) {
        report[`walks.cached.${level}`] = this.#read(hits);
      }
    }
    if (b !== null) {
      Object.assign(report, {
        "branches.conditional": this.#read(b.conditional),
        "branches.conditional.mispredicted": this.#read(b.conditionalWrong),
        "branches.indirect": this.#read(b.indirect),
        "branches.indirect.mispredicted": this.#read(b.indirectWrong),
        "returns": this.#read(b.returns),
        "returns.mispredicted": this.#read(b.returnsWrong),
      });
      if (b.btbMisses.length > 0) report["btb.accesses"] = this.#read(b.btbAccesses);
      b.btbMisses.forEach((cell, i) => report[`btb.${i + 1}.misses`] = this.#read(cell));
    }
    if (caches === null) return report;
    for (const name of ["l1i", "l1d", "l2", "llc"] as const) {
      if (caches[name] !== null) this.#reportLevel(report, name, caches[name]);
    }
    report["l1i.accesses"] = instructions + this.#read(counters.fetchLineStraddles) +
      this.#context.quietStraddles;
    const references = this.#read(t?.references ?? counters.references);
    if (filtered) report["walks.references"] = references;
    const walks = caches.walks === caches.l1d ? references : 0;
    report["l1d.accesses"] = loads + stores + this.#read(counters.lineStraddles) + walks;
    return report;
  }
  #reportLevel(report: Record<string, number>, name: string, level: WasmCache): void {
    report[`${name}.accesses`] = this.#read(level.accesses);
    report[`${name}.misses`] = this.#read(level.misses);
    const prefetches = this.#read(level.prefetches);
    if (prefetches === 0) return;
    report[`${name}.prefetches`] = prefetches;
    report[`${name}.prefetches.useful`] = this.#read(level.useful);
  }
}

/** Whether accesses that change nothing in level 1 can be told by its set's last line alone. */
export function canFilter({ tlb, caches }: Preset): boolean {
  if (caches === undefined || caches.indexed === "virtual" || (tlb.granule ?? 12) !== 12) {
    return false;
  }
  const { l1d, l1i, l2, llc, line = 64 } = caches;
  const sets = l1d.size / line / l1d.ways;
  const plain = [l1i, l1d].every(({ prefetcher = "off" }) => prefetcher === "off");
  return plain && !l2?.inclusive && !llc?.inclusive && line >= 32 && sets <= MOST_SETS &&
    Number.isInteger(Math.log2(sets));
}
function dataLines({ caches }: Preset): DataLines {
  const { l1i, l1d, line = 64 } = caches!;
  const setsOf = ({ size, ways }: CacheShape): number => size / line / ways;
  const fetchSets = setsOf(l1i);
  const fits = fetchSets <= MOST_SETS && Number.isInteger(Math.log2(fetchSets));
  return { sets: setsOf(l1d), line, fetchSets: fits ? fetchSets : 0 };
}
