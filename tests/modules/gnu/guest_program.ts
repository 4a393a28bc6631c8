/** C programs and libraries for Debian's glibc, compiled here and shown to machines under `/t`. */
import type { Arch } from "../../../mod.ts";
import { hasTool, runTool } from "../sysv/native_process.ts";

const COMPILER: Record<Arch, string> = {
  x86_64: "x86_64-linux-gnu-gcc",
  aarch64: "aarch64-linux-gnu-gcc",
};

/** Libraries of a Debian root that programs are linked with, so that they need no newer versions. */
const LIBRARIES = ["libc.so.6", "libdl.so.2", "libpthread.so.0"];

/** The compiler that is missing for an architecture, of C or of C++; undefined if it is there. */
export function missingCompiler(arch: Arch, cplusplus = false): string | undefined {
  const compiler = cplusplus ? COMPILER[arch].replace(/gcc$/, "g++") : COMPILER[arch];
  return hasTool(compiler) ? undefined : compiler;
}

/** One file to build: a source of `programs/` (by default that of its name), and what gcc is told beside. */
export interface Target {
  /** File name; a library if it ends in `.so`, or that and a number. */
  readonly name: string;
  /** In `programs/`, or a whole path. */
  readonly source?: string;
  readonly flags?: readonly string[];
}

const LOADER: Record<Arch, string> = {
  x86_64: "ld-linux-x86-64.so.2",
  aarch64: "ld-linux-aarch64.so.1",
};

const sources = new URL("programs/", import.meta.url).pathname;

/** A folder with what was built, gone at the end of its block. */
export class GuestFolder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "gnu-" });

  /** `root` is the Debian root whose glibc the programs are for. */
  constructor(readonly arch: Arch, readonly root: string, targets: readonly Target[]) {
    for (const target of targets) this.#build(target);
  }

  get mounts() {
    return [{ host: this.path, guest: "/t" }];
  }

  #build({ name, source = `${name.replace(/\.so(\.\d+)?$/, "")}.c`, flags = [] }: Target): void {
    const isLibrary = /\.so(\.\d+)?$/.test(name);
    const kind = isLibrary
      ? ["-shared", "-fPIC", `-Wl,-soname,${name}`, `${sources}library.c`]
      : [`${sources}start.c`];
    const folder = `${this.root}/lib/${this.arch}-linux-gnu`;
    const compiler = COMPILER[this.arch];
    const nonshared = runTool(compiler, "-print-file-name=libc_nonshared.a").trim();
    runTool(
      compiler,
      ...["-O1", "-w", "-nostdlib", ...kind, new URL(source, `file://${sources}`).pathname],
      ...["-o", `${this.path}/${name}`],
      ...[
        `-L${this.path}`,
        `-L${folder}`,
        "-Wl,-rpath,/t",
        `-Wl,-rpath-link,${this.path}:${folder}`,
        ...flags,
      ],
      ...[...LIBRARIES, LOADER[this.arch]].map((library) => `${folder}/${library}`),
      ...[nonshared, "-lgcc"],
    );
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
