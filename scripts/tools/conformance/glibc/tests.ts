/**
 * glibc's own tests of dynamic linking: fetched as source, built with the machine's compiler outside of
 * glibc's build (see `build.mk`), and run in a root's world or in a simulated machine.
 */
import { downloadUpstream } from "../../apt.ts";
import { capture, text } from "../../command.ts";
import { architectures } from "../../root_setup.ts";
import type { Program } from "../program.ts";

const here = new URL(".", import.meta.url).pathname;

/** Folder at which the built tests are seen when they run. */
const RUN = "/mnt";
/** Seconds a test may take, natively or in the machine. */
const LIMIT = 120;
/** One test, as glibc's Makefiles describe it. */
export interface Test {
  /** `elf/NAME` or `dlfcn/NAME`. */
  readonly name: string;
  /** Its standard output is part of the test. */
  readonly printed: boolean;
  /** The command line that runs it in a root with the built tests at /mnt. */
  readonly program: Program;
}

/** Tests that glibc judges by what they print, beside those that it keeps an expectation of. */
const orders = ["order", "order2"];

/** The headers that tests include from the rest of glibc's tree, by their path in it. */
const headers = [
  ...["include/array_length.h", "include/intprops.h", "include/dso_handle.h"],
  ...["sysdeps/ARCH/tst-audit.h", "sysdeps/ARCH/stackguard-macros.h"],
];
const genericHeaders = ["ifunc-sel", "stackinfo", "tst-stack-align", "tst-file-align", "dl-hash"];
/** Files that tests include by a path from the root of the tree. */
const included = ["io/pwd.c", "misc/sys/auxv.h", "test-skeleton.c"];

/** The source tree of a suite's glibc with what its tests need, prepared for building outside of it. */
export async function prepareSource(suite: string, arch: string, cache: string): Promise<string> {
  const source = `${cache}/${suite}-${arch}/source`;
  await Deno.remove(source, { recursive: true }).catch(() => {});
  const archive = await downloadUpstream({ suite, architecture: "amd64" }, "glibc", `${cache}/apt`);
  const whole = `${cache}/${suite}-${arch}/tree`;
  await Deno.mkdir(whole, { recursive: true });
  const parts = ["elf", "dlfcn", "support", "include", "sysdeps", "io", "misc", "test-skeleton.c"];
  const patterns = parts.map((part) => `*/${part}`);
  await text(
    ["tar", "-xf", archive, "--strip-components=1", "-C", whole, "--wildcards"].concat(patterns),
  );
  await Deno.mkdir(`${source}/headers/generic`, { recursive: true });
  for (const folder of ["elf", "dlfcn", "support"]) {
    await Deno.rename(`${whole}/${folder}`, `${source}/${folder}`);
  }
  const copy = async (from: string, to: string) => {
    await Deno.mkdir(`${source}/${to}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.copyFile(`${whole}/${from}`, `${source}/${to}`).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // another version has no such file
    });
  };
  for (const path of headers) {
    const own = path.replace("ARCH", arch);
    await copy(own, `headers/${own.slice(own.lastIndexOf("/") + 1)}`);
  }
  await copy("sysdeps/x86/tst-stack-align.h", "headers/tst-stack-align.h");
  if (arch !== "x86_64") await Deno.remove(`${source}/headers/tst-stack-align.h`);
  for (const name of genericHeaders) {
    await copy(`sysdeps/generic/${name}.h`, `headers/generic/${name}.h`);
  }
  for (const path of included) await copy(path, path);
  await Deno.remove(whole, { recursive: true });
  await Deno.copyFile(`${here}isthmus.h`, `${source}/headers/isthmus.h`);
  await Deno.writeTextFile(
    `${source}/headers/config.h`,
    "#define HAVE_ASM_UNIQUE_OBJECT 1\n#define HAVE_GCC_IFUNC 1\n",
  );
  for (const name of ["Makeconfig", "Rules"]) {
    await Deno.copyFile(`${here}build.mk`, `${source}/${name}`);
  }
  for (const name of ["o-iterator.mk", "libof-iterator.mk"]) {
    await Deno.writeTextFile(`${source}/${name}`, "");
  }
  // glibc's rule builds its own ld.so, which is not wanted.
  const makefile = `${source}/elf/Makefile`;
  const rules = await Deno.readTextFile(makefile);
  await Deno.writeTextFile(
    makefile,
    rules.replace(/^\$\(objpfx\)ld\.so: \$\(objpfx\)librtld\.os.*$/m, "$(objpfx)unused-ld.so:"),
  );
  return source;
}

/** Compilers of an architecture, as this machine has them. */
export function compilers(architecture: string): { readonly cc: string; readonly cxx: string } {
  const { deno, triplet } = architectures[architecture];
  const prefix = deno === Deno.build.arch ? "" : `${triplet}-`;
  return { cc: `${prefix}gcc`, cxx: `${prefix}g++` };
}

/** Builds what can be built into `out` and returns the tests that are there. */
export async function build(
  source: string,
  out: string,
  architecture: string,
  withCxx: boolean,
): Promise<Test[]> {
  const { deno, loader } = architectures[architecture];
  const { cc, cxx } = compilers(architecture);
  await Deno.remove(out, { recursive: true }).catch(() => {});
  await Deno.mkdir(out, { recursive: true });
  const variables = [
    ...[`OUT=${RUN}`, `SOURCE=${source}`, `MACHINE=${deno}`, `LOADER=${loader}`],
    ...[`CC=${cc}`, `CXX=${withCxx ? cxx : ""}`],
  ];
  // Where tests are built is where they run: some have the paths of their libraries in them.
  const mounted = 'mount --bind "$1" "$2" && shift 2 && exec "$@"';
  const world = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mounted, "sh"];
  const tests: Test[] = [];
  for (const folder of ["elf", "dlfcn"]) {
    const make = [...world, out, RUN, "make", "--no-print-directory", "-C", `${source}/${folder}`];
    // What cannot be built alone fails, and make goes on with the rest.
    await capture([...make, "-k", "-j2", "build", ...variables]);
    const lines = await text([...make, "-s", "list", ...variables]);
    for (const line of lines.trim().split("\n")) {
      const test = await testOf(line, folder, source, out);
      if (test !== undefined) tests.push(test);
    }
  }
  for await (const { name } of Deno.readDir(`${out}/elf`)) {
    if (/\.os?$/.test(name)) await Deno.remove(`${out}/elf/${name}`);
  }
  return tests;
}

/** A line of the list as a test; undefined if it was not built. */
async function testOf(
  line: string,
  folder: string,
  source: string,
  out: string,
): Promise<Test | undefined> {
  const [name, environment = "", args = ""] = line.split("|");
  if (await Deno.stat(`${out}/${folder}/${name}`).catch(() => null) === null) return undefined;
  const expectation = await Deno.stat(`${source}/${folder}/${name}.exp`).catch(() => null);
  const command = `cd ${RUN}/${folder}; ulimit -c 0; exec env LC_ALL=C ` +
    `LD_LIBRARY_PATH=${RUN}/${folder} ${environment} timeout ${LIMIT} ./${name} ${args}`;
  return {
    name: `${folder}/${name}`,
    printed: expectation !== null || orders.includes(name),
    program: { name: `glibc/${folder}/${name}`, argv: ["/bin/bash", "-c", command] },
  };
}
