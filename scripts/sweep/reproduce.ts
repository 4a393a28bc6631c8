/** Making a run again from its manifest, and comparing what comes out. */
import { measure, type Measurement } from "../../sim/study/measure.ts";
import { sha256 } from "../../sim/study/manifest.ts";
import { UsageError } from "../cli/command.ts";
import { machineOf } from "../cli/machine_options.ts";
import { inputsOf } from "./inputs.ts";
import type { Recipe, ReproducibleManifest } from "./recipe.ts";

/** A result that is to be reproduced, as `--stats`, `compare --json` and reports of sweeps have it. */
export interface RecordedResult {
  readonly exit: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly estimated: Readonly<Record<string, number>>;
  readonly manifest: ReproducibleManifest;
  /** Which of a comparison's it is. */
  readonly side?: "base" | "variant";
}

/** What a run again showed: the first thing that differs, if one does. */
export interface Reproduction {
  readonly argv: readonly string[];
  readonly side?: RecordedResult["side"];
  readonly compared: number;
  readonly difference?: {
    readonly what: string;
    readonly recorded: unknown;
    readonly now: unknown;
  };
}

const isResult = (data: unknown): data is RecordedResult =>
  typeof data === "object" && data !== null && "manifest" in data && "counters" in data;

/** The results in a text: of one run, the two of a comparison, or one a line. Throws a `UsageError`. */
export function resultsIn(text: string, file: string): RecordedResult[] {
  let found: unknown[];
  try {
    const data = JSON.parse(text);
    found = isResult(data)
      ? [data]
      : (["base", "variant"] as const).map((side) => data[side] && { ...data[side], side });
  } catch {
    try {
      found = text.trim().split("\n").map((line) => JSON.parse(line));
    } catch (error) {
      throw new UsageError(`${file} is not JSON: ${(error as Error).message}`);
    }
    // Runs of a sweep that ended with an error have no counters.
    found = found.filter((one) => !(one as { error?: string }).error);
  }
  const results = found.filter(isResult);
  if (results.length === 0 || results.length < found.length) {
    throw new UsageError(`${file} has no results with counters and manifest`);
  }
  if (results.some(({ manifest }) => manifest.recipe === undefined)) {
    throw new UsageError(`${file}: the run was made by a script; its manifest has no recipe`);
  }
  return results;
}

/** The standard input of a recipe; `given` stands in for one too long to be in it. */
async function inputOf(
  { stdin }: Recipe,
  given: Uint8Array<ArrayBuffer> | undefined,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (stdin === undefined) return undefined;
  const bytes = stdin.base64 === undefined ? given : Uint8Array.fromBase64(stdin.base64);
  if (bytes === undefined) {
    throw new UsageError("the run read standard input: give it by --stdin FILE");
  }
  if (await sha256(bytes) !== stdin.sha256) {
    throw new UsageError("the standard input is not what the run read");
  }
  return bytes;
}

/** Throws a `UsageError` that names a module, core or predictor which is not what it was. */
async function checkInputs({ values, inputs }: Recipe): Promise<void> {
  const now = await inputsOf(values);
  for (const [name, hash] of Object.entries(inputs)) {
    if (now[name] === hash) continue;
    const is = now[name] === undefined ? "is no longer there" : `has SHA-256 ${now[name]}`;
    throw new UsageError(`${name} ${is}; the run was made with ${hash}`);
  }
}

/** Throws a `UsageError` that names a file of the guest, below `root`, which is not what it was. */
async function checkFiles(files: Readonly<Record<string, string>>, root: string): Promise<void> {
  for (const [path, hash] of Object.entries(files)) {
    // What is mounted, or made in the guest, is compared after the run.
    const bytes = await Deno.readFile(`${root}${path}`).catch(() => null);
    if (bytes === null) continue;
    const now = await sha256(bytes);
    if (now !== hash) {
      throw new UsageError(`${root}${path} has SHA-256 ${now}; the run was made with ${hash}`);
    }
  }
}

/** The first of the recorded values that is another now, or is there on one side only. */
function firstDifference(recorded: RecordedResult, now: Measurement): Reproduction["difference"] {
  const sides: [string, Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>][] = [
    ["files", recorded.manifest.files, now.manifest.files],
    ["", { plan: recorded.manifest.plan }, { plan: now.manifest.plan }],
    ["", { exit: recorded.exit }, { exit: now.exit }],
    ["counters", recorded.counters, now.counters],
    ["estimated", recorded.estimated, now.estimated],
  ];
  for (const [part, before, after] of sides) {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
      if (before[name] === after[name]) continue;
      const what = part === "" ? name : `${part}["${name}"]`;
      return { what, recorded: before[name] ?? null, now: after[name] ?? null };
    }
  }
  return undefined;
}

/**
 * Check the inputs of a result, run it again and compare. `root` is where the guest's files are now, if not where they
 * were. Throws a `UsageError` if an input is missing or is not what it was.
 */
export async function reproduce(
  result: RecordedResult,
  { root, stdin }: { readonly root?: string; readonly stdin?: Uint8Array<ArrayBuffer> } = {},
): Promise<Reproduction> {
  const { recipe, argv, files } = result.manifest;
  const values = { ...recipe.values, root: root ?? recipe.values.root };
  const { isDirectory } = await Deno.stat(values.root ?? "/").catch(() => ({ isDirectory: false }));
  if (!isDirectory) {
    throw new UsageError(`there is no ${values.root}: say by --root where the guest's files are`);
  }
  await checkInputs(recipe);
  await checkFiles(files, values.root ?? "");
  const input = await inputOf(recipe, stdin);
  const now = await measure(argv, { ...await machineOf(values), roi: values.roi, stdin: input });
  return {
    argv,
    side: result.side,
    compared: Object.keys(result.counters).length + Object.keys(result.estimated).length,
    difference: firstDifference(result, now),
  };
}
