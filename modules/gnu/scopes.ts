import { DF_1_NODELETE } from "../../lib/elf/mod.ts";
import type { LinkContext, LinkObject } from "../../lib/linker/mod.ts";
import { type Dependencies, sortByMoving, sortDepthFirst } from "./order.ts";
import { gnuStateOf } from "./state.ts";

/** The objects of the process that are the guest's: all but the one with our own code. */
export function guestObjects(link: LinkContext): LinkObject[] {
  const { runtime } = gnuStateOf(link);
  return link.objects.filter((object) => object !== runtime);
}

/** What an object asked for, without the object with our own code. */
export function neededBy(link: LinkContext, object: LinkObject): LinkObject[] {
  const { runtime } = gnuStateOf(link);
  return object.dependencies.filter((dependency) => dependency !== runtime);
}

/** An object and all that it needs, breadth first, filtees before what they stand for. */
export function searchListOf(link: LinkContext, root: LinkObject): readonly LinkObject[] {
  const { searchLists, filtees } = gnuStateOf(link);
  const known = searchLists.get(root);
  if (known !== undefined) return known;
  const list = [root];
  const listed = new Set(list);
  const done = new Set<LinkObject>();
  for (let at = 0; at < list.length;) {
    const object = list[at];
    if (done.has(object)) {
      at++;
      continue;
    }
    done.add(object);
    const before = filtees.get(object) ?? [];
    for (const dependency of neededBy(link, object)) {
      if (listed.has(dependency) || before.includes(dependency)) continue;
      listed.add(dependency);
      list.push(dependency);
    }
    for (const filtee of before) {
      const place = list.indexOf(object);
      const old = listed.has(filtee) ? list.indexOf(filtee) : -1;
      if (old >= 0 && old < place) continue;
      if (old >= 0) list.splice(old, 1);
      list.splice(place, 0, filtee);
      listed.add(filtee);
    }
  }
  return list;
}

/** Number of the namespace that an object is in. */
export function namespaceOf(link: LinkContext, object: LinkObject): number {
  return gnuStateOf(link).namespaces.get(object) ?? 0;
}

/** The scope of the objects of the start. */
export function startScopes(link: LinkContext): void {
  const state = gnuStateOf(link);
  const { program } = link;
  const list = searchListOf(link, program);
  state.globals = [list];
  state.searchLists.set(program, list);
  state.orders.set(program, sorted(link, list, false));
  for (const object of list) link.rescope(object, list);
}

/** Objects newly opened with `root` search the global list of their namespace and that of the root. */
export function openScope(link: LinkContext, root: LinkObject): void {
  const state = gnuStateOf(link);
  if (!state.searchLists.has(root)) {
    const list = searchListOf(link, root);
    state.searchLists.set(root, list);
    state.orders.set(root, sorted(link, list, false));
  }
  const list = state.searchLists.get(root)!;
  state.globals[namespaceOf(link, root)] ??= list;
  for (const object of list) {
    if (object.batch === 0) continue;
    const roots = state.roots.get(object) ?? [];
    if (!roots.includes(root)) state.roots.set(object, [...roots, root]);
    rescope(link, object);
  }
}

/** Makes an object and all that it needs part of its namespace's global list (RTLD_GLOBAL). */
export function makeGlobal(link: LinkContext, root: LinkObject): void {
  const { globals } = gnuStateOf(link);
  const namespace = namespaceOf(link, root);
  const added = searchListOf(link, root).filter((object) => !globals[namespace].includes(object));
  if (added.length === 0) return;
  globals[namespace] = [...globals[namespace], ...added];
  for (const object of guestObjects(link)) rescope(link, object);
}

function rescope(link: LinkContext, object: LinkObject): void {
  const { globals, roots, deep } = gnuStateOf(link);
  const local = (roots.get(object) ?? []).flatMap((root) => searchListOf(link, root));
  const shared = globals[namespaceOf(link, object)] ?? [];
  const scope = deep.has(object) ? [...local, ...shared] : [...shared, ...local];
  link.rescope(object, [...new Set(scope)]);
}

/** The objects that a symbol lookup with RTLD_NEXT from `object` goes on with. */
export function scopeAfter(link: LinkContext, object: LinkObject): readonly LinkObject[] {
  const [root = link.program] = gnuStateOf(link).roots.get(object) ?? [];
  const list = searchListOf(link, root);
  return list.slice(list.indexOf(object) + 1);
}

/** Objects in the order of their finalisers; initialisers run in the opposite one. */
export function sorted(
  link: LinkContext,
  objects: readonly LinkObject[],
  forEnd: boolean,
): LinkObject[] {
  const { orders, bindings, loader } = gnuStateOf(link);
  const dependencies: Dependencies = {
    program: link.program,
    needs: (object) =>
      orders.get(object) ?? (object === link.program ? undefined : neededBy(link, object)),
    uses: forEnd ? (object) => [...bindings.get(object) ?? []] : undefined,
  };
  if (sortsDepthFirst(link, loader!)) return sortDepthFirst(objects, dependencies);
  const [first, ...rest] = objects;
  if (!forEnd || first === link.program) return [first, ...sortByMoving(rest, dependencies)];
  return sortByMoving(objects, dependencies);
}

/** glibc 2.35 changed the algorithm, and made it a tunable. */
function sortsDepthFirst(link: LinkContext, loader: LinkObject): boolean {
  const has235 = loader.elf.versions?.definitions.some(({ name }) => name === "GLIBC_2.35") ??
    false;
  const tunables = link.environment.get("GLIBC_TUNABLES") ?? "";
  const [, choice] = /(?:^|:)glibc\.rtld\.dynamic_sort=(\d+)/.exec(tunables) ?? [];
  return has235 && choice !== "1";
}

/** The late objects that nothing needs any more, once nobody holds what dlclose was called for. */
export function unusedObjects(link: LinkContext): Set<LinkObject> {
  const { opened, pinned, bindings, orders } = gnuStateOf(link);
  const used = new Set<LinkObject>();
  const visit = (object: LinkObject): void => {
    if (used.has(object)) return;
    used.add(object);
    for (const needed of orders.get(object) ?? neededBy(link, object)) visit(needed);
    for (const bound of bindings.get(object) ?? []) visit(bound);
  };
  for (const object of guestObjects(link)) {
    const stays = object.batch === 0 || (opened.get(object) ?? 0) > 0 || pinned.has(object) ||
      ((object.elf.dynamic?.flags1 ?? 0) & DF_1_NODELETE) !== 0;
    if (stays) visit(object);
  }
  return new Set(guestObjects(link).filter((object) => !used.has(object)));
}

/** Forgets what was remembered of objects that are gone. */
export function forgetObjects(link: LinkContext, gone: ReadonlySet<LinkObject>): void {
  const state = gnuStateOf(link);
  for (const object of gone) {
    state.searchLists.delete(object);
    state.orders.delete(object);
    state.roots.delete(object);
    state.deep.delete(object);
    state.opened.delete(object);
    state.pinned.delete(object);
    state.initialised.delete(object);
    state.bindings.delete(object);
  }
  for (const used of state.bindings.values()) for (const object of gone) used.delete(object);
  for (const [root, list] of state.searchLists) {
    if (list.some((object) => gone.has(object))) {
      state.searchLists.set(root, list.filter((object) => !gone.has(object)));
    }
  }
  for (const [object, roots] of state.roots) {
    state.roots.set(object, roots.filter((root) => !gone.has(root)));
  }
  for (const object of gone) {
    state.namespaces.delete(object);
    state.filtees.delete(object);
  }
  state.globals = state.globals.map((list) => list.filter((object) => !gone.has(object)));
  for (const [name, { object }] of state.unique) if (gone.has(object)) state.unique.delete(name);
  for (const object of guestObjects(link)) if (!gone.has(object)) rescope(link, object);
}
