import type { FunctionArray } from "../../lib/elf/mod.ts";
import { type LinkContext, type LinkObject, PROT_READ } from "../../lib/linker/mod.ts";

const WORD = 8;

/**
 * The functions to call before the program starts, in order: the program's DT_PREINIT_ARRAY, then DT_INIT
 * and DT_INIT_ARRAY of every object after those of the objects it depends on (gABI, "Initialization
 * and Termination Functions"). Reads the arrays from memory, so it comes after relocation.
 */
export function initialisers(link: LinkContext, objects: readonly LinkObject[]): number[] {
  const list = objects.includes(link.program)
    ? functions(link, link.program, link.program.elf.dynamic?.preinitArray)
    : [];
  for (const object of dependencyOrder(objects)) {
    const dynamic = object.elf.dynamic;
    if (dynamic?.init) list.push(link.base(object) + dynamic.init);
    list.push(...functions(link, object, dynamic?.initArray));
  }
  return list;
}

/** The functions to call at the end: DT_FINI_ARRAY backwards, then DT_FINI, in the reverse order. */
export function finalisers(link: LinkContext, objects: readonly LinkObject[]): number[] {
  const list: number[] = [];
  for (const object of dependencyOrder(objects).reverse()) {
    const dynamic = object.elf.dynamic;
    list.push(...functions(link, object, dynamic?.finiArray).reverse());
    if (dynamic?.fini) list.push(link.base(object) + dynamic.fini);
  }
  return list;
}

/** Writes a list of functions, ended by a zero word, into memory of its own; returns its address. */
export function writeList(link: LinkContext, list: readonly number[], name: string): number {
  const at = link.allocate((list.length + 1) * WORD, PROT_READ, name);
  list.forEach((address, index) => link.writeU64(at + index * WORD, address));
  return at;
}

/** Objects with those they depend on first; a cycle is entered where it is first reached. */
export function dependencyOrder(objects: readonly LinkObject[]): LinkObject[] {
  const order: LinkObject[] = [];
  const seen = new Set<LinkObject>();
  const visit = (object: LinkObject): void => {
    if (seen.has(object)) return;
    seen.add(object);
    for (const dependency of object.dependencies) visit(dependency);
    if (objects.includes(object)) order.push(object);
  };
  for (const object of objects) visit(object);
  return order;
}

/** The entries of a function array that are to be called: neither 0 nor -1. */
function functions(link: LinkContext, object: LinkObject, array?: FunctionArray): number[] {
  if (array === undefined) return [];
  const list: number[] = [];
  for (let at = 0; at < array.size; at += WORD) {
    const address = link.readI64(link.base(object) + array.vaddr + at);
    if (address !== 0 && address !== -1) list.push(address);
  }
  return list;
}
