/** A modelled core that reads the event stream: what of its preset is not inlined. */
import type { Arch } from "../arch.ts";
import type { CodeBlock, StreamContext } from "../cpu/event_buffer.ts";
import { Site } from "../cpu/site_kinds.ts";
import type { StreamKinds } from "../cpu/wasm/event_stream.ts";
import { BranchUnit, Outcome } from "./branch_unit.ts";
import { Caches, PHYSICAL } from "./caches.ts";
import { type DirectionPredictor, directionPredictor } from "./direction.ts";
import { Side } from "./hierarchy.ts";
import type { Preset } from "./preset.ts";
import { BranchKind, StreamModel } from "./stream_model.ts";
import { Translation } from "./translation.ts";

/** Which parts of a core to model. */
export interface CoreParts {
  readonly tlb: boolean;
  readonly branches: boolean;
  readonly caches: boolean;
  /** Caches alone, of which the stream tells filtered accesses, and page walks. */
  readonly filtered?: boolean;
}

/** Who is told where events of a core happen. */
export interface SiteObserver {
  /** `count` events of a kind at instruction `index` of `block`; `address` is of data, or -1. */
  at(site: Site, block: CodeBlock, index: number, address: number): void;
  /** The first `count` instructions of `block` retired. */
  retired(block: CodeBlock, count: number): void;
  /** A branch that `next` follows went `to`, if it was taken. */
  branch(kind: BranchKind, next: number, to: number): void;
  attach(context: StreamContext): void;
  enterSpace(space: number): void;
  enterThread(thread: number): void;
}

/** Where a block's instructions lie in cache lines. */
interface FetchLines {
  readonly block: CodeBlock;
  /** Number of its page, and whether its only instruction lies on two. */
  readonly page: number;
  readonly straddles: boolean;
  /** Its address and line in the address space of the caches. */
  readonly address: number;
  readonly base: number;
  /** Line of each instruction's first and last byte, from `base` on. */
  readonly first: Uint8Array;
  readonly last: Uint8Array;
  /** How many of the instructions before each lie on two lines. */
  readonly twice: Uint8Array;
}

function fetchLines(
  block: CodeBlock,
  size: number,
  physical: boolean,
  granule: number,
): FetchLines {
  const { pc, count, offsets } = block;
  const address = physical ? block.physical : pc;
  const base = Math.floor(address / size);
  const line = (offset: number): number => Math.floor((address + offset) / size) - base;
  const first = Uint8Array.from({ length: count }, (_, i) => line(offsets[i]));
  const last = Uint8Array.from({ length: count }, (_, i) => line(offsets[i + 1] - 1));
  const twice = new Uint8Array(count + 1);
  for (let i = 0; i < count; i++) twice[i + 1] = twice[i] + (first[i] === last[i] ? 0 : 1);
  const straddles = block.physical2 >= 0;
  return { block, page: Math.floor(pc / granule), straddles, address, base, first, last, twice };
}

export class CoreModel extends StreamModel {
  override readonly kinds: StreamKinds;
  readonly #translation: Translation | null;
  readonly #caches: Caches | null;
  readonly #branches: BranchUnit | null;
  readonly #pcUnit: number;
  /** Base pages: log2 of their bytes, and their bytes. */
  readonly #pageBits: number;
  readonly #pageSize: number;
  instructions = 0;
  loads = 0;
  stores = 0;
  #dataStraddles = 0;
  #fetchStraddles = 0;
  /** Accesses that lay on two cache lines. */
  #lineStraddles = 0;
  #fetchLineStraddles = 0;
  /** Page and line that were fetched from last, which level 1 then holds; -1 if it may not. */
  #page = -1;
  #line = -1;
  #lineTag = 0;
  /** The same of data; a line only where an access that hits it once more changes nothing. */
  #dataPage = -1;
  #dataLine = -1;
  #dataTag = 0;
  readonly #quiet: boolean;
  /** Where blocks lie, by number, and the one under way. */
  readonly #lines: FetchLines[] = [];
  #here!: FetchLines;
  readonly #lineSize: number;
  readonly #physical: boolean;

  constructor(
    readonly preset: Preset,
    arch: Arch,
    readonly parts: CoreParts,
    predictor?: DirectionPredictor,
    readonly observer: SiteObserver | null = null,
  ) {
    super();
    const pcShift = arch === "aarch64" ? 2 : 0;
    this.#pcUnit = 2 ** pcShift;
    this.#pageBits = preset.tlb.granule ?? 12;
    this.#pageSize = 2 ** this.#pageBits;
    const observed = observer !== null;
    this.kinds = {
      accesses: parts.tlb || parts.caches || observed,
      branches: parts.branches || observed,
    };
    const { caches } = preset;
    if (parts.caches && caches === undefined) {
      throw new RangeError(`the preset ${preset.name} has no caches`);
    }
    this.#caches = parts.caches ? new Caches(caches!) : null;
    this.#physical = this.#caches?.physical ?? false;
    this.#lineSize = this.#caches?.line ?? 64;
    if (this.#caches !== null) {
      this.#caches.l1i.taken = () => this.#line = -1;
      this.#caches.l1d.taken = () => this.#dataLine = -1;
    }
    const { prefetcher = "off" } = caches?.l1d ?? {};
    this.#quiet = prefetcher === "off";
    const read = this.#caches === null
      ? null
      : (va: number, index: number) => this.#readEntry(va, index);
    this.#translation = parts.tlb ? new Translation(preset.tlb, read) : null;
    this.#branches = parts.branches
      ? new BranchUnit(preset, predictor ?? directionPredictor(preset.direction, pcShift), pcShift)
      : null;
  }

  // ---- instructions ----------------------------------------------------------------------

  protected override retired(): void {
    this.instructions += this.count;
    if (this.block.physical2 >= 0) this.#fetchStraddles++;
    this.observer?.retired(this.block, this.count);
  }

  protected override entered(): void {
    const { block } = this;
    let lines = this.#lines[block.number];
    if (lines?.block !== block) {
      lines = fetchLines(block, this.#lineSize, this.#physical, this.#pageSize);
      this.#lines[block.number] = lines;
    }
    this.#here = lines;
  }

  protected override fetch(from: number, to: number): void {
    const here = this.#here;
    const translation = this.#translation;
    if (translation !== null && (here.page !== this.#page || here.straddles)) {
      const { block } = this;
      this.#page = here.page;
      this.#translate(translation, Side.Instruction, block.pc, from, -1);
      if (here.straddles) {
        this.#page++;
        this.#translate(translation, Side.Instruction, this.#page * this.#pageSize, from, -1);
      }
    }
    const caches = this.#caches;
    if (caches === null) return;
    const tag = this.#physical ? PHYSICAL : this.context.space;
    if (here.straddles) return this.#fetchStraddling(caches, tag);
    this.#fetchLineStraddles += here.twice[to] - here.twice[from];
    const { last } = here;
    const line = this.#line - here.base;
    // All in the line that was fetched from last.
    if (line === here.first[from] && line === last[to - 1] && tag === this.#lineTag) return;
    this.#fetchLines(caches, here, from, to, tag);
  }

  #fetchLines(caches: Caches, here: FetchLines, from: number, to: number, tag: number): void {
    const { base, first, last, address } = here;
    const { offsets } = this.block;
    for (let i = from; i < to; i++) {
      const line = base + first[i];
      if (line !== this.#line || tag !== this.#lineTag) {
        this.#fetchLine(caches, line, tag, address + offsets[i], i);
      }
      if (last[i] !== first[i]) {
        const second = base + last[i];
        this.#fetchLine(caches, second, tag, second * this.#lineSize, i);
      }
    }
  }

  /** The block's only instruction lies on two pages. */
  #fetchStraddling(caches: Caches, tag: number): void {
    const { block } = this;
    const size = this.#lineSize;
    const at = this.#physical ? block.physical : block.pc;
    const room = 4096 - (block.pc & 4095);
    const first = Math.floor(at / size);
    const last = Math.floor((at + room - 1) / size);
    this.#fetchLine(caches, first, tag, at, 0);
    if (last !== first) this.#fetchLine(caches, last, tag, last * size, 0);
    const second = this.#physical ? block.physical2 : block.pc + room;
    this.#fetchLine(caches, Math.floor(second / size), tag, second, 0);
    this.#fetchLineStraddles++;
  }

  #fetchLine(caches: Caches, line: number, tag: number, address: number, index: number): void {
    const { block, observer } = this;
    const last = caches.llc ?? caches.l2;
    const before = last?.misses ?? 0;
    this.#line = line;
    this.#lineTag = tag;
    if (caches.l1i.access(line, tag, address, this.#pcOf(index))) return;
    if (observer === null) return;
    observer.at(Site.L1iMisses, block, index, -1);
    if (last !== null && last.misses !== before) observer.at(Site.LlcMisses, block, index, -1);
  }

  /** The address of an instruction without the bits that never differ: what prefetchers tell it by. */
  #pcOf(index: number): number {
    return Math.floor((this.block.pc + this.block.offsets[index]) / this.#pcUnit);
  }

  // ---- data ------------------------------------------------------------------------------

  protected override access(
    address: number,
    size: number,
    write: boolean,
    physical: number,
    second: number,
    index: number,
  ): void {
    if (write) this.stores++;
    else this.loads++;
    const rest = this.#pageSize - (address & (this.#pageSize - 1));
    if (rest < size) this.#dataStraddles++;
    const translation = this.#translation;
    if (translation !== null) {
      const page = Math.floor(address / this.#pageSize);
      if (page !== this.#dataPage) {
        this.#dataPage = page;
        this.#translate(translation, Side.Data, address, index, address);
      }
      if (rest < size) {
        this.#dataPage = page + 1;
        this.#translate(translation, Side.Data, address + rest, index, address + rest);
      }
    }
    const caches = this.#caches;
    if (caches === null) return;
    const lineSize = this.#lineSize;
    // What crosses 4 KiB comes in two parts, whatever a page is.
    const room = 4096 - (address & 4095);
    const two = room < size;
    const tag = this.#physical ? PHYSICAL : this.context.space;
    const at = this.#physical ? physical : address;
    const end = at + (two && this.#physical ? room : size) - 1;
    const first = Math.floor(at / lineSize);
    this.#accessLine(caches, first, tag, at, index, address);
    if (!two && (at & (lineSize - 1)) + size <= lineSize) return;
    const last = Math.floor(end / lineSize);
    let lines = 1;
    for (let line = first + 1; line <= last; line++, lines++) {
      this.#accessLine(caches, line, tag, line * lineSize, index, address);
    }
    if (two && this.#physical) {
      const from = Math.floor(second / lineSize);
      const to = Math.floor((second + size - room - 1) / lineSize);
      for (let line = from; line <= to; line++, lines++) {
        this.#accessLine(
          caches,
          line,
          tag,
          line === from ? second : line * lineSize,
          index,
          address,
        );
      }
    }
    this.#lineStraddles += lines - 1;
  }

  #accessLine(
    caches: Caches,
    line: number,
    tag: number,
    at: number,
    index: number,
    address: number,
  ): void {
    if (line === this.#dataLine && tag === this.#dataTag) return;
    if (this.#quiet) {
      this.#dataLine = line;
      this.#dataTag = tag;
    }
    const { observer } = this;
    const last = caches.llc ?? caches.l2;
    const before = last?.misses ?? 0;
    if (caches.l1d.access(line, tag, at, this.#pcOf(index)) || observer === null) return;
    observer.at(Site.L1dMisses, this.block, index, address);
    if (last !== null && last.misses !== before) {
      observer.at(Site.LlcMisses, this.block, index, address);
    }
  }

  #translate(
    translation: Translation,
    side: Side,
    va: number,
    index: number,
    address: number,
  ): void {
    const { counts } = translation;
    const walks = counts.stlbMisses;
    const bits = this.context.hasLargePages ? this.context.pageBits(va) : this.#pageBits;
    if (translation.access(side, va, bits) || this.observer === null) return;
    const site = side === Side.Data ? Site.DtlbMisses : Site.ItlbMisses;
    this.observer.at(site, this.block, index, address);
    if (counts.stlbMisses !== walks) this.observer.at(Site.StlbMisses, this.block, index, address);
  }

  /** The page walker reads an entry, which lies at its physical address. */
  #readEntry(va: number, index: number): void {
    const caches = this.#caches!;
    const at = this.context.entryAddress(va, index);
    if (at < 0) return;
    this.#dataLine = -1;
    // With virtual indexing no address space has this tag.
    caches.walks.access(Math.floor(at / this.#lineSize), PHYSICAL, at, -1 - index);
  }

  // ---- branches --------------------------------------------------------------------------

  protected override branch(
    kind: BranchKind,
    block: CodeBlock,
    index: number,
    target: number,
  ): void {
    const { pc, offsets } = block;
    const to = kind <= BranchKind.Call ? block.target : target;
    const next = pc + offsets[index + 1];
    const outcome = this.#branches?.branch(kind, pc + offsets[index], next, to);
    if (this.observer === null) return;
    if (outcome === Outcome.Mispredicted) this.observer.at(Site.Mispredicted, block, index, -1);
    if (kind >= BranchKind.Call) {
      // The block ends here: its instructions are the caller's.
      this.finish();
      this.observer.branch(kind, next, to);
    }
  }

  // ---- what the machine does -------------------------------------------------------------

  override attach(context: StreamContext): void {
    super.attach(context);
    this.observer?.attach(context);
  }
  enterThread(thread: number): void {
    this.observer?.enterThread(thread);
  }
  override enterSpace(space: number): void {
    this.observer?.enterSpace(space);
    this.#translation?.enterSpace(space);
    this.#page = this.#line = this.#dataPage = -1;
  }
  override invalidate(space: number, from: number, to: number): void {
    this.#translation?.invalidate(space, from, to);
    this.#page = this.#dataPage = -1;
  }
  override pageFault(side: Side, va: number): void {
    this.#translation?.pageFault(side, va);
  }

  /** Counters under their report names. */
  report(): Record<string, number> {
    const report: Record<string, number> = {};
    if (this.kinds.accesses) {
      Object.assign(report, { "loads": this.loads, "stores": this.stores });
    }
    const t = this.#translation;
    if (t !== null) {
      Object.assign(report, {
        "itlb.accesses": this.instructions + this.#fetchStraddles,
        "itlb.misses": t.counts.itlbMisses,
        "dtlb.accesses": this.loads + this.stores + this.#dataStraddles,
        "dtlb.misses": t.counts.dtlbMisses,
        "stlb.accesses": t.counts.stlbAccesses,
        "stlb.misses": t.counts.stlbMisses,
        "walks": t.counts.stlbMisses,
        "walks.faulted": t.faulted,
      });
      if (t.walkCaches.length > 0 || this.#caches !== null) {
        report["walks.references"] = t.references;
      }
      for (const { level, hits } of t.walkCaches) report[`walks.cached.${level}`] = hits;
    }
    if (this.#branches !== null) Object.assign(report, this.#branches.report());
    if (this.#caches !== null) {
      Object.assign(report, this.#caches.report());
      report["l1i.accesses"] = this.instructions + this.#fetchLineStraddles;
      const walks = this.#caches.walks === this.#caches.l1d ? t?.references ?? 0 : 0;
      report["l1d.accesses"] = this.loads + this.stores + this.#lineStraddles + walks;
    }
    return report;
  }
}
