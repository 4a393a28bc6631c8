/** CPU presets: the modelled structures of a core, as data with their sources. */
import type { HierarchyShape } from "./hierarchy.ts";
import type { TargetBufferShape } from "./target_buffer.ts";

/** A modelled core. */
export interface Preset {
  readonly name: string;
  readonly description: string;
  /** Where the figures come from, and what is assumed. */
  readonly sources: readonly string[];
  readonly tlb: HierarchyShape;
  /** gshare: log2 of its two-bit counters, which is also the history's length. */
  readonly historyBits: number;
  readonly targetBuffer: TargetBufferShape;
  /** Entries of the return stack. */
  readonly returnStack: number;
  /** The cost model: cycles per instruction without events, and cycles per event. */
  readonly cost: CostModel;
}

/** A stated CPI model: cycles = instructions × base + Σ events × penalty. */
export interface CostModel {
  readonly base: number;
  readonly mispredict: number;
  /** A level-1 TLB miss that the second level serves. */
  readonly stlbHit: number;
  readonly walk: number;
  readonly minorFault: number;
}

const K = 12;
const M2 = 21;
const G1 = 30;

export const presets: readonly Preset[] = [
  {
    name: "reference",
    description: "small textbook core: 64-entry level-1 TLBs of 4 KiB entries, true LRU, gshare",
    sources: ["defined by Isthmus; the level-2 geometry is that of Intel Skylake"],
    tlb: {
      itlb: [{ entries: 64, ways: 4, pageBits: [K] }],
      dtlb: [{ entries: 64, ways: 4, pageBits: [K] }],
      stlb: [{ entries: 1536, ways: 12, pageBits: [K] }],
    },
    historyBits: 14,
    targetBuffer: { entries: 4096, ways: 4 },
    returnStack: 16,
    cost: { base: 0.5, mispredict: 16, stlbHit: 9, walk: 30, minorFault: 1000 },
  },
  {
    name: "skylake-sp",
    description: "Intel Skylake server core",
    sources: [
      "Intel 64 and IA-32 Architectures Optimization Reference Manual, table 2-15 (level-1 iTLB)",
      "level-1 dTLB of 2 MiB and 1 GiB pages and the 1 GiB level 2: as published for client Skylake; assumed equal",
      "direction predictor: assumed gshare of 2^14 counters; replacement: assumed true LRU",
    ],
    tlb: {
      itlb: [{ entries: 128, ways: 8, pageBits: [K] }, { entries: 8, ways: 8, pageBits: [M2] }],
      dtlb: [
        { entries: 64, ways: 4, pageBits: [K] },
        { entries: 32, ways: 4, pageBits: [M2] },
        { entries: 4, ways: 4, pageBits: [G1] },
      ],
      stlb: [{ entries: 1536, ways: 12, pageBits: [K, M2] }, {
        entries: 16,
        ways: 4,
        pageBits: [G1],
      }],
    },
    historyBits: 14,
    targetBuffer: { entries: 4096, ways: 4 },
    returnStack: 16,
    cost: { base: 0.5, mispredict: 16, stlbHit: 9, walk: 30, minorFault: 1000 },
  },
  {
    name: "neoverse-n1",
    description: "Arm Neoverse N1 server core",
    sources: [
      "Arm Neoverse N1 (Cortex-A76) Core Technical Reference Manual, memory management unit",
      "direction predictor: assumed gshare of 2^14 counters; target buffer and return stack: assumed",
      "replacement: assumed true LRU",
    ],
    tlb: {
      itlb: [{ entries: 48, ways: 48, pageBits: [K, M2] }],
      dtlb: [{ entries: 48, ways: 48, pageBits: [K, M2] }],
      stlb: [{ entries: 1280, ways: 5, pageBits: [K, M2] }],
    },
    historyBits: 14,
    targetBuffer: { entries: 6144, ways: 6 },
    returnStack: 16,
    cost: { base: 0.4, mispredict: 11, stlbHit: 5, walk: 30, minorFault: 1000 },
  },
  {
    name: "zen3",
    description: "AMD Zen 3 core",
    sources: [
      "AMD Software Optimization Guide for the AMD Family 19h Processors, translation lookaside buffers",
      "the 512-entry level-2 iTLB and 2048-entry level-2 dTLB are modelled as one shared level of 2048",
      "direction predictor: assumed gshare of 2^14 counters; replacement: assumed true LRU",
    ],
    tlb: {
      itlb: [{ entries: 64, ways: 64, pageBits: [K, M2, G1] }],
      dtlb: [{ entries: 64, ways: 64, pageBits: [K, M2, G1] }],
      stlb: [{ entries: 2048, ways: 8, pageBits: [K, M2] }],
    },
    historyBits: 14,
    targetBuffer: { entries: 1536, ways: 4 },
    returnStack: 32,
    cost: { base: 0.4, mispredict: 13, stlbHit: 7, walk: 30, minorFault: 1000 },
  },
];

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
