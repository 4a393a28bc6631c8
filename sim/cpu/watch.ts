/**
 * The models as the engine drives them: translation hierarchy, branch predictors, and the counters
 * that generated code keeps in state memory.
 */
import { Hierarchy, Side } from "../models/hierarchy.ts";
import { hasInlinedTlb, type Preset } from "../models/preset.ts";
import { PAGE_SIZE } from "../models/tlb.ts";
import { instrumentationOf } from "./instrumentation.ts";
import * as L from "./layout.ts";
import { Site } from "./site_kinds.ts";
import type { SoftTlb } from "./soft_tlb.ts";
import type { Instrumentation } from "./wasm/events.ts";
import { NO_RETURN } from "./wasm/return_stack.ts";

/** Exact counts of what models saw, for the program's own accesses. */
export interface ModelCounts {
  loads: number;
  stores: number;
  /** Data accesses, and fetches, that crossed into a second page. */
  dataStraddles: number;
  fetchStraddles: number;
  conditional: number;
  conditionalMispredicted: number;
  indirect: number;
  indirectMispredicted: number;
  returns: number;
  returnsMispredicted: number;
  /** Page walks that ended in a page fault. */
  faultedWalks: number;
}

/** Models of one modelled CPU. */
export class Watch {
  readonly hierarchy: Hierarchy;
  readonly instrumentation: Instrumentation;
  readonly counts: ModelCounts = {
    loads: 0,
    stores: 0,
    dataStraddles: 0,
    fetchStraddles: 0,
    conditional: 0,
    conditionalMispredicted: 0,
    indirect: 0,
    indirectMispredicted: 0,
    returns: 0,
    returnsMispredicted: 0,
    faultedWalks: 0,
  };
  readonly #u32: Uint32Array;
  readonly #soft: SoftTlb;
  /** Bytes of a base page. */
  readonly #pageSize: number;
  /** Instructions retired before the current quantum. */
  #retired = 0;

  constructor(
    readonly preset: Preset,
    arch: "x86_64" | "aarch64",
    state: WebAssembly.Memory,
    soft: SoftTlb,
    readonly currentSpace: () => number,
    /** Whether branches are watched; else another model does. */
    readonly branches: boolean = true,
    /** Whether it is told where events happen. */
    sites: boolean = false,
  ) {
    this.#u32 = new Uint32Array(state.buffer);
    this.#soft = soft;
    if (!hasInlinedTlb(preset.tlb)) {
      throw new RangeError(`the TLBs of ${preset.name} are not for generated code`);
    }
    if (Hierarchy.bytes(preset.tlb) > L.LINK_HEAT - L.STAMPS) {
      throw new RangeError("the modelled TLBs have too many entries");
    }
    this.hierarchy = new Hierarchy(
      preset.tlb,
      state,
      L.STAMPS,
      (side, address, bits, space) => this.#evicted(side, address, bits, space),
    );
    this.instrumentation = instrumentationOf(preset, arch, this.hierarchy, { branches, sites });
    // Two-bit counters start weakly not taken.
    new Uint8Array(state.buffer).fill(
      1,
      L.GSHARE,
      L.GSHARE + 2 ** this.instrumentation.historyBits,
    );
    new BigUint64Array(state.buffer, L.RETURN_STACK, 64).fill(NO_RETURN);
    this.#pageSize = 2 ** this.hierarchy.granule;
  }

  /** A level-1 entry went: so do the soft entries that it issued. */
  #evicted(side: Side, address: number, bits: number, space: number): void {
    if (space !== this.currentSpace()) return;
    const end = address + PAGE_SIZE[bits];
    if (side === Side.Instruction) this.#soft.clearFetch(address, end);
    else if (bits === 12) this.#soft.evictData(address);
    else this.#soft.clearData(address, end);
  }

  /** Programs run in the space with this number now. */
  enterSpace(space: number): void {
    this.#u32[(L.SPACE_TAG >> 2) + 1] = (12 << (L.TAG_BITS_SHIFT - 32)) |
      (space << (L.TAG_SPACE_SHIFT - 32));
  }

  /** A quantum of `budget` instructions begins. */
  begin(budget: number): void {
    const base = 64 * (1 + this.#retired + budget);
    this.#u32[L.ORDINAL_BASE >> 2] = base >>> 0;
    this.#u32[(L.ORDINAL_BASE >> 2) + 1] = Math.floor(base / 4294967296);
  }

  /** The quantum ended after `retired` instructions: collect what generated code counted. */
  end(retired: number): void {
    this.#retired += retired;
    const { counts } = this;
    counts.loads += this.#take(L.ACCESSES);
    counts.stores += this.#take(L.ACCESSES + 4);
    counts.conditional += this.#take(L.BRANCHES);
    counts.conditionalMispredicted += this.#take(L.BRANCHES + 4);
    counts.returnsMispredicted += this.#take(L.RETURNS);
    counts.returns += this.#take(L.RETURNS + 4);
    counts.indirect += this.#take(L.INDIRECTS);
    counts.indirectMispredicted += this.#take(L.INDIRECTS + 4);
    counts.fetchStraddles += this.#take(L.FETCH_STRADDLES);
    const tlb = this.hierarchy.counts;
    const instructions = this.#take(L.TLB_MISSES);
    const data = this.#take(L.TLB_MISSES + 4);
    tlb.itlbMisses += instructions;
    tlb.dtlbMisses += data;
    tlb.stlbAccesses += instructions + data;
    tlb.stlbMisses += this.#take(L.TLB_MISSES + 8) + this.#take(L.TLB_MISSES + 12);
  }
  /** Put events so far that attribution tells of into an array, by kind. What is not collected yet is in state memory. */
  events(into: Float64Array): void {
    const { counts, hierarchy: { counts: tlb } } = this;
    const u32 = (at: number): number => this.#u32[at >> 2];
    const refilled = (structure: number): number => u32(L.TLB_MISSES + 4 * structure);
    into[Site.ItlbMisses] = tlb.itlbMisses + refilled(0);
    into[Site.DtlbMisses] = tlb.dtlbMisses + refilled(1);
    into[Site.StlbMisses] = tlb.stlbMisses + refilled(2) + refilled(3);
    into[Site.Mispredicted] = counts.conditionalMispredicted + u32(L.BRANCHES + 4) +
      counts.returnsMispredicted + u32(L.RETURNS) +
      counts.indirectMispredicted + u32(L.INDIRECTS + 4);
  }
  #take(at: number): number {
    const value = this.#u32[at >> 2];
    this.#u32[at >> 2] = 0;
    return value;
  }

  /** An access to `va` takes a page fault: after a walk, unless a TLB held the page with fewer rights. */
  pageFault(side: Side, va: number, space: number): void {
    if (!this.hierarchy.holds(side, va, space)) this.counts.faultedWalks++;
  }

  /** A data access of `size` bytes at `va` went beyond 4 KiB: count it if it went beyond its base page. */
  crossed(va: number, size: number): void {
    if (va % this.#pageSize + size > this.#pageSize) this.counts.dataStraddles++;
  }

  /** Take back accesses that were charged and did not happen. */
  refund(loads: number, stores: number): void {
    this.counts.loads -= loads;
    this.counts.stores -= stores;
  }

  /** Counters under their report names. */
  report(instructions: number): Record<string, number> {
    const c = this.counts;
    const t = this.hierarchy.counts;
    return {
      "instructions": instructions,
      "loads": c.loads,
      "stores": c.stores,
      "itlb.accesses": instructions + c.fetchStraddles,
      "itlb.misses": t.itlbMisses,
      "dtlb.accesses": c.loads + c.stores + c.dataStraddles,
      "dtlb.misses": t.dtlbMisses,
      "stlb.accesses": t.stlbAccesses,
      "stlb.misses": t.stlbMisses,
      "walks": t.stlbMisses,
      "walks.faulted": c.faultedWalks,
      ...this.branches ? this.#branches() : {},
    };
  }
  #branches(): Record<string, number> {
    const c = this.counts;
    return {
      "branches.conditional": c.conditional,
      "branches.conditional.mispredicted": c.conditionalMispredicted,
      "branches.indirect": c.indirect,
      "branches.indirect.mispredicted": c.indirectMispredicted,
      "returns": c.returns,
      "returns.mispredicted": c.returnsMispredicted,
    };
  }
}
