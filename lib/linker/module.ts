import type { ElfFile } from "../elf/mod.ts";
import type { LinkContext } from "./link_context.ts";
import type { LinkObject } from "./link_object.ts";
import type { LinkObserver } from "./observer.ts";
import type { Phase } from "./phase.ts";
import type {
  Definition,
  Found,
  Resolver,
  Searcher,
  SymbolLookup,
  SymbolSearch,
} from "./resolve.ts";
import type { GuestFile } from "./target.ts";

/** `strong` is the main pass of its phase and object, of which there is one; `weak` complements it. */
export type Strength = "weak" | "strong";

/** What a module does to one object in one phase. */
export interface Pass {
  /** Whether it is the main pass of its phase and object, or complements that. */
  readonly strength: Strength;
  /** Of a strong pass: no other may take its place, nor may it take that of another such. */
  readonly exclusive?: boolean;
  /**
   * Does the pass's work on one object. What it throws ends the link, as a `LinkError` with phase,
   * module and object.
   */
  run(link: LinkContext, object: LinkObject): void | Promise<void>;
}

/** A module's answer about one object: the passes it contributes. An absent phase is not handled. */
export type Registration = { readonly [P in Phase]?: Pass };

/** What a machine may lack: keys for pages (PKU on x86_64, FEAT_S1POE on aarch64). */
export type ProcessorFeature = "protection-keys";

/**
 * A linker module. Modules are asked in the order they are given; a later one sees what the earlier
 * ones registered, its strong passes override theirs, and it is asked for symbols before them.
 */
export interface Module {
  /** What plans, errors and manifests call it. */
  readonly name: string;
  /** What decides its work, for the manifest of a result. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Features of the processor that it needs: a machine that models them has them then. */
  readonly needs?: readonly ProcessorFeature[];
  /** Called once for the program and once for every file opened later. */
  register(object: LinkObject, pipeline: PipelineView): Registration;
  /**
   * Answers whether `lookup.candidate` defines a symbol, and where. A module answers for objects it
   * understands; `next` asks the modules before it: call it to pass on or to decorate its answer.
   */
  resolve?(lookup: SymbolLookup, next: Resolver): Definition | undefined;
  /**
   * Searches a whole scope in its own way, such as with a cache of earlier searches; `next` has the modules
   * before it search. It must come to the object that going through the scope comes to first.
   */
  search?(search: SymbolSearch, next: Searcher): Found | undefined;
  /**
   * Reads files of a form of its own, such as compressed ones: answers what the linker is to see in the place
   * of `file`, undefined for a file that it leaves alone. Asked of every file that is opened for linking, the
   * last module first; the modules before it are asked about its answer.
   */
  open?(file: GuestFile, link: LinkContext): GuestFile | undefined;
  /**
   * The object that a module itself has for a library's name: it needs no file. Asked before files are looked for,
   * the last module first.
   */
  library?(name: string, link: LinkContext): ElfFile | undefined;
  /** Is told of every process's link what a `LinkObserver` is told. */
  readonly observer?: LinkObserver;
}

/** What a module sees while it registers: the modules before it and their answers for this object. */
export interface PipelineView {
  /** The modules before this one, in order. */
  readonly preceding: readonly PrecedingModule[];
  /** The preceding module whose pass is the main one of `phase` so far. */
  main(phase: Phase): string | undefined;
}

/** A module that registered earlier, and how. */
export interface PrecedingModule {
  readonly name: string;
  readonly passes: { readonly [P in Phase]?: Strength };
}

type Run = Pass["run"];

/** A pass that complements the main pass of its phase. */
export function weak(run: Run): Pass {
  return { strength: "weak", run };
}

/** The main pass of its phase; overrides the strong pass of any module before it. */
export function strong(run: Run): Pass {
  return { strength: "strong", run };
}

/**
 * The main pass of its phase that must hold: if another module's strong pass would override it, or it one of
 * this kind, the link is refused, and both are named.
 */
export function exclusive(run: Run): Pass {
  return { strength: "strong", exclusive: true, run };
}
