import { ElfFile, LookupKey } from "../elf/mod.ts";
import { Copies } from "./copies.ts";
import { LinkCounters } from "./counters.ts";
import { LinkError } from "./link_error.ts";
import type { HostService, LinkContext, StateKey } from "./link_context.ts";
import { LinkMemory } from "./link_memory.ts";
import { LinkObject } from "./link_object.ts";
import { parseFile } from "./parsed_files.ts";
import { imageExtent, pageUp, segmentPages } from "./layout.ts";
import type { Module } from "./module.ts";
import { type LinkObserver, together } from "./observer.ts";
import { isWithin, type Phase, PHASES, type Stage } from "./phase.ts";
import { Reservations } from "./reservations.ts";
import {
  type Definition,
  type Resolver,
  resolverChain,
  type Searcher,
  searcherChain,
  type SymbolLookup,
  type SymbolReference,
} from "./resolve.ts";
import type {
  Architecture,
  GuestFile,
  GuestFiles,
  HostCall,
  HostFunction,
  Landing,
  LinkTarget,
  MapOptions,
  Protection,
  Start,
} from "./target.ts";

/** Instructions a guest function that chooses an implementation may take. */
const CALL_LIMIT = 1_000_000;

/** Whose process a target is. */
const sessions = new WeakMap<LinkTarget, LinkSession>();
/** What the target is given for each service, so that the same service has the same address. */
const handlers = new WeakMap<HostService, HostFunction>();

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The one `LinkContext` of a process: state, the rules of the phases, and the counting. */
export class LinkSession implements LinkContext {
  readonly counters: LinkCounters;
  readonly files: GuestFiles;
  readonly modules: readonly string[];
  readonly observer: LinkObserver | undefined;
  readonly #programName: string | undefined;
  /** Modules that read files of their own forms, the last first. */
  readonly #openers: readonly Module[];
  /** Modules that have libraries of their own, the last first. */
  readonly #libraries: readonly Module[];
  readonly #target: LinkTarget;
  readonly #memory: LinkMemory;
  readonly #resolve: Resolver;
  /** Undefined where no module searches in its own way. */
  readonly #search: Searcher | undefined;
  #objects: LinkObject[] = [];
  /** The objects of a file, of which one batch may have another than the rest. */
  readonly #byIdentity = new Map<string, readonly LinkObject[]>();
  #reuses: (object: LinkObject) => boolean = () => true;
  readonly #byElf = new Map<ElfFile, LinkObject>();
  readonly #scopes = new Map<LinkObject, readonly LinkObject[]>();
  readonly #states = new Map<StateKey<unknown>, unknown>();
  readonly #reservations = new Reservations();
  readonly #copies = new Copies();
  readonly #afterCalls: ((link: LinkContext) => void)[] = [];
  /** The question at work, and the hashes of names asked for. */
  readonly #lookup: Mutable<SymbolLookup>;
  readonly #keys = new Map<string, LookupKey>();
  #nextIndex = 0;
  readonly #auxv = new Map<number, number>();
  #begin: Partial<Omit<Start, "auxv">> = {};
  #batch = 0;
  #phase: Stage = "register";
  #module: string | undefined;
  #object: LinkObject | undefined;

  constructor(
    target: LinkTarget,
    modules: readonly Module[],
    readonly environment: ReadonlyMap<string, string>,
    programName: string | undefined,
    readonly open: LinkContext["open"],
    observer: LinkObserver | undefined,
    /** The process that this one is a fork of. */
    parent?: LinkSession,
  ) {
    this.#programName = programName;
    this.modules = modules.map(({ name }) => name);
    const observers = [observer, ...modules.map((module) => module.observer)];
    this.observer = together(observers.filter((one) => one !== undefined));
    this.#target = target;
    this.#openers = modules.filter((module) => module.open !== undefined).toReversed();
    this.#libraries = modules.filter((module) => module.library !== undefined).toReversed();
    this.files = {
      open: (path) => this.#opened(target.files.open(path)),
      exists: (path) => target.files.exists(path),
      readlink: (path) => target.files.readlink(path),
    };
    this.#memory = new LinkMemory(target);
    this.#resolve = resolverChain(modules);
    this.#search = searcherChain(modules);
    this.counters = parent?.counters ?? new LinkCounters();
    this.#lookup = { link: this as LinkContext } as Mutable<SymbolLookup>;
    sessions.set(target, this);
    if (parent !== undefined) this.#copy(parent);
  }

  #copy(parent: LinkSession): void {
    this.#objects = [...parent.#objects];
    for (const [key, objects] of parent.#byIdentity) this.#byIdentity.set(key, objects);
    for (const [elf, object] of parent.#byElf) this.#byElf.set(elf, object);
    for (const [object, scope] of parent.#scopes) this.#scopes.set(object, scope);
    this.#reservations.copy(parent.#reservations);
    this.#copies.add(...parent.#copies.all);
    this.#nextIndex = parent.#nextIndex;
    this.#batch = parent.#batch;
    this.#phase = parent.#phase;
    for (const service of parent.#afterCalls) this.afterEachCall(service);
    for (const [key, state] of parent.#states) this.#states.set(key, key.fork(state, this));
  }

  // What the driver calls.

  enterPhase(phase: Stage): void {
    this.#phase = phase;
    if (phase === "run") this.#target.objectsChanged(this.#objects);
  }

  /** Ends a phase: everything written reaches the target. */
  leave(): void {
    this.#memory.drop();
    this.counters.pagesDirtied = this.#memory.pagesDirtied;
  }

  at(module: string | undefined, object: LinkObject | undefined): void {
    this.#module = module;
    this.#object = object;
  }

  nextBatch(reuses: (object: LinkObject) => boolean = () => true): void {
    this.#batch++;
    this.#reuses = reuses;
  }

  reuses(object: LinkObject): boolean {
    return object.batch === this.#batch || this.#reuses(object);
  }

  /** Undoes the batch at work: nothing of its objects is left in the process. */
  abandonBatch(): void {
    this.#memory.drop();
    this.#forget(this.batch);
    for (const { at, size } of this.#reservations.abandon(this.#batch)) {
      this.#target.unmap(at, size);
    }
  }

  start(): Start {
    const { entry, threadPointer, heap, filters } = this.#begin;
    const base = this.base(this.program);
    return {
      entry: entry ?? base + this.program.elf.header.entry,
      threadPointer,
      heap: heap ?? this.#endOf(this.program),
      auxv: this.#auxv,
      filters,
    };
  }

  /** End of the address space set aside with an object, or of the object where none was. */
  #endOf(object: LinkObject): number {
    const range = this.#reservations.of(object);
    if (range !== undefined) return range.at + range.size;
    return this.base(object) + (imageExtent(object.elf, this.pageSize)?.end ?? 0);
  }

  // What passes see.

  get arch(): Architecture {
    return this.#target.arch;
  }

  get pageSize(): number {
    return this.#target.pageSize;
  }

  get landing(): number {
    return this.#target.landing;
  }

  get processId(): number {
    return this.#target.processId;
  }

  mentions(start: number, end: number): ReadonlySet<number> {
    return this.#target.mentions(start, end);
  }

  afterEachCall(service: (link: LinkContext) => void): void {
    this.#afterCalls.push(service);
    this.#target.afterEachCall(() => {
      for (const told of this.#afterCalls) told(this);
      this.#memory.drop();
    });
  }

  get threadPointers(): readonly number[] {
    return this.#target.threadPointers;
  }

  allowCodeOnStacks(): void {
    this.#memory.drop();
    this.#target.allowCodeOnStacks();
  }

  get platform(): string {
    return this.#target.platform;
  }

  get hwcap(): number {
    return this.#target.hwcap;
  }

  get hwcap2(): number {
    return this.#target.hwcap2;
  }

  get time(): number {
    return this.#target.time;
  }

  get isaLevels(): readonly string[] {
    return this.#target.isaLevels;
  }

  get programName(): string {
    return this.#programName ?? this.program.path;
  }

  print(descriptor: 1 | 2, text: string): void {
    this.#target.print(descriptor, text);
  }

  get program(): LinkObject {
    return this.#objects[0] ?? this.#fail("there is no program yet");
  }

  get objects(): readonly LinkObject[] {
    return this.#objects;
  }

  get batch(): readonly LinkObject[] {
    return this.#objects.filter((object) => object.batch === this.#batch);
  }

  need(what: string | GuestFile | ElfFile): LinkObject {
    this.#during("collect", "collect", "ask for a dependency");
    const object = what instanceof ElfFile ? this.#inMemory(what) : this.#fromFile(what);
    const dependencies = this.#object?.dependencies;
    if (dependencies !== undefined && !dependencies.includes(object)) dependencies.push(object);
    return object;
  }

  library(name: string): ElfFile | undefined {
    for (const module of this.#libraries) {
      const elf = module.library!(name, this);
      if (elf !== undefined) return elf;
    }
  }

  state<T>(key: StateKey<T>): T {
    let state = this.#states.get(key) as T | undefined;
    if (state === undefined) this.#states.set(key, state = key.create(this));
    return state;
  }

  reserve(size: number, align: number, hint?: number): number {
    this.#during("post-collect", "load", "reserve address space");
    const at = this.#target.reserve(size, align, hint);
    this.#reservations.add(at, size, this.#batch);
    return at;
  }

  place(object: LinkObject, base: number): void {
    this.#during("post-collect", "load", "place an object");
    if (object.base !== undefined) this.#fail(`${object.path} is already placed`);
    if (object.batch !== this.#batch) this.#fail(`${object.path} belongs to an earlier batch`);
    object.base = base;
    const extent = imageExtent(object.elf, this.pageSize);
    if (extent !== undefined) this.#reservations.occupy(object, base + extent.start);
  }

  base(object: LinkObject): number {
    return object.base ?? this.#fail(`${object.path} is not placed`);
  }

  isPlaced(object: LinkObject): boolean {
    return object.base !== undefined;
  }

  map(at: number, size: number, protection: Protection, options?: MapOptions): void {
    this.#during("load", "load", "map pages of an object");
    this.#memory.drop();
    this.#target.map(at, size, protection, options);
    this.counters.bytesMapped += size;
  }

  allocate(size: number, protection: Protection, name: string): number {
    if (this.#phase !== "run") this.#during("post-collect", "post-relocate", "allocate memory");
    const rounded = pageUp(Math.max(size, 1), this.pageSize);
    const at = this.#target.reserve(rounded, this.pageSize);
    this.#target.map(at, rounded, protection, { name });
    this.counters.bytesMapped += rounded;
    return at;
  }

  protect(at: number, size: number, protection: Protection, key?: number): void {
    if (this.#phase !== "run") this.#during("load", "post-protect", "change protections");
    this.#memory.flush();
    this.#target.protect(at, size, protection, key);
  }

  allocateKey(): number | undefined {
    return this.#target.allocateKey();
  }

  read(at: number, size: number): Uint8Array {
    return this.#memory.read(at, size);
  }

  readU32(at: number): number {
    return this.#memory.readU32(at);
  }

  readI64(at: number): number {
    return this.#memory.readI64(at);
  }

  write(at: number, bytes: Uint8Array): void {
    this.#duringWrites();
    this.#memory.write(at, bytes);
  }

  writeU32(at: number, value: number): void {
    this.#duringWrites();
    this.#memory.writeU32(at, value);
  }

  writeU64(at: number, value: number): void {
    this.#duringWrites();
    this.#memory.writeU64(at, value);
  }

  writeInteger(at: number, width: number, value: number): void {
    this.#duringWrites();
    this.#memory.writeInteger(at, width, value);
  }

  patch(at: number, bytes: Uint8Array, reason: string): void {
    this.#memory.drop();
    this.#target.patch(at, bytes, reason);
    this.counters.patches++;
  }

  noteCopy(at: number, size: number, original: number): void {
    this.#copies.add({ at, size, original });
  }

  originalOf(address: number): number {
    return this.#copies.originalOf(address);
  }

  scope(object: LinkObject): readonly LinkObject[] {
    const decided = this.#scopes.get(object);
    if (decided !== undefined) return decided;
    return this.#objects.filter((other) => other.batch === 0 || other.batch === object.batch);
  }

  rescope(object: LinkObject, scope: readonly LinkObject[]): void {
    this.#scopes.set(object, scope);
  }

  resolve(reference: SymbolReference, scope?: readonly LinkObject[]): Definition | undefined {
    if (this.#phase !== "run") this.#during("post-collect", "start", "resolve a symbol");
    this.counters.lookups++;
    const objects = scope ?? this.scope(reference.from);
    if (this.#search !== undefined) {
      const ask = (candidate: LinkObject, symbol?: number) => {
        this.#ask(reference);
        this.#lookup.symbol = symbol;
        this.#lookup.candidate = candidate;
        return this.#resolve(this.#lookup);
      };
      const found = this.#search({ link: this, reference, scope: objects, ask });
      return this.#bound(reference, found?.definition);
    }
    this.#ask(reference);
    const lookup = this.#lookup;
    for (const candidate of objects) {
      lookup.candidate = candidate;
      const found = this.#resolve(lookup);
      if (found !== undefined) return this.#bound(reference, found);
    }
    return this.#bound(reference, undefined);
  }

  /** Makes a reference the question at work. */
  #ask({ name, version, versionHidden, newest, from, use }: SymbolReference): void {
    let key = this.#keys.get(name);
    if (key === undefined) this.#keys.set(name, key = new LookupKey(name));
    const lookup = this.#lookup;
    lookup.key = key;
    lookup.version = version;
    lookup.versionHidden = versionHidden;
    lookup.newest = newest;
    lookup.from = from;
    lookup.use = use;
  }

  #bound(reference: SymbolReference, found: Definition | undefined): Definition | undefined {
    const { name, version, use, from, newest = false } = reference;
    this.observer?.bound?.({ name, version, use, newest, from, to: found?.object });
    return found;
  }

  call(address: number, args: readonly (number | bigint)[]): number {
    if (this.#phase !== "run") this.#during("relocate", "post-relocate", "call a guest function");
    this.#memory.drop();
    this.counters.resolverCalls++;
    return this.#target.call(address, args, CALL_LIMIT);
  }

  provide(name: string, service: HostService): number {
    let handler = handlers.get(service);
    if (handler === undefined) {
      handler = (call, target) => {
        const session = sessions.get(target);
        if (session === undefined) throw new LinkError(`${name}: the caller was never linked`);
        return session.#serve(service, call);
      };
      handlers.set(service, handler);
    }
    return this.#target.provide(name, handler);
  }

  #serve(service: HostService, call: HostCall): void | Promise<void> {
    call.beforeInvoke(() => this.#memory.drop());
    const done = service(call, this);
    if (done === undefined) this.#memory.drop();
    else return done.finally(() => this.#memory.drop());
  }

  async enter(
    start: { readonly entry: number; readonly auxv?: Iterable<[number, number]> },
    prepare: (stackPointer: number) => void,
  ): Promise<Landing> {
    this.#during("post-load", "post-load", "start the process early");
    this.#memory.drop();
    const begin = this.start();
    const auxv = new Map(start.auxv ?? []);
    const landing = await this.#target.enter(
      { ...begin, entry: start.entry, auxv },
      (stackPointer) => {
        prepare(stackPointer);
        this.#memory.drop();
      },
    );
    return landing;
  }

  unload(objects: readonly LinkObject[]): void {
    if (this.#phase !== "run") this.#fail("cannot unload an object while others are linked");
    this.#memory.drop();
    for (const object of objects) this.observer?.unloaded?.(object);
    this.#forget(objects);
    this.#target.objectsChanged(this.#objects);
  }

  #forget(objects: readonly LinkObject[]): void {
    const gone = new Set(objects);
    this.#unmap(gone);
    for (const object of gone) {
      this.#scopes.delete(object);
      this.#byElf.delete(object.elf);
    }
    for (const [identity, objects] of this.#byIdentity) {
      if (!objects.some((object) => gone.has(object))) continue;
      const left = objects.filter((object) => !gone.has(object));
      if (left.length > 0) this.#byIdentity.set(identity, left);
      else this.#byIdentity.delete(identity);
    }
    this.#objects = this.#objects.filter((object) => !gone.has(object));
  }

  /** Gives back address space in which nothing lies any more, and the segments that lie in none. */
  #unmap(gone: ReadonlySet<LinkObject>): void {
    for (const object of gone) {
      const { elf, base } = object;
      if (base === undefined || this.#reservations.of(object)) continue;
      for (const { start, stop } of segmentPages(elf, this.pageSize)) {
        this.#target.unmap(base + start, stop - start);
      }
    }
    for (const { at, size } of this.#reservations.leave(gone)) this.#target.unmap(at, size);
  }

  begin(
    start: Partial<Omit<Start, "auxv">> & { readonly auxv?: Iterable<[number, number]> },
  ): void {
    this.#during("start", "start", "change how the program starts");
    const { auxv, filters = [], ...rest } = start;
    this.#begin = {
      ...this.#begin,
      ...rest,
      filters: [...this.#begin.filters ?? [], ...filters],
    };
    for (const [type, value] of auxv ?? []) this.#auxv.set(type, value);
  }

  /** What the linker sees of a file: itself, or what modules read in it, one in what another read. */
  #opened(file: GuestFile | undefined): GuestFile | undefined {
    if (file === undefined || file.made !== undefined) return file;
    let seen = file;
    for (const module of this.#openers) seen = module.open!(seen, this) ?? seen;
    return seen;
  }

  #inMemory(elf: ElfFile): LinkObject {
    return this.#byElf.get(elf) ?? this.#add(elf, undefined);
  }

  #fromFile(what: string | GuestFile): LinkObject {
    const file = typeof what === "string" ? this.files.open(what) : this.#opened(what);
    if (file === undefined) return this.#fail(`${what}: no such file`);
    const all = this.#byIdentity.get(file.identity) ?? [];
    const known = all.find((object) => this.reuses(object));
    if (known !== undefined) return known;
    const elf = parseFile(file);
    const object = this.#add(elf, file);
    this.#byIdentity.set(file.identity, [...all, object]);
    return object;
  }

  #add(elf: ElfFile, file: GuestFile | undefined): LinkObject {
    if (elf.machine !== this.arch) {
      this.#fail(`${elf.name} is for ${elf.machine}, not ${this.arch}`);
    }
    const object = new LinkObject(this.#nextIndex++, elf, file, this.#batch);
    this.#objects.push(object);
    this.#byElf.set(elf, object);
    this.counters.objects++;
    return object;
  }

  #duringWrites(): void {
    if (this.#phase === "relocate") return;
    this.#during("load", "post-relocate", "write to memory");
  }

  #during(first: Phase, last: Phase, action: string): void {
    if (isWithin(this.#phase, first, last)) return;
    const late = PHASES.indexOf(this.#phase as Phase) > PHASES.indexOf(last);
    const when = late ? `after the ${last} phase` : `before the ${first} phase`;
    this.#fail(`cannot ${action} ${when}`);
  }

  #fail(problem: string): never {
    throw new LinkError(problem, {
      phase: this.#phase,
      module: this.#module,
      object: this.#object?.path,
    });
  }
}
