/**
 * Cold-tier handlers of common instructions, made ahead: a program's start needs hundreds of them,
 * and lowering and compiling them one batch after the other would take most of its time.
 *
 * They are files in `common/`, one per architecture with models and one without, written by
 * `scripts/tools/common_handlers.ts`. A file that was made from other sources than those that run is
 * never used: everything still works, only slower to start.
 */
import type { Arch } from "../arch.ts";
import type { Instrumentation } from "./wasm/events.ts";

/** What a file in `common/` holds; binary data is base64. */
export interface CommonFile {
  /** Source files that the handlers depend on, relative to this one, and `sourceHash` of them. */
  readonly sources: readonly string[];
  readonly hash: number;
  /** Keys of the handlers, ascending, in slot order (f64), and `packInfo` of each (u32). */
  readonly keys: string;
  readonly info: string;
  /** Helpers that run on the host: their names, each with the key of a handler that calls it. */
  readonly hostHelpers: Readonly<Record<string, number>>;
  /**
   * WebAssembly modules: the flag functions and the helpers, exported; the handlers, which fill slots
   * from `FIRST_SLOT` on. Helpers go by `helperName`.
   */
  readonly functions: string;
  readonly handlers: string;
  /** Runtime modules by `runtimeName`, for the models of all presets. */
  readonly runtimes: Readonly<Record<string, string>>;
}

/** Ready to be instantiated. */
export interface CommonHandlers {
  readonly keys: Float64Array;
  readonly info: Uint32Array;
  readonly hostHelpers: Readonly<Record<string, number>>;
  readonly functions: Uint8Array<ArrayBuffer>;
  readonly handlers: Uint8Array<ArrayBuffer>;
  /** The runtime module for some instrumentation, if it was made. */
  runtime(instrumentation: Instrumentation | null): Uint8Array<ArrayBuffer> | undefined;
}

/** Name under which the modules import and export a helper. */
export function helperName(helper: string): string {
  return `common_${helper}`;
}

/** Name of the runtime module for some instrumentation. */
export function runtimeName(models: Instrumentation | null): string {
  if (models === null) return "plain";
  const { historyBits, pcShift, targets: { sets, ways }, returnStack, sites, tlbs } = models;
  const shapes = [...tlbs?.instructions ?? [], ...tlbs?.data ?? []]
    .map((tlb) => `${tlb.address.toString(16)}.${tlb.sets}.${tlb.ways}`);
  const parts = [historyBits, pcShift, sets, ways, returnStack, ...shapes];
  return parts.join("_") + (sites ? "_sites" : "");
}

/** Properties of a handler as block building needs them. */
export interface HandlerProperties {
  /** Loads and stores that happen on every execution, at most 255 each. */
  readonly loads: number;
  readonly stores: number;
  /** Whether it reads the lazy flags; the kind it leaves: -1 untouched, -2 not the same on all paths. */
  readonly readsFlags: boolean;
  readonly kindSet: number;
  /** Whether it stores where it loads. */
  readonly updates: boolean;
}

/** The properties in 32 bits. */
export function packInfo(p: HandlerProperties): number {
  return p.loads | (p.stores << 8) | (p.readsFlags ? 1 << 16 : 0) | (p.updates ? 1 << 17 : 0) |
    ((p.kindSet + 2) << 18);
}
export function unpackInfo(info: number): HandlerProperties {
  return {
    loads: info & 0xff,
    stores: (info >>> 8) & 0xff,
    readsFlags: (info & (1 << 16)) !== 0,
    updates: (info & (1 << 17)) !== 0,
    kindSet: (info >>> 18) - 2,
  };
}

/** Hash of source files, each padded with zeros to a multiple of 4 bytes. */
export function sourceHash(files: Iterable<Uint8Array>): number {
  let hash = 0;
  for (const bytes of files) {
    const padded = new Uint8Array((bytes.length + 3) & ~3);
    padded.set(bytes);
    const words = new Uint32Array(padded.buffer);
    hash = Math.imul(hash ^ bytes.length, 0x9e3779b1);
    for (let i = 0; i < words.length; i++) {
      hash = Math.imul(((hash << 5) | (hash >>> 27)) ^ words[i], 0x9e3779b1);
    }
  }
  return hash >>> 0;
}

/** Pages that the modules' import of the memory says, until `declarePages`. */
export const BUILT_PAGES = 65536;

/** Let a module built for `BUILT_PAGES` import a memory of `pages` 64 KiB pages: 2^14 to 2^20. */
export function declarePages(module: Uint8Array, pages: number): void {
  // The memory is the first import, so the limits are the first bytes that look like them.
  let at = 8;
  while (!IMPORT.every((byte, i) => module[at + i] === byte)) at++;
  for (const limit of [at + IMPORT.length, at + IMPORT.length + 3]) {
    module[limit] = (pages & 0x7f) | 0x80;
    module[limit + 1] = ((pages >> 7) & 0x7f) | 0x80;
    module[limit + 2] = pages >> 14;
  }
}
/** `(import "e" "m" (memory …` with a minimum and a maximum (core specification 3.0, section 5.5.5). */
const IMPORT: readonly number[] = [1, 0x65, 1, 0x6d, 2, 1];

/** Whether the handlers were made from the sources that run: those on the web do not change. */
export function isCurrent({ sources, hash }: Pick<CommonFile, "sources" | "hash">): boolean {
  const folder = new URL(".", import.meta.url);
  if (folder.protocol !== "file:") return true;
  if (Deno.permissions.querySync({ name: "read", path: folder }).state !== "granted") return true;
  try {
    return sourceHash(sources.map((path) => Deno.readFileSync(new URL(path, folder)))) === hash;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The contents of a file. */
export function unpackCommon(file: Omit<CommonFile, "sources" | "hash">): CommonHandlers {
  return {
    keys: new Float64Array(Uint8Array.fromBase64(file.keys).buffer),
    info: new Uint32Array(Uint8Array.fromBase64(file.info).buffer),
    hostHelpers: file.hostHelpers,
    functions: Uint8Array.fromBase64(file.functions),
    handlers: Uint8Array.fromBase64(file.handlers),
    runtime(instrumentation) {
      const text = file.runtimes[runtimeName(instrumentation)];
      return text === undefined ? undefined : Uint8Array.fromBase64(text);
    },
  };
}

/** The common handlers of an architecture; undefined if they are out of date. */
export async function commonHandlers(
  arch: Arch,
  models: boolean,
): Promise<CommonHandlers | undefined> {
  // A computed specifier: only the file in use is loaded.
  const url = new URL(`./common/${arch}_${models ? "models" : "plain"}.ts`, import.meta.url);
  const { file }: { file: CommonFile } = await import(url.href);
  return isCurrent(file) ? unpackCommon(file) : undefined;
}
