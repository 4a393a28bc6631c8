/** The models of a machine's run, loaded only where they are asked for. */
import type { Arch } from "../arch.ts";
import { estimate } from "../counters.ts";
import type { EventReader } from "../cpu/event_buffer.ts";
import type { ModelledCore } from "../models/core_choice.ts";
import type { CompiledCore } from "../models/compiled_core.ts";
import type { MissCurves } from "../models/miss_curves.ts";
import type { Attribution } from "../study/attribution.ts";
import { MachineError } from "./error.ts";
import type { MachineOptions } from "./options.ts";
import type { CoreResult } from "./result.ts";

/** Models of a run, as the machine's options ask for them. */
interface RunModels {
  readonly first?: ModelledCore;
  readonly beside: readonly CompiledCore[];
  readonly curves?: MissCurves;
  readonly attribution?: Attribution;
  /** All that read the event stream. */
  readonly readers: readonly EventReader[];
}

/** The models that were asked for. */
export async function modelsOf(
  options: MachineOptions,
  arch: Arch,
  granule: number,
): Promise<RunModels> {
  const { cpu, detail, predictor, cores = [], readers = [], missCurves, attribution } = options;
  if (cpu === undefined && predictor !== undefined) {
    throw new MachineError("a predictor is part of a modelled core: give a cpu");
  }
  const wanted = [cpu, missCurves, attribution].some((one) => one !== undefined && one !== false);
  if (!wanted && cores.length === 0) return { beside: [], readers };
  const { besideCore, modelledCore, observingCore } = await import("../models/core_choice.ts");
  const curves = missCurves
    ? new (await import("../models/miss_curves.ts")).MissCurves(
      missCurves === true ? {} : missCurves,
    )
    : undefined;
  const keeper = attribution
    ? new (await import("../study/attribution.ts")).Attribution()
    : undefined;
  // What the stream holds anyway is cheaper to read than to inline too.
  const observed = cores.length > 0 || readers.some(({ kinds }) => kinds.accesses) ||
    curves !== undefined;
  const first = cpu === undefined
    ? undefined
    : modelledCore(cpu, arch, { detail, predictor, granule, keeper, observed });
  const beside = cores.map((core) => besideCore(core, arch, detail, granule));
  const all: EventReader[] = [...beside, ...readers];
  if (first?.streamed) all.unshift(first.streamed);
  else if (keeper !== undefined && first === undefined) all.unshift(observingCore(arch, keeper));
  if (curves !== undefined) all.push(curves);
  return { first, beside, curves, attribution: keeper, readers: all };
}

/** Results of further cores; what no model counts is the same for all. */
export function resultsOf(
  models: readonly CompiledCore[],
  counters: Readonly<Record<string, number>>,
): Record<string, CoreResult> {
  const results: Record<string, CoreResult> = {};
  for (const model of models) {
    const own = { instructions: counters.instructions, ...model.report() };
    const estimated = estimate({ ...counters, ...own }, model.preset.cost);
    results[model.preset.name] = { counters: own, estimated };
  }
  return results;
}
