import {
  type ElfFile,
  frameDescriptions,
  STT_FUNC,
  STT_GNU_IFUNC,
  type SymbolTable,
} from "../../lib/elf/mod.ts";
import { aarch64Code } from "../seccomp/aarch64_code.ts";
import { Image } from "../seccomp/image.ts";
import { x86_64Code } from "../seccomp/x86_64_code.ts";
import { Frames } from "./frames.ts";
import { type MovableCode, MOVERS } from "./movable_code.ts";

/** A function that can be copied: code that one unwind entry describes. */
export interface Movable {
  readonly start: number;
  readonly size: number;
  /** Address of its unwind entry. */
  readonly frame: number;
  readonly code: MovableCode;
  /** No other code leads between its first bytes, so that a jump may stand there. */
  readonly isEntryFree: boolean;
  /** Nothing needs the original but for its entry. */
  readonly isClosed: boolean;
}

const surveys = new WeakMap<ElfFile, Survey>();

/** The survey of a file, made once. */
export function surveyOf(elf: ElfFile): Survey {
  let survey = surveys.get(elf);
  if (survey === undefined) surveys.set(elf, survey = new Survey(elf));
  return survey;
}

/** What of an object can be copied. */
export class Survey {
  readonly image: Image;
  readonly frames: Frames;
  readonly #entries = new Map<number, { readonly end: number; readonly vaddr: number }>();
  readonly #names = new Map<string, number[]>();
  readonly #nameOf = new Map<number, string[]>();
  /** Addresses in code that other functions or data hold, and that other functions branch to; ascending. */
  readonly #held: Float64Array;
  readonly #branched: Float64Array;
  /** Functions that direct branches lead to, or that others can call by name. */
  readonly #called = new Set<number>();

  constructor(readonly elf: ElfFile) {
    this.image = new Image(elf);
    this.frames = new Frames(elf);
    for (const { start, end, vaddr } of frameDescriptions(elf)) {
      this.#entries.set(start, { end, vaddr });
    }
    for (const table of [elf.symbols, elf.sections.length > 0 ? elf.staticSymbols : undefined]) {
      if (table !== undefined) this.#readNames(table);
    }
    const held: number[] = [];
    const branched: number[] = [];
    for (const pointer of this.image.pointers.values()) {
      if (pointer.kind === "address") held.push(pointer.target);
    }
    const { addresses } = MOVERS[elf.machine];
    for (const { start, end } of [...this.image.functions, ...this.image.between]) {
      addresses(start, this.image.bytes(start, end - start), (address, isBranch) => {
        if (isBranch) this.#called.add(address);
        if (address < start || address >= end) (isBranch ? branched : held).push(address);
      });
    }
    this.#held = Float64Array.from(held).sort();
    this.#branched = Float64Array.from(branched).sort();
  }

  #readNames(table: SymbolTable): void {
    for (let i = 0; i < table.length; i++) {
      const type = table.type(i);
      if ((type !== STT_FUNC && type !== STT_GNU_IFUNC) || table.shndx(i) === 0) continue;
      const name = table.name(i);
      const known = this.#names.get(name);
      const value = table.value(i);
      this.#nameOf.set(value, [...this.#nameOf.get(value) ?? [], name]);
      if (table === this.elf.symbols) this.#called.add(value);
      if (known === undefined) this.#names.set(name, [value]);
      else if (!known.includes(value)) known.push(value);
    }
  }

  /** Addresses of the functions that a profile calls `name`: by symbol, or by address. */
  addressesOf(name: string): readonly number[] {
    return this.#names.get(name) ?? (/^0x[0-9a-f]+$/.test(name) ? [Number(name)] : []);
  }

  /** Whether a function calls one with such a name, through a linkage table or in the object. */
  calls({ code }: Pick<Movable, "code">, name: RegExp): boolean {
    const { image, elf } = this;
    const entrySlot = elf.machine === "x86_64" ? x86_64Code.entrySlot : aarch64Code.entrySlot;
    return code.references.some(({ target }) => {
      const slot = image.isTable(target) ? entrySlot(target, image) : target;
      const pointer = slot === undefined ? undefined : image.pointers.get(slot);
      if (pointer?.kind === "symbol") return name.test(image.imports[pointer.index].name);
      return this.#nameOf.get(target)?.some((own) => name.test(own)) ?? false;
    });
  }

  /** Where functions begin, by unwind entries. */
  get starts(): Iterable<number> {
    return this.#entries.keys();
  }

  /** Whether something calls the function at an address directly, or can do so by name. */
  isCalled(start: number): boolean {
    return this.#called.has(start);
  }

  /** The function at an address; or why it stays where it is. */
  movable(start: number): Movable | string {
    const entry = this.#entries.get(start);
    if (entry === undefined) return "it has no unwind entry";
    const size = entry.end - start;
    if (anyIn(this.#held, start + 1, entry.end)) return "something points into it";
    const frame = this.frames.read(entry.vaddr);
    if (typeof frame === "string") return frame;
    const code = MOVERS[this.elf.machine].read(start, this.image.bytes(start, size), this.image);
    if (typeof code === "string") return code;
    const isEntryFree = code.entrySize > 0 &&
      !anyIn(this.#branched, start + 1, start + code.entrySize);
    const isClosed = code.isClosed && isEntryFree && !anyIn(this.#branched, start + 1, entry.end);
    return { start, size, frame: entry.vaddr, code, isEntryFree, isClosed };
  }
}

/** Whether an ascending list has a number in `[from, to)`. */
function anyIn(list: Float64Array, from: number, to: number): boolean {
  let low = 0;
  for (let high = list.length; low < high;) {
    const middle = (low + high) >> 1;
    if (list[middle] < from) low = middle + 1;
    else high = middle;
  }
  return low < list.length && list[low] < to;
}
