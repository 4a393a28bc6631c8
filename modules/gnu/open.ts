import {
  type GuestFile,
  type HostCall,
  type HostService,
  type LinkContext,
  type LinkObject,
} from "../../lib/linker/mod.ts";
import { loadFailure } from "../sysv/library_file.ts";
import { findLibrary, noteRequester } from "../sysv/search.ts";
import { stateOf } from "../sysv/state.ts";
import { ownerAt } from "./addresses.ts";
import { errorText, setError } from "./errors.ts";
import { finalisersOf, initialisersOf } from "./functions.ts";
import { readString } from "./guest_memory.ts";
import { objectOfMap, removeLinkMap } from "./link_maps.ts";
import {
  forgetObjects,
  guestObjects,
  makeGlobal,
  namespaceOf,
  openScope,
  sorted,
  unusedObjects,
} from "./scopes.ts";
import { gnuStateOf, type Opening, type Pending } from "./state.ts";

/** Modes of dlopen (`<dlfcn.h>`). */
const RTLD_NOW = 2;
const RTLD_BINDING_MASK = 3;
const RTLD_NOLOAD = 4;
const RTLD_DEEPBIND = 8;
const RTLD_GLOBAL = 0x100;
const RTLD_NODELETE = 0x1000;
/** Namespaces of dlmopen. */
const LM_ID_CALLER = -2;
const LM_ID_NEWLM = -1;
/** How many namespaces there can be (DL_NNS). */
const NAMESPACES = 16;
/** Parts of glibc that every namespace shares: their state is the process's. */
const SHARED = /^(libc\.so\.6|libpthread\.so\.0|libdl\.so\.2|librt\.so\.1|ld-linux.*\.so\.\d+)$/;

/** void *dlopen(const char *file, int mode), with the caller's address. */
export const dlopen: HostService = (call, link) =>
  open(call, link, {
    file: call.argument(0),
    mode: call.argument(1),
    caller: call.argument(2),
    namespace: LM_ID_CALLER,
  });

/** void *dlmopen(Lmid_t namespace, const char *file, int mode), with the caller's address. */
export const dlmopen: HostService = (call, link) =>
  open(call, link, {
    file: call.argument(1),
    mode: call.argument(2),
    caller: call.argument(4),
    namespace: call.signed(0),
  });

/** libc's own: (file, mode, caller, namespace, argc, argv, envp). */
export const rtldOpen: HostService = (call, link) =>
  open(call, link, {
    file: call.argument(0),
    mode: call.argument(1),
    caller: call.argument(2),
    namespace: call.signed(3),
  });

/** int dlclose(void *handle) */
export const dlclose: HostService = (call, link) => close(call, link, -1);

/** libc's own, which answers nothing; 0 says that no error is to be raised. */
export const rtldClose: HostService = (call, link) => close(call, link, 1);

/** The guest has called every function of a list: its record comes back, its result goes out. */
export const done: HostService = (call, link) => {
  const record = call.argument(0);
  const { pending, heap } = gnuStateOf(link);
  const result = link.readI64(record);
  const list = pending.get(record);
  pending.delete(record);
  heap.release(link, record);
  list?.finish(link);
  call.result(result);
};

/** At exit: the finalisers of all objects, as a list that 0 ends. */
export const finish: HostService = (call, link) => {
  const { heap, initialised, pinned } = gnuStateOf(link);
  // A finaliser that closes something must not take it from under those that are still to run.
  for (const object of guestObjects(link)) pinned.add(object);
  const objects = sorted(link, guestObjects(link), true);
  const list = objects.filter((object) => initialised.has(object))
    .flatMap((object) => finalisersOf(link, object));
  initialised.clear();
  call.result(heap.words(link, [...list, 0]));
};

interface OpenRequest {
  /** Guest address of the name, or 0. */
  readonly file: number;
  readonly mode: number;
  readonly caller: number;
  readonly namespace: number;
}

async function open(call: HostCall, link: LinkContext, request: OpenRequest): Promise<void> {
  if (!lock(call, link)) return;
  try {
    const object = await openObject(link, request);
    answer(call, link, object);
  } catch (error) {
    unlock(link);
    setError(link, call.threadPointer, errorText(error));
    lock(call, link);
    answerList(call, link, 0, [], { finish: unlock });
  }

  function answer(call: HostCall, link: LinkContext, object: LinkObject | undefined): void {
    if (object === undefined) return answerList(call, link, 0, [], { finish: unlock });
    const { initialised, orders, maps } = gnuStateOf(link);
    const fresh = (orders.get(object) ?? []).toReversed().filter((o) => !initialised.has(o));
    for (const object of fresh) initialised.add(object);
    const functions = fresh.flatMap((object) => initialisersOf(link, object));
    answerList(call, link, maps.get(object)!, functions, {
      finish: (link) => {
        if ((request.mode & RTLD_GLOBAL) !== 0) makeGlobal(link, object);
        unlock(link);
      },
    });
  }
}

/** The object that a request is for, linked and counted; undefined if it may not be loaded for it. */
async function openObject(
  link: LinkContext,
  { file, mode, caller, namespace }: OpenRequest,
): Promise<LinkObject | undefined> {
  const state = gnuStateOf(link);
  const name = file === 0 ? "" : readString(link, file);
  if ((mode & RTLD_BINDING_MASK) === 0) refuse(name, "invalid mode for dlopen(): Invalid argument");
  const requester = ownerAt(link, caller) ?? link.program;
  const target = targetOf(link, name, namespace, requester);
  if (name === "") return state.globals[target]?.[0] ?? link.program;
  const known = knownObject(link, name, target);
  const found = known ?? findLibrary(link, requester, name);
  let object = known ??
    link.objects.find((other) =>
      other.file?.identity === (found as GuestFile).identity && isFor(link, other, target)
    );
  if (object === undefined) {
    if ((mode & RTLD_NOLOAD) !== 0) return undefined;
    object = await load(link, found as GuestFile, requester, {
      deep: (mode & RTLD_DEEPBIND) !== 0,
      now: (mode & RTLD_NOW) !== 0,
      namespace: target,
    });
  }
  if (target === 0) stateOf(link).byName.set(name, object);
  openScope(link, object);
  state.opened.set(object, (state.opened.get(object) ?? 0) + 1);
  if ((mode & RTLD_NODELETE) !== 0) state.pinned.add(object);
  return object;
}

/** The namespace to load into. */
function targetOf(
  link: LinkContext,
  name: string,
  namespace: number,
  requester: LinkObject,
): number {
  const { globals } = gnuStateOf(link);
  if (namespace === LM_ID_CALLER) return namespaceOf(link, requester);
  if (namespace !== LM_ID_NEWLM) {
    if ((globals[namespace]?.length ?? 0) > 0) return namespace;
    return refuse(name, "invalid target namespace in dlmopen(): Invalid argument");
  }
  const free = globals.findIndex((list) => list.length === 0);
  const next = free < 0 ? globals.length : free;
  if (next < NAMESPACES) return next;
  return refuse(name, "no more namespaces available for dlmopen(): Invalid argument");
}

/** Whether an object may serve a namespace: it is of it, or a part of glibc. */
function isFor(link: LinkContext, object: LinkObject, namespace: number): boolean {
  if (namespaceOf(link, object) === namespace) return !object.isProgram;
  return SHARED.test(object.soname);
}

/** Links a file and what it needs into the process. */
async function load(
  link: LinkContext,
  file: GuestFile,
  requester: LinkObject,
  opening: Opening,
): Promise<LinkObject> {
  const state = gnuStateOf(link);
  state.opening = opening;
  try {
    const { namespace } = opening;
    const reuses = (object: LinkObject) => isFor(link, object, namespace);
    stateOf(link).openedFor = requester;
    const [object] = await link.open([file], reuses);
    noteRequester(object, requester);
    state.loads += link.batch.length;
    return object;
  } catch (error) {
    forgetLost(link);
    throw error;
  }
}

/** Forgets the objects of a batch that failed. */
function forgetLost(link: LinkContext): void {
  const { maps, blocks, searchLists } = gnuStateOf(link);
  const there = new Set(link.objects);
  const lost = new Set([...maps.keys(), ...searchLists.keys()].filter((o) => !there.has(o)));
  for (const object of lost) {
    removeLinkMap(link, object);
    blocks.remove(link, object);
  }
  const { byName } = stateOf(link);
  for (const [name, object] of byName) if (!there.has(object)) byName.delete(name);
  forgetObjects(link, lost);
}

/** An object already loaded under this name, for a namespace. */
function knownObject(link: LinkContext, name: string, namespace: number): LinkObject | undefined {
  const known = stateOf(link).byName.get(name);
  const isThere = known !== undefined && link.objects.includes(known);
  if (isThere && isFor(link, known, namespace)) return known;
  return guestObjects(link).find((object) =>
    isFor(link, object, namespace) && (object.elf.soname === name || object.path === name)
  );
}

function refuse(object: string, message: string): never {
  throw loadFailure(object, message);
}

/** Closes a handle; `failed` is the result if it is none. */
function close(call: HostCall, link: LinkContext, failed: number): void {
  if (!lock(call, link)) return;
  const state = gnuStateOf(link);
  const object = objectOfMap(link, call.argument(0));
  const count = object && (object.batch === 0 ? 1 : state.opened.get(object) ?? 0);
  if (object === undefined || count === undefined || count < 1) {
    setError(
      link,
      call.threadPointer,
      `${object?.path ?? ""}: shared object not open`.replace(/^: /, ""),
    );
    return answerList(call, link, failed, [], { finish: unlock });
  }
  if (object.batch === 0) return answerList(call, link, 0, [], { finish: unlock });
  state.opened.set(object, count - 1);
  if (count > 1 || state.closing !== "no") {
    if (count === 1) state.closing = "again";
    return answerList(call, link, 0, [], { finish: unlock });
  }
  collectUnused(call, link);
}

/** Calls the finalisers of what is no longer used and then unloads it. */
function collectUnused(call: HostCall, link: LinkContext): void {
  const state = gnuStateOf(link);
  const gone = unusedObjects(link);
  const order = sorted(link, guestObjects(link), true).filter((object) => gone.has(object));
  const functions = order.filter((object) => state.initialised.has(object))
    .flatMap((object) => finalisersOf(link, object));
  for (const object of gone) state.initialised.delete(object);
  state.closing = gone.size > 0 ? "yes" : "no";
  answerList(call, link, 0, functions, {
    finish: (link) => {
      unload(link, gone);
      unlock(link);
    },
  });
}

function unload(link: LinkContext, gone: ReadonlySet<LinkObject>): void {
  const state = gnuStateOf(link);
  for (const object of gone) {
    removeLinkMap(link, object);
    state.blocks.remove(link, object);
  }
  const { byName, tls } = stateOf(link);
  for (const object of gone) tls.remove(object);
  for (const [name, object] of byName) if (gone.has(object)) byName.delete(name);
  state.unloads += gone.size;
  forgetObjects(link, gone);
  link.unload([...gone]);
  // A finaliser has closed more: what is unused now goes without another round of calls, if it has none.
  const again = state.closing === "again";
  state.closing = "no";
  if (again) {
    const more = unusedObjects(link);
    if (more.size > 0) unload(link, more);
  }
}

/** Makes the calling thread the one that opens and closes; if another one is, has the call repeated. */
function lock(call: HostCall, link: LinkContext): boolean {
  const state = gnuStateOf(link);
  const owner = call.threadPointer;
  if (state.lock === undefined || !link.threadPointers.includes(state.lock.owner)) {
    state.lock = { owner, depth: 0 };
  }
  if (state.lock.owner !== owner) {
    call.result(0);
    return false;
  }
  state.lock.depth++;
  return true;
}

function unlock(link: LinkContext): void {
  const state = gnuStateOf(link);
  if (state.lock !== undefined && --state.lock.depth <= 0) state.lock = undefined;
}

/** Answers with a record: the result, (argc, argv, envp), the functions to call with them, 0. */
function answerList(
  call: HostCall,
  link: LinkContext,
  result: number,
  functions: readonly number[],
  { finish }: Pick<Pending, "finish">,
): void {
  const { heap, landing, pending } = gnuStateOf(link);
  const stack = landing!.stackPointer;
  const argc = link.readI64(stack);
  const words = [result, argc, stack + 8, stack + 16 + 8 * argc, ...functions, 0];
  const record = heap.words(link, words);
  pending.set(record, { record, finish });
  call.result(record);
}
