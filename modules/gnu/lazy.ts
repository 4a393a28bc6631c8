import { DF_1_NOW, DF_BIND_NOW, DT_BIND_NOW } from "../../lib/elf/mod.ts";
import type { HostService, LinkContext, LinkObject } from "../../lib/linker/mod.ts";
import { slotAddress } from "../sysv/relocate.ts";
import { runtimeOf } from "../sysv/runtime.ts";
import type { LazySlots } from "../sysv/state.ts";
import { errorText, setError } from "./errors.ts";
import { patchWords } from "./guest_memory.ts";
import { gnuStateOf } from "./state.ts";

/**
 * Slots that wait for their first call: all of them, or (with `all` false) those of functions that nobody
 * defines, which under ld.so are an error only when they are called. Objects linked with `-z now`,
 * LD_BIND_NOW and RTLD_NOW bind every slot at once.
 */
export function lazySlots(all: boolean): LazySlots {
  return {
    of: (link, object) => bindsNow(link, object) ? "none" : all ? "all" : "undefined",
    words: (link, object) => [object.index, runtimeOf(link).address(link, "lazy")],
  };
}

function bindsNow(link: LinkContext, object: LinkObject): boolean {
  const { dynamic } = object.elf;
  if ((link.environment.get("LD_BIND_NOW") ?? "") !== "") return true;
  if (object.batch > 0 && gnuStateOf(link).opening.now) return true;
  return dynamic === undefined || dynamic.has(DT_BIND_NOW) ||
    (dynamic.flags & DF_BIND_NOW) !== 0 || (dynamic.flags1 & DF_1_NOW) !== 0;
}

/**
 * A call through a slot that waits: (the object's number, the relocation's number on x86_64 or the slot on
 * aarch64). Answers with where to go.
 */
export const bindSlot: HostService = (call, link) => {
  const [number, which] = [call.argument(0), call.argument(1)];
  const object = link.objects.find(({ index }) => index === number);
  const table = object?.elf.relocationTables.find(({ kind }) => kind === "plt");
  if (object === undefined || table === undefined) {
    throw new RangeError(`a slot of object ${number} was called, and there is none`);
  }
  const index = link.arch === "x86_64" ? which : table.offsets.indexOf(which - link.base(object));
  try {
    const address = slotAddress(link, object, table, index);
    patchWords(link, link.base(object) + table.offsets[index], [address], "lazy binding");
    call.result(address);
  } catch (error) {
    setError(link, call.threadPointer, errorText(error), "symbol lookup error");
    call.result(runtimeOf(link).address(link, "raise"));
  }
};
