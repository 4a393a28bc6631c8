/**
 * Mapping an ELF program and its interpreter as Linux does (fs/binfmt_elf.c): the loader behind
 * `--linker guest`.
 */
import { ByteView } from "../../lib/elf/byte_view.ts";
import {
  EHDR_SIZE,
  EM_AARCH64,
  EM_X86_64,
  ET_DYN,
  ET_EXEC,
  PF_R,
  PF_W,
  PF_X,
  PHDR_SIZE,
  PT_GNU_PROPERTY,
  PT_GNU_STACK,
  PT_INTERP,
  PT_LOAD,
} from "../../lib/elf/constants.ts";
import { ElfError } from "../../lib/elf/elf_error.ts";
import { type ElfHeader, parseHeader, parseSegments, type Segment } from "../../lib/elf/headers.ts";
import { hasLandingPads, parseNotes, propertiesOf } from "../../lib/elf/notes.ts";
import { EINVAL, ELIBBAD, ENOEXEC, ENOMEM } from "./errno.ts";
import { AT_FDCWD, type ExecLoader, type Program, type ProgramImage } from "./exec.ts";
import type { Kernel } from "./kernel.ts";
import { accessCredentials, type Process } from "./process.ts";
import type { AddressSpace } from "../memory/address_space.ts";
import type { Granule } from "../memory/granule.ts";
import type { Executable } from "./seam.ts";

/** Most bytes of an interpreter's path, and of properties. */
const MOST_BYTES = 4096;
const PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, PROT_BTI = 0x10;
const MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20;
const MAP_FIXED_NOREPLACE = 0x100000;

/** Bytes of program headers that a file may have (ELF_MIN_ALIGN's bound in fs/binfmt_elf.c). */
const MOST_HEADER_BYTES = 65536;

interface Headers {
  readonly header: ElfHeader;
  readonly segments: readonly Segment[];
}

/** ELF and program headers of a file, or -ENOEXEC. */
export function readHeaders(kernel: Kernel, file: Executable): Headers | number {
  const ehdr = new Uint8Array(EHDR_SIZE);
  if (file.read(0, ehdr) < EHDR_SIZE) return -ENOEXEC;
  try {
    const header = parseHeader(new ByteView(ehdr, file.path));
    if (header.machine !== kernel.abi.elfMachine) return -ENOEXEC;
    if (header.type !== ET_EXEC && header.type !== ET_DYN) return -ENOEXEC;
    const table = new Uint8Array(header.phnum * PHDR_SIZE);
    if (table.length > MOST_HEADER_BYTES) return -ENOEXEC;
    if (file.read(header.phoff, table) < table.length) return -ENOEXEC;
    const segments = parseSegments(new ByteView(table, file.path), { ...header, phoff: 0 });
    return { header, segments };
  } catch (error) {
    if (error instanceof ElfError) return -ENOEXEC;
    throw error;
  }
}

function protection(segment: Segment, guarded: boolean): number {
  const code = guarded ? PROT_EXEC | PROT_BTI : PROT_EXEC;
  return (segment.flags & PF_R ? PROT_READ : 0) | (segment.flags & PF_W ? PROT_WRITE : 0) |
    (segment.flags & PF_X ? code : 0);
}

/**
 * Whether the code of a file is to be guarded, as its property note says (arch_parse_elf_property of arch/arm64). The
 * kernel does this for an interpreter and for a program without one; the interpreter guards the rest.
 */
function isGuarded(file: Executable, { header, segments }: Headers): boolean | number {
  const segment = segments.find(({ type }) => type === PT_GNU_PROPERTY);
  if (header.machine !== EM_AARCH64 || segment === undefined) return false;
  if (segment.filesz > MOST_BYTES) return -ENOEXEC;
  const bytes = new Uint8Array(segment.filesz);
  if (file.read(segment.offset, bytes) < bytes.length) return -ENOEXEC;
  try {
    const view = new ByteView(bytes, file.path);
    return hasLandingPads(propertiesOf(view, parseNotes(view, 0, bytes.length, segment.align)));
  } catch (error) {
    if (error instanceof ElfError) return -ENOEXEC;
    throw error;
  }
}

/** Bounds of the loadable segments, in whatever order they are, page aligned, unrelocated. */
function extent(
  segments: readonly Segment[],
  granule: Granule,
): { start: number; end: number } | null {
  const load = segments.filter((segment) => segment.type === PT_LOAD);
  if (load.length === 0) return null;
  return {
    start: granule.pageDown(Math.min(...load.map(({ vaddr }) => vaddr))),
    end: granule.pageUp(Math.max(...load.map(({ vaddr, memsz }) => vaddr + memsz))),
  };
}

/**
 * Map the loadable segments with `bias` added to their addresses. `bias` null lets the address
 * space choose. Returns the bias, or -errno.
 */
function mapSegments(
  space: AddressSpace,
  file: Executable,
  headers: Headers,
  guards: boolean,
  wanted: number | null,
  fixed: number,
): { bias: number } | number {
  const { segments } = headers;
  const range = extent(segments, space.granule);
  if (range === null) return -ENOEXEC;
  const guarded = guards && isGuarded(file, headers);
  if (typeof guarded === "number") return guarded;
  // Find room for the whole image first, then lay the segments over it.
  const total = range.end - range.start;
  const reserved = space.mmap(
    wanted === null ? 0 : wanted + range.start,
    total,
    0,
    MAP_PRIVATE | MAP_ANONYMOUS | (wanted === null ? 0 : fixed),
    null,
    0,
  );
  if (reserved < 0) return reserved;
  const freed = space.munmap(reserved, total);
  if (freed < 0) return freed;
  const bias = reserved - range.start;
  for (const segment of segments) {
    if (segment.type !== PT_LOAD) continue;
    const error = mapSegment(space, file, segment, protection(segment, guarded), bias);
    if (error < 0) return error;
  }
  return { bias };
}

function mapSegment(
  space: AddressSpace,
  file: Executable,
  segment: Segment,
  prot: number,
  bias: number,
): number {
  const { vaddr, offset, filesz, memsz } = segment;
  const { granule } = space;
  if (filesz > memsz || vaddr % granule.size !== offset % granule.size) return -EINVAL;
  const start = bias + granule.pageDown(vaddr);
  const fileEnd = bias + vaddr + filesz;
  const end = granule.pageUp(bias + vaddr + memsz);
  if (filesz > 0) {
    const mapped = space.mmap(
      start,
      granule.pageUp(fileEnd) - start,
      prot,
      MAP_PRIVATE | MAP_FIXED,
      file.backing,
      granule.pageDown(offset),
    );
    if (mapped < 0) return mapped;
  }
  if (memsz === filesz) return 0;
  const zeroFrom = filesz > 0 ? granule.pageUp(fileEnd) : start;
  if (filesz > 0 && prot & PROT_WRITE && zeroFrom > fileEnd) {
    if (space.copyOut(fileEnd, new Uint8Array(zeroFrom - fileEnd)) < 0) return -ENOMEM;
  }
  if (end > zeroFrom) {
    const flags = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS;
    const mapped = space.mmap(zeroFrom, end - zeroFrom, prot, flags, null, 0);
    if (mapped < 0) return mapped;
  }
  return 0;
}

/** Address of the program headers: inside the segment that maps their file offset. */
function programHeaders(headers: Headers, bias: number): number {
  const { phoff } = headers.header;
  for (const { type, offset, filesz, vaddr } of headers.segments) {
    if (type === PT_LOAD && phoff >= offset && phoff < offset + filesz) {
      return bias + vaddr + phoff - offset;
    }
  }
  return 0;
}

function interpreterPath(file: Executable, segments: readonly Segment[]): string | null | number {
  const segment = segments.find(({ type }) => type === PT_INTERP);
  if (!segment) return null;
  if (segment.filesz < 2 || segment.filesz > MOST_BYTES) return -ENOEXEC;
  const bytes = new Uint8Array(segment.filesz);
  if (file.read(segment.offset, bytes) < bytes.length) return -ENOEXEC;
  if (bytes[bytes.length - 1] !== 0) return -ENOEXEC;
  let path = "";
  for (const byte of bytes.subarray(0, bytes.indexOf(0))) path += String.fromCharCode(byte);
  return path;
}

function load(
  kernel: Kernel,
  process: Process,
  space: AddressSpace,
  program: Program,
): ProgramImage | number {
  const headers = readHeaders(kernel, program.file);
  if (typeof headers === "number") return headers;
  const { header, segments } = headers;
  const path = interpreterPath(program.file, segments);
  if (typeof path === "number") return path;
  let interpreter: Executable | null = null;
  if (path !== null) {
    const opened = kernel.vfs.openExecutable(
      process.fs.value,
      process.descriptors.value,
      AT_FDCWD,
      path,
      0,
      accessCredentials(process.credentials),
    );
    if (typeof opened === "number") return opened;
    interpreter = opened;
  }

  let wanted: number | null = 0;
  if (header.type === ET_DYN) {
    const align = Math.max(
      space.granule.size,
      ...segments.filter(({ type }) => type === PT_LOAD).map((segment) => segment.align),
    );
    const base = space.layout.programBase;
    wanted = interpreter ? base - base % align : null;
  }
  const guards = interpreter === null;
  const mapped = mapSegments(space, program.file, headers, guards, wanted, MAP_FIXED_NOREPLACE);
  if (typeof mapped === "number") return mapped;
  const { bias } = mapped;
  const programEntry = header.entry + bias;

  let entry = programEntry;
  let base = 0;
  if (interpreter) {
    const inner = readHeaders(kernel, interpreter);
    if (typeof inner === "number") return -ELIBBAD;
    const placed = mapSegments(
      space,
      interpreter,
      inner,
      true,
      inner.header.type === ET_DYN ? null : 0,
      MAP_FIXED_NOREPLACE,
    );
    if (typeof placed === "number") return placed;
    base = placed.bias;
    entry = inner.header.entry + placed.bias;
  }
  const stack = segments.find(({ type }) => type === PT_GNU_STACK);
  // A program that the kernel itself placed among the libraries gets its heap where a PIE lies.
  const heap = wanted === null
    ? space.layout.programBase
    : bias + extent(segments, space.granule)!.end + space.layout.brkGap;
  return {
    entry,
    programEntry,
    phdr: programHeaders(headers, bias),
    phnum: header.phnum,
    base,
    heap,
    executableStack: stack ? (stack.flags & PF_X) !== 0 : header.machine !== EM_X86_64,
  };
}

/** The loader of `--linker guest`: the program and its own PT_INTERP, as Linux maps them. */
export const guestLoader: ExecLoader = { load };
