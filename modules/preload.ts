import {
  type LinkContext,
  LinkError,
  type LinkObject,
  type Module,
  weak,
} from "../lib/linker/mod.ts";
import { needLibrary } from "./sysv/collect.ts";
import { usesMusl } from "./sysv/search.ts";

export interface PreloadOptions {
  /** Libraries by name or path, before those of LD_PRELOAD. */
  readonly libraries?: readonly string[];
}

/** The list that ld.so reads after LD_PRELOAD; musl's loader has none. */
const PRELOAD_FILE = "/etc/ld.so.preload";

/**
 * LD_PRELOAD and `/etc/ld.so.preload`: one weak pass in the program's collect phase that asks for the
 * listed libraries. It must stand before the module that collects the program's own libraries, so
 * that preloaded objects precede them in the search order. A listed library that cannot be loaded is
 * passed over, as the system's loaders do; one of `libraries` is an error.
 */
export function preload(options: PreloadOptions = {}): Module {
  const collect = weak((link, program) => {
    for (const name of options.libraries ?? []) needLibrary(link, program, name);
    for (const name of words(link.environment.get("LD_PRELOAD") ?? "")) {
      tryLibrary(link, program, name, "LD_PRELOAD");
    }
    if (usesMusl(program)) return;
    const file = link.files.open(PRELOAD_FILE);
    const text = new TextDecoder().decode(file?.bytes ?? new Uint8Array());
    for (const name of words(text.replaceAll(/#.*/g, ""))) {
      tryLibrary(link, program, name, PRELOAD_FILE);
    }
  });
  return {
    name: "preload",
    register: (object) => object.isProgram ? { collect } : {},
  };
}

function words(text: string): string[] {
  return text.split(/[ :\t\n]+/).filter((name) => name !== "");
}

/** Asks for a library; if it cannot be loaded, says so as ld.so does. */
function tryLibrary(link: LinkContext, program: LinkObject, name: string, where: string): void {
  try {
    needLibrary(link, program, name);
  } catch (error) {
    if (!(error instanceof LinkError) || error.failure === undefined) throw error;
    if (usesMusl(program)) return;
    const why = error.failure.message.replace(/: [^:]*$/, "");
    link.print(
      2,
      `ERROR: ld.so: object '${name}' from ${where} cannot be preloaded (${why}): ignored.\n`,
    );
  }
}
