/**
 * What a relocation computes, in the letters of the psABIs: S the symbol's address, A the addend, P the
 * relocated place, B the load bias, Z the symbol's size, M the module word that `__tls_get_addr` is
 * given, T the thread-pointer offset of the symbol's TLS block.
 */
export type Formula =
  | "none"
  | "S"
  | "S + A"
  | "S + A - P"
  | "B + A"
  | "indirect(B + A)"
  | "Z + A"
  | "M"
  | "S + A in block"
  | "T + S + A"
  | "descriptor"
  | "copy"
  | "static";

/** Which values fit the field: any (`none`), two's complement, unsigned, or either of these. */
export type Check = "none" | "signed" | "unsigned" | "either";

/** What a relocation is counted as. */
export type CountedKind = "none" | "relative" | "symbol" | "plt" | "copy" | "tls" | "irelative";

/** One relocation type of one architecture. */
export interface RelocationRow {
  readonly type: number;
  readonly name: string;
  /** `static` marks a type that only the static linker applies: in a dynamic table it is an error. */
  readonly formula: Formula;
  /** Bytes of the field. */
  readonly width: number;
  readonly check: Check;
  readonly kind: CountedKind;
}

export type Entry = readonly [number, string, Formula?, number?, CountedKind?, Check?];

/** Builds the rows of a table, named with a common prefix; an entry with no formula is `static`. */
export function rows(prefix: string, entries: readonly Entry[]): RelocationRow[] {
  return entries.map((
    [type, name, formula = "static", width = 0, kind = "symbol", check = "none"],
  ) => ({
    type,
    name: prefix + name,
    formula,
    width,
    check,
    kind,
  }));
}

/** True if `value` fits a field of `width` bytes under `check`. */
export function fits(value: number, width: number, check: Check): boolean {
  if (check === "none" || width === 8) return true;
  const span = 2 ** (8 * width);
  const lowest = check === "unsigned" ? 0 : -span / 2;
  const end = check === "signed" ? span / 2 : span;
  return value >= lowest && value < end;
}
