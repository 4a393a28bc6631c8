import { ElfFile, LookupKey } from "../elf/mod.ts";
import { LinkCounters } from "./counters.ts";
import { LinkError } from "./link_error.ts";
import type { LinkContext } from "./link_context.ts";
import { LinkMemory } from "./link_memory.ts";
import { LinkObject } from "./link_object.ts";
import { imageExtent, pageUp } from "./layout.ts";
import type { Module } from "./module.ts";
import { isWithin, type Phase, PHASES, type Stage } from "./phase.ts";
import { type Definition, type Resolver, resolverChain, type SymbolReference } from "./resolve.ts";
import type {
  Architecture,
  GuestFile,
  GuestFiles,
  HostFunction,
  LinkTarget,
  MapOptions,
  Protection,
  Start,
} from "./target.ts";

/** Instructions a guest function that chooses an implementation may take. */
const CALL_LIMIT = 1_000_000;

/** The one `LinkContext` of a process: state, the rules of the phases, and the counting. */
export class LinkSession implements LinkContext {
  readonly counters = new LinkCounters();
  readonly #target: LinkTarget;
  readonly #memory: LinkMemory;
  readonly #resolve: Resolver;
  readonly #objects: LinkObject[] = [];
  readonly #byIdentity = new Map<string, LinkObject>();
  readonly #byElf = new Map<ElfFile, LinkObject>();
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
  ) {
    this.#target = target;
    this.#memory = new LinkMemory(target);
    this.#resolve = resolverChain(modules);
  }

  // What the driver calls.

  enter(phase: Stage): void {
    this.#phase = phase;
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

  nextBatch(): void {
    this.#batch++;
  }

  start(): Start {
    const { entry, threadPointer, heap } = this.#begin;
    const extent = imageExtent(this.program.elf, this.pageSize);
    return {
      entry: entry ?? this.base(this.program) + this.program.elf.header.entry,
      threadPointer,
      heap: heap ?? this.base(this.program) + (extent?.end ?? 0),
      auxv: this.#auxv,
    };
  }

  // What passes see.

  get arch(): Architecture {
    return this.#target.arch;
  }

  get pageSize(): number {
    return this.#target.pageSize;
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

  get files(): GuestFiles {
    return this.#target.files;
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

  reserve(size: number, align: number, hint?: number): number {
    this.#during("post-collect", "load", "reserve address space");
    return this.#target.reserve(size, align, hint);
  }

  place(object: LinkObject, base: number): void {
    this.#during("post-collect", "load", "place an object");
    if (object.base !== undefined) this.#fail(`${object.path} is already placed`);
    if (object.batch !== this.#batch) this.#fail(`${object.path} belongs to an earlier batch`);
    object.base = base;
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
    this.#during("post-collect", "post-relocate", "allocate memory");
    const rounded = pageUp(Math.max(size, 1), this.pageSize);
    const at = this.#target.reserve(rounded, this.pageSize);
    this.#target.map(at, rounded, protection, { name });
    this.counters.bytesMapped += rounded;
    return at;
  }

  protect(at: number, size: number, protection: Protection): void {
    this.#during("load", "post-protect", "change protections");
    this.#memory.flush();
    this.#target.protect(at, size, protection);
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

  scope(object: LinkObject): readonly LinkObject[] {
    return this.#objects.filter((other) => other.batch === 0 || other.batch === object.batch);
  }

  resolve(reference: SymbolReference, scope?: readonly LinkObject[]): Definition | undefined {
    this.#during("post-collect", "start", "resolve a symbol");
    this.counters.lookups++;
    const { name, version, versionHidden, from, use } = reference;
    const key = new LookupKey(name);
    for (const candidate of scope ?? this.scope(from)) {
      const found = this.#resolve({
        link: this,
        key,
        version,
        versionHidden,
        from,
        use,
        candidate,
      });
      if (found !== undefined) return found;
    }
    return undefined;
  }

  call(address: number, args: readonly (number | bigint)[]): number {
    this.#during("relocate", "post-relocate", "call a guest function");
    this.#memory.drop();
    this.counters.resolverCalls++;
    return this.#target.call(address, args, CALL_LIMIT);
  }

  provide(name: string, handler: HostFunction): number {
    return this.#target.provide(name, handler);
  }

  begin(
    start: Partial<Omit<Start, "auxv">> & { readonly auxv?: Iterable<[number, number]> },
  ): void {
    this.#during("start", "start", "change how the program starts");
    const { auxv, ...rest } = start;
    this.#begin = { ...this.#begin, ...rest };
    for (const [type, value] of auxv ?? []) this.#auxv.set(type, value);
  }

  #inMemory(elf: ElfFile): LinkObject {
    return this.#byElf.get(elf) ?? this.#add(elf, undefined);
  }

  #fromFile(what: string | GuestFile): LinkObject {
    const file = typeof what === "string" ? this.#target.files.open(what) : what;
    if (file === undefined) return this.#fail(`${what}: no such file`);
    const known = this.#byIdentity.get(file.identity);
    if (known !== undefined) return known;
    const elf = ElfFile.parse(file.bytes, file.path);
    const object = this.#add(elf, file);
    this.#byIdentity.set(file.identity, object);
    return object;
  }

  #add(elf: ElfFile, file: GuestFile | undefined): LinkObject {
    if (elf.machine !== this.arch) {
      this.#fail(`${elf.name} is for ${elf.machine}, not ${this.arch}`);
    }
    const object = new LinkObject(this.#objects.length, elf, file, this.#batch);
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
