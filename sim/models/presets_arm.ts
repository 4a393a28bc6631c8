/** Presets of aarch64 cores. */
import type { DirectionShape } from "./direction.ts";
import type { CostModel, Preset } from "./preset.ts";
import type { TlbShape } from "./tlb.ts";

const K4 = 12;
const K16 = 14;
const K64 = 16;
const M1 = 20;
const M2 = 21;
const M32 = 25;
const M512 = 29;
const G1 = 30;
const KiB = 1024;
const MiB = 1024 * KiB;

const gshare: DirectionShape = { kind: "gshare", historyBits: 14 };
const tage: DirectionShape = {
  kind: "tage",
  ...{ baseBits: 13, tableBits: 10, tagBits: 10 },
  histories: [5, 9, 15, 25, 44, 76, 130],
};
/** Costs of the operating system: assumed, the same for all. */
const system = { minorFault: 1000, majorFault: 20000, syscall: 150, contextSwitch: 2000 };
const cost = (core: Pick<CostModel, "base" | "mispredict" | "stlbHit" | "walk">): CostModel => ({
  ...core,
  ...system,
});
/** With walk caches and caches a walk costs what its reads do, and this. */
const walked = { walk: 8, btbMiss: 8 };

const ASSUMED = [
  "replacement: true LRU is assumed throughout; no vendor says",
  "base CPI, and costs of faults, system calls and switches: assumed",
];
const GSHARE = "direction predictor: assumed, gshare of 2^14 counters; in detail TAGE of 7 tables";

const full = (entries: number, ...pageBits: number[]): TlbShape => ({
  ...{ entries, ways: entries },
  pageBits,
});

export const armPresets: readonly Preset[] = [
  {
    name: "neoverse-n1",
    description: "Arm Neoverse N1 server core",
    sources: [
      "TLBs: Arm Cortex-A76 Core Technical Reference Manual, A5.2 TLB organization; the Neoverse N1's is the same",
      "branch target buffers of 16, 64 and 6144: WikiChip, Neoverse N1; ways and the indirect targets: assumed",
      "caches: 64 KiB of 4 ways each, 1 MiB of 8 ways; last level: 32 MiB of 16 ways, as in AWS Graviton2",
      "return stack of 16, misprediction, walk caches: assumed",
      ...[GSHARE, ...ASSUMED],
    ],
    tlb: {
      itlb: [full(48, K4, K16, K64, M2, M32)],
      dtlb: [full(48, K4, K16, K64, M2, M512)],
      stlb: [{ entries: 1280, ways: 5, pageBits: [K4, K16, K64, M2, M32, M512, G1] }],
    },
    direction: gshare,
    targetBuffer: { entries: 6144, ways: 6 },
    returnStack: 16,
    cost: cost({ base: 0.4, mispredict: 11, stlbHit: 5, walk: 30 }),
    detail: {
      tlb: { walkCaches: [{ level: 1, entries: 32, ways: 4 }, { level: 2, entries: 16, ways: 4 }] },
      direction: tage,
      targetBuffer: { entries: 2048, ways: 4, historyBits: 10 },
      btb: [{ entries: 16, ways: 16 }, { entries: 64, ways: 4 }, { entries: 6144, ways: 6 }],
      caches: {
        l1i: { size: 64 * KiB, ways: 4 },
        l1d: { size: 64 * KiB, ways: 4, prefetcher: "stride" },
        l2: { size: MiB, ways: 8, prefetcher: "next-line" },
        llc: { size: 32 * MiB, ways: 16 },
        walks: "l2",
      },
      cost: { ...walked, l2Hit: 7, llcHit: 60, memory: 220 },
    },
  },
  {
    name: "neoverse-v1",
    description: "Arm Neoverse V1 server core",
    sources: [
      "level-1 iTLB of 48 and dTLB of 40 entries, level 2 of 2048 of 8 ways: as in the Cortex-X1, its sibling (Arm Cortex-X1 Core Technical Reference Manual)",
      "branch target buffers of 96 and 8192: WikiChip, Neoverse V1; ways and the indirect targets: assumed",
      "caches: 64 KiB of 4 ways each, 1 MiB of 8 ways; last level: 32 MiB of 16 ways, as in AWS Graviton3",
      "return stack of 16, misprediction of 11 cycles, walk caches: assumed",
      ...[GSHARE, ...ASSUMED],
    ],
    tlb: {
      itlb: [full(48, K4, K16, K64, M2, M32)],
      dtlb: [full(40, K4, K16, K64, M2, M512)],
      stlb: [{ entries: 2048, ways: 8, pageBits: [K4, K16, K64, M2, M32, M512, G1] }],
    },
    direction: gshare,
    targetBuffer: { entries: 8192, ways: 8 },
    returnStack: 16,
    cost: cost({ base: 0.3, mispredict: 11, stlbHit: 5, walk: 30 }),
    detail: {
      tlb: { walkCaches: [{ level: 1, entries: 32, ways: 4 }, { level: 2, entries: 16, ways: 4 }] },
      direction: tage,
      targetBuffer: { entries: 2048, ways: 4, historyBits: 10 },
      btb: [{ entries: 96, ways: 4 }, { entries: 8192, ways: 8 }],
      caches: {
        l1i: { size: 64 * KiB, ways: 4 },
        l1d: { size: 64 * KiB, ways: 4, prefetcher: "stride" },
        l2: { size: MiB, ways: 8, prefetcher: "next-line" },
        llc: { size: 32 * MiB, ways: 16 },
        walks: "l2",
      },
      cost: { ...walked, l2Hit: 7, llcHit: 60, memory: 220 },
    },
  },
  {
    name: "cortex-a72",
    description: "Arm Cortex-A72 core",
    sources: [
      "TLBs: Arm Cortex-A72 MPCore Processor Technical Reference Manual, 5.2 TLB organization; level 1 holds pages of 4 KiB, 64 KiB and 1 MiB, so that larger ones are entered in pieces",
      "base pages of 4 and 64 KiB: the same manual, ID_AA64MMFR0_EL1",
      "caches: the same manual: 48 KiB of 3 ways, 32 KiB of 2 ways; level 2 of 16 ways, from 512 KiB to 4 MiB, of which 1 MiB is modelled; there is no level 3",
      "branch target buffer, return stack, misprediction of 15 cycles, walk caches: assumed",
      ...[GSHARE, ...ASSUMED],
    ],
    tlb: {
      itlb: [full(48, K4, K64, M1)],
      dtlb: [full(32, K4, K64, M1)],
      stlb: [{ entries: 1024, ways: 4, pageBits: [K4, K64, M2, M512, G1] }],
    },
    granules: [K4, K64],
    direction: gshare,
    targetBuffer: { entries: 2048, ways: 4 },
    returnStack: 8,
    cost: cost({ base: 0.6, mispredict: 15, stlbHit: 5, walk: 30 }),
    detail: {
      tlb: { walkCaches: [{ level: 1, entries: 64, ways: 4 }] },
      direction: gshare,
      targetBuffer: { entries: 2048, ways: 4, historyBits: 8 },
      btb: [{ entries: 64, ways: 4 }, { entries: 2048, ways: 4 }],
      caches: {
        l1i: { size: 48 * KiB, ways: 3 },
        l1d: { size: 32 * KiB, ways: 2, prefetcher: "stride" },
        l2: { size: MiB, ways: 16, prefetcher: "next-line" },
        walks: "l2",
      },
      cost: { ...walked, l2Hit: 14, memory: 180 },
    },
  },
  {
    name: "kunpeng-920",
    description: "HiSilicon Kunpeng 920 core (TaiShan v110)",
    sources: [
      "caches: 64 KiB, 64 KiB, 512 KiB, 1 MiB of the last level per core: WikiChip, TaiShan v110; ways: assumed; one core's share is modelled",
      "misprediction: LLVM's scheduling model of the TSV110, 14 cycles",
      "TLBs and base pages: not published; assumed like those of the Cortex-A72: 48 and 32 entries, level 2 of 1024 of 4 ways; 4 and 64 KiB",
      "branch target buffer, return stack, walk caches: assumed",
      ...[GSHARE, ...ASSUMED],
    ],
    tlb: {
      itlb: [full(48, K4, K64, M2)],
      dtlb: [full(32, K4, K64, M2)],
      stlb: [{ entries: 1024, ways: 4, pageBits: [K4, K64, M2, M512, G1] }],
    },
    granules: [K4, K64],
    direction: gshare,
    targetBuffer: { entries: 2048, ways: 4 },
    returnStack: 16,
    cost: cost({ base: 0.45, mispredict: 14, stlbHit: 6, walk: 30 }),
    detail: {
      tlb: { walkCaches: [{ level: 1, entries: 64, ways: 4 }] },
      direction: tage,
      targetBuffer: { entries: 2048, ways: 4, historyBits: 8 },
      btb: [{ entries: 64, ways: 4 }, { entries: 4096, ways: 4 }],
      caches: {
        l1i: { size: 64 * KiB, ways: 4 },
        l1d: { size: 64 * KiB, ways: 4, prefetcher: "stride" },
        l2: { size: 512 * KiB, ways: 8, prefetcher: "next-line" },
        llc: { size: MiB, ways: 16 },
        walks: "l2",
      },
      cost: { ...walked, l2Hit: 8, llcHit: 50, memory: 200 },
    },
  },
];
