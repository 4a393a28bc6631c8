/** The modular dynamic linker: phases, modules, mediated resolution. See `Linker`. */
export { LinkCounters } from "./counters.ts";
export {
  type ImageExtent,
  imageExtent,
  pageDown,
  pageUp,
  protectionOf,
  type SegmentPages,
  segmentPages,
} from "./layout.ts";
export type { HostService, LinkContext, StateKey } from "./link_context.ts";
export { type Failure, LinkError } from "./link_error.ts";
export type { LinkObject } from "./link_object.ts";
export { Linker, type LinkerOptions, type LinkResult } from "./linker.ts";
export {
  exclusive,
  type Module,
  type Pass,
  type PipelineView,
  type PrecedingModule,
  type ProcessorFeature,
  type Registration,
  type Strength,
  strong,
  weak,
} from "./module.ts";
export type { Attempt, Binding, LinkObserver } from "./observer.ts";
export { parseFile } from "./parsed_files.ts";
export { type Phase, PHASES, type Stage } from "./phase.ts";
export { Plan, type PlanEntry } from "./plan.ts";
export type {
  Definition,
  Found,
  Resolver,
  Searcher,
  SymbolLookup,
  SymbolReference,
  SymbolSearch,
  SymbolUse,
} from "./resolve.ts";
export { syscallName } from "./syscall_names.ts";
export * from "./target.ts";
