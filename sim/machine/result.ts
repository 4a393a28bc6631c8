/** What a machine's run comes to. */
import type { Plan } from "../../lib/linker/plan.ts";
import type { Arch } from "../arch.ts";
import type { MissCurve } from "../models/miss_curves.ts";
import type { AttributionReport } from "../study/attribution.ts";

/** The outcome of one run. */
export interface Result {
  /** Architecture of the program. */
  readonly arch: Arch;
  /** Guest path of the program. */
  readonly program: string;
  /** Exit code: the program's, or 128 + N after fatal signal N. */
  readonly exit: number;
  /** The fatal signal, if one ended it. */
  readonly signal?: number;
  /** Exact event counts under dotted names (`docs/counters.md`). */
  readonly counters: Readonly<Record<string, number>>;
  /** What the cost model derives. */
  readonly estimated: Readonly<Record<string, number>>;
  /** The same of the further cores (`MachineOptions.cores`), by name; what models do not count is left out. */
  readonly cores?: Readonly<Record<string, CoreResult>>;
  /** If they were asked for: misses of TLBs of every size. */
  readonly missCurves?: readonly MissCurve[];
  /** If it was asked for: where events happened. */
  readonly attribution?: AttributionReport;
  /** How the run was executed: accelerator figures that no model depends on. */
  readonly execution: Readonly<Record<string, number>>;
  /**
   * If the program was not linked by the guest's own linker: the linker's name, its modules by name, and
   * the plan, phase by module by object.
   */
  readonly link?: {
    readonly linker: string;
    readonly modules: readonly string[];
    readonly plan: Plan;
  };
}

/** What a further core counted, and its cost model derives. */
export interface CoreResult {
  /** Exact counts of the core's events, as in `Result.counters`. */
  readonly counters: Readonly<Record<string, number>>;
  /** Cycles and what else its cost model derives. */
  readonly estimated: Readonly<Record<string, number>>;
}
