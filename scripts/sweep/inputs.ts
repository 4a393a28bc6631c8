/** Files of the host, and URLs, that a machine's options name: what is in them decides its results. */
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { moduleGraph } from "../imports.ts";
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

/** Isthmus itself, which the version in a manifest stands for. */
const product = ["lib/", "modules/", "scripts/", "sim/", "mod.ts"]
  .map((name) => new URL(`../../${name}`, import.meta.url).href);

/** The bytes at a URL. Throws a `UsageError` if there are none, unless it is only imported. */
async function bytesOf(
  url: string,
  isNamed: boolean,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const isFile = url.startsWith("file:");
  try {
    if (isFile) return await Deno.readFile(new URL(url));
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    return await response.bytes();
  } catch (error) {
    if (!isNamed) return undefined;
    const name = isFile ? fileURLToPath(url) : url;
    throw new UsageError(`cannot read ${name}: ${(error as Error).message}`);
  }
}

/** The inputs that a machine with these options has, with what scripts among them import of their own. */
export async function inputsOf(values: MachineValues): Promise<Inputs> {
  const named = namesOf(values)
    .map((name) => isUrl(name) ? new URL(name).href : pathToFileURL(resolve(name)).href);
  const graph = await moduleGraph(named, (url) => bytesOf(url, named.includes(url)), product);
  const inputs: Record<string, string> = {};
  for (const [url, bytes] of graph) {
    inputs[url.startsWith("file:") ? fileURLToPath(url) : url] = await sha256(bytes);
  }
  return inputs;
}
