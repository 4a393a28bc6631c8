import { type DebugEntry, DW_AT, DW_TAG } from "../../lib/elf/dwarf_info.ts";
import { dimensionsOf, isVariadic, parametersOf, partsOf, type Type } from "./parts.ts";
import { aggregateText, typeText } from "./text.ts";

/** Where two views of an interface differ: what differs, and how each side has it. */
export interface Difference {
  /** The type, or the function or variable itself. */
  readonly what: string;
  readonly ours: string;
  readonly theirs: string;
  /** It is of a type that means nothing without who uses it, such as a number: say who does. */
  readonly isPlain: boolean;
}

const AGGREGATES: readonly number[] = [DW_TAG.structure, DW_TAG.class, DW_TAG.union];
const NAMED: readonly number[] = [...AGGREGATES, DW_TAG.enumeration];
const QUALIFIERS: readonly number[] = [
  DW_TAG.const,
  DW_TAG.volatile,
  DW_TAG.restrict,
  DW_TAG.atomic,
  DW_TAG.typedef,
];
const POINTERS: readonly number[] = [DW_TAG.pointer, DW_TAG.reference, DW_TAG.rvalueReference];

/** A type without its typedefs and qualifiers, which are no part of an ABI. */
export function bare(type: Type): Type {
  let at = type;
  for (let steps = 0; at !== undefined && QUALIFIERS.includes(at.tag); steps++) {
    if (steps > 1000) throw new RangeError(`the type at 0x${at.offset.toString(16)} is a cycle`);
    at = at.refers(DW_AT.type);
  }
  return at;
}

/** The complete definition of a type of which only the name is declared, if the file has one. */
export function complete(type: DebugEntry): DebugEntry | undefined {
  const inTypeUnit = type.refers(DW_AT.signature);
  if (inTypeUnit !== undefined) return inTypeUnit;
  if (!type.isDeclaration) return type;
  if (type.name === undefined) return undefined;
  let definition = definitions.get(type);
  if (definition === undefined) definitions.set(type, definition = find(type) ?? null);
  return definition ?? undefined;
}

/** Definitions found for declarations; null where there is none. */
const definitions = new WeakMap<DebugEntry, DebugEntry | null>();

function find(type: DebugEntry): DebugEntry | undefined {
  const { info } = type;
  const key = info.keyOf(type) ?? `${type.tag} ${type.name}`;
  for (const file of [info, info.supplementary]) {
    const definition = file?.types.get(key)?.find((entry) => !entry.isDeclaration);
    if (definition !== undefined) return definition;
  }
  return undefined;
}

/** Compares types of two files as far as code compiled for one may be linked with the other. */
export class TypeComparison {
  /** Pairs that are equal, or assumed so while they are compared. */
  readonly #equal = new Map<DebugEntry, Set<DebugEntry>>();

  /** The first difference of two functions: parameters, result, and the types of both. */
  functions(ours: DebugEntry, theirs: DebugEntry, name: string): Difference | undefined {
    return this.#signatures(ours, theirs, name);
  }

  #signatures(ours: DebugEntry, theirs: DebugEntry, name: string): Difference | undefined {
    const [ourParameters, theirParameters] = [parametersOf(ours), parametersOf(theirs)];
    const differ = (): Difference => ({
      what: name,
      ours: typeText(ours, name),
      theirs: typeText(theirs, name),
      isPlain: name === ANONYMOUS,
    });
    // C before C23 declares functions without saying what they take.
    const isOpen = ourParameters.length === 0 &&
      (isVariadic(ours) || ours.number(DW_AT.prototyped) === undefined);
    if (!isOpen) {
      if (ourParameters.length !== theirParameters.length) return differ();
      if (isVariadic(ours) !== isVariadic(theirs)) return differ();
      for (let i = 0; i < ourParameters.length; i++) {
        const found = this.types(ourParameters[i], theirParameters[i]);
        if (found !== undefined) return found.isPlain ? differ() : found;
      }
    }
    const found = this.types(ours.refers(DW_AT.type), theirs.refers(DW_AT.type));
    return found?.isPlain ? differ() : found;
  }

  /** The first difference of two types. */
  types(ourType: Type, theirType: Type): Difference | undefined {
    let [ours, theirs] = [bare(ourType), bare(theirType)];
    if (ours === undefined && theirs === undefined) return undefined;
    if (ours === undefined || theirs === undefined) return differ(ours, theirs);
    if (ours === theirs || this.#isKnown(ours, theirs)) return undefined;
    if (POINTERS.includes(ours.tag) && POINTERS.includes(theirs.tag)) {
      const [our, their] = [bare(ours.refers(DW_AT.type)), bare(theirs.refers(DW_AT.type))];
      // A pointer to anything may be passed as one to void.
      return our === undefined || their === undefined ? undefined : this.types(our, their);
    }
    const areAggregates = AGGREGATES.includes(ours.tag) && AGGREGATES.includes(theirs.tag);
    if (areAggregates || ours.tag === DW_TAG.enumeration && theirs.tag === ours.tag) {
      const [our, their] = [complete(ours), complete(theirs)];
      // Code that does not know what is in it cannot depend on it.
      if (our === undefined || their === undefined) {
        return ours.name === theirs.name ? undefined : differ(ours, theirs);
      }
      [ours, theirs] = [our, their];
      if (this.#isKnown(ours, theirs)) return undefined;
    } else if (ours.tag !== theirs.tag) return differ(ours, theirs);
    this.#assume(ours, theirs);
    const found = this.#contents(ours, theirs);
    if (found !== undefined) this.#equal.get(ours)!.delete(theirs);
    return found;
  }

  #isKnown(ours: DebugEntry, theirs: DebugEntry): boolean {
    return this.#equal.get(ours)?.has(theirs) ?? false;
  }

  #assume(ours: DebugEntry, theirs: DebugEntry): void {
    let set = this.#equal.get(ours);
    if (set === undefined) this.#equal.set(ours, set = new Set());
    set.add(theirs);
  }

  #contents(ours: DebugEntry, theirs: DebugEntry): Difference | undefined {
    switch (ours.tag) {
      case DW_TAG.base:
        return this.#same(ours, theirs, [DW_AT.byteSize, DW_AT.encoding]);
      case DW_TAG.enumeration:
        return this.#enumerations(ours, theirs);
      case DW_TAG.array:
        return this.#arrays(ours, theirs);
      case DW_TAG.subroutineType:
        return this.#signatures(ours, theirs, ANONYMOUS);
      case DW_TAG.structure:
      case DW_TAG.class:
      case DW_TAG.union:
        return this.#aggregates(ours, theirs);
      default:
        return undefined;
    }
  }

  #same(ours: DebugEntry, theirs: DebugEntry, attributes: number[]): Difference | undefined {
    const isSame = attributes.every((attribute) =>
      ours.number(attribute) === theirs.number(attribute)
    );
    return isSame ? undefined : differ(ours, theirs);
  }

  /** Every enumerator that we know must be theirs too, with its value; they may have more. */
  #enumerations(ours: DebugEntry, theirs: DebugEntry): Difference | undefined {
    if (ours.number(DW_AT.byteSize) !== theirs.number(DW_AT.byteSize)) return differ(ours, theirs);
    const values = new Map(
      theirs.children().map((entry) => [entry.name, entry.number(DW_AT.constValue)]),
    );
    const isSame = ours.children().every((entry) =>
      entry.tag !== DW_TAG.enumerator ||
      values.get(entry.name) === entry.number(DW_AT.constValue)
    );
    return isSame ? undefined : differ(ours, theirs);
  }

  #arrays(ours: DebugEntry, theirs: DebugEntry): Difference | undefined {
    const found = this.types(ours.refers(DW_AT.type), theirs.refers(DW_AT.type));
    if (found !== undefined) return found;
    const isSame = dimensionsOf(ours).join() === dimensionsOf(theirs).join();
    return isSame ? undefined : differ(ours, theirs);
  }

  /** What differs innermost is said: a member's own type rather than what holds it. */
  #aggregates(ours: DebugEntry, theirs: DebugEntry): Difference | undefined {
    const [our, their] = [partsOf(ours), partsOf(theirs)];
    let differs = our.length !== their.length ||
      ours.number(DW_AT.byteSize) !== theirs.number(DW_AT.byteSize);
    for (let i = 0; i < Math.min(our.length, their.length); i++) {
      const [a, b] = [our[i], their[i]];
      differs ||= a.name !== b.name || a.place !== b.place;
      if (a.name !== b.name) continue;
      const found = this.types(a.type, b.type);
      if (found === undefined) continue;
      if (!found.isPlain) return found;
      differs = true;
    }
    return differs ? differ(ours, theirs) : undefined;
  }
}

/** What a function type is called. */
const ANONYMOUS = "(*)";

function differ(ours: Type, theirs: Type): Difference {
  return {
    what: typeText(ours ?? theirs),
    ours: aggregateText(ours),
    theirs: aggregateText(theirs),
    isPlain: [ours, theirs].some((type) => type === undefined || !NAMED.includes(type.tag)),
  };
}
