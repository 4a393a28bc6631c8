import {
  DF_SYMBOLIC,
  DT_PLTGOT,
  DT_SYMBOLIC,
  type ElfSymbol,
  type RelocationTable,
  STB_LOCAL,
  STB_WEAK,
  STT_TLS,
  STV_DEFAULT,
  type SymbolTable,
} from "../../lib/elf/mod.ts";
import {
  type Definition,
  type LinkContext,
  LinkError,
  type LinkObject,
  type SymbolUse,
} from "../../lib/linker/mod.ts";
import { AARCH64_RELOCATIONS } from "./relocations_aarch64.ts";
import { X86_64_RELOCATIONS } from "./relocations_x86_64.ts";
import { fits, type Formula, type RelocationRow } from "./relocation_row.ts";
import { definitionOf } from "./resolve.ts";
import { chooseImplementation } from "./ifunc.ts";
import { stateOf, type SysvState } from "./state.ts";
import { runtimeOf } from "./runtime.ts";

/** The rows of an architecture, indexed by type. */
function indexed(table: readonly RelocationRow[]): readonly (RelocationRow | undefined)[] {
  const byType: RelocationRow[] = [];
  for (const row of table) byType[row.type] = row;
  return byType;
}

const ROWS = { x86_64: indexed(X86_64_RELOCATIONS), aarch64: indexed(AARCH64_RELOCATIONS) };

const USES: { readonly [F in Formula]?: SymbolUse } = {
  "M": "tls",
  "S + A in block": "tls",
  "T + S + A": "tls",
  "descriptor": "tls",
  "copy": "copy",
};

/** Which relocations of a table are not to be applied. */
type Omission = (table: RelocationTable, index: number) => boolean;

/** Applies every dynamic relocation of an object, but for those that `omits` picks. */
export function relocate(link: LinkContext, object: LinkObject, omits?: Omission): void {
  const relocator = new Relocator(link, object);
  for (const table of object.elf.relocationTables) relocator.apply(table, false, omits);
}

/**
 * Applies the relocations that name a symbol to a loader that has relocated itself already; they count as
 * its own, `loader`.
 */
export function relocateSymbols(link: LinkContext, object: LinkObject): void {
  const relocator = new Relocator(link, object);
  for (const table of object.elf.relocationTables) relocator.apply(table, true);
}

/** A symbol that nobody defines, as ld.so says it. */
export function undefinedSymbol(
  link: LinkContext,
  object: LinkObject,
  name: string,
  version: string | undefined,
): LinkError {
  return LinkError.of({
    occasion: "symbol lookup error",
    object: object.isProgram ? link.programName : object.path,
    message: `undefined symbol: ${name}${version === undefined ? "" : `, version ${version}`}`,
    status: 127,
  });
}

/** The address that a slot is to hold, for a call that came before it was bound. */
export function slotAddress(
  link: LinkContext,
  object: LinkObject,
  table: RelocationTable,
  index: number,
): number {
  return new Relocator(link, object).slot(table, index);
}

/** The relocations of one object. */
class Relocator {
  readonly #base: number;
  readonly #rows: readonly (RelocationRow | undefined)[];
  readonly #symbols: SymbolTable | undefined;
  readonly #state: SysvState;
  readonly #scope: readonly LinkObject[];
  readonly #scopeOfCopies: readonly LinkObject[];
  /** Definitions found for symbols of this object, `undefined` for an undefined weak one, by use. */
  readonly #found: Record<SymbolUse, (Definition | undefined | null)[]> = {
    call: [],
    address: [],
    tls: [],
    copy: [],
  };

  /** Which slots are left for their first call. */
  readonly #lazy: "all" | "undefined" | "none";

  constructor(readonly link: LinkContext, readonly object: LinkObject) {
    this.#base = link.base(object);
    this.#rows = ROWS[link.arch];
    this.#symbols = object.elf.symbols;
    this.#state = stateOf(link);
    this.#lazy = this.#state.lazy?.of(link, object) ?? "none";
    const scope = link.scope(object);
    const dynamic = object.elf.dynamic;
    const symbolic = dynamic !== undefined &&
      (dynamic.has(DT_SYMBOLIC) || (dynamic.flags & DF_SYMBOLIC) !== 0);
    this.#scope = symbolic ? [object, ...scope.filter((other) => other !== object)] : scope;
    this.#scopeOfCopies = scope.filter((other) => other !== object);
  }

  /** Applies a table, or only what in it names a symbol. */
  apply(table: RelocationTable, symbolsOnly = false, omits?: Omission): void {
    const { offsets, types, symbols, addends, implicitAddend, length } = table;
    const counts: Record<string, number> = {};
    if (table.kind === "plt" && this.#lazy !== "none") this.#prepareSlots();
    for (let i = 0; i < length; i++) {
      if (symbolsOnly && symbols[i] === 0) continue;
      if (omits?.(table, i)) continue;
      const row = this.#rows[types[i]];
      const place = this.#base + offsets[i];
      if (row === undefined) this.#fail(place, `type ${types[i]} is unknown`);
      const addend = implicitAddend ? this.#implicit(place, row) : addends[i];
      if (row.formula === "B + A") this.link.writeU64(place, this.#base + addend);
      else if (row.kind === "plt" && this.#waits(table, symbols[i])) {
        this.link.writeU64(place, this.#base + this.link.readI64(place));
        counts["lazy"] = (counts["lazy"] ?? 0) + 1;
        continue;
      } else this.#applyRow(row, place, symbols[i], addend);
      const kind = symbolsOnly ? "loader" : row.kind;
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    for (const kind of Object.keys(counts)) this.link.counters.relocation(kind, counts[kind]);
  }

  /** The address that slot `index` of the table of slots is to hold. */
  slot(table: RelocationTable, index: number): number {
    const row = this.#rows[table.types[index]];
    const symbol = table.symbols[index];
    if (row === undefined || row.kind !== "plt") {
      return this.#fail(this.#base + table.offsets[index], "it is no slot");
    }
    const definition = this.#define(row, symbol);
    if (definition === undefined) {
      const { name, version, bind } = this.#symbol(symbol);
      if (bind !== STB_WEAK) throw undefinedSymbol(this.link, this.object, name, version);
      return 0;
    }
    return this.#address(row, symbol) + (row.formula === "S" ? 0 : table.addends[index]);
  }

  /** Whether a slot is left as the link editor made it, for its first call. */
  #waits(table: RelocationTable, symbol: number): boolean {
    if (table.kind !== "plt" || this.#lazy === "none") return false;
    if (this.#lazy === "all") return true;
    return this.#define({ formula: "S", kind: "plt" }, symbol) === undefined;
  }

  /** Makes slots that wait lead to the linker. */
  #prepareSlots(): void {
    const table = this.object.elf.dynamic?.value(DT_PLTGOT);
    if (table === undefined) return;
    const [name, resolver] = this.#state.lazy!.words(this.link, this.object);
    this.link.writeU64(this.#base + table + 8, name);
    this.link.writeU64(this.#base + table + 16, resolver);
  }

  #applyRow(row: RelocationRow, place: number, symbol: number, addend: number): void {
    switch (row.formula) {
      case "none":
        return;
      case "static":
        return this.#fail(place, `${row.name} is for the static linker alone`);
      case "B + A":
        return this.#store(row, place, this.#base + addend);
      case "indirect(B + A)":
        return this.#store(row, place, chooseImplementation(this.link, this.#base + addend));
      case "S":
        return this.#store(row, place, this.#address(row, symbol));
      case "S + A":
        return this.#store(row, place, this.#address(row, symbol) + addend);
      case "S + A - P":
        return this.#store(row, place, this.#address(row, symbol) + addend - place);
      case "Z + A":
        return this.#store(row, place, (this.#define(row, symbol)?.size ?? 0) + addend);
      case "M":
      case "T + S + A":
      case "S + A in block":
        return this.#store(row, place, this.#threadLocal(row, place, symbol, addend));
      case "descriptor":
        return this.#describe(row, place, symbol, addend);
      case "copy":
        return this.#copy(place, symbol);
    }
  }

  #store(row: RelocationRow, place: number, value: number): void {
    if (!fits(value, row.width, row.check)) {
      this.#fail(place, `${row.name}: ${value} does not fit ${8 * row.width} bits (${row.check})`);
    }
    this.link.writeInteger(place, row.width, value);
  }

  /** The addend that stands at the place itself (REL and RELR tables). */
  #implicit(place: number, row: RelocationRow): number {
    if (row.width === 8) return this.link.readI64(place);
    if (row.kind === "plt" || row.formula === "copy" || row.width === 0) return 0;
    if (row.width === 4) return this.link.readU32(place) | 0;
    return this.#fail(place, `${row.name} cannot keep its addend in place`);
  }

  /** S: the address of a symbol, 0 if it is weak and undefined. */
  #address(row: RelocationRow, symbol: number): number {
    const definition = this.#define(row, symbol);
    if (definition === undefined) return 0;
    if (definition.kind === "ifunc") return chooseImplementation(this.link, definition.address);
    return definition.address;
  }

  /** M, T + S + A, or S + A in the block. */
  #threadLocal(row: RelocationRow, place: number, symbol: number, addend: number): number {
    const definition = symbol === 0 ? undefined : this.#define(row, symbol);
    if (symbol !== 0 && definition === undefined) return 0;
    if (definition !== undefined && definition.kind !== "tls") {
      this.#fail(place, `${row.name}: ${this.#nameOf(symbol)} is not thread-local`);
    }
    const inBlock = (definition?.address ?? 0) + addend;
    if (row.formula === "S + A in block") return inBlock;
    const owner = definition?.object ?? this.object;
    const { threadLocal, tls } = this.#state;
    const word = threadLocal === undefined
      ? tls.offsetOf(owner)
      : row.formula === "M"
      ? threadLocal.moduleOf(this.link, owner)
      : threadLocal.offsetOf(this.link, owner);
    if (word === undefined) this.#fail(place, `${row.name}: ${owner.path} has no TLS segment`);
    return row.formula === "M" ? word : word + inBlock;
  }

  /** A TLS descriptor: the function to call and its argument. */
  #describe(row: RelocationRow, place: number, symbol: number, addend: number): void {
    const runtime = runtimeOf(this.link);
    const definition = symbol === 0 ? undefined : this.#define(row, symbol);
    if (symbol !== 0 && definition === undefined) {
      this.link.writeU64(place, runtime.address(this.link, "tlsdesc_undefined_weak"));
      this.link.writeU64(place + 8, addend);
      return;
    }
    const { threadLocal } = this.#state;
    const inBlock = this.#threadLocal({ ...row, formula: "S + A in block" }, place, symbol, addend);
    const [resolver, argument] = threadLocal?.describe(
      this.link,
      definition?.object ?? this.object,
      inBlock,
    ) ?? [
      runtime.address(this.link, "tlsdesc_static"),
      this.#threadLocal({ ...row, formula: "T + S + A" }, place, symbol, addend),
    ];
    this.link.writeU64(place, resolver);
    this.link.writeU64(place + 8, argument);
  }

  /** Copies a variable's initial bytes into the program, which owns it from now on. */
  #copy(place: number, index: number): void {
    const symbol = this.#symbol(index);
    const source = this.#define({ formula: "copy" }, index);
    if (source === undefined) return;
    this.link.write(place, this.link.read(source.address, Math.min(symbol.size, source.size)));
  }

  /** The definition a symbol of this object binds to; undefined if it is weak and has none. */
  #define(
    row: Pick<RelocationRow, "formula"> & { kind?: string },
    index: number,
  ): Definition | undefined {
    if (index === 0) return undefined;
    const use = USES[row.formula] ?? (row.kind === "plt" ? "call" : "address");
    const known = this.#found[use][index];
    if (known !== undefined) return known ?? undefined;
    const definition = this.#search(this.#symbol(index), use);
    this.#found[use][index] = definition ?? null;
    return definition;
  }

  #search(symbol: ElfSymbol, use: SymbolUse): Definition | undefined {
    // Local, hidden and protected symbols bind inside the object, whatever others define.
    const bindsHere = symbol.bind === STB_LOCAL ||
      (symbol.visibility !== STV_DEFAULT && symbol.shndx !== 0);
    if (bindsHere && use !== "copy") return definitionOf(this.link, this.object, symbol);
    const { name, version, versionHidden } = symbol;
    const definition = this.link.resolve(
      {
        name,
        version,
        versionHidden,
        from: this.object,
        symbol: symbol.index,
        use: use === "address" && symbol.type === STT_TLS ? "tls" : use,
      },
      use === "copy" ? this.#scopeOfCopies : this.#scope,
    );
    const mayLack = symbol.bind === STB_WEAK || (use === "call" && this.#lazy !== "none");
    if (definition === undefined && !mayLack) {
      throw undefinedSymbol(this.link, this.object, name, version);
    }
    return definition;
  }

  #symbol(index: number): ElfSymbol {
    if (this.#symbols === undefined) return this.#fail(this.#base, "it has no symbol table");
    return this.#symbols.at(index);
  }

  #nameOf(index: number): string {
    return index === 0 ? "symbol 0" : this.#symbol(index).name;
  }

  #fail(place: number, problem: string): never {
    throw new LinkError(`relocation at 0x${(place - this.#base).toString(16)}: ${problem}`);
  }
}
