/** Source lines of code addresses, from `.debug_line` (DWARF 2 to 5, chapter 6.2). */
import { ByteView } from "./byte_view.ts";
import type { ElfFile } from "./elf_file.ts";
import { LebReader } from "./leb_reader.ts";

/** A row of the line table: what lies at an address, up to the next row's. */
export interface LineRow {
  readonly address: number;
  /** Path of the source file; relative to the directory of the compilation. Empty where a sequence ends. */
  readonly file: string;
  readonly line: number;
}

/** Flag of sections that are compressed; those are not read. */
const SHF_COMPRESSED = 0x800;
/** Standard opcodes. */
const [COPY, ADVANCE_PC, ADVANCE_LINE, SET_FILE] = [1, 2, 3, 4];
const [SET_COLUMN, CONST_ADD_PC, FIXED_ADVANCE_PC] = [5, 8, 9];
const SET_ISA = 12;
/** Extended opcodes. */
const [END_SEQUENCE, SET_ADDRESS] = [1, 2];
/** Content types and forms of version 5. */
const [LNCT_PATH, LNCT_DIRECTORY] = [1, 2];
const FORM = { string: 0x08, strp: 0x0e, lineStrp: 0x1f, udata: 0x0f, block: 0x09 } as const;
/** Bytes of forms of fixed size: data1, data2, data4, data8, data16. */
const FIXED: Readonly<Record<number, number>> = { 0x0b: 1, 0x05: 2, 0x06: 4, 0x07: 8, 0x1e: 16 };

/**
 * All rows of a file's line table, ascending by address; none without `.debug_line`, or where it is
 * compressed. Throws an `ElfError` where the table is malformed.
 */
export function lineRows(elf: ElfFile): LineRow[] {
  const bytesOf = (name: string): Uint8Array => {
    const section = elf.section(name);
    if (section === undefined || (section.flags & SHF_COMPRESSED) !== 0) return new Uint8Array();
    return elf.sectionBytes(section);
  };
  const file = new ByteView(bytesOf(".debug_line"), `${elf.name} .debug_line`);
  const strings = {
    [FORM.strp]: bytesOf(".debug_str"),
    [FORM.lineStrp]: bytesOf(".debug_line_str"),
  };
  const rows: LineRow[] = [];
  for (let at = 0; at < file.length;) at = new Unit(file, at, strings).rows(rows);
  return rows.sort((a, b) => a.address - b.address || (a.file === "" ? -1 : 0));
}

/** The row that an address lies in, of rows in ascending order. */
export function lineAt(rows: readonly LineRow[], address: number): LineRow | undefined {
  let low = 0;
  for (let high = rows.length; low < high;) {
    const middle = (low + high) >> 1;
    if (rows[middle].address <= address) low = middle + 1;
    else high = middle;
  }
  const row = rows[low - 1];
  return row === undefined || row.file === "" ? undefined : row;
}

/** One unit's program. */
class Unit {
  readonly #file: ByteView;
  readonly #reader: LebReader;
  readonly #strings: Readonly<Record<number, Uint8Array>>;
  readonly #end: number;
  readonly #long: boolean;
  readonly #version: number;
  #directories: string[] = [];
  #files: string[] = [];

  constructor(file: ByteView, start: number, strings: Readonly<Record<number, Uint8Array>>) {
    this.#file = file;
    this.#strings = strings;
    file.check(start, 4, "unit_length");
    this.#long = file.view.getUint32(start, true) === 0xffffffff;
    const at = start + (this.#long ? 12 : 4);
    file.check(start, this.#long ? 14 : 6, "unit_length");
    const length = this.#long
      ? Number(file.view.getBigUint64(start + 4, true))
      : file.view.getUint32(start, true);
    file.check(at, length, "unit_length");
    this.#end = at + length;
    this.#reader = new LebReader(file, at, this.#end);
    this.#version = this.#fixed(2);
    if (this.#version < 2 || this.#version > 5) {
      file.fail(at, "version", `${this.#version} is none of 2 to 5`);
    }
  }

  #fixed(size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value += this.#reader.byte("the line table") * 256 ** i;
    return value;
  }
  #signedByte(): number {
    return (this.#reader.byte("the line table") << 24) >> 24;
  }
  #unsigned(): number {
    return this.#reader.unsigned("the line table");
  }
  #string(): string {
    const start = this.#reader.at;
    while (this.#reader.byte("a path") !== 0);
    return new TextDecoder().decode(this.#file.bytes.subarray(start, this.#reader.at - 1));
  }

  /** Appends the unit's rows; returns where the next unit begins. */
  rows(rows: LineRow[]): number {
    if (this.#version === 5) this.#reader.at += 2; // address and segment selector sizes
    const headerLength = this.#fixed(this.#long ? 8 : 4);
    const program = this.#reader.at + headerLength;
    const minimum = this.#fixed(1);
    if (this.#version >= 4) this.#fixed(1); // operations of a VLIW instruction
    this.#fixed(1); // default_is_stmt
    const lineBase = this.#signedByte();
    const lineRange = this.#fixed(1);
    const opcodeBase = this.#fixed(1);
    const lengths = Array.from({ length: opcodeBase - 1 }, () => this.#fixed(1));
    if (lineRange === 0) this.#file.fail(this.#reader.at, "line_range", "is zero");
    if (this.#version === 5) this.#tables();
    else this.#oldTables();
    this.#reader.at = program;

    let address = 0, line = 1, index = 1;
    const nameOf = (): string => this.#files[index] ?? "?";
    const emit = (end: boolean): void => {
      rows.push({ address, file: end ? "" : nameOf(), line });
    };
    while (this.#reader.at < this.#end) {
      const opcode = this.#fixed(1);
      if (opcode >= opcodeBase) {
        const adjusted = opcode - opcodeBase;
        address += Math.floor(adjusted / lineRange) * minimum;
        line += lineBase + adjusted % lineRange;
        emit(false);
      } else if (opcode === 0) {
        const length = this.#unsigned();
        const next = this.#reader.at + length;
        const extended = this.#fixed(1);
        if (extended === END_SEQUENCE) {
          emit(true);
          address = 0;
          line = index = 1;
        } else if (extended === SET_ADDRESS) address = this.#fixed(length - 1);
        this.#reader.at = next;
      } else if (opcode === COPY) emit(false);
      else if (opcode === ADVANCE_PC) address += this.#unsigned() * minimum;
      else if (opcode === ADVANCE_LINE) line += this.#reader.number("the line table");
      else if (opcode === SET_FILE) index = this.#unsigned();
      else if (opcode === CONST_ADD_PC) {
        address += Math.floor((255 - opcodeBase) / lineRange) * minimum;
      } else if (opcode === FIXED_ADVANCE_PC) address += this.#fixed(2);
      else if (opcode === SET_COLUMN || opcode === SET_ISA) this.#unsigned();
      // Others, known and unknown, say how many operands they have.
      else for (let i = 0; i < lengths[opcode - 1]; i++) this.#unsigned();
    }
    return this.#end;
  }

  #join(directory: string | undefined, name: string): string {
    return name.startsWith("/") || !directory ? name : `${directory}/${name}`;
  }

  /** Versions 2 to 4: directories, then files, which count from 1. */
  #oldTables(): void {
    this.#directories = [""];
    for (let path = this.#string(); path !== ""; path = this.#string()) {
      this.#directories.push(path);
    }
    this.#files = ["?"];
    for (let path = this.#string(); path !== ""; path = this.#string()) {
      const directory = this.#unsigned();
      this.#unsigned();
      this.#unsigned();
      this.#files.push(this.#join(this.#directories[directory], path));
    }
  }

  /** Version 5: both tables say what their entries have; files count from 0. */
  #tables(): void {
    this.#directories = this.#entries().map(({ path }) => path);
    this.#files = this.#entries().map(({ path, directory }) =>
      this.#join(this.#directories[directory], path)
    );
  }
  #entries(): { path: string; directory: number }[] {
    const formats = Array.from({ length: this.#fixed(1) }, () => ({
      content: this.#unsigned(),
      form: this.#unsigned(),
    }));
    return Array.from({ length: this.#unsigned() }, () => {
      const entry = { path: "?", directory: 0 };
      for (const { content, form } of formats) {
        const value = this.#form(form);
        if (content === LNCT_PATH) entry.path = `${value}`;
        else if (content === LNCT_DIRECTORY) entry.directory = Number(value);
      }
      return entry;
    });
  }
  #form(form: number): string | number {
    if (form === FORM.string) return this.#string();
    if (form === FORM.strp || form === FORM.lineStrp) {
      const offset = this.#fixed(this.#long ? 8 : 4);
      const bytes = this.#strings[form];
      const end = bytes.indexOf(0, offset);
      return new TextDecoder().decode(bytes.subarray(offset, end < 0 ? bytes.length : end));
    }
    if (form === FORM.udata) return this.#unsigned();
    if (form === FORM.block) {
      this.#reader.at += this.#unsigned();
      return 0;
    }
    const size = FIXED[form];
    if (size === undefined) {
      this.#file.fail(this.#reader.at, "form", `0x${form.toString(16)} is not expected here`);
    }
    return this.#fixed(size);
  }
}
