import { ElfError } from "./elf_error.ts";
import {
  EHDR_SIZE,
  PHDR_SIZE,
  PT_INTERP,
  PT_ISTHMUS_LINKER,
  PT_NOTE,
  PT_NULL,
} from "./constants.ts";
import { parseHeader, parseSegments, type Segment } from "./headers.ts";
import { ByteView } from "./byte_view.ts";

/** A PT_INTERP below this folder is not a file but the name of a linker. */
export const LINKER_FOLDER = "/isthmus/";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Whether `text` can name a linker: letters, digits, dot, dash and underscore, at most 63. */
export function isLinkerName(text: string): boolean {
  return NAME.test(text);
}

/**
 * The linker that a program asks for by name, undefined if it leaves that to others: the text of a
 * PT_ISTHMUS_LINKER segment, which other loaders pass over, or what follows `/isthmus/` in PT_INTERP.
 * `bytesOf` answers a segment's bytes in the file; `file` is what errors call it.
 */
export function linkerNameOf(
  segments: readonly Segment[],
  bytesOf: (segment: Segment) => Uint8Array,
  file: string,
): string | undefined {
  const own = segments.find(({ type }) => type === PT_ISTHMUS_LINKER);
  const segment = own ?? segments.find(({ type }) => type === PT_INTERP);
  if (segment === undefined) return undefined;
  const bytes = bytesOf(segment);
  const end = bytes.indexOf(0);
  const text = String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end));
  if (own === undefined && !text.startsWith(LINKER_FOLDER)) return undefined;
  const name = own === undefined ? text.slice(LINKER_FOLDER.length) : text;
  if (isLinkerName(name)) return name;
  const field = own === undefined ? "PT_INTERP" : "PT_ISTHMUS_LINKER";
  throw new ElfError(file, segment.offset, field, `${JSON.stringify(name)} names no linker`);
}

/**
 * A copy of an ELF program that asks for the linker `name` by a PT_ISTHMUS_LINKER segment. Its header
 * takes the place of an earlier one, of a PT_NULL or of the last PT_NOTE; the text follows the file.
 */
export function withLinkerName(bytes: Uint8Array, name: string, file: string): Uint8Array {
  const view = new ByteView(bytes, file);
  if (!isLinkerName(name)) view.fail(0, "PT_ISTHMUS_LINKER", `${JSON.stringify(name)} is no name`);
  const header = parseHeader(view);
  const segments = parseSegments(view, header);
  const spare = segments.find(({ type }) => type === PT_ISTHMUS_LINKER) ??
    segments.find(({ type }) => type === PT_NULL) ??
    segments.findLast(({ type }) => type === PT_NOTE);
  if (spare === undefined) {
    return view.fail(EHDR_SIZE, "p_type", "no program header can be spared: PT_NULL or PT_NOTE");
  }
  const text = new TextEncoder().encode(name + "\0");
  const copy = new Uint8Array(bytes.length + text.length);
  copy.set(bytes);
  copy.set(text, bytes.length);
  const entry = new DataView(copy.buffer, header.phoff + spare.index * PHDR_SIZE, PHDR_SIZE);
  new Uint8Array(copy.buffer, entry.byteOffset, PHDR_SIZE).fill(0);
  entry.setUint32(0, PT_ISTHMUS_LINKER, true);
  entry.setUint32(8, bytes.length, true);
  entry.setUint32(32, text.length, true);
  entry.setUint32(48, 1, true);
  return copy;
}
