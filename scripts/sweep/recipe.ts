/** What a manifest says beyond the result: how the command line made the machine, so that it can be made again. */
import { resolve } from "node:path";
import type { InputStream } from "../../sim/kernel/fs/streams.ts";
import type { Roi } from "../../sim/roi.ts";
import { type Manifest, sha256 } from "../../sim/study/manifest.ts";
import { machineOptions, type MachineValues } from "../cli/machine_options.ts";
import { keyOf } from "../cli/plain_arguments.ts";
import { type Inputs, inputsOf } from "./inputs.ts";

/** Options of a run whose machine is made from the command line. */
export interface RecipeValues extends MachineValues {
  readonly roi?: Roi;
}

/** Standard input as it was read; the bytes themselves if they are few. */
export interface RecordedInput {
  readonly sha256: string;
  readonly base64?: string;
}

export interface Recipe {
  readonly values: RecipeValues;
  /** Modules, cores and predictors that are files or URLs. */
  readonly inputs: Inputs;
  /** Absent if the program read none. */
  readonly stdin?: RecordedInput;
}

/** A manifest from which `isthmus reproduce` can make the run again. */
export interface ReproducibleManifest extends Manifest {
  readonly recipe: Recipe;
}

/** Most bytes of standard input that a recipe holds. */
const KEPT_INPUT = 65536;

/** Passes an input on, and keeps what was read. */
export class RecordingInput implements InputStream {
  readonly #parts: Uint8Array[] = [];
  constructor(private readonly from: InputStream) {}

  read(into: Uint8Array): number {
    const count = this.from.read(into);
    if (count > 0) this.#parts.push(into.slice(0, count));
    return count;
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return await new Blob(this.#parts as Uint8Array<ArrayBuffer>[]).bytes();
  }
}

const KEYS = new Set([...machineOptions.map(keyOf), "roi"]);

/**
 * The manifest with the recipe of its run, which was made from `values`; others than of the machine are left out, and
 * paths of the host become absolute.
 */
export async function withRecipe(
  manifest: Manifest,
  values: RecipeValues,
  stdin: Uint8Array<ArrayBuffer> = new Uint8Array(),
): Promise<ReproducibleManifest> {
  const located = (name: string): string =>
    /^\.{1,2}\//.test(name) || /^[^:]+\.(json|[jt]s|wasm)$/.test(name) ? resolve(name) : name;
  const machine = Object.fromEntries(Object.entries(values).filter(([key]) => KEYS.has(key)));
  const kept: RecipeValues = {
    ...machine,
    root: values.root && resolve(values.root),
    mount: values.mount?.map((one) => ({ ...one, host: resolve(one.host) })),
    module: values.module?.map(located),
    pipeline: values.pipeline?.map(([name, specs]) => [name, specs.map(located)]),
    cpu: values.cpu && located(values.cpu),
    predictor: values.predictor && located(values.predictor),
    beside: values.beside?.map(located),
    // A layout of several adds to the environment, and has its own seed.
    env: Object.entries(manifest.env),
    layoutSeed: manifest.layoutSeed ?? undefined,
  };
  const base64 = stdin.length <= KEPT_INPUT ? stdin.toBase64() : undefined;
  const input = stdin.length === 0 ? undefined : { sha256: await sha256(stdin), base64 };
  // As it will be read again: without what is undefined.
  const recipe = JSON.parse(
    JSON.stringify({ values: kept, inputs: await inputsOf(values), stdin: input }),
  );
  return { ...manifest, recipe };
}
