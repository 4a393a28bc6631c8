/** Decode rows: a bit pattern, what its fields mean, and its semantic function. */
import { type Decoded, Flow, type Row } from "../ir/decoded.ts";
import type { Emitter } from "../ir/emitter.ts";
import { SP } from "../layout.ts";
import {
  type Field,
  type FieldNames,
  type Fields,
  fieldsOf,
  fixedBits,
  type RegisterField,
} from "./pattern.ts";

/** What a row says of its fields. `S` are the names of the static ones. */
export interface RowSpec<S extends string> {
  /** Register operands, in the order of `e.reg(i)`; at most six. */
  readonly regs?: readonly RegisterField[];
  /** Which of `regs` is the base of its accesses (of a row without variants), if they want an aligned stack pointer (CheckSPAlignment). */
  readonly base?: number;
  /** Fields that are fixed at translation time. */
  readonly statics?: readonly S[];
  /** A number more, below 4, that is fixed at translation time: by the word, and by whether its page is guarded. */
  readonly variant?: (word: number, guarded: boolean) => number;
  /** The field that is `e.imm(1)`, unsigned. */
  readonly imm1?: Field;
  /** Fills immediates and target where `imm1` does not say it all. */
  readonly operands?: (word: number, pc: number, out: Decoded) => void;
  /** Whether the word is allocated (where the pattern cannot say so). */
  readonly valid?: (word: number) => boolean;
  /** How it ends a block; default: it does not. */
  readonly flow?: Flow;
  /** Semantics. */
  readonly emit: (e: Emitter, statics: { readonly [K in S]: number }, variant: number) => void;
}

const SIGBUS = 7;
const BUS_ADRALN = 1;

/** Stack pointer alignment check, which Linux asks for (SCTLR_EL1.SA0). */
function checkStack(e: Emitter, base: number): void {
  const stack = e.get64(e.reg(base));
  e.if(e.and(e.wrap(stack), e.i32(15)), () => e.fault(SIGBUS, BUS_ADRALN, stack));
}

/** Rows of accesses, with the check of a stack pointer that is their base. */
export function checkingStack(rows: readonly AArch64Row[]): AArch64Row[] {
  return rows.map((row) =>
    row.changed((spec) => {
      const base = spec.regs?.findIndex((field) => field.stack) ?? -1;
      return base < 0 ? spec : { ...spec, base };
    })
  );
}

type Emit = (e: Emitter, statics: Record<string, number>, variant: number) => void;
type Build = (fields: Readonly<Record<string, Field>>) => RowSpec<string>;

/** A row's meaning, worked out when the row is first met: most rows never are. */
class Meaning {
  readonly #regs: readonly RegisterField[];
  readonly #names: readonly string[];
  readonly #statics: readonly Field[];
  readonly #base: number | undefined;
  readonly #variant: RowSpec<string>["variant"];
  readonly #imm1: Field | undefined;
  readonly #operands: RowSpec<string>["operands"];
  readonly valid: RowSpec<string>["valid"];
  readonly #flow: Flow;
  readonly #emit: Emit;

  constructor(pattern: string, build: Build) {
    const fields = fieldsOf(pattern);
    const spec = build(fields);
    this.#regs = spec.regs ?? [];
    this.#names = spec.statics ?? [];
    this.#statics = this.#names.map((name) => fields[name]);
    this.#base = spec.base;
    this.#variant = spec.variant;
    this.#imm1 = spec.imm1;
    this.#operands = spec.operands;
    this.valid = spec.valid;
    this.#flow = spec.flow ?? Flow.Next;
    this.#emit = spec.emit;
  }

  decode(word: number, pc: number, out: Decoded): void {
    let statics = 0;
    let at = 0;
    for (const field of this.#statics) {
      statics |= field.of(word) << at;
      at += field.width;
    }
    const regs = this.#regs;
    if (this.#base !== undefined) {
      const { shift, mask } = regs[this.#base];
      if (((word >>> shift) & mask) === SP) statics |= 1 << at;
    }
    if (this.#variant !== undefined) statics |= this.#variant(word, out.guarded) << at;
    out.statics = statics;
    for (let i = 0; i < regs.length; i++) {
      out.regs[i] = regs[i].offsets[(word >>> regs[i].shift) & regs[i].mask];
    }
    for (let i = regs.length; i < 6; i++) out.regs[i] = 0;
    out.imm0Low = 0;
    out.imm0High = 0;
    out.imm1 = this.#imm1 === undefined ? 0 : this.#imm1.of(word);
    out.length = 4;
    out.flow = this.#flow;
    out.target = 0;
    if (this.#operands !== undefined) this.#operands(word, pc, out);
  }

  emit(e: Emitter, statics: number): void {
    const named: Record<string, number> = {};
    let at = 0;
    for (let i = 0; i < this.#statics.length; i++) {
      named[this.#names[i]] = (statics >>> at) & this.#statics[i].mask;
      at += this.#statics[i].width;
    }
    if (this.#base !== undefined && (statics >>> at & 1) !== 0) checkStack(e, this.#base);
    this.#emit(e, named, this.#variant === undefined ? 0 : statics >>> at & 3);
  }
}

/** One row. */
export class AArch64Row implements Row {
  readonly mask: number;
  readonly value: number;
  readonly #build: Build;
  #meaning: Meaning | undefined;

  constructor(readonly name: string, readonly pattern: string, build: Build) {
    const { mask, value } = fixedBits(pattern);
    this.mask = mask;
    this.value = value;
    this.#build = build;
  }

  /** Whether `word` is an instance of this row. */
  matches(word: number): boolean {
    if ((word & this.mask) !== this.value) return false;
    const { valid } = this.#meaning ?? this.#understand();
    return valid === undefined || valid(word);
  }

  /** Fill `out` (all but `row`) from a word that matches. */
  decode(word: number, pc: number, out: Decoded): void {
    (this.#meaning ?? this.#understand()).decode(word, pc, out);
  }

  /** Emit the semantics with `statics` as `decode` packs them. */
  emit(e: Emitter, statics: number): void {
    (this.#meaning ?? this.#understand()).emit(e, statics);
  }

  /** The same row with another meaning. */
  changed(change: (spec: RowSpec<string>) => RowSpec<string>): AArch64Row {
    return new AArch64Row(this.name, this.pattern, (fields) => change(this.#build(fields)));
  }

  #understand(): Meaning {
    return this.#meaning = new Meaning(this.pattern, this.#build);
  }
}

/**
 * A decode row. Earlier rows win where patterns overlap, so special forms stand before general ones.
 *
 * @param name mnemonic as the manual spells it
 * @param pattern see `pattern.ts`; its field names are the properties of `build`'s parameter
 */
export function row<P extends string, S extends FieldNames<P>>(
  name: string,
  pattern: P,
  build: (fields: Fields<P>) => RowSpec<S>,
): AArch64Row {
  return new AArch64Row(
    name,
    pattern,
    build as unknown as (f: Readonly<Record<string, Field>>) => RowSpec<string>,
  );
}

/** Set the 64-bit immediate from a JS integer (an address). */
export function setAddress(out: Decoded, address: number): void {
  out.imm0Low = address | 0;
  out.imm0High = Math.floor(address / 2 ** 32) | 0;
}

/** Set a direct branch target, as `target` and as immediate. */
export function setTarget(out: Decoded, target: number): void {
  out.target = target;
  setAddress(out, target);
}

/** A row of a family: its pattern is put together at run time, so its fields are not checked. */
export function familyRow(
  name: string,
  pattern: string,
  build: (fields: Readonly<Record<string, Field>>) => RowSpec<string>,
): AArch64Row {
  return new AArch64Row(name, pattern, build);
}
