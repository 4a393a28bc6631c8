import type { LinkContext, LinkObject } from "../../lib/linker/mod.ts";
import { aarch64Code } from "../seccomp/aarch64_code.ts";
import { x86_64Code } from "../seccomp/x86_64_code.ts";
import type { Chosen, HotObject } from "./hot_object.ts";
import { type MovableCode, MOVERS } from "./movable_code.ts";

const ENTRY_SLOT = { x86_64: x86_64Code.entrySlot, aarch64: aarch64Code.entrySlot };
/** JUMP_SLOT and IRELATIVE. */
const SLOTS = { x86_64: [7, 37], aarch64: [1026, 1032] };

/** Writes guest memory: before the program starts, or while it runs. */
export type Write = (at: number, bytes: Uint8Array) => void;

/** A function that was copied: addresses of the original and of the copy, and bytes. */
export interface MovedFunction {
  readonly object: LinkObject;
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly size: number;
}

/** A function with a copy. */
export interface Copy {
  readonly function: Chosen;
  readonly object: LinkObject;
  readonly code: MovableCode;
  /** The original's bytes and address. */
  readonly original: Uint8Array;
  readonly from: number;
  /** What its references refer to: originals, or what slots are bound to. */
  readonly targets: readonly number[];
}

/** A slot of a linkage table that leads to a function with a copy. */
interface Slot {
  readonly at: number;
  readonly of: Copy;
}

/** Makes and places copies of functions of the batch at work; the functions say where. */
export class Copier {
  /** By the addresses of the originals, ascending. */
  readonly copies: readonly Copy[];
  readonly #base: number;
  readonly #hot: HotObject;
  readonly #objects: ReadonlyMap<Uint8Array, LinkObject>;
  readonly #slots: readonly Slot[];

  private constructor(
    base: number,
    hot: HotObject,
    objects: ReadonlyMap<Uint8Array, LinkObject>,
    copies: readonly Copy[],
    slots: readonly Slot[],
  ) {
    this.#base = base;
    this.#hot = hot;
    this.#objects = objects;
    this.copies = copies;
    this.#slots = slots;
  }

  /** Reads the functions of an object with copies as they stand in memory. */
  static of(link: LinkContext, object: LinkObject, hot: HotObject): Copier {
    const base = link.base(object);
    // A file that was opened by two paths is parsed twice.
    const objects = new Map(link.batch.map((object) => [object.elf.bytes, object]));
    const copies: Copy[] = [];
    for (const one of hot.functions) {
      const owner = objects.get(one.survey.elf.bytes);
      const copy = owner === undefined
        ? "its object is not loaded"
        : copyOf(link, owner, base, one);
      if (typeof copy === "string") stays(link, copy);
      else copies.push(copy);
    }
    copies.sort((a, b) => a.from - b.from);
    return new Copier(base, hot, objects, copies, findSlots(link, copies));
  }

  /** The same for functions that `twins` has in the place of this one's, such as in a fork. */
  with(hot: HotObject, twins: ReadonlyMap<Chosen, Chosen>): Copier {
    const copies = this.copies.map((copy) => ({ ...copy, function: twins.get(copy.function)! }));
    const slots = this.#slots.map(({ at, of }) => ({ at, of: copies[this.copies.indexOf(of)] }));
    return new Copier(this.#base, hot, this.#objects, copies, slots);
  }

  /** The address of a copy. */
  placeOf(copy: Copy): number {
    return this.#base + copy.function.copy;
  }

  /** The address in a copy of an address in an original; itself if there is none. */
  copyAt(address: number): number {
    const { copies } = this;
    let low = 0;
    for (let high = copies.length; low < high;) {
      const middle = (low + high) >> 1;
      if (copies[middle].from <= address) low = middle + 1;
      else high = middle;
    }
    const copy = copies[low - 1];
    if (copy === undefined || address >= copy.from + copy.original.length) return address;
    return this.placeOf(copy) + address - copy.from;
  }

  /** Writes all copies, with their jump tables, where the functions say. */
  writeCopies(link: LinkContext, write: Write): void {
    const mover = MOVERS[link.arch];
    for (const copy of this.copies) {
      const { code, original, from, targets, function: { tables, start } } = copy;
      const bytes = original.slice();
      const to = this.placeOf(copy);
      const tableOf = new Map(
        code.tables.flatMap(({ users }, i) => users.map(({ at }) => [at, this.#base + tables[i]])),
      );
      code.references.forEach((reference, i) => {
        const target = reference.isBranch ? this.copyAt(targets[i]) : targets[i];
        mover.write(bytes, reference, to + reference.at, tableOf.get(reference.at) ?? target);
      });
      write(to, bytes);
      link.noteCopy(to, bytes.length, from);
      for (const [i, table] of code.tables.entries()) {
        const at = this.#base + tables[i];
        const entries = table.targets.map((target) => this.copyAt(from - start + target) - at);
        write(at, new Uint8Array(Int32Array.from(entries).buffer));
      }
    }
  }

  /** Makes slots of linkage tables lead to the copies. */
  writeSlots(write: Write): void {
    for (const { at, of } of this.#slots) write(at, word(this.placeOf(of)));
  }

  /** Makes slots of linkage tables lead to the originals. */
  resetSlots(write: Write): void {
    for (const { at, of } of this.#slots) write(at, word(of.from));
  }

  /** Makes an original's entry a jump to its copy; false if that has no room there, or is out of reach. */
  writeEntry(link: LinkContext, copy: Copy, write: Write): boolean {
    if (!copy.function.isEntryFree) return false;
    const jump = MOVERS[link.arch].jump(copy.from, this.placeOf(copy));
    if (jump !== undefined) write(copy.from, jump);
    return jump !== undefined;
  }

  /** Completes unwind entries with the addresses of what originals share with their copies. */
  writeFramePointers(link: LinkContext, write: Write): void {
    for (const { address, entry, survey } of this.#hot.frames) {
      const object = this.#objects.get(survey.elf.bytes);
      if (object === undefined) continue;
      for (const { at, target } of entry.pointers) {
        const place = this.#base + address + at;
        write(place, new Uint8Array(Int32Array.of(link.base(object) + target - place).buffer));
      }
    }
  }

  get moved(): MovedFunction[] {
    return this.copies.map((copy) => ({
      ...{ object: copy.object, name: copy.function.name, from: copy.from },
      ...{ to: this.placeOf(copy), size: copy.original.length },
    }));
  }

  /** Counts what was copied, under a module's name. */
  count(link: LinkContext, module: string): void {
    const { counters } = link;
    counters.count(`${module}.functions.moved`, this.copies.length);
    counters.count(`${module}.slots`, this.#slots.length);
    for (const { code, original } of this.copies) {
      counters.count(`${module}.bytes`, original.length);
      counters.count(`${module}.tables`, code.tables.length);
    }
  }
}

/** Slots of linkage tables that are bound to originals. */
function findSlots(link: LinkContext, copies: readonly Copy[]): Slot[] {
  const byEntry = new Map(copies.map((copy) => [copy.from, copy]));
  const slots: Slot[] = [];
  for (const object of link.batch) {
    const base = link.base(object);
    for (const { kind, length, types, offsets } of object.elf.relocationTables) {
      if (kind !== "plt") continue;
      for (let i = 0; i < length; i++) {
        if (!SLOTS[link.arch].includes(types[i])) continue;
        const of = byEntry.get(link.readI64(base + offsets[i]));
        if (of !== undefined) slots.push({ at: base + offsets[i], of });
      }
    }
  }
  return slots;
}

function word(value: number): Uint8Array {
  return new Uint8Array(BigInt64Array.of(BigInt(value)).buffer);
}

/** A function as it stands in memory; or why it can have no copy. */
function copyOf(
  link: LinkContext,
  object: LinkObject,
  base: number,
  one: Chosen,
): Copy | string {
  const mover = MOVERS[link.arch];
  const { start, size, survey, copy } = one;
  const bias = link.base(object);
  const original = link.read(bias + start, size);
  // Other modules may have changed it since.
  const code = mover.read(start, original, survey.image);
  if (typeof code === "string") return code;
  if (code.tables.length !== one.code.tables.length) return "it was changed";
  const draft = original.slice();
  const to = base + copy;
  const reaches = (target: number, i: number): boolean =>
    mover.write(draft, code.references[i], to + code.references[i].at, target);
  const targets = code.references.map(({ target }) => bias + target);
  if (!targets.every(reaches)) return "out of reach";
  // Calls of linkage table entries go directly to what the slot is bound to, unless that is for the first call.
  for (const [i, { target, isBranch }] of code.references.entries()) {
    if (!isBranch || !survey.image.isTable(target)) continue;
    const slot = ENTRY_SLOT[link.arch](target, survey.image);
    if (slot === undefined || !survey.image.isSlot(slot)) continue;
    const bound = link.readI64(bias + slot);
    if (bound <= 0 || survey.image.isTable(bound - bias) || !reaches(bound, i)) continue;
    targets[i] = bound;
    link.counters.count("reorder.calls.direct");
  }
  return { function: one, object, code, original, from: bias + start, targets };
}

export function stays(link: LinkContext, reason: string): void {
  link.counters.count(`reorder.functions.stay.${reason.replaceAll(" ", "_")}`);
}
