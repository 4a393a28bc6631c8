/**
 * Where the events of a run happen: by object, function, slot of a linkage table, page and calling context.
 * A core counts them (`models/site_memory.ts`); here they get their names.
 */
import { type ElfFile, lineAt, type LineRow, lineRows } from "../../lib/elf/mod.ts";
import { type CodePlace, codePlace, isNamed } from "../code_places.ts";
import type { CodeBlock } from "../cpu/event_buffer.ts";
import type { AddressSpace } from "../memory/address_space.ts";
import { Site, siteNames } from "../cpu/site_kinds.ts";
import type { KeeperContext, SiteKeeper } from "../models/site_memory.ts";
import { CallingContexts } from "./calling_contexts.ts";
import { Timeline, type TimelineReport } from "./timeline.ts";
import { UnnamedFunctions } from "./unnamed_functions.ts";

/** Counts by counter name. */
export type SiteCounts = Readonly<Record<string, number>>;

/** Events of one thing. */
export interface Attributed {
  readonly name: string;
  readonly counts: SiteCounts;
}

export interface AttributedSymbol extends Attributed {
  readonly object: string;
  /** Whether it is a slot of a linkage table. */
  readonly plt: boolean;
}

export interface AttributedPage extends Attributed {
  /** First address of the page, 4 KiB, and what lies there. */
  readonly page: number;
}

export interface AttributedLine extends Attributed {
  /** The object; `name` is the source file. */
  readonly object: string;
  readonly line: number;
}

/** A calling context: the functions from the outermost in, with the events of the innermost. */
export interface AttributedStack {
  readonly frames: readonly { readonly object: string; readonly symbol: string }[];
  readonly counts: SiteCounts;
}

/**
 * Where the events of a run happened, each kind of place with the events that can be told of it.
 */
export interface AttributionReport {
  /** `program`, and `linker`: the objects that are the guest's own dynamic linker. */
  readonly domains: readonly Attributed[];
  /** By mapped file, and by what has no file (`[vdso]`, `[anon]`). */
  readonly objects: readonly Attributed[];
  /** By function or PLT slot, of all objects. */
  readonly symbols: readonly AttributedSymbol[];
  /** Pages that instructions lie on, and that data accesses missed on. */
  readonly codePages: readonly AttributedPage[];
  /** Pages on which data accesses missed. */
  readonly dataPages: readonly AttributedPage[];
  /** Source lines, of objects that have uncompressed DWARF line tables. */
  readonly lines: readonly AttributedLine[];
  /** By calling context, each with the events of its innermost function alone. */
  readonly stacks: readonly AttributedStack[];
  /** When events happened. */
  readonly timeline: TimelineReport;
}

const SITES = siteNames.length;
const zeros = (): Float64Array => new Float64Array(SITES);
/** A function or slot. */
interface Symbol {
  readonly id: number;
  readonly object: string;
  readonly name: string;
  readonly plt: boolean;
}

class Entry {
  /** How often all of it retired; where it was cut short, how often each instruction did. */
  whole = 0;
  parts: Float64Array | null = null;
  /** How often the branch at its end was mispredicted; other events, `SITES` an instruction. */
  mispredicted = 0;
  events: Float64Array | null = null;

  /** `address` is the object's. */
  constructor(
    readonly block: CodeBlock,
    readonly symbol: Symbol,
    readonly elf: ElfFile | null,
    readonly address: number,
  ) {}
}

interface CountedPage {
  readonly page: number;
  readonly name: string;
  readonly counts: Float64Array;
}

export class Attribution implements SiteKeeper {
  #context!: KeeperContext;
  #collect: () => void = () => {};
  readonly #entries: Entry[] = [];
  readonly #all: Entry[] = [];
  /** By object and name. */
  readonly #symbols = new Map<string, Map<string, Symbol>>();
  readonly #list: Symbol[] = [];
  #lastObject = "";
  #lastSymbols = new Map<string, Symbol>();
  readonly #unnamed = new UnnamedFunctions();
  readonly #timeline = new Timeline();
  readonly #contexts = new CallingContexts();
  /** By space and first address. */
  readonly #pageNumbers = new Map<number, Map<number, number>>();
  readonly #dataPages: CountedPage[] = [];

  attach(context: KeeperContext, collect: () => void): void {
    this.#context = context;
    this.#collect = collect;
  }

  // ---- events ------------------------------------------------------------------------------

  cut(block: CodeBlock, count: number): void {
    const entry = this.#entryOf(block);
    entry.parts ??= new Float64Array(block.count);
    for (let i = 0; i < count; i++) entry.parts[i]++;
  }
  addBlock(block: CodeBlock, whole: number, events: Float64Array | null): void {
    const entry = this.#entryOf(block);
    entry.whole += whole;
    if (events === null) return;
    if (entry.events === null) entry.events = events;
    else add(entry.events, events);
  }
  addMispredicted(block: CodeBlock, count: number): void {
    this.#entryOf(block).mispredicted += count;
  }
  addContext(context: number, symbol: number, events: Float64Array): void {
    this.#contexts.add(context, symbol, events);
  }
  addPage(page: number, events: Float64Array): void {
    add(this.#dataPages[page].counts, events);
  }

  stretch(events: Float64Array, instructions: number): number {
    for (let site = 0; site < SITES; site++) {
      if (events[site] !== 0) this.#timeline.at(site, events[site]);
    }
    this.#timeline.retired(instructions);
    return this.#timeline.left;
  }

  callee(context: number, to: number): number {
    if (!isNamed(this.#context.running as AddressSpace, to)) {
      this.#unnamed.called(this.#placeOf(to));
    }
    return this.#contexts.callee(context, to);
  }
  enter(context: number, symbol: number): void {
    this.#contexts.enter(context, symbol);
  }

  // ---- places ------------------------------------------------------------------------------

  symbolOf(block: CodeBlock): number {
    return this.#entryOf(block).symbol.id;
  }
  #entryOf(block: CodeBlock): Entry {
    const known = this.#entries[block.number];
    if (known?.block === block) return known;
    const place = this.#unnamed.named(this.#placeOf(block.pc));
    const entry = new Entry(block, this.#symbolOf(place), place.elf, place.address);
    this.#entries[block.number] = entry;
    this.#all.push(entry);
    return entry;
  }
  #placeOf(address: number): CodePlace {
    return codePlace(this.#context.running as AddressSpace, address);
  }
  /** First address of the base page of `address`. */
  #pageOf(address: number): number {
    return address - address % 2 ** this.#context.basePageBits;
  }
  #symbolOf({ object, symbol, plt }: CodePlace): Symbol {
    // Mostly it is the object of last time.
    if (object !== this.#lastObject) {
      let symbols = this.#symbols.get(object);
      if (symbols === undefined) this.#symbols.set(object, symbols = new Map());
      this.#lastObject = object;
      this.#lastSymbols = symbols;
    }
    let known = this.#lastSymbols.get(symbol);
    if (known === undefined) {
      known = { id: this.#list.length, object: this.#lastObject, name: symbol, plt };
      this.#lastSymbols.set(symbol, known);
      this.#list.push(known);
    }
    return known;
  }
  page(address: number): number {
    const page = this.#pageOf(address);
    const { space } = this.#context;
    let numbers = this.#pageNumbers.get(space);
    if (numbers === undefined) this.#pageNumbers.set(space, numbers = new Map());
    let known = numbers.get(page);
    if (known === undefined) {
      const area = (this.#context.running as AddressSpace).areas.lookup(address);
      const name = area?.source?.path || area?.source?.file.path || area?.name || "[anon]";
      known = this.#dataPages.push({ page, name, counts: zeros() }) - 1;
      numbers.set(page, known);
    }
    return known;
  }

  // ---- report ------------------------------------------------------------------------------

  /** What was counted; parts are in descending order of instructions, pages and stacks of their first event. */
  report(): AttributionReport {
    this.#collect();
    const domains = new Groups();
    const objects = new Groups();
    const symbols = new Map<Symbol, Float64Array>();
    const codePages: CountedPage[] = [];
    /** Of each object, by address. */
    const pages = new Map<string, Map<number, CountedPage>>();
    for (const entry of this.#all) {
      const counts = countsOf(entry);
      // It was translated, and never executed.
      if (counts === null) continue;
      const { block, symbol: { object } } = entry;
      addTo(symbols, entry.symbol, counts);
      let known = pages.get(object);
      if (known === undefined) pages.set(object, known = new Map());
      const page = this.#pageOf(block.pc);
      let of = known.get(page);
      if (of === undefined) {
        codePages.push(of = { page, name: object, counts: zeros() });
        known.set(page, of);
      }
      add(of.counts, counts);
    }
    for (const [{ object }, counts] of symbols) objects.add(object, counts);
    for (const [object, counts] of objects.sums) {
      domains.add(isLinker(object) ? "linker" : "program", counts);
    }
    let stacks: AttributedStack[] | undefined;
    const listed = () => this.#stacks();
    const page = (p: CountedPage): AttributedPage => ({ ...p, counts: named(p.counts) });
    return {
      domains: domains.list(),
      objects: objects.list(),
      symbols: [...symbols].sort((a, b) => b[1][0] - a[1][0])
        .map(([{ object, name, plt }, counts]) => ({ name, object, plt, counts: named(counts) })),
      codePages: codePages.sort((a, b) => b.counts[0] - a.counts[0]).map(page),
      dataPages: [...this.#dataPages].sort((a, b) => total(b.counts) - total(a.counts))
        .map(page),
      lines: this.#lines(),
      // Many, and not all formats show them.
      get stacks() {
        return stacks ??= listed();
      },
      timeline: this.#timeline.report(),
    };
  }

  #lines(): AttributedLine[] {
    const tables = new Map<ElfFile, LineRow[]>();
    const lines = new Map<string, { row: LineRow; object: string; counts: Float64Array }>();
    for (const entry of this.#all) {
      const { block, symbol: { object }, elf, address } = entry;
      if (elf === null) continue;
      let rows = tables.get(elf);
      if (rows === undefined) tables.set(elf, rows = elf.sections.length > 0 ? lineRows(elf) : []);
      if (rows.length === 0) continue;
      const add = (index: number, site: Site, count: number): void => {
        const row = lineAt(rows, address + block.offsets[index]);
        if (row === undefined || count === 0) return;
        const key = `${object} ${row.file} ${row.line}`;
        let line = lines.get(key);
        if (line === undefined) lines.set(key, line = { row, object, counts: zeros() });
        line.counts[site] += count;
      };
      const { whole, parts, mispredicted, events } = entry;
      for (let i = 0; i < block.count; i++) add(i, Site.Instructions, whole + (parts?.[i] ?? 0));
      add(block.count - 1, Site.Mispredicted, mispredicted);
      events?.forEach((count, key) => add(Math.floor(key / SITES), key % SITES, count));
    }
    return [...lines.values()].sort((a, b) => total(b.counts) - total(a.counts))
      .map(({ row, object, counts }) => ({
        ...{ name: row.file, line: row.line, object },
        counts: named(counts),
      }));
  }

  #stacks(): AttributedStack[] {
    const frames = this.#list.map(({ object, name }) => ({ object, symbol: name }));
    const found: AttributedStack[] = [];
    for (const { frames: of, counts } of this.#contexts.visit((symbol) => frames[symbol])) {
      found.push({ frames: of, counts: named(counts) });
    }
    return found;
  }
}

class Groups {
  readonly sums = new Map<string, Float64Array>();
  add(name: string, counts: Float64Array): void {
    addTo(this.sums, name, counts);
  }
  list(): Attributed[] {
    return [...this.sums].sort((a, b) => b[1][0] - a[1][0])
      .map(([name, counts]) => ({ name, counts: named(counts) }));
  }
}

function total(counts: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) sum += counts[i];
  return sum;
}
function add(to: Float64Array, counts: Float64Array): void {
  for (let i = 0; i < to.length; i++) to[i] += counts[i];
}
/** Events of all instructions of a block, in an array that is used again; null if there are none. */
function countsOf({ block, whole, parts, mispredicted, events }: Entry): Float64Array | null {
  const counts = scratch;
  let instructions = whole * block.count;
  if (parts !== null) instructions += total(parts);
  if (instructions === 0 && mispredicted === 0 && events === null) return null;
  counts.fill(0);
  if (events !== null) { for (let i = 0; i < events.length; i++) counts[i % SITES] += events[i]; }
  counts[Site.Instructions] += instructions;
  counts[Site.Mispredicted] += mispredicted;
  return total(counts) === 0 ? null : counts;
}
const scratch = new Float64Array(SITES);
function addTo<K>(map: Map<K, Float64Array>, key: K, counts: Float64Array): void {
  let sum = map.get(key);
  if (sum === undefined) map.set(key, sum = zeros());
  add(sum, counts);
}
/** Counts that are not zero, by name. */
function named(counts: Float64Array): Record<string, number> {
  const result: Record<string, number> = {};
  siteNames.forEach((name, i) => {
    if (counts[i] !== 0) result[name] = counts[i];
  });
  return result;
}

/** Whether an object is a dynamic linker of the guest. */
function isLinker(object: string): boolean {
  const name = object.slice(object.lastIndexOf("/") + 1);
  return /^ld(-linux|-musl|-\d|64\.so|\.so)/.test(name);
}
