import type { ByteView } from "./byte_view.ts";
import type { AddressMap } from "./address_map.ts";
import type { Dynamic } from "./dynamic.ts";
import type { Section } from "./headers.ts";
import { decodeAndroid } from "./android_relocations.ts";
import { decodeCrel } from "./crel_relocations.ts";
import { parseRecords, parseRelr, type RelocationTable } from "./relocations.ts";
import {
  DT_ANDROID_REL,
  DT_ANDROID_RELA,
  DT_ANDROID_RELASZ,
  DT_ANDROID_RELR,
  DT_ANDROID_RELRSZ,
  DT_ANDROID_RELSZ,
  DT_CREL,
  DT_JMPREL,
  DT_PLTREL,
  DT_PLTRELSZ,
  DT_REL,
  DT_RELA,
  DT_RELAENT,
  DT_RELASZ,
  DT_RELENT,
  DT_RELR,
  DT_RELRENT,
  DT_RELRSZ,
  DT_RELSZ,
  type ElfMachine,
  REL_SIZE,
  RELA_SIZE,
  RELR_SIZE,
  SHT_ANDROID_REL,
  SHT_ANDROID_RELA,
  SHT_ANDROID_RELR,
  SHT_CREL,
  SHT_REL,
  SHT_RELA,
  SHT_RELR,
} from "./constants.ts";

interface Span {
  readonly vaddr: number;
  readonly size: number;
  /** File offset of the dynamic entry. */
  readonly at: number;
}

/** The tables that a dynamic section names, in the order a loader applies them. */
export function dynamicRelocations(
  file: ByteView,
  map: AddressMap,
  dynamic: Dynamic,
  machine: ElfMachine,
): RelocationTable[] {
  const tables: RelocationTable[] = [];
  const add = (
    table: Span | undefined,
    field: string,
    parse: (offset: number, size: number) => RelocationTable,
  ): void => {
    if (table === undefined || table.size === 0) return;
    tables.push(parse(map.offsetOf(table.vaddr, table.size, field, table.at), table.size));
  };
  const span = (tag: number, sizeTag: number, field: string): Span | undefined => {
    const vaddr = dynamic.value(tag);
    if (vaddr === undefined) return undefined;
    const size = dynamic.value(sizeTag);
    const at = dynamic.entryOffset(tag);
    if (size === undefined) return file.fail(at, field, `the dynamic section has no ${field}`);
    return { vaddr, size, at };
  };
  const expect = (tag: number, size: number, field: string): void => {
    const value = dynamic.value(tag);
    if (value !== undefined && value !== size) {
      file.fail(dynamic.entryOffset(tag), field, `${value} is not ${size}`);
    }
  };
  expect(DT_RELAENT, RELA_SIZE, "DT_RELAENT");
  expect(DT_RELENT, REL_SIZE, "DT_RELENT");
  expect(DT_RELRENT, RELR_SIZE, "DT_RELRENT");

  const plt = span(DT_JMPREL, DT_PLTRELSZ, "DT_PLTRELSZ");
  const pltIsRela = plt !== undefined && pltExplicit(file, dynamic);
  const relr = (offset: number, size: number) => parseRelr(file, offset, size, machine);
  add(span(DT_RELR, DT_RELRSZ, "DT_RELRSZ"), "DT_RELR", relr);
  add(span(DT_ANDROID_RELR, DT_ANDROID_RELRSZ, "DT_ANDROID_RELRSZ"), "DT_ANDROID_RELR", relr);
  add(
    span(DT_ANDROID_RELA, DT_ANDROID_RELASZ, "DT_ANDROID_RELASZ"),
    "DT_ANDROID_RELA",
    (offset, size) => decodeAndroid(file, offset, size, true),
  );
  add(
    span(DT_ANDROID_REL, DT_ANDROID_RELSZ, "DT_ANDROID_RELSZ"),
    "DT_ANDROID_REL",
    (offset, size) => decodeAndroid(file, offset, size, false),
  );
  const crel = dynamic.value(DT_CREL);
  if (crel !== undefined) {
    const offset = map.offsetOf(crel, 1, "DT_CREL", dynamic.entryOffset(DT_CREL));
    tables.push(decodeCrel(file, offset, map.available(crel)));
  }
  add(
    withoutTail(span(DT_RELA, DT_RELASZ, "DT_RELASZ"), pltIsRela ? plt : undefined),
    "DT_RELA",
    (offset, size) => parseRecords(file, offset, size, true, "rela"),
  );
  add(
    withoutTail(span(DT_REL, DT_RELSZ, "DT_RELSZ"), pltIsRela ? undefined : plt),
    "DT_REL",
    (offset, size) => parseRecords(file, offset, size, false, "rel"),
  );
  add(plt, "DT_JMPREL", (offset, size) => parseRecords(file, offset, size, pltIsRela, "plt"));
  return tables;
}

function pltExplicit(file: ByteView, dynamic: Dynamic): boolean {
  const type = dynamic.value(DT_PLTREL) ?? DT_RELA;
  if (type !== DT_RELA && type !== DT_REL) {
    file.fail(dynamic.entryOffset(DT_PLTREL), "DT_PLTREL", `${type} is neither DT_REL nor DT_RELA`);
  }
  return type === DT_RELA;
}

/** Some link editors count the PLT's relocations in DT_RELASZ too: they are then the tail of it. */
function withoutTail(table: Span | undefined, plt: Span | undefined): Span | undefined {
  if (table === undefined || plt === undefined) return table;
  const overlap = plt.vaddr >= table.vaddr &&
    plt.vaddr + plt.size === table.vaddr + table.size;
  return overlap ? { ...table, size: plt.vaddr - table.vaddr } : table;
}

/** The relocations that one section holds. */
export function sectionRelocations(
  file: ByteView,
  section: Section,
  machine: ElfMachine,
): RelocationTable {
  const { offset, size, type } = section;
  switch (type) {
    case SHT_RELA:
    case SHT_REL:
      return parseRecords(file, offset, size, type === SHT_RELA, "section");
    case SHT_RELR:
    case SHT_ANDROID_RELR:
      return parseRelr(file, offset, size, machine);
    case SHT_ANDROID_REL:
    case SHT_ANDROID_RELA:
      return decodeAndroid(file, offset, size, type === SHT_ANDROID_RELA);
    case SHT_CREL:
      return decodeCrel(file, offset, size);
    default:
      return file.fail(offset, "sh_type", `section ${section.name} holds no relocations`);
  }
}
