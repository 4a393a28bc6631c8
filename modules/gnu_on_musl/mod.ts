import { ElfFile, LookupKey } from "../../lib/elf/mod.ts";
import {
  type Architecture,
  type Definition,
  type LinkContext,
  type LinkObject,
  type Module,
  type Resolver,
  strong,
  type SymbolLookup,
} from "../../lib/linker/mod.ts";
import { collectMuslRuntime, isLibcOfMusl, muslProgram } from "../musl/mod.ts";
import { muslStateOf } from "../musl/state.ts";
import { needLibrary } from "../sysv/collect.ts";
import { auxiliaryVector } from "../sysv/early_start.ts";
import { findLibrary } from "../sysv/search.ts";
import { stateOf } from "../sysv/state.ts";

export interface GnuOnMuslOptions {
  /** Guest path of musl's libc.so; by default where its loader is. */
  readonly libc?: string;
}

/** The libraries of glibc itself, its loader included: musl has them all in one file. */
const PARTS_OF_GLIBC =
  /^((libc|libm|libpthread|libdl|librt|libutil|libresolv|libanl)\.so\.\d+|ld-linux.*\.so\.\d+)$/;

/** Name of the object with what musl lacks. */
const SHIM = "gnu-on-musl";
/** What the shim puts before the names of functions that it has as well. */
const OF_MUSL = "musl.";

const shims: { [A in Architecture]?: ElfFile } = {};
const aliases = new Map<string, readonly LookupKey[]>();

/**
 * Programs of glibc on musl's libc.so: the second way of the two that the paper names (§3.3). What a
 * program needs of glibc's libraries is resolved to musl's, without versions, to other names of the same
 * functions, or to a small object made in memory that has what musl lacks (`shim`). Stands in the place
 * of `gnu`. docs/modules/gnu-on-musl.md says which programs run.
 */
export function gnuOnMusl(options: GnuOnMuslOptions = {}): Module {
  return {
    name: "gnu-on-musl",
    resolve,
    register: (object) => {
      const collect = strong((link: LinkContext) => collectOnMusl(link, object, options));
      if (!object.isProgram) return isLibcOfMusl(object) ? {} : { collect };
      if (!isGnuProgram(object)) return {};
      return { ...muslProgram, collect, "post-relocate": strong(finish) };
    },
  };
}

/** glibc's stack guard on aarch64: a variable of ld.so, and of musl's libc.so. */
const GUARD = "__stack_chk_guard";
/** Auxiliary vector: address of 16 random bytes. */
const AT_RANDOM = 25;

/**
 * Post-relocate of the program. A copy of the stack guard lies in what the program has protected, where musl
 * could not set it when it starts: libc.so keeps its own, and the copy is set here.
 */
async function finish(link: LinkContext, program: LinkObject): Promise<void> {
  await muslProgram["post-relocate"]!.run(link, program);
  const copy = program.elf.lookup(GUARD);
  if (copy === undefined) return;
  for (const [type, at] of auxiliaryVector(link, muslStateOf(link).landing!.stackPointer)) {
    if (type !== AT_RANDOM) continue;
    const guard = link.read(link.readI64(at), 8);
    guard[1] = 0; // so that no string leaks it (musl, env/__stack_chk_fail.c)
    link.write(link.base(program) + copy.value, guard);
  }
}

/** True if a program asks for glibc's loader, or, where a linker's name is in its place, for libc.so.6. */
function isGnuProgram({ elf }: LinkObject): boolean {
  if (elf.interp === undefined) return false;
  const isLoader = PARTS_OF_GLIBC.test(elf.interp.replace(/.*\//s, ""));
  return isLoader || (elf.linkerName !== undefined && needsGlibc(elf));
}

function needsGlibc(elf: ElfFile): boolean {
  return elf.dynamic?.needed.some((name) => PARTS_OF_GLIBC.test(name)) ?? false;
}

/** Asks for an object's libraries, musl's in the place of glibc's; for the program, for the shim too. */
async function collectOnMusl(
  link: LinkContext,
  object: LinkObject,
  { libc = `/lib/ld-musl-${link.arch}.so.1` }: GnuOnMuslOptions,
): Promise<void> {
  const onMusl = isGnuProgram(link.program);
  for (const name of object.elf.dynamic?.needed ?? []) {
    if (!onMusl || !PARTS_OF_GLIBC.test(name)) {
      needLibrary(link, object, name);
      continue;
    }
    const { byName } = stateOf(link);
    const musl = byName.get(libc);
    if (musl !== undefined) link.need(musl.file!);
    else byName.set(libc, link.need(findLibrary(link, object, libc)));
  }
  if (!object.isProgram) return;
  const { OBJECTS } = await import("./shim_objects.ts");
  link.need(shims[link.arch] ??= ElfFile.parse(Uint8Array.fromBase64(OBJECTS[link.arch]), SHIM));
  collectMuslRuntime(link);
}

/**
 * Answers for musl's libc.so and the shim: they have no versions, and some functions under other names. What
 * the shim has comes before musl's, except for the shim itself, which calls musl's as `musl.NAME`.
 */
function resolve(lookup: SymbolLookup, next: Resolver): Definition | undefined {
  const { candidate, key, link, from } = lookup;
  if (key.name === GUARD && candidate.isProgram && isLibcOfMusl(from)) return undefined;
  const libc = isLibcOfMusl(candidate);
  if (!(libc || isShim(candidate)) || !isGnuProgram(link.program)) return next(lookup);
  const plain = { ...lookup, version: undefined, versionHidden: false };
  if (libc && isShim(from) && key.name.startsWith(OF_MUSL)) {
    return next({ ...plain, key: new LookupKey(key.name.slice(OF_MUSL.length)) });
  }
  if (libc && !isShim(from) && shims[link.arch]?.lookup(key) !== undefined) return undefined;
  const found = next(plain);
  if (found !== undefined || !libc) return found;
  for (const alias of aliasesOf(key.name)) {
    const definition = next({ ...plain, key: alias });
    if (definition !== undefined) return definition;
  }
}

function isShim({ elf }: LinkObject): boolean {
  return elf.name === SHIM;
}

/** Names under which musl may have a function of glibc: without `64` at the end, `__` or `__isoc23_` before. */
function aliasesOf(name: string): readonly LookupKey[] {
  let known = aliases.get(name);
  if (known === undefined) {
    const names = new Set<string>();
    for (const bare of [name, name.replace(/^__(isoc\d\d_)?(?=[a-z])/, "")]) {
      for (const plain of [bare, bare.replace(/64(?=(_r)?$)/, "")]) names.add(plain);
    }
    names.delete(name);
    aliases.set(name, known = [...names].map((alias) => new LookupKey(alias)));
  }
  return known;
}
