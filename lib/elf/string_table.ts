import type { ByteView } from "./byte_view.ts";

/** Longer names are refused. */
const LONGEST_NAME = 1 << 20;
/** Names up to this length cost so little that a table may hand out any number of them. */
const SHORT_NAME = 256;
/** Longer ones may overlap, but only so far: together they may be this many times the table. */
const LONG_NAMES_LIMIT = 16;

const decoder = new TextDecoder();

/** Decodes the bytes `[start, end)` as UTF-8, with a short way for short ASCII names. */
function decode(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > 64) return decoder.decode(bytes.subarray(start, end));
  let text = "";
  for (let i = start; i < end; i++) {
    const byte = bytes[i];
    if (byte >= 0x80) return decoder.decode(bytes.subarray(start, end));
    text += String.fromCharCode(byte);
  }
  return text;
}

/** A table of NUL-terminated strings (gABI, "String Table") at `[offset, offset + size)` of a file. */
export class StringTable {
  private readonly longNames = new Map<number, string>();
  private longBytes = 0;

  constructor(
    private readonly file: ByteView,
    /** File offset of the table's first byte. */
    readonly offset: number,
    /** Size in bytes. */
    readonly size: number,
    field: string,
  ) {
    file.check(offset, size, field);
  }

  /** The string at byte `index` of the table; `field` names what holds the index. */
  at(index: number, field: string): string {
    if (!(index >= 0 && index < this.size)) {
      // An index of 0 into an empty table is how the gABI spells "no name".
      if (index === 0) return "";
      this.file.fail(
        this.offset + this.size,
        field,
        `index 0x${index.toString(16)} is outside the string table of 0x${
          this.size.toString(16)
        } bytes`,
      );
    }
    const start = this.offset + index;
    const limit = Math.min(this.offset + this.size, start + LONGEST_NAME);
    const bytes = this.file.bytes;
    let end = start;
    while (end < limit && bytes[end] !== 0) end++;
    if (end === limit) this.file.fail(start, field, "string is unterminated or over 1 MiB");
    if (end - start > SHORT_NAME) return this.longName(start, end, field);
    return decode(bytes, start, end);
  }

  private longName(start: number, end: number, field: string): string {
    let name = this.longNames.get(start);
    if (name === undefined) {
      this.longBytes += end - start;
      if (this.longBytes > LONG_NAMES_LIMIT * this.size) {
        this.file.fail(start, field, "the strings of the table overlap too much");
      }
      name = decoder.decode(this.file.bytes.subarray(start, end));
      this.longNames.set(start, name);
    }
    return name;
  }

  /**
   * Compares the string at `index` with `name` (without its NUL) as strcmp does. Returns the number
   * of bytes it looked at, negative if they differ.
   */
  compare(index: number, name: Uint8Array): number {
    const bytes = this.file.bytes;
    const start = this.offset + index;
    const end = this.offset + this.size;
    const length = name.length;
    for (let i = 0; i <= length; i++) {
      const at = start + i;
      if (at >= end) return -(i + 1);
      if (bytes[at] !== (i < length ? name[i] : 0)) return -(i + 1);
    }
    return length + 1;
  }
}
