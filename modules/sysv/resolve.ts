import {
  type ElfSymbol,
  SHN_ABS,
  STB_GNU_UNIQUE,
  STB_WEAK,
  STT_FUNC,
  STT_GNU_IFUNC,
  STT_TLS,
} from "../../lib/elf/mod.ts";
import type {
  Definition,
  LinkContext,
  LinkObject,
  Resolver,
  SymbolLookup,
} from "../../lib/linker/mod.ts";
import { stateOf } from "./state.ts";

/** The function that programs expect of the loader itself. */
const SERVICE = "__tls_get_addr";

/** Looks a symbol up in the candidate's hash table; the loader's own functions come first. */
export function resolve(lookup: SymbolLookup, next: Resolver): Definition | undefined {
  const { link, candidate, key } = lookup;
  if (key.name === SERVICE) {
    const service = stateOf(link).service?.(link);
    if (service !== undefined) return service;
  }
  const symbol = lookup.symbol !== undefined
    ? candidate.elf.symbols?.at(lookup.symbol)
    : candidate.elf.definition(
      key,
      lookup.version,
      lookup.versionHidden === true,
      lookup.use === "address",
      lookup.newest === true,
      link.counters,
    );
  return symbol === undefined ? next(lookup) : definitionOf(link, candidate, symbol);
}

/** A symbol of an object as a definition. */
export function definitionOf(link: LinkContext, object: LinkObject, symbol: ElfSymbol): Definition {
  const kind = symbol.type === STT_TLS
    ? "tls"
    : symbol.type === STT_GNU_IFUNC
    ? "ifunc"
    : symbol.type === STT_FUNC
    ? "code"
    : "data";
  const bias = kind === "tls" || symbol.shndx === SHN_ABS ? 0 : link.base(object);
  return {
    object,
    address: symbol.value + bias,
    size: symbol.size,
    kind,
    weak: symbol.bind === STB_WEAK,
    unique: symbol.bind === STB_GNU_UNIQUE,
    symbol: symbol.index,
  };
}
