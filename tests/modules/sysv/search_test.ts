/** Library search, checked against `ldconfig -p` and what glibc's own loader finds. */
import { assertEquals, assertRejects } from "@std/assert";
import { Linker, LinkError } from "../../../lib/linker/mod.ts";
import { linux } from "../../../modules/mod.ts";
import { LdSoCache } from "../../../modules/sysv/ld_so_cache.ts";
import { MemoryTarget } from "../../lib/linker/memory_target.ts";
import { hasTool, runTool } from "./native_process.ts";

const ldconfig = ["/sbin/ldconfig", "/usr/sbin/ldconfig"].find(exists);
const native = Deno.build.os === "linux" && Deno.build.arch === "x86_64";

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test({
  name: "the cache holds what ldconfig -p prints" +
    (ldconfig ? "" : " (skipped: needs ldconfig and /etc/ld.so.cache)"),
  ignore: !ldconfig || !native || !exists("/etc/ld.so.cache"),
  fn: () => {
    const expected: string[] = [];
    for (const line of runTool(ldconfig!, "-p").split("\n")) {
      const match = /^\s*(\S+) \((libc6,x86-64)[^)]*\) => (\S+)$/.exec(line);
      if (match !== null && !line.includes("hwcap")) expected.push(`${match[1]} ${match[3]}`);
    }
    const cache = new LdSoCache(Deno.readFileSync("/etc/ld.so.cache"), "x86_64");
    const found = [...cache.entries()].flatMap(([name, paths]) =>
      paths.map((path) => `${name} ${path}`)
    );
    assertEquals(found.sort(), expected.sort());
  },
});

Deno.test({
  name: "the cache holds libraries by the processor's level, as ldconfig -p prints them" +
    (ldconfig && native && hasTool("gcc") ? "" : " (skipped: needs ldconfig and gcc)"),
  ignore: !ldconfig || !native || !hasTool("gcc"),
  fn: () => {
    const root = Deno.makeTempDirSync();
    try {
      const levels = ["", "glibc-hwcaps/x86-64-v2/", "glibc-hwcaps/x86-64-v3/"];
      Deno.mkdirSync(`${root}/etc`);
      Deno.writeTextFileSync(`${root}/empty.c`, "int nothing;");
      for (const level of levels) {
        Deno.mkdirSync(`${root}/lib/${level}`, { recursive: true });
        const options = ["-shared", "-nostdlib", "-Wl,-soname,libf.so", `${root}/empty.c`];
        runTool("gcc", ...options, "-o", `${root}/lib/${level}libf.so`);
      }
      runTool(ldconfig!, "-r", root);
      const printed = runTool(ldconfig!, "-r", root, "-p").split("\n");
      const expected = (level: string) =>
        printed.filter((line) => line.includes(`hwcap: "${level}"`)).map((line) =>
          line.replace(/.* => /, "")
        );
      const cache = new LdSoCache(Deno.readFileSync(`${root}/etc/ld.so.cache`), "x86_64");
      const plain = printed.filter((line) => /libf.*x86-64\) =>/.test(line)).map((line) =>
        line.replace(/.* => /, "")
      );
      const [v2, v3] = [expected("x86-64-v2"), expected("x86-64-v3")];
      assertEquals([plain.length, v2.length, v3.length], [1, 1, 1]);
      assertEquals(cache.lookup("libf.so"), plain);
      assertEquals(cache.lookup("libf.so", ["x86-64-v2"]), [...v2, ...plain]);
      assertEquals(cache.lookup("libf.so", ["x86-64-v3", "x86-64-v2"]), [...v3, ...v2, ...plain]);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  },
});

Deno.test("a cache that is none, or is cut short, is empty", () => {
  assertEquals(new LdSoCache(new Uint8Array(0), "x86_64").lookup("libc.so.6"), []);
  assertEquals(new LdSoCache(new Uint8Array(100).fill(65), "x86_64").lookup("libc.so.6"), []);
  const header = new Uint8Array(64);
  header.set(new TextEncoder().encode("glibc-ld.so.cache1.1"));
  header[20] = 200;
  assertEquals([...new LdSoCache(header, "x86_64").entries()], []);
});

/** The paths the machine's loader maps for a program, in its order, resolved. */
function traced(program: string, env: Record<string, string>): string[] {
  const { stdout } = new Deno.Command(program, {
    env: { LD_TRACE_LOADED_OBJECTS: "1", ...env },
    clearEnv: true,
  }).outputSync();
  const paths: string[] = [];
  for (const line of new TextDecoder().decode(stdout).split("\n")) {
    const match = /^\s*(?:\S+ => )?(\/\S+) \(0x/.exec(line);
    if (match !== null) paths.push(Deno.realPathSync(match[1]));
  }
  return paths;
}

async function collected(program: string, env: Record<string, string> = {}): Promise<string[]> {
  const linker = new Linker(new MemoryTarget("x86_64"), {
    modules: linux(),
    environment: Object.entries(env),
  });
  const plan = await linker.collect(program);
  const paths = new Set(plan.entries.map((entry) => entry.object));
  return [...paths].slice(1).filter((path) => path.startsWith("/")).map((path) =>
    Deno.realPathSync(path)
  );
}

const withCompiler = native && hasTool("gcc");
const skipped = withCompiler ? "" : " (skipped: needs gcc on x86_64 Linux)";

/** A tree of libraries that only the right rule finds, each telling where it lies. */
function buildTree(folder: string): void {
  const source = `${folder}/empty.c`;
  Deno.writeTextFileSync(source, "int nothing;");
  Deno.writeTextFileSync(`${folder}/main.c`, "int main(void) { return 0; }");
  const library = (path: string, ...options: string[]) => {
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    const soname = path.slice(path.lastIndexOf("/") + 1);
    const flags = ["-shared", "-fPIC", "-nostdlib", "-Wl,--no-as-needed", `-Wl,-soname,${soname}`];
    runTool("gcc", ...flags, source, "-o", path, ...options);
  };
  const rpath = (tag: "rpath" | "runpath", value: string) => [
    tag === "rpath" ? "-Wl,--disable-new-dtags" : "-Wl,--enable-new-dtags",
    `-Wl,-rpath,${value}`,
  ];
  // Two directories hold a liba.so each; libdeep.so is only where the program's own path says.
  library(`${folder}/deep/libdeep.so`);
  library(`${folder}/one/libleaf.so`);
  library(`${folder}/two/libleaf.so`);
  library(`${folder}/one/liba.so`, `${folder}/one/libleaf.so`, `${folder}/deep/libdeep.so`);
  library(`${folder}/two/liba.so`, `${folder}/two/libleaf.so`, ...rpath("runpath", "$ORIGIN"));
  library(`${folder}/lib/x86_64-linux-gnu/libtoken.so`);
  const program = (name: string, options: string[]) =>
    runTool("gcc", `${folder}/main.c`, "-o", `${folder}/${name}`, "-Wl,--no-as-needed", ...options);
  const unchecked = "-Wl,--unresolved-symbols=ignore-all";
  const one = [`${folder}/one/liba.so`, unchecked];
  program("by_rpath", [...one, ...rpath("rpath", "$ORIGIN/one:${ORIGIN}/deep")]);
  program("by_runpath", [...one, ...rpath("runpath", `${folder}/one:${folder}/deep`)]);
  program("by_environment", one);
  program("by_inherited", [`${folder}/two/liba.so`, unchecked, ...rpath("rpath", "$ORIGIN/two")]);
  program("by_token", [
    `${folder}/lib/x86_64-linux-gnu/libtoken.so`,
    ...rpath("runpath", "$ORIGIN/$LIB"),
  ]);
  Deno.symlinkSync(`${folder}/by_rpath`, `${folder}/one/linked`);
}

Deno.test({
  name:
    `RPATH, RUNPATH, LD_LIBRARY_PATH, $ORIGIN and $LIB find what glibc's loader finds${skipped}`,
  ignore: !withCompiler,
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "search-" });
    try {
      buildTree(folder);
      const cases: [string, Record<string, string>][] = [
        ["by_rpath", {}],
        ["by_rpath", { LD_LIBRARY_PATH: `${folder}/two` }],
        ["by_runpath", { LD_LIBRARY_PATH: `${folder}/two:${folder}/deep` }],
        ["by_environment", { LD_LIBRARY_PATH: `${folder}/one:${folder}/deep` }],
        ["by_environment", { LD_LIBRARY_PATH: `${folder}/two;${folder}/deep` }],
        ["by_inherited", {}],
        ["by_token", {}],
        ["one/linked", {}],
        ["by_rpath", { LD_PRELOAD: `${folder}/two/libleaf.so` }],
        ["by_rpath", { LD_PRELOAD: "libm.so.6 libz.so.1" }],
      ];
      for (const [name, env] of cases) {
        const program = `${folder}/${name}`;
        const theirs = traced(program, env);
        if (theirs.length < 2) throw new Error(`${name} ${JSON.stringify(env)}: ${theirs}`);
        // glibc lists its loader last; ours lists it where libc.so.6 asks for it.
        const sorted = (paths: string[]) => paths.filter((path) => !path.includes("ld-linux"));
        assertEquals(sorted(await collected(program, env)), sorted(theirs), name);
      }
      // What glibc does not find, we do not find either.
      const error = await assertRejects(() => collected(`${folder}/by_runpath`, {}), LinkError);
      assertEquals(error.where.phase, "collect");
      assertEquals(
        error.problem.startsWith("libleaf.so: cannot open shared object file: No such"),
        true,
      );
      assertEquals(traced(`${folder}/by_runpath`, {}).includes(`${folder}/one/libleaf.so`), false);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

for (const program of ["/usr/bin/git", "/usr/bin/python3", "/usr/bin/gdb", "/bin/ls"]) {
  const there = native && exists(program);
  Deno.test({
    name: `the libraries of ${program}, in load order${there ? "" : " (skipped: needs it)"}`,
    ignore: !there,
    fn: async () => {
      const own = (paths: string[]) => paths.filter((path) => !path.includes("ld-linux"));
      assertEquals(own(await collected(program)), own(traced(program, {})));
    },
  });
}
