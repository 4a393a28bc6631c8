import { type Module, strong } from "../../lib/linker/mod.ts";
import { collectNeeded } from "./collect.ts";
import { load } from "./load.ts";
import { protect } from "./protect.ts";
import { relocate } from "./relocate.ts";
import { resolve } from "./resolve.ts";
import { Runtime } from "./runtime.ts";
import { debianSearch, type SearchOptions } from "./search.ts";
import { prepare, start } from "./start.ts";
import { stateOf } from "./state.ts";

export interface SysvOptions {
  /** Where libraries are found; the default is what Debian's ld.so does for the architecture. */
  readonly search?: Partial<SearchOptions>;
}

/**
 * Links and loads standard executables and libraries as the System V gABI and its processor
 * supplements define them: the main pass of every phase that has one. Symbols are looked up breadth
 * first, slots are bound before the program starts, and all TLS is static.
 */
export function sysv(options: SysvOptions = {}): Module {
  return {
    name: "sysv",
    resolve,
    register: (object) => ({
      "collect": strong((link) => {
        const search = { ...debianSearch(link), ...options.search };
        collectNeeded(link, object, search);
        if (object.isProgram) stateOf(link).runtime = Runtime.collect(link);
      }),
      "post-collect": strong((link) => stateOf(link).tls.add(object)),
      "load": strong(load),
      "relocate": strong(relocate),
      ...(object.isProgram ? { "post-relocate": strong(prepare) } : {}),
      "protect": strong(protect),
      ...(object.isProgram ? { "start": strong(start) } : {}),
    }),
  };
}
