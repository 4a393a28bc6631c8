import {
  type LinkContext,
  LinkError,
  type LinkObject,
  type Module,
  type Registration,
  strong,
  weak,
} from "../../lib/linker/mod.ts";
import { DF_1_NOOPEN, DT_AUXILIARY, DT_FILTER } from "../../lib/elf/mod.ts";
import { collectNeeded, needLibrary } from "../sysv/collect.ts";
import { writeList } from "../sysv/initialisers.ts";
import { loadFailure } from "../sysv/library_file.ts";
import { relocateSymbols } from "../sysv/relocate.ts";
import { runtimeOf } from "../sysv/runtime.ts";
import { collectRuntime } from "../sysv/mod.ts";
import { prepare, programAuxv, start } from "../sysv/start.ts";
import { type LazySlots, stateOf } from "../sysv/state.ts";
import {
  addTlsBlock,
  writeLateTlsImage,
  writeTlsImage,
  writeTlsImages,
} from "../sysv/thread_block.ts";
import { initialiseLoader } from "./bootstrap.ts";
import { allowCodeOnStacks } from "./exec_stack.ts";
import { functionsOf, initialisersOf } from "./functions.ts";
import { lazySlots } from "./lazy.ts";
import { addLinkMap, adoptLinkMaps } from "./link_maps.ts";
import { resolve } from "./resolve.ts";
import { GNU_RUNTIME_CODE } from "./runtime_code.ts";
import { openScope, startScopes } from "./scopes.ts";
import { provideServices, replaceFunctionTable } from "./services.ts";
import { gnuStateOf } from "./state.ts";
import { threadLocal } from "./thread_local.ts";
import { isTraced, trace } from "./trace.ts";
import { refuseAuditors } from "./unaudited.ts";
import { checkStartVersions, checkVersions } from "./versions.ts";

export interface GnuOptions {
  /** Bind a slot at its first call, as ld.so does without LD_BIND_NOW; default: before the program starts. */
  readonly lazy?: boolean;
}

const LOADER = /^ld-linux.*\.so\.\d+$/;

/**
 * Programs of glibc, unmodified. glibc's libc.so.6 reads data that its loader, ld.so, sets up; so the
 * guest's own ld.so initialises itself over a stand-in for the program that leaves it nothing to do, and
 * then the linker goes on: it relocates the program and its libraries, answers for dlopen and its kin, and
 * keeps thread-local storage. See docs/modules/gnu.md.
 */
export function gnu({ lazy = false }: GnuOptions = {}): Module {
  const slots = lazySlots(lazy);
  return {
    name: "gnu",
    resolve,
    register: (object) => {
      if (object.isProgram) return isGnuProgram(object) ? program(object, slots) : {};
      if (LOADER.test(object.soname)) return loaderItself();
      return object.batch === 0 ? library() : lateLibrary();
    },
  };
}

function isGnuProgram({ elf }: LinkObject): boolean {
  return elf.interp !== undefined && LOADER.test(elf.interp.replace(/.*\//s, ""));
}

function program(object: LinkObject, slots: LazySlots): Registration {
  return {
    "collect": strong(collectProgram),
    "post-collect": weak((link) => {
      const state = gnuStateOf(link);
      state.loader = link.objects.find(({ soname }) => LOADER.test(soname));
      state.blocks.add(object);
      if (state.loader !== undefined) adopt(link, slots);
    }),
    "post-load": weak(async (link) => {
      if (gnuStateOf(link).loader === undefined) return;
      if (isTraced(link)) trace(link, object);
      provideServices(link);
      await initialiseLoader(link, object);
    }),
    "post-relocate": strong(finishProgram),
    "start": strong(startProgram),
  };
}

/**
 * It relocates itself when it initialises itself, and binds its symbols to its own definitions as long as
 * it is alone; once more, then, to those that come first, as it does for itself.
 */
function loaderItself(): Registration {
  return { "relocate": strong(relocateSymbols) };
}

function library(): Registration {
  return {
    "collect": weak(collectFiltees),
    "post-collect": weak((link, object) => gnuStateOf(link).blocks.add(object)),
  };
}

/** Asks for the objects that stand in for this one's definitions; an auxiliary one may be missing. */
function collectFiltees(link: LinkContext, object: LinkObject): void {
  const { filtees } = gnuStateOf(link);
  for (const { tag, value } of object.elf.dynamic?.entries ?? []) {
    if (tag !== DT_FILTER && tag !== DT_AUXILIARY) continue;
    const name = object.elf.dynamic!.strings!.at(value, "DT_FILTER");
    try {
      const filtee = needLibrary(link, object, name);
      filtees.set(object, [...filtees.get(object) ?? [], filtee]);
    } catch (error) {
      const isMissing = error instanceof LinkError && error.failure !== undefined;
      if (tag === DT_FILTER || !isMissing) throw error;
    }
  }
}

function lateLibrary(): Registration {
  return {
    "collect": weak(collectFiltees),
    "post-collect": strong((link, object) => {
      const { loader, blocks, opening, deep, namespaces } = gnuStateOf(link);
      if (loader === undefined) return addTlsBlock(link, object);
      if (((object.elf.dynamic?.flags1 ?? 0) & DF_1_NOOPEN) !== 0) {
        throw loadFailure(object.path, "shared object cannot be dlopen()ed");
      }
      blocks.add(object);
      if (opening.deep) deep.add(object);
      if (opening.namespace !== 0) namespaces.set(object, opening.namespace);
      // The batch's last object: now all that the first one needs is known.
      if (object === link.batch.at(-1)) openScope(link, link.batch[0]);
      checkVersions(link, object);
    }),
    "post-relocate": strong((link, object) => {
      if (gnuStateOf(link).loader === undefined) return writeLateTlsImage(link, object);
      allowCodeOnStacks(link, object);
      addLinkMap(link, object);
      placeLateBlock(link, object);
    }),
  };
}

function collectProgram(link: LinkContext, program: LinkObject): void {
  // The interpreter by its own path, whoever asks for it by name.
  stateOf(link).interpreter = link.files.open(program.elf.interp!);
  // As ld.so does it.
  stateOf(link).guards = true;
  if (isTraced(link)) stateOf(link).missing = [];
  refuseAuditors(link, program);
  collectNeeded(link, program);
  collectRuntime(link, GNU_RUNTIME_CODE);
}

/** The process has glibc's loader among its objects: from here on it is ours to serve. */
function adopt(link: LinkContext, slots: LazySlots): void {
  const state = stateOf(link);
  state.lazy = slots;
  state.runtime = runtimeOf(link).using(GNU_RUNTIME_CODE);
  state.threadLocal = threadLocal;
  state.service = undefined;
  gnuStateOf(link).runtime = state.runtime.object;
  startScopes(link);
  checkStartVersions(link);
}

/** Post-relocate of the program: what libc finds when it starts. */
function finishProgram(link: LinkContext, program: LinkObject): void {
  const state = gnuStateOf(link);
  if (state.loader === undefined) return prepare(link, program);
  const { standIn, landing } = state;
  writeTlsImages(link, standIn!.imageThreadPointer);
  writeTlsImages(link, landing!.threadPointer);
  state.blocks.start(link, landing!.threadPointer);
  adoptLinkMaps(link);
  replaceFunctionTable(link);
  const runtime = runtimeOf(link);
  const raise = link.resolve({
    name: "_dl_signal_error",
    version: "GLIBC_PRIVATE",
    from: state.loader,
    use: "call",
  });
  if (raise !== undefined) runtime.set(link, "signal_error", raise.address);
  const early = link.resolve({
    name: "__libc_early_init",
    version: "GLIBC_PRIVATE",
    from: state.loader,
    use: "call",
  });
  if (early !== undefined) runtime.set(link, "early_init", early.address);
  runtime.set(link, "initialisers", writeList(link, startList(link, program), "initialisers"));
  runtime.set(link, "entry", link.base(program) + program.elf.header.entry);
}

/** What ld.so calls before the program's entry point; the program's own initialisers are libc's to call. */
function startList(link: LinkContext, program: LinkObject): number[] {
  const { orders, initialised } = gnuStateOf(link);
  const list: number[] = functionsOf(link, program, program.elf.dynamic?.preinitArray);
  for (const object of orders.get(program)!.toReversed()) {
    initialised.add(object);
    if (object !== program) list.push(...initialisersOf(link, object));
  }
  return list;
}

function startProgram(link: LinkContext, program: LinkObject): void {
  if (gnuStateOf(link).loader === undefined) return start(link, program);
  link.begin({ entry: runtimeOf(link).address(link, "start"), auxv: programAuxv(link, program) });
}

/** A late object whose block got a fixed place: its image goes to every thread, and to those to come. */
function placeLateBlock(link: LinkContext, object: LinkObject): void {
  const { standIn } = gnuStateOf(link);
  if (stateOf(link).tls.offsetOf(object) === undefined || standIn === undefined) return;
  for (const thread of [standIn.imageThreadPointer, ...link.threadPointers]) {
    writeTlsImage(link, object, thread);
  }
}
