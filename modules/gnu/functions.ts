import type { FunctionArray } from "../../lib/elf/mod.ts";
import type { LinkContext, LinkObject } from "../../lib/linker/mod.ts";

const WORD = 8;

/** An object's own initialisers in order: DT_INIT, then DT_INIT_ARRAY. */
export function initialisersOf(link: LinkContext, object: LinkObject): number[] {
  const { dynamic } = object.elf;
  const first = dynamic?.init ? [link.base(object) + dynamic.init] : [];
  return [...first, ...functionsOf(link, object, dynamic?.initArray)];
}

/** An object's own finalisers in order: DT_FINI_ARRAY backwards, then DT_FINI. */
export function finalisersOf(link: LinkContext, object: LinkObject): number[] {
  const { dynamic } = object.elf;
  const list = functionsOf(link, object, dynamic?.finiArray).reverse();
  if (dynamic?.fini) list.push(link.base(object) + dynamic.fini);
  return list;
}

/** The entries of a function array; glibc calls every one. */
export function functionsOf(
  link: LinkContext,
  object: LinkObject,
  array: FunctionArray | undefined,
): number[] {
  const list: number[] = [];
  for (let at = 0; at < (array?.size ?? 0); at += WORD) {
    list.push(link.readI64(link.base(object) + array!.vaddr + at));
  }
  return list;
}
