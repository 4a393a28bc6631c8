import type { ElfFile } from "../elf/mod.ts";
import type { LinkCounters } from "./counters.ts";
import type { LinkObject } from "./link_object.ts";
import type { LinkObserver } from "./observer.ts";
import type { Definition, SymbolReference } from "./resolve.ts";
import type {
  Architecture,
  GuestFile,
  GuestFiles,
  HostCall,
  Landing,
  MapOptions,
  Protection,
  Start,
} from "./target.ts";

/** A service of the linker to the running process; `link` is the calling process's. */
export type HostService = (call: HostCall, link: LinkContext) => void | Promise<void>;

/** Names one module's state of a process, and says how it is made and copied. */
export interface StateKey<T> {
  /** The state of a new process. */
  create(link: LinkContext): T;
  /** The state of a process that has forked; it must share nothing that changes with `state`. */
  fork(state: T, link: LinkContext): T;
}

/**
 * What a pass may do. One context lives as long as its process, so modules can key their state by
 * it. A call in the wrong phase is a `LinkError` naming phase, module and object.
 */
export interface LinkContext {
  /** The architecture of the program. */
  readonly arch: Architecture;
  /** Base page size, in bytes. */
  readonly pageSize: number;
  /** `$PLATFORM`, and the hardware capabilities that IFUNC resolvers are given. */
  readonly platform: string;
  /** AT_HWCAP of the auxiliary vector, as the psABI of the architecture has it. */
  readonly hwcap: number;
  /** AT_HWCAP2 of the auxiliary vector. */
  readonly hwcap2: number;
  /** Levels of the instruction set, best first, after which folders of libraries are named. */
  readonly isaLevels: readonly string[];
  /** The machine's date: seconds since 1970. */
  readonly time: number;
  /** The guest's file system. */
  readonly files: GuestFiles;
  /** The environment the program starts with. */
  readonly environment: ReadonlyMap<string, string>;
  /** Counters of this link (`linker.*` of the result), to which modules may add their own. */
  readonly counters: LinkCounters;
  /** Names of the modules of the linker, in order. */
  readonly modules: readonly string[];
  /** Who is to be told what happens, if anybody. */
  readonly observer: LinkObserver | undefined;

  /** A module's own state of this process, made when first asked for. */
  state<T>(key: StateKey<T>): T;

  /** The program itself, the first of `objects`. */
  readonly program: LinkObject;
  /** What messages call the program: its argv[0]. */
  readonly programName: string;
  /** Writes to standard output or standard error of the process. */
  print(descriptor: 1 | 2, text: string): void;
  /** Every object of the process in load order, as far as collected. */
  readonly objects: readonly LinkObject[];
  /** The objects of the load batch at work, in load order. */
  readonly batch: readonly LinkObject[];

  /**
   * Asks for a dependency: a guest path, an opened file, or an ELF object made in memory (collect).
   * The same file is one object. Returns it; its own register and collect follow later.
   */
  need(what: string | GuestFile | ElfFile): LinkObject;

  /** The object that a module has for a library's name (`Module.library`). */
  library(name: string): ElfFile | undefined;

  /** Sets aside address space (post-collect and load); see `LinkTarget.reserve`. */
  reserve(size: number, align: number, hint?: number): number;
  /** Decides an object's load bias, once (post-collect and load). */
  place(object: LinkObject, base: number): void;
  /** An object's load bias: what is added to the addresses in its file. */
  base(object: LinkObject): number;
  /** True once `place` was called. */
  isPlaced(object: LinkObject): boolean;
  /** Maps pages of an object (load). */
  map(at: number, size: number, protection: Protection, options?: MapOptions): void;
  /**
   * Maps zeroed memory that belongs to the process and to no object (post-collect to post-relocate, and by
   * services of the running process). Returns its page-aligned address.
   */
  allocate(size: number, protection: Protection, name: string): number;
  /**
   * Changes the rights of mapped pages, and with `key` their protection key (load to post-protect, and by
   * services of the running process).
   */
  protect(at: number, size: number, protection: Protection, key?: number): void;
  /**
   * A protection key of the process's own (pkeys(7)), 1 or more; data of its pages can be accessed where
   * PKRU (x86_64) or POR_EL0 (aarch64) permits it. Undefined if there is none left. A module that asks for
   * keys says so in `needs`.
   */
  allocateKey(): number | undefined;

  /** A copy of `size` bytes of guest memory. */
  read(at: number, size: number): Uint8Array;
  /** An unsigned 32-bit word. */
  readU32(at: number): number;
  /** A signed 64-bit word; rounded if it is beyond ±2^53. */
  readI64(at: number): number;
  /** The writes: from load to post-relocate, the protect phase is a barrier. */
  write(at: number, bytes: Uint8Array): void;
  /** Writes the low 32 bits of an integer. */
  writeU32(at: number, value: number): void;
  /** Writes a 64-bit word: an address, or a negative number in two's complement. */
  writeU64(at: number, value: number): void;
  /** Writes the low 1, 2, 4 or 8 bytes of an integer within ±2^53. */
  writeInteger(at: number, width: number, value: number): void;
  /**
   * Says that the `size` bytes of code at `at` are a copy of those at `original`: services that ask which object
   * called, or whose an address is, take it for that one's. It is the only copy of `original` then.
   */
  noteCopy(at: number, size: number, original: number): void;
  /** The address of which `address` is a copy; itself if it is none. */
  originalOf(address: number): number;
  /** Writes after the protect phase, for run-time services; counted, with its reason. */
  patch(at: number, bytes: Uint8Array, reason: string): void;

  /**
   * The objects a reference from `object` searches by default, in order: as `rescope` has decided, else
   * the objects of the start and those of its own batch.
   */
  scope(object: LinkObject): readonly LinkObject[];
  /** Decides the objects that references from `object` search by default. */
  rescope(object: LinkObject, scope: readonly LinkObject[]): void;
  /**
   * Mediated resolution (from post-collect on): asks the modules for a symbol, object by object of
   * `scope`; the first definition is the answer. Undefined if there is none.
   */
  resolve(
    reference: SymbolReference,
    scope?: readonly LinkObject[],
  ): Definition | undefined;

  /** Calls a guest function that chooses an implementation (IFUNC), and returns its result. */
  call(address: number, args: readonly (number | bigint)[]): number;
  /**
   * Makes a guest address whose execution enters the host. A service that is the same function in every
   * process has the same address in every process.
   */
  provide(name: string, service: HostService): number;

  /**
   * Starts the process before it is linked, so that guest code may prepare it (post-load): its stack is
   * built, `prepare` may change it, and it runs from `start.entry` until control reaches `landing`.
   */
  enter(
    start: { readonly entry: number; readonly auxv?: Iterable<[number, number]> },
    prepare: (stackPointer: number) => void,
  ): Promise<Landing>;
  /** Guest address that ends what `enter` began. */
  readonly landing: number;
  /** Number of the process. */
  readonly processId: number;
  /**
   * Addresses in `[start, end)` that the process holds: aligned words of its writable memory and of the registers of
   * its threads.
   */
  mentions(start: number, end: number): ReadonlySet<number>;
  /** Has `service` called whenever a system call of the process is over; that of a fork goes on in the fork. */
  afterEachCall(service: (link: LinkContext) => void): void;
  /** Thread pointers of the live threads of the process. */
  readonly threadPointers: readonly number[];
  /** Makes the stacks of all live threads executable. */
  allowCodeOnStacks(): void;

  /**
   * Links more objects into the running process, as a batch of its own through every phase but start;
   * those already loaded are found again, unless `reuses` says that they are not for this batch.
   * If it fails, the process is as before.
   */
  open(
    what: readonly (string | GuestFile | ElfFile)[],
    reuses?: (object: LinkObject) => boolean,
  ): Promise<readonly LinkObject[]>;
  /** Whether a loaded object may serve the batch at work. */
  reuses(object: LinkObject): boolean;
  /** Unmaps objects of the running process and forgets them. */
  unload(objects: readonly LinkObject[]): void;

  /** Changes how the program starts (start); later values win, and filters are added. */
  begin(start: Partial<Omit<Start, "auxv">> & { readonly auxv?: Iterable<[number, number]> }): void;
}
