import {
  DYN_SIZE,
  PF_W,
  PHDR_SIZE,
  PT_DYNAMIC,
  PT_GNU_RELRO,
  PT_GNU_STACK,
  PT_LOAD,
  PT_PHDR,
  PT_TLS,
} from "../../lib/elf/mod.ts";
import {
  type LinkContext,
  type LinkObject,
  pageUp,
  PROT_READ,
  PROT_WRITE,
} from "../../lib/linker/mod.ts";
import { stateOf } from "./state.ts";

/**
 * A second description of a linked program, for start code of the guest that would link it again: other
 * program headers for the same segments, with another dynamic section, the TLS of all objects as one
 * segment, and nothing to protect.
 */
export interface StandIn {
  /** Guest address of the program headers, and how many there are. */
  readonly headers: number;
  readonly count: number;
  /** Guest address of the dynamic section. */
  readonly dynamic: number;
  readonly entries: readonly (readonly [number, number])[];
  /** Where the thread pointer would be if the image of the TLS blocks were a thread's own. */
  readonly imageThreadPointer: number;
  readonly loads: NonNullable<StandInOptions["loads"]>;
}

/** The initial image of all TLS blocks together. */
export interface TlsImage {
  readonly start: number;
  readonly size: number;
  readonly align: number;
  readonly threadPointer: number;
}

/** Bytes between the thread pointer and the first block on aarch64 (the TCB; musl's GAP_ABOVE_TP). */
const ABOVE_THREAD_POINTER = 16;

/** How a stand-in differs from the program beside what it always leaves out. */
export interface StandInOptions {
  /** The TLS image is aligned in memory (`absolute`), or in the addresses of the headers, as its reader has it. */
  readonly alignment: "absolute" | "vaddr";
  /** Whether the segments are shown with PF_W (default), by which musl finds room to give away. */
  readonly loads?: "as they are" | "read-only";
  /** p_flags of PT_GNU_STACK; the program's own by default. */
  readonly stackFlags?: number;
}

/**
 * Writes the description; `entries` are the dynamic section's tags and values, without DT_NULL.
 */
export function writeStandIn(
  link: LinkContext,
  program: LinkObject,
  entries: readonly (readonly [number, number])[],
  { alignment, stackFlags, loads = "as they are" }: StandInOptions,
): StandIn {
  const base = link.base(program);
  const dynamic = link.allocate(
    (entries.length + 1) * DYN_SIZE,
    PROT_READ | PROT_WRITE,
    "dynamic",
  );
  entries.forEach(([tag, value], index) => {
    link.writeU64(dynamic + index * DYN_SIZE, tag);
    link.writeU64(dynamic + index * DYN_SIZE + 8, value);
  });
  const tls = reserveTlsImage(link, alignment === "vaddr" ? base : 0);
  const dropped = [
    PT_TLS,
    PT_PHDR,
    PT_GNU_RELRO,
    ...(stackFlags === undefined ? [] : [PT_GNU_STACK]),
  ];
  const segments = program.elf.segments.filter(({ type }) => !dropped.includes(type));
  const count = segments.length + (tls === undefined ? 1 : 2) + (stackFlags === undefined ? 0 : 1);
  const headers = link.allocate(count * PHDR_SIZE, PROT_READ | PROT_WRITE, "program headers");
  let at = headers;
  const put = (header: {
    readonly type: number;
    readonly flags: number;
    readonly vaddr: number;
    readonly filesz: number;
    readonly memsz: number;
    readonly align: number;
  }): void => {
    link.writeU32(at, header.type);
    link.writeU32(at + 4, header.flags);
    link.writeU64(at + 16, header.vaddr);
    link.writeU64(at + 24, header.vaddr);
    link.writeU64(at + 32, header.filesz);
    link.writeU64(at + 40, header.memsz);
    link.writeU64(at + 48, header.align);
    at += PHDR_SIZE;
  };
  const own = count * PHDR_SIZE;
  put({ type: PT_PHDR, flags: 4, vaddr: headers - base, filesz: own, memsz: own, align: 8 });
  for (const segment of segments) {
    if (segment.type === PT_DYNAMIC) put({ ...segment, flags: 6, vaddr: dynamic - base });
    else if (loads === "as they are" || segment.type !== PT_LOAD) put(segment);
    else put({ ...segment, flags: segment.flags & ~PF_W });
  }
  if (stackFlags !== undefined) {
    put({ type: PT_GNU_STACK, flags: stackFlags, vaddr: 0, filesz: 0, memsz: 0, align: 16 });
  }
  if (tls !== undefined) {
    const { start, size, align } = tls;
    put({ type: PT_TLS, flags: 4, vaddr: start - base, filesz: size, memsz: size, align });
  }
  const imageThreadPointer = tls?.threadPointer ?? 0;
  return { headers, count, dynamic, entries, imageThreadPointer, loads };
}

/**
 * Room for the image of all TLS blocks, at an address that makes the guest choose for it the very offset
 * from the thread pointer that the relocations are computed with: aligned as the blocks are, counted
 * from `origin`.
 */
function reserveTlsImage(link: LinkContext, origin: number): TlsImage | undefined {
  const { tls } = stateOf(link);
  const { align } = tls;
  const above = link.arch === "aarch64" ? ABOVE_THREAD_POINTER : 0;
  if (tls.capacity === above) return undefined;
  const size = above > 0 ? tls.capacity - above : pageUp(tls.capacity, align);
  const memory = link.allocate(size + 2 * align, PROT_READ | PROT_WRITE, "tls image");
  const start = origin + pageUp(memory - origin, align) + above % align;
  return { start, size, align, threadPointer: above > 0 ? start - above : start + size };
}
