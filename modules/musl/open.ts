import type {
  GuestFile,
  HostCall,
  HostService,
  LinkContext,
  LinkObject,
} from "../../lib/linker/mod.ts";
import { ownerAt } from "../gnu/addresses.ts";
import { finalisersOf, initialisersOf } from "../gnu/functions.ts";
import { readString } from "../gnu/guest_memory.ts";
import { dependencyOrder } from "../sysv/initialisers.ts";
import { findLibrary, noteRequester, usesMusl } from "../sysv/search.ts";
import { stateOf } from "../sysv/state.ts";
import { errorText, setError } from "./errors.ts";
import { addLinkMaps } from "./link_maps.ts";
import { muslStateOf, searchListOf } from "./state.ts";
import { handleOf } from "./symbols.ts";

/** Modes of dlopen (`<dlfcn.h>`). */
const RTLD_NOLOAD = 4;
const RTLD_GLOBAL = 0x100;

/** void *dlopen(const char *file, int mode), with the caller's address. */
export const dlopen: HostService = async (call, link) => {
  const state = muslStateOf(link);
  // While another thread calls the initialisers of what it has opened, this one tries again later.
  const busy = [...state.records.values()].some((owner) =>
    owner !== call.threadPointer && link.threadPointers.includes(owner)
  );
  if (busy) return call.result(0);
  if (call.argument(0) === 0) return answer(call, link, state.maps.get(link.program)!, []);
  const name = readString(link, call.argument(0));
  const refuse = (message: string): void => {
    setError(link, call.threadPointer, message);
    answer(call, link, 0, []);
  };
  if (state.exiting) return refuse("Cannot dlopen while program is exiting.");
  const caller = ownerAt(link, call.argument(2)) ?? link.program;
  const noload = (call.argument(1) & RTLD_NOLOAD) !== 0;
  let object: LinkObject | undefined;
  try {
    object = await find(link, name, caller, noload);
  } catch (error) {
    return refuse(errorText(link, error, name));
  }
  if (object === undefined) return refuse(`Library ${name} is not already loaded`);
  if ((call.argument(1) & RTLD_GLOBAL) !== 0) makeGlobal(link, object);
  state.opened++;
  answer(call, link, state.maps.get(object)!, construct(link, [object]));
};

/** The object of a name, loaded if need be; undefined if it may not be loaded for this. */
async function find(
  link: LinkContext,
  name: string,
  caller: LinkObject,
  noload: boolean,
): Promise<LinkObject | undefined> {
  const { byName } = stateOf(link);
  const known = byName.get(name);
  if (known !== undefined) return known;
  // musl searches for whatever is opened as the program would.
  const requester = usesMusl(link.program) ? link.program : caller;
  let file: GuestFile;
  try {
    file = findLibrary(link, requester, name);
  } catch (error) {
    if (noload) return undefined;
    throw error;
  }
  let object = link.objects.find((other) => other.file?.identity === file.identity);
  if (object === undefined) {
    if (noload) return undefined;
    stateOf(link).openedFor = requester;
    try {
      [object] = await link.open([file]);
    } catch (error) {
      muslStateOf(link).vectors.forgetLost(link.objects);
      for (const [name, object] of byName) if (!link.objects.includes(object)) byName.delete(name);
      throw error;
    }
    noteRequester(object, requester);
    addLinkMaps(link);
  }
  if (!name.includes("/")) byName.set(name, object);
  return object;
}

/** Makes an object and all that it needs part of the global scope. */
function makeGlobal(link: LinkContext, root: LinkObject): void {
  const state = muslStateOf(link);
  const added = searchListOf(root).filter((object) => !state.globals.includes(object));
  state.globals = [...state.globals, ...added];
}

/** The initialisers of objects and of all that they need, in musl's order, of what has had none called yet. */
export function construct(link: LinkContext, objects: readonly LinkObject[]): number[] {
  const { constructed, libc } = muslStateOf(link);
  const all = objects.flatMap((object) => searchListOf(object));
  // libc.so has called its own.
  const fresh = dependencyOrder(all).filter((o) => o !== libc && !constructed.includes(o));
  constructed.push(...fresh);
  return fresh.flatMap((object) => initialisersOf(link, object));
}

/** Answers with a record: the result, the functions to call, 0. */
function answer(
  call: HostCall,
  link: LinkContext,
  result: number,
  functions: readonly number[],
): void {
  const { heap, records } = muslStateOf(link);
  const record = heap.words(link, [result, ...functions, 0]);
  records.set(record, call.threadPointer);
  call.result(record);
}

/** The guest has called every function of a list: its record comes back, its result goes out. */
export const done: HostService = (call, link) => {
  const record = call.argument(0);
  const { heap, records } = muslStateOf(link);
  const result = link.readI64(record);
  records.delete(record);
  heap.release(link, record);
  call.result(result);
};

/** int dlclose(void *handle): musl unloads nothing. */
export const dlclose: HostService = (call, link) => {
  call.result(handleOf(call, link) === undefined ? 1 : 0);
};

/** At exit: the finalisers of all objects, the last constructed first, as a list that 0 ends. */
export const finish: HostService = (call, link) => {
  const state = muslStateOf(link);
  state.exiting = true;
  const functions = state.constructed.toReversed().flatMap((object) => finalisersOf(link, object));
  call.result(state.heap.words(link, [...functions, 0]));
};
