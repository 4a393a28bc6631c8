import { type ElfFile, STT_FUNC } from "../../lib/elf/mod.ts";
import {
  type Definition,
  imageExtent,
  type LinkContext,
  type LinkObject,
} from "../../lib/linker/mod.ts";
import type { Import, Summary } from "./summary.ts";

const LOOKUPS = ["dlsym", "dlvsym"];

/** A place from which any system call may come, as its number is not known. */
export interface UnknownCall {
  /** Path of the object, and the address in it. */
  readonly object: string;
  readonly address: number;
  /** The function of a symbol that it lies in, if it does. */
  readonly function?: string;
}

/** What a program may do, as its objects together say. */
export interface Policy {
  /** Numbers of system calls, ascending. */
  readonly syscalls: readonly number[];
  readonly unknown: readonly UnknownCall[];
  /** Functions that are named by texts of the program, which may look them up. */
  readonly lookedUp: readonly string[];
}

/** Follows what objects reach, from symbol to symbol, as the link resolves them. */
export class Join {
  readonly #syscalls = new Set<number>();
  readonly #unknown = new Map<string, UnknownCall>();
  readonly #lookedUp = new Set<string>();
  readonly #visited = new Map<LinkObject, Set<number>>();
  readonly #imported = new Map<LinkObject, Set<number>>();
  readonly #searchers = new Set<LinkObject>();
  readonly #symbols = new Map<LinkObject, ReadonlyMap<number, number>>();
  readonly #work: { readonly object: LinkObject; readonly set: number }[] = [];

  constructor(
    readonly link: LinkContext,
    readonly summaries: ReadonlyMap<LinkObject, Summary>,
  ) {}

  /** What starts with an object, and what pointers in its data lead to. */
  start(object: LinkObject): void {
    const { start, data } = this.#summary(object);
    this.#reach(object, start);
    this.#reach(object, data);
  }

  /** All that an object defines: who opened it may call it. */
  everything(object: LinkObject): void {
    this.start(object);
    for (const [, set] of this.#summary(object).symbols) this.#reach(object, set);
  }

  /** All that an object can do which is not loaded yet; its symbols are looked for in the program's scope. */
  unloaded(summary: Summary): void {
    const { program } = this.link;
    for (const { syscalls, unknown, imports } of summary.sets) {
      for (const number of syscalls) this.#syscalls.add(number);
      for (const address of unknown) this.#addUnknown("an unloaded object", address);
      for (const index of imports) this.#resolve(program, summary.imports[index]);
    }
  }

  policy(): Policy {
    for (;;) {
      this.#run();
      const before = this.#work.length;
      for (const object of this.#searchers) this.#lookUp(object);
      this.#searchers.clear();
      if (this.#work.length === before) break;
    }
    return {
      syscalls: [...this.#syscalls].sort((a, b) => a - b),
      unknown: [...this.#unknown.values()],
      lookedUp: [...this.#lookedUp].sort(),
    };
  }

  #summary(object: LinkObject): Summary {
    return this.summaries.get(object)!;
  }

  #reach(object: LinkObject, set: number): void {
    let visited = this.#visited.get(object);
    if (visited === undefined) this.#visited.set(object, visited = new Set());
    if (visited.has(set)) return;
    visited.add(set);
    this.#work.push({ object, set });
  }

  #run(): void {
    for (let next = this.#work.pop(); next !== undefined; next = this.#work.pop()) {
      const { object } = next;
      const { sets, imports } = this.#summary(object);
      const { syscalls, unknown, imports: used } = sets[next.set];
      for (const number of syscalls) this.#syscalls.add(number);
      for (const address of unknown) {
        this.#addUnknown(object.path, address, functionAt(object.elf, address));
      }
      let known = this.#imported.get(object);
      if (known === undefined) this.#imported.set(object, known = new Set());
      for (const index of used) {
        if (known.has(index)) continue;
        known.add(index);
        if (LOOKUPS.includes(imports[index].name)) this.#searchers.add(object);
        this.#resolve(object, imports[index]);
      }
    }
  }

  #addUnknown(object: string, address: number, name?: string): void {
    this.#unknown.set(`${object}:${address}`, { object, address, function: name });
  }

  #resolve(from: LinkObject, { name, version, hidden }: Import): void {
    const definition = this.link.resolve({
      name,
      version,
      versionHidden: hidden,
      from,
      use: "call",
    });
    if (definition !== undefined) this.#define(definition);
  }

  #define({ object, address, behind = address, kind }: Definition): void {
    if (kind === "tls" || !this.summaries.has(object)) return;
    const base = this.link.base(object);
    const extent = imageExtent(object.elf, this.link.pageSize);
    const value = behind - base;
    // A function of the linker's own stands in for the object's.
    if (extent === undefined || value < extent.start || value >= extent.end) return;
    let symbols = this.#symbols.get(object);
    if (symbols === undefined) {
      this.#symbols.set(object, symbols = new Map(this.#summary(object).symbols));
    }
    const set = symbols.get(value);
    if (set !== undefined) this.#reach(object, set);
    else if (kind !== "data") this.everything(object);
  }

  /** The object may ask for functions by name: those whose names are in its data, and are defined. */
  #lookUp(object: LinkObject): void {
    for (const name of this.#summary(object).names) {
      if (!this.#isDefined(name)) continue;
      this.#lookedUp.add(name);
      this.#resolve(object, { name });
    }
  }

  #names: Set<string> | undefined;

  #isDefined(name: string): boolean {
    if (this.#names === undefined) {
      this.#names = new Set();
      for (const { elf } of this.summaries.keys()) {
        const { symbols } = elf;
        if (symbols === undefined) continue;
        for (let i = 0; i < symbols.length; i++) {
          if (symbols.shndx(i) !== 0) this.#names.add(symbols.name(i));
        }
      }
    }
    return this.#names.has(name);
  }
}

/** Name of the function that an address lies in, by the dynamic symbols. */
function functionAt({ symbols }: ElfFile, address: number): string | undefined {
  for (let i = 0; i < (symbols?.length ?? 0); i++) {
    const offset = address - symbols!.value(i);
    const isIn = offset >= 0 && offset < symbols!.size(i) && symbols!.shndx(i) !== 0;
    if (isIn && symbols!.type(i) === STT_FUNC) return symbols!.name(i);
  }
  return undefined;
}
