import { PT_GNU_EH_FRAME } from "../../lib/elf/mod.ts";
import type { HostCall, HostService, LinkContext, LinkObject } from "../../lib/linker/mod.ts";
import { objectAt, ownerAt, rangeOf } from "./addresses.ts";
import { setError } from "./errors.ts";
import { patchWords } from "./guest_memory.ts";
import { headersOf } from "../sysv/early_start.ts";
import { objectOfMap } from "./link_maps.ts";
import { guestObjects, namespaceOf } from "./scopes.ts";
import { gnuStateOf } from "./state.ts";

/** Requests of dlinfo (`<dlfcn.h>`). */
const RTLD_DI_LMID = 1;
const RTLD_DI_LINKMAP = 2;
const RTLD_DI_ORIGIN = 6;
const RTLD_DI_TLS_MODID = 9;
const RTLD_DI_TLS_DATA = 10;
const RTLD_DI_PHDR = 11;

/** The objects of the caller's namespace as dl_iterate_phdr shows them: a count, then a `struct dl_phdr_info` for each. */
export const listHeaders: HostService = (call, link) => {
  const { heap, maps, blocks, loads, unloads } = gnuStateOf(link);
  const caller = ownerAt(link, call.argument(0)) ?? link.program;
  const namespace = namespaceOf(link, caller);
  const objects = guestObjects(link).filter((o) => namespaceOf(link, o) === namespace);
  const words = [objects.length];
  for (const object of objects) {
    const { phnum } = object.elf.header;
    words.push(link.base(object), link.readI64(maps.get(object)! + 8));
    words.push(headersOf(link, object), phnum, objects.length + loads, unloads);
    words.push(
      blocks.numberOf(object) ?? 0,
      blocks.existing(link, call.threadPointer, object) ?? 0,
    );
  }
  call.result(heap.words(link, words));
};

/** The guest is through with the list. */
export const dropHeaders: HostService = (call, link) => {
  gnuStateOf(link).heap.release(link, call.argument(0));
};

/** int _dl_find_object(void *address, struct dl_find_object *result) */
export const findObject: HostService = (call, link) => {
  const object = objectAt(link, call.argument(0));
  if (object === undefined) return call.result(-1);
  const base = link.base(object);
  const { start, end } = rangeOf(link, object);
  const frames = object.elf.segments.find(({ type }) => type === PT_GNU_EH_FRAME);
  const map = gnuStateOf(link).maps.get(object)!;
  const words = [0, start, end, map, frames === undefined ? 0 : base + frames.vaddr];
  patchWords(link, call.argument(1), words, "_dl_find_object");
  call.result(0);
};

/** struct link_map *_dl_find_dso_for_object(ElfW(Addr) address) */
export const findMap: HostService = (call, link) => {
  const object = ownerAt(link, call.argument(0));
  if (object === undefined) return call.result(0);
  if (object.batch > 0 && registersDestructor(link, call)) gnuStateOf(link).pinned.add(object);
  call.result(gnuStateOf(link).maps.get(object)!);
};

/** Whether libc asks in order to register a thread's destructor: its object may not go before. */
function registersDestructor(link: LinkContext, { returnAddress }: HostCall): boolean {
  const from = link.originalOf(returnAddress);
  const libc = objectAt(link, from);
  const symbol = libc?.elf.lookup("__cxa_thread_atexit_impl", { newest: true });
  if (libc === undefined || symbol === undefined) return false;
  const offset = from - link.base(libc) - symbol.value;
  return offset >= 0 && offset < symbol.size;
}

/** int dlinfo(void *handle, int request, void *info) */
export const dlinfo: HostService = (call, link) => {
  const object = objectOfMap(link, call.argument(0));
  const fail = (message: string): void => {
    setError(link, call.threadPointer, message);
    call.result(-1);
  };
  if (object === undefined) return fail("invalid handle");
  const { maps, blocks } = gnuStateOf(link);
  const into = call.argument(2);
  switch (call.argument(1)) {
    case RTLD_DI_LMID:
      patchWords(link, into, [namespaceOf(link, object)], "dlinfo");
      break;
    case RTLD_DI_LINKMAP:
      patchWords(link, into, [maps.get(object)!], "dlinfo");
      break;
    case RTLD_DI_ORIGIN:
      link.patch(into, new TextEncoder().encode(directoryOf(link, object) + "\0"), "dlinfo");
      break;
    case RTLD_DI_TLS_MODID:
      patchWords(link, into, [blocks.numberOf(object) ?? 0], "dlinfo");
      break;
    case RTLD_DI_TLS_DATA:
      patchWords(link, into, [blocks.existing(link, call.threadPointer, object) ?? 0], "dlinfo");
      break;
    case RTLD_DI_PHDR:
      patchWords(link, into, [headersOf(link, object)], "dlinfo");
      return call.result(object.elf.header.phnum);
    default:
      return fail(`${link.programName}: unsupported dlinfo request`);
  }
  call.result(0);
};

function directoryOf(link: LinkContext, object: LinkObject): string {
  const path = object === link.program ? object.file?.realPath ?? object.path : object.path;
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}
