import { ByteView } from "./byte_view.ts";
import { LebReader } from "./leb_reader.ts";

/** What the value of an attribute is (DWARF 5, section 7.5.5). */
export type AttributeValue =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "block"; readonly value: Uint8Array }
  /** Offset of an entry in .debug_info of this file, or of the supplementary one. */
  | { readonly kind: "reference"; readonly value: number; readonly supplementary: boolean }
  /** Signature of a type unit. */
  | { readonly kind: "signature"; readonly value: bigint };

/** What the forms of a unit depend on. */
export interface FormContext {
  readonly version: number;
  /** Bytes of a section offset: 4 or 8. */
  readonly offsetSize: number;
  readonly addressSize: number;
  /** Offset of the unit in .debug_info. */
  readonly unit: number;
  /** String at an offset of .debug_str, of .debug_line_str, of the supplementary file's, or by index. */
  readonly string: (
    table: "str" | "line" | "supplementary" | "index",
    offset: number,
  ) => string;
}

/** Reads the values of attributes one after another. */
export class FormReader extends LebReader {
  readonly #bytes: ByteView;

  constructor(bytes: ByteView, at: number, end: number) {
    super(bytes, at, end);
    this.#bytes = bytes;
  }

  /** An unsigned number of 1, 2, 3, 4 or 8 bytes; one of 8 above 2^53 is negative or rounded. */
  fixed(size: number, field: string): number {
    if (size === 8) {
      const at = this.skip(8, field);
      return Number(this.#bytes.view.getBigInt64(at, true));
    }
    let value = 0;
    for (let i = 0; i < size; i++) value += this.byte(field) * 2 ** (8 * i);
    return value;
  }

  /** Passes over bytes; answers where they begin. */
  skip(size: number, field: string): number {
    const at = this.at;
    if (size < 0 || at + size > this.end) this.#bytes.fail(at, field, "it ends after its unit");
    this.at = at + size;
    return at;
  }

  #block(size: number, field: string): AttributeValue {
    return { kind: "block", value: this.#bytes.slice(this.skip(size, field), size, field) };
  }

  /** The value of an attribute of a form. */
  value(form: number, constant: number, context: FormContext): AttributeValue {
    const field = `form 0x${form.toString(16)}`;
    const { offsetSize, addressSize, unit, version } = context;
    const number = (value: number): AttributeValue => ({ kind: "number", value });
    const text = (table: Parameters<FormContext["string"]>[0], offset: number): AttributeValue => ({
      kind: "string",
      value: context.string(table, offset),
    });
    const local = (offset: number): AttributeValue => (
      { kind: "reference", value: unit + offset, supplementary: false }
    );
    const other = (offset: number, supplementary: boolean): AttributeValue => (
      { kind: "reference", value: offset, supplementary }
    );
    switch (form) {
      case 0x01: // addr
        return number(this.fixed(addressSize, field));
      case 0x03: // block2
        return this.#block(this.fixed(2, field), field);
      case 0x04: // block4
        return this.#block(this.fixed(4, field), field);
      case 0x05: // data2
        return number(this.fixed(2, field));
      case 0x06: // data4
        return number(this.fixed(4, field));
      case 0x07: // data8
        return number(this.fixed(8, field));
      case 0x08: { // string
        const start = this.at;
        while (this.byte(field) !== 0);
        const bytes = this.#bytes.slice(start, this.at - 1 - start, field);
        return { kind: "string", value: new TextDecoder().decode(bytes) };
      }
      case 0x09: // block
      case 0x18: // exprloc
        return this.#block(this.unsigned(field), field);
      case 0x0a: // block1
        return this.#block(this.fixed(1, field), field);
      case 0x0b: // data1
      case 0x0c: // flag
        return number(this.fixed(1, field));
      case 0x0d: // sdata
        return number(this.sleb(field));
      case 0x0e: // strp
        return text("str", this.fixed(offsetSize, field));
      case 0x0f: // udata
      case 0x1b: // addrx
      case 0x22: // loclistx
      case 0x23: // rnglistx
      case 0x1f01: // GNU_addr_index
        return number(this.unsignedAny(field));
      case 0x10: // ref_addr: DWARF 2 gives it the size of an address
        return other(this.fixed(version <= 2 ? addressSize : offsetSize, field), false);
      case 0x11: // ref1
        return local(this.fixed(1, field));
      case 0x12: // ref2
        return local(this.fixed(2, field));
      case 0x13: // ref4
        return local(this.fixed(4, field));
      case 0x14: // ref8
        return local(this.fixed(8, field));
      case 0x15: // ref_udata
        return local(this.unsigned(field));
      case 0x16: // indirect
        return this.value(this.unsigned(field), constant, context);
      case 0x17: // sec_offset
        return number(this.fixed(offsetSize, field));
      case 0x19: // flag_present
        return number(1);
      case 0x1a: // strx
      case 0x1f02: // GNU_str_index
        return text("index", this.unsigned(field));
      case 0x25: // strx1
      case 0x26:
      case 0x27:
      case 0x28: // strx4
        return text("index", this.fixed(form - 0x24, field));
      case 0x29: // addrx1
      case 0x2a:
      case 0x2b:
      case 0x2c: // addrx4
        return number(this.fixed(form - 0x28, field));
      case 0x1c: // ref_sup4
        return other(this.fixed(4, field), true);
      case 0x24: // ref_sup8
        return other(this.fixed(8, field), true);
      case 0x1f20: // GNU_ref_alt
        return other(this.fixed(offsetSize, field), true);
      case 0x1d: // strp_sup
      case 0x1f21: // GNU_strp_alt
        return text("supplementary", this.fixed(offsetSize, field));
      case 0x1e: // data16
        return this.#block(16, field);
      case 0x1f: // line_strp
        return text("line", this.fixed(offsetSize, field));
      case 0x20: { // ref_sig8
        const at = this.skip(8, field);
        return { kind: "signature", value: this.#bytes.view.getBigUint64(at, true) };
      }
      case 0x21: // implicit_const
        return number(constant);
      default:
        return this.#bytes.fail(this.at, "DW_FORM", `unknown form 0x${form.toString(16)}`);
    }
  }

  /** A signed LEB128 number; one beyond 2^53 is rounded. */
  sleb(field: string): number {
    this.words(field);
    return (this.high | 0) * 2 ** 32 + this.low;
  }

  /** An unsigned LEB128 number; one beyond 2^53 is rounded. */
  unsignedAny(field: string): number {
    let value = 0;
    for (let scale = 1;; scale *= 128) {
      const byte = this.byte(field);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }
}
