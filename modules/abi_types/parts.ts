import { type DebugEntry, DW_AT, DW_TAG } from "../../lib/elf/dwarf_info.ts";

/** `undefined` is C's void. */
export type Type = DebugEntry | undefined;

/** The types of a function's parameters. */
export function parametersOf(entry: DebugEntry): Type[] {
  const specification = entry.refers(DW_AT.specification) ?? entry.refers(DW_AT.abstractOrigin);
  const own = entry.children().filter(({ tag }) => tag === DW_TAG.formalParameter);
  const parameters = own.length === 0 && specification !== undefined
    ? specification.children().filter(({ tag }) => tag === DW_TAG.formalParameter)
    : own;
  return parameters.map((parameter) =>
    parameter.refers(DW_AT.type) ?? parameter.refers(DW_AT.abstractOrigin)?.refers(DW_AT.type)
  );
}

export function isVariadic(entry: DebugEntry): boolean {
  return entry.children().some(({ tag }) => tag === DW_TAG.unspecifiedParameters);
}

/** Numbers of elements of an array, -1 where it is open. */
export function dimensionsOf(array: DebugEntry): number[] {
  return array.children().filter(({ tag }) => tag === DW_TAG.subrange).map((range) => {
    const count = range.number(DW_AT.count);
    const bound = range.number(DW_AT.upperBound);
    return count ?? (bound === undefined ? -1 : bound + 1);
  });
}

/** A base, a member, or a member of a variant of one of Rust's enums. */
export interface Part {
  readonly name: string;
  /** Its offset, with the bits of a bit field; before it the value that chooses its variant. */
  readonly place: string;
  readonly type: Type;
}

/** What a struct, class or union is made of. */
export function partsOf(entry: DebugEntry): Part[] {
  const parts: Part[] = [];
  for (const child of entry.children()) {
    const { tag, name = "" } = child;
    if (tag === DW_TAG.member || tag === DW_TAG.inheritance) {
      // Members that are declared are static: they have no place in the object.
      if (child.isDeclaration || (child.number(DW_AT.external) ?? 0) !== 0) continue;
      parts.push({ name, place: placeOf(child), type: child.refers(DW_AT.type) });
    } else if (tag === DW_TAG.variantPart) {
      const discriminant = child.refers(DW_AT.discr);
      if (discriminant !== undefined) {
        const type = discriminant.refers(DW_AT.type);
        parts.push({ name: "discriminant", place: placeOf(discriminant), type });
      }
      for (const variant of child.children()) {
        if (variant.tag !== DW_TAG.variant) continue;
        const value = variant.number(DW_AT.discrValue) ?? "else";
        for (const { name, place, type } of partsOf(variant)) {
          parts.push({ name, place: `${place} if ${value}`, type });
        }
      }
    }
  }
  return parts;
}

/** Offset of a member, with that of the bits of a bit field. */
function placeOf(member: DebugEntry): string {
  const bits = member.number(DW_AT.bitSize);
  const bitOffset = member.number(DW_AT.dataBitOffset);
  const offset = offsetOf(member);
  if (bits === undefined) return `@${offset}`;
  return bitOffset === undefined ? `@${offset}:${bits}` : `bit ${bitOffset}:${bits}`;
}

function offsetOf(member: DebugEntry): number {
  const value = member.attributes.get(DW_AT.memberLocation);
  if (value?.kind === "number") return value.value;
  // DWARF 2: DW_OP_plus_uconst (0x23) and a ULEB128.
  if (value?.kind !== "block" || value.value[0] !== 0x23) return 0;
  return value.value.subarray(1).reduce((sum, byte, i) => sum + (byte & 0x7f) * 128 ** i, 0);
}
