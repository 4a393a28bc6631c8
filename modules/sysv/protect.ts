import { type LinkContext, type LinkObject, pageDown, PROT_READ } from "../../lib/linker/mod.ts";

/** Makes PT_GNU_RELRO read-only: the whole pages of it, as ld.so does. */
export function protect(link: LinkContext, object: LinkObject): void {
  const relro = object.elf.relro;
  if (relro === undefined) return;
  const base = link.base(object);
  const start = pageDown(base + relro.vaddr, link.pageSize);
  const end = pageDown(base + relro.vaddr + relro.size, link.pageSize);
  if (end > start) link.protect(start, end - start, PROT_READ);
}
