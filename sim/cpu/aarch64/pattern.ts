/**
 * Bit patterns of A64 encodings, as the Arm Architecture Reference Manual (DDI 0487, chapter C4)
 * draws them: most significant bit first, runs of `0`, `1` and `x` (any), and named fields
 * `name:width`, separated by spaces. `sf:1 00 01011 shift:2 0 rm:5 imm6:6 rn:5 rd:5`.
 */
import { GPR, gpr, SP, TRASH, vector, ZERO } from "../layout.ts";

/** Words of a pattern. */
type Words<P extends string> = P extends `${infer Head} ${infer Tail}` ? Head | Words<Tail> : P;
type NameOf<W> = W extends `${infer Name}:${number}` ? Name : never;
/** Names of the fields of a pattern, as TypeScript reads them out of it. */
export type FieldNames<P extends string> = string extends P ? string : NameOf<Words<P>>;
/** The fields of a pattern by name. */
export type Fields<P extends string> = { readonly [Name in FieldNames<P>]: Field };

/** A register operand: where its number is, and which state offset each number stands for. */
export interface RegisterField {
  readonly shift: number;
  readonly mask: number;
  readonly offsets: Uint16Array;
  /** Whether 31 is SP. */
  readonly stack?: boolean;
}

function offsets(of: (i: number) => number, plus = 0): Uint16Array {
  return Uint16Array.from({ length: 32 }, (_, i) => of((i + plus) & 31));
}
const read = (i: number): number => i === 31 ? ZERO : gpr(i);
const written = (i: number): number => i === 31 ? TRASH : gpr(i);
const source = offsets(read);
const destination = offsets(written);
const nextSource = offsets(read, 1);
const nextDestination = offsets(written, 1);
const stack = offsets((i) => i === SP ? GPR + 8 * SP : gpr(i));
const vectors = [0, 1, 2, 3].map((plus) => offsets(vector, plus));

/** A named field: `width` bits from bit `shift`. */
export class Field {
  readonly mask: number;
  constructor(readonly shift: number, readonly width: number) {
    this.mask = width === 32 ? -1 : (1 << width) - 1;
  }
  /** Value in `word`, unsigned. */
  of(word: number): number {
    return (word >>> this.shift) & this.mask;
  }
  /** Value in `word`, sign-extended. */
  signed(word: number): number {
    return (word << (32 - this.width - this.shift)) >> (32 - this.width);
  }
  /** As a general register that is read; 31 is XZR. */
  get x(): RegisterField {
    return { shift: this.shift, mask: this.mask, offsets: source };
  }
  /** As a general register that is written; 31 is XZR. */
  get out(): RegisterField {
    return { shift: this.shift, mask: this.mask, offsets: destination };
  }
  /** The register after this one, read or written (CASP). */
  get nextX(): RegisterField {
    return { shift: this.shift, mask: this.mask, offsets: nextSource };
  }
  get nextOut(): RegisterField {
    return { shift: this.shift, mask: this.mask, offsets: nextDestination };
  }
  /** As a general register where 31 is SP. */
  get sp(): RegisterField {
    return { shift: this.shift, mask: this.mask, offsets: stack, stack: true };
  }
  /** As a vector register. */
  get v(): RegisterField {
    return { shift: this.shift, mask: this.mask, offsets: vectors[0] };
  }
  /** As the vector register `plus` (0–3) after the named one, modulo 32. */
  list(plus: number): RegisterField {
    return { shift: this.shift, mask: this.mask, offsets: vectors[plus] };
  }
}

/** The bits that a pattern fixes. */
export interface Fixed {
  /** An instruction word matches if `(word & mask) === value`, as signed 32-bit numbers. */
  readonly mask: number;
  readonly value: number;
}

/** Read the fixed bits of a pattern; throws TypeError unless it describes exactly 32 bits. */
export function fixedBits(text: string): Fixed {
  let mask = 0;
  let value = 0;
  let at = 32;
  for (const word of text.split(" ")) {
    const colon = word.indexOf(":");
    if (colon > 0) {
      at -= Number(word.slice(colon + 1));
      continue;
    }
    for (let i = 0; i < word.length; i++) {
      at--;
      const digit = word[i];
      if (digit === "x") continue;
      mask |= 1 << at;
      if (digit === "1") value |= 1 << at;
      else if (digit !== "0") throw new TypeError(`pattern ${text}: unexpected ${digit}`);
    }
  }
  if (at !== 0) throw new TypeError(`pattern ${text} has ${32 - at} bits`);
  return { mask, value };
}

/** The fields of a pattern by name. */
export function fieldsOf(text: string): Readonly<Record<string, Field>> {
  const fields: Record<string, Field> = {};
  let at = 32;
  for (const word of text.split(" ")) {
    const colon = word.indexOf(":");
    const width = colon > 0 ? Number(word.slice(colon + 1)) : word.length;
    at -= width;
    if (colon > 0) fields[word.slice(0, colon)] = new Field(at, width);
  }
  return fields;
}
