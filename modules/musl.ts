import {
  DT_FINI,
  DT_FINI_ARRAY,
  DT_FINI_ARRAYSZ,
  DT_INIT,
  DT_INIT_ARRAY,
  DT_INIT_ARRAYSZ,
  DT_JMPREL,
  DT_NEEDED,
  DT_NULL,
  DT_PLTRELSZ,
  DT_PREINIT_ARRAY,
  DT_PREINIT_ARRAYSZ,
  DT_REL,
  DT_RELA,
  DT_RELASZ,
  DT_RELR,
  DT_RELRSZ,
  DT_RELSZ,
  DYN_SIZE,
  PHDR_SIZE,
  PT_DYNAMIC,
  PT_PHDR,
  PT_TLS,
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
  pageUp,
  PROT_READ,
  PROT_WRITE,
  strong,
} from "../lib/linker/mod.ts";
import { finalisers, initialisers, writeList } from "./sysv/initialisers.ts";
import { usesMusl } from "./sysv/search.ts";
import { stateOf } from "./sysv/state.ts";
import { writeTlsImages } from "./sysv/thread_block.ts";

/** Bytes that musl keeps between the thread pointer and the first block on aarch64 (GAP_ABOVE_TP). */
const GAP_ABOVE_TP = 16;

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

/** Where the description for musl is in memory. */
const described = new WeakMap<LinkContext, { readonly headers: number; readonly count: number }>();

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
        return { "post-relocate": strong(describe), "start": strong(start) };
      }
      // It relocates itself once more, then protects itself.
      return isLibc(object) ? { "protect": strong(() => {}) } : {};
    },
  };
}

/** True for musl's libc.so: it exports the second stage of its own start code. */
function isLibc(object: LinkObject): boolean {
  return object.elf.lookup("__dls2b") !== undefined;
}

function libcOf(link: LinkContext): LinkObject {
  const libc = link.objects.find(isLibc);
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
    [DT_NULL, 0],
  ];
  const dynamicAt = link.allocate(dynamic.length * DYN_SIZE, PROT_READ | PROT_WRITE, "dynamic");
  dynamic.forEach(([tag, value], index) => {
    link.writeU64(dynamicAt + index * DYN_SIZE, tag);
    link.writeU64(dynamicAt + index * DYN_SIZE + 8, value);
  });
  describeSegments(link, program, dynamicAt);
}

/** The DT_NEEDED entry by which the program asks for libc.so, so that musl links it into its list. */
function neededLibc(program: LinkObject, libc: LinkObject): [number, number][] {
  const { entries, needed } = program.elf.dynamic!;
  const names = entries.filter(({ tag }) => tag === DT_NEEDED);
  const index = needed.findIndex((name) => name === libc.elf.soname || /^libc\./.test(name));
  return index < 0 ? [] : [[DT_NEEDED, names[index].value]];
}

/** A copy of the program headers with the dynamic section and the TLS segment replaced. */
function describeSegments(link: LinkContext, program: LinkObject, dynamicAt: number): void {
  const base = link.base(program);
  const tls = writeTls(link);
  const segments = program.elf.segments.filter(({ type }) => type !== PT_TLS && type !== PT_PHDR);
  const count = segments.length + (tls === undefined ? 1 : 2);
  const headers = link.allocate(count * PHDR_SIZE, PROT_READ | PROT_WRITE, "program headers");
  let at = headers;
  const put = (
    header: {
      type: number;
      flags: number;
      vaddr: number;
      size: number;
      memsz: number;
      align: number;
    },
  ): void => {
    link.writeU32(at, header.type);
    link.writeU32(at + 4, header.flags);
    link.writeU64(at + 16, header.vaddr);
    link.writeU64(at + 32, header.size);
    link.writeU64(at + 40, header.memsz);
    link.writeU64(at + 48, header.align);
    at += PHDR_SIZE;
  };
  const own = count * PHDR_SIZE;
  put({ type: PT_PHDR, flags: 4, vaddr: headers - base, size: own, memsz: own, align: 8 });
  for (const segment of segments) {
    const vaddr = segment.type === PT_DYNAMIC ? dynamicAt - base : segment.vaddr;
    put({ ...segment, vaddr, size: segment.filesz });
  }
  if (tls !== undefined) {
    const { start, size, align } = tls;
    put({ type: PT_TLS, flags: 4, vaddr: start - base, size, memsz: size, align });
  }
  described.set(link, { headers, count });
}

/**
 * The initial image of all TLS blocks together, at an address that makes musl choose for it the very
 * offset from the thread pointer that the relocations were computed with.
 */
function writeTls(link: LinkContext): { start: number; size: number; align: number } | undefined {
  const { tls } = stateOf(link);
  if (tls.objects.length === 0) return undefined;
  const { align } = tls;
  const above = link.arch === "aarch64" ? GAP_ABOVE_TP : 0;
  const size = above > 0 ? tls.size - above : pageUp(tls.size, align);
  const memory = link.allocate(size + 2 * align, PROT_READ | PROT_WRITE, "tls image");
  const start = pageUp(memory, align) + above % align;
  writeTlsImages(link, above > 0 ? start - above : start + size);
  return { start, size, align };
}

/** Start: enters libc.so, which enters the program when it is done. */
function start(link: LinkContext, program: LinkObject): void {
  const libc = libcOf(link);
  const { headers, count } = described.get(link)!;
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
