/** `isthmus presets`: the modelled cores. */
import type { CacheShape } from "../../sim/models/caches.ts";
import type { DirectionShape } from "../../sim/models/direction.ts";
import {
  type CostModel,
  type Preset,
  type PresetDetail,
  presets,
} from "../../sim/models/preset.ts";
import type { TargetBufferShape } from "../../sim/models/target_buffer.ts";
import type { TlbShape } from "../../sim/models/tlb.ts";
import { type CommandSpec, jsonOption, type Parsed, printJson } from "./command.ts";

const PAGE_SIZES: Readonly<Record<number, string>> = {
  ...{ 12: "4K", 14: "16K", 16: "64K", 20: "1M", 21: "2M", 25: "32M", 29: "512M", 30: "1G" },
};

function ways(entries: number, ways: number): string {
  return ways === entries ? "fully associative" : `${ways}-way`;
}

function tlbShape(shape: TlbShape): string {
  const pages = shape.pageBits.map((bits) => PAGE_SIZES[bits] ?? `2^${bits}`).join("/");
  const { entries, replacement } = shape;
  const policy = replacement === undefined || replacement === "lru" ? "" : `, ${replacement}`;
  return `${entries} entries, ${ways(entries, shape.ways)}, ${pages}${policy}`;
}

function buffer(shape: TargetBufferShape): string {
  const history = shape.historyBits === undefined ? "" : `, ${shape.historyBits} bits of history`;
  return `${shape.entries} entries, ${ways(shape.entries, shape.ways)}${history}`;
}

function directions(shape: DirectionShape): string {
  const count = (bits: number) => (2 ** bits).toLocaleString("en-US");
  switch (shape.kind) {
    case "static":
      return `static, ${shape.rule}`;
    case "bimodal":
      return `bimodal, ${count(shape.indexBits)} two-bit counters`;
    case "gshare":
      return `gshare, ${count(shape.historyBits)} two-bit counters`;
    case "perceptron":
      return `${shape.entries} perceptrons, history of ${shape.history}`;
    case "tage": {
      const tables = `${shape.histories.length} tables of ${count(shape.tableBits)}`;
      return `TAGE, ${tables}, histories ${shape.histories.join(", ")}`;
    }
  }
}

function bytes(size: number): string {
  return size >= 2 ** 20 ? `${size / 2 ** 20} MiB` : `${size / 1024} KiB`;
}

function cache(shape: CacheShape): string {
  const more = [
    ...shape.replacement === undefined || shape.replacement === "lru" ? [] : [shape.replacement],
    ...shape.inclusive ? ["inclusive"] : [],
    ...shape.prefetcher === undefined || shape.prefetcher === "off"
      ? []
      : [`${shape.prefetcher} prefetcher`],
  ];
  return [`${bytes(shape.size)}, ${shape.ways}-way`, ...more].join(", ");
}

function cycles(cost: Partial<CostModel>): string {
  const names: Readonly<Record<keyof CostModel, string>> = {
    ...{ base: "an instruction", mispredict: "misprediction", stlbHit: "L2 TLB hit" },
    ...{ walk: "walk", minorFault: "minor fault", majorFault: "major fault" },
    ...{ syscall: "system call", contextSwitch: "context switch", btbMiss: "unknown branch" },
    ...{ l2Hit: "L2 hit", llcHit: "last-level hit", memory: "memory" },
  };
  return Object.entries(names).filter(([key]) => cost[key as keyof CostModel] !== undefined)
    .map(([key, name]) => `${name} ${cost[key as keyof CostModel]}`).join(", ");
}

type Row = readonly [string, string];

/** Rows of what a preset, or its detail, has. */
function rows(parts: PresetDetail & { readonly returnStack?: number }): Row[] {
  const { tlb = {}, direction, targetBuffer, btb, returnStack, caches, cost } = parts;
  const levels = (label: string, shapes: readonly TlbShape[] | undefined): Row[] =>
    shapes === undefined ? [] : [[label, shapes.map(tlbShape).join("; ")]];
  return [
    ...levels("L1 iTLB", tlb.itlb),
    ...levels("L1 dTLB", tlb.dtlb),
    ...levels("L2 iTLB", tlb.istlb),
    ...levels(tlb.istlb === undefined ? "L2 TLB" : "L2 dTLB", tlb.stlb),
    ...(tlb.walkCaches ?? []).map((c): Row => [
      "walk cache",
      `level ${c.level}: ${c.entries} entries, ${ways(c.entries, c.ways)}`,
    ]),
    ...tlb.asids === undefined ? [] : [["ASIDs", `${tlb.asids}`] as const],
    ...direction === undefined ? [] : [["directions", directions(direction)] as const],
    ...(btb ?? []).map((shape, i): Row => [`BTB ${i + 1}`, buffer(shape)]),
    ...targetBuffer === undefined ? [] : [["indirect targets", buffer(targetBuffer)] as const],
    ...returnStack === undefined ? [] : [["return stack", `${returnStack} entries`] as const],
    ...(["l1i", "l1d", "l2", "llc"] as const).flatMap((name): Row[] => {
      const shape = caches?.[name];
      return shape === undefined ? [] : [[name.toUpperCase(), cache(shape)]];
    }),
    ...cost === undefined ? [] : [["cycles", cycles(cost)] as const],
  ];
}

function text(preset: Preset): string {
  const { name, description, detail, sources } = preset;
  const row = ([label, value]: Row): string => `  ${label.padEnd(18)}${value}`;
  return [
    `${name}: ${description}`,
    ...rows(preset).map(row),
    ...detail === undefined ? [] : ["  in detail (--detail):", ...rows(detail).map(row)],
    ...sources.map((source, i) => row([i === 0 ? "sources" : "", source])),
  ].join("\n");
}

function run({ values }: Parsed<{ readonly json?: boolean }>): number {
  if (values.json) printJson(presets);
  else console.log(presets.map(text).join("\n\n"));
  return 0;
}

const spec: CommandSpec = {
  name: "presets",
  summary: "describe the modelled cores and where their figures come from",
  positional: [],
  options: [jsonOption],
  example: "isthmus presets",
  run,
};

export default spec;
