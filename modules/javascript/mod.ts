import type { Architecture, Module } from "../../lib/linker/mod.ts";
import { runnerModule } from "../runner/module.ts";
import { parseInterface } from "../runner/types.ts";
import { wrap, type WrapOptions } from "../runner/wrap.ts";
import { checkSyntax, javascriptEngine } from "./engine.ts";
import { quickjs } from "./quickjs.ts";

/** Options of `javascript`: bounds for each script's engine. */
export interface JavascriptOptions {
  /** Pages of 64 KiB that a script's engine may have; default 2048, which is 128 MiB. */
  readonly pages?: number;
  /** Times 10,000 branches or calls, about, that one call of a script may take; default 100,000. */
  readonly steps?: number;
}

/** Pages that suffice to compile any script that is to be wrapped. */
const PAGES = 2048;

/**
 * Runs scripts: loads ELF objects that carry one, as `wrapJavascript` makes them, by QuickJS, which is itself a
 * WebAssembly module that the runner of `wasm` hosts. See docs/modules/runners.md.
 */
export function javascript({ pages = PAGES, steps = 100_000 }: JavascriptOptions = {}): Module {
  return runnerModule(javascriptEngine({ pages, steps }));
}

/** What `wrapJavascript` makes: a library, or with `program` a program, and what it needs. */
export interface WrapJavascriptOptions
  extends Pick<WrapOptions, "soname" | "needed" | "runpath" | "program" | "interp"> {
  /** Architecture of the ELF object, which the script itself does not depend on. */
  readonly arch: Architecture;
  /** What it exports and imports; default: what its comments `// export …` and `// import …` say. */
  readonly interface?: string;
  /** What messages call the script. */
  readonly name: string;
}

/** An ELF object that carries a script. Throws what is wrong with its syntax. */
export async function wrapJavascript(
  source: string,
  options: WrapJavascriptOptions,
): Promise<Uint8Array> {
  await checkSyntax(await quickjs(PAGES), source, options.name);
  const text = options.interface ?? declarations(source);
  return wrap({
    ...options,
    machine: options.arch,
    kind: "javascript",
    interface: parseInterface(text),
    payload: new TextEncoder().encode(source),
    initialise: options.program === undefined,
  });
}

/** The lines of a script that declare its interface; all others are empty, so that lines keep their numbers. */
function declarations(source: string): string {
  return source.split("\n").map((line) =>
    /^\/\/\s*((?:export|import)\s+[\w$.@]+\s*\(.*)$/.exec(line)?.[1] ?? ""
  ).join("\n");
}
