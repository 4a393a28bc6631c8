/**
 * Runs glibc's own tests of dynamic linking on the simulated machine, linked by the guest's ld.so and by
 * the modular linker, and compares with a committed list of those that pass.
 */
import { parseArgs } from "node:util";
import { available } from "./command.ts";
import { explain } from "./conformance/glibc/reasons.ts";
import { build, compilers, prepareSource, type Test } from "./conformance/glibc/tests.ts";
import { missing, type Outcome, run, type World } from "./conformance/reference.ts";
import { simulate } from "./conformance/simulate.ts";
import { architectures } from "./root_setup.ts";

const project = new URL("../..", import.meta.url).pathname;

const help = `Runs glibc's own tests of dynamic linking (elf/ and dlfcn/) in the simulated machine.

usage: deno task conformance:glibc [options] [NAME…]

  NAME              only tests whose name contains it
  --suite NAME      Debian suite whose glibc it is (default bookworm)
  --arch LIST       of: amd64, arm64 (default amd64)
  --linker LIST     of: guest, modular (default both)
  --limit SECONDS   of each run in the machine (default 120)
  --keep            use the tests as they were built before
  --update          write the list of what passes instead of comparing with it
  --help            this text

The source package comes through apt. Each test is built with the machine's gcc against its C library,
run in a root of scripts/tools/rootfs.ts --set programs (on this machine's CPU, or under qemu-user), and, if it
passes there, in the machine. The exit code is 1 if a test fails that the list has as passing.
`;

/** What is known of one architecture: how many pass, and why each other test does not. */
interface List {
  readonly suite: string;
  readonly native: readonly string[];
  readonly linkers: Readonly<Record<string, { passed: number; failed: Record<string, string> }>>;
}

interface Native extends Outcome {
  readonly test: Test;
}

/** Runs all tests natively, in one world, and returns those that pass. */
async function natively(tests: readonly Test[], world: World): Promise<Native[]> {
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const lines = tests.map(({ program }) =>
    `( /bin/bash -c ${quoted(program.argv[2])} ) > /tmp/out 2> /dev/null < /dev/null\n` +
    `echo "$? $(base64 -w0 /tmp/out)"`
  );
  await Deno.writeTextFile(`${world.inputs}/all.sh`, lines.join("\n") + "\n");
  const all = { name: "glibc", argv: ["/bin/bash", "/mnt/all.sh"] };
  const { stdout } = await run(all, world);
  const results = new TextDecoder().decode(stdout).trimEnd().split("\n");
  if (results.length !== tests.length) {
    throw new Error(`${results.length} of ${tests.length} tests ran natively`);
  }
  const outcomes = tests.map((test, index): Native => {
    const [code, encoded = ""] = results[index].split(" ");
    const printed = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
    return { test, code: Number(code), stdout: printed };
  });
  return outcomes.filter(({ code }) => code === 0);
}

/** Why a test does not pass in the machine; undefined if it does. */
async function judge(native: Native, world: World, linker: string, limit: number) {
  const { program, printed } = native.test;
  const ours = await simulate(program, world, { linker }, limit);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (ours.code !== 0) {
    const said = `${text(ours.stdout)}\n${ours.stderr}`.trim().split("\n");
    const told = said.findLast((line) => /error|isthmus:|fail|not |Assert/i.test(line));
    return `exit ${ours.code}: ${(told ?? said.at(-1) ?? "").trim().slice(0, 160)}`;
  }
  if (!printed || text(ours.stdout) === text(native.stdout)) return undefined;
  return `printed ${JSON.stringify(text(ours.stdout).slice(0, 60))}`;
}

function listPath(suite: string, architecture: string): string {
  return `${project}tests/conformance/glibc/${suite}-${architecture}.json`;
}

async function readList(path: string): Promise<List | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

interface Options {
  readonly suite: string;
  readonly linkers: readonly string[];
  readonly limit: number;
  readonly names: readonly string[];
  readonly keep: boolean;
  readonly update: boolean;
}

/** What is lacking here to run an architecture's tests; undefined if nothing is. */
async function lacking(world: World): Promise<string | undefined> {
  const { cc } = compilers(world.architecture);
  for (const tool of ["apt-get", "make", cc]) if (!await available(tool)) return tool;
  if (await Deno.stat(`${world.root}.json`).catch(() => null) === null) {
    return `${world.root} (rootfs.ts --set programs)`;
  }
  return await missing(world);
}

/** Returns how many tests fail that the list has as passing; -1 if nothing could be run. */
async function check(architecture: string, options: Options): Promise<number> {
  const { suite, linkers, limit, names } = options;
  const cache = `${project}.cache/glibc-tests`;
  const out = `${cache}/${suite}-${architecture}/build`;
  await Deno.mkdir(out, { recursive: true });
  const root = `${project}.cache/roots/${suite}-programs-${architecture}`;
  const world = { architecture, root, inputs: out };
  const needs = await lacking(world);
  if (needs !== undefined) {
    console.error(`${architecture}: needs ${needs}`);
    return -1;
  }
  const described = `${cache}/${suite}-${architecture}/tests.json`;
  if (!options.keep || await Deno.stat(described).catch(() => null) === null) {
    const source = await prepareSource(suite, architectures[architecture].deno, cache);
    const withCxx = await available(compilers(architecture).cxx);
    const built = await build(source, out, architecture, withCxx);
    await Deno.writeTextFile(described, JSON.stringify(built));
  }
  const tests: Test[] = JSON.parse(await Deno.readTextFile(described));
  const native = await natively(tests, world);
  console.error(`${architecture}: ${tests.length} tests built, ${native.length} pass natively`);
  const chosen = native.filter(({ test }) =>
    names.length === 0 || names.some((name) => test.name.includes(name))
  );

  const path = listPath(suite, architecture);
  const list = await readList(path);
  const found: Record<string, { passed: number; failed: Record<string, string> }> = {};
  let regressions = 0;
  for (const linker of linkers) {
    const failed: Record<string, string> = {};
    const known = list?.linkers[linker];
    for (const one of chosen) {
      const { name } = one.test;
      const wrong = await judge(one, world, linker, limit);
      if (wrong !== undefined) failed[name] = explain(name, linker, wrong);
      const expected = known === undefined || known.failed[name] !== undefined ||
        !list!.native.includes(name);
      if (wrong !== undefined && !expected) {
        regressions++;
        console.log(`${architecture} ${linker} ${name}: FAILS: ${wrong}`);
      } else if (wrong === undefined && known?.failed[name] !== undefined) {
        console.log(`${architecture} ${linker} ${name}: passes now`);
      } else if (names.length > 0) {
        console.log(`${architecture} ${linker} ${name}: ${wrong ?? "ok"}`);
      }
    }
    const passed = chosen.length - Object.keys(failed).length;
    found[linker] = { passed, failed };
    const share = (100 * passed / chosen.length).toFixed(1);
    console.log(`${architecture} ${linker}: ${passed} of ${chosen.length} pass (${share}%)`);
  }
  if (options.update && names.length === 0) {
    const passing = native.map(({ test }) => test.name);
    const record: List = {
      suite,
      native: passing,
      linkers: { ...list?.linkers, ...found },
    };
    await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(path, JSON.stringify(record, null, 2) + "\n");
  }
  return options.update ? 0 : regressions;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      suite: { type: "string", default: "bookworm" },
      arch: { type: "string", default: "amd64" },
      linker: { type: "string", default: "guest,modular" },
      limit: { type: "string", default: "120" },
      keep: { type: "boolean", default: false },
      update: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(help.trimEnd());
    return 0;
  }
  const options: Options = {
    suite: values.suite,
    linkers: values.linker.split(","),
    limit: Number(values.limit),
    names: positionals,
    keep: values.keep,
    update: values.update,
  };
  let wrong = 0;
  for (const architecture of values.arch.split(",")) {
    const regressions = await check(architecture, options);
    if (regressions < 0) return 2;
    wrong += regressions;
  }
  return wrong === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
