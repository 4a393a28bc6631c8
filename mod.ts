/**
 * Isthmus: a modular dynamic linker for Linux ELF programs, and a simulated computer to run and
 * measure them on. Importing this file gives the scripting interface and loads no third-party code;
 * running it is the command line.
 *
 * @module
 */

// The machine.
export type { CoreResult, Result } from "./sim/machine/result.ts";
export { Machine } from "./sim/machine.ts";
export { MachineError } from "./sim/machine/error.ts";
export type { MachineOptions, MountOption } from "./sim/machine/options.ts";
export type { Arch } from "./sim/arch.ts";
export type { SyscallHook, SyscallHooks } from "./sim/kernel/dispatch.ts";
export { BytesInput, CapturedOutput, type StandardStreams } from "./sim/kernel/fs/streams.ts";
export type { Seat } from "./sim/kernel/fs/tty/seat.ts";
export { type CostModel, type Preset, preset, presets } from "./sim/models/preset.ts";
export { parsePreset, PresetError } from "./sim/models/preset_schema.ts";
export type { PredictorChoice } from "./sim/models/core_choice.ts";
export type { DirectionPredictor, DirectionShape } from "./sim/models/direction.ts";
export type { EventReader } from "./sim/cpu/event_buffer.ts";
export { StreamModel } from "./sim/models/stream_model.ts";
export { type MissCurve, type MissCurvesOptions, missesAt } from "./sim/models/miss_curves.ts";
export type { AttributionReport } from "./sim/study/attribution.ts";
export { foldedStacks, pprof, speedscope } from "./sim/study/profile_formats.ts";
export type { BranchKind, TraceSink } from "./sim/trace.ts";
export { type Roi, RoiError, type RoiPoint } from "./sim/roi.ts";
export type { FunctionName } from "./sim/symbol_places.ts";
export { type CodeFilter, CodeTrace, type CodeTraceOptions } from "./sim/debug/code_trace.ts";
export type { GdbAddress } from "./sim/debug/gdb_listener.ts";

// Studies.
export { compare, type CompareOptions, type Comparison } from "./sim/study/compare.ts";
export type { Manifest } from "./sim/study/manifest.ts";
export { measure, type Measurement, type MeasureOptions, StudyError } from "./sim/study/measure.ts";
export { report } from "./sim/study/report.ts";
export { type Sweep, sweep, type SweepOptions } from "./sim/study/sweep.ts";
export type { Study, StudyProgram } from "./scripts/sweep/study.ts";

// The linker and its modules.
export {
  type Attempt,
  type Binding,
  type Definition,
  exclusive,
  type Found,
  type GuestFile,
  type LinkContext,
  LinkError,
  type LinkObject,
  type LinkObserver,
  type Module,
  type Pass,
  type Phase,
  type PipelineView,
  type Registration,
  type Resolver,
  type Searcher,
  strong,
  type SymbolLookup,
  type SymbolSearch,
  type SymbolUse,
  weak,
} from "./lib/linker/mod.ts";
export { ElfBuilder, ElfError, ElfFile } from "./lib/elf/mod.ts";
export {
  abiTypes,
  type AbiTypesOptions,
  audit,
  type AuditedBinding,
  type Auditor,
  type BindingStore,
  compartments,
  type CompartmentsOptions,
  generateKeys,
  gnuOnMusl,
  ifed,
  javascript,
  type JavascriptOptions,
  layoutRandomisation,
  type LayoutRandomisationOptions,
  linux,
  type LinuxOptions,
  lookupCache,
  packedRelocations,
  type PackedRelocationsOptions,
  packElf,
  type PackOptions,
  packRelocations,
  preload,
  type Profile,
  proofs,
  type ProofsOptions,
  reorder,
  type ReorderOptions,
  type Rerandomisation,
  rerandomisation,
  type RerandomisationOptions,
  seccomp,
  type SeccompOptions,
  signatures,
  type SignaturesOptions,
  signElf,
  sip,
  type SipOptions,
  stableLinking,
  type StableLinkingOptions,
  unpack,
  type UnpackOptions,
  wasm,
  type WasmOptions,
  withProof,
  wrapJavascript,
  type WrapJavascriptOptions,
  wrapWasm,
  type WrapWasmOptions,
} from "./modules/mod.ts";

if (import.meta.main) {
  // A computed specifier: Deno loads a constant one, and the package behind it, for libraries too. Not
  // awaited here: a user's module that imports this file would wait for what waits for it.
  import(new URL("./scripts/cli/main.ts", import.meta.url).href)
    .then(async ({ main }) => Deno.exit(await main(Deno.args)));
}
