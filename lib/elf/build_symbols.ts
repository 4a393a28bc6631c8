import { ByteWriter } from "./byte_writer.ts";
import { LookupKey, sysvHash } from "./hash.ts";
import type { BuilderSection } from "./build_layout.ts";
import {
  SHN_ABS,
  SHN_UNDEF,
  STB_GLOBAL,
  STB_LOCAL,
  STT_NOTYPE,
  STT_TLS,
  STV_DEFAULT,
  VER_FLG_BASE,
  VER_NDX_GLOBAL,
  VER_NDX_LOCAL,
  VERSYM_HIDDEN,
} from "./constants.ts";

/** A symbol of an object being built. Without `section` and `absolute` it is undefined. */
export interface SymbolSpec {
  readonly name: string;
  /** Where it is defined; `value` is then an offset in bytes into the section. */
  readonly section?: BuilderSection;
  /** Defined as SHN_ABS; `value` is then the value itself. */
  readonly absolute?: boolean;
  readonly value?: number;
  /** In bytes. */
  readonly size?: number;
  /** STB_*; STB_GLOBAL if absent. */
  readonly bind?: number;
  /** STT_*; STT_NOTYPE if absent. */
  readonly type?: number;
  /** STV_*, with the processor's own st_other bits. */
  readonly other?: number;
  /** The version it defines, or needs of `versionFile`. */
  readonly version?: string;
  /** Defines `name@version` rather than `name@@version`. */
  readonly versionHidden?: boolean;
  /** The DT_NEEDED name of the file an undefined symbol's version is needed of. */
  readonly versionFile?: string;
}

/** A string table that stores equal strings once. */
export class StringTableWriter {
  private readonly offsets = new Map<string, number>([["", 0]]);
  private readonly writer = new ByteWriter().u8(0);

  add(text: string): number {
    const known = this.offsets.get(text);
    if (known !== undefined) return known;
    const offset = this.writer.length;
    this.writer.string(text);
    this.offsets.set(text, offset);
    return offset;
  }

  finish(): Uint8Array {
    return this.writer.finish();
  }
}

const encoder = new TextEncoder();
const versionHash = (name: string): number => sysvHash(encoder.encode(name));

function isDefined(symbol: SymbolSpec): boolean {
  return symbol.section !== undefined || symbol.absolute === true;
}

/** The order of the dynamic symbol table, and every table whose contents follow from it. */
export class SymbolTables {
  /** Symbol i + 1 of the table (symbol 0 is the null symbol). */
  readonly ordered: readonly SymbolSpec[];
  /** Index of the first symbol that is not local. */
  readonly firstGlobal: number;
  private readonly indices = new Map<SymbolSpec, number>();
  private readonly firstHashed: number;
  private readonly bucketCount: number;

  constructor(symbols: readonly SymbolSpec[], private readonly strings: StringTableWriter) {
    const isLocal = (s: SymbolSpec) => (s.bind ?? STB_GLOBAL) === STB_LOCAL;
    const locals = symbols.filter(isLocal);
    const globals = symbols.filter((s) => !isLocal(s));
    const undefinedOnes = globals.filter((s) => !isDefined(s));
    const hashed = globals.filter(isDefined);
    const buckets = Math.max(1, hashed.length >> 1);
    const bucket = (s: SymbolSpec) => new LookupKey(s.name).gnu % buckets;
    hashed.sort((a, b) => bucket(a) - bucket(b));
    this.bucketCount = buckets;
    this.ordered = [...locals, ...undefinedOnes, ...hashed];
    this.firstGlobal = 1 + locals.length;
    this.firstHashed = this.firstGlobal + undefinedOnes.length;
    for (const [i, symbol] of this.ordered.entries()) {
      this.indices.set(symbol, i + 1);
      strings.add(symbol.name);
    }
  }

  indexOf(symbol: SymbolSpec): number {
    const index = this.indices.get(symbol);
    if (index === undefined) throw new TypeError(`symbol ${symbol.name} is not of this object`);
    return index;
  }

  /** .dynsym; section addresses must be known by then. `tlsBase` is PT_TLS's address. */
  dynsym(tlsBase: number): Uint8Array {
    const out = new ByteWriter().u64(0).u64(0).u64(0);
    for (const symbol of this.ordered) {
      const { section, value = 0, type = STT_NOTYPE } = symbol;
      const address = section === undefined
        ? value
        : section.address + value - (type === STT_TLS ? tlsBase : 0);
      const shndx = section?.index ?? (symbol.absolute ? SHN_ABS : SHN_UNDEF);
      out.u32(this.strings.add(symbol.name));
      out.u8(((symbol.bind ?? STB_GLOBAL) << 4) | type).u8(symbol.other ?? STV_DEFAULT);
      out.u16(shndx).u64(address).u64(symbol.size ?? 0);
    }
    return out.finish();
  }

  /** .hash: every symbol. */
  sysvHash(): Uint8Array {
    const count = this.ordered.length + 1;
    const buckets = new Uint32Array(Math.max(1, count >> 1));
    const chains = new Uint32Array(count);
    for (let index = count - 1; index >= this.firstGlobal; index--) {
      const bucket = new LookupKey(this.ordered[index - 1].name).sysv % buckets.length;
      chains[index] = buckets[bucket];
      buckets[bucket] = index;
    }
    const out = new ByteWriter().u32(buckets.length).u32(count);
    for (const index of buckets) out.u32(index);
    for (const index of chains) out.u32(index);
    return out.finish();
  }

  /** .gnu.hash: the defined symbols, which stand last and in bucket order. */
  gnuHash(): Uint8Array {
    const shift = 26;
    const hashes = this.ordered.slice(this.firstHashed - 1).map((s) => new LookupKey(s.name).gnu);
    let bloomWords = 1;
    while (bloomWords * 64 < hashes.length * 8) bloomWords *= 2;
    const bloom = new Uint8Array(bloomWords * 8);
    const buckets = new Uint32Array(this.bucketCount);
    for (const [i, hash] of hashes.entries()) {
      const word = 8 * ((hash >>> 6) & (bloomWords - 1));
      for (const bit of [hash & 63, (hash >>> shift) & 63]) {
        bloom[word + (bit >> 3)] |= 1 << (bit & 7);
      }
      const bucket = hash % buckets.length;
      if (buckets[bucket] === 0) buckets[bucket] = this.firstHashed + i;
    }
    const out = new ByteWriter().u32(buckets.length).u32(this.firstHashed).u32(bloomWords).u32(
      shift,
    );
    out.raw(bloom);
    for (const first of buckets) out.u32(first);
    for (const [i, hash] of hashes.entries()) {
      const last = i + 1 === hashes.length ||
        hashes[i + 1] % buckets.length !== hash % buckets.length;
      out.u32(last ? (hash | 1) >>> 0 : (hash & ~1) >>> 0);
    }
    return out.finish();
  }
}

/** .gnu.version, .gnu.version_d and .gnu.version_r of an object. */
export class VersionTables {
  readonly versym: Uint8Array;
  readonly definitions: Uint8Array;
  readonly definitionCount: number;
  readonly needs: Uint8Array;
  readonly needCount: number;

  /** `base` names the object in its first definition. */
  constructor(symbols: SymbolTables, strings: StringTableWriter, base: string) {
    const defined = new Map<string, number>();
    const needed = new Map<string, Map<string, number>>();
    for (const { section, absolute, version } of symbols.ordered) {
      if (version === undefined || (section === undefined && absolute !== true)) continue;
      if (!defined.has(version)) defined.set(version, VER_NDX_GLOBAL + 1 + defined.size);
    }
    let next = VER_NDX_GLOBAL + 1 + defined.size;
    for (const symbol of symbols.ordered) {
      const { version, versionFile } = symbol;
      if (version === undefined || isDefined(symbol)) continue;
      if (versionFile === undefined) throw new TypeError(`${symbol.name}: no versionFile`);
      const versions = needed.get(versionFile) ?? new Map<string, number>();
      needed.set(versionFile, versions);
      if (!versions.has(version)) versions.set(version, next++);
    }
    this.versym = this.writeVersym(symbols, defined, needed);
    this.definitionCount = defined.size === 0 ? 0 : defined.size + 1;
    this.definitions = this.writeDefinitions(strings, base, defined);
    this.needCount = needed.size;
    this.needs = this.writeNeeds(strings, needed);
  }

  get used(): boolean {
    return this.definitionCount + this.needCount > 0;
  }

  private writeVersym(
    symbols: SymbolTables,
    defined: Map<string, number>,
    needed: Map<string, Map<string, number>>,
  ): Uint8Array {
    const out = new ByteWriter().u16(VER_NDX_LOCAL);
    for (const symbol of symbols.ordered) {
      const { version, versionFile = "" } = symbol;
      const local = symbol.bind === STB_LOCAL;
      let index: number | undefined = local ? VER_NDX_LOCAL : VER_NDX_GLOBAL;
      if (version !== undefined) {
        index = isDefined(symbol) ? defined.get(version) : needed.get(versionFile)?.get(version);
      }
      out.u16(index! | (symbol.versionHidden ? VERSYM_HIDDEN : 0));
    }
    return out.finish();
  }

  private writeDefinitions(
    strings: StringTableWriter,
    base: string,
    defined: Map<string, number>,
  ): Uint8Array {
    const out = new ByteWriter();
    if (defined.size === 0) return out.finish();
    const all: [string, number][] = [[base, VER_NDX_GLOBAL], ...defined];
    for (const [i, [name, index]] of all.entries()) {
      out.u16(1).u16(i === 0 ? VER_FLG_BASE : 0).u16(index).u16(1).u32(versionHash(name));
      out.u32(20).u32(i + 1 === all.length ? 0 : 28);
      out.u32(strings.add(name)).u32(0);
    }
    return out.finish();
  }

  private writeNeeds(
    strings: StringTableWriter,
    needed: Map<string, Map<string, number>>,
  ): Uint8Array {
    const out = new ByteWriter();
    let files = 0;
    for (const [file, versions] of needed) {
      const size = 16 + 16 * versions.size;
      out.u16(1).u16(versions.size).u32(strings.add(file)).u32(16);
      out.u32(++files === needed.size ? 0 : size);
      let count = 0;
      for (const [name, index] of versions) {
        out.u32(versionHash(name)).u16(0).u16(index).u32(strings.add(name));
        out.u32(++count === versions.size ? 0 : 16);
      }
    }
    return out.finish();
  }
}
