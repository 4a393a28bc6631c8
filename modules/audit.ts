import {
  type Attempt,
  type Definition,
  type LinkContext,
  type LinkObject,
  type Module,
  type SymbolUse,
  weak,
} from "../lib/linker/mod.ts";

/** A reference and the definition it is about to be bound to. */
export interface AuditedBinding {
  /** The symbol's name, without its version. */
  readonly name: string;
  /** The version that the reference names, if it names one. */
  readonly version: string | undefined;
  /** What the reference is for. */
  readonly use: SymbolUse;
  /** The running program asks by name, as dlsym does. */
  readonly newest: boolean;
  /** The object with the reference. */
  readonly from: LinkObject;
  /** What it will be bound to unless the auditor answers another address. */
  readonly definition: Definition;
}

/**
 * What a script is told of a link, after the audit interface of glibc's loader (rtld-audit(7)), and where it
 * may interfere. An object that a module made in memory, such as the linker's own guest code, has no `file`.
 */
export interface Auditor {
  /** A path at which a library was looked for (la_objsearch). */
  searched?(attempt: Attempt): void;
  /** An object is mapped, its relocations are not done; in load order (la_objopen). */
  opened?(object: LinkObject, link: LinkContext): void;
  /**
   * A reference is to be bound (la_symbind). A guest address that is answered takes the definition's place;
   * for `tls` it is the offset in the block of the definition's object.
   */
  bound?(binding: AuditedBinding, link: LinkContext): number | void;
  /** Everything is linked, the program has not started (la_preinit). */
  linked?(link: LinkContext): void;
  /** An object leaves the running process; its finalisers have run (la_objclose). */
  closed?(object: LinkObject): void;
}

/**
 * Shows a script what the linker opens, searches, binds and unloads, in every process. It must stand last, to
 * see what the others answer. The link that is watched is the same link, unless `bound` answers.
 *
 * ```ts
 * import { audit } from "./mod.ts";
 *
 * const libraries: string[] = [];
 * const module = audit({
 *   opened: (object) => void libraries.push(object.soname),
 *   bound: ({ name, from, definition }) => {
 *     if (name === "malloc") console.log(`${from.soname} has malloc of ${definition.object.soname}`);
 *   },
 * });
 * console.assert(module.name === "audit");
 * ```
 */
export function audit({ searched, opened, bound, linked, closed }: Auditor): Module {
  return {
    name: "audit",
    observer: { tried: searched, unloaded: closed },
    register: (object) => ({
      ...(opened && { "post-load": weak((link, object) => opened(object, link)) }),
      ...(linked && object.isProgram && { "start": weak((link) => linked(link)) }),
    }),
    ...(bound && {
      resolve: (lookup, next) => {
        const definition = next(lookup);
        if (definition === undefined) return undefined;
        const { key, version, use, newest = false, from, link } = lookup;
        const answer = bound({ name: key.name, version, use, newest, from, definition }, link);
        if (typeof answer !== "number") return definition;
        const kind = definition.kind === "ifunc" ? "code" : definition.kind;
        return { ...definition, address: answer, kind };
      },
    }),
  };
}
