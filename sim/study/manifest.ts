/** What a result was made from, so that it can be made again. */
import type { Machine } from "../machine.ts";
import type { MachineOptions } from "../machine/options.ts";
import type { Result } from "../machine/result.ts";
import { readMappedFile } from "../kernel/symbolize.ts";
import type { PredictorChoice } from "../models/core_choice.ts";
import { VERSION } from "../../lib/version.ts";

/** Everything that a result depends on. */
export interface Manifest {
  /** Version of Isthmus, and of Deno, on which nothing depends but the time a run takes. */
  readonly isthmus: string;
  /** Version of Deno. */
  readonly deno: string;
  /** Architecture of the program. */
  readonly arch: string;
  /** Guest path of the program. */
  readonly program: string;
  /** Its arguments, argv[0] first. */
  readonly argv: readonly string[];
  /** The whole environment that it started with. */
  readonly env: Readonly<Record<string, string>>;
  /** SHA-256 of every file that the guest mapped, by guest path. */
  readonly files: Readonly<Record<string, string>>;
  /** Name of the modelled core, null without one. */
  readonly cpu: string | null;
  /** Name of the linker of the program. */
  readonly linker: string;
  /** Names of the linker modules in order; null with the guest's own linker. */
  readonly modules: readonly string[] | null;
  /** SHA-256 of the link plan; null with the guest's own linker. */
  readonly plan: string | null;
  /** Seeds what is random to the guest. */
  readonly seed: number;
  /** Seeds where stack, program, libraries and heap lie; null for fixed places. */
  readonly layoutSeed: number | null;
  /** The remaining options of the machine that were given. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** SHA-256 of `bytes` in hexadecimal. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Hashes of the files that programs and libraries were mapped from. */
async function fileHashes(machine: Machine): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const file of machine.kernel.memory.cache.opened) {
    if (file.inMemory || file.path === undefined || file.size === 0) continue;
    hashes[file.path] = await sha256(readMappedFile(file));
  }
  return Object.fromEntries(Object.entries(hashes).sort());
}

/** What modules say that decides their work, by their names; undefined if none does. */
function settingsOf(modules: MachineOptions["modules"]): unknown {
  const given = modules?.filter(({ settings }) => settings !== undefined) ?? [];
  if (given.length === 0) return undefined;
  return Object.fromEntries(given.map(({ name, settings }) => [name, settings]));
}

/** A predictor as data, if it is. */
function nameOfPredictor(predictor: PredictorChoice): unknown {
  if (typeof predictor === "function") return predictor.name || "a predictor of its own";
  return predictor instanceof WebAssembly.Module ? "a WebAssembly module" : predictor;
}

/** The manifest of a run that is over. */
export async function manifestOf(
  machine: Machine,
  argv: readonly string[],
  result: Result,
): Promise<Manifest> {
  const { options } = machine;
  const { cwd, uid, gid, memory, pageSize, thp, hugeText } = options;
  const { hugePages2M, hugePages32M, hugePages512M, hugePages1G } = options;
  const { layout, maxInstructions, roi, linkers, detail, predictor, cores, missCurves } = options;
  const rest = {
    ...{ cwd, uid, gid, memory, pageSize, thp, hugeText },
    ...{ hugePages2M, hugePages32M, hugePages512M, hugePages1G },
    ...{ layout, maxInstructions, roi, detail, missCurves },
    preset: typeof options.cpu === "object" ? options.cpu : undefined,
    predictor: predictor && nameOfPredictor(predictor),
    cores: cores?.map((core) => typeof core === "object" ? core.name : core),
    settings: settingsOf(options.modules),
    linkers: linkers && Object.fromEntries(
      Object.entries(linkers).map(([name, modules]) => [name, modules.map(({ name }) => name)]),
    ),
  };
  return {
    isthmus: VERSION,
    deno: Deno.version.deno,
    arch: result.arch,
    program: result.program,
    argv,
    env: machine.environment,
    files: await fileHashes(machine),
    cpu: typeof options.cpu === "object" ? options.cpu.name : options.cpu ?? null,
    linker: result.link?.linker ?? "guest",
    modules: result.link?.modules ?? null,
    plan: await result.link?.plan.hash() ?? null,
    seed: options.seed ?? 1,
    layoutSeed: options.layoutSeed ?? null,
    options: Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
  };
}
