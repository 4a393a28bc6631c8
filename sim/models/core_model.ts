/** A modelled core that reads the event stream: what of its preset is not inlined. */
import type { Arch } from "../arch.ts";
import type { CodeBlock, StreamContext } from "../cpu/event_buffer.ts";
import type { StreamKinds } from "../cpu/wasm/event_stream.ts";
import { BranchUnit, type Outcome } from "./branch_unit.ts";
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
}

/** Events that can be asked where they happened. */
export const enum Site {
  Instructions,
  ItlbMisses,
  DtlbMisses,
  StlbMisses,
  L1iMisses,
  L1dMisses,
  LlcMisses,
  Mispredicted,
}
/** Their counters' names. */
export const siteNames: readonly string[] = [
  "instructions",
  "itlb.misses",
  "dtlb.misses",
  "stlb.misses",
  "l1i.misses",
  "l1d.misses",
  "llc.misses",
  "mispredicted",
];

/** Who is told where events of a core happen. */
export interface SiteObserver {
  /** `count` events of a kind at instruction `index` of `block`; `address` is of data, or -1. */
  at(site: Site, block: CodeBlock, index: number, address: number): void;
  /** The first `count` instructions of `block` retired. */
  retired(block: CodeBlock, count: number): void;
}

export class CoreModel extends StreamModel {
  override readonly kinds: StreamKinds;
  readonly #translation: Translation | null;
  readonly #caches: Caches | null;
  readonly #branches: BranchUnit | null;
  readonly #pcUnit: number;
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
  readonly #lineSize: number;
  readonly #physical: boolean;
  observer: SiteObserver | null = null;

  constructor(
    readonly preset: Preset,
    arch: Arch,
    readonly parts: CoreParts,
    predictor?: DirectionPredictor,
  ) {
    super();
    const pcShift = arch === "aarch64" ? 2 : 0;
    this.#pcUnit = 2 ** pcShift;
    this.kinds = { accesses: parts.tlb || parts.caches, branches: parts.branches };
    const { caches } = preset;
    if (parts.caches && caches === undefined) {
      throw new RangeError(`the preset ${preset.name} has no caches`);
    }
    this.#caches = parts.caches ? new Caches(caches!) : null;
    this.#physical = this.#caches?.physical ?? false;
    this.#lineSize = this.#caches?.line ?? 64;
    if (this.#caches !== null) this.#caches.l1i.taken = () => this.#line = -1;
    const read = this.#caches === null
      ? null
      : (va: number, index: number) => this.#readEntry(va, index);
    this.#translation = parts.tlb ? new Translation(preset.tlb, read) : null;
    this.#branches = parts.branches
      ? new BranchUnit(preset, predictor ?? directionPredictor(preset.direction, pcShift), pcShift)
      : null;
  }

  override attach(context: StreamContext): void {
    super.attach(context);
  }

  // ---- instructions ----------------------------------------------------------------------

  protected override retired(): void {
    this.instructions += this.count;
    if (this.block.physical2 >= 0) this.#fetchStraddles++;
    this.observer?.retired(this.block, this.count);
  }

  protected override fetch(from: number, to: number): void {
    const { block } = this;
    const translation = this.#translation;
    if (translation !== null) {
      const page = Math.floor(block.pc / 4096);
      if (page !== this.#page || block.physical2 >= 0) {
        this.#translate(translation, Side.Instruction, block.pc, from, -1);
        this.#page = page;
        if (block.physical2 >= 0) {
          this.#page = page + 1;
          this.#translate(translation, Side.Instruction, this.#page * 4096, from, -1);
        }
      }
    }
    const caches = this.#caches;
    if (caches === null) return;
    const size = this.#lineSize;
    const { pc, offsets } = block;
    const base = this.#physical ? block.physical : pc;
    const tag = this.#physical ? PHYSICAL : this.context.space;
    for (let i = from; i < to; i++) {
      const first = Math.floor((base + offsets[i]) / size);
      let last = Math.floor((base + offsets[i + 1] - 1) / size);
      if (block.physical2 >= 0 && this.#physical) {
        // Its second page lies elsewhere; such a block has one instruction.
        const room = 4096 - pc % 4096;
        last = Math.floor((base + room - 1) / size);
        this.#fetchLine(caches, first, tag, base, i);
        if (last !== first) this.#fetchLine(caches, last, tag, last * size, i);
        this.#fetchLine(
          caches,
          Math.floor(block.physical2 / size),
          tag,
          block.physical2,
          i,
        );
        this.#fetchLineStraddles++;
        continue;
      }
      if (first !== this.#line || tag !== this.#lineTag) {
        this.#fetchLine(caches, first, tag, base + offsets[i], i);
      }
      if (last !== first) {
        this.#fetchLineStraddles++;
        this.#fetchLine(caches, last, tag, last * size, i);
      }
    }
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
    const room = 4096 - address % 4096;
    const two = room < size;
    if (two) this.#dataStraddles++;
    const translation = this.#translation;
    if (translation !== null) {
      this.#translate(translation, Side.Data, address, index, address);
      if (two) this.#translate(translation, Side.Data, address + room, index, address);
    }
    const caches = this.#caches;
    if (caches === null) return;
    const lineSize = this.#lineSize;
    const tag = this.#physical ? PHYSICAL : this.context.space;
    const at = this.#physical ? physical : address;
    const end = at + (two && this.#physical ? room : size) - 1;
    const first = Math.floor(at / lineSize);
    const last = Math.floor(end / lineSize);
    this.#accessLine(caches, first, tag, at, index, address);
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
    if (translation.access(side, va, this.context.pageBits(va)) || this.observer === null) return;
    const site = side === Side.Data ? Site.DtlbMisses : Site.ItlbMisses;
    this.observer.at(site, this.block, index, address);
    if (counts.stlbMisses !== walks) this.observer.at(Site.StlbMisses, this.block, index, address);
  }

  /** The page walker reads an entry, which lies at its physical address. */
  #readEntry(va: number, index: number): void {
    const caches = this.#caches!;
    const at = this.context.entryAddress(va, index);
    if (at < 0) return;
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
    const outcome = this.#branches!.branch(kind, pc + offsets[index], pc + offsets[index + 1], to);
    if (outcome !== (0 satisfies Outcome) && this.observer !== null) {
      this.observer.at(Site.Mispredicted, block, index, -1);
    }
  }

  // ---- what the machine does -------------------------------------------------------------

  override enterSpace(space: number): void {
    this.#translation?.enterSpace(space);
    this.#page = this.#line = -1;
  }
  override invalidate(space: number, from: number, to: number): void {
    this.#translation?.invalidate(space, from, to);
    this.#page = -1;
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
