/** Files of the host, and URLs, that a machine's options name: what is in them decides its results. */
import { resolve } from "node:path";
import { sha256 } from "../../sim/study/manifest.ts";
import { UsageError } from "../cli/command.ts";
import type { MachineValues } from "../cli/machine_options.ts";

/** SHA-256 by path or URL. */
export type Inputs = Readonly<Record<string, string>>;

/** Paths and URLs of modules, cores and predictors that are files. */
function namesOf(values: MachineValues): string[] {
  const specs = [...values.module ?? [], ...(values.pipeline ?? []).flatMap(([, list]) => list)];
  const modules = specs.map((spec) => /^(.*?\.[cm]?[jt]s)(?:[?:].*)?$/.exec(spec)?.[1] ?? "");
  const models = [values.cpu, values.predictor, ...values.beside ?? []]
    .map((name) => /\.(json|[jt]s|wasm)$/.test(name ?? "") ? name! : "");
  return [...new Set([...modules, ...models])].filter((name) => name !== "").sort();
}

const isUrl = (name: string): boolean => /^(https?|file):/.test(name);

/** The bytes at a path or URL. Throws a `UsageError` if there are none. */
async function bytesOf(name: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    if (!isUrl(name)) return await Deno.readFile(name);
    const response = await fetch(name);
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    return await response.bytes();
  } catch (error) {
    throw new UsageError(`cannot read ${name}: ${(error as Error).message}`);
  }
}

/** The inputs that a machine with these options has. */
export async function inputsOf(values: MachineValues): Promise<Inputs> {
  const inputs: Record<string, string> = {};
  for (const name of namesOf(values)) {
    const path = isUrl(name) ? name : resolve(name);
    inputs[path] = await sha256(await bytesOf(path));
  }
  return inputs;
}
