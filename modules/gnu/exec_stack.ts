import { PF_R, PF_W, PF_X } from "../../lib/elf/mod.ts";
import type { LinkContext, LinkObject } from "../../lib/linker/mod.ts";
import { loadFailure } from "../sysv/library_file.ts";
import { symbolAddress } from "./link_maps.ts";
import { guestObjects } from "./scopes.ts";
import { gnuStateOf } from "./state.ts";

/** Bits of p_flags that mean nothing; by them we find where the guest's loader keeps the flags. */
const MARK = 0x5aa5_1000;

/** Whether an object wants to run code on the stack: it says so, or says nothing (glibc's default). */
function wantsCode({ elf }: LinkObject): boolean {
  return elf.gnuStack?.executable ?? true;
}

/** p_flags of the stack for all objects of the start, with the mark in them. */
export function markedStackFlags(link: LinkContext): number {
  const code = guestObjects(link).some(wantsCode);
  return MARK | PF_R | PF_W | (code ? PF_X : 0);
}

/** Finds the loader's copy of the flags, by which libc maps the stacks of threads, and takes the mark off. */
export function findStackFlags(link: LinkContext, loader: LinkObject): void {
  const state = gnuStateOf(link);
  const start = symbolAddress(link, loader, "_rtld_global");
  const { size } = loader.elf.lookup("_rtld_global", { newest: true })!;
  const marked = markedStackFlags(link);
  for (let at = start; at + 4 <= start + size; at += 4) {
    if (link.readU32(at) !== marked) continue;
    state.stackFlags = at;
    link.writeU32(at, marked - MARK);
    return;
  }
}

/**
 * A late object that wants to run code on the stack gets what it wants, on every stack there is and will
 * be; from glibc 2.41 on it is refused.
 */
export function allowCodeOnStacks(link: LinkContext, object: LinkObject): void {
  const { stackFlags } = gnuStateOf(link);
  if (!wantsCode(object) || stackFlags === undefined) return;
  const flags = link.readU32(stackFlags);
  if ((flags & PF_X) !== 0) return;
  const refuses = guestObjects(link).some(({ batch, elf }) =>
    batch === 0 && elf.versions?.definitions.some(({ name }) => name === "GLIBC_2.41")
  );
  if (refuses) {
    const reason = "cannot enable executable stack as shared object requires: Invalid argument";
    throw loadFailure(object.path, reason);
  }
  link.writeU32(stackFlags, flags | PF_X);
  link.allowCodeOnStacks();
}
