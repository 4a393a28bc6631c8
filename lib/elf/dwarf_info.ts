import { ByteView } from "./byte_view.ts";
import { type AttributeValue, type FormContext, FormReader } from "./dwarf_forms.ts";

/** Tags and attributes that describe types (DWARF 5, sections 7.5.3 and 7.5.4). */
export const DW_TAG = {
  array: 0x01,
  class: 0x02,
  enumeration: 0x04,
  formalParameter: 0x05,
  importedUnit: 0x3d,
  lexicalBlock: 0x0b,
  member: 0x0d,
  pointer: 0x0f,
  reference: 0x10,
  compileUnit: 0x11,
  structure: 0x13,
  subroutineType: 0x15,
  typedef: 0x16,
  union: 0x17,
  unspecifiedParameters: 0x18,
  inheritance: 0x1c,
  subrange: 0x21,
  base: 0x24,
  const: 0x26,
  enumerator: 0x28,
  subprogram: 0x2e,
  variable: 0x34,
  variant: 0x19,
  variantPart: 0x33,
  volatile: 0x35,
  restrict: 0x37,
  namespace: 0x39,
  unspecifiedType: 0x3b,
  partialUnit: 0x3c,
  typeUnit: 0x41,
  rvalueReference: 0x42,
  atomic: 0x47,
} as const;
export const DW_AT = {
  sibling: 0x01,
  name: 0x03,
  byteSize: 0x0b,
  bitSize: 0x0d,
  discr: 0x15,
  discrValue: 0x16,
  constValue: 0x1c,
  upperBound: 0x2f,
  prototyped: 0x27,
  abstractOrigin: 0x31,
  count: 0x37,
  memberLocation: 0x38,
  declaration: 0x3c,
  encoding: 0x3e,
  external: 0x3f,
  specification: 0x47,
  type: 0x49,
  signature: 0x69,
  dataBitOffset: 0x6b,
  linkageName: 0x6e,
  strOffsetsBase: 0x72,
  mipsLinkageName: 0x2007,
} as const;

/** The sections of one file that hold debug information, decompressed. */
export interface DebugSections {
  readonly info: Uint8Array;
  readonly abbrev: Uint8Array;
  readonly str?: Uint8Array;
  readonly lineStr?: Uint8Array;
  readonly strOffsets?: Uint8Array;
  /** .debug_types of DWARF 4. */
  readonly types?: Uint8Array;
}

interface Abbreviation {
  readonly tag: number;
  readonly hasChildren: boolean;
  /** Attribute, form and constant of DW_FORM_implicit_const, one after another. */
  readonly fields: readonly number[];
}

interface Unit extends FormContext {
  readonly section: Section;
  readonly end: number;
  readonly first: number;
  readonly abbreviations: ReadonlyMap<number, Abbreviation>;
  /** Of a type unit: its signature, and the offset of its type. */
  readonly signature?: bigint;
  readonly type?: number;
  strOffsetsBase: number;
}

/** .debug_info or .debug_types, with its units in order. */
interface Section {
  readonly view: ByteView;
  readonly units: Unit[];
}

/** An entry of debug information: a type, function, variable, or part of one. */
export class DebugEntry {
  constructor(
    readonly info: DebugInfo,
    readonly unit: Unit,
    readonly offset: number,
    readonly tag: number,
    readonly attributes: ReadonlyMap<number, AttributeValue>,
    /** Where its children begin, or the next entry. */
    readonly after: number,
    readonly hasChildren: boolean,
  ) {}

  number(attribute: number): number | undefined {
    const value = this.attributes.get(attribute);
    return value?.kind === "number" ? value.value : undefined;
  }

  text(attribute: number): string | undefined {
    const value = this.attributes.get(attribute);
    return value?.kind === "string" ? value.value : undefined;
  }

  get name(): string | undefined {
    return this.text(DW_AT.name);
  }

  get isDeclaration(): boolean {
    return (this.number(DW_AT.declaration) ?? 0) !== 0;
  }

  /** The entry that an attribute refers to. */
  refers(attribute: number): DebugEntry | undefined {
    const value = this.attributes.get(attribute);
    if (value === undefined) return undefined;
    return this.info.referred(value, this);
  }

  children(): DebugEntry[] {
    return this.info.childrenOf(this);
  }
}

/**
 * DWARF 2 to 5 debug information of one file, entries read when they are asked for. What is malformed is an
 * `ElfError`.
 */
export class DebugInfo {
  /** External functions and variables, and declarations of them, by linkage name or name. */
  readonly symbols = new Map<string, DebugEntry[]>();
  /** Types that have a name, by tag and qualified name: `19 geometry::Point`. */
  readonly types = new Map<string, DebugEntry[]>();
  readonly #sections: Section[] = [];
  readonly #signatures = new Map<bigint, Unit>();
  readonly #made = new Map<number, DebugEntry>();
  readonly #keys = new Map<DebugEntry, string>();
  readonly #abbreviations = new Map<number, ReadonlyMap<number, Abbreviation>>();
  readonly #str: Strings;
  readonly #lineStr: Strings;
  readonly #strOffsets: ByteView;
  readonly #abbrev: ByteView;

  constructor(
    sections: DebugSections,
    readonly name: string,
    /** The file that several share entries through (.gnu_debugaltlink, .debug_sup). */
    readonly supplementary?: DebugInfo,
  ) {
    const empty = new Uint8Array(0);
    this.#str = new Strings(sections.str ?? empty, name, ".debug_str");
    this.#lineStr = new Strings(sections.lineStr ?? empty, name, ".debug_line_str");
    this.#strOffsets = new ByteView(sections.strOffsets ?? empty, name);
    this.#abbrev = new ByteView(sections.abbrev, name);
    this.#readUnits(sections.info, false);
    if (sections.types !== undefined) this.#readUnits(sections.types, true);
    for (const { units } of this.#sections) for (const unit of units) this.#index(unit);
  }

  #readUnits(bytes: Uint8Array, areTypes: boolean): void {
    const view = new ByteView(bytes, this.name);
    const section: Section = { view, units: [] };
    this.#sections.push(section);
    for (let at = 0; at < bytes.length;) {
      const unit = this.#unit(section, at, areTypes);
      section.units.push(unit);
      if (unit.signature !== undefined) this.#signatures.set(unit.signature, unit);
      at = unit.end;
    }
  }

  /** The header of a unit (DWARF 5, section 7.5.1). */
  #unit(section: Section, at: number, isTypes: boolean): Unit {
    const { view } = section;
    let length = view.u32(at, "unit_length");
    let offsetSize = 4;
    let next = at + 4;
    if (length === 0xffff_ffff) {
      length = view.u64(at + 4, "unit_length");
      offsetSize = 8;
      next = at + 12;
    }
    const end = next + length;
    view.check(at, end - at, "unit_length");
    const version = view.u16(next, "version");
    if (version < 2 || version > 5) view.fail(next, "version", `DWARF ${version} is unknown`);
    next += 2;
    const offsetAt = (place: number): number =>
      offsetSize === 8 ? view.u64(place, "debug_abbrev_offset") : view.u32(place, "offset");
    let addressSize: number;
    let abbrev: number;
    let type = 1;
    if (version >= 5) {
      type = view.u8(next, "unit_type");
      addressSize = view.u8(next + 1, "address_size");
      abbrev = offsetAt(next + 2);
      next += 2 + offsetSize;
    } else {
      abbrev = offsetAt(next);
      addressSize = view.u8(next + offsetSize, "address_size");
      next += offsetSize + 1;
    }
    let signature: bigint | undefined;
    let typeOffset: number | undefined;
    const isTypeUnit = isTypes || type === 2 || type === 6;
    if (isTypeUnit) {
      view.check(next, 8, "type_signature");
      signature = view.view.getBigUint64(next, true);
      typeOffset = at + offsetAt(next + 8);
      next += 8 + offsetSize;
    } else if (type === 4 || type === 5) next += 8; // dwo_id
    const unit: Unit = {
      ...{ section, version, offsetSize, addressSize, end, signature },
      unit: at,
      type: typeOffset,
      first: next,
      abbreviations: this.#abbreviationsAt(abbrev),
      strOffsetsBase: offsetSize === 8 ? 16 : 8,
      string: (table, offset) => this.#string(table, offset, unit),
    };
    return unit;
  }

  #string(table: Parameters<FormContext["string"]>[0], offset: number, unit: Unit): string {
    if (table === "str") return this.#str.at(offset);
    if (table === "line") return this.#lineStr.at(offset);
    if (table === "supplementary") return this.supplementary?.sharedString(offset) ?? "";
    const at = unit.strOffsetsBase + offset * unit.offsetSize;
    const field = "DW_FORM_strx";
    const place = unit.offsetSize === 8
      ? this.#strOffsets.u64(at, field)
      : this.#strOffsets.u32(at, field);
    return this.#str.at(place);
  }

  sharedString(offset: number): string {
    return this.#str.at(offset);
  }

  #abbreviationsAt(offset: number): ReadonlyMap<number, Abbreviation> {
    const known = this.#abbreviations.get(offset);
    if (known !== undefined) return known;
    const table = new Map<number, Abbreviation>();
    const reader = new FormReader(this.#abbrev, offset, this.#abbrev.length);
    for (;;) {
      const code = reader.unsigned("abbreviation code");
      if (code === 0) break;
      const tag = reader.unsigned("tag");
      const hasChildren = reader.byte("has children") !== 0;
      const fields: number[] = [];
      for (;;) {
        const attribute = reader.unsigned("attribute");
        const form = reader.unsigned("form");
        const constant = form === 0x21 ? reader.sleb("implicit constant") : 0;
        if (attribute === 0 && form === 0) break;
        fields.push(attribute, form, constant);
      }
      table.set(code, { tag, hasChildren, fields });
    }
    this.#abbreviations.set(offset, table);
    return table;
  }

  /** The entry at an offset of a unit's section; where a list of children ends, the offset after the end. */
  #entryAt(unit: Unit, offset: number): DebugEntry | number {
    const { view } = unit.section;
    if (offset < unit.first || offset >= unit.end) {
      return view.fail(offset, "entry", `it is outside of its unit at 0x${unit.unit.toString(16)}`);
    }
    const reader = new FormReader(view, offset, unit.end);
    const code = reader.unsigned("abbreviation code");
    if (code === 0) return reader.at;
    const abbreviation = unit.abbreviations.get(code);
    if (abbreviation === undefined) {
      return view.fail(offset, "abbreviation code", `there is no abbreviation ${code}`);
    }
    const { tag, fields, hasChildren } = abbreviation;
    const attributes = new Map<number, AttributeValue>();
    for (let i = 0; i < fields.length; i += 3) {
      attributes.set(fields[i], reader.value(fields[i + 1], fields[i + 2], unit));
    }
    return new DebugEntry(this, unit, offset, tag, attributes, reader.at, hasChildren);
  }

  /** The entry that a value refers to. */
  referred(value: AttributeValue, from: DebugEntry): DebugEntry | undefined {
    if (value.kind === "signature") {
      const unit = this.#signatures.get(value.value);
      return unit?.type === undefined ? undefined : this.#known(unit, unit.type);
    }
    if (value.kind !== "reference") return undefined;
    if (value.supplementary) return this.supplementary?.entry(value.value);
    const { unit } = from;
    if (value.value >= unit.unit && value.value < unit.end) return this.#known(unit, value.value);
    return this.entry(value.value);
  }

  /** The entry at an offset of .debug_info. */
  entry(offset: number): DebugEntry {
    const { units, view } = this.#sections[0];
    let low = 0;
    let high = units.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (units[middle].end > offset) high = middle;
      else low = middle + 1;
    }
    const unit = units[low];
    if (unit === undefined) return view.fail(offset, "reference", "it is outside of .debug_info");
    return this.#known(unit, offset);
  }

  #known(unit: Unit, offset: number): DebugEntry {
    const key = unit.section === this.#sections[0] ? offset : -1 - offset;
    let entry = this.#made.get(key);
    if (entry === undefined) {
      const made = this.#entryAt(unit, offset);
      if (typeof made === "number") {
        return unit.section.view.fail(offset, "reference", "no entry is there");
      }
      this.#made.set(key, entry = made);
    }
    return entry;
  }

  childrenOf({ unit, after, hasChildren }: DebugEntry): DebugEntry[] {
    const children: DebugEntry[] = [];
    if (!hasChildren) return children;
    for (let at = after;;) {
      const child = this.#entryAt(unit, at);
      if (typeof child === "number") return children;
      children.push(child);
      at = this.#next(child);
    }
  }

  /** Where the entry after one and all of its children is. */
  #next(entry: DebugEntry): number {
    if (!entry.hasChildren) return entry.after;
    const sibling = entry.attributes.get(DW_AT.sibling);
    if (sibling?.kind === "reference" && sibling.value > entry.offset) return sibling.value;
    let at = entry.after;
    for (let depth = 1; depth > 0;) {
      const inner = this.#entryAt(entry.unit, at);
      if (typeof inner === "number") {
        depth--;
        at = inner;
      } else {
        if (inner.hasChildren) depth++;
        at = inner.after;
      }
    }
    return at;
  }

  /** Makes an entry the one that references to its offset find. */
  #keep(entry: DebugEntry): DebugEntry {
    const { unit, offset } = entry;
    this.#made.set(unit.section === this.#sections[0] ? offset : -1 - offset, entry);
    return entry;
  }

  /** The name under which `types` has a type; undefined if it has none. */
  keyOf(type: DebugEntry): string | undefined {
    return this.#keys.get(type);
  }

  /** Notes the names of one unit's types, functions and variables. */
  #index(unit: Unit): void {
    const root = this.#entryAt(unit, unit.first);
    if (typeof root === "number") return;
    unit.strOffsetsBase = root.number(DW_AT.strOffsetsBase) ?? unit.strOffsetsBase;
    this.#indexChildren(root, "");
  }

  #indexChildren(parent: DebugEntry, prefix: string): void {
    for (const entry of this.childrenOf(parent)) {
      const { name, tag } = entry;
      if (tag === DW_TAG.namespace) {
        this.#indexChildren(entry, `${prefix}${name ?? "(anonymous)"}::`);
      } else if (tag === DW_TAG.subprogram || tag === DW_TAG.variable) {
        const linkage = entry.text(DW_AT.linkageName) ?? entry.text(DW_AT.mipsLinkageName);
        const isExternal = (entry.number(DW_AT.external) ?? 0) !== 0;
        const called = linkage ?? (isExternal ? name : undefined);
        if (called !== undefined) push(this.symbols, called, this.#keep(entry));
        const whose = entry.refers(DW_AT.specification) ?? entry.refers(DW_AT.abstractOrigin);
        const their = whose?.text(DW_AT.linkageName) ?? whose?.name;
        if (called === undefined && their !== undefined && whose!.number(DW_AT.external)) {
          push(this.symbols, their, this.#keep(entry));
        }
      } else if (NAMED_TYPES.has(tag) && name !== undefined) {
        const key = `${tag} ${prefix}${name}`;
        this.#keys.set(this.#keep(entry), key);
        push(this.types, key, entry);
      }
    }
  }
}

const NAMED_TYPES: ReadonlySet<number> = new Set([
  DW_TAG.structure,
  DW_TAG.class,
  DW_TAG.union,
  DW_TAG.enumeration,
]);

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

/** A section of NUL-terminated strings. */
class Strings {
  readonly #decoder = new TextDecoder();
  readonly #known = new Map<number, string>();
  constructor(
    readonly bytes: Uint8Array,
    readonly file: string,
    readonly section: string,
  ) {}

  at(offset: number): string {
    let text = this.#known.get(offset);
    if (text !== undefined) return text;
    const end = offset < this.bytes.length ? this.bytes.indexOf(0, offset) : -1;
    if (end < 0) {
      return new ByteView(this.bytes, this.file).fail(offset, this.section, "no string is there");
    }
    text = this.#decoder.decode(this.bytes.subarray(offset, end));
    this.#known.set(offset, text);
    return text;
  }
}
