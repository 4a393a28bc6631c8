/** Running cases: one case in one way, compared with its reference. */
import { communicationPrograms } from "./communication.ts";
import { languagePrograms } from "./languages.ts";
import { morePrograms } from "./more.ts";
import type { Program } from "./program.ts";
import { commandLine, reference, type World } from "./reference.ts";
import { runtimePrograms } from "./runtimes.ts";
import { serverPrograms } from "./servers.ts";
import { shellPrograms } from "./shell.ts";
import { simulate, type Simulated, type Way } from "./simulate.ts";
import { toolPrograms } from "./tools.ts";
import { toolchainPrograms } from "./toolchain.ts";

/** Every case. */
export const programs: readonly Program[] = [
  ...shellPrograms,
  ...toolPrograms,
  ...languagePrograms,
  ...toolchainPrograms,
  ...morePrograms,
  ...runtimePrograms,
  ...serverPrograms,
  ...communicationPrograms,
];

const project = new URL("../../..", import.meta.url).pathname;

/** Where references are remembered. */
export const cache = `${project}.cache/conformance`;

/** Where roots are, and what they are called before `-` and the architecture. */
export interface Roots {
  readonly folder?: string;
  readonly name?: string;
}

/** The world of an architecture's root. */
export function worldOf(architecture: string, roots: Roots = {}): World {
  const { folder = `${project}.cache/roots`, name = "bookworm" } = roots;
  return {
    architecture,
    root: `${folder}/${name}-${architecture}`,
    inputs: `${project}tests/conformance/inputs`,
  };
}

/** Whether the root of a world was made. */
export async function hasRoot(world: World): Promise<boolean> {
  return await Deno.stat(`${world.root}.json`).then(() => true, () => false);
}

/** What a world lacks of what a case needs: the program itself, at least. */
export async function lacking(program: Program, world: World): Promise<string | undefined> {
  const { needs = commandLine(program, world.architecture)[0] } = program;
  return await Deno.lstat(world.root + needs).then(() => undefined, () => needs);
}

/** A case in one way. */
export interface Verdict {
  readonly name: string;
  readonly architecture: string;
  readonly way: string;
  /** What is different from the reference; absent if nothing. */
  readonly wrong?: string;
  readonly instructions: number;
  readonly hotShare: number;
  readonly blocks: number;
  readonly seconds: number;
}

/** A short name of a way. */
export function nameOf({ heat, cpu, cpuLevel, linker }: Way): string {
  const tiers = heat === undefined ? "default" : heat === "cold" ? "cold" : `heat ${heat}`;
  const level = cpuLevel === undefined ? undefined : `v${cpuLevel}`;
  return [tiers, cpu, level, linker].filter((part) => part !== undefined).join(", ");
}

function firstDifference(got: string, wanted: string): string {
  const [ours, theirs] = [got.split("\n"), wanted.split("\n")];
  const line = theirs.findIndex((text, index) => text !== ours[index]);
  const at = line < 0 ? theirs.length : line;
  return `line ${at + 1}: ${JSON.stringify(ours[at])}, not ${JSON.stringify(theirs[at])}`;
}

function compare(ours: Simulated, code: number, stdout: Uint8Array): string | undefined {
  const [got, wanted] = [ours.stdout, stdout].map((bytes) => new TextDecoder().decode(bytes));
  const same = ours.stdout.length === stdout.length &&
    ours.stdout.every((byte, index) => byte === stdout[index]);
  const wrong = [];
  if (!same) wrong.push(firstDifference(got, wanted));
  if (ours.code !== code) wrong.push(`exit code ${ours.code}, not ${code}`);
  if (wrong.length > 0 && ours.stderr !== "") wrong.push(`stderr: ${ours.stderr.trim()}`);
  return wrong.length === 0 ? undefined : wrong.join("\n");
}

/** The counters that are not as in the first way. */
function differing(
  counters: Simulated["counters"],
  first: Simulated["counters"],
  way: string,
): string | undefined {
  const names = new Set([...Object.keys(first), ...Object.keys(counters)]);
  const wrong = [...names].filter((name) => counters[name] !== first[name]);
  if (wrong.length === 0) return undefined;
  const said = wrong.map((name) => `${name} ${counters[name]}, not ${first[name]}`);
  return `counted otherwise than ${way}: ${said.join("; ")}`;
}

/** Run a case in each of `ways`; outcomes must equal the reference, counters each other. */
export async function check(
  program: Program,
  world: World,
  ways: readonly Way[],
  limit: number,
): Promise<Verdict[]> {
  const { code, stdout } = await reference(program, world, cache);
  const verdicts: Verdict[] = [];
  let first: Simulated["counters"] | undefined;
  for (const way of ways) {
    const ours = await simulate(program, world, way, limit);
    first ??= ours.counters;
    const wrong = [
      compare(ours, code, stdout),
      differing(ours.counters, first, nameOf(ways[0])),
    ].filter((text) => text !== undefined);
    verdicts.push({
      name: program.name,
      architecture: world.architecture,
      way: nameOf(way),
      wrong: wrong.length === 0 ? undefined : wrong.join("\n"),
      instructions: ours.counters.instructions ?? 0,
      hotShare: Number(ours.execution["hot.share"] ?? 0),
      blocks: Number(ours.execution.blocks ?? 0),
      seconds: ours.seconds,
    });
  }
  return verdicts;
}
