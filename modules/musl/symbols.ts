import {
  DT_STRTAB,
  STB_GLOBAL,
  STB_GNU_UNIQUE,
  STB_WEAK,
  STT_GNU_IFUNC,
  STT_TLS,
} from "../../lib/elf/mod.ts";
import {
  type Definition,
  type HostCall,
  type HostService,
  imageExtent,
  type LinkContext,
  type LinkObject,
} from "../../lib/linker/mod.ts";
import { objectAt, ownerAt } from "../gnu/addresses.ts";
import { patchWords, readString } from "../gnu/guest_memory.ts";
import { headersOf } from "../sysv/early_start.ts";
import { chooseImplementation } from "../sysv/ifunc.ts";
import { setError } from "./errors.ts";
import { nameOf, objectOfHandle } from "./link_maps.ts";
import { guestObjects, muslStateOf, searchListOf } from "./state.ts";

/** Handles that stand for a scope (`<dlfcn.h>`). */
const RTLD_DEFAULT = 0;
const RTLD_NEXT = -1;
/** The only thing musl's dlinfo tells. */
const RTLD_DI_LINKMAP = 2;

/** void *dlsym(void *handle, const char *name) */
export const dlsym: HostService = (call, link) => {
  const name = readString(link, call.argument(1));
  const caller = ownerAt(link, call.returnAddress) ?? link.program;
  const scope = scopeOf(call, link, caller);
  if (scope === undefined) return call.result(0);
  const found = link.resolve({ name, newest: true, from: caller, use: "address" }, scope);
  if (found === undefined) {
    setError(link, call.threadPointer, `Symbol not found: ${name}`);
    return call.result(0);
  }
  call.result(addressOf(call, link, found));
};

function addressOf(call: HostCall, link: LinkContext, found: Definition): number {
  const { object, address, kind } = found;
  if (kind === "ifunc") return chooseImplementation(link, address);
  if (kind !== "tls") return address;
  const { vectors } = muslStateOf(link);
  return vectors.blockOf(link, call.threadPointer, vectors.numberOf(object)!) + address;
}

/** The objects that a handle stands for; undefined, with what dlerror is to say, if it is none. */
function scopeOf(
  call: HostCall,
  link: LinkContext,
  caller: LinkObject,
): readonly LinkObject[] | undefined {
  const { globals } = muslStateOf(link);
  const handle = call.signed(0);
  if (handle === RTLD_DEFAULT) return globals;
  if (handle === RTLD_NEXT) {
    // From the next object in load order on, along the list of the global ones (ldso/dynlink.c, do_dlsym).
    const objects = guestObjects(link);
    const next = objects[objects.indexOf(caller) + 1];
    if (next === undefined) return [];
    const at = globals.indexOf(next);
    return at < 0 ? [next] : globals.slice(at);
  }
  const object = handleOf(call, link);
  if (object === undefined) return undefined;
  return object === link.program ? globals : searchListOf(object);
}

/** The object of the handle that a call has first. */
export function handleOf(call: HostCall, link: LinkContext): LinkObject | undefined {
  const handle = call.argument(0);
  const object = objectOfHandle(link, handle);
  // As printf writes %p.
  const shown = handle === 0 ? "0" : `0x${handle.toString(16)}`;
  if (object === undefined) {
    setError(link, call.threadPointer, `Invalid library handle ${shown}`);
  }
  return object;
}

/** int dlinfo(void *handle, int request, void *info) */
export const dlinfo: HostService = (call, link) => {
  const object = handleOf(call, link);
  if (object === undefined) return call.result(-1);
  const request = call.argument(1) | 0;
  if (request !== RTLD_DI_LINKMAP) {
    setError(link, call.threadPointer, `Unsupported request ${request}`);
    return call.result(-1);
  }
  patchWords(link, call.argument(2), [call.argument(0)], "dlinfo");
  call.result(0);
};

/** int dladdr(const void *address, Dl_info *info) */
export const dladdr: HostService = (call, link) => {
  const address = link.originalOf(call.argument(0));
  const object = objectAt(link, address);
  if (object === undefined) return call.result(0);
  const base = link.base(object);
  const start = base + imageExtent(object.elf, link.pageSize)!.start;
  const words = [nameOf(link, object), start, 0, 0];
  const index = symbolAt(object, address - base);
  if (index !== undefined) {
    const { dynamic, symbols } = object.elf;
    words[2] = base + dynamic!.value(DT_STRTAB)! + symbols!.nameIndex(index);
    words[3] = base + symbols!.value(index);
  }
  patchWords(link, call.argument(1), words, "dladdr");
  call.result(1);
};

/** The symbol that an unrelocated address lies in: of those that begin last, the first (ldso/dynlink.c, dladdr). */
function symbolAt({ elf: { symbols } }: LinkObject, address: number): number | undefined {
  let best: number | undefined;
  for (let index = 0; index < (symbols?.length ?? 0); index++) {
    const value = symbols!.value(index);
    if (value === 0 || value > address) continue;
    if (best !== undefined && value <= symbols!.value(best)) continue;
    const [type, bind] = [symbols!.type(index), symbols!.bind(index)];
    if (type > STT_TLS && type !== STT_GNU_IFUNC) continue;
    if (bind !== STB_GLOBAL && bind !== STB_WEAK && bind !== STB_GNU_UNIQUE) continue;
    best = index;
  }
  if (best === undefined) return undefined;
  // One of no size reaches as far as it likes: the comparison in musl is unsigned.
  const size = symbols!.size(best);
  return size > 0 && address - symbols!.value(best) > size - 1 ? undefined : best;
}

/** The objects as dl_iterate_phdr shows them: a count, then a `struct dl_phdr_info` for each. */
export const listHeaders: HostService = (call, link) => {
  const { heap, vectors, opened } = muslStateOf(link);
  const objects = guestObjects(link);
  const words = [objects.length];
  for (const object of objects) {
    const number = vectors.numberOf(object);
    words.push(link.base(object), nameOf(link, object), headersOf(link, object));
    words.push(object.elf.header.phnum, opened, 0, number === undefined ? 0 : number - 1);
    words.push(number === undefined ? 0 : vectors.blockOf(link, call.threadPointer, number));
  }
  call.result(heap.words(link, words));
};

/** The guest is through with the list. */
export const dropHeaders: HostService = (call, link) => {
  muslStateOf(link).heap.release(link, call.argument(0));
};

/** void *__tls_get_addr(tls_index *index), where the fast way found no block. */
export const tlsAddress: HostService = (call, link) => {
  const at = call.argument(0);
  const [number, offset] = [link.readI64(at), link.readI64(at + 8)];
  call.result(muslStateOf(link).vectors.blockOf(link, call.threadPointer, number) + offset);
};
