import { PF_W, PHDR_SIZE, PT_GNU_RELRO, PT_LOAD, PT_NULL, PT_PHDR } from "../../lib/elf/mod.ts";
import {
  AT_BASE,
  AT_ENTRY,
  AT_PHDR,
  AT_PHENT,
  AT_PHNUM,
  type Landing,
  type LinkContext,
  type LinkObject,
} from "../../lib/linker/mod.ts";
import type { StandIn } from "./stand_in.ts";

/** Names of variables that loaders obey begin so; the first byte is changed while they look. */
const LD = [0x4c, 0x44, 0x5f];
const HIDDEN = 0x01;

/**
 * Lets the guest's own loader initialise itself over a stand-in for the program (post-load), and comes back
 * when it enters what it takes for the program. It hears nothing of LD_PRELOAD and the like, which are ours to
 * obey, and leaves its own PT_GNU_RELRO to us. What the auxiliary vector says afterwards is the program's.
 */
export async function startEarly(
  link: LinkContext,
  loader: LinkObject,
  standIn: StandIn,
): Promise<Landing> {
  const auxv: [number, number][] = [
    [AT_PHDR, standIn.headers],
    [AT_PHENT, PHDR_SIZE],
    [AT_PHNUM, standIn.count],
    [AT_BASE, link.base(loader)],
    [AT_ENTRY, link.landing],
  ];
  const entry = link.base(loader) + loader.elf.header.entry;
  const hidden = hiddenWords(link, loader, standIn);
  for (const { at, meanwhile } of hidden) link.writeU32(at, meanwhile);
  const landing = await link.enter({ entry, auxv }, (stack) => hideVariables(link, stack, true));
  for (const { at, value } of hidden) link.writeU32(at, value);
  hideVariables(link, landing.stackPointer, false);
  correctVector(link, landing.stackPointer, link.program);
  return landing;
}

/** Words of the loader's program headers that are others while it looks at them. */
function hiddenWords(
  link: LinkContext,
  loader: LinkObject,
  { loads }: StandIn,
): { readonly at: number; readonly value: number; readonly meanwhile: number }[] {
  const headers = headersOf(link, loader);
  if (headers === 0) return [];
  return loader.elf.segments.flatMap(({ type, flags }, index) => {
    const at = headers + index * PHDR_SIZE;
    if (type === PT_GNU_RELRO) return [{ at, value: type, meanwhile: PT_NULL }];
    if (type !== PT_LOAD || loads === "as they are") return [];
    return [{ at: at + 4, value: flags, meanwhile: flags & ~PF_W }];
  });
}

/** Guest address of an object's program headers; 0 if they are in none of its segments. */
export function headersOf(link: LinkContext, object: LinkObject): number {
  const { header, segments, loadSegments } = object.elf;
  const own = segments.find(({ type }) => type === PT_PHDR);
  if (own !== undefined) return link.base(object) + own.vaddr;
  const size = header.phnum * PHDR_SIZE;
  const holder = loadSegments.find(({ offset, filesz }) =>
    offset <= header.phoff && header.phoff + size <= offset + filesz
  );
  return holder === undefined ? 0 : link.base(object) + holder.vaddr + header.phoff - holder.offset;
}

/** Hides the LD_ variables of the initial environment, or shows them again. */
function hideVariables(link: LinkContext, stackPointer: number, hide: boolean): void {
  const [from, to] = hide ? [LD[0], HIDDEN] : [HIDDEN, LD[0]];
  for (let at = environmentAt(link, stackPointer);; at += 8) {
    const variable = link.readI64(at);
    if (variable === 0) return;
    const start = link.read(variable, 3);
    if (start[0] === from && start[1] === LD[1] && start[2] === LD[2]) {
      link.write(variable, Uint8Array.of(to));
    }
  }
}

function environmentAt(link: LinkContext, stackPointer: number): number {
  return stackPointer + 8 * (link.readI64(stackPointer) + 2);
}

/** Makes the auxiliary vector on the stack tell of the program itself. */
function correctVector(link: LinkContext, stackPointer: number, program: LinkObject): void {
  const { header } = program.elf;
  const corrected = new Map([
    [AT_PHDR, headersOf(link, program)],
    [AT_PHNUM, header.phnum],
    [AT_ENTRY, link.base(program) + header.entry],
  ]);
  for (const [type, at] of auxiliaryVector(link, stackPointer)) {
    const value = corrected.get(type);
    if (value !== undefined) link.writeU64(at, value);
  }
}

/** The auxiliary vector of a process that has started: its types, and where the value of each is. */
export function* auxiliaryVector(
  link: LinkContext,
  stackPointer: number,
): Generator<[type: number, at: number]> {
  let at = environmentAt(link, stackPointer);
  while (link.readI64(at) !== 0) at += 8;
  for (at += 8; link.readI64(at) !== 0; at += 16) yield [link.readI64(at), at + 8];
}
