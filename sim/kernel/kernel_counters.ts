/** Exact counts of what the kernel did. */
export interface KernelCounters {
  syscalls: number;
  /** Calls by name. */
  readonly byName: Map<string, number>;
  /** Calls that succeeded without effect, by name. */
  readonly noops: Map<string, number>;
  /** Calls with an unknown number. */
  readonly unknown: Map<number, number>;
  /** Calls that filters of seccomp(2) judged, those they refused, and their instructions. */
  filtered: number;
  refused: number;
  filterInstructions: number;
  signals: number;
  contextSwitches: number;
  processes: number;
  threads: number;
}

/** A kernel's counts before its first instruction. */
export function noCounts(): KernelCounters {
  return {
    syscalls: 0,
    byName: new Map(),
    noops: new Map(),
    unknown: new Map(),
    filtered: 0,
    refused: 0,
    filterInstructions: 0,
    signals: 0,
    contextSwitches: 0,
    processes: 0,
    threads: 0,
  };
}
