/**
 * Runs Berkeley TestFloat, which qemu's source brings, on the simulated machine: every floating-point
 * instruction of a scalar set against SoftFloat, and what it says against what it says outside.
 */
import { parseArgs } from "node:util";
import { available, capture, CommandError, text } from "./command.ts";
import { compilers } from "./conformance/glibc/tests.ts";
import type { Program } from "./conformance/program.ts";
import { qemuCache, qemuSource } from "./conformance/qemu/source.ts";
import { missing, reference, type World } from "./conformance/reference.ts";
import { simulate } from "./conformance/simulate.ts";
import { cache } from "./conformance/suite.ts";
import { architectures } from "./root_setup.ts";

const project = new URL("../..", import.meta.url).pathname;
const subjects = new URL("./conformance/qemu/testfloat", import.meta.url).pathname;

const help = `Runs Berkeley TestFloat on the simulated machine.

usage: deno task conformance:testfloat [options] [FUNCTION…]

  FUNCTION          as TestFloat calls it: f64_div, extF80_rem, … (default: all but fused ones)
  --fused           fused multiplications and additions too: six million cases for each rounding mode
  --arch LIST       of: amd64, arm64 (default: both)
  --heat N          executions that make a block hot; "cold" never compiles
  --limit SECONDS   of each run (default 3000)
  --help            this text

Comes with qemu's source package, through apt, and is built with the machine's gcc, statically, with subjects of
ours: one instruction a function (scripts/tools/conformance/qemu/testfloat). NaNs and the integers of invalid
conversions are compared too on amd64. What it says must be what it says on this machine's CPU (amd64) or under
qemu-aarch64 (arm64), and without fused operations it must find no error. They differ from SoftFloat in what zero
times infinity plus a NaN is, which IEEE 754 leaves open (7.2).

example: division, in the cold tier
  deno task conformance:testfloat --arch amd64 --heat cold f32_div f64_div extF80_div
`;

/** What differs between the architectures: NaNs, and when a result is tiny. */
const kinds: Record<string, { specialize: string; options: readonly string[]; flags: string }> = {
  x86_64: {
    specialize: "8086-SSE",
    options: ["-tininessafter", "-checkAll"],
    flags: "-msse4.1 -mfma -mf16c",
  },
  aarch64: {
    specialize: "ARM-VFPv2",
    options: ["-tininessbefore"],
    flags: "-march=armv8.2-a+fp16",
  },
};

/** Builds testfloat for the architecture, and returns the folder that it is in. */
async function build(architecture: string): Promise<string> {
  const source = await qemuSource("bookworm", qemuCache);
  const { deno } = architectures[architecture];
  const { specialize, flags } = kinds[deno];
  const { cc } = compilers(architecture);
  const folder = `${qemuCache}/${architecture}/testfloat`;
  const out = `${folder}/run`;
  await Deno.mkdir(out, { recursive: true });
  for (const name of ["berkeley-softfloat-3", "berkeley-testfloat-3"]) {
    await text(["cp", "-r", "--update", `${source}/tests/fp/${name}`, folder]);
  }
  const formats = "-DFLOAT16 -DFLOAT64 -DEXTFLOAT80" +
    (deno === "x86_64" ? " -DLONG_DOUBLE_IS_EXTFLOAT80" : "");
  const make = async (name: string, target: string, variables: readonly string[]) => {
    const where = `${folder}/${name}/build/Linux-x86_64-GCC`;
    const { code, stderr } = await capture(["make", "-C", where, "-j2", target, ...variables]);
    if (code !== 0) throw new CommandError(`TestFloat was not built:\n${stderr.slice(-2000)}`);
    return where;
  };
  const kind = `${folder}/berkeley-softfloat-3/source/${specialize}`;
  await make("berkeley-softfloat-3", "softfloat.a", [
    `SPECIALIZE_TYPE=${specialize}`,
    `COMPILE_C=${cc} -c -w -O2 -DSOFTFLOAT_ROUND_ODD -DINLINE_LEVEL=5 -DSOFTFLOAT_FAST_DIV32TO16 ` +
    `-DSOFTFLOAT_FAST_DIV64TO32 -DSOFTFLOAT_FAST_INT64 -I. -I${kind} -I../../source/include -o $@`,
  ]);
  const subject = `${subjects}/${deno}`;
  // This copy of TestFloat names SoftFloat's flags as those of its own slow reference.
  const flagsName = "-Dslowfloat_exceptionFlags=softfloat_exceptionFlags";
  const where = await make("berkeley-testfloat-3", "testfloat", [
    `SUBJ_SOURCE_DIR=${subject}`,
    `COMPILE_C=${cc} -c -w -O1 ${flags} ${formats} ${flagsName} -I. -I${subject} -I../../source ` +
    "-I../../../berkeley-softfloat-3/source/include -o $@",
    `LINK=${cc} -static -o $@`,
  ]);
  await Deno.copyFile(`${where}/testfloat`, `${out}/testfloat`);
  return out;
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).trim();

/** Cases and functions of a report, and the functions in which errors were found. */
function summary(stdout: Uint8Array): { cases: number; functions: number; wrong: string[] } {
  const lines = textOf(stdout).split(/[\r\n]+/);
  const ended = lines.map((line) => /^In (\d+) tests, (no|\d+) errors? found in (.*)\.$/.exec(line))
    .filter((found) => found !== null);
  return {
    cases: ended.reduce((sum, [, count]) => sum + Number(count), 0),
    functions: ended.length,
    wrong: ended.filter(([, , errors]) => errors !== "no").map(([, , , name]) => name),
  };
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

async function check(world: World, args: string, heat: string | undefined, limit: number) {
  const { deno } = architectures[world.architecture];
  const fused = args.includes("mulAdd");
  const options = [...kinds[deno].options, "-errors", fused ? "0" : "20", ...args.split(" ")];
  // Its report is on standard error, with a line that counts.
  const command = `/mnt/testfloat ${
    options.join(" ")
  } 2>&1 | tr '\\r' '\\n' | grep -v 'tests total\\|^ *[0-9]*$'`;
  const program: Program = { name: `testfloat/${args}`, argv: ["/bin/bash", "-c", command] };
  const way = {
    cpuLevel: 3 as const,
    ...(heat !== undefined && { heat: heat === "cold" ? heat : Number(heat) } as const),
  };
  const theirs = await reference(program, world, cache);
  if (summary(theirs.stdout).functions === 0) {
    throw new CommandError(`TestFloat refuses ${args}: ${textOf(theirs.stdout)}`);
  }
  const ours = await simulate(program, world, way, limit);
  const { cases, functions, wrong } = summary(ours.stdout);
  const same = isEqual(ours.stdout, theirs.stdout);
  const good = same && (fused || wrong.length === 0);
  const said = `${functions} functions and modes, ${cases} cases, ${ours.seconds.toFixed(0)} s`;
  const verdict = good ? "as outside" : same ? `errors as outside: ${wrong.join("; ")}` : "DIFFERS";
  console.log(`${world.architecture} ${args}: ${said}: ${verdict}`);
  if (!same) {
    const path = `${cache}/testfloat-${world.architecture}.txt`;
    await Deno.writeFile(path, ours.stdout);
    console.log(`    errors in: ${wrong.join("; ") || "none"}; output: ${path} ${ours.stderr}`);
  }
  return good;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: {
      arch: { type: "string", default: "amd64,arm64" },
      fused: { type: "boolean", default: false },
      heat: { type: "string" },
      limit: { type: "string", default: "3000" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(help.trimEnd());
    return 0;
  }
  let wrong = 0;
  for (const architecture of values.arch.split(",")) {
    for (const tool of ["apt-get", "make", compilers(architecture).cc]) {
      if (!await available(tool)) {
        console.error(`${architecture}: needs ${tool}`);
        return 2;
      }
    }
    const root = `${project}.cache/roots/bookworm-${architecture}`;
    const made = await Deno.stat(`${root}.json`).then(() => true, () => false);
    const world = { architecture, root, inputs: await build(architecture) };
    const needs = made ? await missing(world) : `${root} (rootfs.ts)`;
    if (needs !== undefined) {
      console.error(`${architecture}: needs ${needs}`);
      return 2;
    }
    const formats = ["f32", "f64", ...(architecture === "arm64" ? ["f16"] : [])];
    const all = ["-all1", "-all2", ...(values.fused ? formats.map((f) => `${f}_mulAdd`) : [])];
    for (const args of positionals.length > 0 ? positionals : all) {
      if (!await check(world, args, values.heat, Number(values.limit))) wrong++;
    }
  }
  return wrong === 0 ? 0 : 1;
}

if (import.meta.main) {
  try {
    Deno.exit(await main());
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    console.error(error.message);
    Deno.exit(2);
  }
}
