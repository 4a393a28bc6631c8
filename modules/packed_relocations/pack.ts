import {
  DT_ANDROID_RELA,
  DT_ANDROID_RELASZ,
  DT_CREL,
  DT_NULL,
  DT_RELA,
  DT_RELACOUNT,
  DT_RELAENT,
  DT_RELASZ,
  DT_RELR,
  DT_RELRENT,
  DT_RELRSZ,
  DYN_SIZE,
  ElfFile,
  R_AARCH64_IRELATIVE,
  R_X86_64_IRELATIVE,
  RELA_SIZE,
  relativeType,
  RELR_SIZE,
  type Section,
  SHF_ALLOC,
  SHT_ANDROID_RELA,
  SHT_CREL,
  SHT_RELA,
  SHT_RELR,
} from "../../lib/elf/mod.ts";
import {
  encodeAndroid,
  encodeCrel,
  encodeRecords,
  encodeRelr,
  type PlacedRelocation,
} from "../../lib/elf/build_relocations.ts";
import { ByteView } from "../../lib/elf/byte_view.ts";
import { writeU64 } from "../../lib/elf/byte_writer.ts";
import { type NewSection, withSections } from "../../lib/elf/section_editor.ts";
import { cutHole } from "./cut_hole.ts";

/** What the RELA table of an object becomes: one format, or RELR for relative relocations and another. */
export const FORMATS = ["relr", "aps2", "crel", "relr+aps2", "relr+crel"] as const;
export type PackedFormat = (typeof FORMATS)[number];

/** A packed object, and what its relocation table took, in bytes; that of the PLT is left alone. */
export interface PackedObject {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly before: number;
  readonly after: number;
}

export interface PackRelocationsOptions {
  readonly format: PackedFormat;
  /** Take what has become free out of the file and of the image, in whole pages; default true. */
  readonly shrink?: boolean;
}

/** A table that has been encoded, and how dynamic section and section headers call it. */
interface Encoded {
  readonly bytes: Uint8Array;
  readonly tags: (addr: number, size: number) => [number, number][];
  readonly section: Pick<NewSection, "name" | "type" | "entsize">;
}

/**
 * Packs the relocations of a program or library (DT_RELA; not those of the PLT, of which lazy binding wants
 * one at a time). The new tables take the place of the old one; the bytes behind them are cut out of the
 * file, where that is at least a page of the object's alignment. Relocations of kind IRELATIVE stay records
 * where the format orders by address: they come last, because their resolvers may use the others.
 * An object whose relocations would not become fewer bytes is returned as it is.
 */
export function packRelocations(
  bytes: Uint8Array,
  name: string,
  { format, shrink = true }: PackRelocationsOptions,
): PackedObject {
  const elf = ElfFile.parse(bytes, name);
  const view = new ByteView(bytes, name);
  const { dynamic } = elf;
  const addr = dynamic?.value(DT_RELA);
  const table = elf.relocationTables.find(({ kind }) => kind === "rela");
  if (dynamic === undefined || addr === undefined || table === undefined) {
    return { bytes: bytes.slice(), before: 0, after: 0 };
  }
  const offset = elf.offsetOf(addr)!;
  const before = table.size;
  const copy = bytes.slice();
  const memory = new DataView(copy.buffer);
  const encoded = encode(elf, table, format, (place, addend) => {
    const at = elf.offsetOf(place);
    if (at === undefined) {
      view.fail(offset, "r_offset", `0x${place.toString(16)} is not in the file`);
    } else writeU64(memory, at, addend);
  });
  const sizes = encoded.map(({ bytes }) => alignUp(bytes.length));
  const after = sizes.reduce((sum, size) => sum + size, 0);
  if (after >= before) return { bytes: bytes.slice(), before, after: before };

  copy.fill(0, offset, offset + before);
  const tags: [number, number][] = [];
  const sections: NewSection[] = [];
  let used = 0;
  encoded.forEach(({ bytes, tags: tagsOf, section }, i) => {
    copy.set(bytes, offset + used);
    tags.push(...tagsOf(addr + used, bytes.length));
    const content = { addr: addr + used, offset: offset + used, size: bytes.length };
    sections.push({ ...section, flags: SHF_ALLOC, align: 8, content });
    used += sizes[i];
  });
  replaceDynamic(copy, name, tags);
  const named = elf.sections.length === 0 ? copy : nameTables(copy, name, addr, before, sections);
  const shrunk = shrink ? cutHole(named, name, offset + used, offset + before) : named;
  return { bytes: shrunk, before, after };
}

const alignUp = (size: number): number => Math.ceil(size / 8) * 8;

/** The tables of a format; `store` puts an addend into the place that is to be relocated. */
function encode(
  elf: ElfFile,
  table: Iterable<PlacedRelocation>,
  format: PackedFormat,
  store: (place: number, addend: number) => void,
): Encoded[] {
  const relative = relativeType(elf.machine);
  const indirect = elf.machine === "x86_64" ? R_X86_64_IRELATIVE : R_AARCH64_IRELATIVE;
  // An object that has a RELR table keeps it as it is.
  const makesRelr = format.startsWith("relr") && !elf.dynamic!.has(DT_RELR);
  const inRelr = ({ type, offset, symbol }: PlacedRelocation): boolean =>
    makesRelr && type === relative && symbol === 0 && offset % 8 === 0 &&
    elf.offsetOf(offset) !== undefined;
  const relr: PlacedRelocation[] = [];
  const rest: PlacedRelocation[] = [];
  for (const relocation of table) (inRelr(relocation) ? relr : rest).push(relocation);
  const encoded: Encoded[] = [];
  if (relr.length > 0) {
    relr.sort((a, b) => a.offset - b.offset);
    for (const { offset, addend } of relr) store(offset, addend);
    encoded.push({
      bytes: encodeRelr(relr.map(({ offset }) => offset)),
      tags: (addr, size) => [[DT_RELR, addr], [DT_RELRSZ, size], [DT_RELRENT, RELR_SIZE]],
      section: { name: ".relr.dyn", type: SHT_RELR, entsize: RELR_SIZE },
    });
  }
  if (format.endsWith("crel")) {
    const ordered = rest.filter(({ type }) => type !== indirect);
    if (ordered.length > 0) encoded.push(crel(ordered));
    rest.splice(0, rest.length, ...rest.filter(({ type }) => type === indirect));
  } else if (format.endsWith("aps2") && rest.length > 0) {
    encoded.push(android(rest, relative, indirect));
    rest.length = 0;
  }
  if (rest.length > 0) encoded.push(records(rest));
  return encoded;
}

function crel(relocations: PlacedRelocation[]): Encoded {
  relocations.sort((a, b) => a.offset - b.offset);
  return {
    bytes: encodeCrel(relocations, true),
    tags: (addr) => [[DT_CREL, addr]],
    section: { name: ".crel.dyn", type: SHT_CREL, entsize: 1 },
  };
}

/** In the order that packs well: relative ones first, the others by symbol and type. */
function android(
  relocations: PlacedRelocation[],
  relative: number,
  indirect: number,
): Encoded {
  const rank = ({ type }: PlacedRelocation) => type === relative ? 0 : type === indirect ? 2 : 1;
  relocations.sort((a, b) =>
    rank(a) - rank(b) || a.symbol - b.symbol || a.type - b.type || a.offset - b.offset
  );
  return {
    bytes: encodeAndroid(relocations, true),
    tags: (addr, size) => [[DT_ANDROID_RELA, addr], [DT_ANDROID_RELASZ, size]],
    section: { name: ".rela.dyn", type: SHT_ANDROID_RELA, entsize: 1 },
  };
}

function records(relocations: readonly PlacedRelocation[]): Encoded {
  return {
    bytes: encodeRecords(relocations, true),
    tags: (addr, size) => [[DT_RELA, addr], [DT_RELASZ, size], [DT_RELAENT, RELA_SIZE]],
    section: { name: ".rela.dyn", type: SHT_RELA, entsize: RELA_SIZE },
  };
}

/** Writes the dynamic section anew: without what it said of DT_RELA, with `tags`. */
function replaceDynamic(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  tags: readonly [number, number][],
): void {
  const elf = ElfFile.parse(bytes, name);
  const { entries, offset } = elf.dynamic!;
  const dropped = [DT_RELA, DT_RELASZ, DT_RELAENT, DT_RELACOUNT];
  const kept = entries.filter(({ tag }) => !dropped.includes(tag));
  const all = [...kept, ...tags.map(([tag, value]) => ({ tag, value }))];
  const room = elf.segments.find(({ type }) => type === 2)!.filesz / DYN_SIZE;
  if (all.length + 1 > room) {
    new ByteView(bytes, name).fail(
      offset,
      "PT_DYNAMIC",
      `${all.length} entries and the last one do not fit in its ${room}`,
    );
  }
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < room; i++) {
    const { tag, value } = all[i] ?? { tag: DT_NULL, value: 0 };
    writeU64(view, offset + i * DYN_SIZE, tag);
    writeU64(view, offset + i * DYN_SIZE + 8, value);
  }
}

/** Section headers for the tables, in the place of that of the old one. */
function nameTables(
  bytes: Uint8Array,
  name: string,
  addr: number,
  size: number,
  tables: readonly NewSection[],
): Uint8Array<ArrayBuffer> {
  const { sections } = ElfFile.parse(bytes, name);
  const old = sections.find((section) => section.type === SHT_RELA && section.addr === addr);
  const link = old?.link ?? 0;
  const linked = tables.map((table) => ({ ...table, link }));
  const gone = old !== undefined && !tables.some((table) => table.name === old.name);
  const change = (section: Section): Partial<Section> | undefined =>
    gone && section.index === old.index && section.size === size ? { size: 0 } : undefined;
  return withSections(bytes, name, linked, change);
}
