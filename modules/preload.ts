import { type Module, weak } from "../lib/linker/mod.ts";
import { needLibrary } from "./sysv/collect.ts";

export interface PreloadOptions {
  /** Libraries by name or path, before those of LD_PRELOAD. */
  readonly libraries?: readonly string[];
}

/**
 * LD_PRELOAD: one weak pass in the program's collect phase that asks for the listed libraries. It
 * must stand before the module that collects the program's own libraries, so that preloaded objects
 * precede them in the search order.
 */
export function preload(options: PreloadOptions = {}): Module {
  const collect = weak((link, program) => {
    const listed = (link.environment.get("LD_PRELOAD") ?? "").split(/[ :]+/);
    for (const name of [...options.libraries ?? [], ...listed]) {
      if (name !== "") needLibrary(link, program, name);
    }
  });
  return {
    name: "preload",
    register: (object) => object.isProgram ? { collect } : {},
  };
}
