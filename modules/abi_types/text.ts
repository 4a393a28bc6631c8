import { DW_AT, DW_TAG } from "../../lib/elf/dwarf_info.ts";
import { dimensionsOf, isVariadic, parametersOf, partsOf, type Type } from "./parts.ts";

const WORDS: Readonly<Record<number, string>> = {
  [DW_TAG.structure]: "struct",
  [DW_TAG.class]: "class",
  [DW_TAG.union]: "union",
  [DW_TAG.enumeration]: "enum",
};

/** A type as C would write it, by its name; a function with its parameters. */
export function typeText(type: Type, called = ""): string {
  if (type === undefined) return `void${called === "" ? "" : ` ${called}`}`;
  const { tag, name } = type;
  const inner = () => type.refers(DW_AT.type);
  switch (tag) {
    case DW_TAG.pointer:
      return typeText(inner(), `*${called}`);
    case DW_TAG.reference:
      return typeText(inner(), `&${called}`);
    case DW_TAG.rvalueReference:
      return typeText(inner(), `&&${called}`);
    case DW_TAG.const:
      return `const ${typeText(inner(), called)}`;
    case DW_TAG.volatile:
      return `volatile ${typeText(inner(), called)}`;
    case DW_TAG.restrict:
    case DW_TAG.atomic:
      return typeText(inner(), called);
    case DW_TAG.array: {
      const sizes = dimensionsOf(type).map((count) => `[${count < 0 ? "" : count}]`).join("");
      return `${typeText(inner(), called)}${sizes}`;
    }
    case DW_TAG.subroutineType:
    case DW_TAG.subprogram: {
      const parameters = parametersOf(type).map((parameter) => typeText(parameter));
      if (isVariadic(type)) parameters.push("...");
      const isBare = called !== "" && !called.startsWith("*") && !called.startsWith("(");
      const head = isBare ? called : `(${called === "" ? "*" : called})`;
      return `${typeText(inner(), head)}(${parameters.join(", ") || "void"})`;
    }
    default: {
      const word = WORDS[tag];
      const text = `${word === undefined ? "" : `${word} `}${name ?? "(anonymous)"}`;
      return called === "" ? text : `${text} ${called}`;
    }
  }
}

/** Longest text of a definition, in characters. */
const LONGEST = 400;

/** A type with what is in it: members with their offsets, enumerators with their values. */
export function aggregateText(type: Type): string {
  if (type === undefined) return "void";
  const text = typeText(type);
  const size = type.number(DW_AT.byteSize);
  let parts: string[];
  if (type.tag === DW_TAG.enumeration) {
    parts = type.children().filter(({ tag }) => tag === DW_TAG.enumerator)
      .map((entry) => `${entry.name} = ${entry.number(DW_AT.constValue)}`);
  } else if (WORDS[type.tag] !== undefined) {
    parts = partsOf(type).map(({ name, place, type }) => `${typeText(type)} ${name} ${place}`);
  } else return size === undefined ? text : `${text} of ${size} bytes`;
  let body = parts.join(", ");
  if (body.length > LONGEST) body = `${body.slice(0, LONGEST)}…`;
  return `${text} { ${body} } of ${size ?? 0} bytes`;
}
