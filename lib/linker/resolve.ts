import type { LookupKey } from "../elf/mod.ts";
import type { LinkContext } from "./link_context.ts";
import type { LinkObject } from "./link_object.ts";
import type { Module } from "./module.ts";

/**
 * What a reference wants of a symbol. `call`: a function to call through a slot, whose address is not
 * observed. `address`: anything else. `tls`: a thread-local variable. `copy`: initial bytes to copy.
 */
export type SymbolUse = "call" | "address" | "tls" | "copy";

/** A question for a symbol, as a relocation or a module asks it. */
export interface SymbolReference {
  readonly name: string;
  /** The version the reference names, if it names one. */
  readonly version?: string;
  /** The reference's version is marked hidden: an unversioned definition will not do. */
  readonly versionHidden?: boolean;
  /** As dlsym asks: without a version the default one is meant, not the oldest. */
  readonly newest?: boolean;
  /** The object that asks. */
  readonly from: LinkObject;
  readonly use: SymbolUse;
  /** Index of the reference in the dynamic symbol table of `from`, where it stands there. */
  readonly symbol?: number;
}

/**
 * The question as put to the modules: about one object of the scope. It is valid during the call only: the
 * linker asks the next question with the same record.
 */
export interface SymbolLookup {
  /** The link that asks; its counters take what the search costs. */
  readonly link: LinkContext;
  /** The name and its hashes. */
  readonly key: LookupKey;
  /** The version that the reference names; undefined: any default. */
  readonly version?: string;
  /** The version is marked hidden: an unversioned definition will not do. */
  readonly versionHidden?: boolean;
  /** As dlsym asks: without a version the default one is meant, not the oldest. */
  readonly newest?: boolean;
  /** The object with the reference. */
  readonly from: LinkObject;
  /** What the reference is for. */
  readonly use: SymbolUse;
  /** The object being searched. */
  readonly candidate: LinkObject;
  /** Index of the definition in the candidate's dynamic symbol table, where whoever searches knows it. */
  readonly symbol?: number;
}

/** Where a symbol is. */
export interface Definition {
  /** The object that defines it. */
  readonly object: LinkObject;
  /**
   * Guest address; for `tls` the offset in the object's TLS block, for `ifunc` the address of the
   * function that chooses the implementation.
   */
  readonly address: number;
  /** Where the symbol itself is, if `address` is code of a module's that leads there, such as a gate. */
  readonly behind?: number;
  /** Bytes; 0 if unknown. */
  readonly size: number;
  /**
   * What it is: a function, an object of data, a thread-local variable, or a function that chooses
   * one.
   */
  readonly kind: "code" | "data" | "tls" | "ifunc";
  /** Whether its binding is STB_WEAK. */
  readonly weak: boolean;
  /** True for STB_GNU_UNIQUE: one definition serves the whole process. */
  readonly unique?: boolean;
  /** Its index in the dynamic symbol table of `object`, where it stands there. */
  readonly symbol?: number;
}

/** Asks the modules before the current one about the same candidate. */
export type Resolver = (lookup: SymbolLookup) => Definition | undefined;

/**
 * A search of a whole scope, as put to modules that have `search`. Whether an object defines what is asked for
 * depends on the name, the version and the use, not on who asks.
 */
export interface SymbolSearch {
  /** The link that asks; its counters take what the search costs. */
  readonly link: LinkContext;
  /** What is looked for, and by whom. */
  readonly reference: SymbolReference;
  /** Where, in this order. */
  readonly scope: readonly LinkObject[];
  /**
   * Asks the modules about one object, as a search comes to it. With `symbol`, the definition's index in the
   * object's dynamic symbol table, nobody has to look for it there.
   */
  ask(candidate: LinkObject, symbol?: number): Definition | undefined;
}

/** What a search ended at: the first object of its scope with a definition. */
export interface Found {
  /** Its place in the scope. */
  readonly position: number;
  /** What that object answered. */
  readonly definition: Definition;
}

/** Has the modules before the current one search; the first one's goes through the scope. */
export type Searcher = (search: SymbolSearch) => Found | undefined;

/** Asks about object after object. */
function goThrough({ scope, ask }: SymbolSearch): Found | undefined {
  for (let position = 0; position < scope.length; position++) {
    const definition = ask(scope[position]);
    if (definition !== undefined) return { position, definition };
  }
  return undefined;
}

/** The modules' searches as one, the last module's first; undefined if no module has one. */
export function searcherChain(modules: readonly Module[]): Searcher | undefined {
  let next: Searcher = goThrough;
  for (const module of modules) {
    if (module.search === undefined) continue;
    const before = next;
    next = (search) => module.search!(search, before);
  }
  return next === goThrough ? undefined : next;
}

/** The modules' resolvers as one: the last module is asked first, the first module's `next` is empty. */
export function resolverChain(modules: readonly Module[]): Resolver {
  let next: Resolver = () => undefined;
  for (const module of modules) {
    if (module.resolve === undefined) continue;
    const before = next;
    next = (lookup) => module.resolve!(lookup, before);
  }
  return next;
}
