import type { LinkObject } from "./link_object.ts";
import type { SymbolUse } from "./resolve.ts";

/** A reference that was looked up. */
export interface Binding {
  /** The symbol's name, without its version. */
  readonly name: string;
  /** The version that the reference names, if it names one. */
  readonly version: string | undefined;
  /** What the reference is for: a call, data, and so on. */
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
  /** The object whose dependency or dlopen asked. */
  readonly requester: LinkObject;
  /** Guest path. */
  readonly path: string;
  /** Whether a library that could be used was there. */
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
  /** Called for every object that leaves the running process, before it does. */
  unloaded?(object: LinkObject): void;
}

/** Several observers as one: each is told, in order. */
export function together(observers: readonly LinkObserver[]): LinkObserver | undefined {
  if (observers.length < 2) return observers[0];
  return {
    bound: (binding) => observers.forEach((observer) => observer.bound?.(binding)),
    tried: (attempt) => observers.forEach((observer) => observer.tried?.(attempt)),
    unloaded: (object) => observers.forEach((observer) => observer.unloaded?.(object)),
  };
}
