import type { LinkObject } from "./link_object.ts";
import type { SymbolUse } from "./resolve.ts";

/** A reference that was looked up. */
export interface Binding {
  readonly name: string;
  /** The version that the reference names, if it names one. */
  readonly version: string | undefined;
  readonly use: SymbolUse;
  /** The running program asked for the newest version by name, as dlsym does. */
  readonly newest: boolean;
  /** The object with the reference. */
  readonly from: LinkObject;
  /** The object with the definition; undefined if nothing defines it, as a weak reference may find. */
  readonly to: LinkObject | undefined;
}

/** One place at which a library was looked for. */
export interface Attempt {
  /** The name that was asked for, and who asked. */
  readonly name: string;
  readonly requester: LinkObject;
  /** Guest path. */
  readonly path: string;
  readonly found: boolean;
}

/**
 * Who watches a link as it happens, as LD_DEBUG of glibc's loader lets one. Nothing depends on it: a link
 * that is watched is the same link.
 */
export interface LinkObserver {
  /** Called for every reference that is looked up, in the order of the relocations; later for dlsym. */
  bound?(binding: Binding): void;
  /** Called for every path tried, in order. */
  tried?(attempt: Attempt): void;
}
