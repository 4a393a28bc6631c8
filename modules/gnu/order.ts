import type { LinkObject } from "../../lib/linker/mod.ts";

/** What the order of objects depends on. */
export interface Dependencies {
  readonly program: LinkObject;
  /** An object's dependencies as far as known, the object itself among them or not. */
  needs(object: LinkObject): readonly LinkObject[] | undefined;
  /** Objects that its references were bound to beside those; for the order of finalisers. */
  uses?(object: LinkObject): readonly LinkObject[];
}

/**
 * Objects in the order of their finalisers: each before those it depends on, as glibc from 2.35 on sorts
 * them (elf/dl-sort-maps.c; GLIBC_TUNABLES glibc.rtld.dynamic_sort=2): the reverse postorder of a
 * depth-first search that begins with the last object.
 */
export function sortDepthFirst(
  objects: readonly LinkObject[],
  dependencies: Dependencies,
): LinkObject[] {
  const { uses } = dependencies;
  const first = depthFirst(objects, dependencies, uses);
  if (uses === undefined || !objects.some((object) => uses(object).length > 0)) return first;
  // A second pass puts DT_NEEDED above what references were bound to, where both make a cycle.
  return depthFirst(first, dependencies, undefined);
}

function depthFirst(
  objects: readonly LinkObject[],
  { program, needs }: Dependencies,
  uses: Dependencies["uses"],
): LinkObject[] {
  const order: LinkObject[] = [];
  const seen = new Set<LinkObject>();
  const visit = (object: LinkObject): void => {
    if (seen.has(object)) return;
    seen.add(object);
    for (const dependency of needs(object) ?? []) if (dependency !== program) visit(dependency);
    for (const used of uses?.(object).toReversed() ?? []) if (used !== program) visit(used);
    order.push(object);
  };
  for (const object of objects.toReversed()) visit(object);
  const wanted = new Set(objects);
  return order.reverse().filter((object) => wanted.has(object));
}

/** The same as glibc sorted before 2.35, and sorts with dynamic_sort=1: by moving objects back. */
export function sortByMoving(
  objects: readonly LinkObject[],
  { needs, uses }: Dependencies,
): LinkObject[] {
  const list = [...objects];
  const count = list.length;
  if (count <= 1) return list;
  let seen = new Array<number>(count).fill(0);
  const dependsOn = (user: LinkObject, object: LinkObject): boolean => {
    if (needs(user)?.includes(object)) return true;
    return (uses?.(user).includes(object) ?? false) && !needs(object)?.includes(user);
  };
  for (let i = 0; i < count;) {
    seen[i]++;
    const object = list[i];
    let k = count - 1;
    while (k > i && !dependsOn(list[k], object)) k--;
    if (k > i) {
      // Behind the last object that depends on it.
      list.splice(i, 1);
      list.splice(k, 0, object);
      if (seen[i + 1] <= count - i) {
        const [mine] = seen.splice(i, 1);
        seen.splice(k, 0, mine);
        continue;
      }
    }
    i++;
    seen = [...seen.slice(0, i), ...new Array<number>(count - i).fill(0)];
  }
  return list;
}
