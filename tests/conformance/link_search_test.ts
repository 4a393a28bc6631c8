/** Where the modular linker looks for libraries, against what glibc's ld.so says it tries (LD_DEBUG=libs). */
import { assertEquals } from "@std/assert";
import { available, text } from "../../scripts/tools/command.ts";
import { ldDebug, ourSearches } from "../oracles/ld_debug.ts";

const roots = new URL("../../.cache/roots/", import.meta.url).pathname;

/** Paths tried for each library, in the order of the first request for it. */
type Tried = [string, string[]][];

/** Folders that ld.so before 2.37 looks into and that nobody has: `tls`, and the platform's name. */
const LEGACY = /\/(tls|x86_64|aarch64|atomics)\/[^/]*$/;

/** Without what is in no folder: ld.so asks for a folder that is not there once and not again. */
function inFolders(paths: readonly string[], host: string, root: string): string[] {
  return paths.filter((path) => {
    if (LEGACY.test(path)) return false;
    const there = path.startsWith("/prog/") ? host + path.slice("/prog".length) : root + path;
    try {
      return Deno.statSync(there.replace(/\/[^/]*$/, "")).isDirectory;
    } catch {
      return false;
    }
  });
}

function theirs(lines: readonly string[]): Tried {
  const tried: Tried = [];
  for (const line of lines) {
    const [, name] = /^find library=(\S+) \[\d+\]; searching/.exec(line) ?? [];
    if (name !== undefined) tried.push([name, []]);
    const [, path] = /^trying file=(\S+)/.exec(line) ?? [];
    if (path !== undefined) tried.at(-1)![1].push(path);
  }
  return tried;
}

/** A folder with libraries of one function each, called f, g… after the file, and a program of them. */
async function build(
  folder: string,
  libraries: readonly { path: string; options?: string[]; needs?: string[] }[],
  options: readonly string[],
): Promise<void> {
  const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);
  const symbolOf = (path: string) => nameOf(path).replace(/^lib|\.so$/g, "");
  for (const { path, options = [], needs = [] } of libraries) {
    const out = `${folder}/${path}`;
    await Deno.mkdir(out.replace(/\/[^/]*$/, ""), { recursive: true });
    const calls = needs.map((need) => `+ ${symbolOf(need)}()`).join(" ");
    const declared = needs.map((need) => `int ${symbolOf(need)}(void);`).join(" ");
    await Deno.writeTextFile(
      `${out}.c`,
      `${declared} int ${symbolOf(path)}(void) { return 0 ${calls}; }`,
    );
    const files = needs.map((need) => `${folder}/${need}`);
    await text(["gcc", "-shared", "-fPIC", "-nostdlib", `-Wl,-soname,${nameOf(path)}`, `${out}.c`]
      .concat(["-o", out, ...files, ...options]));
  }
  await Deno.writeTextFile(`${folder}/main.c`, "int f(void); int main(void) { return f(); }");
  const first = libraries.find(({ path }) => path.endsWith("libf.so"))!;
  await text(["gcc", `${folder}/main.c`, "-o", `${folder}/program`, `${folder}/${first.path}`]
    .concat(["-Wl,--allow-shlib-undefined", ...options]));
}

interface Case {
  readonly name: string;
  readonly libraries: Parameters<typeof build>[1];
  readonly options?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cpuLevel?: 1 | 2 | 3;
}

const rpath = (path: string): string[] => [`-Wl,--disable-new-dtags,-rpath,${path}`];
const runpath = (path: string): string[] => [`-Wl,--enable-new-dtags,-rpath,${path}`];
const level = (n: number) => `lib/glibc-hwcaps/x86-64-v${n}/libf.so`;

const cases: readonly Case[] = [
  { name: "DT_RPATH", libraries: [{ path: "a/libf.so" }], options: rpath("/prog/b:$ORIGIN/a") },
  {
    name: "DT_RPATH comes before LD_LIBRARY_PATH, DT_RUNPATH after it",
    libraries: [{ path: "a/libf.so" }, { path: "b/libf.so" }],
    options: rpath("${ORIGIN}/a"),
    env: { LD_LIBRARY_PATH: "/prog/b" },
  },
  {
    name: "DT_RUNPATH comes after LD_LIBRARY_PATH",
    libraries: [{ path: "a/libf.so" }, { path: "b/libf.so" }],
    options: runpath("$ORIGIN/a"),
    env: { LD_LIBRARY_PATH: "/prog/none:/prog/b/" },
  },
  {
    name: "DT_RPATH is for the libraries of libraries as well",
    libraries: [{ path: "b/libg.so" }, { path: "a/libf.so", needs: ["b/libg.so"] }],
    options: rpath("/prog/a:/prog/b"),
  },
  {
    name: "DT_RUNPATH is for the requester alone",
    libraries: [{ path: "b/libg.so" }, {
      path: "a/libf.so",
      needs: ["b/libg.so"],
      options: runpath("$ORIGIN/../b"),
    }],
    options: runpath("/prog/a"),
  },
  {
    name: "a library with DT_RUNPATH does not use the program's DT_RPATH",
    libraries: [{ path: "b/libg.so" }, {
      path: "a/libf.so",
      needs: ["b/libg.so"],
      options: runpath("/prog/c:/prog/b"),
    }],
    options: rpath("/prog/a"),
  },
  {
    name: "semicolons, an empty element, $LIB and $PLATFORM",
    libraries: [{ path: "lib/x86_64-linux-gnu/libf.so" }],
    env: { LD_LIBRARY_PATH: "/prog/none;/prog/$PLATFORM;/prog/$LIB" },
  },
  {
    name: "folders for the processor's level",
    libraries: [{ path: "lib/libf.so" }, { path: level(2) }, { path: level(3) }],
    env: { LD_LIBRARY_PATH: "/prog/lib" },
  },
  {
    name: "folders for a better processor's level",
    libraries: [{ path: "lib/libf.so" }, { path: level(2) }, { path: level(3) }],
    env: { LD_LIBRARY_PATH: "/prog/lib" },
    cpuLevel: 3,
  },
  {
    name: "no folders for the least processor",
    libraries: [{ path: "lib/libf.so" }, { path: level(2) }],
    env: { LD_LIBRARY_PATH: "/prog/lib" },
    cpuLevel: 1,
  },
  { name: "a library that is nowhere", libraries: [{ path: "a/libf.so" }] },
  {
    name: "a preloaded library by name",
    libraries: [{ path: "a/libf.so" }, { path: "b/libg.so" }],
    options: runpath("/prog/a"),
    env: { LD_PRELOAD: "libg.so", LD_LIBRARY_PATH: "/prog/b" },
  },
  {
    name: "no default folders",
    libraries: [{ path: "a/libf.so" }],
    options: [...runpath("/prog/a"), "-Wl,-z,nodefaultlib"],
    env: { LD_LIBRARY_PATH: "/lib/x86_64-linux-gnu" },
  },
];

const compiler = Deno.build.arch === "x86_64" && await available("gcc");

for (const suite of ["bullseye", "bookworm", "trixie"]) {
  const root = `${roots}${suite}-amd64`;
  const rooted = await Deno.stat(`${root}.json`).then(() => true, () => false);
  const needs = !rooted
    ? `the root ${suite}-amd64 of scripts/tools/rootfs.ts`
    : compiler
    ? undefined
    : "gcc on x86_64";
  Deno.test({
    name: `ld.so's search for libraries, glibc of ${suite}` +
      (needs === undefined ? "" : ` (skipped: needs ${needs})`),
    ignore: needs !== undefined,
    fn: async (t) => {
      for (const { name, libraries, options = [], env, cpuLevel } of cases) {
        await t.step(name, async () => {
          const folder = await Deno.makeTempDir({ prefix: "link-search-" });
          try {
            await Deno.chmod(folder, 0o755);
            await build(folder, libraries, options);
            const machine = { root, env, cpuLevel, mounts: [{ host: folder, guest: "/prog" }] };
            const argv = ["/prog/program"];
            const { lines, exit } = await ldDebug("libs", argv, machine);
            const expected = theirs(lines);
            const { attempts, said } = await ourSearches(argv, machine);
            const ours: Tried = [];
            for (const { name, path } of attempts) {
              const before = ours.find(([other]) => other === name);
              if (before === undefined) ours.push([name, [path]]);
              else before[1].push(path);
            }
            const comparable = (tried: Tried) =>
              tried.filter(([name]) => !name.includes("ld-linux"))
                .map(([name, paths]) => [name, inFolders(paths, folder, root)]);
            assertEquals(comparable(ours), comparable(expected));
            assertEquals(said.exit, exit, said.stderr);
          } finally {
            await Deno.remove(folder, { recursive: true });
          }
        });
      }
    },
  });
}
