/** `isthmus wrap`: an ELF object that carries a WebAssembly module or a script. */
import type { Architecture } from "../../lib/linker/mod.ts";
import { wrapJavascript, wrapWasm } from "../../modules/mod.ts";
import {
  type CommandSpec,
  jsonOption,
  oneOf,
  type Parsed,
  printJson,
  UsageError,
} from "./command.ts";
import { readHostFile, writeHostFile } from "./host_files.ts";

interface Values {
  readonly arch?: Architecture;
  readonly interface?: string;
  readonly soname?: string;
  readonly needed?: string;
  readonly runpath?: string;
  readonly program?: boolean;
  readonly out?: string;
  readonly json?: boolean;
}

/** Interpreters of programs by their C library. */
const INTERPRETERS: Record<Architecture, Record<"glibc" | "musl", string>> = {
  x86_64: { glibc: "/lib64/ld-linux-x86-64.so.2", musl: "/lib/ld-musl-x86_64.so.1" },
  aarch64: { glibc: "/lib/ld-linux-aarch64.so.1", musl: "/lib/ld-musl-aarch64.so.1" },
};

/** What a program's start code and interpreter are, by the C library among what it needs. */
function startOf(arch: Architecture, needed: readonly string[]) {
  const libc = needed.find((name) => /^libc\./.test(name));
  if (libc === undefined) return { program: "bare" } as const;
  const interp = INTERPRETERS[arch][libc === "libc.so.6" ? "glibc" : "musl"];
  return { program: "libc", interp } as const;
}

async function run({ positional: [file], values }: Parsed<Values>): Promise<number> {
  const { arch = Deno.build.arch, program } = values;
  const bytes = readHostFile(file);
  const isWasm = new TextDecoder("latin1").decode(bytes.subarray(0, 4)) === "\0asm";
  if (!isWasm && !/\.[cm]?js$/.test(file)) {
    throw new UsageError(
      `${file} is neither a WebAssembly module nor named *.js: no runner is for it`,
    );
  }
  const text = values.interface && new TextDecoder().decode(readHostFile(values.interface));
  const name = file.replace(/^.*[/\\]/, "").replace(/\.[^.]*$/, "");
  const needed = values.needed?.split("+") ?? [];
  const out = values.out ?? (program ? name : `lib${name}.so`);
  const soname = program ? undefined : values.soname ?? out.replace(/^.*[/\\]/, "");
  const { runpath } = values;
  const start = program ? startOf(arch, needed) : {};
  const options = { arch, interface: text, soname, needed, runpath, name: file, ...start };
  let wrapped: Uint8Array;
  try {
    wrapped = isWasm
      ? wrapWasm(bytes, options)
      : await wrapJavascript(new TextDecoder().decode(bytes), options);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new UsageError(
      `${error.name === "InterfaceError" ? values.interface ?? file : file}: ${error.message}`,
    );
  }
  writeHostFile(out, wrapped);
  if (values.json) {
    printJson({ file: out, runner: isWasm ? "wasm" : "javascript", arch, size: wrapped.length });
  } else console.log(out);
  return 0;
}

const spec: CommandSpec<Values> = {
  name: "wrap",
  summary:
    "make an ELF object of a WebAssembly module or a script, for the modules wasm and javascript",
  positional: [{ usage: "<file>", help: "a WebAssembly module, or a script named *.js" }],
  options: [
    {
      flags: "--arch <arch>",
      help: "x86_64 or aarch64 (default: this machine's)",
      parse: oneOf("--arch", ["x86_64", "aarch64"]),
    },
    {
      flags: "--interface <file>",
      help:
        "its exports and imports with types (default: a module's own types, a script's comments `// export …`)",
    },
    { flags: "--soname <name>", help: "what programs need it by (default: the name of --out)" },
    { flags: "--needed <libraries>", help: "libraries that it imports from, + between them" },
    { flags: "--runpath <path>", help: "where these are looked for" },
    { flags: "--program", help: "make a program: it runs _start or main" },
    {
      flags: "--out <file>",
      help: "where the object goes (default: libNAME.so, or NAME of a program)",
    },
    jsonOption,
  ],
  example: "isthmus wrap ./add.wasm --out ./libadd.so",
  run,
};

export default spec;
