/**
 * C structures of the guest's ABI: declared once as a list of fields, laid out by the psABI's
 * rules (both architectures are LP64 with natural alignment), read and written as plain objects.
 *
 * 64-bit fields are JavaScript numbers: exact below 2^53; a negative number is written as two's
 * complement.
 */

export type FieldType =
  | "u8"
  | "u16"
  | "i16"
  | "u32"
  | "i32"
  | "u64"
  | "i64"
  /** Padding or a field that is always zero: bytes. */
  | { readonly zero: number };

const WIDTH = { u8: 1, u16: 2, i16: 2, u32: 4, i32: 4, u64: 8, i64: 8 } as const;

interface PlacedField {
  readonly name: string;
  readonly type: Exclude<FieldType, object>;
  readonly offset: number;
}

/** Values of a structure's fields. */
export type Values<Name extends string> = { [K in Name]: number };

/** A structure type: size, field offsets, conversion to and from bytes. */
export class Struct<Name extends string> {
  readonly size: number;
  readonly #fields: PlacedField[] = [];
  readonly #offsets: Map<string, number> = new Map();

  /** `packed` drops alignment, as `__attribute__((packed))` does. */
  constructor(
    readonly name: string,
    fields: { readonly [K in Name]: FieldType },
    options: { packed?: boolean; size?: number } = {},
  ) {
    let offset = 0;
    let align = 1;
    for (const key of Object.keys(fields) as Name[]) {
      const type: FieldType = fields[key];
      if (typeof type === "object") {
        this.#offsets.set(key, offset);
        offset += type.zero;
        continue;
      }
      const width = WIDTH[type];
      if (!options.packed) {
        offset = Math.ceil(offset / width) * width;
        align = Math.max(align, width);
      }
      this.#offsets.set(key, offset);
      this.#fields.push({ name: key, type, offset });
      offset += width;
    }
    this.size = options.size ?? Math.ceil(offset / align) * align;
  }

  /** Byte offset of a field. */
  offset(field: Name): number {
    return this.#offsets.get(field)!;
  }

  /** Bytes of the structure; absent fields are zero. */
  encode(values: Partial<Values<Name>>): Uint8Array {
    const bytes = new Uint8Array(this.size);
    this.write(new DataView(bytes.buffer), 0, values);
    return bytes;
  }

  /** Write the fields named in `values` at `at`; other bytes stay. */
  write(view: DataView, at: number, values: Partial<Values<Name>>): void {
    for (const { name, type, offset } of this.#fields) {
      const value = values[name as Name];
      if (value === undefined) continue;
      switch (type) {
        case "u8":
          view.setUint8(at + offset, value);
          break;
        case "u16":
        case "i16":
          view.setUint16(at + offset, value, true);
          break;
        case "u32":
        case "i32":
          view.setUint32(at + offset, value, true);
          break;
        default:
          setNumber64(view, at + offset, value);
      }
    }
  }

  /** Read all fields from `at`. */
  decode(bytes: Uint8Array | DataView, at: number = 0): Values<Name> {
    const view = bytes instanceof DataView
      ? bytes
      : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const values: { [name: string]: number } = {};
    for (const { name, type, offset } of this.#fields) {
      const p = at + offset;
      switch (type) {
        case "u8":
          values[name] = view.getUint8(p);
          break;
        case "u16":
          values[name] = view.getUint16(p, true);
          break;
        case "i16":
          values[name] = view.getInt16(p, true);
          break;
        case "u32":
          values[name] = view.getUint32(p, true);
          break;
        case "i32":
          values[name] = view.getInt32(p, true);
          break;
        case "u64":
          values[name] = getUnsigned64(view, p);
          break;
        default:
          values[name] = getSigned64(view, p);
      }
    }
    return values as Values<Name>;
  }
}

/** Little-endian u64 as a number, exact below 2^53. */
export function getUnsigned64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

/** Little-endian i64 as a number, exact below 2^53 in magnitude. */
export function getSigned64(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

/** Write a number as 64 bits, two's complement when negative. */
export function setNumber64(view: DataView, at: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  view.setUint32(at, value - high * 0x1_0000_0000, true);
  view.setUint32(at + 4, high, true);
}
