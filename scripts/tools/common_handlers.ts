/**
 * Writes `sim/cpu/common/`: the cold tier's handlers of common instructions, made ahead. What is
 * common is listed in `common_instructions/` (see `common_instructions.ts`).
 */
import { parseArgs } from "node:util";
import type { Arch } from "../../sim/arch.ts";
import {
  BUILT_PAGES,
  type CommonFile,
  helperName,
  packInfo,
  runtimeName,
  sourceHash,
} from "../../sim/cpu/common_handlers.ts";
import {
  calledByHelper,
  exportFlags,
  exportHelper,
  handlerKey,
  handlerModule,
  handlerOf,
  helpersOf,
  lowerHelper,
  resultsOf,
  withFlagKind,
} from "../../sim/cpu/handlers.ts";
import { instrumentationOf } from "../../sim/cpu/instrumentation.ts";
import { Decoded, type Isa } from "../../sim/cpu/ir/decoded.ts";
import type { Helper } from "../../sim/cpu/ir/types.ts";
import * as L from "../../sim/cpu/layout.ts";
import type { Linker } from "../../sim/cpu/wasm/cold.ts";
import type { Instrumentation } from "../../sim/cpu/wasm/events.ts";
import { ModuleBuilder } from "../../sim/cpu/wasm/module.ts";
import { FIRST_SLOT, runtimeModule } from "../../sim/cpu/wasm/runtime.ts";
import { Hierarchy } from "../../sim/models/hierarchy.ts";
import { isInlined, presets } from "../../sim/models/preset.ts";
import { importsOf } from "../imports.ts";

const help =
  `Writes sim/cpu/common/, the handlers of common instructions, from the sources as they are.

usage: deno task handlers [options]

  --check    write nothing; exit code 1 if what is there was made from other sources
  --help     this text

example: are they up to date?
  deno task handlers --check
`;

export const architectures: readonly Arch[] = ["x86_64", "aarch64"];

const cpu = new URL("../../sim/cpu/", import.meta.url);

/** Where the list of an architecture's common instructions is. */
export function listOf(arch: Arch): URL {
  return new URL(`./common_instructions/${arch}.txt`, import.meta.url);
}

/** An architecture's instruction set. */
export async function isaOf(arch: Arch): Promise<Isa> {
  return arch === "x86_64"
    ? (await import("../../sim/cpu/x86_64/isa.ts")).x86_64
    : (await import("../../sim/cpu/aarch64/isa.ts")).aarch64;
}

/**
 * Handler keys of listed instructions: the bytes in hexadecimal, then, for a handler made for a kind
 * of the lazy flags, a colon and the kind's name.
 */
export function keysOf(isa: Isa, list: string): number[] {
  const d = new Decoded();
  const keys = new Set<number>();
  for (const entry of list.split(/\s+/).filter((text) => text !== "")) {
    const [hex, kindName] = entry.split(":");
    const bytes = new Uint8Array(16);
    bytes.set(Uint8Array.fromHex(hex));
    isa.decode(bytes, 0, 15, 0x10000, d);
    const key = handlerKey(d.row, d.statics, d.flow);
    const kind = kindName === undefined ? -1 : isa.flags.kinds.indexOf(kindName);
    if (kindName !== undefined && kind < 0) throw new RangeError(`${entry}: no such flag kind`);
    keys.add(withFlagKind(key, kind));
  }
  return [...keys];
}

/** What the models of all presets ask of generated code for an architecture. */
export function instrumentations(arch: Arch): Instrumentation[] {
  const state = new WebAssembly.Memory({ initial: L.LINK_HEAT / 65536 });
  const made = presets.filter(isInlined).map((preset) => {
    const hierarchy = new Hierarchy(preset.tlb, state, L.STAMPS, () => {});
    return instrumentationOf(preset, arch, hierarchy, { branches: true, sites: false });
  });
  return [...new Map(made.map((models) => [runtimeName(models), models])).values()];
}

/** A linker of a new module that imports helpers by their names. */
function linkerOf(instrumentation: Instrumentation | null): Linker {
  const builder = new ModuleBuilder(BUILT_PAGES);
  return {
    builder,
    instrumentation,
    stream: null,
    helper: (h) => builder.import(helperName(h.name), h.params, resultsOf(h)),
  };
}

/** Helpers by name. */
class HelperNames {
  readonly #known = new Map<string, Helper>();
  /** Helpers that run on the host, with the key of a handler that calls them. */
  readonly host: Record<string, number> = {};
  /** Helpers in IR. */
  readonly inner: Helper[] = [];

  /** Take in what the handler for `key` calls; false if it cannot be linked by name. */
  add(isa: Isa, key: number): boolean {
    const called = helpersOf(isa, key);
    const other = called.some((h) => (this.#known.get(h.name) ?? h) !== h);
    // Helpers are one module: they cannot import each other.
    const nested = called.some((h) =>
      h.build !== undefined && calledByHelper(h).some((i) => i.build)
    );
    if (other || nested || new Set(called.map((h) => h.name)).size < called.length) return false;
    for (const helper of called) {
      if (this.#known.has(helper.name)) continue;
      this.#known.set(helper.name, helper);
      if (helper.build === undefined) this.host[helper.name] = key;
      else this.inner.push(helper);
    }
    return true;
  }
}

/**
 * The handlers for `keys`, but those whose helpers cannot be linked: these are made on demand. They
 * depend on there being models or not, not on which: the runtime modules are for all `variants`.
 */
export function buildCommon(
  isa: Isa,
  keys: readonly number[],
  variants: readonly (Instrumentation | null)[],
): Omit<CommonFile, "sources" | "hash"> {
  const [instrumentation] = variants;
  const names = new HelperNames();
  const used = keys.filter((key) => names.add(isa, key)).sort((a, b) => a - b);
  const linker = linkerOf(instrumentation);
  const handlers = used.map((key) => handlerOf(isa, linker, key));
  const functions = linkerOf(instrumentation);
  // All lowered before any is added: imports come first.
  const lowered = names.inner.map((helper) => lowerHelper(functions, helper));
  exportFlags(functions.builder, isa, functions);
  names.inner.forEach((helper, i) =>
    exportHelper(functions.builder, helperName(helper.name), helper, lowered[i])
  );
  const info = handlers.map(({ accesses, readsFlags, kindSet, updates }) =>
    packInfo({ ...accesses, readsFlags, kindSet, updates })
  );
  return {
    keys: base64(new Float64Array(used)),
    info: base64(new Uint32Array(info)),
    hostHelpers: names.host,
    functions: functions.builder.build().toBase64(),
    handlers: handlerModule(linker.builder, handlers, FIRST_SLOT).toBase64(),
    runtimes: Object.fromEntries(
      variants.map((v) => [runtimeName(v), runtimeModule(linkerOf(v).builder, v).toBase64()]),
    ),
  };
}

function base64(data: Float64Array | Uint32Array): string {
  return new Uint8Array(data.buffer).toBase64();
}

/** Paths from `sim/cpu` of all files below it that the handlers of an architecture depend on. */
async function sourcesOf(arch: Arch): Promise<string[]> {
  const found = new Set<string>();
  const visit = async (url: URL): Promise<void> => {
    const path = url.href.slice(cpu.href.length);
    if (!url.href.startsWith(cpu.href) || found.has(path)) return;
    found.add(path);
    for (const { specifier } of importsOf(await Deno.readTextFile(url))) {
      if (specifier.startsWith(".")) await visit(new URL(specifier, url));
    }
  };
  await visit(new URL("handlers.ts", cpu));
  await visit(new URL(`${arch}/isa.ts`, cpu));
  return [...found].sort();
}

/** The text of the file in `sim/cpu/common/` for an architecture. */
export async function commonFile(arch: Arch, models: boolean): Promise<string> {
  const isa = await isaOf(arch);
  const keys = keysOf(isa, await Deno.readTextFile(listOf(arch)));
  const sources = await sourcesOf(arch);
  const hash = sourceHash(sources.map((path) => Deno.readFileSync(new URL(path, cpu))));
  const file: CommonFile = {
    sources,
    hash,
    ...buildCommon(isa, keys, models ? instrumentations(arch) : [null]),
  };
  const { keys: packedKeys, info, functions, handlers, hostHelpers, runtimes } = file;
  const texts = Object.entries({ keys: packedKeys, info, functions, handlers });
  const packedRuntimes = Object.entries(runtimes);
  return `/** Handlers of common ${arch} instructions ${
    models ? "with" : "without"
  } models, made by ` +
    `\`deno task handlers\`. Generated; do not edit. */
import type { CommonFile } from "../common_handlers.ts";

export const file: CommonFile = {
  sources: [
${sources.map((path) => `    "${path}",\n`).join("")}  ],
  hash: ${hash},
  hostHelpers: {
${Object.entries(hostHelpers).map(([name, key]) => `    "${name}": ${key},\n`).join("")}  },
${texts.map(([name, text]) => `  ${name}:\n    "${text}",\n`).join("")}  runtimes: {
${packedRuntimes.map(([name, text]) => `    "${name}":\n      "${text}",\n`).join("")}  },
};
`;
}

/** Write the files, or with `check` compare; answers those that were made from other sources. */
async function update(check: boolean): Promise<string[]> {
  const stale: string[] = [];
  for (const arch of architectures) {
    for (const models of [true, false]) {
      const name = `${arch}_${models ? "models" : "plain"}.ts`;
      const url = new URL(`common/${name}`, cpu);
      const text = await commonFile(arch, models);
      if (await Deno.readTextFile(url).catch(() => "") === text) continue;
      stale.push(name);
      if (!check) await Deno.writeTextFile(url, text);
    }
  }
  return stale;
}

async function main(args: string[]): Promise<number> {
  let values;
  try {
    values = parseArgs({
      args,
      options: { check: { type: "boolean" }, help: { type: "boolean" } },
    }).values;
  } catch (error) {
    console.error(`handlers: ${(error as Error).message} (--help explains)`);
    return 2;
  }
  if (values.help) {
    console.log(help.trimEnd());
    return 0;
  }
  const stale = await update(values.check === true);
  if (!values.check) {
    console.log(
      stale.length === 0 ? "handlers: up to date" : `handlers: wrote ${stale.join(", ")}`,
    );
    return 0;
  }
  if (stale.length > 0) {
    console.error(`handlers: ${stale.join(", ")} out of date: deno task handlers`);
    return 1;
  }
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
