import {
  DF_1_PIE,
  EHDR_SIZE,
  ElfError,
  EM_AARCH64,
  EM_X86_64,
  ET_DYN,
  ET_EXEC,
  PHDR_SIZE,
  PT_DYNAMIC,
  PT_LOAD,
} from "../../lib/elf/mod.ts";
import {
  type Architecture,
  type GuestFile,
  type LinkContext,
  LinkError,
  parseFile,
} from "../../lib/linker/mod.ts";

const MACHINES: Record<Architecture, number> = { x86_64: EM_X86_64, aarch64: EM_AARCH64 };
const ELFCLASS32 = 1;
const ELFCLASS64 = 2;
const ELFOSABI_LINUX = 3;
/** ABI versions that ld.so knows are below this (LIBC_ABI_MAX). */
const ABI_VERSIONS = 4;

/** What a file found in a search is: a library, one for other machines, or one of 32 bits. */
export type Suitability = "suitable" | "other machine" | "other class";

/** A library that cannot be loaded, as ld.so says it (glibc, elf/dl-load.c). */
export function loadFailure(object: string, message: string, detail?: string): LinkError {
  const occasion = "error while loading shared libraries";
  return LinkError.of({ occasion, object, message, status: 127 }, detail);
}

/**
 * Looks at the headers of the file that was found for `name` as ld.so does before it maps a library. Files for other machines are passed
 * over in a search; anything else that is wrong is an error, in ld.so's words.
 */
export function examine(
  file: GuestFile,
  { arch, pageSize }: Pick<LinkContext, "arch" | "pageSize">,
  name: string,
): Suitability {
  const { bytes, path } = file;
  const fail = (message: string): never => {
    throw loadFailure(path, message);
  };
  if (bytes.length < EHDR_SIZE) return fail("file too short");
  file.made?.fill(0, EHDR_SIZE);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, false) !== 0x7f454c46) return fail("invalid ELF header");
  if (bytes[4] === ELFCLASS32) return "other class";
  if (bytes[4] !== ELFCLASS64) return "other class";
  if (bytes[5] !== 1) return fail("ELF file data encoding not little-endian");
  if (bytes[6] !== 1) return fail("ELF file version ident does not match current one");
  if (bytes[7] !== 0 && bytes[7] !== ELFOSABI_LINUX) return fail("ELF file OS ABI invalid");
  if (bytes[8] >= ABI_VERSIONS) return fail("ELF file ABI version invalid");
  if (bytes.subarray(9, 16).some((byte) => byte !== 0)) return fail("nonzero padding in e_ident");
  if (view.getUint32(20, true) !== 1) return fail("ELF file version does not match current one");
  if (view.getUint16(18, true) !== MACHINES[arch]) return "other machine";
  const type = view.getUint16(16, true);
  if (type !== ET_DYN && type !== ET_EXEC) return fail("only ET_DYN and ET_EXEC can be loaded");
  if (view.getUint16(54, true) !== PHDR_SIZE) {
    return fail("ELF file's phentsize not the expected size");
  }
  const headers = view.getUint16(56, true) * PHDR_SIZE;
  const at = view.getUint32(32, true) + view.getUint32(36, true) * 2 ** 32;
  if (at + headers > bytes.length) return fail("cannot read file data");
  examineSegments(file, pageSize, name);
  return "suitable";
}

/** What ld.so finds wrong when it maps the file; here it names the library as it was asked for. */
function examineSegments(file: GuestFile, pageSize: number, name: string): void {
  const fail = (message: string): never => {
    throw loadFailure(name, message);
  };
  try {
    const elf = parseFile(file);
    const loads = elf.segments.filter(({ type }) => type === PT_LOAD);
    for (const { align, vaddr, offset } of loads) {
      if (align % pageSize !== 0) fail("ELF load command alignment not page-aligned");
      if (align > 0 && (vaddr - offset) % align !== 0) {
        fail("ELF load command address/offset not page-aligned");
      }
    }
    if (loads.length === 0) fail("object file has no loadable segments");
    if (elf.header.type === ET_EXEC) fail("cannot dynamically load executable");
    if (!elf.segments.some(({ type }) => type === PT_DYNAMIC)) {
      fail("object file has no dynamic section");
    }
    if (((elf.dynamic?.flags1 ?? 0) & DF_1_PIE) !== 0) {
      fail("cannot dynamically load position-independent executable");
    }
    // What ld.so would come upon later, by a bus error where the file is cut short.
    if (elf.loadSegments.length === 0) fail("object file has no loadable segments");
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    fail(`${error.field}: ${error.problem}`);
  }
}
