/** The options that say what the machine is: shared by every command that runs a program. */
import { isLinkerName } from "../../lib/elf/linker_name.ts";
import type { Module } from "../../lib/linker/module.ts";
import type { MachineOptions, MountOption } from "../../sim/machine/options.ts";
import type { PredictorChoice } from "../../sim/models/core_choice.ts";
import type { Preset } from "../../sim/models/preset.ts";
import type { Level } from "../../sim/cpu/x86_64/level.ts";
import { namedDirections, WasmPredictor } from "../../sim/models/direction.ts";
import { preset } from "../../sim/models/preset.ts";
import { type PageSize, pageSizes } from "../../sim/memory/granule.ts";
import type { ThpPolicy } from "../../sim/memory/memory.ts";
import { oneOf, type OptionSpec, UsageError, wholeNumber } from "./command.ts";

/** Values of `machineOptions`. */
export interface MachineValues {
  readonly root?: string;
  readonly linker?: string;
  readonly pipeline?: readonly (readonly [string, readonly string[]])[];
  readonly module?: readonly string[];
  readonly cpu?: string;
  readonly detail?: boolean;
  readonly predictor?: string;
  readonly beside?: readonly string[];
  readonly core?: readonly (readonly [string, number | string])[];
  readonly cpuLevel?: Level;
  readonly env?: readonly (readonly [string, string])[];
  readonly cwd?: string;
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly mount?: readonly MountOption[];
  readonly seed?: number;
  readonly layoutSeed?: number;
  readonly maxInstructions?: number;
  readonly pageSize?: PageSize;
  readonly thp?: ThpPolicy;
  readonly hugeText?: boolean;
}

function environment(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError(`--env: ${JSON.stringify(text)} is not NAME=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** `tlb.stlb.0.entries=512`: the path of a figure in a preset, and what it becomes. */
function figure(text: string): [string, number | string] {
  const [, path, value] = /^(\w+(?:\.\w+)*)=(.+)$/.exec(text) ?? [];
  if (path === undefined) throw new UsageError(`--core: ${JSON.stringify(text)} is not PATH=VALUE`);
  return [path, Number.isNaN(Number(value)) ? value : Number(value)];
}

function pipeline(text: string): [string, readonly string[]] {
  const at = text.indexOf("=");
  const name = text.slice(0, Math.max(0, at));
  if (!isLinkerName(name) || name === "guest" || name === "modular") {
    throw new UsageError(`--pipeline: ${JSON.stringify(text)} is not NAME=MODULES`);
  }
  return [name, text.slice(at + 1).split(" ").filter((spec) => spec !== "")];
}

function user(text: string): { uid: number; gid: number } {
  const [, uid, gid] = /^(\d+)(?::(\d+))?$/.exec(text) ?? [];
  if (uid === undefined) throw new UsageError(`--user: ${JSON.stringify(text)} is not UID[:GID]`);
  return { uid: Number(uid), gid: Number(gid ?? uid) };
}

function mount(text: string): MountOption {
  const [, host, guest, mode] = /^([^:]+):(\/[^:]*)(?::(r[ow]))?$/.exec(text) ?? [];
  if (host === undefined) {
    throw new UsageError(`--mount: ${JSON.stringify(text)} is not HOST:GUEST[:rw]`);
  }
  if (!exists(host)) throw new UsageError(`--mount: there is no ${host}`);
  return { host, guest, writable: mode === "rw" };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function folder(text: string): string {
  if (!isFolder(text)) throw new UsageError(`--root: ${text} is no folder`);
  return text;
}

/** The name of a preset, or a file that describes one. */
const model = (option: string) => (name: string): string => {
  if (/\.(json|[jt]s)$/.test(name)) return name;
  try {
    return preset(name).name;
  } catch (error) {
    throw new UsageError(`${option}: ${(error as Error).message}, or a file of JSON or a script`);
  }
};

/** The name of a predictor, or a file that has one. */
function predictor(name: string): string {
  if (/\.([jt]s|wasm)$/.test(name) || Object.hasOwn(namedDirections, name)) return name;
  const names = Object.keys(namedDirections).join(", ");
  throw new UsageError(`--predictor: ${name} is none of ${names}, nor a script or a .wasm file`);
}

function level(text: string): Level {
  const [, digit] = /^v([123])$/.exec(text) ?? [];
  if (digit === undefined) throw new UsageError(`--cpu-level: ${text} is none of v1, v2, v3`);
  return Number(digit) as Level;
}

export const machineOptions: readonly OptionSpec[] = [
  { flags: "--root <folder>", help: "what the guest sees as / (default: /)", parse: folder },
  {
    flags: "--linker <linker>",
    help:
      "guest: the program's own interpreter; modular: Isthmus's; or a name of --pipeline (default: guest without modules)",
  },
  {
    flags: "--module <module>",
    help: "add a linker module: NAME[:key=value,...], a file or a URL",
    repeated: true,
  },
  {
    flags: "--pipeline <name=modules>",
    help: "a linker for programs that ask for NAME: the usual modules and these, spaces between",
    repeated: true,
    parse: pipeline,
  },
  {
    flags: "--cpu <preset>",
    help: "modelled core, or a file that describes one; without one only instructions are counted",
    parse: model("--cpu"),
  },
  {
    flags: "--detail",
    help: "model the core in detail: caches, walk caches, branch target buffers (slower)",
  },
  {
    flags: "--predictor <predictor>",
    help: `of conditional branches: ${
      Object.keys(namedDirections).join(", ")
    }, a script or a .wasm file`,
    parse: predictor,
  },
  {
    flags: "--beside <preset>",
    help: "evaluate the same run on another core too",
    repeated: true,
    parse: model("--beside"),
  },
  {
    flags: "--core <path=value>",
    help: "another figure of the modelled core: tlb.stlb.0.entries=512, cost.walk=40",
    repeated: true,
    parse: figure,
  },
  {
    flags: "--cpu-level <v1|v2|v3>",
    help: "instructions that an x86_64 processor has and announces (default: v2)",
    parse: level,
  },
  {
    flags: "--env <name=value>",
    help: "set an environment variable",
    repeated: true,
    parse: environment,
  },
  { flags: "--cwd <path>", help: "working directory in the guest (default: /)" },
  { flags: "--user <uid[:gid]>", help: "who the program runs as (default: 1000)", parse: user },
  {
    flags: "--mount <host:guest[:rw]>",
    help: "show a host folder to the guest",
    repeated: true,
    parse: mount,
  },
  {
    flags: "--seed <n>",
    help: "seeds all that is random to the guest (default: 1)",
    parse: wholeNumber("--seed"),
  },
  {
    flags: "--layout-seed <n>",
    help: "seeds the places of stack, program, libraries and heap (default: fixed places)",
    parse: wholeNumber("--layout-seed"),
  },
  {
    flags: "--max-instructions <n>",
    help: "stop after so many instructions, with exit code 124",
    parse: wholeNumber("--max-instructions", 1),
  },
  {
    flags: "--page-size <size>",
    help: "base pages of 4k, or on aarch64 of 16k or 64k (default: 4k)",
    parse: oneOf("--page-size", pageSizes),
  },
  {
    flags: "--thp <policy>",
    help: "transparent huge pages: never, madvise or always (default: madvise)",
    parse: oneOf("--thp", ["never", "madvise", "always"]),
  },
  { flags: "--huge-text", help: "bring program text onto huge pages, as far as it fills them" },
];

/** The usual modules and those of `specs`; what they are is loaded only here. */
async function modulesFor(specs: readonly string[]): Promise<readonly Module[]> {
  return await (await import("./module_specs.ts")).modulesOf(specs);
}

/** The core called `name`, or that a file describes. */
async function core(option: string, name: string): Promise<Preset | string> {
  if (!/\.(json|[jt]s)$/.test(name)) return name;
  const { parsePreset, PresetError } = await import("../../sim/models/preset_schema.ts");
  try {
    const data = name.endsWith(".json")
      ? JSON.parse(await Deno.readTextFile(name))
      : (await import(fileUrl(name))).default;
    return parsePreset(data);
  } catch (error) {
    if (
      error instanceof PresetError || error instanceof SyntaxError ||
      error instanceof Deno.errors.NotFound || error instanceof TypeError
    ) throw new UsageError(`${option}: ${name}: ${error.message}`);
    throw error;
  }
}

/** The core of `--cpu` with the figures of `--core`. */
async function coreWith(
  name: string | undefined,
  figures: MachineValues["core"] = [],
): Promise<Preset | string | undefined> {
  if (name === undefined) {
    if (figures.length > 0) throw new UsageError("--core is for the core of --cpu");
    return undefined;
  }
  const chosen = await core("--cpu", name);
  if (figures.length === 0) return chosen;
  const changed = structuredClone(typeof chosen === "string" ? preset(chosen) : chosen);
  for (const [path, value] of figures) {
    const steps = path.split(".");
    const last = steps.pop()!;
    // deno-lint-ignore no-explicit-any -- a path is checked as it is followed
    let at: any = changed;
    for (const step of steps) at = at?.[step];
    if (typeof at !== "object" || at === null) {
      throw new UsageError(`--core: ${changed.name} has no ${path}`);
    }
    at[last] = value;
  }
  const { parsePreset, PresetError } = await import("../../sim/models/preset_schema.ts");
  try {
    return parsePreset(changed);
  } catch (error) {
    if (error instanceof PresetError) throw new UsageError(`--core: ${error.message}`);
    throw error;
  }
}

/** A predictor by name, the class that a script exports, or a WebAssembly module. */
async function predicting(
  name: string | undefined,
  cpu: string | undefined,
): Promise<PredictorChoice | undefined> {
  if (name === undefined) return undefined;
  if (cpu === undefined) throw new UsageError("--predictor is for the core of --cpu");
  if (Object.hasOwn(namedDirections, name)) return name;
  try {
    if (name.endsWith(".wasm")) {
      const module = new WebAssembly.Module(await Deno.readFile(name));
      new WasmPredictor(module);
      return module;
    }
    const { default: Predictor } = await import(fileUrl(name));
    if (typeof Predictor !== "function") {
      throw new TypeError("its default export is no class");
    }
    for (const method of ["predict", "update"]) {
      if (typeof Predictor.prototype?.[method] !== "function") {
        throw new TypeError(`its class has no method ${method}`);
      }
    }
    return () => new Predictor();
  } catch (error) {
    if (
      error instanceof TypeError || error instanceof WebAssembly.CompileError ||
      error instanceof Deno.errors.NotFound
    ) throw new UsageError(`--predictor: ${name}: ${error.message}`);
    throw error;
  }
}

function fileUrl(path: string): string {
  return new URL(path, `file://${Deno.cwd()}/`).href;
}

/** The machine that the options describe; `modules` are added to those of `--module`. */
export async function machineOf(
  values: MachineValues,
  modules: readonly string[] = [],
): Promise<MachineOptions> {
  const specs = [...values.module ?? [], ...modules];
  if (specs.length > 0 && values.linker === "guest") {
    throw new UsageError("modules are for --linker modular");
  }
  const { linker = "guest" } = values;
  const pipelines = values.pipeline ?? [];
  const names = ["guest", "modular", ...pipelines.map(([name]) => name)];
  if (!names.includes(linker)) {
    throw new UsageError(`--linker: ${JSON.stringify(linker)} is none of ${names.join(", ")}`);
  }
  const linkers: Record<string, readonly Module[]> = {};
  for (const [name, specs] of pipelines) linkers[name] = await modulesFor(specs);
  return {
    modules: specs.length === 0 ? undefined : await modulesFor(specs),
    linkers: pipelines.length === 0 ? undefined : linkers,
    root: values.root,
    linker: values.linker,
    cpu: await coreWith(values.cpu, values.core),
    detail: values.detail,
    predictor: await predicting(values.predictor, values.cpu),
    cores: values.beside &&
      await Promise.all(values.beside.map((name) => core("--beside", name))),
    cpuLevel: values.cpuLevel,
    env: values.env && Object.fromEntries(values.env),
    cwd: values.cwd,
    uid: values.user?.uid,
    gid: values.user?.gid,
    mounts: values.mount,
    seed: values.seed,
    layoutSeed: values.layoutSeed,
    maxInstructions: values.maxInstructions,
    pageSize: values.pageSize,
    thp: values.thp,
    hugeText: values.hugeText,
  };
}
