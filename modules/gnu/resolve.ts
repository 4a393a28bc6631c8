import type {
  Definition,
  LinkContext,
  LinkObject,
  Resolver,
  SymbolLookup,
} from "../../lib/linker/mod.ts";
import { gnuStateOf } from "./state.ts";

/** The libraries of glibc whose functions of dynamic linking are ours. */
const PARTS_OF_GLIBC = /^(libc\.so\.6|libdl\.so\.2|ld-linux.*\.so\.\d+)$/;
const isPart = new WeakMap<LinkObject, boolean>();

/**
 * Decorates what the modules before found: functions of glibc's loader are the linker's services, and a
 * unique symbol is the one that was found first.
 */
export function resolve(lookup: SymbolLookup, next: Resolver): Definition | undefined {
  const definition = next(lookup);
  if (definition === undefined) return undefined;
  const { link, candidate, key, from } = lookup;
  const state = gnuStateOf(link);
  if (definition.unique) {
    const known = state.unique.get(key.name);
    if (known !== undefined) return known;
    state.unique.set(key.name, definition);
    // Others will bind to it whose scope does not hold its object: it stays.
    state.pinned.add(definition.object);
    return definition;
  }
  if (candidate.batch > 0 && !lookup.newest) noteBinding(link, from, candidate);
  if (!partOfGlibc(candidate)) return definition;
  const address = state.services.get(key.name);
  return address === undefined ? definition : { ...definition, address, kind: "code" };
}

function partOfGlibc(object: LinkObject): boolean {
  let known = isPart.get(object);
  if (known === undefined) isPart.set(object, known = PARTS_OF_GLIBC.test(object.soname));
  return known;
}

/** Remembers that `user` refers to `used` beside what it needs: `used` stays as long as `user`. */
export function noteBinding(link: LinkContext, user: LinkObject, used: LinkObject): void {
  if (user === used) return;
  const { bindings } = gnuStateOf(link);
  const known = bindings.get(user);
  if (known === undefined) bindings.set(user, new Set([used]));
  else known.add(used);
}
