/** Compares our reading of an ELF file with readelf's, field by field. */

import {
  DT_RPATH,
  DT_RUNPATH,
  DT_SONAME,
  ElfFile,
  type ElfSymbol,
  frameDescriptions,
  frameIndex,
  type Relocation,
  type Section,
  SHF_ALLOC,
  SHN_ABS,
  SHT_NOTE,
  SHT_RELR,
  STT_SECTION,
  type SymbolTable,
  VER_FLG_BASE,
  VER_FLG_WEAK,
  VERSYM_HIDDEN,
  VERSYM_VERSION,
} from "../../lib/elf/mod.ts";
import type {
  ReadelfRelocations,
  ReadelfReport,
  ReadelfSection,
  ReadelfSymbol,
} from "./readelf_report.ts";

const FILE_TYPES = ["NONE", "REL", "EXEC", "DYN", "CORE"];
const MACHINES: Record<string, string> = {
  x86_64: "Advanced Micro Devices X86-64",
  aarch64: "AArch64",
};
const SYMBOL_TYPES: Record<number, string> = {
  0: "NOTYPE",
  1: "OBJECT",
  2: "FUNC",
  3: "SECTION",
  4: "FILE",
  5: "COMMON",
  6: "TLS",
  10: "IFUNC",
};
const SYMBOL_BINDS: Record<number, string> = { 0: "LOCAL", 1: "GLOBAL", 2: "WEAK", 10: "UNIQUE" };
const VISIBILITIES = ["DEFAULT", "INTERNAL", "HIDDEN", "PROTECTED"];
const SECTION_INDICES: Record<number, string> = { 0: "UND", 0xfff1: "ABS", 0xfff2: "COM" };
const SEGMENT_TYPES: Record<string, number> = {
  NULL: 0,
  LOAD: 1,
  DYNAMIC: 2,
  INTERP: 3,
  NOTE: 4,
  SHLIB: 5,
  PHDR: 6,
  TLS: 7,
  GNU_EH_FRAME: 0x6474e550,
  GNU_STACK: 0x6474e551,
  GNU_RELRO: 0x6474e552,
  GNU_PROPERTY: 0x6474e553,
};
const SECTION_TYPES: Record<string, number> = {
  NULL: 0,
  PROGBITS: 1,
  SYMTAB: 2,
  STRTAB: 3,
  RELA: 4,
  HASH: 5,
  DYNAMIC: 6,
  NOTE: 7,
  NOBITS: 8,
  REL: 9,
  DYNSYM: 11,
  INIT_ARRAY: 14,
  FINI_ARRAY: 15,
  PREINIT_ARRAY: 16,
  GROUP: 17,
  "SYMTAB SECTION INDICES": 18,
  RELR: 19,
  GNU_HASH: 0x6ffffff6,
  VERDEF: 0x6ffffffd,
  VERNEED: 0x6ffffffe,
  VERSYM: 0x6fffffff,
};
const SECTION_FLAGS: Record<string, number> = {
  W: 1,
  A: 2,
  X: 4,
  M: 0x10,
  S: 0x20,
  I: 0x40,
  T: 0x400,
};
const DYNAMIC_FLAGS: Record<string, number> = {
  ORIGIN: 1,
  SYMBOLIC: 2,
  TEXTREL: 4,
  BIND_NOW: 8,
  STATIC_TLS: 16,
};
const DYNAMIC_FLAGS_1: Record<string, number> = {
  NOW: 1,
  GLOBAL: 2,
  GROUP: 4,
  NODELETE: 8,
  LOADFLTR: 0x10,
  INITFIRST: 0x20,
  NOOPEN: 0x40,
  ORIGIN: 0x80,
  DIRECT: 0x100,
  INTERPOSE: 0x400,
  NODEFLIB: 0x800,
  PIE: 0x8000000,
};

/** Collects differences, the first few of each kind. */
class Differences {
  readonly found: string[] = [];
  /** How many values were compared. */
  compared = 0;

  equal(what: string, ours: unknown, theirs: unknown): void {
    this.compared++;
    if (ours !== theirs) this.add(`${what}: ${ours} but readelf says ${theirs}`);
  }

  add(text: string): void {
    if (this.found.length < 20) this.found.push(text);
  }

  /** Compares lists element by element. */
  lists(what: string, ours: readonly string[], theirs: readonly string[]): void {
    this.equal(`number of ${what}`, ours.length, theirs.length);
    for (let i = 0; i < Math.min(ours.length, theirs.length); i++) {
      this.equal(`${what}[${i}]`, ours[i], theirs[i]);
    }
  }
}

export interface Comparison {
  /** What differs; empty if nothing does. */
  readonly differences: readonly string[];
  /** How many values were compared. */
  readonly compared: number;
}

/** Compares a file with a report on it; an ElfError of the reader is thrown on. */
export function compareWithReadelf(elf: ElfFile, report: ReadelfReport): Comparison {
  const out = new Differences();
  compareHeader(elf, report, out);
  compareSegments(elf, report, out);
  compareSections(elf, report, out);
  compareDynamic(elf, report, out);
  compareSymbols(elf, report, out);
  compareVersions(elf, report, out);
  for (const table of report.relocations) compareRelocations(elf, table, out);
  compareRelocationViews(elf, out);
  compareNotes(elf, report, out);
  compareLookups(elf, out);
  return { differences: out.found, compared: out.compared };
}

function compareHeader(elf: ElfFile, report: ReadelfReport, out: Differences): void {
  const { header } = elf;
  const text = (label: string): string => report.header.get(label) ?? "";
  const number = (label: string): number => {
    const extended = /\((\d+)\)$/.exec(text(label));
    return extended === null ? parseInt(text(label)) : Number(extended[1]);
  };
  out.equal("e_type", FILE_TYPES[header.type], text("Type").split(" ")[0]);
  out.equal("e_machine", MACHINES[elf.machine], text("Machine"));
  out.equal("e_entry", header.entry, Number(text("Entry point address")));
  out.equal("e_flags", header.flags, Number(text("Flags").split(",")[0]));
  out.equal("e_phoff", header.phoff, number("Start of program headers"));
  out.equal("e_shoff", header.shoff, number("Start of section headers"));
  out.equal("e_phnum", header.phnum, number("Number of program headers"));
  out.equal("e_shnum", header.shnum, number("Number of section headers"));
  out.equal("e_shstrndx", header.shstrndx, number("Section header string table index"));
}

function compareSegments(elf: ElfFile, report: ReadelfReport, out: Differences): void {
  out.equal("number of segments", elf.segments.length, report.segments.length);
  for (const [i, theirs] of report.segments.entries()) {
    const ours = elf.segments[i];
    const what = `segment ${i}`;
    const type = SEGMENT_TYPES[theirs.type];
    if (type !== undefined) out.equal(`${what} p_type`, ours.type, type);
    const numbers = [ours.offset, ours.vaddr, ours.paddr, ours.filesz, ours.memsz];
    out.equal(what, numbers.join(), theirs.numbers.join());
    const flags = [[4, "R"], [2, "W"], [1, "E"]] as const;
    const letters = flags.map(([bit, letter]) => (ours.flags & bit) !== 0 ? letter : " ").join("");
    out.equal(`${what} p_flags`, letters, theirs.flags);
    out.equal(`${what} p_align`, ours.align, theirs.align);
  }
  if (report.interp.length > 0) out.equal("interp", elf.interp, report.interp[0]);
}

function compareSections(elf: ElfFile, report: ReadelfReport, out: Differences): void {
  out.equal("number of sections", elf.sections.length, report.sections.length);
  for (const [i, theirs] of report.sections.entries()) {
    compareSection(elf.sections[i], theirs, out);
  }
}

function compareSection(ours: Section, theirs: ReadelfSection, out: Differences): void {
  const what = `section ${ours.index}`;
  out.equal(`${what} name`, ours.name, theirs.name);
  const type = SECTION_TYPES[theirs.type];
  if (type !== undefined) out.equal(`${what} sh_type`, ours.type, type);
  const numbers = [ours.addr, ours.offset, ours.size, ours.entsize];
  out.equal(what, numbers.join(), theirs.numbers.join());
  for (const [letter, bit] of Object.entries(SECTION_FLAGS)) {
    out.equal(`${what} ${letter}`, (ours.flags & bit) !== 0, theirs.flags.includes(letter));
  }
  out.equal(`${what} links`, [ours.link, ours.info, ours.addralign].join(), theirs.links.join());
}

/** The number that readelf's text of a dynamic entry stands for. */
function dynamicNumber(text: string): number | undefined {
  if (/^0x[0-9a-f]+$/.test(text) || /^\d+$/.test(text)) return Number(text);
  const bytes = /^(\d+) \(bytes\)$/.exec(text);
  if (bytes !== null) return Number(bytes[1]);
  if (text === "RELA") return 7;
  if (text === "REL") return 17;
  const flags1 = /^Flags: (.*)$/.exec(text);
  return flags1 !== null
    ? flagSum(flags1[1], DYNAMIC_FLAGS_1)
    : flagSum(text.replace(/ +$/, ""), DYNAMIC_FLAGS);
}

function flagSum(text: string, names: Record<string, number>): number | undefined {
  let sum = 0;
  for (const word of text.trim().split(/ +/)) {
    if (names[word] === undefined) return undefined;
    sum += names[word];
  }
  return sum;
}

function compareDynamic(elf: ElfFile, report: ReadelfReport, out: Differences): void {
  const theirs = report.dynamic.filter((entry) => entry.tag !== 0);
  const ours = elf.dynamic?.entries ?? [];
  out.lists(
    "dynamic tags",
    ours.map((entry) => entry.tag.toString(16)),
    theirs.map((entry) => entry.tag.toString(16)),
  );
  if (ours.length !== theirs.length) return;
  const named: Record<number, string | undefined> = {
    [DT_SONAME]: elf.dynamic?.soname,
    [DT_RPATH]: elf.dynamic?.rpath,
    [DT_RUNPATH]: elf.dynamic?.runpath,
  };
  let needed = 0;
  for (const [i, { tag, text }] of theirs.entries()) {
    const name = /\[(.*)\]$/.exec(text);
    if (text.startsWith("Shared library:")) {
      out.equal("DT_NEEDED", elf.dynamic?.needed[needed++], name?.[1]);
    } else if (name !== null && tag in named) {
      out.equal(`dynamic name ${tag}`, named[tag], name[1]);
    } else {
      const value = name === null ? dynamicNumber(text) : undefined;
      if (value !== undefined) out.equal(`dynamic value ${tag}`, ours[i].value, value);
    }
  }
}

/** A symbol's name as readelf writes it in the symbol table. */
function displayName(elf: ElfFile, symbol: ElfSymbol, dynamic: boolean): string {
  if (symbol.type === STT_SECTION && symbol.name === "") {
    return elf.sections[symbol.shndx]?.name ?? "";
  }
  const version = dynamic ? elf.versions?.of(symbol.index) : undefined;
  if (version?.name === undefined) return symbol.name;
  // readelf leaves the version of the symbol that stands for the version itself unsaid.
  if (version.name === symbol.name && symbol.shndx === SHN_ABS) return symbol.name;
  if (version.file !== undefined) return `${symbol.name}@${version.name} (${version.index})`;
  return `${symbol.name}${version.hidden ? "@" : "@@"}${version.name}`;
}

function compareSymbols(elf: ElfFile, report: ReadelfReport, out: Differences): void {
  for (const { section, rows } of report.symbols) {
    const dynamic = section === ".dynsym";
    if (!dynamic && section !== ".symtab") continue;
    const table = dynamic ? elf.symbols : elf.staticSymbols;
    out.equal(`number of symbols of ${section}`, table?.length, rows.length);
    if (table === undefined) continue;
    for (let i = 0; i < Math.min(rows.length, table.length); i++) {
      compareSymbol(elf, table.at(i), rows[i], dynamic, out);
    }
  }
}

function compareSymbol(
  elf: ElfFile,
  ours: ElfSymbol,
  theirs: ReadelfSymbol,
  dynamic: boolean,
  out: Differences,
): void {
  const what = `symbol ${ours.index} ${ours.name}`;
  out.equal(`${what} st_value`, ours.value, parseInt(theirs.value, 16));
  out.equal(`${what} st_size`, ours.size, theirs.size);
  out.equal(`${what} type`, SYMBOL_TYPES[ours.type], theirs.type);
  out.equal(`${what} bind`, SYMBOL_BINDS[ours.bind], theirs.bind);
  out.equal(`${what} visibility`, VISIBILITIES[ours.visibility], theirs.visibility);
  out.equal(`${what} section`, SECTION_INDICES[ours.shndx] ?? String(ours.shndx), theirs.index);
  out.equal(`${what} name`, displayName(elf, ours, dynamic), theirs.name);
}

function compareVersions(elf: ElfFile, report: ReadelfReport, out: Differences): void {
  const versions = elf.versions;
  const versym = report.versym.map((_, i) => {
    const raw = versions?.raw(i) ?? -1;
    return `${(raw & VERSYM_VERSION).toString(16)}${(raw & VERSYM_HIDDEN) !== 0 ? "h" : ""}`;
  });
  out.lists("vs_vers", versym, report.versym);
  const flags = (value: number): string => {
    const names = [];
    if ((value & VER_FLG_BASE) !== 0) names.push("BASE");
    if ((value & VER_FLG_WEAK) !== 0) names.push("WEAK");
    return names.length === 0 ? "none" : names.join(" | ");
  };
  out.lists(
    "needed versions",
    (versions?.needs ?? []).flatMap((need) =>
      need.versions.map((v) => `${need.file} ${v.name} ${flags(v.flags)} ${v.index}`)
    ),
    report.needs,
  );
  out.lists(
    "version definitions",
    (versions?.definitions ?? []).map((d) =>
      [`${d.index} ${flags(d.flags)} ${d.name}`, ...d.parents].join(" ")
    ),
    report.definitions,
  );
}

/** The end of readelf's line for a relocation: the symbol it names and the addend. */
function relocationTail(
  elf: ElfFile,
  r: Relocation,
  symbols: SymbolTable | undefined,
  implicitAddend: boolean,
): string {
  const magnitude = Math.abs(r.addend).toString(16);
  if (r.symbol === 0 || symbols === undefined) {
    return implicitAddend ? "" : `${r.addend < 0 ? "-" : ""}${magnitude}`;
  }
  const symbol = symbols.at(r.symbol);
  const name = displayName(elf, symbol, symbols === elf.symbols).replace(/ \(\d+\)$/, "");
  return implicitAddend ? name : `${name} ${r.addend < 0 ? "-" : "+"} ${magnitude}`;
}

function compareRelocations(elf: ElfFile, theirs: ReadelfRelocations, out: Differences): void {
  const section = elf.sections.find((s) =>
    s.name === theirs.section && s.offset === theirs.fileOffset
  );
  if (section === undefined) return out.add(`no relocation section ${theirs.section}`);
  const ours = elf.sectionRelocations(section);
  out.equal(`number of relocations of ${section.name}`, ours.length, theirs.rows.length);
  const dynamic = (section.flags & SHF_ALLOC) !== 0;
  for (let i = 0; i < Math.min(ours.length, theirs.rows.length); i++) {
    const row = theirs.rows[i];
    const relocation = ours.at(i);
    const what = `${section.name}[${i}]`;
    out.equal(`${what} r_offset`, relocation.offset, row.offset);
    if (section.type === SHT_RELR) continue;
    const word = (value: number) => value.toString(16).padStart(8, "0");
    out.equal(`${what} r_info`, word(relocation.symbol) + word(relocation.type), row.info);
    const symbols = dynamic ? elf.symbols : elf.staticSymbols;
    const tail = relocationTail(elf, relocation, symbols, ours.implicitAddend);
    if (!row.rest.endsWith(` ${tail}`)) out.add(`${what}: "${row.rest}" does not end "${tail}"`);
  }
}

/** What the dynamic section leads to is what the allocated relocation sections hold. */
function compareRelocationViews(elf: ElfFile, out: Differences): void {
  if (elf.dynamic === undefined) return;
  const digest = (relocations: Iterable<Relocation>): { count: number; sum: number } => {
    let count = 0;
    let sum = 0;
    for (const r of relocations) {
      count++;
      sum = (sum + r.offset * 31 + r.type * 7 + r.symbol * 3 + r.addend) % 0x1fffffffff;
    }
    return { count, sum };
  };
  const ours = digest(elf.relocations());
  const sections = elf.sections.filter((s) =>
    (s.flags & SHF_ALLOC) !== 0 && [4, 9, SHT_RELR].includes(s.type)
  );
  const theirs = digest(sections.flatMap((s) => [...elf.sectionRelocations(s)]));
  out.equal("number of dynamic relocations", ours.count, theirs.count);
  out.equal("sum of dynamic relocations", ours.sum, theirs.sum);
}

function compareNotes(elf: ElfFile, report: ReadelfReport, out: Differences): void {
  const owners = (section: Section): string[] =>
    elf.sectionNotes(section).map((note) => {
      const id = note.name === "GNU" && note.type === 3
        ? ` ${Array.from(note.desc, (byte) => byte.toString(16).padStart(2, "0")).join("")}`
        : "";
      return `${note.name || "(NONE)"} ${note.desc.length}${id}`;
    });
  const ours = elf.sections.filter((s) => s.type === SHT_NOTE).flatMap(owners);
  // readelf decodes and merges annobin's build attributes, whose names begin with GA.
  const plain = (notes: string[]) => notes.filter((note) => !note.startsWith("GA"));
  out.lists("notes", plain(ours), plain(report.notes));
  const offsets = new Set(
    elf.sections.filter((s) => s.type === SHT_NOTE).flatMap((s) =>
      elf.sectionNotes(s).map((note) => note.offset)
    ),
  );
  for (const note of elf.notes) {
    if (!offsets.has(note.offset)) out.add(`note at ${note.offset} is in no section`);
  }
}

/** The file's own hash tables, which its link editor made, lead to every exported symbol. */
function compareLookups(elf: ElfFile, out: Differences): void {
  const { symbols, hashTable } = elf;
  if (symbols === undefined || hashTable === undefined) return;
  for (const symbol of symbols) {
    const exported = symbol.shndx !== 0 && symbol.bind !== 0 && symbol.type <= 10 &&
      symbol.visibility !== 1 && symbol.visibility !== 2 &&
      (symbol.value !== 0 || symbol.shndx === 0xfff1 || symbol.type === 6);
    if (!exported || symbol.type === 3 || symbol.type === 4) continue;
    const found = elf.lookup(symbol.name, { version: symbol.version });
    out.equal(`lookup of ${symbol.name}`, found?.name, symbol.name);
    out.equal(`lookup of ${symbol.name}@${symbol.version}`, found?.version, symbol.version);
  }
}

/** Compares call frame information; `report` must have been made with it. */
export function compareFrames(elf: ElfFile, report: ReadelfReport): Comparison {
  const out = new Differences();
  const show = ({ start, end }: { start: number; end: number }) =>
    `${start.toString(16)}..${end.toString(16)}`;
  const ours = frameDescriptions(elf);
  out.lists("FDEs", ours.map(show), report.frames.map(show));
  // The search table that the link editor sorted points at the FDEs themselves.
  const starts = new Map(ours.map((fde) => [fde.vaddr, fde.start]));
  for (const { start, fde } of frameIndex(elf)) {
    out.equal(`.eh_frame_hdr entry ${start.toString(16)}`, starts.get(fde), start);
  }
  return { differences: out.found, compared: out.compared };
}
