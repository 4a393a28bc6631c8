import { ByteView } from "./byte_view.ts";
import type { ElfFile } from "./elf_file.ts";
import { PF_X, PT_GNU_EH_FRAME, PT_LOAD, SHT_NOBITS } from "./constants.ts";

/** Code of one function (or a part the compiler split off): addresses `[start, end)`. */
export interface FunctionRange {
  readonly start: number;
  readonly end: number;
}

/** One frame description entry (LSB core, "Exception Frames"). */
export interface FrameDescription extends FunctionRange {
  /** Address of the entry itself. */
  readonly vaddr: number;
}

/** One row of .eh_frame_hdr's binary search table. */
export interface FrameIndexEntry {
  readonly start: number;
  /** Address of the entry's FDE. */
  readonly fde: number;
}

/** Where a table stands: `size` bytes at file offset `offset`, mapped at `vaddr`. */
interface Table {
  readonly offset: number;
  readonly size: number;
  readonly vaddr: number;
}

/** DWARF pointer encodings (LSB core, "DWARF Exception Header Encoding"). */
const DW_EH_PE_uleb128 = 0x01;
const DW_EH_PE_udata2 = 0x02;
const DW_EH_PE_udata4 = 0x03;
const DW_EH_PE_udata8 = 0x04;
const DW_EH_PE_sleb128 = 0x09;
const DW_EH_PE_sdata2 = 0x0a;
const DW_EH_PE_sdata4 = 0x0b;
const DW_EH_PE_sdata8 = 0x0c;
const DW_EH_PE_absptr = 0x00;
const DW_EH_PE_pcrel = 0x10;
const DW_EH_PE_datarel = 0x30;
const DW_EH_PE_aligned = 0x50;
const DW_EH_PE_omit = 0xff;

/** Reads DWARF values one after another from a table; never past its end. */
class FrameCursor {
  constructor(
    private readonly file: ByteView,
    private readonly table: Table,
    /** File offset of the next byte. */
    public at: number,
    /** File offset where reading must stop. */
    private readonly end: number,
    /** What DW_EH_PE_datarel pointers are relative to. */
    private readonly dataBase: number,
  ) {}

  private take(size: number, field: string): number {
    const at = this.at;
    if (at + size > this.end) this.file.fail(at, field, "the entry ends inside it");
    this.file.touch(at, size);
    this.at = at + size;
    return at;
  }

  get vaddr(): number {
    return this.table.vaddr + (this.at - this.table.offset);
  }

  u8(field: string): number {
    return this.file.bytes[this.take(1, field)];
  }

  u32(field: string): number {
    return this.file.u32(this.take(4, field), field);
  }

  skip(size: number, field: string): void {
    this.take(size, field);
  }

  /** An unsigned LEB128 number below 2^53. */
  uleb(field: string): number {
    const start = this.at;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.u8(field);
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if ((byte & 0x80) === 0) {
        if (!Number.isSafeInteger(value)) this.file.fail(start, field, "it is beyond 2^53");
        return value;
      }
    }
    return this.file.fail(start, field, "the number is longer than 64 bits");
  }

  /** A signed LEB128 number within ±2^53. */
  sleb(field: string): number {
    const start = this.at;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.u8(field);
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if ((byte & 0x80) === 0) {
        if ((byte & 0x40) !== 0) value -= scale;
        if (!Number.isSafeInteger(value)) this.file.fail(start, field, "it is beyond 2^53");
        return value;
      }
    }
    return this.file.fail(start, field, "the number is longer than 64 bits");
  }

  /** A NUL-terminated string of at most 16 characters. */
  string(field: string): string {
    const start = this.at;
    let text = "";
    for (let byte = this.u8(field); byte !== 0; byte = this.u8(field)) {
      text += String.fromCharCode(byte);
      if (text.length > 16) this.file.fail(start, field, "it is over 16 characters long");
    }
    return text;
  }

  /** A value in the format of an encoding's low four bits. */
  private value(format: number, field: string): number {
    switch (format) {
      case DW_EH_PE_uleb128:
        return this.uleb(field);
      case DW_EH_PE_sleb128:
        return this.sleb(field);
      case DW_EH_PE_udata2:
        return this.file.u16(this.take(2, field), field);
      case DW_EH_PE_sdata2:
        return (this.file.u16(this.take(2, field), field) << 16) >> 16;
      case DW_EH_PE_udata4:
        return this.u32(field);
      case DW_EH_PE_sdata4:
        return this.file.i32(this.take(4, field), field);
      case DW_EH_PE_absptr:
      case DW_EH_PE_udata8:
        return this.file.u64(this.take(8, field), field);
      case DW_EH_PE_sdata8:
        return this.file.i64(this.take(8, field), field);
      default:
        return this.file.fail(this.at, field, `unknown pointer format 0x${format.toString(16)}`);
    }
  }

  /** An encoded size: the encoding's format without its base. */
  size(encoding: number, field: string): number {
    return this.value(encoding & 0x0f, field);
  }

  /** An encoded pointer; an indirect one yields the address of the pointer. */
  pointer(encoding: number, field: string): number {
    const base = encoding & 0x70;
    if (base === DW_EH_PE_aligned) {
      this.skip((8 - (this.vaddr % 8)) % 8, field);
      return this.value(DW_EH_PE_absptr, field);
    }
    const from = this.vaddr;
    const value = this.value(encoding & 0x0f, field);
    if (base === 0) return value;
    if (base === DW_EH_PE_pcrel) return from + value;
    if (base === DW_EH_PE_datarel) return this.dataBase + value;
    return this.file.fail(this.at, field, `pointer base 0x${base.toString(16)} is not supported`);
  }
}

/** .eh_frame and .eh_frame_hdr of one file. */
class FrameTables {
  private readonly file: ByteView;
  /** File offset of a CIE to the encoding of its FDEs' pointers. */
  private readonly encodings = new Map<number, number>();

  constructor(private readonly elf: ElfFile) {
    this.file = new ByteView(elf.bytes, elf.name, elf.fill);
  }

  private headerTable(): Table | undefined {
    const segment = this.elf.segments.find((s) => s.type === PT_GNU_EH_FRAME);
    if (segment === undefined || segment.filesz === 0) return undefined;
    this.file.check(segment.offset, segment.filesz, "PT_GNU_EH_FRAME");
    return { offset: segment.offset, size: segment.filesz, vaddr: segment.vaddr };
  }

  /** .eh_frame: found through .eh_frame_hdr, else by its section. */
  private frameTable(): Table | undefined {
    const header = this.headerTable();
    if (header === undefined) {
      const section = this.elf.section(".eh_frame");
      if (section === undefined || section.type === SHT_NOBITS) return undefined;
      this.file.check(section.offset, section.size, ".eh_frame");
      return { offset: section.offset, size: section.size, vaddr: section.addr };
    }
    const { cursor, encodings } = this.openHeader(header);
    if (encodings.frames === DW_EH_PE_omit) return undefined;
    const vaddr = cursor.pointer(encodings.frames, "eh_frame_ptr");
    const segment = this.elf.segments.find((s) =>
      s.type === PT_LOAD && vaddr >= s.vaddr && vaddr - s.vaddr < s.filesz
    );
    if (segment === undefined) {
      return this.file.fail(
        header.offset,
        "eh_frame_ptr",
        `no PT_LOAD holds 0x${vaddr.toString(16)}`,
      );
    }
    const offset = segment.offset + (vaddr - segment.vaddr);
    const available = segment.filesz - (vaddr - segment.vaddr);
    this.file.check(offset, available, ".eh_frame");
    return { offset, size: this.frameTableSize(vaddr, offset, available), vaddr };
  }

  /**
   * Nothing states .eh_frame's size and not every link editor ends it with a zero length: it reaches
   * to the end of the last FDE that the search table knows, or without one to its segment's end.
   */
  private frameTableSize(vaddr: number, offset: number, available: number): number {
    let last = -1;
    for (const { fde } of this.index()) last = Math.max(last, fde);
    if (last < 0) return available;
    const at = offset + (last - vaddr);
    if (at < offset || at + 4 > offset + available) {
      this.file.fail(offset, "address", `FDE 0x${last.toString(16)} is not in .eh_frame`);
    }
    return this.entry(at, offset + available).next - offset;
  }

  private openHeader(header: Table) {
    const cursor = new FrameCursor(
      this.file,
      header,
      header.offset,
      header.offset + header.size,
      header.vaddr,
    );
    const version = cursor.u8("version");
    if (version !== 1) this.file.fail(header.offset, "version", `unknown version ${version}`);
    const encodings = {
      frames: cursor.u8("eh_frame_ptr_enc"),
      count: cursor.u8("fde_count_enc"),
      table: cursor.u8("table_enc"),
    };
    return { cursor, encodings };
  }

  /** The binary search table of .eh_frame_hdr; empty where the file has none. */
  index(): FrameIndexEntry[] {
    const header = this.headerTable();
    if (header === undefined) return [];
    const { cursor, encodings } = this.openHeader(header);
    if (encodings.frames === DW_EH_PE_omit || encodings.count === DW_EH_PE_omit) return [];
    if (encodings.table === DW_EH_PE_omit) return [];
    cursor.pointer(encodings.frames, "eh_frame_ptr");
    const count = cursor.pointer(encodings.count, "fde_count");
    if (count * 2 > header.size) {
      this.file.fail(header.offset, "fde_count", `${count} entries in ${header.size} bytes`);
    }
    const entries: FrameIndexEntry[] = [];
    for (let i = 0; i < count; i++) {
      const start = cursor.pointer(encodings.table, "initial_loc");
      entries.push({ start, fde: cursor.pointer(encodings.table, "address") });
    }
    return entries;
  }

  /** Every FDE of .eh_frame, in file order. */
  descriptions(): FrameDescription[] {
    const table = this.frameTable();
    if (table === undefined) return [];
    const descriptions: FrameDescription[] = [];
    const end = table.offset + table.size;
    for (let at = table.offset; at + 4 <= end;) {
      const { body, next } = this.entry(at, end);
      if (next === body) break;
      const id = this.file.u32(body, "CIE_pointer");
      if (id !== 0) {
        const cie = body - id;
        if (cie < table.offset) this.file.fail(body, "CIE_pointer", "it points before the table");
        const encoding = this.pointerEncoding(table, cie);
        const cursor = new FrameCursor(this.file, table, body + 4, next, table.vaddr);
        const start = cursor.pointer(encoding, "pc_begin");
        const size = cursor.size(encoding, "pc_range");
        const vaddr = table.vaddr + (at - table.offset);
        descriptions.push({ start, end: start + size, vaddr });
      }
      at = next;
    }
    return descriptions;
  }

  /** The bounds of the entry at `at`: its first byte after the length, and its end. */
  private entry(at: number, end: number): { body: number; next: number } {
    let length = this.file.u32(at, "length");
    let body = at + 4;
    if (length === 0xffffffff) {
      length = this.file.u64(body, "extended length");
      body += 8;
    }
    if (length !== 0 && (length < 4 || length > end - body)) {
      this.file.fail(at, "length", `an entry of ${length} bytes does not fit in .eh_frame`);
    }
    return { body, next: body + length };
  }

  /** The encoding of the pointers in the FDEs of the CIE at file offset `at`. */
  private pointerEncoding(table: Table, at: number): number {
    const known = this.encodings.get(at);
    if (known !== undefined) return known;
    const { body, next } = this.entry(at, table.offset + table.size);
    const cursor = new FrameCursor(this.file, table, body, next, table.vaddr);
    if (cursor.u32("CIE_id") !== 0) this.file.fail(body, "CIE_id", "an FDE's CIE is no CIE");
    const version = cursor.u8("CIE version");
    if (version !== 1 && version !== 3) {
      this.file.fail(body + 4, "CIE version", `unknown version ${version}`);
    }
    const augmentation = cursor.string("augmentation");
    cursor.uleb("code_alignment_factor");
    cursor.sleb("data_alignment_factor");
    if (version === 1) cursor.u8("return_address_register");
    else cursor.uleb("return_address_register");
    const encoding = this.augmentedEncoding(cursor, augmentation);
    this.encodings.set(at, encoding);
    return encoding;
  }

  private augmentedEncoding(cursor: FrameCursor, augmentation: string): number {
    if (augmentation === "") return DW_EH_PE_absptr;
    if (augmentation[0] !== "z") {
      this.file.fail(cursor.at, "augmentation", `"${augmentation}" does not start with "z"`);
    }
    cursor.uleb("augmentation length");
    for (const letter of augmentation.slice(1)) {
      if (letter === "R") return cursor.u8("FDE pointer encoding");
      if (letter === "L") cursor.u8("LSDA encoding");
      if (letter === "P") {
        const encoding = cursor.u8("personality encoding");
        if (encoding !== DW_EH_PE_omit) cursor.pointer(encoding, "personality");
      }
      // S (signal frame), B (pointer authentication) and G (memory tags) carry no data here.
      if (!"RLPSBG".includes(letter)) {
        this.file.fail(cursor.at, "augmentation", `unknown letter "${letter}"`);
      }
    }
    return DW_EH_PE_absptr;
  }
}

/** Every FDE of a file's .eh_frame, in file order; empty where it has none. */
export function frameDescriptions(elf: ElfFile): FrameDescription[] {
  return new FrameTables(elf).descriptions();
}

/** The search table of a file's .eh_frame_hdr; empty where it has none. */
export function frameIndex(elf: ElfFile): FrameIndexEntry[] {
  return new FrameTables(elf).index();
}

/**
 * The code that a file's FDEs describe, ascending, one range a start address, each inside an
 * executable segment: where a decoder may safely begin and must stop.
 */
export function functionRanges(elf: ElfFile): FunctionRange[] {
  const code = elf.loadSegments.filter((s) => (s.flags & PF_X) !== 0);
  const frames = frameDescriptions(elf).sort((a, b) => a.start - b.start || b.end - a.end);
  const ranges: FunctionRange[] = [];
  let last = -1;
  let segment = 0;
  for (const { start, end } of frames) {
    while (segment < code.length && start >= code[segment].vaddr + code[segment].filesz) segment++;
    if (segment === code.length) break;
    const { vaddr, filesz } = code[segment];
    if (start === last || start >= end || start < vaddr || end > vaddr + filesz) continue;
    ranges.push({ start, end });
    last = start;
  }
  return ranges;
}
