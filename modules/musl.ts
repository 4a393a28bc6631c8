import {
  DT_FINI,
  DT_FINI_ARRAY,
  DT_FINI_ARRAYSZ,
  DT_INIT,
  DT_INIT_ARRAY,
  DT_INIT_ARRAYSZ,
  DT_JMPREL,
  DT_NEEDED,
  DT_PLTRELSZ,
  DT_PREINIT_ARRAY,
  DT_PREINIT_ARRAYSZ,
  DT_REL,
  DT_RELA,
  DT_RELASZ,
  DT_RELR,
  DT_RELRSZ,
  DT_RELSZ,
  type ElfFile,
  PHDR_SIZE,
} from "../lib/elf/mod.ts";
import {
  AT_BASE,
  AT_ENTRY,
  AT_PHDR,
  AT_PHENT,
  AT_PHNUM,
  type LinkContext,
  LinkError,
  type LinkObject,
  type Module,
  type Registration,
  strong,
} from "../lib/linker/mod.ts";
import { finalisers, initialisers, writeList } from "./sysv/initialisers.ts";
import { usesMusl } from "./sysv/search.ts";
import { type StandIn, writeStandIn } from "./sysv/stand_in.ts";
import { writeTlsImages } from "./sysv/thread_block.ts";

/** What musl's loader would do again: it is told of none of it. */
const DONE_TAGS = new Set([
  DT_NEEDED,
  DT_RELA,
  DT_RELASZ,
  DT_REL,
  DT_RELSZ,
  DT_RELR,
  DT_RELRSZ,
  DT_JMPREL,
  DT_PLTRELSZ,
  DT_INIT,
  DT_FINI,
  DT_INIT_ARRAY,
  DT_INIT_ARRAYSZ,
  DT_FINI_ARRAY,
  DT_FINI_ARRAYSZ,
  DT_PREINIT_ARRAY,
  DT_PREINIT_ARRAYSZ,
]);

const standIns = new WeakMap<LinkContext, StandIn>();

/**
 * Programs of musl, with its unmodified `libc.so`. That file is library and loader in one: its functions work
 * only after its own start code ran, which relocates it, sets up the first thread and reads the program's
 * headers. So the program is linked as usual, and then libc.so's entry point is given headers that
 * describe a program with nothing left to do: no relocations, no libraries but itself, the TLS
 * blocks of all objects as one, and the initialisers of all objects as its own.
 *
 * Limits: libc.so binds its own references again, to the program and itself alone, so a preloaded
 * library does not replace functions inside libc.so; `dl_iterate_phdr` shows no libraries.
 */
export function musl(): Module {
  return {
    name: "musl",
    register: (object) => {
      if (object.isProgram && usesMusl(object)) {
        return muslProgram;
      }
      // It relocates itself once more, then protects itself.
      return isLibcOfMusl(object) ? { "protect": strong(() => {}) } : {};
    },
  };
}

/** The passes by which a program starts on musl's libc.so. */
export const muslProgram: Registration = {
  "post-relocate": strong(describe),
  "start": strong(start),
};

const areLibc = new WeakMap<ElfFile, boolean>();

/** True for musl's libc.so: it exports the second stage of its own start code. */
export function isLibcOfMusl({ elf }: LinkObject): boolean {
  let known = areLibc.get(elf);
  if (known === undefined) areLibc.set(elf, known = elf.lookup("__dls2b") !== undefined);
  return known;
}

function libcOf(link: LinkContext): LinkObject {
  const libc = link.objects.find(isLibcOfMusl);
  if (libc === undefined) throw new LinkError("the program needs no libc.so of musl");
  return libc;
}

/** Post-relocate of the program: writes the headers that musl's start code reads. */
function describe(link: LinkContext, program: LinkObject): void {
  const base = link.base(program);
  const libc = libcOf(link);
  const others = link.objects.filter((object) => object !== libc);
  const first = initialisers(link, others);
  const last = finalisers(link, others).reverse(); // musl runs an array of finalisers backwards
  const dynamic: [number, number][] = [
    ...program.elf.dynamic!.entries.filter(({ tag }) => !DONE_TAGS.has(tag))
      .map(({ tag, value }): [number, number] => [tag, value]),
    ...neededLibc(program, libc),
    [DT_INIT_ARRAY, writeList(link, first, "initialisers") - base],
    [DT_INIT_ARRAYSZ, 8 * first.length],
    [DT_FINI_ARRAY, writeList(link, last, "finalisers") - base],
    [DT_FINI_ARRAYSZ, 8 * last.length],
  ];
  const standIn = writeStandIn(link, program, dynamic, { alignment: "absolute" });
  if (standIn.imageThreadPointer !== 0) writeTlsImages(link, standIn.imageThreadPointer);
  standIns.set(link, standIn);
}

/** The DT_NEEDED entry by which the program asks for libc.so, so that musl links it into its list. */
function neededLibc(program: LinkObject, libc: LinkObject): [number, number][] {
  const { entries, needed } = program.elf.dynamic!;
  const names = entries.filter(({ tag }) => tag === DT_NEEDED);
  const index = needed.findIndex((name) => name === libc.elf.soname || /^libc\./.test(name));
  return index < 0 ? [] : [[DT_NEEDED, names[index].value]];
}

/** Start: enters libc.so, which enters the program when it is done. */
function start(link: LinkContext, program: LinkObject): void {
  const libc = libcOf(link);
  const { headers, count } = standIns.get(link)!;
  link.begin({
    entry: link.base(libc) + libc.elf.header.entry,
    auxv: [
      [AT_PHDR, headers],
      [AT_PHENT, PHDR_SIZE],
      [AT_PHNUM, count],
      [AT_BASE, link.base(libc)],
      [AT_ENTRY, link.base(program) + program.elf.header.entry],
    ],
  });
}
