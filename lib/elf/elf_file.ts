import { ByteView } from "./byte_view.ts";
import { AddressMap } from "./address_map.ts";
import { ElfError } from "./elf_error.ts";
import {
  type ElfHeader,
  machineName,
  parseHeader,
  parseSections,
  parseSegments,
  type Section,
  type Segment,
} from "./headers.ts";
import { type Dynamic, parseDynamic } from "./dynamic.ts";
import { type ElfSymbol, SymbolTable } from "./symbol_table.ts";
import { StringTable } from "./string_table.ts";
import { parseVersions, type VersionTable } from "./versions.ts";
import {
  GnuHashTable,
  type HashTable,
  type LookupCounts,
  lookupCounts,
  LookupKey,
  SysvHashTable,
} from "./hash.ts";
import { linkerNameOf } from "./linker_name.ts";
import { type DefinitionTables, findDefinition, type LookupOptions } from "./lookup.ts";
import { type Relocation, type RelocationTable } from "./relocations.ts";
import { dynamicRelocations, sectionRelocations } from "./relocation_tables.ts";
import {
  buildIdOf,
  type Note,
  parseNotes,
  parseNoteTables,
  propertiesOf,
  type Property,
} from "./notes.ts";
import {
  DT_GNU_HASH,
  DT_HASH,
  DT_SYMENT,
  DT_SYMTAB,
  type ElfMachine,
  PF_X,
  PT_DYNAMIC,
  PT_GNU_PROPERTY,
  PT_GNU_RELRO,
  PT_GNU_STACK,
  PT_INTERP,
  PT_LOAD,
  PT_NOTE,
  PT_TLS,
  SHT_DYNSYM,
  SHT_NOBITS,
  SHT_NOTE,
  SHT_SYMTAB,
  SHT_SYMTAB_SHNDX,
  SYM_SIZE,
} from "./constants.ts";

/** PT_TLS: the initial image of the thread-local block, in bytes. */
export interface TlsSegment {
  readonly vaddr: number;
  readonly offset: number;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: number;
}

/** A span of the memory image, in bytes. */
export interface AddressRange {
  readonly vaddr: number;
  readonly size: number;
}

/**
 * An ELF64 little-endian file for x86_64 or aarch64, read in place. `parse` checks the headers and
 * the program header table; everything else is parsed when first asked for, and throws an `ElfError`
 * then. Addresses are unrelocated (link-time) addresses.
 */
export class ElfFile {
  /** The ELF header. */
  readonly header: ElfHeader;
  /** The architecture of e_machine. */
  readonly machine: ElfMachine;
  /** The program header table, in its order. */
  readonly segments: readonly Segment[];
  private readonly file: ByteView;
  private readonly map: AddressMap;
  private readonly cache: { [field: string]: unknown } = {};
  /** What `definition` searches, null if there is nothing to search; undefined until it is asked. */
  private tables: DefinitionTables | null | undefined;

  private constructor(
    readonly bytes: Uint8Array,
    readonly name: string,
    /** Makes a range of `bytes` right, where they are made as they are needed. */
    readonly fill?: (offset: number, length: number) => void,
  ) {
    this.file = new ByteView(bytes, name, fill);
    this.header = parseHeader(this.file);
    this.machine = machineName(this.header.machine);
    this.segments = parseSegments(this.file, this.header);
    this.map = new AddressMap(this.file, this.segments);
  }

  /**
   * Reads a file's bytes, which must not change afterwards; `name` is what errors call it. Where they are
   * made as they are needed, `fill` makes a range of them before it is read.
   */
  static parse(
    bytes: Uint8Array,
    name: string,
    fill?: (offset: number, length: number) => void,
  ): ElfFile {
    return new ElfFile(bytes, name, fill);
  }

  /** Computes a field on its first use. */
  private lazy<T>(field: string, make: () => T): T {
    if (!(field in this.cache)) this.cache[field] = make();
    return this.cache[field] as T;
  }

  /** The first segment of a type (PT_*). */
  private segment(type: number): Segment | undefined {
    return this.segments.find((s) => s.type === type);
  }

  /** File offset of a segment's program header. */
  private headerOffset(segment: Segment): number {
    return this.header.phoff + segment.index * this.header.phentsize;
  }

  /**
   * File offset of the first entry of the dynamic section with this tag; 0 without one. For errors.
   */
  private entryOffset(tag: number): number {
    return this.dynamic?.entryOffset(tag) ?? 0;
  }

  /** The section header table; a loader needs none of it, so it is parsed on demand. */
  get sections(): readonly Section[] {
    return this.lazy("sections", () => parseSections(this.file, this.header));
  }

  /** The first section of this name. */
  section(name: string): Section | undefined {
    return this.sections.find((s) => s.name === name);
  }

  /** A section's bytes in the file; none for SHT_NOBITS. */
  sectionBytes(section: Section): Uint8Array {
    const size = section.type === SHT_NOBITS ? 0 : section.size;
    return this.file.slice(section.offset, size, `section ${section.name}`);
  }

  /** A segment's bytes in the file (`filesz` of them). */
  segmentBytes(segment: Segment): Uint8Array {
    if (segment.filesz === 0) return new Uint8Array(0);
    return this.file.slice(segment.offset, segment.filesz, "p_offset");
  }

  /**
   * The PT_LOAD segments, checked as a loader needs them: ascending, apart from one another, backed by
   * the file, no more bytes in the file than in memory, offset and address equal modulo alignment.
   */
  get loadSegments(): readonly Segment[] {
    return this.lazy("loadSegments", () => {
      const loads = this.segments.filter((s) => s.type === PT_LOAD);
      let end = 0;
      for (const s of loads) {
        const at = this.headerOffset(s);
        if (s.memsz < s.filesz) {
          this.file.fail(at + 40, "p_memsz", `${s.memsz} is less than p_filesz ${s.filesz}`);
        }
        // The offset of a segment without bytes may lie beyond the file, as link editors leave it.
        if (s.filesz > 0) this.file.checkBounds(s.offset, s.filesz, "p_offset");
        if (!Number.isSafeInteger(s.vaddr + s.memsz)) {
          this.file.fail(at + 16, "p_vaddr", "the segment ends beyond 2^53");
        }
        if (s.vaddr < end) {
          this.file.fail(at + 16, "p_vaddr", "PT_LOAD segments overlap or do not ascend");
        }
        if (s.align > 1 && !isPowerOfTwo(s.align)) {
          this.file.fail(at + 48, "p_align", `${s.align} is not a power of two`);
        }
        if (s.align > 1 && s.offset % s.align !== s.vaddr % s.align) {
          this.file.fail(at + 8, "p_offset", "it differs from p_vaddr modulo p_align");
        }
        end = s.vaddr + s.memsz;
      }
      return loads;
    });
  }

  /** The bytes of the file that are mapped at `[vaddr, vaddr + length)`; a view, no copy. */
  bytesAt(vaddr: number, length: number): Uint8Array {
    const offset = this.map.offsetOf(vaddr, length, "p_vaddr", this.header.phoff);
    return this.bytes.subarray(offset, offset + length);
  }

  /** The file offset of the byte mapped at `vaddr`; undefined if the file holds none (bss). */
  offsetOf(vaddr: number): number | undefined {
    return this.map.available(vaddr) === 0
      ? undefined
      : this.map.offsetOf(vaddr, 1, "p_vaddr", this.header.phoff);
  }

  /** The program interpreter's path. */
  get interp(): string | undefined {
    return this.lazy("interp", () => {
      const segment = this.segment(PT_INTERP);
      if (segment === undefined) return undefined;
      return new StringTable(this.file, segment.offset, segment.filesz, "PT_INTERP").at(
        0,
        "PT_INTERP",
      );
    });
  }

  /** The linker that the program asks for by name; undefined if it names none. */
  get linkerName(): string | undefined {
    const bytesOf = (segment: Segment) => this.segmentBytes(segment);
    return this.lazy("linkerName", () => linkerNameOf(this.segments, bytesOf, this.name));
  }

  /**
   * The dynamic section; undefined for an object without one. Throws an `ElfError` if it is
   * malformed.
   */
  get dynamic(): Dynamic | undefined {
    return this.lazy("dynamic", () => {
      const segment = this.segment(PT_DYNAMIC);
      // A file of debug information keeps the program headers of its object, without contents.
      if (segment === undefined || segment.filesz === 0) return undefined;
      return parseDynamic(this.file, this.map, segment, this.headerOffset(segment));
    });
  }

  /** DT_SONAME. */
  get soname(): string | undefined {
    return this.dynamic?.soname;
  }

  /** PT_TLS. */
  get tls(): TlsSegment | undefined {
    return this.lazy("tls", () => {
      const s = this.segment(PT_TLS);
      if (s === undefined) return undefined;
      const at = this.headerOffset(s);
      if (s.memsz < s.filesz) {
        this.file.fail(at + 40, "p_memsz", `${s.memsz} is less than p_filesz ${s.filesz}`);
      }
      if (s.align > 1 && !isPowerOfTwo(s.align)) {
        this.file.fail(at + 48, "p_align", `${s.align} is not a power of two`);
      }
      return {
        vaddr: s.vaddr,
        offset: s.offset,
        filesz: s.filesz,
        memsz: s.memsz,
        align: Math.max(1, s.align),
      };
    });
  }

  /** PT_GNU_RELRO: what becomes read-only after relocation. */
  get relro(): AddressRange | undefined {
    const s = this.segment(PT_GNU_RELRO);
    return s && { vaddr: s.vaddr, size: s.memsz };
  }

  /** PT_GNU_STACK; `size` is 0 where the file leaves it open. Absent: the ABI's default applies. */
  get gnuStack(): { readonly executable: boolean; readonly size: number } | undefined {
    const s = this.segment(PT_GNU_STACK);
    return s && { executable: (s.flags & PF_X) !== 0, size: s.memsz };
  }

  /** The notes of all PT_NOTE segments (of SHT_NOTE sections in a file without segments). */
  get notes(): readonly Note[] {
    return this.lazy("notes", () => {
      if (this.segments.length === 0) return this.allSectionNotes(this.sections);
      return parseNoteTables(
        this.file,
        this.segments.filter((s) => s.type === PT_NOTE)
          .map((s) => ({ offset: s.offset, size: s.filesz, alignment: s.align })),
      );
    });
  }

  /** The notes of all SHT_NOTE sections, for files without segments of notes. */
  private allSectionNotes(sections: readonly Section[]): readonly Note[] {
    return parseNoteTables(
      this.file,
      sections.filter((s) => s.type === SHT_NOTE)
        .map((s) => ({ offset: s.offset, size: s.size, alignment: s.addralign })),
    );
  }

  /** The notes of one SHT_NOTE section. */
  sectionNotes(section: Section): readonly Note[] {
    return parseNotes(this.file, section.offset, section.size, section.addralign);
  }

  /** The GNU build id in hexadecimal; of a note section where no segment holds one. */
  get buildId(): string | undefined {
    return this.lazy("buildId", () =>
      buildIdOf(this.notes) ??
        buildIdOf(this.allSectionNotes(this.optionalSections())));
  }

  /** The properties of PT_GNU_PROPERTY, else of the first property note. */
  get properties(): readonly Property[] {
    return this.lazy("properties", () => {
      const s = this.segment(PT_GNU_PROPERTY);
      const notes = s && parseNotes(this.file, s.offset, s.filesz, s.align);
      return propertiesOf(this.file, notes ?? this.notes);
    });
  }

  /** DT_GNU_HASH. */
  get gnuHashTable(): GnuHashTable | undefined {
    return this.lazy("gnuHashTable", () => {
      const vaddr = this.dynamic?.value(DT_GNU_HASH);
      return vaddr === undefined
        ? undefined
        : new GnuHashTable(this.file, this.map, vaddr, this.entryOffset(DT_GNU_HASH));
    });
  }

  /** DT_HASH. */
  get sysvHashTable(): SysvHashTable | undefined {
    return this.lazy("sysvHashTable", () => {
      const vaddr = this.dynamic?.value(DT_HASH);
      return vaddr === undefined
        ? undefined
        : new SysvHashTable(this.file, this.map, vaddr, this.entryOffset(DT_HASH));
    });
  }

  /** The table that lookups use: GNU where there is one. */
  get hashTable(): HashTable | undefined {
    return this.gnuHashTable ?? this.sysvHashTable;
  }

  /** Symbol versions, where the object has DT_VERSYM. */
  get versions(): VersionTable | undefined {
    return this.lazy(
      "versions",
      () => this.dynamic && parseVersions(this.file, this.map, this.dynamic),
    );
  }

  /** The dynamic symbol table (DT_SYMTAB). */
  get symbols(): SymbolTable | undefined {
    return this.lazy("symbols", () => this.dynamicSymbols());
  }

  /** The table at DT_SYMTAB, after checks of what else says how large it is. */
  private dynamicSymbols(): SymbolTable | undefined {
    const dynamic = this.dynamic;
    const vaddr = dynamic?.value(DT_SYMTAB);
    if (dynamic === undefined || vaddr === undefined) return undefined;
    const offset = this.map.offsetOf(vaddr, 0, "DT_SYMTAB", dynamic.entryOffset(DT_SYMTAB));
    const entry = dynamic.value(DT_SYMENT) ?? SYM_SIZE;
    if (entry !== SYM_SIZE) this.file.fail(offset, "DT_SYMENT", `${entry} is not ${SYM_SIZE}`);
    if (dynamic.strings === undefined) this.file.fail(offset, "DT_STRTAB", "symbols have no names");
    const capacity = Math.floor(this.map.available(vaddr) / SYM_SIZE);
    const length = this.dynamicSymbolCount(vaddr);
    if (length > capacity) {
      this.file.fail(offset, "DT_SYMTAB", `${length} symbols where ${capacity} fit`);
    }
    return new SymbolTable(this.file, offset, length, capacity, dynamic.strings, this.versions);
  }

  /**
   * No dynamic entry states how many symbols there are: DT_HASH does; else the section header does; else
   * it is the highest number that the GNU table or a relocation reaches.
   */
  private dynamicSymbolCount(vaddr: number): number {
    const sysv = this.sysvHashTable;
    if (sysv !== undefined) return sysv.symbolCount();
    const section = this.optionalSections().find((s) => s.type === SHT_DYNSYM && s.addr === vaddr);
    if (section !== undefined) return Math.floor(section.size / SYM_SIZE);
    let count = this.gnuHashTable?.symbolCount() ?? 0;
    for (const table of this.relocationTables) {
      for (let i = 0; i < table.length; i++) {
        if (table.symbols[i] >= count) count = table.symbols[i] + 1;
      }
    }
    return count;
  }

  /** The sections, or none where the table is unreadable: loading does not depend on it. */
  private optionalSections(): readonly Section[] {
    try {
      return this.sections;
    } catch (error) {
      if (error instanceof ElfError) return [];
      throw error;
    }
  }

  /** The link editor's full symbol table (SHT_SYMTAB), where the file was not stripped of it. */
  get staticSymbols(): SymbolTable | undefined {
    return this.lazy("staticSymbols", () => {
      const section = this.sections.find((s) => s.type === SHT_SYMTAB);
      if (section === undefined) return undefined;
      this.file.check(section.offset, section.size, "SHT_SYMTAB");
      const strtab = this.sections[section.link];
      if (strtab === undefined || strtab.type === SHT_NOBITS) {
        return this.file.fail(section.offset, "sh_link", `no string section ${section.link}`);
      }
      const strings = new StringTable(this.file, strtab.offset, strtab.size, "SHT_STRTAB");
      const length = Math.floor(section.size / SYM_SIZE);
      const extended = this.sections.find((s) =>
        s.type === SHT_SYMTAB_SHNDX && s.link === section.index
      );
      if (extended !== undefined) {
        this.file.check(extended.offset, 4 * length, "SHT_SYMTAB_SHNDX");
      }
      return new SymbolTable(
        this.file,
        section.offset,
        length,
        length,
        strings,
        undefined,
        extended?.offset,
      );
    });
  }

  /** The dynamic relocation tables as columns, in the order they are applied; PLT last. */
  get relocationTables(): readonly RelocationTable[] {
    return this.lazy(
      "relocationTables",
      () => this.dynamic ? dynamicRelocations(this.file, this.map, this.dynamic, this.machine) : [],
    );
  }

  /** Every dynamic relocation, as objects; hot paths read `relocationTables` instead. */
  *relocations(): IterableIterator<Relocation> {
    for (const table of this.relocationTables) yield* table;
  }

  /** The relocations of one SHT_RELA, SHT_REL, SHT_RELR or Android section. */
  sectionRelocations(section: Section): RelocationTable {
    return sectionRelocations(this.file, section, this.machine);
  }

  /**
   * Finds the definition of a name through the hash table, by the version rules of the LSB (see
   * `LookupOptions`); undefined if this object has none. An object without a hash table has none.
   */
  lookup(name: string | LookupKey, options: LookupOptions = {}): ElfSymbol | undefined {
    const { version, versionHidden = false, canonicalPlt = false, newest = false } = options;
    const key = typeof name === "string" ? new LookupKey(name) : name;
    const counts = options.counts ?? lookupCounts();
    return this.definition(key, version, versionHidden, canonicalPlt, newest, counts);
  }

  /** `lookup` for who asks often: the options one by one, and nothing allocated. */
  definition(
    key: LookupKey,
    version: string | undefined,
    versionHidden: boolean,
    canonicalPlt: boolean,
    newest: boolean,
    counts: LookupCounts,
  ): ElfSymbol | undefined {
    const tables = this.tables === undefined ? this.definitionTables() : this.tables;
    if (tables === null) return undefined;
    const index = findDefinition(
      tables,
      key,
      version,
      versionHidden,
      canonicalPlt,
      newest,
      counts,
    );
    return index < 0 ? undefined : tables.symbols.at(index);
  }

  /** Finds, once, what `definition` searches; null without symbols or a hash table. */
  private definitionTables(): DefinitionTables | null {
    const { hashTable: table, symbols, versions } = this;
    return this.tables = table === undefined || symbols === undefined
      ? null
      : { table, symbols, versions };
  }
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}
