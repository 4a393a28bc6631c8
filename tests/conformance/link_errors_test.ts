/**
 * What a user is told of programs that cannot be linked: the modular linker's words and exit codes, against
 * those of glibc's own ld.so on the same files.
 */
import { assertEquals } from "@std/assert";
import type { Arch } from "../../mod.ts";
import { available, text } from "../../scripts/tools/command.ts";
import { runIn } from "../oracles/ld_debug.ts";

const roots = new URL("../../.cache/roots/", import.meta.url).pathname;

/** A folder in which one case is built; it is /prog in the guest. */
class Folder {
  constructor(readonly path: string, readonly compiler: string) {}

  async source(name: string, code: string): Promise<string> {
    await Deno.writeTextFile(`${this.path}/${name}`, code);
    return name;
  }

  /** Compiles in the folder; libraries get their file name as soname. */
  async cc(out: string, code: string, ...options: string[]): Promise<void> {
    const source = await this.source(`${out}.c`, code);
    const shared = out.endsWith(".so")
      ? ["-shared", "-fPIC", "-nostdlib", `-Wl,-soname,${out}`]
      : ["-Wl,-rpath,$ORIGIN"];
    const command = [this.compiler, "-O1", "-w", "-Wl,--no-as-needed", source, "-o", out];
    await text([...command, ...shared, "-L.", ...options], { cwd: this.path });
  }

  /** Changes bytes of a file in place. */
  async patch(name: string, at: number, ...bytes: number[]): Promise<void> {
    const path = `${this.path}/${name}`;
    const content = await Deno.readFile(path);
    content.set(bytes, at);
    await Deno.writeFile(path, content);
  }

  async truncate(name: string, size: number): Promise<void> {
    await Deno.truncate(`${this.path}/${name}`, size);
  }

  async remove(name: string): Promise<void> {
    await Deno.remove(`${this.path}/${name}`);
  }

  async write(name: string, content: string | Uint8Array): Promise<void> {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(`${this.path}/${name}`, bytes);
  }

  /** The usual program: it says that it has begun, then calls f of libf.so. */
  async program(...options: string[]): Promise<void> {
    const main = "#include <stdio.h>\nint f(void);\n" +
      'int main(void) { puts("begun"); fflush(stdout); return f(); }\n';
    await this.cc("program", main, "-lf", ...options);
  }

  /** libf.so with a constructor that must not run if anything is missing. */
  async library(more = "", ...options: string[]): Promise<void> {
    const begin = "int puts(const char *);\n" +
      '__attribute__((constructor)) static void begin(void) { puts("constructed"); }\n';
    await this.cc("libf.so", `${begin}${more || "int f(void) { return 0; }"}\n`, ...options);
  }

  async usual(): Promise<void> {
    await this.library();
    await this.program();
  }
}

interface Case {
  readonly name: string;
  readonly build: (folder: Folder) => Promise<void>;
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A case in which some bytes of the library's ELF header are others. */
function header(name: string, at: number, ...bytes: number[]): Case {
  return {
    name,
    build: async (folder) => {
      await folder.usual();
      await folder.patch("libf.so", at, ...bytes);
    },
  };
}

function cut(name: string, size: number): Case {
  return {
    name,
    build: async (folder) => {
      await folder.usual();
      await folder.truncate("libf.so", size);
    },
  };
}

const versioned = "-Wl,--version-script=versions";
const now = { LD_BIND_NOW: "1" };

const cases: readonly Case[] = [
  { name: "nothing is wrong", build: (folder) => folder.usual() },
  {
    name: "no library",
    build: async (folder) => {
      await folder.usual();
      await folder.remove("libf.so");
    },
  },
  {
    name: "no library of a library",
    build: async (folder) => {
      await folder.cc("libg.so", "int g(void) { return 0; }");
      await folder.library("int g(void); int f(void) { return g(); }", "-lg");
      await folder.program("-Wl,--allow-shlib-undefined");
      await folder.remove("libg.so");
    },
  },
  {
    name: "a needed path that is not there",
    build: async (folder) => {
      await folder.library("", "-Wl,-soname,/prog/there/libf.so");
      await folder.program();
    },
  },
  cut("an empty library", 0),
  cut("40 bytes of a library", 40),
  cut("a library cut in its program headers", 200),
  {
    name: "a text for a library",
    build: async (folder) => {
      await folder.usual();
      await folder.write("libf.so", "no library\n".repeat(100));
    },
  },
  header("a library of 32 bits", 4, 1),
  header("a big-endian library", 5, 2),
  header("a library of another version of ELF", 6, 2),
  header("a library for another system", 7, 9),
  header("a library of another ABI version", 8, 200),
  header("an object that is not linked", 16, 1),
  header("a library for another machine", 18, 8),
  header("a library with another e_version", 20, 9),
  header("program headers of another size", 54, 57),
  header("a library without program headers", 56, 0),
  {
    name: "a program for a library",
    build: async (folder) => {
      await folder.usual();
      await Deno.copyFile(`${folder.path}/program`, `${folder.path}/libf.so`);
    },
  },
  {
    name: "a program at a fixed address for a library",
    build: async (folder) => {
      await folder.usual();
      await folder.cc("fixed", "int main(void) { return 0; }", "-no-pie");
      await Deno.copyFile(`${folder.path}/fixed`, `${folder.path}/libf.so`);
    },
  },
  {
    name: "an undefined function, bound at once",
    env: now,
    build: async (folder) => {
      await folder.library("int h(void); int f(void) { return h(); }");
      await folder.program("-Wl,--allow-shlib-undefined");
    },
  },
  {
    name: "an undefined function, bound at its call",
    build: async (folder) => {
      await folder.library("int h(void); int f(void) { return h(); }", "-Wl,-z,lazy");
      await folder.program("-Wl,--allow-shlib-undefined", "-Wl,-z,lazy");
    },
  },
  {
    name: "an undefined variable",
    build: async (folder) => {
      await folder.library("extern int v; int f(void) { return v; }");
      await folder.program("-Wl,--allow-shlib-undefined");
    },
  },
  {
    name: "a symbol that a library has no more",
    env: now,
    build: async (folder) => {
      await folder.usual();
      await folder.library("int other(void) { return 0; }");
    },
  },
  {
    name: "a version that a library has no more",
    build: async (folder) => {
      await folder.write("versions", "V1 { global: f; local: *; };\n");
      await folder.library("", versioned);
      await folder.program();
      await folder.write("versions", "V2 { global: f; local: *; };\n");
      await folder.library("", versioned);
    },
  },
  {
    name: "two versions that two libraries have no more",
    build: async (folder) => {
      const library = (version: string) => async (name: string, symbol: string) => {
        await folder.write("versions", `${version} { global: ${symbol}; local: *; };\n`);
        await folder.cc(name, `int ${symbol}(void) { return 0; }`, versioned);
      };
      await library("V1")("libf.so", "f");
      await library("W1")("libg.so", "g");
      await folder.cc(
        "program",
        "int f(), g(); int main(void) { return f() + g(); }",
        "-lf",
        "-lg",
      );
      await library("V2")("libf.so", "f");
      await library("W2")("libg.so", "g");
    },
  },
  {
    name: "a version without its symbol",
    env: now,
    build: async (folder) => {
      await folder.write("versions", "V1 { global: f; local: *; };\n");
      await folder.library("", versioned);
      await folder.program();
      await folder.write("versions", "V1 { global: other; local: *; };\n");
      await folder.library("int other(void) { return 0; }", versioned);
    },
  },
  {
    name: "a preloaded library that is not there",
    env: { LD_PRELOAD: "libnone.so /prog/none.so" },
    build: (folder) => folder.usual(),
  },
  {
    name: "a preloaded library that is none",
    env: { LD_PRELOAD: "/prog/text.so" },
    build: async (folder) => {
      await folder.usual();
      await folder.write("text.so", "no library\n".repeat(100));
    },
  },
  {
    name: "libraries that need one another",
    build: async (folder) => {
      const begin = (name: string) =>
        `int puts(const char *); __attribute__((constructor)) static void b(void) { puts("${name}"); }\n`;
      await folder.cc("libg.so", `${begin("g")} int g(void) { return 0; }`);
      await folder.cc("libf.so", `${begin("f")} int g(void); int f(void) { return g(); }`, "-lg");
      await folder.cc("libg.so", `${begin("g")} int f(void); int g(void) { return 0; }`, "-lf");
      await folder.program();
    },
  },
  {
    name: "too much static TLS for a library opened later",
    build: async (folder) => {
      const big = '__thread char big[100000] __attribute__((tls_model("initial-exec")));';
      await folder.cc("libt.so", `${big} int f(void) { return big[7]; }`);
      const main = `#include <dlfcn.h>
#include <stdio.h>
int main(void) {
  void *handle = dlopen("/prog/libt.so", RTLD_NOW);
  puts(handle == NULL ? dlerror() : "opened");
  return 5;
}
`;
      await folder.cc("program", main, "-ldl");
    },
  },
  {
    name: "what dlopen and dlsym say",
    build: async (folder) => {
      await folder.library("int f(void) { return 0; }");
      await folder.cc("libbad.so", "extern int v; int b(void) { return v; }");
      await folder.write("text.so", "no library\n".repeat(100));
      const main = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
static void look(const char *path) {
  printf("%s: ", path);
  puts(dlopen(path, RTLD_NOW) == NULL ? dlerror() : "opened");
}
int main(void) {
  look("libnone.so"); look("/prog/none.so"); look("/prog/text.so"); look("/prog/libbad.so");
  look("/prog"); look("/prog/program");
  void *handle = dlopen("/prog/libf.so", RTLD_NOW);
  dlsym(handle, "none"); puts(dlerror());
  dlvsym(handle, "f", "V9"); puts(dlerror());
  dlsym(RTLD_DEFAULT, "none"); puts(dlerror());
  puts(dlerror() == NULL ? "no error" : "an error");
  return 0;
}
`;
      await folder.cc("program", main, "-ldl");
    },
  },
];

/** What may differ on another machine: relocations, thread-local storage, the machine itself; the rest is the same code. */
const OTHER_MACHINE = new Set([
  ...["nothing is wrong", "no library", "a library for another machine"],
  ...["an undefined function, bound at once", "an undefined function, bound at its call"],
  ...["an undefined variable", "a version that a library has no more"],
  ...["too much static TLS for a library opened later", "what dlopen and dlsym say"],
]);

for (
  const [architecture, arch] of [["amd64", "x86_64"], ["arm64", "aarch64"]] as [string, Arch][]
) {
  const root = `${roots}bookworm-${architecture}`;
  const compiler = arch === Deno.build.arch ? "gcc" : `${arch}-linux-gnu-gcc`;
  const rooted = await Deno.stat(`${root}.json`).then(() => true, () => false);
  const needs = !rooted
    ? "roots of scripts/tools/rootfs.ts"
    : await available(compiler)
    ? undefined
    : compiler;
  Deno.test({
    name: `what ld.so says of what cannot be linked, on ${arch}` +
      (needs === undefined ? "" : ` (skipped: needs ${needs})`),
    ignore: needs !== undefined,
    fn: async (t) => {
      for (const { name, build, env } of cases) {
        if (arch === "aarch64" && !OTHER_MACHINE.has(name)) continue;
        await t.step(name, async () => {
          const path = await Deno.makeTempDir({ prefix: "link-errors-" });
          try {
            await Deno.chmod(path, 0o755);
            await build(new Folder(path, compiler));
            const options = { root, env, mounts: [{ host: path, guest: "/prog" }] };
            const [theirs, ours] = [
              await runIn(["/prog/program"], { ...options, linker: "guest" }),
              await runIn(["/prog/program"], { ...options, linker: "modular" }),
            ];
            const seen = ({ exit, stdout, stderr }: typeof ours) => ({ exit, stdout, stderr });
            assertEquals(seen(ours), seen(theirs));
          } finally {
            await Deno.remove(path, { recursive: true });
          }
        });
      }
    },
  });
}
