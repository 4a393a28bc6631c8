import type { Architecture, Module } from "../../lib/linker/mod.ts";
import { runnerModule } from "../runner/module.ts";
import { type Interface, parseInterface, type Signature } from "../runner/types.ts";
import { wrap, type WrapOptions } from "../runner/wrap.ts";
import { signatureOf, WasmBinary, WasmError } from "./binary.ts";
import { COMMAND, examine, FREE, MALLOC, REACTOR, wasmEngine } from "./engine.ts";
import { WASI } from "./wasi.ts";

/** Options of `wasm`: bounds for each module. */
export interface WasmOptions {
  /** Pages of 64 KiB that a module's memory may have; default 4096, which is 256 MiB. */
  readonly pages?: number;
}

/**
 * Runs WebAssembly: loads ELF objects that carry a module, as `wrapWasm` makes them. Their memory is their own;
 * strings and bytes are copied. See docs/modules/runners.md.
 */
export function wasm({ pages = 4096 }: WasmOptions = {}): Module {
  return runnerModule(wasmEngine(pages));
}

/** What `wrapWasm` makes: a library, or with `program` a program, and what it needs. */
export interface WrapWasmOptions
  extends Pick<WrapOptions, "soname" | "needed" | "runpath" | "program" | "interp"> {
  /** Architecture of the ELF object, which the module itself does not depend on. */
  readonly arch: Architecture;
  /** What it exports and imports; default: all its functions of plain numbers. */
  readonly interface?: string;
}

/** An ELF object that carries a module. Throws if the module cannot be what the options say. */
export function wrapWasm(bytes: Uint8Array, options: WrapWasmOptions): Uint8Array {
  if (!WebAssembly.validate(bytes.slice())) throw new WasmError("not a valid WebAssembly module");
  const binary = new WasmBinary(bytes);
  const { arch, interface: text } = options;
  const types = text === undefined ? ownInterface(binary, options) : parseInterface(text);
  const carried = { kind: "wasm", interface: types, payload: bytes };
  examine(binary, carried);
  const has = (name: string) => binary.exports.some((item) => item.name === name);
  if (options.program !== undefined && !has(COMMAND) && !(has("main") && has(MALLOC))) {
    throw new WasmError(`a program exports ${COMMAND}, or main and ${MALLOC}`);
  }
  return wrap({
    ...options,
    ...carried,
    machine: arch,
    initialise: options.program === undefined && has(REACTOR),
  });
}

/** Functions that are not for other objects. */
const CONVENTIONAL = [MALLOC, FREE, REACTOR, COMMAND];

/** The interface that a module's own types tell. */
function ownInterface(binary: WasmBinary, { program }: WrapWasmOptions): Interface {
  const exports = new Map<string, Signature>();
  const imports = new Map<string, Signature>();
  for (const { name, type } of binary.exports) {
    if (type === undefined || CONVENTIONAL.includes(name)) continue;
    if (program !== undefined && name === "main") continue;
    const signature = signatureOf(type);
    if (signature !== undefined) exports.set(name, signature);
  }
  for (const { module, name, type } of binary.imports) {
    if (type === undefined || module === WASI) continue;
    const signature = signatureOf(type);
    if (signature === undefined) {
      throw new WasmError(`${name} is imported with types that do not cross to C`);
    }
    imports.set(name, signature);
  }
  return { exports, imports };
}
