import { ByteWriter, writeU64 } from "./byte_writer.ts";
import { BuilderSection, ImageLayout, type SectionSpec } from "./build_layout.ts";
import {
  ehFrame,
  ehFrameHeader,
  ehFrameHeaderSize,
  ehFrameSize,
  type FrameSpec,
} from "./build_frames.ts";
import {
  encodeAndroid,
  encodeRecords,
  encodeRelr,
  type PlacedRelocation,
} from "./build_relocations.ts";
import {
  StringTableWriter,
  type SymbolSpec,
  SymbolTables,
  VersionTables,
} from "./build_symbols.ts";
import { relativeType } from "./relocations.ts";
import * as elf from "./constants.ts";

/** A place in an object being built. */
export interface BuilderPlace {
  readonly section: BuilderSection;
  /** In bytes; 0 if absent. */
  readonly offset?: number;
}

/** A dynamic relocation of an object being built. */
export interface RelocationSpec extends BuilderPlace {
  readonly type: number;
  readonly symbol?: SymbolSpec;
  readonly addend?: number;
  /** Its link-time address is added to the addend. */
  readonly target?: BuilderPlace;
  /** Stands in DT_JMPREL. */
  readonly plt?: boolean;
}

/** A note of an object being built. */
export interface NoteSpec {
  readonly name: string;
  readonly type: number;
  readonly desc: Uint8Array;
}

export interface BuilderOptions {
  readonly machine: elf.ElfMachine;
  /** ET_DYN (the default) or ET_EXEC. */
  readonly type?: number;
  /** Link-time address of the file's first byte; 0 for ET_DYN, 0x400000 for ET_EXEC if absent. */
  readonly base?: number;
  /** Alignment of PT_LOAD in bytes: 4 KiB for x86_64, 64 KiB for aarch64 if absent. */
  readonly pageSize?: number;
  /** False: a static executable, without a dynamic section. */
  readonly dynamic?: boolean;
  readonly soname?: string;
  readonly interp?: string;
  readonly needed?: readonly string[];
  readonly rpath?: string;
  readonly runpath?: string;
  /** DT_FLAGS and DT_FLAGS_1. */
  readonly flags?: number;
  readonly flags1?: number;
  /** Which hash tables to write; "gnu" if absent. */
  readonly hash?: "gnu" | "sysv" | "both";
  /** Format of the relocations that are not the PLT's; "rela" if absent. */
  readonly relocations?: "rela" | "rel" | "android";
  /** Write aligned RELATIVE relocations as RELR. */
  readonly relr?: boolean;
  /** PT_GNU_STACK; `false` leaves it out, absent asks for a stack that is not executable. */
  readonly stack?: { readonly executable: boolean; readonly size?: number } | false;
  /** False: no section header table, as a loader needs none. */
  readonly sectionHeaders?: boolean;
}

/** Words DT_FLAGS and DT_FLAGS_1 take; also entries a caller adds: a number, or a place's address. */
type DynamicValue = number | BuilderPlace;

/** How the dynamic section refers to each special section. */
const ARRAY_TAGS: Record<number, readonly [number, number]> = {
  [elf.SHT_PREINIT_ARRAY]: [elf.DT_PREINIT_ARRAY, elf.DT_PREINIT_ARRAYSZ],
  [elf.SHT_INIT_ARRAY]: [elf.DT_INIT_ARRAY, elf.DT_INIT_ARRAYSZ],
  [elf.SHT_FINI_ARRAY]: [elf.DT_FINI_ARRAY, elf.DT_FINI_ARRAYSZ],
};

/**
 * Builds an ELF shared object or executable in memory. Declare sections, symbols and relocations, then
 * `build()`; or `layout()`, read addresses and change section contents, then `write()`. Misuse is a
 * `TypeError`.
 */
export class ElfBuilder {
  private readonly sections: BuilderSection[] = [];
  private readonly symbols: SymbolSpec[] = [];
  private readonly relocations: RelocationSpec[] = [];
  private readonly frames: FrameSpec[] = [];
  private readonly extraDynamic: [number, DynamicValue][] = [];
  private readonly strings = new StringTableWriter();
  private entryPlace?: BuilderPlace;
  private image?: ImageLayout;
  private symbolTables?: SymbolTables;
  private versionTables?: VersionTables;
  private readonly made = new Map<string, BuilderSection>();

  /** An empty object; what `options` leave out has the usual value. */
  constructor(readonly options: BuilderOptions) {}

  /** Whether relocations carry their addends (RELA) or leave them in place (REL). */
  private get explicitAddends(): boolean {
    return this.options.relocations !== "rel";
  }

  /** Adds a section. */
  section(spec: SectionSpec): BuilderSection {
    this.open();
    const section = new BuilderSection(spec);
    this.sections.push(section);
    return section;
  }

  /** Adds a symbol to the dynamic symbol table. */
  symbol<T extends SymbolSpec>(spec: T): T {
    this.open();
    this.symbols.push(spec);
    return spec;
  }

  /** Adds a dynamic relocation. */
  relocate(spec: RelocationSpec): void {
    this.open();
    this.relocations.push(spec);
  }

  /** Makes the 8 bytes at a place hold another's run-time address. */
  pointer(place: BuilderPlace, target: BuilderPlace): void {
    this.relocate({ ...place, type: relativeType(this.options.machine), target });
  }

  /** Adds a note section holding `notes`, padded to 8 bytes for properties, else to 4. */
  notes(section: string, notes: readonly NoteSpec[]): BuilderSection {
    const align = section === ".note.gnu.property" ? 8 : 4;
    const out = new ByteWriter();
    for (const { name, type, desc } of notes) {
      out.u32(name.length + 1).u32(desc.length).u32(type).string(name).align(align);
      out.raw(desc).align(align);
    }
    return this.section({ name: section, type: elf.SHT_NOTE, data: out.finish(), align });
  }

  /** Adds a build id note. */
  buildId(id: Uint8Array): BuilderSection {
    return this.notes(".note.gnu.build-id", [{
      name: "GNU",
      type: elf.NT_GNU_BUILD_ID,
      desc: id,
    }]);
  }

  /** Adds a property note of 32-bit properties, by type. */
  properties(values: Readonly<Record<number, number>>): BuilderSection {
    const out = new ByteWriter();
    for (const [type, value] of Object.entries(values)) {
      out.u32(Number(type)).u32(4).u32(value).u32(0);
    }
    const desc = out.finish();
    return this.notes(".note.gnu.property", [{
      name: "GNU",
      type: elf.NT_GNU_PROPERTY_TYPE_0,
      desc,
    }]);
  }

  /** Gives a function an FDE in .eh_frame and a row in .eh_frame_hdr. */
  frame(spec: FrameSpec): void {
    this.open();
    this.frames.push(spec);
  }

  /** Adds an entry to the dynamic section. */
  dynamicEntry(tag: number, value: DynamicValue): void {
    this.open();
    this.extraDynamic.push([tag, value]);
  }

  /** Sets the entry point. */
  entry(place: BuilderPlace): void {
    this.entryPlace = place;
  }

  /** Throws a TypeError once the object is laid out: nothing can be added then. */
  private open(): void {
    if (this.image !== undefined) throw new TypeError("the object is already laid out");
  }

  /** The link-time address of a place; known after `layout()`. */
  addressOf({ section, offset = 0 }: BuilderPlace): number {
    if (Number.isNaN(section.address)) throw new TypeError(`${section.name} is not laid out yet`);
    return section.address + offset;
  }

  /** Fixes every address. Nothing can be declared afterwards; section contents may still change. */
  layout(): this {
    this.open();
    const { options } = this;
    if (options.interp !== undefined) {
      this.make(".interp", { data: new ByteWriter().string(options.interp).finish(), align: 1 });
    }
    if (this.frames.length > 0) {
      const count = this.frames.length;
      this.make(".eh_frame_hdr", { size: ehFrameHeaderSize(count), align: 4 });
      this.make(".eh_frame", { size: ehFrameSize(options.machine, count) });
    }
    if (options.dynamic !== false) this.declareDynamic();
    const type = options.type ?? elf.ET_DYN;
    this.image = new ImageLayout([...this.made.values(), ...this.sections], {
      machine: options.machine,
      type,
      base: options.base ?? (type === elf.ET_EXEC ? 0x400000 : 0),
      pageSize: options.pageSize ?? (options.machine === "x86_64" ? 0x1000 : 0x10000),
      stack: options.stack === false ? undefined : options.stack ?? { executable: false },
    });
    return this;
  }

  /** Writes the file; `layout()` comes first. */
  write(): Uint8Array {
    const { image, options } = this;
    if (image === undefined) throw new TypeError("the object is not laid out yet");
    if (this.frames.length > 0) this.writeFrames();
    if (options.dynamic !== false) this.writeDynamic(image);
    const entry = this.entryPlace === undefined ? 0 : this.addressOf(this.entryPlace);
    return image.write(entry, options.sectionHeaders ?? true);
  }

  /** `layout()` and `write()`. */
  build(): Uint8Array {
    return this.layout().write();
  }

  /** Makes one of the sections that the builder fills itself; `size` reserves room. */
  private make(name: string, spec: Omit<SectionSpec, "name">): BuilderSection {
    const data = spec.data ?? new Uint8Array(spec.size ?? 0);
    const section = new BuilderSection({ ...spec, name, data });
    this.made.set(name, section);
    return section;
  }

  /** Fills a made section; its size was fixed by the layout. */
  private fill(name: string, data: Uint8Array): void {
    const section = this.made.get(name)!;
    if (data.length !== section.size) {
      throw new TypeError(`${name} has ${data.length} bytes where ${section.size} were laid out`);
    }
    section.data = data;
  }

  /** Fills `.eh_frame` and `.eh_frame_hdr`, whose entries are relative to their own addresses. */
  private writeFrames(): void {
    const { machine } = this.options;
    const header = this.made.get(".eh_frame_hdr")!.address;
    const frames = this.made.get(".eh_frame")!.address;
    this.fill(".eh_frame", ehFrame(machine, this.frames, frames));
    this.fill(".eh_frame_hdr", ehFrameHeader(machine, this.frames, header, frames));
  }

  /** Whether a relocation goes into DT_RELR: a relative one at a multiple of 8. */
  private isRelr({ type, plt, section, offset = 0 }: RelocationSpec): boolean {
    return this.options.relr === true && plt !== true && section.align % 8 === 0 &&
      offset % 8 === 0 && type === relativeType(this.options.machine);
  }

  /**
   * Makes the dynamic section and the tables it points to, as far as their sizes are known before
   * the layout.
   */
  private declareDynamic(): void {
    const { options, strings } = this;
    const symbols = new SymbolTables(this.symbols, strings);
    const versions = new VersionTables(symbols, strings, options.soname ?? "");
    this.symbolTables = symbols;
    this.versionTables = versions;
    const names = [options.soname, options.rpath, options.runpath, ...options.needed ?? []];
    for (const name of names) if (name !== undefined) strings.add(name);
    const relocations = this.declareRelocations();

    const dynsym = this.make(".dynsym", {
      type: elf.SHT_DYNSYM,
      size: elf.SYM_SIZE * (symbols.ordered.length + 1),
      entsize: elf.SYM_SIZE,
    });
    dynsym.info = symbols.firstGlobal;
    const hash = options.hash ?? "gnu";
    if (hash !== "sysv") {
      this.make(".gnu.hash", { type: elf.SHT_GNU_HASH, data: symbols.gnuHash() }).link = dynsym;
    }
    if (hash !== "gnu") {
      const table = { type: elf.SHT_HASH, data: symbols.sysvHash(), entsize: 4 };
      this.make(".hash", table).link = dynsym;
    }
    const dynstr = this.make(".dynstr", {
      type: elf.SHT_STRTAB,
      data: strings.finish(),
      align: 1,
    });
    dynsym.link = dynstr;
    for (const section of relocations) section.link = dynsym;
    this.declareVersions(versions, dynsym, dynstr);
    const dynamic = this.make(".dynamic", {
      type: elf.SHT_DYNAMIC,
      access: "w",
      relro: this.sections.some((s) => s.relro),
      size: elf.DYN_SIZE * (this.dynamicEntries(() => 0).length + 1),
      entsize: elf.DYN_SIZE,
    });
    dynamic.link = dynstr;
  }

  /** Makes the sections of symbol versions, if any symbol has one. */
  private declareVersions(
    versions: VersionTables,
    dynsym: BuilderSection,
    dynstr: BuilderSection,
  ): void {
    if (!versions.used) return;
    const versym = { type: elf.SHT_GNU_VERSYM, data: versions.versym, align: 2, entsize: 2 };
    this.make(".gnu.version", versym).link = dynsym;
    const tables = [
      [".gnu.version_d", elf.SHT_GNU_VERDEF, versions.definitions, versions.definitionCount],
      [".gnu.version_r", elf.SHT_GNU_VERNEED, versions.needs, versions.needCount],
    ] as const;
    for (const [name, type, data, count] of tables) {
      if (count === 0) continue;
      const section = this.make(name, { type, data });
      section.link = dynstr;
      section.info = count;
    }
  }

  /** Reserves the relocation sections; packed ones are measured with their final addresses. */
  private declareRelocations(): BuilderSection[] {
    const entsize = this.explicitAddends ? elf.RELA_SIZE : elf.REL_SIZE;
    const type = this.explicitAddends ? elf.SHT_RELA : elf.SHT_REL;
    const prefix = this.explicitAddends ? ".rela" : ".rel";
    const relr = this.relocations.filter((r) => this.isRelr(r)).length;
    const plt = this.relocations.filter((r) => r.plt).length;
    const rest = this.relocations.length - relr - plt;
    const sections: BuilderSection[] = [];
    if (rest > 0 && this.options.relocations === "android") {
      const size = 4 + 20 + rest * MAX_ANDROID_ENTRY;
      sections.push(this.make(`${prefix}.dyn`, { type: elf.SHT_ANDROID_RELA, size, entsize: 1 }));
    } else if (rest > 0) {
      sections.push(this.make(`${prefix}.dyn`, { type, size: rest * entsize, entsize }));
    }
    if (plt > 0) sections.push(this.make(`${prefix}.plt`, { type, size: plt * entsize, entsize }));
    if (relr > 0) {
      // At worst each address takes a word of its own.
      const size = relr * elf.RELR_SIZE;
      sections.push(
        this.make(".relr.dyn", { type: elf.SHT_RELR, size, entsize: elf.RELR_SIZE }),
      );
    }
    return sections;
  }

  /** Fills `.dynsym` and `.dynamic`, when all addresses are known. */
  private writeDynamic(image: ImageLayout): void {
    this.fill(".dynsym", this.symbolTables!.dynsym(image.tlsBase));
    this.writeRelocations();
    const out = new ByteWriter();
    const entries = this.dynamicEntries((section) => section.address);
    for (const [tag, value] of [...entries, [elf.DT_NULL, 0]]) out.u64(tag).u64(value);
    this.fill(".dynamic", out.finish());
  }

  /** Fills the relocation sections: relative ones first, and packed where the options say so. */
  private writeRelocations(): void {
    const byAddress = (a: PlacedRelocation, b: PlacedRelocation) => a.offset - b.offset;
    const placed = (wanted: (r: RelocationSpec) => boolean) =>
      this.relocations.filter(wanted).map((r) => this.placeRelocation(r));
    const rest = placed((r) => !r.plt && !this.isRelr(r)).sort(byAddress);
    const plt = placed((r) => r.plt === true);
    const relr = placed((r) => this.isRelr(r)).sort(byAddress);
    const prefix = this.explicitAddends ? ".rela" : ".rel";
    if (rest.length > 0) {
      if (this.options.relocations === "android") {
        this.fillPacked(`${prefix}.dyn`, encodeAndroid(rest, true));
      } else {
        this.fill(`${prefix}.dyn`, encodeRecords(rest, this.explicitAddends));
      }
    }
    if (plt.length > 0) this.fill(`${prefix}.plt`, encodeRecords(plt, this.explicitAddends));
    if (relr.length > 0) {
      this.fillPacked(".relr.dyn", encodeRelr(relr.map((r) => r.offset)));
    }
  }

  /** A packed table may come out smaller than the room it was given; its section shrinks to fit. */
  private fillPacked(name: string, data: Uint8Array): void {
    const section = this.made.get(name)!;
    if (data.length > section.size) throw new TypeError(`${name} outgrew its room`);
    section.data = data;
    section.size = data.length;
  }

  /** Resolves a relocation, and stores an implicit addend at its place. */
  private placeRelocation(r: RelocationSpec): PlacedRelocation {
    const addend = (r.addend ?? 0) + (r.target === undefined ? 0 : this.addressOf(r.target));
    const { section, offset = 0 } = r;
    if (!this.explicitAddends || this.isRelr(r)) {
      const { data } = section;
      writeU64(new DataView(data.buffer, data.byteOffset, data.byteLength), offset, addend);
    }
    const symbol = r.symbol === undefined ? 0 : this.symbolTables!.indexOf(r.symbol);
    return { offset: this.addressOf(r), type: r.type, symbol, addend };
  }

  /** The dynamic section without its end; before layout the addresses are anything. */
  private dynamicEntries(address: (section: BuilderSection) => number): [number, number][] {
    const { options, made, strings } = this;
    const entries: [number, number][] = [];
    const add = (tag: number, value: number | undefined): void => {
      if (value !== undefined) entries.push([tag, value]);
    };
    const text = (tag: number, name: string | undefined): void => {
      if (name !== undefined) add(tag, strings.add(name));
    };
    const table = (name: string, tag: number, sizeTag?: number, entry?: [number, number]): void => {
      const section = made.get(name);
      if (section === undefined) return;
      add(tag, address(section));
      if (sizeTag !== undefined) add(sizeTag, section.size);
      if (entry !== undefined) add(...entry);
    };
    for (const name of options.needed ?? []) text(elf.DT_NEEDED, name);
    text(elf.DT_SONAME, options.soname);
    text(elf.DT_RPATH, options.rpath);
    text(elf.DT_RUNPATH, options.runpath);
    for (const section of this.sections) {
      const tags = ARRAY_TAGS[section.type];
      if (tags === undefined) continue;
      add(tags[0], address(section));
      add(tags[1], section.size);
    }
    table(".hash", elf.DT_HASH);
    table(".gnu.hash", elf.DT_GNU_HASH);
    table(".dynstr", elf.DT_STRTAB, elf.DT_STRSZ);
    table(".dynsym", elf.DT_SYMTAB, undefined, [elf.DT_SYMENT, elf.SYM_SIZE]);
    if (options.interp !== undefined) add(elf.DT_DEBUG, 0);
    if (options.relocations === "android") {
      table(".rela.dyn", elf.DT_ANDROID_RELA, elf.DT_ANDROID_RELASZ);
    } else {
      table(".rela.dyn", elf.DT_RELA, elf.DT_RELASZ, [elf.DT_RELAENT, elf.RELA_SIZE]);
    }
    table(".rel.dyn", elf.DT_REL, elf.DT_RELSZ, [elf.DT_RELENT, elf.REL_SIZE]);
    table(".rela.plt", elf.DT_JMPREL, elf.DT_PLTRELSZ, [elf.DT_PLTREL, elf.DT_RELA]);
    table(".rel.plt", elf.DT_JMPREL, elf.DT_PLTRELSZ, [elf.DT_PLTREL, elf.DT_REL]);
    table(".relr.dyn", elf.DT_RELR, elf.DT_RELRSZ, [elf.DT_RELRENT, elf.RELR_SIZE]);
    add(elf.DT_FLAGS, options.flags);
    add(elf.DT_FLAGS_1, options.flags1);
    table(".gnu.version", elf.DT_VERSYM);
    table(".gnu.version_d", elf.DT_VERDEF);
    if (made.has(".gnu.version_d")) add(elf.DT_VERDEFNUM, this.versionTables!.definitionCount);
    table(".gnu.version_r", elf.DT_VERNEED);
    if (made.has(".gnu.version_r")) add(elf.DT_VERNEEDNUM, this.versionTables!.needCount);
    for (const [tag, value] of this.extraDynamic) {
      if (typeof value === "number") add(tag, value);
      else add(tag, address(value.section) + (value.offset ?? 0));
    }
    return entries;
  }
}

/** Bytes one relocation can take in Android's format: group size, flags, info, offset and addend. */
const MAX_ANDROID_ENTRY = 3 + 1 + 8 + 8 + 8;
