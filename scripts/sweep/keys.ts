/** Keys of runs: equal if the runs are the same, so that none is made twice. */
import { sha256 } from "../../sim/study/manifest.ts";
import { VERSION } from "../../lib/version.ts";
import { inputsOf } from "./inputs.ts";
import type { StudyRun } from "./study.ts";

/** A run with its key and its place in the study. */
export interface KeyedRun extends StudyRun {
  readonly key: string;
  readonly number: number;
}

/**
 * The runs with their keys: SHA-256 of what each is made from, with the contents of its program and of the modules
 * and cores that are files. Runs that are the same are there once.
 */
export async function keyed(runs: readonly StudyRun[]): Promise<KeyedRun[]> {
  const hashes = new Map<string, Promise<string | null>>();
  const hashOf = (path: string): Promise<string | null> => {
    let hash = hashes.get(path);
    if (hash === undefined) {
      hashes.set(path, hash = Deno.readFile(path).then(sha256, () => null));
    }
    return hash;
  };
  const found = new Map<string, KeyedRun>();
  for (const run of runs) {
    const { argv, values } = run.job;
    const program = await hashOf(`${values.root ?? ""}/${argv[0]}`);
    const made = [VERSION, run, await inputsOf(values), program];
    const key = await sha256(new TextEncoder().encode(JSON.stringify(made)));
    if (!found.has(key)) found.set(key, { ...run, key, number: found.size });
  }
  return [...found.values()];
}
