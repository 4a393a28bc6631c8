import type { ByteView } from "./byte_view.ts";
import type { AddressMap } from "./address_map.ts";
import type { Dynamic } from "./dynamic.ts";
import {
  DT_VERDEF,
  DT_VERDEFNUM,
  DT_VERNEED,
  DT_VERNEEDNUM,
  DT_VERSYM,
  VER_FLG_BASE,
  VER_NDX_GLOBAL,
  VERSYM_HIDDEN,
  VERSYM_VERSION,
} from "./constants.ts";

/** A version this object defines (an Elf64_Verdef). */
export interface VersionDefinition {
  /** The number symbols refer to it by. */
  readonly index: number;
  /** VER_FLG_BASE names the object itself; VER_FLG_WEAK. */
  readonly flags: number;
  readonly hash: number;
  readonly name: string;
  /** The versions it succeeds. */
  readonly parents: readonly string[];
}

/** A version this object needs of another (an Elf64_Vernaux). */
export interface NeededVersion {
  readonly index: number;
  readonly flags: number;
  readonly hash: number;
  readonly name: string;
}

/** The versions this object needs of one file (an Elf64_Verneed). */
export interface VersionNeed {
  /** The file's DT_NEEDED name. */
  readonly file: string;
  readonly versions: readonly NeededVersion[];
}

/** A symbol's version: `name` is absent for local and global (base) symbols. */
export interface SymbolVersion {
  /** vs_vers without its hidden bit. */
  readonly index: number;
  readonly hidden: boolean;
  readonly name?: string;
  /** SysV hash of the name; 0 where there is none. */
  readonly hash: number;
  /** For a needed version, the file it is needed of. */
  readonly file?: string;
}

interface NamedVersion {
  readonly name: string;
  readonly hash: number;
  readonly file?: string;
  readonly base: boolean;
}

const VERDEF_SIZE = 20;
const VERDAUX_SIZE = 8;
const VERNEED_SIZE = 16;
const VERNAUX_SIZE = 16;

/** Symbol versions of one object (LSB core, "Symbol Versioning"). */
export class VersionTable {
  private readonly named = new Map<number, NamedVersion>();
  private readonly cache: SymbolVersion[] = [];

  constructor(
    private readonly file: ByteView,
    readonly definitions: readonly VersionDefinition[],
    readonly needs: readonly VersionNeed[],
    /** File offset of the versym table and the number of its entries that the file holds. */
    private readonly versym: number,
    private readonly length: number,
  ) {
    for (const { index, name, hash, flags } of definitions) {
      this.named.set(index, { name, hash, base: (flags & VER_FLG_BASE) !== 0 });
    }
    for (const need of needs) {
      for (const { index, name, hash } of need.versions) {
        this.named.set(index & VERSYM_VERSION, { name, hash, file: need.file, base: false });
      }
    }
  }

  /** vs_vers of a symbol. */
  raw(symbol: number): number {
    if (!(symbol >= 0 && symbol < this.length)) {
      this.file.fail(this.versym, "DT_VERSYM", `symbol ${symbol} is outside the table`);
    }
    this.file.touch(this.versym + 2 * symbol, 2);
    return this.file.view.getUint16(this.versym + 2 * symbol, true);
  }

  /** The version of a symbol. */
  of(symbol: number): SymbolVersion {
    const raw = this.raw(symbol);
    return this.cache[raw] ??= this.resolve(symbol, raw);
  }

  private resolve(symbol: number, raw: number): SymbolVersion {
    const index = raw & VERSYM_VERSION;
    const hidden = (raw & VERSYM_HIDDEN) !== 0;
    const version = this.named.get(index);
    if (version === undefined) {
      if (index <= VER_NDX_GLOBAL) return { index, hidden, hash: 0 };
      return this.file.fail(
        this.versym + 2 * symbol,
        "vs_vers",
        `no version has the number ${index}`,
      );
    }
    if (index <= VER_NDX_GLOBAL && version.base) return { index, hidden, hash: 0 };
    return { index, hidden, name: version.name, hash: version.hash, file: version.file };
  }
}

/** Limits the records a hostile file can make overlap: no more than its bytes could hold apart. */
class Budget {
  constructor(private readonly file: ByteView, private left: number) {}

  spend(at: number, field: string): void {
    if (--this.left < 0) this.file.fail(at, field, "the version records overlap");
  }
}

export function parseVersions(
  file: ByteView,
  map: AddressMap,
  dynamic: Dynamic,
): VersionTable | undefined {
  const versym = dynamic.value(DT_VERSYM);
  if (versym === undefined) return undefined;
  return new VersionTable(
    file,
    parseDefinitions(file, map, dynamic),
    parseNeeds(file, map, dynamic),
    map.offsetOf(versym, 2, "DT_VERSYM", dynamic.entryOffset(DT_VERSYM)),
    Math.floor(map.available(versym) / 2),
  );
}

function parseDefinitions(
  file: ByteView,
  map: AddressMap,
  dynamic: Dynamic,
): VersionDefinition[] {
  const vaddr = dynamic.value(DT_VERDEF);
  if (vaddr === undefined) return [];
  const definitions: VersionDefinition[] = [];
  const count = dynamic.value(DT_VERDEFNUM) ?? Infinity;
  const budget = new Budget(file, file.length / VERDAUX_SIZE);
  let at = map.offsetOf(vaddr, VERDEF_SIZE, "DT_VERDEF", dynamic.entryOffset(DT_VERDEF));
  for (let i = 0; i < count; i++) {
    budget.spend(at, "vd_next");
    const version = file.u16(at, "vd_version");
    if (version !== 1) file.fail(at, "vd_version", `unknown version ${version}`);
    const names: string[] = [];
    const auxCount = file.u16(at + 6, "vd_cnt");
    let aux = at + file.u32(at + 12, "vd_aux");
    for (let j = 0; j < auxCount; j++) {
      budget.spend(aux, "vda_next");
      names.push(name(file, dynamic, aux, "vda_name"));
      const next = file.u32(aux + 4, "vda_next");
      if (next === 0) break;
      aux += next;
    }
    if (names.length === 0) file.fail(at + 6, "vd_cnt", "a version definition has no name");
    definitions.push({
      flags: file.u16(at + 2, "vd_flags"),
      index: file.u16(at + 4, "vd_ndx"),
      hash: file.u32(at + 8, "vd_hash"),
      name: names[0],
      parents: names.slice(1),
    });
    const next = file.u32(at + 16, "vd_next");
    if (next === 0) break;
    at += next;
  }
  return definitions;
}

function parseNeeds(file: ByteView, map: AddressMap, dynamic: Dynamic): VersionNeed[] {
  const vaddr = dynamic.value(DT_VERNEED);
  if (vaddr === undefined) return [];
  const needs: VersionNeed[] = [];
  const count = dynamic.value(DT_VERNEEDNUM) ?? Infinity;
  const budget = new Budget(file, file.length / VERNAUX_SIZE);
  let at = map.offsetOf(vaddr, VERNEED_SIZE, "DT_VERNEED", dynamic.entryOffset(DT_VERNEED));
  for (let i = 0; i < count; i++) {
    budget.spend(at, "vn_next");
    const version = file.u16(at, "vn_version");
    if (version !== 1) file.fail(at, "vn_version", `unknown version ${version}`);
    const versions: NeededVersion[] = [];
    const auxCount = file.u16(at + 2, "vn_cnt");
    let aux = at + file.u32(at + 8, "vn_aux");
    for (let j = 0; j < auxCount; j++) {
      budget.spend(aux, "vna_next");
      versions.push({
        hash: file.u32(aux, "vna_hash"),
        flags: file.u16(aux + 4, "vna_flags"),
        index: file.u16(aux + 6, "vna_other"),
        name: name(file, dynamic, aux + 8, "vna_name"),
      });
      const next = file.u32(aux + 12, "vna_next");
      if (next === 0) break;
      aux += next;
    }
    needs.push({ file: name(file, dynamic, at + 4, "vn_file"), versions });
    const next = file.u32(at + 12, "vn_next");
    if (next === 0) break;
    at += next;
  }
  return needs;
}

function name(file: ByteView, dynamic: Dynamic, at: number, field: string): string {
  const index = file.u32(at, field);
  if (dynamic.strings === undefined) return file.fail(at, field, "there is no DT_STRTAB");
  return dynamic.strings.at(index, field);
}
