import { type DebugEntry, type DebugInfo, DW_AT, DW_TAG } from "../../lib/elf/dwarf_info.ts";
import { ElfError } from "../../lib/elf/mod.ts";
import {
  type Definition,
  type LinkContext,
  LinkError,
  type LinkObject,
  type Module,
  type SymbolLookup,
  weak,
} from "../../lib/linker/mod.ts";
import { bare, complete, type Difference, TypeComparison } from "./compare.ts";
import { debugInfoOf } from "./debug_files.ts";
import { parametersOf, type Type } from "./parts.ts";

/** Options of `abiTypes`. */
export interface AbiTypesOptions {
  /** Guest folder of debug files by build id; default `/usr/lib/debug`. */
  readonly debug?: string;
}

/** What was compared for one pair of objects. */
interface Pair {
  readonly comparison: TypeComparison;
  readonly checked: Set<string>;
}

/**
 * Checks the types of interfaces when a symbol is bound: what the object that asks was compiled for, by its debug
 * information, against what the object that defines has, by its own. A function whose parameters or result
 * differ, or a struct, union or enum of them that does, is refused before the program starts.
 *
 * Where the asking object declares the function, its declaration is compared. Compilers leave out declarations
 * of what is merely called without optimisation: then the types that both know by name are compared, as far
 * as they can be reached from the definition's parameters.
 */
export function abiTypes(options: AbiTypesOptions = {}): Module {
  const { debug = "/usr/lib/debug" } = options;
  const find = weak((link) => {
    if (!link.files.exists(debug)) throw new LinkError(`there is no folder ${debug}`);
  });
  const pairs = new WeakMap<LinkObject, Map<LinkObject, Pair>>();
  return {
    name: "abi-types",
    register: ({ isProgram }) =>
      isProgram && options.debug !== undefined ? { "post-collect": find } : {},
    resolve: (lookup, next) => {
      const found = next(lookup);
      if (found !== undefined && found.object !== lookup.from && found.object.file !== undefined) {
        check(lookup, found, debug, pairs);
      }
      return found;
    },
  };
}

function check(
  { link, from, key }: SymbolLookup,
  { object }: Definition,
  debug: string,
  pairs: WeakMap<LinkObject, Map<LinkObject, Pair>>,
): void {
  let others = pairs.get(from);
  if (others === undefined) pairs.set(from, others = new Map());
  let pair = others.get(object);
  if (pair === undefined) {
    others.set(object, pair = { comparison: new TypeComparison(), checked: new Set() });
  }
  const { name } = key;
  if (pair.checked.has(name)) return;
  pair.checked.add(name);
  let culprit = from;
  let difference: Difference | undefined;
  try {
    const ours = infoOf(link, from, debug);
    culprit = object;
    const theirs = ours && infoOf(link, object, debug);
    if (ours === undefined || theirs === undefined) {
      return link.counters.count("abi.unchecked");
    }
    difference = compare(link, pair.comparison, ours, theirs, name);
  } catch (error) {
    if (!(error instanceof ElfError || error instanceof RangeError)) throw error;
    refuse(culprit, `its debug information is malformed: ${error.message}`);
  }
  if (difference === undefined) return;
  const { what, ours, theirs } = difference;
  refuse(
    from,
    `${name} of ${object.path} has another ${what} than this was compiled for: ` +
      `${theirs}, not ${ours}`,
  );
}

function infoOf(link: LinkContext, object: LinkObject, debug: string): DebugInfo | undefined {
  return debugInfoOf(link, object, debug);
}

function compare(
  link: LinkContext,
  comparison: TypeComparison,
  ours: DebugInfo,
  theirs: DebugInfo,
  name: string,
): Difference | undefined {
  const definition = theirs.symbols.get(name)?.find((entry) => !entry.isDeclaration);
  if (definition === undefined) {
    link.counters.count("abi.unchecked");
    return undefined;
  }
  const isFunction = definition.tag === DW_TAG.subprogram;
  const declaration = ours.symbols.get(name)?.find(({ tag }) => tag === definition.tag);
  if (declaration !== undefined) {
    link.counters.count("abi.declared");
    return isFunction
      ? comparison.functions(declaration, definition, name)
      : comparison.types(typeOf(declaration), typeOf(definition));
  }
  const types = isFunction
    ? [...parametersOf(definition), definition.refers(DW_AT.type)]
    : [typeOf(definition)];
  link.counters.count("abi.named");
  const seen = new Set<DebugEntry>();
  for (const type of types) {
    const found = compareNamed(comparison, ours, type, seen);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The type of a variable, which its declaration may have. */
function typeOf(variable: DebugEntry): Type {
  return variable.refers(DW_AT.type) ?? variable.refers(DW_AT.specification)?.refers(DW_AT.type);
}

/** Compares each type below `type` that has a name with ours of that name, if there is one. */
function compareNamed(
  comparison: TypeComparison,
  ours: DebugInfo,
  type: Type,
  seen: Set<DebugEntry>,
): Difference | undefined {
  const entry = bare(type);
  if (entry === undefined || seen.has(entry)) return undefined;
  seen.add(entry);
  const definition = complete(entry);
  if (definition?.name !== undefined) {
    const key = definition.info.keyOf(definition) ?? `${definition.tag} ${definition.name}`;
    const candidates = [...ours.types.get(key) ?? [], ...ours.supplementary?.types.get(key) ?? []]
      .filter((candidate) => !candidate.isDeclaration);
    // Files may have several types of a name, of which one is meant.
    const differences = candidates.map((candidate) => comparison.types(candidate, definition));
    if (differences.length > 0) {
      return differences.includes(undefined) ? undefined : differences[0];
    }
  }
  const inner = entry.refers(DW_AT.type);
  const found = compareNamed(comparison, ours, inner, seen);
  if (found !== undefined || definition === undefined) return found;
  for (const child of definition.children()) {
    const found = compareNamed(comparison, ours, child.refers(DW_AT.type), seen);
    if (found !== undefined) return found;
  }
  return undefined;
}

function refuse(object: LinkObject, message: string): never {
  const occasion = "error while loading shared libraries";
  throw LinkError.of({ occasion, object: object.path, message, status: 127 });
}
