/** The linker modules, and the list that loads ordinary Linux programs. */
import type { Module } from "../lib/linker/mod.ts";
import { gnu } from "./gnu/mod.ts";
import { gnuOnMusl } from "./gnu_on_musl/mod.ts";
import { musl } from "./musl/mod.ts";
import { preload } from "./preload.ts";
import { sysv } from "./sysv/mod.ts";

export { audit, type AuditedBinding, type Auditor } from "./audit.ts";
export { abiTypes, type AbiTypesOptions } from "./abi_types/mod.ts";
export { compartments, type CompartmentsOptions } from "./compartments/mod.ts";
export { gnu } from "./gnu/mod.ts";
export { gnuOnMusl, type GnuOnMuslOptions } from "./gnu_on_musl/mod.ts";
export * as ifed from "./ifed/mod.ts";
export {
  javascript,
  type JavascriptOptions,
  wrapJavascript,
  type WrapJavascriptOptions,
} from "./javascript/mod.ts";
export { layoutRandomisation, type LayoutRandomisationOptions } from "./layout_randomisation.ts";
export { lookupCache } from "./lookup_cache.ts";
export { musl } from "./musl/mod.ts";
export {
  packedRelocations,
  type PackedRelocationsOptions,
  packRelocations,
} from "./packed_relocations/mod.ts";
export {
  type Rerandomisation,
  rerandomisation,
  type RerandomisationOptions,
} from "./rerandomisation/mod.ts";
export { type Profile, reorder, type ReorderOptions } from "./reorder/mod.ts";
export { seccomp, type SeccompOptions } from "./seccomp/mod.ts";
export { preload, type PreloadOptions } from "./preload.ts";
export { proofs, type ProofsOptions, withProof } from "./proofs/mod.ts";
export { generateKeys, signatures, type SignaturesOptions, signElf } from "./signatures/mod.ts";
export { sip, type SipOptions } from "./sip/mod.ts";
export {
  type BindingStore,
  stableLinking,
  type StableLinkingOptions,
} from "./stable_linking/mod.ts";
export { sysv } from "./sysv/mod.ts";
export {
  type CodecName,
  packElf,
  type PackOptions,
  unpack,
  unpackElf,
  type UnpackOptions,
} from "./unpack/mod.ts";
export { wasm, type WasmOptions, wrapWasm, type WrapWasmOptions } from "./wasm/mod.ts";

/** Options of `linux`: how programs of glibc are run. */
export interface LinuxOptions {
  /** What programs of glibc run on: glibc itself (default), or musl's libc.so. */
  readonly glibc?: "itself" | "musl";
  /** Bind slots of glibc's programs at their first call; default: before the program starts. */
  readonly lazy?: boolean;
}

/** The modules for ordinary programs, in the order they have to stand in. Add others after them. */
export function linux({ glibc = "itself", lazy }: LinuxOptions = {}): Module[] {
  return [preload(), sysv(), musl(), glibc === "musl" ? gnuOnMusl() : gnu({ lazy })];
}
