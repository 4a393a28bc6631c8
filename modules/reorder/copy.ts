import { type LinkContext, type LinkObject } from "../../lib/linker/mod.ts";
import { aarch64Code } from "../seccomp/aarch64_code.ts";
import { x86_64Code } from "../seccomp/x86_64_code.ts";
import type { Chosen, HotObject } from "./hot_object.ts";
import { type MovableCode, MOVERS } from "./movable_code.ts";

const ENTRY_SLOT = { x86_64: x86_64Code.entrySlot, aarch64: aarch64Code.entrySlot };
/** JUMP_SLOT and IRELATIVE. */
const SLOTS = { x86_64: [7, 37], aarch64: [1026, 1032] };

/** A copy that is to be made. */
interface Copy {
  readonly function: Chosen;
  readonly code: MovableCode;
  readonly bytes: Uint8Array;
  /** Addresses of the original and of the copy. */
  readonly from: number;
  readonly to: number;
}

/** A function that was copied: addresses of the original and of the copy, and bytes. */
export interface MovedFunction {
  readonly object: LinkObject;
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly size: number;
}

export interface CopyOptions {
  /** Whether the original's first instructions become a jump to the copy. */
  readonly patchEntries: boolean;
}

/** Copies functions, and makes what calls them by name or directly from a copy call the copies. */
export function copyFunctions(
  link: LinkContext,
  hot: LinkObject,
  { functions, frames }: HotObject,
  { patchEntries }: CopyOptions,
): MovedFunction[] {
  const { counters, arch } = link;
  const mover = MOVERS[arch];
  const base = link.base(hot);
  // A file that was opened by two paths is parsed twice.
  const objects = new Map(link.batch.map((object) => [object.elf.bytes, object]));
  const copies: Copy[] = [];
  for (const one of functions) {
    const object = objects.get(one.survey.elf.bytes);
    const copy = object && copyOf(link, object, base, one);
    if (typeof copy !== "object") stays(link, copy ?? "its object is not loaded");
    else copies.push(copy);
  }
  const places = new Places(copies);
  for (const copy of copies) {
    const { from, to, code, bytes, function: { survey, start, tables } } = copy;
    const bias = from - start;
    const tableOf = new Map(
      code.tables.flatMap(({ users }, i) => users.map(({ at }) => [at, base + tables[i]])),
    );
    for (const reference of code.references) {
      const original = bias + reference.target;
      let target = tableOf.get(reference.at) ?? original;
      if (reference.isBranch) {
        target = places.copyAt(original) ?? original;
        if (survey.image.isTable(reference.target)) {
          const bound = slotValue(link, survey.elf.machine, copy, reference.target);
          const called = bound === undefined ? undefined : places.copyAt(bound) ?? bound;
          if (called !== undefined && mover.write(bytes, reference, to + reference.at, called)) {
            counters.count("reorder.calls.direct");
            continue;
          }
        }
      }
      mover.write(bytes, reference, to + reference.at, target);
    }
    link.write(to, bytes);
    link.noteCopy(to, bytes.length, from);
    for (const [i, { targets }] of code.tables.entries()) {
      const at = base + tables[i];
      targets.forEach((target, k) => {
        link.writeInteger(at + 4 * k, 4, places.copyAt(bias + target)! - at);
      });
    }
    counters.count("reorder.functions.moved");
    counters.count("reorder.bytes", bytes.length);
    counters.count("reorder.tables", code.tables.length);
  }
  for (const { address, entry, survey } of frames) {
    const object = objects.get(survey.elf.bytes);
    if (object === undefined) continue;
    for (const { at, target } of entry.pointers) {
      const place = base + address + at;
      link.writeInteger(place, 4, link.base(object) + target - place);
    }
  }
  leadToCopies(link, copies, places, patchEntries);
  return copies.map(({ function: { survey, name }, from, to, bytes }) => ({
    object: objects.get(survey.elf.bytes)!,
    ...{ name, from, to, size: bytes.length },
  }));
}

/** A copy of a function as it stands in memory; or why there can be none. */
function copyOf(
  link: LinkContext,
  object: LinkObject,
  base: number,
  one: Chosen,
): Copy | string {
  const mover = MOVERS[link.arch];
  const { start, size, survey, copy } = one;
  const from = link.base(object) + start;
  const to = base + copy;
  const bytes = link.read(from, size);
  // Other modules may have changed it since.
  const code = mover.read(start, bytes, survey.image);
  if (typeof code === "string") return code;
  if (code.tables.length !== one.code.tables.length) return "it was changed";
  const draft = bytes.slice();
  const inReach = code.references.every((reference) =>
    mover.write(draft, reference, to + reference.at, link.base(object) + reference.target)
  );
  return inReach ? { function: one, code, bytes, from, to } : "out of reach";
}

export function stays(link: LinkContext, reason: string): void {
  link.counters.count(`reorder.functions.stay.${reason.replaceAll(" ", "_")}`);
}

/** Where originals lie, and their copies. */
class Places {
  readonly #copies: readonly Copy[];

  constructor(copies: readonly Copy[]) {
    this.#copies = [...copies].sort((a, b) => a.from - b.from);
  }

  /** The address in a copy of an address in an original. */
  copyAt(address: number): number | undefined {
    let low = 0;
    for (let high = this.#copies.length; low < high;) {
      const middle = (low + high) >> 1;
      if (this.#copies[middle].from <= address) low = middle + 1;
      else high = middle;
    }
    const copy = this.#copies[low - 1];
    if (copy === undefined || address >= copy.from + copy.bytes.length) return undefined;
    return copy.to + address - copy.from;
  }
}

/** What a slot is bound to that an entry of the linkage table jumps through; not if that is for the first call. */
function slotValue(
  link: LinkContext,
  machine: "x86_64" | "aarch64",
  { from, function: { start, survey } }: Copy,
  entry: number,
): number | undefined {
  const slot = ENTRY_SLOT[machine](entry, survey.image);
  if (slot === undefined || !survey.image.isSlot(slot)) return undefined;
  const bias = from - start;
  const value = link.readI64(bias + slot);
  return value <= 0 || survey.image.isTable(value - bias) ? undefined : value;
}

/** Slots of linkage tables get the addresses of copies; entries of originals become jumps to them. */
function leadToCopies(
  link: LinkContext,
  copies: readonly Copy[],
  places: Places,
  patchEntries: boolean,
): void {
  const { counters, arch } = link;
  const entries = new Set(copies.map(({ from }) => from));
  for (const object of link.batch) {
    const base = link.base(object);
    for (const { kind, length, types, offsets } of object.elf.relocationTables) {
      if (kind !== "plt") continue;
      for (let i = 0; i < length; i++) {
        if (!SLOTS[arch].includes(types[i])) continue;
        const value = link.readI64(base + offsets[i]);
        if (!entries.has(value)) continue;
        link.writeU64(base + offsets[i], places.copyAt(value)!);
        counters.count("reorder.slots");
      }
    }
  }
  for (const { from, to, function: { isEntryFree } } of copies) {
    const jump = patchEntries && isEntryFree ? MOVERS[arch].jump(from, to) : undefined;
    if (jump === undefined) counters.count("reorder.entries.left");
    else link.write(from, jump);
  }
}
