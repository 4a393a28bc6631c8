import {
  DT_FINI,
  DT_FINI_ARRAY,
  DT_FINI_ARRAYSZ,
  DT_INIT,
  DT_INIT_ARRAY,
  DT_INIT_ARRAYSZ,
  DT_JMPREL,
  DT_NEEDED,
  DT_PLTRELSZ,
  DT_PREINIT_ARRAY,
  DT_PREINIT_ARRAYSZ,
  DT_REL,
  DT_RELA,
  DT_RELASZ,
  DT_RELR,
  DT_RELRSZ,
  DT_RELSZ,
  type ElfFile,
  LookupKey,
} from "../../lib/elf/mod.ts";
import {
  type Definition,
  type HostService,
  type LinkContext,
  LinkError,
  type LinkObject,
  type Module,
  pageUp,
  type Registration,
  type Resolver,
  strong,
  type SymbolLookup,
  weak,
} from "../../lib/linker/mod.ts";
import { collectNeeded } from "../sysv/collect.ts";
import { startEarly } from "../sysv/early_start.ts";
import { writeList } from "../sysv/initialisers.ts";
import { loadFailure } from "../sysv/library_file.ts";
import { collectRuntime } from "../sysv/mod.ts";
import { relocateSymbols } from "../sysv/relocate.ts";
import { runtimeOf } from "../sysv/runtime.ts";
import { usesMusl } from "../sysv/search.ts";
import { writeStandIn } from "../sysv/stand_in.ts";
import { programAuxv } from "../sysv/start.ts";
import { stateOf, type ThreadLocal } from "../sysv/state.ts";
import { writeTlsImages } from "../sysv/thread_block.ts";
import { dlerror } from "./errors.ts";
import { addLinkMaps, showLinkMaps } from "./link_maps.ts";
import { construct, dlclose, dlopen, done, finish } from "./open.ts";
import { MUSL_RUNTIME_CODE, type MuslRuntimePart } from "./runtime_code.ts";
import { guestObjects, type MuslState, muslStateOf, searchListOf } from "./state.ts";
import { dladdr, dlinfo, dlsym, dropHeaders, listHeaders, tlsAddress } from "./symbols.ts";

/** What musl's loader would do again: it is told of none of it. */
const DONE_TAGS = new Set([
  DT_NEEDED,
  DT_RELA,
  DT_RELASZ,
  DT_REL,
  DT_RELSZ,
  DT_RELR,
  DT_RELRSZ,
  DT_JMPREL,
  DT_PLTRELSZ,
  DT_INIT,
  DT_FINI,
  DT_INIT_ARRAY,
  DT_INIT_ARRAYSZ,
  DT_FINI_ARRAY,
  DT_FINI_ARRAYSZ,
  DT_PREINIT_ARRAY,
  DT_PREINIT_ARRAYSZ,
]);

/** Functions of musl that the host answers itself, by their names. */
const HOST_SERVICES: Readonly<Record<string, HostService>> = {
  dlsym,
  dlclose,
  dladdr,
  dlinfo,
  dlerror,
};

/** Functions of musl that call guest code or have a fast way, by the part of the runtime that does it. */
const RUNTIME_SERVICES: Readonly<Record<string, MuslRuntimePart>> = {
  dlopen: "dlopen",
  dl_iterate_phdr: "dl_iterate_phdr",
  __tls_get_addr: "tls_get_addr",
};

/** What the runtime's parts ask of the host, by the word that holds its address. */
const RUNTIME_NEEDS: Readonly<Partial<Record<MuslRuntimePart, HostService>>> = {
  host_finish: finish,
  host_dlopen: dlopen,
  host_done: done,
  host_phdr: listHeaders,
  host_phdr_done: dropHeaders,
  host_tls: tlsAddress,
};

/**
 * Programs of musl, with its unmodified `libc.so`. That file is library and loader in one: its functions work
 * only after its own start code ran, which relocates it, sets up the first thread and reads the program's
 * headers. So libc.so initialises itself over a stand-in for the program that leaves it nothing to do, then
 * the linker goes on: it relocates the program and its libraries, and answers for dlopen and its
 * kin. See docs/modules/musl.md.
 */
export function musl(): Module {
  return {
    name: "musl",
    resolve,
    register: (object) => {
      if (object.isProgram) return usesMusl(object) ? muslProgram : {};
      if (isLibcOfMusl(object)) return { "relocate": strong(relocateLibc) };
      return object.batch === 0 ? {} : { "post-collect": weak(decideScope) };
    },
  };
}

/** The passes by which a program starts on musl's libc.so. */
export const muslProgram: Registration = {
  "collect": strong((link, program) => {
    collectNeeded(link, program);
    collectMuslRuntime(link);
  }),
  "post-collect": weak(adopt),
  "post-load": weak(initialiseLibc),
  "post-relocate": strong(finishProgram),
  "start": strong((link, program) =>
    link.begin({
      entry: link.base(program) + program.elf.header.entry,
      auxv: programAuxv(link, program),
    })
  ),
};

/** Asks for the guest code of the services (collect of the program). */
export function collectMuslRuntime(link: LinkContext): void {
  collectRuntime(link, MUSL_RUNTIME_CODE);
}

const areLibc = new WeakMap<ElfFile, boolean>();

/** True for musl's libc.so: it exports the second stage of its own start code. */
export function isLibcOfMusl({ elf }: LinkObject): boolean {
  let known = areLibc.get(elf);
  if (known === undefined) areLibc.set(elf, known = elf.lookup("__dls2b") !== undefined);
  return known;
}

/** The process has musl's loader among its objects: from here on it is ours to serve. */
function adopt(link: LinkContext): void {
  const libc = link.objects.find(isLibcOfMusl);
  if (libc === undefined) throw new LinkError("the program needs no libc.so of musl");
  const musl = muslStateOf(link);
  const state = stateOf(link);
  musl.libc = libc;
  musl.globals = guestObjects(link);
  for (const object of musl.globals) musl.vectors.numberOf(object);
  state.runtime = runtimeOf(link).using(MUSL_RUNTIME_CODE);
  state.threadLocal = threadLocal;
  state.service = undefined;
}

/** It has relocated itself; what other objects define in its place is bound now. */
function relocateLibc(link: LinkContext, libc: LinkObject): void {
  relocateSymbols(link, libc);
}

/** How relocations see thread-local storage: by the numbers of vectors. */
const threadLocal: ThreadLocal = {
  moduleOf: (link, object) => muslStateOf(link).vectors.numberOf(object),
  offsetOf: (link, object) => {
    const offset = stateOf(link).tls.offsetOf(object);
    if (offset !== undefined || object.elf.tls === undefined) return offset;
    const { path } = object;
    throw loadFailure(path, `initial-exec TLS resolves to dynamic definition in ${path}`);
  },
  describe: (link, object, value) => {
    const runtime = runtimeOf(link);
    const offset = stateOf(link).tls.offsetOf(object);
    if (offset !== undefined) return [runtime.address(link, "tlsdesc_static"), offset + value];
    const { heap, vectors } = muslStateOf(link);
    const index = heap.words(link, [vectors.numberOf(object)!, value]);
    return [runtime.address(link, "tlsdesc_dynamic"), index];
  },
};

/** Lets libc.so initialise itself (post-load of the program). */
async function initialiseLibc(link: LinkContext, program: LinkObject): Promise<void> {
  const musl = muslStateOf(link);
  const libc = musl.libc!;
  const runtime = runtimeOf(link);
  for (const [name, service] of Object.entries(HOST_SERVICES)) {
    musl.services.set(name, link.provide(name, service));
  }
  for (const [name, part] of Object.entries(RUNTIME_SERVICES)) {
    musl.services.set(name, runtime.address(link, part));
  }
  for (const [part, service] of Object.entries(RUNTIME_NEEDS)) {
    runtime.set(link, part, link.provide(part, service));
  }
  const { tls } = stateOf(link);
  // There is always a block, for by it we find where musl keeps their addresses.
  tls.seal(pageUp(Math.max(tls.size, LEAST_BLOCK), tls.align));
  const base = link.base(program);
  const list = (part: MuslRuntimePart) => writeList(link, [runtime.address(link, part)], part);
  const standIn = writeStandIn(link, program, [
    ...program.elf.dynamic!.entries.filter(({ tag }) => !DONE_TAGS.has(tag))
      .map(({ tag, value }): [number, number] => [tag, value]),
    ...neededLibc(program, libc),
    [DT_INIT_ARRAY, list("initialise") - base],
    [DT_INIT_ARRAYSZ, 8],
    [DT_FINI_ARRAY, list("finish") - base],
    [DT_FINI_ARRAYSZ, 8],
  ], { alignment: "absolute", loads: "read-only" });
  const { threadPointer } = musl.landing = await startEarly(link, libc, standIn);
  musl.standIn = standIn;
  const first = link.arch === "x86_64" ? -tls.capacity : ABOVE_THREAD_POINTER;
  const place = musl.vectors.discover(link, threadPointer, threadPointer + first);
  runtime.set(link, "vector", place);
}

/** Bytes of the block of a program without thread-local variables, and before it on aarch64. */
const LEAST_BLOCK = 32;
const ABOVE_THREAD_POINTER = 16;

/** The DT_NEEDED entry by which the program asks for libc.so, so that musl links it into its list. */
function neededLibc(program: LinkObject, libc: LinkObject): [number, number][] {
  const { entries, needed } = program.elf.dynamic!;
  const names = entries.filter(({ tag }) => tag === DT_NEEDED);
  const index = needed.findIndex((name) => name === libc.elf.soname || /^libc\./.test(name));
  return index < 0 ? [] : [[DT_NEEDED, names[index].value]];
}

/** Post-relocate of the program: the first thread's storage and that of threads to come, and what is called first. */
function finishProgram(link: LinkContext, program: LinkObject): void {
  const { standIn, landing } = muslStateOf(link);
  writeTlsImages(link, standIn!.imageThreadPointer);
  writeTlsImages(link, landing!.threadPointer);
  addLinkMaps(link);
  showLinkMaps(link);
  const list = writeList(link, construct(link, [program]), "initialisers");
  runtimeOf(link).set(link, "initialisers", list);
}

/** Post-collect of late objects: their numbers come in load order, and what they search is what is global, then what was opened and its needs. */
function decideScope(link: LinkContext, object: LinkObject): void {
  const { libc, globals, vectors } = muslStateOf(link);
  if (libc === undefined) return;
  vectors.numberOf(object);
  link.rescope(object, [...new Set([...globals, ...searchListOf(link.batch[0])])]);
}

/** The link that asked last: this is asked for every object of every search. It is not kept alive for that. */
let asked: { readonly link: WeakRef<LinkContext>; readonly state: WeakRef<MuslState> } | undefined;
const withoutSize = new Map<string, LookupKey>();

/**
 * In programs of musl: functions of its loader are the linker's services; names have no versions; and what
 * libc.so lacks under a name that ends in `64` it may have without that (1.2.4 dropped these names).
 */
function resolve(lookup: SymbolLookup, next: Resolver): Definition | undefined {
  const { link, candidate, key } = lookup;
  let state = asked?.link.deref() === link ? asked.state.deref() : undefined;
  if (state === undefined) {
    state = muslStateOf(link);
    asked = { link: new WeakRef(link), state: new WeakRef(state) };
  }
  const { libc, services } = state;
  if (libc === undefined) return next(lookup);
  const plain = usesMusl(link.program) ? { ...lookup, version: undefined, newest: true } : lookup;
  const definition = next(plain);
  if (candidate !== libc) return definition;
  if (definition === undefined) {
    if (!key.name.endsWith("64") || lookup.newest) return undefined;
    return next({ ...plain, key: shortened(key.name) });
  }
  const address = services.get(key.name);
  return address === undefined ? definition : { ...definition, address, kind: "code" };
}

function shortened(name: string): LookupKey {
  let key = withoutSize.get(name);
  if (key === undefined) withoutSize.set(name, key = new LookupKey(name.slice(0, -2)));
  return key;
}
