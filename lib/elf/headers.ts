import type { ByteView } from "./byte_view.ts";
import { StringTable } from "./string_table.ts";
import {
  EHDR_SIZE,
  ELFCLASS64,
  ELFDATA2LSB,
  type ElfMachine,
  EM_AARCH64,
  EM_X86_64,
  ET_CORE,
  ET_REL,
  EV_CURRENT,
  PHDR_SIZE,
  PN_XNUM,
  SHDR_SIZE,
  SHN_XINDEX,
  SHT_NOBITS,
  SHT_NULL,
} from "./constants.ts";

/** The ELF header (gABI, "ELF Header"); counts are resolved through section 0 where they overflow. */
export interface ElfHeader {
  readonly osabi: number;
  readonly abiVersion: number;
  /** ET_REL, ET_EXEC, ET_DYN or ET_CORE. */
  readonly type: number;
  /** EM_X86_64 or EM_AARCH64. */
  readonly machine: number;
  readonly entry: number;
  readonly phoff: number;
  readonly shoff: number;
  readonly flags: number;
  readonly phentsize: number;
  readonly phnum: number;
  readonly shentsize: number;
  readonly shnum: number;
  readonly shstrndx: number;
}

/** One program header (gABI, "Program Header"); sizes and addresses in bytes. */
export interface Segment {
  readonly index: number;
  readonly type: number;
  /** PF_R | PF_W | PF_X. */
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly paddr: number;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: number;
}

/** One section header (gABI, "Sections"); sizes and addresses in bytes. */
export interface Section {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly addr: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly addralign: number;
  readonly entsize: number;
}

/** Section 0's fields that hold the header's overflowing counts. */
function extended(file: ByteView, shoff: number, field: string): number {
  if (shoff === 0) file.fail(40, "e_shoff", `${field} is in section 0, which is missing`);
  file.check(shoff, SHDR_SIZE, "section 0");
  if (field === "e_phnum") return file.u32(shoff + 44, "sh_info");
  if (field === "e_shnum") return file.u64(shoff + 32, "sh_size");
  return file.u32(shoff + 40, "sh_link");
}

export function parseHeader(file: ByteView): ElfHeader {
  if (file.length < 16) file.fail(0, "e_ident", `a file of ${file.length} bytes has no ELF header`);
  if (file.view.getUint32(0) !== 0x7f454c46) file.fail(0, "e_ident", "no ELF magic number");
  const elfClass = file.bytes[4];
  if (elfClass !== ELFCLASS64) file.fail(4, "EI_CLASS", `class ${elfClass} is not ELFCLASS64`);
  const data = file.bytes[5];
  if (data !== ELFDATA2LSB) file.fail(5, "EI_DATA", `encoding ${data} is not little-endian`);
  if (file.bytes[6] !== EV_CURRENT) file.fail(6, "EI_VERSION", `unknown version ${file.bytes[6]}`);
  file.check(0, EHDR_SIZE, "ELF header");
  const type = file.u16(16, "e_type");
  if (type < ET_REL || type > ET_CORE) file.fail(16, "e_type", `unknown type ${type}`);
  const machine = file.u16(18, "e_machine");
  if (machine !== EM_X86_64 && machine !== EM_AARCH64) {
    file.fail(18, "e_machine", `machine ${machine} is neither x86_64 nor aarch64`);
  }
  const shoff = file.u64(40, "e_shoff");
  let phnum = file.u16(56, "e_phnum");
  let shnum = file.u16(60, "e_shnum");
  let shstrndx = file.u16(62, "e_shstrndx");
  if (phnum === PN_XNUM) phnum = extended(file, shoff, "e_phnum");
  // Here the loader needs nothing of the section headers, so a bad table does not fail the file.
  const readable = shoff !== 0 && shoff + SHDR_SIZE <= file.length;
  if (shnum === 0 && readable) shnum = extended(file, shoff, "e_shnum");
  if (shstrndx === SHN_XINDEX && readable) shstrndx = extended(file, shoff, "e_shstrndx");
  return {
    osabi: file.bytes[7],
    abiVersion: file.bytes[8],
    type,
    machine,
    entry: file.u64(24, "e_entry"),
    phoff: file.u64(32, "e_phoff"),
    shoff,
    flags: file.u32(48, "e_flags"),
    phentsize: file.u16(54, "e_phentsize"),
    phnum,
    shentsize: file.u16(58, "e_shentsize"),
    shnum,
    shstrndx,
  };
}

export function machineName(machine: number): ElfMachine {
  return machine === EM_X86_64 ? "x86_64" : "aarch64";
}

export function parseSegments(file: ByteView, header: ElfHeader): Segment[] {
  const { phoff, phnum, phentsize } = header;
  if (phnum === 0) return [];
  if (phentsize !== PHDR_SIZE) file.fail(54, "e_phentsize", `${phentsize} is not ${PHDR_SIZE}`);
  file.check(phoff, phnum * PHDR_SIZE, "program header table");
  const segments: Segment[] = [];
  for (let index = 0; index < phnum; index++) {
    const at = phoff + index * PHDR_SIZE;
    segments.push({
      index,
      type: file.u32(at, "p_type"),
      flags: file.u32(at + 4, "p_flags"),
      offset: file.u64(at + 8, "p_offset"),
      vaddr: file.u64(at + 16, "p_vaddr"),
      paddr: file.u64(at + 24, "p_paddr"),
      filesz: file.u64(at + 32, "p_filesz"),
      memsz: file.u64(at + 40, "p_memsz"),
      align: file.u64(at + 48, "p_align"),
    });
  }
  return segments;
}

export function parseSections(file: ByteView, header: ElfHeader): Section[] {
  const { shoff, shnum, shentsize, shstrndx } = header;
  if (shoff === 0 || shnum === 0) return [];
  if (shentsize !== SHDR_SIZE) file.fail(58, "e_shentsize", `${shentsize} is not ${SHDR_SIZE}`);
  file.check(shoff, shnum * SHDR_SIZE, "section header table");
  let names: StringTable | undefined;
  if (shstrndx !== 0) {
    if (shstrndx >= shnum) file.fail(62, "e_shstrndx", `section ${shstrndx} of ${shnum}`);
    const at = shoff + shstrndx * SHDR_SIZE;
    if (file.u32(at + 4, "sh_type") === SHT_NOBITS) {
      file.fail(at + 4, "sh_type", "the section names occupy no bytes");
    }
    const offset = file.u64(at + 24, "sh_offset");
    names = new StringTable(file, offset, file.u64(at + 32, "sh_size"), "section names");
  }
  const sections: Section[] = [];
  for (let index = 0; index < shnum; index++) {
    const at = shoff + index * SHDR_SIZE;
    const type = file.u32(at + 4, "sh_type");
    const name = file.u32(at, "sh_name");
    sections.push({
      index,
      name: names === undefined || type === SHT_NULL ? "" : names.at(name, "sh_name"),
      type,
      flags: file.u64(at + 8, "sh_flags"),
      addr: file.u64(at + 16, "sh_addr"),
      offset: file.u64(at + 24, "sh_offset"),
      size: file.u64(at + 32, "sh_size"),
      link: file.u32(at + 40, "sh_link"),
      info: file.u32(at + 44, "sh_info"),
      addralign: file.u64(at + 48, "sh_addralign"),
      entsize: file.u64(at + 56, "sh_entsize"),
    });
  }
  return sections;
}
