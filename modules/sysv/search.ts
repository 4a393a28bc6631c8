import { ElfError, ElfFile } from "../../lib/elf/mod.ts";
import {
  type GuestFile,
  type LinkContext,
  LinkError,
  type LinkObject,
} from "../../lib/linker/mod.ts";
import { LdSoCache } from "./ld_so_cache.ts";

/** Where libraries are looked for beside what objects and the environment say. */
export interface SearchOptions {
  /** Path of the library cache; undefined for none. */
  readonly cache: string | undefined;
  /** Directories searched last. */
  readonly directories: readonly string[];
  /** Value of `$LIB`. */
  readonly lib: string;
}

/** The search of glibc's ld.so as Debian configures it (ld.so(8)). */
export function debianSearch(link: LinkContext): SearchOptions {
  const triplet = `${link.arch}-linux-gnu`;
  return {
    cache: "/etc/ld.so.cache",
    directories: [
      `/lib/${triplet}`,
      `/usr/lib/${triplet}`,
      "/lib64",
      "/usr/lib64",
      "/lib",
      "/usr/lib",
    ],
    lib: `lib/${triplet}`,
  };
}

const caches = new WeakMap<LinkContext, LdSoCache>();
const origins = new WeakMap<LinkObject, LinkObject>();

/** Notes which object first asked for another: DT_RPATH is inherited along this chain. */
export function noteRequester(object: LinkObject, requester: LinkObject): void {
  if (!object.isProgram && !origins.has(object)) origins.set(object, requester);
}

/**
 * Finds the file of a DT_NEEDED or LD_PRELOAD name, in ld.so's order: a name with a slash is a path; else
 * DT_RPATH of the requester and its requesters (unless it has DT_RUNPATH), LD_LIBRARY_PATH, DT_RUNPATH,
 * the cache, the default directories. Files for another machine are passed over.
 */
export function findLibrary(
  link: LinkContext,
  requester: LinkObject,
  name: string,
  options: SearchOptions,
): GuestFile {
  const expanded = expand(link, requester, name, options);
  if (expanded.includes("/")) {
    const file = link.files.open(expanded);
    if (file !== undefined) return file;
    throw new LinkError(`${expanded}: no such file, needed by ${requester.path}`);
  }
  const tried = new Set<string>();
  for (const path of candidates(link, requester, expanded, options)) {
    if (tried.has(path)) continue;
    tried.add(path);
    const file = link.files.open(path);
    if (file !== undefined && isForMachine(file, link)) return file;
  }
  throw new LinkError(
    `${name}: no such library, needed by ${requester.path} (looked for ${[...tried].join(", ")})`,
  );
}

function* candidates(
  link: LinkContext,
  requester: LinkObject,
  name: string,
  options: SearchOptions,
): Generator<string> {
  const directories = (list: string | undefined, owner: LinkObject): string[] =>
    splitPath(list).map((directory) => expand(link, owner, directory, options));
  const runpath = requester.elf.dynamic?.runpath;
  if (runpath === undefined) {
    for (const owner of requesters(link, requester)) {
      if (owner.elf.dynamic?.runpath !== undefined) continue;
      for (const directory of directories(owner.elf.dynamic?.rpath, owner)) {
        yield join(directory, name);
      }
    }
  }
  const environment = link.environment.get("LD_LIBRARY_PATH");
  for (const directory of directories(environment, link.program)) yield join(directory, name);
  for (const directory of directories(runpath, requester)) yield join(directory, name);
  yield* cacheOf(link, options).lookup(name);
  for (const directory of options.directories) yield join(directory, name);
}

/** The object, then the one that asked for it, and so on up to the program. */
function* requesters(link: LinkContext, object: LinkObject): Generator<LinkObject> {
  let current: LinkObject | undefined = object;
  let reachedProgram = false;
  for (; current !== undefined; current = origins.get(current)) {
    yield current;
    reachedProgram ||= current === link.program;
  }
  if (!reachedProgram) yield link.program;
}

/** `a:b;c` as a list; an empty element is the current directory. */
function splitPath(list: string | undefined): string[] {
  if (list === undefined || list === "") return [];
  return list.split(/[:;]/).map((directory) => directory === "" ? "." : directory);
}

function join(directory: string, name: string): string {
  return directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}

/** Replaces `$ORIGIN`, `$LIB` and `$PLATFORM`, bare or in braces. */
function expand(
  link: LinkContext,
  owner: LinkObject,
  text: string,
  options: SearchOptions,
): string {
  if (!text.includes("$")) return text;
  return text.replace(/\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)\b)/g, (_all, a, b) => {
    const name = a ?? b;
    return name === "ORIGIN" ? originOf(owner) : name === "LIB" ? options.lib : link.platform;
  });
}

/** The directory of an object's file; the kernel knows the program by its resolved path. */
function originOf(object: LinkObject): string {
  const path = object.isProgram ? object.file?.realPath ?? object.path : object.path;
  const end = path.lastIndexOf("/");
  return end < 0 ? "." : end === 0 ? "/" : path.slice(0, end);
}

function cacheOf(link: LinkContext, options: SearchOptions): LdSoCache {
  let cache = caches.get(link);
  if (cache === undefined) {
    const file = options.cache === undefined ? undefined : link.files.open(options.cache);
    cache = new LdSoCache(file?.bytes ?? new Uint8Array(0), link.arch);
    caches.set(link, cache);
  }
  return cache;
}

/** A library of another class or machine is passed over, as ld.so does in multi-architecture systems. */
function isForMachine(file: GuestFile, link: LinkContext): boolean {
  try {
    return ElfFile.parse(file.bytes, file.path).machine === link.arch;
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    const foreign = error.field === "e_machine" || error.field === "EI_CLASS";
    if (foreign) return false;
    throw error;
  }
}
