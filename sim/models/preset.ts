/** CPU presets: the modelled structures of a core, as data with their sources. */
import { type CachesShape } from "./caches.ts";
import type { DirectionShape } from "./direction.ts";
import type { HierarchyShape } from "./hierarchy.ts";
import { armPresets } from "./presets_arm.ts";
import { x86Presets } from "./presets_x86.ts";
import type { TargetBufferShape } from "./target_buffer.ts";

/** A modelled core. */
export interface Preset {
  /** What `--cpu` and `preset()` call it, in lower case: `zen3`. */
  readonly name: string;
  /** The core in a line, for lists. */
  readonly description: string;
  /** Where the figures come from, and what is assumed. */
  readonly sources: readonly string[];
  /** TLBs of both levels, and what page walks cost in accesses. */
  readonly tlb: HierarchyShape;
  /** The predictor of conditional branches. */
  readonly direction: DirectionShape;
  /** Targets of indirect jumps and calls. */
  readonly targetBuffer: TargetBufferShape;
  /** Levels of buffers that every taken branch occupies, the fastest first; default none. */
  readonly btb?: readonly TargetBufferShape[];
  /** Entries of the return stack. */
  readonly returnStack: number;
  /** Default none. */
  readonly caches?: CachesShape;
  /** The cost model: cycles per instruction without events, and cycles per event. */
  readonly cost: CostModel;
  /** log2 of the sizes that its base pages can have (aarch64); default 12, 14 and 16. */
  readonly granules?: readonly number[];
  /** What a detailed model has instead or besides; it takes several times as long. */
  readonly detail?: PresetDetail;
}

/** Parts of a preset that only a detailed model has. */
export interface PresetDetail {
  readonly tlb?: Partial<HierarchyShape>;
  readonly direction?: DirectionShape;
  readonly targetBuffer?: TargetBufferShape;
  readonly btb?: readonly TargetBufferShape[];
  readonly caches?: CachesShape;
  readonly cost?: Partial<CostModel>;
}

/**
 * A stated CPI model: cycles = instructions × base + Σ events × penalty. Penalties that are not given
 * are 0.
 */
export interface CostModel {
  /** Cycles of an instruction without events. */
  readonly base: number;
  /** Cycles of a mispredicted branch of any kind. */
  readonly mispredict: number;
  /** A level-1 TLB miss that the second level serves. */
  readonly stlbHit: number;
  /** Cycles of a page walk. */
  readonly walk: number;
  /** Cycles of a page fault that reads nothing from a file. */
  readonly minorFault: number;
  /** Cycles of a page fault that reads from a file. */
  readonly majorFault?: number;
  /** Cycles of a system call. */
  readonly syscall?: number;
  /** Cycles of a change from one thread to another. */
  readonly contextSwitch?: number;
  /** A taken branch that no level of the branch target buffers holds. */
  readonly btbMiss?: number;
  /** An access that the level-2 cache, the last level, or memory serves. */
  readonly l2Hit?: number;
  /** An access that the last level serves. */
  readonly llcHit?: number;
  /** An access that memory serves. */
  readonly memory?: number;
}

/** The detailed model of a preset: `detail` in the place of what it replaces. */
export function detailed(preset: Preset): Preset {
  const { detail, ...rest } = preset;
  if (detail === undefined) return preset;
  return {
    ...rest,
    ...detail,
    tlb: { ...preset.tlb, ...detail.tlb },
    cost: { ...preset.cost, ...detail.cost },
  };
}

/** A core is to have base pages of a size that it has not. */
export class GranuleError extends Error {
  override readonly name = "GranuleError";
}

/**
 * A preset on a machine whose base pages have 2^`granule` bytes. Throws a `GranuleError` if it is a core that has none such.
 */
export function withGranule(preset: Preset, granule: number): Preset {
  if (granule === 12) return preset;
  const { granules = [12, 14, 16] } = preset;
  if (!granules.includes(granule)) {
    const sizes = granules.map((bits) => `${2 ** bits / 1024} KiB`).join(" and ");
    throw new GranuleError(
      `${preset.name} has base pages of ${sizes}, not of ${2 ** granule / 1024} KiB`,
    );
  }
  return { ...preset, tlb: { ...preset.tlb, granule } };
}

/** Whether generated code can hold all of a preset's models: true LRU, gshare, one target buffer, no caches. */
export function isInlined({ tlb, direction, targetBuffer, btb, caches }: Preset): boolean {
  return hasInlinedTlb(tlb) && hasInlinedBranches({ direction, targetBuffer, btb }) &&
    caches === undefined;
}
export function hasInlinedTlb(tlb: HierarchyShape): boolean {
  const all = [...tlb.itlb, ...tlb.dtlb, ...tlb.stlb, ...tlb.istlb ?? []];
  return all.every(({ replacement = "lru" }) => replacement === "lru") &&
    tlb.walkCaches === undefined && tlb.asids === undefined;
}
export function hasInlinedBranches(
  { direction, targetBuffer, btb }: Pick<Preset, "direction" | "targetBuffer" | "btb">,
): boolean {
  return direction.kind === "gshare" && direction.historyBits <= MOST_HISTORY &&
    btb === undefined && hasInlinedTargets(targetBuffer);
}
/** Longest history of an inlined gshare. */
export const MOST_HISTORY = 17;
/** Whether generated code can hold a target buffer. */
export function hasInlinedTargets({ entries, ways, historyBits }: TargetBufferShape): boolean {
  return historyBits === undefined && Number.isInteger(entries / ways) && entries <= MOST_TARGETS;
}
const MOST_TARGETS = 1 << 17;

/** A small textbook core. */
const reference: Preset = {
  name: "reference",
  description: "small textbook core: 64-entry level-1 TLBs of 4 KiB entries, true LRU, gshare",
  sources: ["defined by Isthmus; the level-2 geometry is that of Intel Skylake"],
  tlb: {
    itlb: [{ entries: 64, ways: 4, pageBits: [12] }],
    dtlb: [{ entries: 64, ways: 4, pageBits: [12] }],
    stlb: [{ entries: 1536, ways: 12, pageBits: [12] }],
  },
  direction: { kind: "gshare", historyBits: 14 },
  targetBuffer: { entries: 4096, ways: 4 },
  returnStack: 16,
  cost: { base: 0.5, mispredict: 16, stlbHit: 9, walk: 30, minorFault: 1000 },
  detail: {
    caches: {
      l1i: { size: 32768, ways: 8 },
      l1d: { size: 32768, ways: 8 },
      l2: { size: 1048576, ways: 16 },
    },
    cost: { l2Hit: 10, memory: 200 },
  },
};

/** All cores that `--cpu` knows by name. */
export const presets: readonly Preset[] = [reference, ...x86Presets, ...armPresets];

/**
 * The preset called `name`. Throws a RangeError that lists the names there are.
 *
 * @example
 * ```ts
 * import { preset } from "./preset.ts";
 * if (preset("neoverse-n1").returnStack !== 16) throw new Error("unexpected");
 * ```
 */
export function preset(name: string): Preset {
  const found = presets.find((p) => p.name === name);
  if (found === undefined) {
    throw new RangeError(
      `no CPU preset ${JSON.stringify(name)}; there are ${presets.map((p) => p.name).join(", ")}`,
    );
  }
  return found;
}
