import { ByteWriter } from "./byte_writer.ts";
import {
  EHDR_SIZE,
  ELFCLASS64,
  ELFDATA2LSB,
  type ElfMachine,
  EM_AARCH64,
  EM_X86_64,
  EV_CURRENT,
  PF_R,
  PF_W,
  PF_X,
  PHDR_SIZE,
  PT_DYNAMIC,
  PT_GNU_EH_FRAME,
  PT_GNU_PROPERTY,
  PT_GNU_RELRO,
  PT_GNU_STACK,
  PT_INTERP,
  PT_LOAD,
  PT_NOTE,
  PT_PHDR,
  PT_TLS,
  SHDR_SIZE,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_TLS,
  SHF_WRITE,
  SHT_NOBITS,
  SHT_NOTE,
  SHT_NULL,
  SHT_PROGBITS,
  SHT_STRTAB,
} from "./constants.ts";

/** What a section of an object being built holds, and how it is mapped. */
export interface SectionSpec {
  readonly name: string;
  /** Access when mapped; read is implied. "" is read-only. */
  readonly access?: "" | "w" | "x" | "wx";
  /** SHT_*; SHT_PROGBITS if absent. */
  readonly type?: number;
  /** The contents; may be changed in place between `layout()` and `write()`. */
  readonly data?: Uint8Array;
  /** Size in bytes of a section without contents (SHT_NOBITS). */
  readonly size?: number;
  /** Power of two; 8 if absent. */
  readonly align?: number;
  /** Part of the thread-local template. */
  readonly tls?: boolean;
  /** Read-only after relocation. */
  readonly relro?: boolean;
  readonly entsize?: number;
}

/** A section of an object being built; its place is known after `layout()`. */
export class BuilderSection {
  readonly name: string;
  readonly access: "" | "w" | "x" | "wx";
  readonly type: number;
  align: number;
  readonly tls: boolean;
  readonly relro: boolean;
  readonly entsize: number;
  data: Uint8Array;
  size: number;
  /** Section header index. */
  index = 0;
  /** Link-time address; NaN before layout. */
  address = NaN;
  /** File offset; NaN before layout. */
  offset = NaN;
  /** sh_link's section and sh_info. */
  link?: BuilderSection;
  info = 0;

  constructor(spec: SectionSpec) {
    this.name = spec.name;
    this.access = spec.access ?? "";
    this.data = spec.data ?? new Uint8Array(0);
    this.size = spec.data?.length ?? spec.size ?? 0;
    this.type = spec.type ?? (spec.data === undefined && this.size > 0 ? SHT_NOBITS : SHT_PROGBITS);
    this.align = spec.align ?? 8;
    this.tls = spec.tls ?? false;
    this.relro = spec.relro ?? false;
    this.entsize = spec.entsize ?? 0;
  }

  get fileSize(): number {
    return this.type === SHT_NOBITS ? 0 : this.size;
  }

  /** An uninitialised thread-local section takes no room in the image: only PT_TLS counts it. */
  get imageSize(): number {
    return this.tls && this.type === SHT_NOBITS ? 0 : this.size;
  }
}

/** A program header to be written. */
interface SegmentPlan {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: number;
}

export interface LayoutOptions {
  readonly machine: ElfMachine;
  /** ET_DYN or ET_EXEC. */
  readonly type: number;
  /** Address of the ELF header. */
  readonly base: number;
  /** Alignment of PT_LOAD segments in bytes. */
  readonly pageSize: number;
  readonly stack?: { readonly executable: boolean; readonly size?: number };
}

const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to;

function flagsOf(access: string): number {
  return PF_R | (access.includes("w") ? PF_W : 0) | (access.includes("x") ? PF_X : 0);
}

/** Order of sections in a writable segment: thread-local, relro, the rest; without contents last. */
function rank(section: BuilderSection): number {
  if (section.tls) return section.type === SHT_NOBITS ? 1 : 0;
  if (section.relro) return 2;
  return section.type === SHT_NOBITS ? 4 : 3;
}

const GROUPS = ["", "x", "w", "wx"] as const;

/** Gives sections their addresses and writes the file. */
export class ImageLayout {
  private readonly segments: SegmentPlan[] = [];
  /** In file order. */
  readonly sections: readonly BuilderSection[];
  private fileEnd = 0;
  /** PT_TLS's address, 0 without one. */
  tlsBase = 0;

  constructor(sections: readonly BuilderSection[], private readonly options: LayoutOptions) {
    this.sections = GROUPS.flatMap((access) => this.group(sections, access));
    for (const [i, section] of this.sections.entries()) section.index = i + 1;
    // The template starts on its strictest section's boundary.
    const tls = this.sections.filter((s) => s.tls);
    if (tls.length > 0) tls[0].align = Math.max(...tls.map((s) => s.align));
    this.place();
  }

  private group(sections: readonly BuilderSection[], access: string): BuilderSection[] {
    return sections.filter((s) => s.access === access)
      .map((section, i) => ({ section, i }))
      .sort((a, b) => rank(a.section) - rank(b.section) || a.i - b.i)
      .map(({ section }) => section);
  }

  /** The program header types beside PT_LOAD, one a section or group of sections. */
  private extraSegments(): SegmentPlan[] {
    const plans: SegmentPlan[] = [];
    const cover = (type: number, sections: readonly BuilderSection[], flags: number): void => {
      if (sections.length === 0) return;
      const first = sections[0];
      const last = sections[sections.length - 1];
      const pages = type === PT_GNU_RELRO ? this.options.pageSize : 1;
      const end = alignUp(last.address + last.size, pages);
      const lastFilled = sections.findLast((s) => s.type !== SHT_NOBITS);
      plans.push({
        type,
        flags,
        offset: first.offset,
        vaddr: first.address,
        filesz: lastFilled === undefined
          ? 0
          : lastFilled.offset + lastFilled.fileSize - first.offset,
        memsz: end - first.address,
        align: type === PT_GNU_RELRO ? 1 : Math.max(...sections.map((s) => s.align)),
      });
    };
    const named = (name: string) => this.sections.filter((s) => s.name === name);
    cover(PT_INTERP, named(".interp"), PF_R);
    cover(PT_DYNAMIC, named(".dynamic"), PF_R | PF_W);
    for (const note of this.sections.filter((s) => s.type === SHT_NOTE)) {
      cover(PT_NOTE, [note], PF_R);
    }
    cover(PT_GNU_PROPERTY, named(".note.gnu.property"), PF_R);
    cover(PT_GNU_EH_FRAME, named(".eh_frame_hdr"), PF_R);
    cover(PT_TLS, this.sections.filter((s) => s.tls), PF_R);
    cover(PT_GNU_RELRO, this.relroSections(), PF_R);
    return plans;
  }

  /** Thread-local templates stand before the relro sections and are only read: they join them. */
  private relroSections(): BuilderSection[] {
    if (!this.sections.some((s) => s.relro)) return [];
    return this.sections.filter((s) => s.access === "w" && (s.relro || s.tls));
  }

  private segmentCount(): number {
    const loads = 1 +
      GROUPS.slice(1).filter((a) => this.sections.some((s) => s.access === a)).length;
    const phdr = this.sections.some((s) => s.name === ".interp") ? 1 : 0;
    return phdr + loads + this.extraSegments().length + (this.options.stack === undefined ? 0 : 1);
  }

  private place(): void {
    const { base, pageSize } = this.options;
    let offset = EHDR_SIZE + this.segmentCount() * PHDR_SIZE;
    let vaddr = base + offset;
    const loads: SegmentPlan[] = [];
    for (const access of GROUPS) {
      const sections = this.sections.filter((s) => s.access === access);
      if (access !== "" && sections.length === 0) continue;
      if (access !== "") vaddr = alignUp(vaddr, pageSize) + (offset % pageSize);
      const header = access === "";
      const align = Math.max(1, ...sections.map((s) => s.align));
      if (!header) {
        // A segment starts on its strictest section's boundary, in the file as in memory.
        const gap = alignUp(vaddr, Math.min(align, pageSize)) - vaddr;
        vaddr += gap;
        offset += gap;
      }
      const start = header ? { offset: 0, vaddr: base } : { offset, vaddr };
      let filled = offset;
      let relro = false;
      for (const section of sections) {
        const boundary = relro && !section.relro && !section.tls ? pageSize : 1;
        relro = section.relro;
        const next = alignUp(vaddr, Math.max(section.align, boundary));
        offset += next - vaddr;
        vaddr = next;
        section.address = vaddr;
        section.offset = offset;
        vaddr += section.imageSize;
        offset += section.imageSize;
        if (section.fileSize > 0) filled = offset;
      }
      // A loader protects whole pages, so the segment reaches to the end of relro's last one.
      if (relro) vaddr = alignUp(vaddr, pageSize);
      loads.push({
        type: PT_LOAD,
        flags: flagsOf(access),
        ...start,
        filesz: filled - start.offset,
        memsz: vaddr - start.vaddr,
        align: pageSize,
      });
      // What follows the last contents has no bytes in the file.
      offset = filled;
      for (const section of sections) section.offset = Math.min(section.offset, offset);
    }
    this.fileEnd = offset;
    this.collect(loads);
  }

  private collect(loads: readonly SegmentPlan[]): void {
    const { base, stack } = this.options;
    const extras = this.extraSegments();
    const tls = extras.find((s) => s.type === PT_TLS);
    this.tlsBase = tls?.vaddr ?? 0;
    if (extras.some((s) => s.type === PT_INTERP)) {
      const size = this.segmentCount() * PHDR_SIZE;
      this.segments.push({
        type: PT_PHDR,
        flags: PF_R,
        offset: EHDR_SIZE,
        vaddr: base + EHDR_SIZE,
        filesz: size,
        memsz: size,
        align: 8,
      });
    }
    const interp = extras.filter((s) => s.type === PT_INTERP);
    this.segments.push(...interp, ...loads, ...extras.filter((s) => s.type !== PT_INTERP));
    if (stack !== undefined) {
      this.segments.push({
        type: PT_GNU_STACK,
        flags: PF_R | PF_W | (stack.executable ? PF_X : 0),
        offset: 0,
        vaddr: 0,
        filesz: 0,
        memsz: stack.size ?? 0,
        align: 16,
      });
    }
  }

  /** The whole file. */
  write(entry: number, sectionHeaders: boolean): Uint8Array {
    const names = new ByteWriter().u8(0);
    const nameOffsets = [...this.sections.map((s) => s.name), ".shstrtab"].map((name) => {
      const offset = names.length;
      names.string(name);
      return offset;
    });
    const shstrtab = names.finish();
    const shoff = alignUp(this.fileEnd + shstrtab.length, 8);
    const count = this.sections.length + 2;
    const size = sectionHeaders ? shoff + count * SHDR_SIZE : this.fileEnd;
    const file = new Uint8Array(size);
    file.set(this.elfHeader(entry, sectionHeaders ? shoff : 0, count));
    file.set(this.programHeaders(), EHDR_SIZE);
    for (const section of this.sections) {
      if (section.fileSize > 0) file.set(section.data, section.offset);
    }
    if (sectionHeaders) {
      file.set(shstrtab, this.fileEnd);
      file.set(this.sectionHeaders(nameOffsets, shstrtab.length), shoff);
    }
    return file;
  }

  private elfHeader(entry: number, shoff: number, sectionCount: number): Uint8Array {
    const { machine, type } = this.options;
    const out = new ByteWriter();
    out.u8(0x7f).u8(0x45).u8(0x4c).u8(0x46).u8(ELFCLASS64).u8(ELFDATA2LSB).u8(EV_CURRENT).align(16);
    out.u16(type).u16(machine === "x86_64" ? EM_X86_64 : EM_AARCH64).u32(EV_CURRENT);
    out.u64(entry).u64(EHDR_SIZE).u64(shoff).u32(0);
    out.u16(EHDR_SIZE).u16(PHDR_SIZE).u16(this.segments.length).u16(SHDR_SIZE);
    out.u16(shoff === 0 ? 0 : sectionCount).u16(shoff === 0 ? 0 : sectionCount - 1);
    return out.finish();
  }

  private programHeaders(): Uint8Array {
    const out = new ByteWriter();
    for (const s of this.segments) {
      out.u32(s.type).u32(s.flags).u64(s.offset).u64(s.vaddr).u64(s.vaddr);
      out.u64(s.filesz).u64(s.memsz).u64(s.align);
    }
    return out.finish();
  }

  private sectionHeaders(names: readonly number[], shstrtabSize: number): Uint8Array {
    const out = new ByteWriter().raw(new Uint8Array(SHDR_SIZE));
    for (const [i, s] of this.sections.entries()) {
      const flags = SHF_ALLOC | (s.access.includes("w") ? SHF_WRITE : 0) |
        (s.access.includes("x") ? SHF_EXECINSTR : 0) | (s.tls ? SHF_TLS : 0);
      out.u32(names[i]).u32(s.type).u64(flags).u64(s.address).u64(s.offset).u64(s.size);
      out.u32(s.link?.index ?? SHT_NULL).u32(s.info).u64(s.align).u64(s.entsize);
    }
    out.u32(names[names.length - 1]).u32(SHT_STRTAB).u64(0).u64(0).u64(this.fileEnd);
    out.u64(shstrtabSize).u32(0).u32(0).u64(1).u64(0);
    return out.finish();
  }
}
