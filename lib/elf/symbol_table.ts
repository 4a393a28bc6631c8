import type { ByteView } from "./byte_view.ts";
import type { StringTable } from "./string_table.ts";
import type { VersionTable } from "./versions.ts";
import { SHN_XINDEX, SYM_SIZE } from "./constants.ts";

/** One symbol (gABI, "Symbol Table"). */
export interface ElfSymbol {
  readonly index: number;
  readonly name: string;
  /** st_value: an unrelocated address, a TLS offset, or an alignment for SHN_COMMON. */
  readonly value: number;
  readonly size: number;
  /** STB_*. */
  readonly bind: number;
  /** STT_*. */
  readonly type: number;
  /** STV_*. */
  readonly visibility: number;
  /** st_other as it stands, with the processor's own bits. */
  readonly other: number;
  /** Section index, resolved through SHT_SYMTAB_SHNDX where that applies. */
  readonly shndx: number;
  /** The version it defines or needs, where the object has DT_VERSYM and it is not local/global. */
  readonly version?: string;
  /** Defined with `@` rather than `@@`: found only by references that name its version. */
  readonly versionHidden?: boolean;
}

/**
 * A symbol table read in place: the typed accessors read one field of one symbol without
 * allocating; `at` makes an object and keeps it. Indices are checked against the bytes that can
 * belong to the table, so any index below `length` is safe.
 */
export class SymbolTable {
  private readonly made: ElfSymbol[] = [];

  constructor(
    private readonly file: ByteView,
    /** File offset of symbol 0. */
    readonly offset: number,
    /** Number of symbols. */
    readonly length: number,
    /** Number of symbols that fit in the bytes which may belong to the table. */
    private readonly capacity: number,
    private readonly strings: StringTable,
    private readonly versions?: VersionTable,
    /** File offset of the SHT_SYMTAB_SHNDX words, one per symbol. */
    private readonly extendedIndices?: number,
  ) {
    file.touch(offset, Math.min(length, capacity) * SYM_SIZE);
  }

  private locate(index: number, field: string): number {
    if (!(index >= 0 && index < this.capacity)) {
      this.file.fail(this.offset, field, `symbol ${index} is outside the table`);
    }
    return this.offset + index * SYM_SIZE;
  }

  nameIndex(index: number): number {
    return this.file.view.getUint32(this.locate(index, "st_name"), true);
  }

  name(index: number): string {
    return this.strings.at(this.nameIndex(index), "st_name");
  }

  value(index: number): number {
    return this.file.u64(this.locate(index, "st_value") + 8, "st_value");
  }

  size(index: number): number {
    return this.file.u64(this.locate(index, "st_size") + 16, "st_size");
  }

  bind(index: number): number {
    return this.file.bytes[this.locate(index, "st_info") + 4] >> 4;
  }

  type(index: number): number {
    return this.file.bytes[this.locate(index, "st_info") + 4] & 15;
  }

  other(index: number): number {
    return this.file.bytes[this.locate(index, "st_other") + 5];
  }

  shndx(index: number): number {
    const shndx = this.file.view.getUint16(this.locate(index, "st_shndx") + 6, true);
    if (shndx !== SHN_XINDEX || this.extendedIndices === undefined) return shndx;
    return this.file.u32(this.extendedIndices + 4 * index, "st_shndx");
  }

  /** Compares a symbol's name as strcmp would: bytes looked at, negative if it differs. */
  compareName(index: number, name: Uint8Array): number {
    return this.strings.compare(this.nameIndex(index), name);
  }

  /** The symbol at `index`; the same object every time. */
  at(index: number): ElfSymbol {
    return this.made[index] ??= this.make(index);
  }

  private make(index: number): ElfSymbol {
    const other = this.other(index);
    const version = this.versions?.of(index);
    return {
      index,
      name: this.name(index),
      value: this.value(index),
      size: this.size(index),
      bind: this.bind(index),
      type: this.type(index),
      visibility: other & 3,
      other,
      shndx: this.shndx(index),
      ...(version?.name !== undefined
        ? { version: version.name, versionHidden: version.hidden }
        : {}),
    };
  }

  *[Symbol.iterator](): IterableIterator<ElfSymbol> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }
}
