import type { HashTable, LookupCounts, LookupKey } from "./hash.ts";
import type { SymbolTable } from "./symbol_table.ts";
import type { VersionTable } from "./versions.ts";
import {
  SHN_ABS,
  SHN_UNDEF,
  STB_LOCAL,
  STT_COMMON,
  STT_GNU_IFUNC,
  STT_TLS,
  VER_NDX_GLOBAL,
} from "./constants.ts";

/** What a reference asks of a definition beside its name. */
export interface LookupOptions {
  /** The version the reference names. */
  readonly version?: string;
  /** The reference's version was marked hidden: an unversioned definition will not do. */
  readonly versionHidden?: boolean;
  /**
   * Accept an undefined function symbol with a non-zero value: the address of an executable's PLT
   * entry, which stands for the function in address comparisons but must not answer a call.
   */
  readonly canonicalPlt?: boolean;
  /** As dlsym does: an unversioned reference takes the default version, not the oldest. */
  readonly newest?: boolean;
  /** Added to, where given. */
  readonly counts?: LookupCounts;
}

/** Whether a symbol can be a definition that other objects bind to. */
function isDefinition(symbols: SymbolTable, index: number, canonicalPlt: boolean): boolean {
  if (symbols.bind(index) === STB_LOCAL) return false;
  const type = symbols.type(index);
  if (type > STT_TLS && type !== STT_GNU_IFUNC) return false;
  if (type > 2 && type < STT_COMMON) return false;
  const shndx = symbols.shndx(index);
  if (shndx === SHN_UNDEF) return canonicalPlt && symbols.value(index) !== 0;
  return symbols.value(index) !== 0 || shndx === SHN_ABS || type === STT_TLS;
}

/** Where a definition is looked for: an object's tables. */
export interface DefinitionTables {
  readonly table: HashTable;
  readonly symbols: SymbolTable;
  readonly versions: VersionTable | undefined;
}

/**
 * Index of the definition that a reference binds to in one object, or -1 (LSB core, "Symbol
 * Versioning"). A versioned reference takes the symbol of that version, or an unversioned one unless
 * `versionHidden`. An unversioned reference takes a base or oldest version, else the only default.
 * Its arguments are those of `LookupOptions`, one by one: a link asks millions of times.
 */
export function findDefinition(
  { table, symbols, versions }: DefinitionTables,
  key: LookupKey,
  version: string | undefined,
  versionHidden: boolean,
  canonicalPlt: boolean,
  newest: boolean,
  counts: LookupCounts,
): number {
  let index = table.find(key, symbols, counts, -1);
  if (index < 0) return -1;
  // Index 2 is the first version the object ever defined: what old, unversioned users expect.
  const oldest = newest ? VER_NDX_GLOBAL : VER_NDX_GLOBAL + 1;
  let defaults = 0;
  let defaultIndex = -1;
  for (; index >= 0; index = table.find(key, symbols, counts, index)) {
    if (!isDefinition(symbols, index, canonicalPlt)) continue;
    if (versions === undefined) return index;
    const own = versions.of(index);
    if (version !== undefined) {
      if (own.name === version) return index;
      if (own.name === undefined && !versionHidden && !own.hidden) return index;
    } else {
      if (own.index <= oldest) return index;
      if (!own.hidden && defaults++ === 0) defaultIndex = index;
    }
  }
  return defaults === 1 ? defaultIndex : -1;
}
