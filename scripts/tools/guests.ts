/**
 * Builds the guest programs of `tests/guests` for both architectures, byte for byte the same under
 * the compiler named in `tests/guests/README.md`, records what they print, and packs the `many`
 * program into a module that the demo can import from anywhere.
 */
import { parseArgs } from "node:util";
import { available, capture, CommandError, text } from "./command.ts";
import { packModule, unpackModule } from "./guest_pack.ts";
import { manySources } from "./many_source.ts";

const help = `Builds the guest programs in tests/guests for x86_64 and aarch64.

usage: deno task guests [--check] [--help]

  (no option)  builds into tests/guests/prebuilt, records expected.json by running the x86_64
               programs here, and writes scripts/experiments/guests_data.ts
  --check      builds into a temporary folder and compares with what is committed; runs every
               program natively and under qemu-aarch64 against expected.json; writes nothing

Needs Debian 12's gcc 12.2.0 and binutils 2.40 for both architectures:
  apt-get install gcc gcc-aarch64-linux-gnu qemu-user

example: after changing tests/guests/programs/hello.c
  deno task guests && deno task guests --check
`;

export const guestArchitectures = ["x86_64", "aarch64"] as const;
export type GuestArchitecture = typeof guestArchitectures[number];

const interpreters: Record<GuestArchitecture, string> = {
  x86_64: "/lib64/ld-linux-x86-64.so.2",
  aarch64: "/lib/ld-linux-aarch64.so.1",
};

const common = [
  ...["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-nostdinc"],
  ...["-fno-stack-protector", "-fno-ident", "-g0"],
];
const perArchitecture: Record<GuestArchitecture, string[]> = {
  x86_64: ["-march=x86-64", "-fcf-protection=none"],
  aarch64: ["-march=armv8-a", "-mno-outline-atomics", "-mbranch-protection=none"],
};
/** Files without the padding that 64 KiB pages of relocated data would take. */
const smallPages = "{aarch64}-Wl,-z,max-page-size=4096";
const linking = ["-nostdlib", "-Wl,--build-id=none", "-s"];
const position = ["-static", "-fno-pie", "-no-pie", "-fno-asynchronous-unwind-tables"];

/** Static programs: name, source and options beyond the common ones. */
const statics: { name: string; source: string; options?: string[]; only?: GuestArchitecture }[] = [
  ...["hello", "kernel", "sieve", "crc", "sha256", "forks", "self_modify", "remap", "protect"]
    .concat(["threads", "signals", "hugepages", "dual_map"])
    .map((name) => ({ name, source: name })),
  { name: "hello_pie", source: "hello", options: ["-static-pie", "-fpie"] },
  {
    // For base pages of any size.
    ...{ name: "hugepages_64k", source: "hugepages", only: "aarch64" },
    options: ["-Wl,-z,max-page-size=65536"],
  },
  { name: "threads_lse", source: "threads", options: ["-march=armv8.1-a"], only: "aarch64" },
];

/** A recorded run. Output and exit code are the same on both architectures. */
export interface ExpectedRun {
  /** Path below `tests/guests/prebuilt/<arch>/`. */
  readonly program: string;
  readonly args: readonly string[];
  /** Exit code, 128+N if signal N ended the program. */
  readonly exit: number;
  readonly stdout: string;
  /** Present on one architecture only. */
  readonly only?: GuestArchitecture;
  /** Why qemu-user 7.2 does not give this result on aarch64. */
  readonly unlikeQemu?: string;
}

const runs: Omit<ExpectedRun, "exit" | "stdout">[] = [
  { program: "hello", args: [] },
  { program: "hello", args: ["big", "world"] },
  { program: "hello_pie", args: ["pie"] },
  { program: "kernel", args: ["1"] },
  { program: "kernel", args: ["10"] },
  { program: "sieve", args: [] },
  { program: "crc", args: [] },
  { program: "sha256", args: [] },
  { program: "sha256", args: ["55"] },
  { program: "sha256", args: ["56"] },
  {
    program: "forks",
    args: ["20"],
    unlikeQemu: "exec of a foreign program needs binfmt_misc on the host",
  },
  { program: "self_modify", args: [] },
  { program: "remap", args: [] },
  { program: "protect", args: [] },
  { program: "threads", args: ["4", "1000"] },
  { program: "threads", args: ["1", "10"] },
  { program: "threads_lse", args: ["4", "1000"], only: "aarch64" },
  { program: "signals", args: [] },
  { program: "hugepages", args: [] },
  { program: "hugepages_64k", args: [], only: "aarch64" },
  {
    program: "dual_map",
    args: [],
    unlikeQemu: "qemu 7.2 does not see code written through another mapping",
  },
  { program: "many/many", args: ["1", "0"] },
  { program: "many/many", args: ["1000"] },
  { program: "many/many", args: ["5000", "20"] },
  { program: "many/many_fixed", args: ["1000"] },
];

const folder = new URL("../../tests/guests/", import.meta.url);
const dataModule = new URL("../experiments/guests_data.ts", import.meta.url);
const compiler = (arch: GuestArchitecture) => `${arch}-linux-gnu-gcc`;

/** The compilers' and linkers' versions that are not the expected ones, or "". */
export async function toolMismatch(): Promise<string> {
  const found: string[] = [];
  for (const arch of guestArchitectures) {
    const missing = !(await available(compiler(arch)));
    if (missing) return `needs ${compiler(arch)}`;
    const gcc = (await text([compiler(arch), "-dumpfullversion"])).trim();
    const ld = (await text([`${arch}-linux-gnu-ld`, "--version"])).split("\n")[0];
    if (gcc !== "12.2.0") found.push(`${compiler(arch)} ${gcc}`);
    if (!/ 2\.40$/.test(ld)) found.push(ld);
  }
  return found.length === 0 ? "" : `needs gcc 12.2.0 and binutils 2.40, found ${found.join(", ")}`;
}

/** Runs `jobs` two at a time. */
async function inPairs(jobs: (() => Promise<unknown>)[]): Promise<void> {
  const queue = jobs.values();
  const worker = async () => {
    for (const job of queue) await job();
  };
  await Promise.all([worker(), worker()]);
}

function selected(options: readonly string[], arch: GuestArchitecture): string[] {
  return options.map((option) => {
    const limited = /^\{(\w+)\}(.*)$/.exec(option);
    if (limited === null) return option;
    return limited[1] === arch ? limited[2] : "";
  }).filter((option) => option !== "");
}

const libc = ["libc/start.c", "libc/libc.c", "libc/process.c"];

function staticJobs(arch: GuestArchitecture, cwd: string, out: string) {
  return statics.filter((row) => row.only === undefined || row.only === arch).map((row) => () => {
    const base = [compiler(arch), ...common, ...perArchitecture[arch], ...linking, ...position]
      .concat(selected([smallPages], arch));
    const sources = [`programs/${row.source}.c`, ...libc];
    return text([...base, ...row.options ?? [], "-Ilibc", ...sources, "-o", `${out}/${row.name}`], {
      cwd,
    });
  });
}

async function buildMany(arch: GuestArchitecture, cwd: string, out: string): Promise<void> {
  const { header, libraries } = manySources();
  const work = `${cwd}/${arch}`;
  await Deno.mkdir(work, { recursive: true });
  await Deno.mkdir(`${out}/lib`, { recursive: true });
  await Deno.writeTextFile(`${work}/many.h`, header);
  const base = [compiler(arch), ...common, ...perArchitecture[arch], "-Ilibc", `-I${arch}`];
  const shared = [...base, ...linking, "-fPIC", "-shared"];

  const soname = ["-Wl,-soname=libtiny.so", ...selected([smallPages], arch)];
  const tiny = ["many/tiny.c", "libc/libc.c", "-o", `${out}/lib/libtiny.so`];
  await text([...shared, ...soname, ...tiny], { cwd });
  for (const row of libraries) {
    await Deno.writeTextFile(`${work}/${row.name}.c`, row.source);
    if (row.versionScript) await Deno.writeTextFile(`${work}/${row.name}.map`, row.versionScript);
  }
  await inPairs(libraries.map((row) => () => {
    const options = selected(row.compile, arch);
    const object = `${arch}/${row.name}.o`;
    return text([...base, "-fPIC", ...options, "-c", `${arch}/${row.name}.c`, "-o", object], {
      cwd,
    });
  }));
  for (const row of libraries) {
    const options = ["-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN", `-Wl,-soname=${row.name}`];
    if (row.versionScript) options.push(`-Wl,--version-script=${arch}/${row.name}.map`);
    const needed = row.needed.map((name) => `${out}/lib/${name}`);
    const object = `${arch}/${row.name}.o`;
    await text(
      [
        ...shared,
        ...options,
        ...selected(row.link, arch),
        object,
        ...needed,
        "-o",
        `${out}/lib/${row.name}`,
      ],
      { cwd },
    );
  }

  const inOrder = libraries.map((row) => `${out}/lib/${row.name}`).sort();
  const program = ["many/main.c", "libc/start.c", ...inOrder, `${out}/lib/libtiny.so`];
  const options = [
    ...[
      `-Wl,--dynamic-linker=${interpreters[arch]}`,
      "-Wl,-rpath,$ORIGIN/lib",
      "-Wl,--no-as-needed",
    ],
    ...["-Wl,--unresolved-symbols=ignore-in-shared-libs", "-Wl,-z,lazy"],
    ...selected([smallPages], arch),
  ];
  for (
    const [name, kind] of [["many", ["-fPIE", "-pie"]], ["many_fixed", ["-fno-pie", "-no-pie"]]]
  ) {
    await text([...base, ...linking, ...kind, ...options, ...program, "-o", `${out}/${name}`], {
      cwd,
    });
  }
}

/** Calls `build` with a folder that holds the C sources. */
async function inSources(build: (cwd: string) => Promise<void>): Promise<void> {
  const cwd = await Deno.makeTempDir();
  try {
    for (const part of ["libc", "programs", "many"]) {
      await Deno.mkdir(`${cwd}/${part}`);
      for await (const { name } of Deno.readDir(new URL(`${part}/`, folder))) {
        await Deno.copyFile(new URL(`${part}/${name}`, folder), `${cwd}/${part}/${name}`);
      }
    }
    await build(cwd);
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

/** Builds the static programs of one architecture into the folder `out`. */
export async function buildStatics(arch: GuestArchitecture, out: string): Promise<void> {
  await inSources((cwd) => inPairs(staticJobs(arch, cwd, out)));
}

/** Builds everything into `out`, as `out/<arch>/…`. */
export async function buildGuests(out: string): Promise<void> {
  const mismatch = await toolMismatch();
  if (mismatch !== "") throw new CommandError(mismatch);
  await inSources(async (cwd) => {
    for (const arch of guestArchitectures) {
      await Deno.mkdir(`${out}/${arch}/many`, { recursive: true });
      await inPairs(staticJobs(arch, cwd, `${out}/${arch}`));
      await buildMany(arch, cwd, `${out}/${arch}/many`);
    }
  });
}

/**
 * Runs one prebuilt program here: natively, or under qemu-user with the cross compiler's dynamic
 * linker. glibc's dynamic linker ends a program properly only if libc.so.6 is there too, which
 * these programs do not need: it is preloaded.
 */
export async function runGuest(
  arch: GuestArchitecture,
  prebuilt: string,
  run: Pick<ExpectedRun, "program" | "args">,
): Promise<{ exit: number; stdout: string }> {
  const program = `${prebuilt}/${arch}/${run.program}`;
  const preload = "LD_PRELOAD=libc.so.6";
  const before = arch === Deno.build.arch
    ? run.program.startsWith("many/") ? ["env", preload] : []
    : [`qemu-${arch}`, "-L", `/usr/${arch}-linux-gnu`, "-E", preload];
  // A shell gives a death by signal as 128+N, natively and under qemu alike.
  const script = 'ulimit -c 0; "$@"; exit $?';
  const done = await capture(["/bin/sh", "-c", script, "sh", ...before, program, ...run.args]);
  return { exit: done.code, stdout: new TextDecoder().decode(done.stdout) };
}

/** Files below `base`, relative and sorted. */
async function filesBelow(base: string, under = ""): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(`${base}/${under}`)) {
    const path = under + entry.name;
    if (entry.isDirectory) names.push(...await filesBelow(base, path + "/"));
    else names.push(path);
  }
  return names.sort();
}

async function manyFiles(prebuilt: string, arch: GuestArchitecture) {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const base = `${prebuilt}/${arch}/many`;
  for (const name of await filesBelow(base)) {
    files.set(`/many/${name}`, await Deno.readFile(`${base}/${name}`));
  }
  return files;
}

async function record(prebuilt: string): Promise<ExpectedRun[]> {
  const recorded: ExpectedRun[] = [];
  for (const run of runs) {
    const other = run.only ?? Deno.build.arch as GuestArchitecture;
    const { exit, stdout } = await runGuest(other, prebuilt, run);
    if (stdout === "") throw new CommandError(`${run.program} printed nothing, exit ${exit}`);
    recorded.push({ ...run, exit, stdout });
  }
  return recorded;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** What differs between a fresh build in `fresh` and the committed files; empty if nothing does. */
export async function differences(fresh: string): Promise<string[]> {
  const committed = new URL("prebuilt", folder).pathname;
  const wrong: string[] = [];
  const names = await filesBelow(fresh);
  for (const name of await filesBelow(committed)) {
    if (!names.includes(name)) wrong.push(`${name}: no longer built`);
  }
  for (const name of names) {
    const old = await Deno.readFile(`${committed}/${name}`).catch(() => undefined);
    if (old === undefined) wrong.push(`${name}: not committed`);
    else if (!sameBytes(old, await Deno.readFile(`${fresh}/${name}`))) {
      wrong.push(`${name}: differs`);
    }
  }
  const source = await Deno.readTextFile(dataModule);
  for (const arch of guestArchitectures) {
    const packed = await unpackModule(source, arch);
    const files = await manyFiles(fresh, arch);
    const equal = packed.size === files.size &&
      [...files].every(([path, bytes]) => sameBytes(bytes, packed.get(path) ?? new Uint8Array()));
    if (!equal) wrong.push(`${dataModule.pathname}: ${arch} differs`);
  }
  return wrong;
}

/** Runs that did not give what `expected.json` says, natively and under qemu. */
export async function wrongRuns(prebuilt: string): Promise<string[]> {
  const expected: ExpectedRun[] = JSON.parse(
    await Deno.readTextFile(new URL("expected.json", folder)),
  );
  const wrong: string[] = [];
  for (const run of expected) {
    for (const arch of guestArchitectures) {
      if (run.only !== undefined && run.only !== arch) continue;
      if (arch !== Deno.build.arch && run.unlikeQemu !== undefined) continue;
      const got = await runGuest(arch, prebuilt, run);
      if (got.exit !== run.exit || got.stdout !== run.stdout) {
        wrong.push(`${arch} ${run.program} ${run.args.join(" ")}: exit ${got.exit}\n${got.stdout}`);
      }
    }
  }
  return wrong;
}

async function check(): Promise<number> {
  const fresh = await Deno.makeTempDir();
  try {
    await buildGuests(fresh);
    const wrong = [...await differences(fresh), ...await wrongRuns(fresh)];
    for (const line of wrong) console.error(`guests: ${line}`);
    if (wrong.length === 0) console.log("guests: every file and every run as committed");
    return wrong.length === 0 ? 0 : 1;
  } finally {
    await Deno.remove(fresh, { recursive: true });
  }
}

async function rebuild(): Promise<void> {
  const prebuilt = new URL("prebuilt", folder).pathname;
  await Deno.remove(prebuilt, { recursive: true }).catch(() => {});
  await buildGuests(prebuilt);
  const recorded = await record(prebuilt);
  await Deno.writeTextFile(
    new URL("expected.json", folder),
    JSON.stringify(recorded, null, 2) + "\n",
  );
  const archives = await Promise.all(
    guestArchitectures.map(async (arch) => [arch, await manyFiles(prebuilt, arch)] as const),
  );
  await Deno.writeTextFile(dataModule, await packModule(archives));
}

async function main(args: string[]): Promise<void> {
  let values;
  try {
    values = parseArgs({
      args,
      options: { check: { type: "boolean" }, help: { type: "boolean" } },
    }).values;
  } catch (error) {
    console.error(`guests: ${(error as Error).message} (--help explains)`);
    Deno.exit(2);
  }
  if (values.help) return console.log(help.trimEnd());
  try {
    if (values.check) Deno.exit(await check());
    await rebuild();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    console.error(`guests: ${error.message}`);
    Deno.exit(1);
  }
}

if (import.meta.main) await main(Deno.args);
