/**
 * Where the events of a run happen: by object, function, slot of a linkage table, page and calling context.
 * It is told by a `CoreModel` as its events happen.
 */
import { type ElfFile, lineAt, type LineRow, lineRows } from "../../lib/elf/mod.ts";
import { type CodePlace, codePlace } from "../code_places.ts";
import type { CodeBlock, StreamContext } from "../cpu/event_buffer.ts";
import type { AddressSpace } from "../memory/address_space.ts";
import { Site, siteNames, type SiteObserver } from "../models/core_model.ts";
import { BranchKind } from "../models/stream_model.ts";
import { Timeline, type TimelineReport } from "./timeline.ts";

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

export interface AttributionReport {
  /** `program`, and `linker`: the objects that are the guest's own dynamic linker. */
  readonly domains: readonly Attributed[];
  readonly objects: readonly Attributed[];
  readonly symbols: readonly AttributedSymbol[];
  /** Pages that instructions lie on, and that data accesses missed on. */
  readonly codePages: readonly AttributedPage[];
  readonly dataPages: readonly AttributedPage[];
  /** Source lines, of objects that have uncompressed DWARF line tables. */
  readonly lines: readonly AttributedLine[];
  readonly stacks: readonly AttributedStack[];
  /** When events happened. */
  readonly timeline: TimelineReport;
}

const SITES = siteNames.length;
/** Deepest calling context; what is deeper counts at it. */
const DEEPEST = 400;
/** Frames that a return may skip: by longjmp, or because a thread was switched. */
const SKIPPED = 64;

/** A function or slot. */
interface Symbol {
  readonly id: number;
  readonly object: string;
  readonly name: string;
  readonly plt: boolean;
}

interface Entry {
  readonly block: CodeBlock;
  readonly symbol: Symbol;
  readonly page: string;
  /** Instructions retired, and other events. */
  readonly counts: Float64Array;
  readonly place: CodePlace;
  /** How often all of it retired; where it was cut short, how often each instruction did. */
  whole: number;
  parts: Float64Array | null;
  /** Other events by `index * SITES + site`. */
  readonly at: Map<number, number>;
}

/** A node of the tree of calling contexts. */
class Context {
  symbol: Symbol | null = null;
  readonly callees = new Map<number, Context>();
  readonly counts = new Map<number, Float64Array>();
  lastId = -1;
  lastCounts: Float64Array = NONE;
  constructor(readonly parent: Context | null) {}

  /** Counts of `symbol`'s own events here. */
  of(id: number): Float64Array {
    if (id === this.lastId) return this.lastCounts;
    let counts = this.counts.get(id);
    if (counts === undefined) this.counts.set(id, counts = new Float64Array(SITES));
    this.lastId = id;
    this.lastCounts = counts;
    return counts;
  }
}
const NONE = new Float64Array(SITES);

/** Calls of a thread that have not returned. */
interface CallStack {
  readonly returns: number[];
  readonly contexts: Context[];
  space: number;
}

export class Attribution implements SiteObserver {
  #context!: StreamContext;
  readonly #entries: Entry[] = [];
  readonly #all: Entry[] = [];
  readonly #symbols = new Map<string, Symbol>();
  readonly #list: Symbol[] = [];
  readonly #root = new Context(null);
  readonly #threads = new Map<number, CallStack>();
  #stack: CallStack = { returns: [], contexts: [], space: -1 };
  #here: Context = this.#root;
  readonly #timeline = new Timeline();
  readonly #dataPages = new Map<string, { page: number; name: string; counts: Float64Array }>();

  attach(context: StreamContext): void {
    this.#context = context;
  }

  // ---- events ------------------------------------------------------------------------------

  retired(block: CodeBlock, count: number): void {
    const entry = this.#entryOf(block);
    entry.counts[Site.Instructions] += count;
    if (count === block.count) entry.whole++;
    else {
      entry.parts ??= new Float64Array(block.count);
      for (let i = 0; i < count; i++) entry.parts[i]++;
    }
    this.#count(entry)[Site.Instructions] += count;
    this.#timeline.retired(count);
  }
  at(site: Site, block: CodeBlock, index: number, address: number): void {
    const entry = this.#entryOf(block);
    entry.counts[site]++;
    const key = index * SITES + site;
    entry.at.set(key, (entry.at.get(key) ?? 0) + 1);
    this.#count(entry)[site]++;
    this.#timeline.at(site);
    if (address >= 0) this.#dataPage(address).counts[site]++;
  }
  #count(entry: Entry): Float64Array {
    const here = this.#here;
    if (here.symbol === null) here.symbol = entry.symbol;
    return here.of(entry.symbol.id);
  }

  branch(kind: BranchKind, next: number, to: number): void {
    if (kind === BranchKind.Call || kind === BranchKind.IndirectCall) {
      const { returns, contexts } = this.#stack;
      returns.push(next);
      contexts.push(this.#here);
      if (returns.length > DEEPEST) return;
      let callee = this.#here.callees.get(to);
      if (callee === undefined) this.#here.callees.set(to, callee = new Context(this.#here));
      this.#here = callee;
    } else if (kind === BranchKind.Return) this.#return(to);
  }
  #return(to: number): void {
    const { returns, contexts } = this.#stack;
    const last = returns.length - 1;
    for (let i = last; i >= 0 && i > last - SKIPPED; i--) {
      if (returns[i] !== to) continue;
      this.#here = contexts[i];
      returns.length = contexts.length = i;
      return;
    }
  }

  enterThread(thread: number): void {
    let stack = this.#threads.get(thread);
    if (stack === undefined) {
      this.#threads.set(thread, stack = { returns: [], contexts: [], space: this.#context.space });
    }
    this.#stack.contexts.push(this.#here);
    this.#stack = stack;
    this.#here = stack.contexts.pop() ?? this.#root;
  }
  enterSpace(space: number): void {
    const stack = this.#stack;
    if (stack.space === space) return;
    // Another program, or the child of a fork.
    stack.space = space;
    stack.returns.length = stack.contexts.length = 0;
    this.#here = this.#root;
  }

  // ---- places ------------------------------------------------------------------------------

  #entryOf(block: CodeBlock): Entry {
    const known = this.#entries[block.number];
    if (known?.block === block) return known;
    const place = codePlace(this.#context.running as AddressSpace, block.pc);
    const entry: Entry = {
      block,
      symbol: this.#symbolOf(place),
      page: `${place.object} ${Math.floor(block.pc / 4096)}`,
      counts: new Float64Array(SITES),
      ...{ place, whole: 0, parts: null, at: new Map<number, number>() },
    };
    this.#entries[block.number] = entry;
    this.#all.push(entry);
    return entry;
  }
  #symbolOf({ object, symbol, plt }: CodePlace): Symbol {
    const key = `${object} ${symbol}`;
    let known = this.#symbols.get(key);
    if (known === undefined) {
      known = { id: this.#list.length, object, name: symbol, plt };
      this.#symbols.set(key, known);
      this.#list.push(known);
    }
    return known;
  }
  #dataPage(address: number) {
    const page = Math.floor(address / 4096) * 4096;
    const key = `${this.#context.space} ${page}`;
    let known = this.#dataPages.get(key);
    if (known === undefined) {
      const area = (this.#context.running as AddressSpace).areas.lookup(address);
      const name = area?.source?.path || area?.source?.file.path || area?.name || "[anon]";
      known = { page, name, counts: new Float64Array(SITES) };
      this.#dataPages.set(key, known);
    }
    return known;
  }

  // ---- report ------------------------------------------------------------------------------

  /** What was counted; parts are in descending order of instructions, pages and stacks of their first event. */
  report(): AttributionReport {
    const domains = new Groups();
    const objects = new Groups();
    const symbols = new Map<Symbol, Float64Array>();
    const codePages = new Map<string, { page: number; counts: Float64Array; name: string }>();
    for (const { block, symbol, page, counts } of this.#all) {
      domains.add(isLinker(symbol.object) ? "linker" : "program", counts);
      objects.add(symbol.object, counts);
      addTo(symbols, symbol, counts);
      let of = codePages.get(page);
      if (of === undefined) {
        of = { page: Math.floor(block.pc / 4096) * 4096, name: symbol.object, counts: zeros() };
        codePages.set(page, of);
      }
      add(of.counts, counts);
    }
    const page = (p: { page: number; name: string; counts: Float64Array }): AttributedPage => ({
      page: p.page,
      name: p.name,
      counts: named(p.counts),
    });
    return {
      domains: domains.list(),
      objects: objects.list(),
      symbols: [...symbols].sort((a, b) => b[1][0] - a[1][0])
        .map(([{ object, name, plt }, counts]) => ({ name, object, plt, counts: named(counts) })),
      codePages: [...codePages.values()].sort((a, b) => b.counts[0] - a.counts[0]).map(page),
      dataPages: [...this.#dataPages.values()].sort((a, b) => total(b.counts) - total(a.counts))
        .map(page),
      lines: this.#lines(),
      stacks: this.#stacks(),
      timeline: this.#timeline.report(),
    };
  }

  #lines(): AttributedLine[] {
    const tables = new Map<ElfFile, LineRow[]>();
    const lines = new Map<string, { row: LineRow; object: string; counts: Float64Array }>();
    for (const { block, place, whole, parts, at } of this.#all) {
      const { elf, object } = place;
      if (elf === null) continue;
      let rows = tables.get(elf);
      if (rows === undefined) tables.set(elf, rows = elf.sections.length > 0 ? lineRows(elf) : []);
      if (rows.length === 0) continue;
      const add = (index: number, site: Site, count: number): void => {
        const row = lineAt(rows, place.address + block.offsets[index]);
        if (row === undefined || count === 0) return;
        const key = `${object} ${row.file} ${row.line}`;
        let line = lines.get(key);
        if (line === undefined) lines.set(key, line = { row, object, counts: zeros() });
        line.counts[site] += count;
      };
      for (let i = 0; i < block.count; i++) add(i, Site.Instructions, whole + (parts?.[i] ?? 0));
      for (const [key, count] of at) add(Math.floor(key / SITES), key % SITES, count);
    }
    return [...lines.values()].sort((a, b) => total(b.counts) - total(a.counts))
      .map(({ row, object, counts }) => ({
        ...{ name: row.file, line: row.line, object },
        counts: named(counts),
      }));
  }

  #stacks(): AttributedStack[] {
    const found: AttributedStack[] = [];
    const frame = ({ object, name }: Symbol) => ({ object, symbol: name });
    const visit = (context: Context, above: AttributedStack["frames"]): void => {
      const { symbol } = context;
      const frames = symbol === null ? above : [...above, frame(symbol)];
      for (const [id, counts] of context.counts) {
        const own = this.#list[id];
        found.push({
          frames: own === symbol ? frames : [...frames, frame(own)],
          counts: named(counts),
        });
      }
      for (const callee of context.callees.values()) visit(callee, frames);
    };
    visit(this.#root, []);
    return found;
  }
}

class Groups {
  readonly #groups = new Map<string, Float64Array>();
  add(name: string, counts: Float64Array): void {
    addTo(this.#groups, name, counts);
  }
  list(): Attributed[] {
    return [...this.#groups].sort((a, b) => b[1][0] - a[1][0])
      .map(([name, counts]) => ({ name, counts: named(counts) }));
  }
}

const zeros = (): Float64Array => new Float64Array(SITES);
const total = (counts: Float64Array): number => counts.reduce((a, b) => a + b, 0);
function add(to: Float64Array, counts: Float64Array): void {
  for (let i = 0; i < SITES; i++) to[i] += counts[i];
}
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
