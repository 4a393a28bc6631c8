/** Results of a machine: exact counts, what the cost model derives, how the run was executed. */
import type { Engine } from "./cpu/engine.ts";
import type { Kernel } from "./kernel/kernel.ts";
import { Domain, type Memory } from "./memory/memory.ts";
import type { CostModel } from "./models/preset.ts";

/** Numbers under flat dotted names. */
export type Counts = Readonly<Record<string, number>>;

/** The parts of a machine that count. */
export interface Counting {
  readonly kernel: Kernel;
  readonly cpu: Engine;
  readonly memory: Memory;
  /** The models of the core that are not inlined. */
  readonly models?: { report(inlined?: Counts): Counts };
  /** The modular linker's counts. */
  readonly linking: Counts;
}

/** Counts that are a maximum or a state, not a sum of events. */
const LEVELS: readonly string[] = ["frames.peak"];

/** All exact counts after `instructions` have retired; `docs/counters.md` defines them. */
export function countersOf(parts: Counting, instructions: number): Record<string, number> {
  const { kernel, cpu, memory, linking } = parts;
  const { minor, major } = memory.counters;
  cpu.sites?.settle();
  const inlined = cpu.watch?.report(instructions);
  const counters: Record<string, number> = {
    instructions,
    ...inlined,
    ...parts.models?.report(inlined),
    "faults.minor": minor[Domain.Program],
    "faults.major": major[Domain.Program],
    "kernel.faults.minor": minor[Domain.Kernel],
    "kernel.faults.major": major[Domain.Kernel],
    "linker.faults.minor": minor[Domain.Linker],
    "linker.faults.major": major[Domain.Linker],
    "frames.peak": memory.frames.peak,
    "huge.faults": memory.counters.hugeFaults,
    "syscalls": kernel.counters.syscalls,
    "syscalls.unknown": [...kernel.counters.unknown.values()].reduce((a, b) => a + b, 0),
    "syscalls.noop": [...kernel.counters.noops.values()].reduce((a, b) => a + b, 0),
    "syscalls.filtered": kernel.counters.filtered,
    "syscalls.refused": kernel.counters.refused,
    "syscalls.filter.instructions": kernel.counters.filterInstructions,
    "keys.changes": cpu.keyChanges,
    "signals": kernel.counters.signals,
    "processes": kernel.counters.processes,
    "threads": kernel.counters.threads,
    "context.switches": kernel.counters.contextSwitches,
  };
  for (const [name, count] of [...kernel.counters.byName].sort()) {
    counters[`syscalls.${name}`] = count;
  }
  return Object.assign(counters, linking);
}

/** What happened between two points of one run. */
export function difference(from: Counts, to: Counts): Record<string, number> {
  return Object.fromEntries(
    Object.entries(to).map(([name, value]) => [
      name,
      LEVELS.includes(name) ? value : value - (from[name] ?? 0),
    ]),
  );
}

/** Cycles of the linker's own work, by count: stated, not measured. */
const LINKER_COST: Counts = {
  "linker.lookups": 40,
  "linker.hash.tables": 10,
  "linker.hash.probes": 15,
  "linker.strcmp.bytes": 1,
  "linker.pages.dirtied": 1000,
};
/** Cycles of applying a relocation of any kind. */
const RELOCATION_COST = 5;

/** What the cost model makes of exact counts; empty without a modelled core. */
export function estimate(counters: Counts, cost: CostModel | undefined): Record<string, number> {
  if (cost === undefined) return {};
  const mispredicted = counters["branches.conditional.mispredicted"] +
    counters["branches.indirect.mispredicted"] + counters["returns.mispredicted"];
  const stlbHits = counters["stlb.accesses"] - counters["stlb.misses"];
  const estimated: Record<string, number> = {
    "cycles": Math.round(
      counters.instructions * cost.base + mispredicted * cost.mispredict +
        stlbHits * cost.stlbHit + counters.walks * cost.walk +
        counters["faults.minor"] * cost.minorFault +
        counters["faults.major"] * (cost.majorFault ?? 0) +
        counters.syscalls * (cost.syscall ?? 0) +
        counters["context.switches"] * (cost.contextSwitch ?? 0) +
        lastBtbMisses(counters) * (cost.btbMiss ?? 0) + cacheCycles(counters, cost),
    ),
  };
  if (counters["linker.objects"] === undefined) return estimated;
  let linker = 0;
  for (const [name, count] of Object.entries(counters)) {
    if (name.startsWith("linker.relocations.")) linker += count * RELOCATION_COST;
    else linker += count * (LINKER_COST[name] ?? 0);
  }
  estimated["linker.cycles"] = linker;
  return estimated;
}

/** Taken branches that no level of the branch target buffers held. */
function lastBtbMisses(counters: Counts): number {
  let level = 0;
  while (counters[`btb.${level + 1}.misses`] !== undefined) level++;
  return level === 0 ? 0 : counters[`btb.${level}.misses`];
}

/** Cycles of what level-1 caches miss, by who serves it. */
function cacheCycles(counters: Counts, cost: CostModel): number {
  if (counters["l1d.misses"] === undefined) return 0;
  const fromL1 = counters["l1i.misses"] + counters["l1d.misses"];
  const fromL2 = counters["l2.misses"] ?? fromL1;
  const fromLlc = counters["llc.misses"] ?? fromL2;
  // Walks that read in level 2 are in its counts, not in level 1's.
  const l2Hits = counters["l2.accesses"] === undefined ? 0 : counters["l2.accesses"] - fromL2;
  return l2Hits * (cost.l2Hit ?? 0) + (fromL2 - fromLlc) * (cost.llcHit ?? 0) +
    fromLlc * (cost.memory ?? 0);
}

/** Figures of the accelerators, which no model depends on. */
export function executionOf({ cpu }: Counting, instructions: number): Record<string, number> {
  const hot = cpu.hotRetired;
  return {
    "hot.instructions": hot,
    "hot.share": instructions === 0 ? 0 : hot / instructions,
    "cold.instructions": instructions - hot,
    ...cpu.blocks.report(),
    "functions": cpu.functions.counts.blocks,
    "functions.instructions": cpu.functions.counts.instructions,
    "regions": cpu.regions.counts.regions,
    "regions.blocks": cpu.regions.counts.blocks,
    "regions.instructions": cpu.regions.counts.instructions,
    "blocks": cpu.counts.translated,
    "modules": cpu.handlers.modules,
    "modules.bytes": cpu.handlers.bytes,
    "side.exits": cpu.sideExits,
    "entries": cpu.counts.entries,
    "load.misses": cpu.counts.loadMisses,
    "store.misses": cpu.counts.storeMisses,
    "invalidations": cpu.counts.invalidations,
  };
}
