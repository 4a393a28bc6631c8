/**
 * Runs Python's own test suite, as Debian packages it, on the simulated machine, and compares each test
 * with the same run outside of it.
 */
import { parseArgs } from "node:util";
import type { Level } from "../../sim/cpu/x86_64/level.ts";
import type { Program } from "./conformance/program.ts";
import { missing, reference, type World } from "./conformance/reference.ts";
import { simulate, type Way } from "./conformance/simulate.ts";
import { cache } from "./conformance/suite.ts";

const project = new URL("../..", import.meta.url).pathname;

/** Modules whose tests are about arithmetic, memory layout and generated code. */
const modules = [
  ...["math", "cmath", "float", "struct", "decimal", "fractions", "statistics", "long", "hashlib"],
  ...["zlib", "re", "json", "array", "ctypes"],
].map((name) => `test_${name}`);

const help = `Runs Python's own tests on the simulated machine and outside of it.

usage: deno task conformance:python [options] [MODULE…]

  MODULE            a module of python3.11's test package (default: ${modules.length} of them)
  --arch LIST       of: amd64, arm64 (default: both)
  --heat N          executions that make a block hot; "cold" never compiles
  --cpu-level L     v1, v2 (default) or v3
  --limit SECONDS   of each module (default 3000)
  --list            print the modules' names only
  --help            this text

Needs a root of scripts/tools/rootfs.ts --set runtimes. The references come from this machine's CPU
(amd64) and from qemu-aarch64 (arm64) and are remembered in .cache/conformance. The exit code is 1 if a
test ended otherwise than there.

example: one module in the cold tier
  deno task conformance:python --arch amd64 --heat cold test_math
`;

/** What a run of a module said: its tests, each with how it ended. */
interface Report {
  readonly tests: ReadonlyMap<string, string>;
  readonly ran: number;
}

/** Reads unittest's verbose lines, among which a test may print its own. */
function read(text: string): Report {
  const tests = new Map<string, string>();
  let open: string | undefined;
  for (const line of text.split("\n")) {
    const name = /^(\w+ \([\w.]+\))/.exec(line)?.[1];
    if (name !== undefined) open = name;
    const end = /\.\.\. (?:.*)?(ok|FAIL|ERROR|expected failure|skipped .*)$/.exec(line) ??
      /^(ok|FAIL|ERROR)$/.exec(line);
    if (end === null || open === undefined) continue;
    tests.set(open, end[1]);
    open = undefined;
  }
  const ran = [...text.matchAll(/^Ran (\d+) tests? in/gm)].map((found) => Number(found[1]));
  return { tests, ran: ran.reduce((sum, count) => sum + count, 0) };
}

/** What is different, a line each. */
function differences(expected: Report, actual: Report): string[] {
  const out: string[] = [];
  if (expected.ran === 0) out.push("no test ran elsewhere");
  if (actual.ran !== expected.ran) out.push(`ran ${actual.ran} tests, not ${expected.ran}`);
  for (const [name, end] of expected.tests) {
    const ours = actual.tests.get(name) ?? "not run";
    if (ours !== end) out.push(`${name}: ${ours}, not ${end}`);
  }
  return out;
}

/** Whether a module's tests end as they do elsewhere. */
async function check(module: string, world: World, way: Way, limit: number): Promise<boolean> {
  const program: Program = {
    name: `python/${module}`,
    argv: ["/bin/bash", "-c", `cd /tmp; exec python3.11 -m test -v ${module} 2>&1`],
  };
  const native = await reference(program, world, cache);
  const ours = await simulate(program, world, way, limit);
  const [expected, actual] = [native, ours].map(({ stdout }) =>
    read(new TextDecoder().decode(stdout))
  );
  const wrong = differences(expected, actual);
  if (ours.code !== native.code) wrong.push(`exit code ${ours.code}, not ${native.code}`);
  const skipped = [...expected.tests.values()].filter((end) => end.startsWith("skipped")).length;
  const figures = `${actual.ran} tests, ${skipped} skipped, ${ours.seconds.toFixed(0)} s`;
  const green = native.code === 0 ? "green" : `as elsewhere (exit code ${native.code})`;
  console.log(`${world.architecture} ${module}: ${figures}: ${wrong.length ? "WRONG" : green}`);
  for (const line of wrong.slice(0, 20)) console.log(`    ${line}`);
  if (wrong.length > 0) {
    const path = `${cache}/python-${module}-${world.architecture}.txt`;
    await Deno.writeFile(path, ours.stdout);
    console.log(`    output: ${path}`);
    if (ours.stderr !== "") console.log(`    ${ours.stderr.trim().replaceAll("\n", "\n    ")}`);
  }
  return wrong.length === 0;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      arch: { type: "string", default: "amd64,arm64" },
      heat: { type: "string" },
      "cpu-level": { type: "string", default: "v2" },
      limit: { type: "string", default: "3000" },
      list: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(help.trimEnd());
    return 0;
  }
  const chosen = positionals.length > 0 ? positionals : modules;
  if (values.list) {
    for (const name of chosen) console.log(name);
    return 0;
  }
  const { heat } = values;
  const level = /^v([123])$/.exec(values["cpu-level"])?.[1];
  if (level === undefined) {
    console.error(`--cpu-level: ${values["cpu-level"]} is none of v1, v2, v3`);
    return 2;
  }
  const way: Way = {
    ...(heat !== undefined && { heat: heat === "cold" ? heat : Number(heat) }),
    cpuLevel: Number(level) as Level,
  };
  let wrong = 0;
  for (const architecture of values.arch.split(",")) {
    const root = `${project}.cache/roots/bookworm-runtimes-${architecture}`;
    const world = { architecture, root, inputs: `${project}tests/conformance/inputs` };
    const made = await Deno.stat(`${root}.json`).then(() => true, () => false);
    const needs = made ? await missing(world) : `${root} (rootfs.ts --set runtimes)`;
    if (needs !== undefined) {
      console.error(`${architecture}: needs ${needs}`);
      return 2;
    }
    for (const module of chosen) {
      if (!await check(module, world, way, Number(values.limit))) wrong++;
    }
  }
  return wrong === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
