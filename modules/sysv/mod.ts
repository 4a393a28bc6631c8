import { type LinkContext, type LinkObject, type Module, strong } from "../../lib/linker/mod.ts";
import { collectNeeded } from "./collect.ts";
import { load } from "./load.ts";
import { protect } from "./protect.ts";
import { relocate } from "./relocate.ts";
import { resolve } from "./resolve.ts";
import { Runtime, type RuntimeCode } from "./runtime.ts";
import { RUNTIME_CODE } from "./runtime_code.ts";
import { prepare, start, startAlone } from "./start.ts";
import { stateOf } from "./state.ts";
import { addTlsBlock, writeLateTlsImage } from "./thread_block.ts";

export { finalisers, initialisers } from "./initialisers.ts";

/**
 * Links and loads standard executables and libraries as the System V gABI and its processor
 * supplements define them: the main pass of every phase that has one. Symbols are looked up breadth
 * first, slots are bound before the program starts, and all TLS is static.
 */
export function sysv(): Module {
  const library = {
    "collect": strong(collectNeeded),
    "post-collect": strong(addTlsBlock),
    "load": strong(load),
    "relocate": strong(relocate),
    "protect": strong(protect),
  };
  return {
    name: "sysv",
    resolve,
    register: (object) => {
      if (isSelfContained(object)) return { "load": strong(load), "start": strong(startAlone) };
      if (object.isProgram) {
        return {
          ...library,
          "collect": strong((link) => {
            collectNeeded(link, object);
            collectRuntime(link);
          }),
          "post-relocate": strong(prepare),
          "start": strong(start),
        };
      }
      // What the program's pass does for every object of the start, a later batch does by itself.
      return object.batch === 0
        ? library
        : { ...library, "post-relocate": strong(writeLateTlsImage) };
    },
  };
}

/**
 * Asks for the loader's own guest code, which has the one function that programs expect of a loader; a
 * module may add code of its own.
 */
export function collectRuntime(link: LinkContext, ...more: RuntimeCode[]): void {
  const runtime = Runtime.collect(link, [RUNTIME_CODE, ...more]);
  const state = stateOf(link);
  state.runtime = runtime;
  state.service = (link) => {
    const address = runtime.address(link, "tls_get_addr");
    return { object: runtime.object, address, size: 0, kind: "code", weak: false };
  };
}

/**
 * A program that asks for no loader and no library relocates itself, protects itself and sets up its own
 * TLS: it is loaded and entered, as the kernel does.
 */
function isSelfContained({ isProgram, elf }: LinkObject): boolean {
  return isProgram && elf.interp === undefined && (elf.dynamic?.needed.length ?? 0) === 0;
}
