import type { Architecture } from "../../../lib/linker/mod.ts";
import { runTool } from "./native_process.ts";
import { missingTools } from "./native_run.ts";

const LIBRARY = `
#include <stdio.h>
__thread int counter = 5;
__thread long table[40] = {1, 2, 3};
__attribute__((constructor)) static void begin(void) { fputs("library begins\\n", stdout); }
__attribute__((destructor)) static void end(void) { puts("library ends"); }
int next(void) { return counter++ + table[2]; }
`;

const PROGRAM = `
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int next(void);
__thread int own = 7;
static __thread char text[64] __attribute__((aligned(64)));
__attribute__((constructor)) static void begin(void) { fputs("program begins\\n", stdout); }
static void *work(void *argument) {
  next();
  own++;
  snprintf(text, sizeof text, "thread %d: %d %d", *(int *)argument, own, next());
  return strdup(text);
}
int main(int argc, char **argv) {
  printf("%d %s %d %d\\n", argc, argv[1], own, next());
  for (int i = 0; i < 3; i++) {
    pthread_t thread;
    void *result;
    if (pthread_create(&thread, 0, work, &i) != 0) return 9;
    pthread_join(thread, &result);
    puts(result);
    free(result);
  }
  char *memory = malloc(300000);
  memset(memory, 1, 300000);
  free(memory);
  if (argc > 3) getchar();
  printf("%g %d\\n", 1.5, (int)((unsigned long)text % 64));
  return 3;
}
`;

/** Where the cross-built root with musl's libc and headers is. */
const ARM64_ROOT = new URL("../../../.cache/roots/bookworm-arm64", import.meta.url).pathname;

export function rootOf(arch: Architecture): string {
  return arch === "x86_64" ? "" : ARM64_ROOT;
}

/** What is missing to build and run a musl program; undefined if nothing is. */
export function muslNeeds(arch: Architecture): string | undefined {
  const missing = missingTools(arch);
  if (missing.length > 0) return missing.join(", ");
  try {
    Deno.statSync(`${rootOf(arch)}/usr/lib/${arch}-linux-musl/Scrt1.o`);
    Deno.statSync(`${rootOf(arch)}/lib/ld-musl-${arch}.so.1`);
  } catch {
    return `musl's library and headers${arch === "x86_64" ? "" : " in an arm64 root"}`;
  }
}

/** A program and its library, built for musl with the machine's compilers. */
export interface MuslProgram extends Disposable {
  readonly root: string;
  readonly path: string;
  readonly folder: string;
  /** The built files by guest path. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** What it prints when musl's own loader links it. */
  readonly nativeOutput: string;
}

/** Compiles a library, if the name ends in `.so`, or a program for musl; `more` is what gcc is told. */
export function buildForMusl(arch: Architecture, path: string, more: readonly string[]): void {
  const root = rootOf(arch);
  const compiler = arch === "x86_64" ? "gcc" : "aarch64-linux-gnu-gcc";
  const libraries = `${root}/usr/lib/${arch}-linux-musl`;
  const own = runTool(compiler, "-print-file-name=include").trim();
  const common = ["-O1", "-nostdinc", "-isystem", `${root}/usr/include/${arch}-linux-musl`].concat(
    ["-isystem", own, "-nostdlib", `-L${libraries}`],
  );
  const name = path.replace(/.*\//, "");
  const kind = name.endsWith(".so") ? ["-fPIC", "-shared", `-Wl,-soname,${name}`] : [
    ...["-fPIE", "-pie", `-Wl,--dynamic-linker=/lib/ld-musl-${arch}.so.1`],
    ...["Scrt1.o", "crti.o"].map((start) => `${libraries}/${start}`),
  ];
  const end = name.endsWith(".so") ? [] : [`${libraries}/crtn.o`];
  runTool(compiler, ...common, ...kind, "-o", path, ...more, "-lc", ...end);
}

export function buildMuslProgram(arch: Architecture): MuslProgram {
  const folder = Deno.makeTempDirSync({ prefix: "musl-" });
  const root = rootOf(arch);
  Deno.writeTextFileSync(`${folder}/library.c`, LIBRARY);
  Deno.writeTextFileSync(`${folder}/program.c`, PROGRAM);
  const library = `${folder}/libpart.so`;
  const path = `${folder}/program`;
  buildForMusl(arch, library, [`${folder}/library.c`]);
  buildForMusl(arch, path, [`${folder}/program.c`, library, "-Wl,-rpath,$ORIGIN"]);
  const [command, ...args] = arch === "x86_64"
    ? [path, "argument"]
    : ["qemu-aarch64", "-L", root, path, "argument"];
  const output = new Deno.Command(command, { args }).outputSync();
  return {
    root,
    path,
    folder,
    files: new Map([path, library].map((file) => [file, Deno.readFileSync(file)])),
    nativeOutput: new TextDecoder().decode(output.stdout),
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}
