/** What a manifest says beyond the result: how the command line made the machine, so that it can be made again. */
import { resolve } from "node:path";
import type { Manifest } from "../../sim/study/manifest.ts";
import type { Roi } from "../../sim/roi.ts";
import type { MachineValues } from "../cli/machine_options.ts";
import { type Inputs, inputsOf } from "./inputs.ts";

/** Options of a run whose machine is made from the command line. */
export interface RecipeValues extends MachineValues {
  readonly roi?: Roi;
}

export interface Recipe {
  readonly values: RecipeValues;
  /** Modules, cores and predictors that are files or URLs. */
  readonly inputs: Inputs;
  /** Standard input as text; absent if it was empty. */
  readonly stdin?: string;
}

/** A manifest from which `isthmus reproduce` can make the run again. */
export interface ReproducibleManifest extends Manifest {
  readonly recipe: Recipe;
}

/** The manifest with the recipe of its run. Paths of the host become absolute ones. */
export async function withRecipe(
  manifest: Manifest,
  { values, stdin }: Omit<Recipe, "inputs">,
): Promise<ReproducibleManifest> {
  const located = (name: string): string =>
    /^\.{1,2}\//.test(name) || /^[^:]+\.(json|[jt]s|wasm)$/.test(name) ? resolve(name) : name;
  const kept: RecipeValues = {
    ...values,
    root: values.root && resolve(values.root),
    mount: values.mount?.map((one) => ({ ...one, host: resolve(one.host) })),
    module: values.module?.map(located),
    pipeline: values.pipeline?.map(([name, specs]) => [name, specs.map(located)]),
    cpu: values.cpu && located(values.cpu),
    predictor: values.predictor && located(values.predictor),
    beside: values.beside?.map(located),
  };
  const recipe = { values: kept, inputs: await inputsOf(values), stdin };
  return { ...manifest, recipe: JSON.parse(JSON.stringify(recipe)) };
}
