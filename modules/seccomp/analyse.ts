import {
  type ElfFile,
  type FunctionRange,
  STB_LOCAL,
  STT_FUNC,
  STT_GNU_IFUNC,
  STT_NOTYPE,
} from "../../lib/elf/mod.ts";
import { aarch64Code } from "./aarch64_code.ts";
import { Bits } from "./bits.ts";
import { closure } from "./closure.ts";
import { type CallSite, type CodeReader, type FunctionFacts, isSmall } from "./function_facts.ts";
import { Image } from "./image.ts";
import { digestOf, type Reach, type Summary, SUMMARY_FORMAT } from "./summary.ts";
import { isArgument, numbersOf, type Value } from "./values.ts";
import { x86_64Code } from "./x86_64_code.ts";

const READERS: Record<ElfFile["machine"], CodeReader> = {
  x86_64: x86_64Code,
  aarch64: aarch64Code,
};

/** Numbers of system calls are below. */
const NUMBERS = 1024;
/** Functions whose first argument is the number of a system call. */
const NUMBERED = ["syscall"];
const LOOKUPS = ["dlsym", "dlvsym"];

/**
 * Maps every symbol that an object defines to the system calls that its code can reach and to the symbols
 * of others that it uses. Code is disassembled function by function; the numbers of system calls come from
 * the values of registers at the instruction, through wrappers up to their callers. An indirect call may
 * go to any function whose address the reachable code or its data holds.
 */
export async function analyse(elf: ElfFile): Promise<Summary> {
  const digest = await digestOf(elf);
  return new Analysis(elf).summary(digest);
}

/** Code with one entry: a function, or a piece of code of which nothing is said in the file. */
interface Piece extends FunctionRange {
  readonly known: boolean;
  readonly facts: FunctionFacts;
}

class Analysis {
  readonly #image: Image;
  readonly #reader: CodeReader;
  readonly #pieces: Piece[];
  readonly #starts: Float64Array;
  readonly #edges: Set<number>[] = [];
  readonly #numbers: Set<number>[] = [];
  readonly #imports: Set<number>[] = [];
  readonly #unknown: Set<number>[] = [];
  readonly #unknownSites: number[] = [];
  /** Node through which others than direct callers come, where it differs from the piece's own. */
  readonly #outside = new Map<number, number>();
  readonly #syscalls: number;

  constructor(readonly elf: ElfFile) {
    this.#image = new Image(elf);
    this.#reader = READERS[elf.machine];
    this.#pieces = this.#readCode();
    this.#starts = Float64Array.from(this.#pieces, ({ start }) => start);
    for (let i = 0; i < this.#pieces.length; i++) this.#node();
    this.#syscalls = this.#pieces.reduce((sum, { facts }) => sum + facts.syscalls.length, 0);
    this.#followNumbers();
    this.#connectCode();
  }

  // Code

  #readCode(): Piece[] {
    /** `known`: control comes by calls alone. */
    const read = ({ start, end }: FunctionRange, known: boolean): Piece => {
      const code = this.#image.bytes(start, end - start);
      return {
        start,
        end,
        known,
        facts: this.#reader.read(start, code, known, this.#image, false),
      };
    };
    // A description may end before its function does: what control goes on into belongs to it.
    const between = new Map(this.#image.between.map((range) => [range.start, range]));
    const functions = this.#image.functions.map((range) => {
      const piece = read(range, true);
      const next = piece.facts.goesOn ? between.get(range.end) : undefined;
      if (next === undefined) return piece;
      between.delete(range.end);
      return read({ start: range.start, end: next.end }, true);
    });
    const rest = [...between.values()].map((range) => read(range, false));
    // Where control enters such code from elsewhere, it begins anew.
    const entries = new Set<number>();
    const called = new Set<number>();
    for (const { facts } of [...functions, ...rest]) {
      for (const { target, through } of facts.calls) if (through === "address") called.add(target);
      for (const address of facts.addresses) entries.add(address);
    }
    for (const pointer of this.#image.pointers.values()) {
      if (pointer.kind === "address") entries.add(pointer.target);
    }
    for (const symbol of this.elf.symbols ?? []) if (symbol.shndx !== 0) entries.add(symbol.value);
    const { init, fini } = this.elf.dynamic ?? {};
    for (const at of [init, fini, this.elf.header.entry]) if (at) entries.add(at);
    for (const at of called) entries.add(at);
    const sorted = Float64Array.from(entries).sort();
    const pieces = rest.flatMap((whole) => {
      const inside = sorted.subarray(
        search(sorted, whole.start) + 1,
        search(sorted, whole.end - 1) + 1,
      );
      if (inside.length === 0) return [whole];
      const bounds = [whole.start, ...inside, whole.end];
      const parts: Piece[] = [];
      for (let i = 0; i + 1 < bounds.length; i++) {
        const isFunction = called.has(bounds[i]) && !(parts.at(-1)?.facts.goesOn ?? false);
        parts.push(read({ start: bounds[i], end: bounds[i + 1] }, isFunction));
      }
      return parts;
    });
    return [...functions, ...pieces].sort((a, b) => a.start - b.start);
  }

  /** Index of the piece that holds an address, or -1. */
  #pieceAt(address: number): number {
    const at = search(this.#starts, address);
    return at >= 0 && address < this.#pieces[at].end ? at : -1;
  }

  #node(): number {
    this.#edges.push(new Set());
    this.#numbers.push(new Set());
    this.#imports.push(new Set());
    this.#unknown.push(new Set());
    return this.#edges.length - 1;
  }

  #addUnknown(node: number, at: number): void {
    this.#unknown[node].add(this.#unknownSites.length);
    this.#unknownSites.push(at);
  }

  /** What a call leads to: a piece, a symbol of the scope, or nothing that is known. */
  #callee({ target, through }: CallSite): { piece: number } | { symbol: number } | undefined {
    let slot = through === "slot" ? target : undefined;
    if (slot === undefined && this.#image.isTable(target)) {
      slot = this.#reader.entrySlot(target, this.#image);
    }
    const pointer = slot === undefined ? undefined : this.#image.pointers.get(slot);
    if (pointer?.kind === "symbol") return { symbol: pointer.index };
    const piece = this.#pieceAt(pointer?.target ?? target);
    return piece < 0 ? undefined : { piece };
  }

  readonly #thorough = new Map<number, FunctionFacts>();

  /** The facts of a piece with what is known of registers throughout. */
  #thoroughly(piece: number): FunctionFacts {
    let facts = this.#thorough.get(piece);
    if (facts === undefined) {
      const { start, end, known } = this.#pieces[piece];
      const code = this.#image.bytes(start, end - start);
      facts = this.#reader.read(start, code, known, this.#image, true);
      this.#thorough.set(piece, facts);
    }
    return facts;
  }

  /** Gives every function the numbers of the system calls it makes, itself or through wrappers. */
  #followNumbers(): void {
    /** Callers of each piece, with what they give it. */
    const callers: { from: number; index: number }[][] = this.#pieces.map(() => []);
    /** Arguments of pieces that become numbers. */
    const wrappers: Set<number>[] = this.#pieces.map(() => new Set());
    const work: [number, number][] = [];
    /** Numbers that each wrapper is given, and wrappers that give it what they are given. */
    const given: Set<number>[] = this.#pieces.map(() => new Set());
    const givers: Set<number>[] = this.#pieces.map(() => new Set());
    const give = (node: number, value: Value, at: number, wrapper?: number): void => {
      const numbers = numbersOf(value);
      if (numbers !== undefined) {
        for (const number of numbers) {
          if (number < 0 || number >= NUMBERS) continue;
          this.#numbers[node].add(number);
          if (wrapper !== undefined) given[wrapper].add(number);
        }
      } else if (isArgument(value)) {
        if (wrapper !== undefined) givers[wrapper].add(node);
        if (wrappers[node].has(value.argument)) return;
        wrappers[node].add(value.argument);
        work.push([node, value.argument]);
      } else this.#addUnknown(node, at);
    };
    const loose: number[] = [];
    const exported = this.#exported();
    this.#pieces.forEach(({ facts, start }, node) => {
      let isLoose = false;
      for (const { at, number } of facts.syscalls) {
        if (number === undefined) isLoose = true;
        else give(node, number, at);
      }
      if (isLoose) loose.push(node);
      facts.calls.forEach((call, index) => {
        const callee = this.#callee(call);
        if (callee === undefined) return;
        if ("piece" in callee) callers[callee.piece].push({ from: node, index });
        else if (NUMBERED.includes(this.#image.imports[callee.symbol].name)) {
          give(node, this.#thoroughly(node).calls[index].arguments[0], start);
        }
      });
    });
    for (let next = work.pop(); next !== undefined; next = work.pop()) {
      const [node, argument] = next;
      for (const { from, index } of callers[node]) {
        const { calls } = this.#thoroughly(from);
        give(from, calls[index].arguments[argument], this.#pieces[from].start, node);
      }
    }
    wrappers.forEach((args, node) => {
      if (args.size === 0) return;
      const outside = this.#outsideOf(node);
      for (const giver of reachable(givers, node)) {
        for (const number of given[giver]) given[node].add(number);
      }
      if (given[node].size === 0 || exported.has(this.#pieces[node].start)) {
        this.#addUnknown(outside, this.#pieces[node].start);
      } else for (const number of given[node]) this.#numbers[outside].add(number);
    });
    this.#followStored(loose, callers, exported);
  }

  /**
   * Numbers that come from memory: those that the function stores there itself, and those that its direct
   * callers store, push or hand it. Who calls it through a pointer may mean those of any such function of
   * the object.
   */
  #followStored(
    loose: readonly number[],
    callers: readonly { readonly from: number; readonly index: number }[][],
    exported: ReadonlySet<number>,
  ): void {
    const all = new Set<number>();
    const add = (node: number, numbers: Iterable<number>): void => {
      for (const number of numbers) {
        this.#numbers[node].add(number);
        all.add(number);
      }
    };
    for (const node of loose) {
      add(node, this.#pieces[node].facts.stored);
      for (const { from, index } of callers[node]) {
        const { stored, calls } = this.#thoroughly(from);
        const given = calls[index].arguments.flatMap((value) => numbersOf(value) ?? []);
        const numbers = [...stored, ...given.filter(isSmall)];
        if (stored.size === 0) this.#addUnknown(from, this.#pieces[from].start);
        add(from, numbers);
      }
    }
    for (const node of loose) {
      const outside = this.#outsideOf(node);
      if (all.size === 0 || exported.has(this.#pieces[node].start)) {
        this.#addUnknown(outside, this.#pieces[node].start);
      } else for (const number of all) this.#numbers[outside].add(number);
    }
  }

  #exported(): ReadonlySet<number> {
    const all = new Set<number>();
    for (const { shndx, bind, value } of this.elf.symbols ?? []) {
      if (shndx !== 0 && bind !== STB_LOCAL) all.add(value);
    }
    return all;
  }

  /** The node of a piece for those who come with arguments that are not seen. */
  #outsideOf(piece: number): number {
    let node = this.#outside.get(piece);
    if (node === undefined) {
      this.#outside.set(piece, node = this.#node());
      this.#edges[node].add(piece);
    }
    return node;
  }

  #entryNode(piece: number): number {
    return this.#outside.get(piece) ?? piece;
  }

  #connectCode(): void {
    this.#pieces.forEach(({ facts, end }, node) => {
      for (const call of facts.calls) {
        const callee = this.#callee(call);
        if (callee === undefined) continue;
        if ("piece" in callee) this.#edges[node].add(callee.piece);
        else if (!NUMBERED.includes(this.#image.imports[callee.symbol].name)) {
          this.#imports[node].add(callee.symbol);
        }
      }
      for (const address of facts.addresses) this.#refer(node, address);
      for (const address of facts.accesses) {
        if (this.#image.slots.has(address)) this.#point(node, address);
      }
      // Code that nothing is said of may go on into what follows it.
      if (facts.goesOn && this.#pieces[node + 1]?.start === end) {
        this.#edges[node].add(this.#entryNode(node + 1));
      }
    });
  }

  /** `node` has the address of something in the image; of data it is not asked what pointers it holds. */
  #refer(node: number, address: number): void {
    const slot = this.#image.isTable(address)
      ? this.#reader.entrySlot(address, this.#image)
      : undefined;
    if (slot !== undefined) return this.#point(node, slot);
    const piece = this.#pieceAt(address);
    if (piece >= 0 && piece !== node) this.#edges[node].add(this.#entryNode(piece));
  }

  /** `node` reads the pointer at an address. */
  #point(node: number, at: number): void {
    const pointer = this.#image.pointers.get(at);
    if (pointer === undefined) return;
    if (pointer.kind === "symbol") this.#imports[node].add(pointer.index);
    else this.#refer(node, pointer.target);
  }

  // The result

  summary(digest: string): Summary {
    const start = this.#node();
    const { header, dynamic, symbols } = this.elf;
    for (const at of [header.entry, dynamic?.init, dynamic?.fini]) {
      if (at) this.#refer(start, at);
    }
    const { preinitArray, initArray, finiArray } = dynamic ?? {};
    for (const array of [preinitArray, initArray, finiArray]) {
      for (let at = 0; array && at < array.size; at += 8) this.#point(start, array.vaddr + at);
    }
    const data = this.#node();
    for (const at of this.#image.pointers.keys()) {
      if (!this.#image.slots.has(at)) this.#point(data, at);
    }
    const reaches = closure(this.#edges.map((edges) => [...edges]), this.#ownBits());
    const sets = new SharedSets(this.#image.imports.length, this.#unknownSites);
    const defined = new Map<number, number>();
    for (const symbol of symbols ?? []) {
      const { shndx, bind, type, value } = symbol;
      if (shndx === 0 || shndx >= 0xff00 || bind === STB_LOCAL || defined.has(value)) continue;
      if (![STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE].includes(type)) continue;
      const piece = this.#pieceAt(value);
      if (piece >= 0) defined.set(value, sets.index(reaches[this.#entryNode(piece)]));
    }
    const looksUp = this.#image.imports.some(({ name }) => LOOKUPS.includes(name));
    const facts = this.#pieces.map(({ facts }) => facts);
    const total = (count: (facts: FunctionFacts) => number) =>
      facts.reduce((sum, one) => sum + count(one), 0);
    return {
      format: SUMMARY_FORMAT,
      arch: this.elf.machine,
      digest,
      imports: this.#image.imports,
      start: sets.index(reaches[start]),
      data: sets.index(reaches[data]),
      symbols: [...defined],
      sets: sets.all,
      names: looksUp ? names(this.elf) : [],
      statistics: {
        functions: this.#pieces.filter(({ known }) => known).length,
        instructions: total(({ instructions }) => instructions),
        undecodable: total(({ undecodable }) => undecodable),
        syscalls: this.#syscalls,
        indirect: total(({ indirect }) => indirect),
        unknown: this.#unknownSites.length,
      },
    };
  }

  #ownBits(): Bits[] {
    const size = NUMBERS + this.#image.imports.length + this.#unknownSites.length;
    return this.#edges.map((_, node) => {
      const bits = new Bits(size);
      for (const number of this.#numbers[node]) bits.add(number);
      for (const index of this.#imports[node]) bits.add(NUMBERS + index);
      for (const index of this.#unknown[node]) {
        bits.add(NUMBERS + this.#image.imports.length + index);
      }
      return bits;
    });
  }
}

/** Equal reaches are one. */
class SharedSets {
  readonly all: Reach[] = [];
  readonly #byBits = new Map<Bits, number>();
  readonly #byText = new Map<string, number>();

  constructor(readonly imports: number, readonly sites: readonly number[]) {}

  index(bits: Bits): number {
    let index = this.#byBits.get(bits);
    if (index !== undefined) return index;
    const syscalls: number[] = [], imports: number[] = [], unknown: number[] = [];
    for (const bit of bits) {
      if (bit < NUMBERS) syscalls.push(bit);
      else if (bit < NUMBERS + this.imports) imports.push(bit - NUMBERS);
      else unknown.push(this.sites[bit - NUMBERS - this.imports]);
    }
    const text = `${syscalls};${imports};${unknown}`;
    index = this.#byText.get(text);
    if (index === undefined) {
      this.#byText.set(text, index = this.all.length);
      this.all.push({ syscalls, imports, unknown });
    }
    this.#byBits.set(bits, index);
    return index;
  }
}

/** Texts of the image that could be names of functions, without those of its own symbols. */
function names(elf: ElfFile): string[] {
  const found = new Set<string>();
  const strings = elf.section(".dynstr");
  const decoder = new TextDecoder("latin1");
  for (const segment of elf.loadSegments) {
    const bytes = elf.segmentBytes(segment).slice();
    if (strings !== undefined) {
      const from = strings.addr - segment.vaddr;
      if (from >= 0 && from < bytes.length) bytes.fill(0, from, from + strings.size);
    }
    for (const [text] of decoder.decode(bytes).matchAll(/[A-Za-z_][A-Za-z0-9_]{2,}(?=\0)/g)) {
      found.add(text);
    }
  }
  return [...found].sort();
}

/** The nodes that a path leads to from `node`. */
function reachable(edges: readonly ReadonlySet<number>[], node: number): ReadonlySet<number> {
  const found = new Set<number>();
  const work = [node];
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    for (const to of edges[next]) {
      if (found.has(to)) continue;
      found.add(to);
      work.push(to);
    }
  }
  return found;
}

/** Index of the last value that is at most `wanted`, or -1. */
function search(sorted: Float64Array, wanted: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
