/**
 * Builds qemu's own user-mode tests (tests/tcg of its source) and runs them on the simulated machine, by
 * qemu's own makefiles, and outside of it; compares with a committed list of those that pass.
 */
import { parseArgs } from "node:util";
import { available, capture, text } from "./command.ts";
import { compilers } from "./conformance/glibc/tests.ts";
import { qemuCache, qemuSource } from "./conformance/qemu/source.ts";
import { architectures } from "./root_setup.ts";

const project = new URL("../..", import.meta.url).pathname;

const help = `Runs qemu's own user-mode tests on the simulated machine.

usage: deno task conformance:tcg [options] [NAME…]

  NAME              only tests whose name contains it
  --arch LIST       of: amd64, arm64 (default: both)
  --suite NAME      Debian suite whose qemu it is (default bookworm)
  --limit SECONDS   of each test (default 300)
  --update          write the list of what passes instead of comparing with it
  --help            this text

The source package comes through apt and is built with the machine's gcc, statically. Each test runs on this
machine's CPU (amd64) or under qemu-aarch64 (arm64), then in a root of scripts/tools/rootfs.ts in the machine;
those that print results must print the same. The list, tests/conformance/tcg/<arch>.json, says why each other test does not
pass. The exit code is 1 if a test of the list fails, or one fails that it does not know.
`;

/** Tests of 32-bit x86 that are C of any width and about x87 or SSE. */
const floating = [
  ...["f2xm1", "fbstp", "fisttp", "fldcst", "fp-exceptions", "fpatan", "fprem", "fscale", "fxam"],
  ...["fxtract", "fyl2x", "fyl2xp1", "pcmpistri", "pseudo-denormal", "snan-convert"],
  ...["sse-exceptions"],
].map((name) => `test-i386-${name}`);

/** What passes, and why each other test does not. */
interface List {
  readonly passed: readonly string[];
  readonly failed: Readonly<Record<string, string>>;
}

/** One architecture's tests, built. */
interface Built {
  readonly make: readonly string[];
  readonly folder: string;
  readonly names: readonly string[];
}

/**
 * Handlers of the tests of branch targets clear PSTATE.BTYPE by a PSTATE of 1, which qemu takes; Linux refuses it,
 * since it has PSTATE.SP set (valid_user_regs).
 */
async function mendHandlers(source: string): Promise<void> {
  for (const name of ["bti-1", "bti-2", "bti-3"]) {
    const path = `${source}/tests/tcg/aarch64/${name}.c`;
    const before = await Deno.readTextFile(path);
    const after = before.replaceAll("pstate = 1;", "pstate = 0;");
    if (after !== before) await Deno.writeTextFile(path, after);
  }
}

async function build(architecture: string, suite: string): Promise<Built> {
  const source = await qemuSource(suite, qemuCache);
  await mendHandlers(source);
  const { deno } = architectures[architecture];
  const folder = `${qemuCache}/${architecture}/tcg`;
  await Deno.mkdir(folder, { recursive: true });
  const { cc } = compilers(architecture);
  const settings = [`TARGET_NAME=${deno}`, `CC=${cc}`, "BUILD_STATIC=y", "PYTHON=python3"];
  await Deno.writeTextFile(`${folder}/config-target.mak`, settings.join("\n") + "\n");
  // What the compiler can do is found out by a rule that depends on this file.
  await Deno.writeTextFile(`${folder}/Makefile`, "");
  const make = [
    ...["make", "--no-print-directory", "-C", folder, "-f", `${source}/tests/tcg/Makefile.target`],
    ...[`TARGET=${deno}-linux-user`, `SRC_PATH=${source}`, "EXTRA_CFLAGS=-w -Wno-error"],
  ];
  const list = await text([...make, "-s", "--eval=list-runs:;@echo $(RUN_TESTS)", "list-runs"]);
  const names = list.trim().split("\n").at(-1)!.split(/\s+/).map((name) => name.slice(4));
  if (deno === "x86_64") names.push(...floating);
  // Those that need gdb test qemu's own stub.
  const chosen = names.filter((name) => !name.startsWith("gdbstub")).toSorted();
  const floats = deno === "x86_64" ? floating : [];
  // What cannot be built alone fails, and make goes on with the rest.
  await capture([...make, "-k", "-j2", "all", ...floats]);
  return { make, folder, names: chosen };
}

/** Tests whose output is what was calculated, the same at every run. */
const PRINTED = /^(test-(?!mmap)|float|fcvt|overflow|sha)/;

/** What test-avx prints of an estimate, of which the manual bounds the error alone. */
const ESTIMATE = /^( *\d+ V?R(?:CP|SQRT)[PS]S .*\n)(?:(?! *\d+ [A-Z]).*\n)*/gm;

/** Programs that make takes for qemu, here and in the machine: the tests' names are relative to the folder. */
async function runners(architecture: string, suite: string, { folder }: Built) {
  const root = `${project}.cache/roots/${suite}-${architecture}`;
  const level = architectures[architecture].deno === "x86_64" ? ["--cpu-level", "v3"] : [];
  const quoted = [
    ...[Deno.execPath(), "run", "-A", "--no-check", `${project}mod.ts`, "run", "--root", root],
    ...[...level, "--mount", `${folder}:${folder}:rw`, "--cwd", folder, "--"],
  ].map((word) => `'${word}'`).join(" ");
  const last = "for program; do :; done";
  const write = async (name: string, script: string) => {
    const path = `${folder}/${name}.sh`;
    await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`);
    await Deno.chmod(path, 0o755);
    return path;
  };
  const outside = architectures[architecture].deno === Deno.build.arch
    ? `${last}\nexec "./$program"`
    : `exec qemu-${architectures[architecture].deno} "$@"`;
  return {
    machine: await write("machine", `${last}\nexec ${quoted} "${folder}/$program"`),
    outside: await write("outside", outside),
  };
}

/** Runs a test by make; what it printed, and why it failed, if it did. */
async function run(name: string, { make, folder }: Built, qemu: string, limit: number) {
  const target = [`run-${name}`, `QEMU=${qemu}`, `TIMEOUT=${limit}`];
  const { code, stdout, stderr } = await capture([...make, ...target]);
  const printed = await Deno.readTextFile(`${folder}/${name}.out`).catch(() => "");
  const said = new TextDecoder().decode(stdout).trim().split("\n").concat(
    stderr.trim().split("\n").filter((line) => !line.startsWith("make")),
  );
  return { printed, wrong: code === 0 ? undefined : said.slice(-4).join("; ").slice(0, 400) };
}

/** Why a test fails; undefined if it does not. */
async function judge(
  name: string,
  built: Built,
  { machine, outside }: { readonly machine: string; readonly outside: string },
  limit: number,
): Promise<string | undefined> {
  const expected = await run(name, built, outside, limit);
  const actual = await run(name, built, machine, limit);
  if (actual.wrong !== undefined) {
    return expected.wrong === undefined ? actual.wrong : `fails outside too: ${actual.wrong}`;
  }
  if (!PRINTED.test(name) || expected.wrong !== undefined) return undefined;
  const [theirs, ours] = [expected, actual].map(({ printed }) =>
    printed.replaceAll(ESTIMATE, "$1").split("\n")
  );
  const at = theirs.findIndex((line, i) => line !== ours[i]);
  return at < 0 ? undefined : `prints ${ours[at]}, not ${theirs[at]} (line ${at + 1})`;
}

async function check(architecture: string, options: Options): Promise<number> {
  const { suite, limit, names, update } = options;
  const { cc } = compilers(architecture);
  const emulator = architectures[architecture].deno === Deno.build.arch ? [] : ["qemu-aarch64"];
  for (const tool of ["apt-get", "make", "python3", cc, ...emulator]) {
    if (!await available(tool)) {
      console.error(`${architecture}: needs ${tool}`);
      return -1;
    }
  }
  const root = `${project}.cache/roots/${suite}-${architecture}`;
  if (await Deno.stat(`${root}.json`).catch(() => null) === null) {
    console.error(`${architecture}: needs ${root} (rootfs.ts)`);
    return -1;
  }
  const built = await build(architecture, suite);
  const qemu = await runners(architecture, suite, built);
  const path = `${project}tests/conformance/tcg/${architecture}.json`;
  const list: List = await Deno.readTextFile(path).then(JSON.parse, () => ({
    passed: [],
    failed: {},
  }));
  const chosen = built.names.filter((name) =>
    names.length === 0 || names.some((part) => name.includes(part))
  );
  const passed: string[] = [];
  const failed: Record<string, string> = {};
  let wrong = 0;
  for (const name of chosen) {
    const why = await judge(name, built, qemu, limit);
    const explained = list.failed[name];
    if (why === undefined) passed.push(name);
    else failed[name] = explained ?? `not explained: ${why}`;
    if (why !== undefined && explained === undefined) wrong++;
    const verdict = why === undefined
      ? "passes"
      : explained === undefined
      ? `FAILS: ${why}`
      : `fails: ${explained}`;
    console.log(`${architecture} ${name}: ${verdict}`);
  }
  console.log(`${architecture}: ${passed.length} of ${chosen.length} pass`);
  if (!update) return wrong;
  await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
  await Deno.writeTextFile(path, JSON.stringify({ passed, failed }, null, 2) + "\n");
  return 0;
}

interface Options {
  readonly suite: string;
  readonly limit: number;
  readonly names: readonly string[];
  readonly update: boolean;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      suite: { type: "string", default: "bookworm" },
      arch: { type: "string", default: "amd64,arm64" },
      limit: { type: "string", default: "300" },
      update: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(help.trimEnd());
    return 0;
  }
  const { suite, limit, update } = values;
  if (update && positionals.length > 0) {
    console.error("conformance_tcg: --update is of all tests");
    return 2;
  }
  let wrong = 0;
  for (const architecture of values.arch.split(",")) {
    const failed = await check(architecture, {
      ...{ suite, update, limit: Number(limit), names: positionals },
    });
    if (failed < 0) return 2;
    wrong += failed;
  }
  return wrong === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
