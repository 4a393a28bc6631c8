import { DF_1_NODEFLIB, LINKER_FOLDER } from "../../lib/elf/mod.ts";
import type { GuestFile, LinkContext, LinkObject } from "../../lib/linker/mod.ts";
import { LdSoCache } from "./ld_so_cache.ts";
import { stateOf } from "./state.ts";
import { examine, loadFailure } from "./library_file.ts";

/** The paths at which a library name may be, in order; each loader has its own rules. */
export interface LibrarySearch {
  /** Value of `$LIB`. */
  readonly lib: string;
  candidates(link: LinkContext, requester: LinkObject, name: string): Iterable<string>;
}

/**
 * The search of glibc's ld.so as Debian configures it (ld.so(8)): DT_RPATH of the requester and of those
 * that requested it, unless it has DT_RUNPATH; LD_LIBRARY_PATH; DT_RUNPATH; the cache; the
 * default directories, unless the requester wants none of them (DF_1_NODEFLIB). In every directory, the
 * folders for the processor's levels come first; those older than glibc 2.33 knows (`tls` and the
 * platform's) are not looked for.
 */
function glibcSearch(link: LinkContext): LibrarySearch {
  const triplet = `${link.arch}-linux-gnu`;
  const defaults = [
    `/lib/${triplet}`,
    `/usr/lib/${triplet}`,
    "/lib",
    "/usr/lib",
  ].join(":");
  const isaLevels = knowsLevels(link) ? link.isaLevels : [];
  const levels = [...isaLevels.map((level) => `glibc-hwcaps/${level}/`), ""];
  const lib = `lib/${triplet}`;
  return {
    lib,
    *candidates(link, requester, name) {
      const { runpath } = requester.elf.dynamic ?? {};
      if (runpath === undefined) {
        for (const owner of requesters(link, requester)) {
          const { rpath, runpath } = owner.elf.dynamic ?? {};
          if (runpath === undefined) yield* within(link, owner, rpath, name, lib, levels);
        }
      }
      const environment = link.environment.get("LD_LIBRARY_PATH");
      yield* within(link, link.program, environment, name, lib, levels);
      yield* within(link, requester, runpath, name, lib, levels);
      const nodeflib = ((requester.elf.dynamic?.flags1 ?? 0) & DF_1_NODEFLIB) !== 0;
      for (const path of cacheOf(link).lookup(name, isaLevels)) {
        if (!nodeflib || !defaults.split(":").includes(path.replace(/\/[^/]*$/, ""))) yield path;
      }
      if (!nodeflib) yield* within(link, link.program, defaults, name, lib, levels);
    },
  };
}

/** Whether the program's own loader has libraries by level, as glibc from 2.33 on. */
function knowsLevels(link: LinkContext): boolean {
  let known = levelLoaders.get(link);
  if (known === undefined) {
    const { interp } = link.program.elf;
    const bytes = interp === undefined ? undefined : link.files.open(interp)?.bytes;
    known = bytes === undefined || new TextDecoder("latin1").decode(bytes).includes("glibc-hwcaps");
    levelLoaders.set(link, known);
  }
  return known;
}

/** Libraries that are parts of musl's libc.so (musl, ldso/dynlink.c). */
const PARTS_OF_MUSL = /^lib(c|pthread|rt|m|dl|util|xnet)\./;

/**
 * The search of musl's loader: LD_LIBRARY_PATH; DT_RUNPATH or DT_RPATH of the requester and of those that
 * requested it; the directories of `/etc/ld-musl-ARCH.path`, or the default ones. The names of the C
 * library's parts are the loader itself.
 */
function muslSearch(interpreter: string): LibrarySearch {
  const lib = "lib";
  return {
    lib,
    *candidates(link, requester, name) {
      if (PARTS_OF_MUSL.test(name) || interpreter.endsWith(`/${name}`)) return yield interpreter;
      yield* within(link, link.program, link.environment.get("LD_LIBRARY_PATH"), name, lib);
      for (const owner of requesters(link, requester)) {
        const { runpath, rpath } = owner.elf.dynamic ?? {};
        yield* within(link, owner, runpath ?? rpath, name, lib);
      }
      const configured = link.files.open(`/etc/ld-musl-${link.arch}.path`);
      const directories = configured === undefined
        ? "/lib:/usr/local/lib:/usr/lib"
        : new TextDecoder().decode(configured.bytes).trim().replaceAll("\n", ":");
      yield* within(link, link.program, directories, name, lib);
    },
  };
}

/**
 * True if a program's interpreter is musl's loader, or, where a linker's name stands in its place, if the
 * program needs musl's C library.
 */
export function usesMusl({ elf }: LinkObject): boolean {
  if (!elf.interp?.startsWith(LINKER_FOLDER)) return elf.interp?.includes("/ld-musl-") ?? false;
  return elf.dynamic?.needed.some((name) => /^libc\.(so$|musl-)/.test(name)) ?? false;
}

/** Where musl's loader is, which is its C library as well. */
function muslLoader({ arch, program }: LinkContext): string {
  const { interp } = program.elf;
  return interp?.startsWith(LINKER_FOLDER) ? `/lib/ld-musl-${arch}.so.1` : interp!;
}

/** The search that the program's own interpreter would make. */
export function searchOf(link: LinkContext): LibrarySearch {
  return usesMusl(link.program) ? muslSearch(muslLoader(link)) : glibcSearch(link);
}

const caches = new WeakMap<LinkContext, LdSoCache>();
const levelLoaders = new WeakMap<LinkContext, boolean>();
const firstRequester = new WeakMap<LinkObject, LinkObject>();

/** Notes which object asked for another, if it is the first to: DT_RPATH is inherited along this chain. */
export function noteRequester(object: LinkObject, requester: LinkObject): void {
  if (!object.isProgram && !firstRequester.has(object)) firstRequester.set(object, requester);
}

/**
 * Finds the file of a DT_NEEDED or LD_PRELOAD name. A name with a slash is a path. Files for another
 * machine are passed over.
 */
export function findLibrary(link: LinkContext, requester: LinkObject, name: string): GuestFile {
  const search = searchOf(link);
  const expanded = expand(link, requester, name, search.lib);
  const isPath = expanded.includes("/");
  const paths = isPath ? [expanded] : search.candidates(link, requester, expanded);
  const tried = new Set<string>();
  let otherClass: string | undefined;
  for (const path of paths) {
    if (tried.has(path)) continue;
    tried.add(path);
    const file = link.files.open(path);
    const suitability = file && examine(file, link, name);
    const found = suitability === "suitable";
    link.observer?.tried?.({ name, requester, path, found });
    if (file !== undefined && found) return file;
    if (suitability === "other class") otherClass ??= path;
  }
  if (otherClass !== undefined) {
    throw loadFailure(isPath ? otherClass : name, "wrong ELF class: ELFCLASS32");
  }
  const reason = isPath ? whyNot(link, expanded) : NOT_FOUND;
  throw loadFailure(
    name,
    reason,
    `, needed by ${requester.path} (looked for ${[...tried].join(", ")})`,
  );
}

const NOT_FOUND = "cannot open shared object file: No such file or directory";

/** Why a path could not be opened; a file for another machine counts as none. */
function whyNot(link: LinkContext, path: string): string {
  if (link.files.exists(`${path}/.`)) return "cannot read file data: Is a directory";
  const readable = link.files.open(path) !== undefined;
  if (readable || !link.files.exists(path)) return NOT_FOUND;
  return "cannot open shared object file: Permission denied";
}

/** The object, then the one that asked for it, and so on; the program last. */
function* requesters(link: LinkContext, object: LinkObject): Generator<LinkObject> {
  let last: LinkObject | undefined;
  const { openedFor } = stateOf(link);
  for (let at: LinkObject | undefined = object; at !== undefined;) {
    yield last = at;
    const isOpened: boolean = at.batch > 0 && at === link.batch[0];
    at = firstRequester.get(at) ?? (isOpened ? openedFor : undefined);
  }
  if (last !== link.program) yield link.program;
}

/**
 * A name in every directory of a list, and before in those of its `folders`; an empty element of the list is
 * the current directory.
 */
function* within(
  link: LinkContext,
  owner: LinkObject,
  list: string | undefined,
  name: string,
  lib: string,
  folders: readonly string[] = [""],
): Generator<string> {
  if (list === undefined || list === "") return;
  for (const element of list.split(/[:;]/)) {
    const directory = element === "" ? "." : expand(link, owner, element, lib);
    const prefix = directory.endsWith("/") ? directory : `${directory}/`;
    for (const folder of folders) yield prefix + folder + name;
  }
}

/** Replaces `$ORIGIN`, `$LIB` and `$PLATFORM`, bare or in braces. */
function expand(link: LinkContext, owner: LinkObject, text: string, lib: string): string {
  if (!text.includes("$")) return text;
  const tokens = /\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?!\w))/g;
  return text.replace(tokens, (_all, braced, bare) => {
    const token = braced ?? bare;
    return token === "ORIGIN" ? originOf(owner) : token === "LIB" ? lib : link.platform;
  });
}

/** The directory of an object's file; the kernel knows the program by its resolved path. */
function originOf(object: LinkObject): string {
  const path = object.isProgram ? object.file?.realPath ?? object.path : object.path;
  const end = path.lastIndexOf("/");
  return end < 0 ? "." : end === 0 ? "/" : path.slice(0, end);
}

function cacheOf(link: LinkContext): LdSoCache {
  let cache = caches.get(link);
  if (cache === undefined) {
    const bytes = link.files.open("/etc/ld.so.cache")?.bytes ?? new Uint8Array(0);
    caches.set(link, cache = new LdSoCache(bytes, link.arch));
  }
  return cache;
}
