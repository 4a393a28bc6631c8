/** Presets of x86_64 cores. */
import type { DirectionShape } from "./direction.ts";
import type { CostModel, Preset } from "./preset.ts";
import type { TlbShape } from "./tlb.ts";

const K4 = 12;
const M2 = 21;
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

const intel: readonly Preset[] = [
  {
    name: "skylake-sp",
    description: "Intel Skylake server core",
    sources: [
      "level-1 TLBs of 4 KiB, level 2, iTLB of 2 MiB, two walkers: Intel 64 and IA-32 Architectures Optimization Reference Manual, Skylake, TLB parameters",
      "level-1 dTLB of 2 MiB and 1 GiB pages and the 1 GiB level 2: as published for client Skylake; assumed equal",
      "caches, 1.375 MiB of 11 ways per core of a last level that is not inclusive: AnandTech, The Intel Skylake-X Review (2017); one core's share is modelled",
      "branch target buffer of 4096, return stack of 16: assumed",
      "walk caches: assumed",
      ...[GSHARE, ...ASSUMED],
    ],
    tlb: {
      itlb: [{ entries: 128, ways: 8, pageBits: [K4] }, full(8, M2)],
      dtlb: [
        { entries: 64, ways: 4, pageBits: [K4] },
        { entries: 32, ways: 4, pageBits: [M2] },
        full(4, G1),
      ],
      stlb: [{ entries: 1536, ways: 12, pageBits: [K4, M2] }, {
        entries: 16,
        ways: 4,
        pageBits: [G1],
      }],
    },
    direction: gshare,
    targetBuffer: { entries: 4096, ways: 4 },
    returnStack: 16,
    cost: cost({ base: 0.5, mispredict: 16, stlbHit: 9, walk: 30 }),
    detail: {
      tlb: {
        walkCaches: [
          { level: 1, entries: 32, ways: 4 },
          { level: 2, entries: 8, ways: 8 },
          { level: 3, entries: 4, ways: 4 },
        ],
      },
      direction: tage,
      targetBuffer: { entries: 4096, ways: 4, historyBits: 10 },
      btb: [{ entries: 4096, ways: 4 }],
      caches: {
        l1i: { size: 32 * KiB, ways: 8 },
        l1d: { size: 32 * KiB, ways: 8, prefetcher: "stride" },
        l2: { size: MiB, ways: 16, prefetcher: "next-line" },
        llc: { size: 1408 * KiB, ways: 11 },
      },
      cost: { ...walked, l2Hit: 10, llcHit: 60, memory: 200 },
    },
  },
  {
    name: "icelake-sp",
    description: "Intel Ice Lake server core (Sunny Cove)",
    sources: [
      "TLBs, caches, branch target buffers and return stack: Intel 64 and IA-32 Architectures Optimization Reference Manual, Ice Lake client, and measurements collected in the jiegec/cpu notes; the server core is assumed equal but for the 1.25 MiB level 2",
      "the 16-entry level-1 dTLB of stores is not modelled: stores use that of loads",
      "level-2 TLB: 2048 shared entries; 16 ways assumed",
      "last level: 1.5 MiB of 12 ways per core; one core's share is modelled",
      "walk caches, ways of branch target buffers: assumed",
      ...[GSHARE, ...ASSUMED],
    ],
    tlb: {
      itlb: [{ entries: 128, ways: 8, pageBits: [K4] }, full(16, M2)],
      dtlb: [
        { entries: 64, ways: 4, pageBits: [K4] },
        { entries: 32, ways: 4, pageBits: [M2] },
        full(8, G1),
      ],
      stlb: [{ entries: 2048, ways: 16, pageBits: [K4, M2] }, full(16, G1)],
    },
    direction: gshare,
    targetBuffer: { entries: 4096, ways: 4 },
    returnStack: 22,
    cost: cost({ base: 0.4, mispredict: 17, stlbHit: 7, walk: 30 }),
    detail: {
      tlb: {
        walkCaches: [
          { level: 1, entries: 32, ways: 4 },
          { level: 2, entries: 8, ways: 8 },
          { level: 3, entries: 4, ways: 4 },
        ],
      },
      direction: tage,
      targetBuffer: { entries: 4096, ways: 4, historyBits: 10 },
      btb: [{ entries: 256, ways: 4 }, { entries: 5120, ways: 5 }],
      caches: {
        l1i: { size: 32 * KiB, ways: 8 },
        l1d: { size: 48 * KiB, ways: 12, prefetcher: "stride" },
        l2: { size: 1280 * KiB, ways: 20, prefetcher: "next-line" },
        llc: { size: 1536 * KiB, ways: 12 },
      },
      cost: { ...walked, l2Hit: 9, llcHit: 60, memory: 220 },
    },
  },
  {
    name: "golden-cove",
    description: "Intel Golden Cove core, as in Sapphire Rapids",
    sources: [
      "iTLB of 256 and 32 entries, 12 K branch targets: Intel 64 and IA-32 Architectures Optimization Reference Manual, Golden Cove",
      "dTLB of 96 entries, level 2 of 2048, four walkers, buffers of 128, 6144 and 12288 targets, return stack of 20: measurements collected in the jiegec/cpu notes",
      "ways of the TLBs of large pages and of level 2: assumed",
      "caches: 2 MiB level 2; last level of 1.875 MiB of 15 ways per core (Sapphire Rapids), of which one core's share is modelled",
      "misprediction: 17 cycles, assumed; walk caches: assumed",
      ...[GSHARE, ...ASSUMED],
    ],
    tlb: {
      itlb: [{ entries: 256, ways: 8, pageBits: [K4] }, { entries: 32, ways: 8, pageBits: [M2] }],
      dtlb: [
        { entries: 96, ways: 6, pageBits: [K4] },
        { entries: 32, ways: 4, pageBits: [M2] },
        full(8, G1),
      ],
      stlb: [{ entries: 2048, ways: 16, pageBits: [K4, M2] }, full(16, G1)],
    },
    direction: gshare,
    targetBuffer: { entries: 4096, ways: 4 },
    returnStack: 20,
    cost: cost({ base: 0.3, mispredict: 17, stlbHit: 7, walk: 25 }),
    detail: {
      tlb: {
        walkCaches: [
          { level: 1, entries: 32, ways: 4 },
          { level: 2, entries: 8, ways: 8 },
          { level: 3, entries: 4, ways: 4 },
        ],
      },
      direction: tage,
      targetBuffer: { entries: 4096, ways: 4, historyBits: 10 },
      btb: [{ entries: 128, ways: 4 }, { entries: 6144, ways: 6 }, { entries: 12288, ways: 6 }],
      caches: {
        l1i: { size: 32 * KiB, ways: 8 },
        l1d: { size: 48 * KiB, ways: 12, prefetcher: "stride" },
        l2: { size: 2 * MiB, ways: 16, prefetcher: "next-line" },
        llc: { size: 1920 * KiB, ways: 15 },
      },
      cost: { ...walked, l2Hit: 10, llcHit: 60, memory: 230 },
    },
  },
];

const amd: readonly Preset[] = [
  {
    name: "zen2",
    description: "AMD Zen 2 core",
    sources: [
      "TLBs, branch target buffers of 16, 512 and 7168, indirect targets of 1024, return stack of 31: AMD Software Optimization Guide for the AMD Family 17h Models 30h and Greater Processors",
      "level-2 dTLB: 2048 entries; 16 ways assumed; its entries of upper levels are modelled as walk caches beside it",
      "direction predictor: hashed perceptron and TAGE (AnandTech, AMD Zen 2 Microarchitecture Analysis, 2019); here gshare of 2^14 counters, in detail TAGE of 7 tables: sizes assumed",
      "caches: 32 KiB, 32 KiB, 512 KiB inclusive; last level of 16 MiB of 16 ways per core complex, modelled as not inclusive, though it holds victims",
      ...["ways of branch target buffers: assumed", ...ASSUMED],
    ],
    tlb: {
      itlb: [full(64, K4, M2, G1)],
      dtlb: [full(64, K4, M2, G1)],
      istlb: [{ entries: 512, ways: 8, pageBits: [K4, M2] }],
      stlb: [{ entries: 2048, ways: 16, pageBits: [K4, M2] }],
    },
    direction: gshare,
    targetBuffer: { entries: 1024, ways: 4 },
    returnStack: 31,
    cost: cost({ base: 0.45, mispredict: 16, stlbHit: 7, walk: 30 }),
    detail: {
      tlb: { walkCaches: [{ level: 1, entries: 64, ways: 8 }, { level: 2, entries: 64, ways: 8 }] },
      direction: tage,
      targetBuffer: { entries: 1024, ways: 4, historyBits: 10 },
      btb: [{ entries: 16, ways: 16 }, { entries: 512, ways: 4 }, { entries: 7168, ways: 7 }],
      caches: {
        l1i: { size: 32 * KiB, ways: 8 },
        l1d: { size: 32 * KiB, ways: 8, prefetcher: "stride" },
        l2: { size: 512 * KiB, ways: 8, inclusive: true, prefetcher: "next-line" },
        llc: { size: 16 * MiB, ways: 16 },
      },
      cost: { ...walked, l2Hit: 8, llcHit: 35, memory: 200 },
    },
  },
  {
    name: "zen3",
    description: "AMD Zen 3 core",
    sources: [
      "TLBs, branch target buffers of 1024 and 6656, indirect targets of 1536, return stack of 32, misprediction: AMD Software Optimization Guide for the AMD Family 19h Processors",
      "level-2 dTLB: 2048 entries; 16 ways assumed",
      "direction predictor: TAGE in detail, gshare of 2^14 counters else: sizes assumed",
      "caches: 32 KiB, 32 KiB, 512 KiB inclusive at 12 cycles; last level of 32 MiB of 16 ways at 46 cycles, modelled as not inclusive, though it holds victims",
      ...["walk caches and ways of branch target buffers: assumed", ...ASSUMED],
    ],
    tlb: {
      itlb: [full(64, K4, M2, G1)],
      dtlb: [full(64, K4, M2, G1)],
      istlb: [{ entries: 512, ways: 8, pageBits: [K4, M2] }],
      stlb: [{ entries: 2048, ways: 16, pageBits: [K4, M2] }],
    },
    direction: gshare,
    targetBuffer: { entries: 1536, ways: 4 },
    returnStack: 32,
    cost: cost({ base: 0.4, mispredict: 13, stlbHit: 7, walk: 30 }),
    detail: {
      tlb: { walkCaches: [{ level: 1, entries: 64, ways: 8 }, { level: 2, entries: 64, ways: 8 }] },
      direction: tage,
      targetBuffer: { entries: 1536, ways: 4, historyBits: 10 },
      btb: [{ entries: 1024, ways: 4 }, { entries: 6656, ways: 13 }],
      caches: {
        l1i: { size: 32 * KiB, ways: 8 },
        l1d: { size: 32 * KiB, ways: 8, prefetcher: "stride" },
        l2: { size: 512 * KiB, ways: 8, inclusive: true, prefetcher: "next-line" },
        llc: { size: 32 * MiB, ways: 16 },
      },
      cost: { ...walked, l2Hit: 8, llcHit: 42, memory: 200 },
    },
  },
  {
    name: "zen4",
    description: "AMD Zen 4 core",
    sources: [
      "TLBs, branch target buffers of 1536 and 7680, indirect targets of 3072, return stack of 32: AMD Software Optimization Guide for the AMD Zen4 Microarchitecture",
      "level-2 dTLB: 3072 entries; 12 ways assumed",
      "direction predictor: TAGE in detail, gshare of 2^14 counters else: sizes assumed",
      "caches: 32 KiB, 32 KiB, 1 MiB inclusive at 14 cycles; last level of 32 MiB of 16 ways at 50 cycles, modelled as not inclusive, though it holds victims",
      ...["walk caches and ways of branch target buffers: assumed", ...ASSUMED],
    ],
    tlb: {
      itlb: [full(64, K4, M2, G1)],
      dtlb: [full(72, K4, M2, G1)],
      istlb: [{ entries: 512, ways: 8, pageBits: [K4, M2] }],
      stlb: [{ entries: 3072, ways: 12, pageBits: [K4, M2] }],
    },
    direction: gshare,
    targetBuffer: { entries: 3072, ways: 4 },
    returnStack: 32,
    cost: cost({ base: 0.35, mispredict: 13, stlbHit: 7, walk: 30 }),
    detail: {
      tlb: { walkCaches: [{ level: 1, entries: 64, ways: 8 }, { level: 2, entries: 64, ways: 8 }] },
      direction: tage,
      targetBuffer: { entries: 3072, ways: 4, historyBits: 10 },
      btb: [{ entries: 1536, ways: 4 }, { entries: 7680, ways: 15 }],
      caches: {
        l1i: { size: 32 * KiB, ways: 8 },
        l1d: { size: 32 * KiB, ways: 8, prefetcher: "stride" },
        l2: { size: MiB, ways: 8, inclusive: true, prefetcher: "next-line" },
        llc: { size: 32 * MiB, ways: 16 },
      },
      cost: { ...walked, l2Hit: 10, llcHit: 46, memory: 220 },
    },
  },
];

export const x86Presets: readonly Preset[] = [...intel, ...amd];
