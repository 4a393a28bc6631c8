/** The options that say what the machine is: shared by every command that runs a program. */
import { isLinkerName } from "../../lib/elf/linker_name.ts";
import type { Module } from "../../lib/linker/module.ts";
import type { MachineOptions, MountOption } from "../../sim/machine.ts";
import type { Level } from "../../sim/cpu/x86_64/level.ts";
import { preset } from "../../sim/models/preset.ts";
import { type OptionSpec, UsageError, wholeNumber } from "./command.ts";

/** Values of `machineOptions`. */
export interface MachineValues {
  readonly root?: string;
  readonly linker?: string;
  readonly pipeline?: readonly (readonly [string, readonly string[]])[];
  readonly module?: readonly string[];
  readonly cpu?: string;
  readonly cpuLevel?: Level;
  readonly env?: readonly (readonly [string, string])[];
  readonly cwd?: string;
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly mount?: readonly MountOption[];
  readonly seed?: number;
  readonly maxInstructions?: number;
  readonly hugeText?: boolean;
}

function environment(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError(`--env: ${JSON.stringify(text)} is not NAME=VALUE`);
  return [text.slice(0, at), text.slice(at + 1)];
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

function model(name: string): string {
  try {
    return preset(name).name;
  } catch (error) {
    throw new UsageError(`--cpu: ${(error as Error).message}`);
  }
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
    help: "modelled core; without one only instructions are counted",
    parse: model,
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
    flags: "--max-instructions <n>",
    help: "stop after so many instructions, with exit code 124",
    parse: wholeNumber("--max-instructions", 1),
  },
  { flags: "--huge-text", help: "bring 2 MiB ranges of program text onto huge pages" },
];

/** The usual modules and those of `specs`; what they are is loaded only here. */
async function modulesFor(specs: readonly string[]): Promise<readonly Module[]> {
  return await (await import("./module_specs.ts")).modulesOf(specs);
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
    cpu: values.cpu,
    cpuLevel: values.cpuLevel,
    env: values.env && Object.fromEntries(values.env),
    cwd: values.cwd,
    uid: values.user?.uid,
    gid: values.user?.gid,
    mounts: values.mount,
    seed: values.seed,
    maxInstructions: values.maxInstructions,
    hugeText: values.hugeText,
  };
}
