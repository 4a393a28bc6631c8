import { DT_DEBUG, DYN_SIZE, PF_W, PT_DYNAMIC } from "../../lib/elf/mod.ts";
import type { LinkContext, LinkObject } from "../../lib/linker/mod.ts";
import { patchWords } from "../gnu/guest_memory.ts";
import { guestObjects, muslStateOf } from "./state.ts";

/** Words of a `struct link_map` (`<link.h>`): load bias, name, dynamic section, next, previous. */
const NAME = 8;
const NEXT = 24;
const SIZE = 40;
const REASON = "link map";

/** Gives every object that has none its link map, at the end of the list that the program's begins. */
export function addLinkMaps(link: LinkContext): void {
  const { maps, heap } = muslStateOf(link);
  let last = 0;
  for (const object of guestObjects(link)) {
    const known = maps.get(object);
    if (known !== undefined) {
      last = known;
      continue;
    }
    const base = link.base(object);
    const name = object === link.program ? link.programName : object.path;
    const at = heap.allocate(link, SIZE);
    const { dynamic } = object.elf;
    const ld = dynamic === undefined ? 0 : base + dynamic.vaddr;
    patchWords(link, at, [base, heap.string(link, name), ld, 0, last], REASON);
    if (last !== 0) patchWords(link, last + NEXT, [at], REASON);
    maps.set(object, last = at);
  }
}

/** Tells debuggers of the list: the `struct r_debug` that libc.so has leads to it, and the program to that. */
export function showLinkMaps(link: LinkContext): void {
  const { libc, maps } = muslStateOf(link);
  const symbol = libc!.elf.lookup("_dl_debug_addr");
  if (symbol === undefined) return;
  const debug = link.readI64(link.base(libc!) + symbol.value);
  patchWords(link, debug + 8, [maps.get(link.program)!], REASON);
  const { elf } = link.program;
  const writable = elf.segments.some(({ type, flags }) => type === PT_DYNAMIC && flags & PF_W);
  elf.dynamic?.entries.forEach(({ tag }, index) => {
    if (tag !== DT_DEBUG || !writable) return;
    const entry = link.base(link.program) + elf.dynamic!.vaddr + index * DYN_SIZE;
    patchWords(link, entry + 8, [debug], REASON);
  });
}

/** The object that a handle stands for. */
export function objectOfHandle(link: LinkContext, handle: number): LinkObject | undefined {
  for (const [object, at] of muslStateOf(link).maps) if (at === handle) return object;
}

/** Guest address of an object's name. */
export function nameOf(link: LinkContext, object: LinkObject): number {
  return link.readI64(muslStateOf(link).maps.get(object)! + NAME);
}
