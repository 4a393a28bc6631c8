import type { ByteView } from "./byte_view.ts";
import {
  GNU_PROPERTY_AARCH64_FEATURE_1_AND,
  GNU_PROPERTY_AARCH64_FEATURE_1_BTI,
  NT_GNU_BUILD_ID,
  NT_GNU_PROPERTY_TYPE_0,
} from "./constants.ts";

/** One note (gABI, "Note Section"). */
export interface Note {
  /** Without its NUL, e.g. "GNU". */
  readonly name: string;
  readonly type: number;
  readonly desc: Uint8Array;
  /** File offset of its header. */
  readonly offset: number;
}

/** One property of an NT_GNU_PROPERTY_TYPE_0 note (Linux gABI extensions). */
export interface Property {
  readonly type: number;
  readonly data: Uint8Array;
}

const align = (value: number, to: number): number => Math.ceil(value / to) * to;

/** The notes in `[offset, offset + size)`; `alignment` is the segment's or section's. */
export function parseNotes(
  file: ByteView,
  offset: number,
  size: number,
  alignment: number,
): Note[] {
  file.check(offset, size, "notes");
  const padding = alignment === 8 ? 8 : 4;
  const end = offset + size;
  const notes: Note[] = [];
  for (let at = offset; at + 12 <= end;) {
    const namesz = file.u32(at, "n_namesz");
    const descsz = file.u32(at + 4, "n_descsz");
    const descAt = at + align(12 + namesz, padding);
    if (namesz > end - at - 12) file.fail(at, "n_namesz", `${namesz} bytes run past the notes`);
    if (descsz > end - descAt) file.fail(at + 4, "n_descsz", `${descsz} bytes run past the notes`);
    notes.push({
      name: noteName(file.bytes.subarray(at + 12, at + 12 + namesz)),
      type: file.u32(at + 8, "n_type"),
      desc: file.slice(descAt, descsz, "n_desc"),
      offset: at,
    });
    at = descAt + align(descsz, padding);
  }
  return notes;
}

/** Where a table of notes stands in the file, in bytes. */
export interface NoteTable {
  readonly offset: number;
  readonly size: number;
  readonly alignment: number;
}

/** The notes of several tables, which must not overlap so far as to exceed the file. */
export function parseNoteTables(file: ByteView, tables: readonly NoteTable[]): Note[] {
  const total = tables.reduce((sum, table) => sum + table.size, 0);
  if (total > file.length) {
    file.fail(tables[0].offset, "notes", `${total} bytes of notes in a file of ${file.length}`);
  }
  return tables.flatMap(({ offset, size, alignment }) => parseNotes(file, offset, size, alignment));
}

function noteName(bytes: Uint8Array): string {
  const nul = bytes.indexOf(0);
  let name = "";
  for (const byte of nul < 0 ? bytes : bytes.subarray(0, nul)) name += String.fromCharCode(byte);
  return name;
}

/** The linker's build id in hexadecimal, if a note holds one. */
export function buildIdOf(notes: readonly Note[]): string | undefined {
  const note = notes.find((n) => n.name === "GNU" && n.type === NT_GNU_BUILD_ID);
  if (note === undefined) return undefined;
  return Array.from(note.desc, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether aarch64 code with these properties has landing pads wherever it may be branched to (FEAT_BTI). */
export function hasLandingPads(properties: readonly Property[]): boolean {
  const feature = properties.find((p) => p.type === GNU_PROPERTY_AARCH64_FEATURE_1_AND);
  return feature !== undefined && feature.data.length >= 4 &&
    (feature.data[0] & GNU_PROPERTY_AARCH64_FEATURE_1_BTI) !== 0;
}

/** The properties of the first NT_GNU_PROPERTY_TYPE_0 note. */
export function propertiesOf(file: ByteView, notes: readonly Note[]): Property[] {
  const note = notes.find((n) => n.name === "GNU" && n.type === NT_GNU_PROPERTY_TYPE_0);
  if (note === undefined) return [];
  const { desc } = note;
  const view = new DataView(desc.buffer, desc.byteOffset, desc.byteLength);
  const properties: Property[] = [];
  for (let at = 0; at < desc.length;) {
    if (at + 8 > desc.length) file.fail(note.offset, "pr_type", "the property array is cut off");
    const size = view.getUint32(at + 4, true);
    if (size > desc.length - at - 8) {
      file.fail(note.offset, "pr_datasz", `${size} bytes run past the note`);
    }
    properties.push({
      type: view.getUint32(at, true),
      data: desc.subarray(at + 8, at + 8 + size),
    });
    at += 8 + align(size, 8);
  }
  return properties;
}
