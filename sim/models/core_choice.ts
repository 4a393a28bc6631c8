/** Which models a machine gets for the cores it is asked to model, and how each is executed. */
import type { Arch } from "../arch.ts";
import { canFilter, CompiledCore } from "./compiled_core.ts";
import {
  type DirectionPredictor,
  type DirectionShape,
  namedDirections,
  WasmPredictor,
} from "./direction.ts";
import {
  detailed,
  hasInlinedBranches,
  hasInlinedTlb,
  type Preset,
  preset,
  withGranule,
} from "./preset.ts";
import type { SiteKeeper } from "./site_memory.ts";

/**
 * What predicts conditional branches in the place of the preset's predictor: one by name
 * (`namedDirections`) or by shape, one of one's own, made anew for each machine, or a WebAssembly module
 * (`WasmPredictor`).
 */
export type PredictorChoice =
  | string
  | DirectionShape
  | (() => DirectionPredictor)
  | WebAssembly.Module;

export interface CoreOptions {
  readonly detail?: boolean;
  readonly predictor?: PredictorChoice;
  /** Whether something else reads accesses, so that to inline models does not pay. */
  readonly observed?: boolean;
  /** log2 of the bytes of the machine's base pages; default 12. */
  readonly granule?: number;
  /** Is told where events happen. */
  readonly keeper?: SiteKeeper;
}

/** A core as it is executed. */
export interface ModelledCore {
  readonly preset: Preset;
  /** What of it generated code holds. */
  readonly inlined: { readonly preset: Preset; readonly branches: boolean } | null;
  /** What of it reads the event stream. */
  readonly streamed: CompiledCore | null;
  /** What is told where events of the inlined models happen. */
  readonly sites: SiteKeeper | null;
}

/** The model of a core that is the machine's first. */
export function modelledCore(
  core: Preset | string,
  arch: Arch,
  { detail, predictor, granule, keeper, observed }: CoreOptions = {},
): ModelledCore {
  const { shape, own } = chosenPredictor(predictor);
  const found = presetOf(core, detail, granule);
  const used = shape === undefined ? found : { ...found, direction: shape };
  const caches = used.caches !== undefined;
  const fits = hasInlinedTlb(used.tlb) && !observed;
  const inlinedBranches = fits && hasInlinedBranches(used) && own === undefined;
  // Beside caches all is inlined or nothing; and where events happen is told by one of both.
  const filtered = caches && inlinedBranches && canFilter(used) && keeper === undefined;
  const inlinedTlb = caches ? filtered : fits && (inlinedBranches || keeper === undefined);
  const inlinesBranches = inlinedTlb && inlinedBranches;
  const parts = { tlb: !inlinedTlb, branches: !inlinesBranches, caches, filtered };
  const streams = parts.tlb || parts.branches || caches;
  return {
    preset: used,
    inlined: inlinedTlb ? { preset: used, branches: inlinesBranches } : null,
    streamed: streams ? new CompiledCore(used, arch, parts, own, keeper) : null,
    sites: streams ? null : keeper ?? null,
  };
}

/** No core, but a keeper of what the program executes. */
export function observingCore(arch: Arch, keeper: SiteKeeper): CompiledCore {
  const parts = { tlb: false, branches: false, caches: false };
  return new CompiledCore(preset("reference"), arch, parts, undefined, keeper);
}

/** The model of a core that is evaluated beside the machine's first. */
export function besideCore(
  core: Preset | string,
  arch: Arch,
  detail?: boolean,
  granule?: number,
): CompiledCore {
  const used = presetOf(core, detail, granule);
  const parts = { tlb: true, branches: true, caches: used.caches !== undefined };
  return new CompiledCore(used, arch, parts);
}

function presetOf(core: Preset | string, detail = false, granule = 12): Preset {
  const found = typeof core === "string" ? preset(core) : core;
  return withGranule(detail ? detailed(found) : found, granule);
}

function chosenPredictor(
  predictor: PredictorChoice | undefined,
): { readonly shape?: DirectionShape; readonly own?: DirectionPredictor } {
  if (predictor === undefined) return {};
  if (typeof predictor === "function") return { own: predictor() };
  if (predictor instanceof WebAssembly.Module) return { own: new WasmPredictor(predictor) };
  if (typeof predictor === "object") return { shape: predictor };
  const shape = namedDirections[predictor];
  if (shape === undefined) {
    throw new RangeError(
      `no predictor ${JSON.stringify(predictor)}; there are ${
        Object.keys(namedDirections).join(", ")
      }`,
    );
  }
  return { shape };
}
