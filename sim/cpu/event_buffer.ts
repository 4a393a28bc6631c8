/**
 * The host's side of the event stream: it appends what generated code does not, and hands the buffer to
 * its readers when it is full and before anything changes that their models depend on.
 */
import type { CpuSpace } from "./cpu.ts";
import type { Side } from "../models/hierarchy.ts";
import type { Flow } from "./ir/decoded.ts";
import * as L from "./layout.ts";
import {
  ARGUMENT_SHIFT,
  EVENT_SIZE,
  EVENT_WORDS,
  EventKind,
  INDEX_SHIFT,
  KIND_SHIFT,
  type StreamKinds,
} from "./wasm/event_stream.ts";
import { straddlesOf, Told } from "./wasm/fetch_filter.ts";

const U32 = 4294967296;

/** A block as models see it. */
export interface CodeBlock {
  /** Its number in the stream, which another block may get once all were forgotten. */
  readonly number: number;
  readonly pc: number;
  /** Instructions. */
  readonly count: number;
  readonly bytes: number;
  readonly flow: Flow;
  /** Where a direct transfer goes, or what follows if there is none; 0 for an indirect one. */
  readonly target: number;
  /** Physical addresses of its first byte, and of its second page if it straddles, else -1. */
  readonly physical: number;
  readonly physical2: number;
  /** Byte offset of each instruction, and `bytes`. */
  readonly offsets: Uint16Array;
}

/** What readers may ask while they read. */
export interface StreamContext {
  /** The machine's memory, which has the events. */
  readonly memory: WebAssembly.Memory;
  /** The block with a number of the stream. */
  block(number: number): CodeBlock;
  /** log2 of the size of base pages. */
  readonly basePageBits: number;
  /** Whether larger pages were seen in the running space. */
  readonly hasLargePages: boolean;
  /** Changes whenever `pageBits` of an address may. */
  readonly largePages: number;
  /** log2 of the size of the page that `va` lies on in the running space. */
  pageBits(va: number): number;
  /** Instructions on two lines in blocks that were not told, because their fetches change nothing. */
  readonly quietStraddles: number;
  /** The address space that the events are of. */
  readonly space: number;
  /** The running space itself. */
  readonly running: CpuSpace | null;
  /** Physical address of entry `index` of the page walk for `va`, the root's being 0; -1 if it is not known. */
  entryAddress(va: number, index: number): number;
}

/** Models that read the stream. All is told in the order in which it happened. */
export interface EventReader {
  /** What the reader needs in the stream; what nobody needs is left out of generated code. */
  readonly kinds: StreamKinds;
  /** Called once, before the first event. */
  attach(context: StreamContext): void;
  /** Events are `words[from..to)`. */
  read(words: Uint32Array, from: number, to: number): void;
  /** Instruction `index` of the last block is being executed. */
  executing(index: number): void;
  /** The instructions of the last block that are to retire have. */
  finish(): void;
  /** The events that follow are of address space `space`. */
  enterSpace(space: number): void;
  /** Another thread runs. */
  enterThread?(thread: number): void;
  /** The mapping of `[from, to)` of `space` changed. */
  invalidate(space: number, from: number, to: number): void;
  /** Numbers of blocks will be given anew. */
  forgetBlocks?(): void;
  /** An access to `va` is about to take a page fault. */
  pageFault(side: Side, va: number): void;
}

/** Pages larger than base pages that were seen, by first address; of one space. */
type LargePages = Map<number, number>;
const LARGE = [21, 30, 16, 25, 29] as const;

export class EventBuffer implements StreamContext {
  readonly kinds: StreamKinds;
  readonly #u32: Uint32Array;
  readonly #large = new Map<number, LargePages>();
  #here: LargePages = new Map();
  /** Whether no instruction is under way. */
  #idle = true;
  space = -1;
  hasLargePages = false;
  largePages = 0;
  #thread = -1;
  running: CpuSpace | null = null;
  quietStraddles = 0;
  /** Ordinal of the last instruction that took a page fault. */
  #faulted = -1;

  /** @param describe makes a block's description */
  constructor(
    readonly readers: readonly EventReader[],
    readonly memory: WebAssembly.Memory,
    readonly describe: (number: number) => CodeBlock,
    readonly basePageBits: number = 12,
  ) {
    this.#u32 = new Uint32Array(memory.buffer);
    this.#u32[L.EVENTS >> 2] = L.EVENT_BUFFER;
    this.kinds = {
      accesses: readers.some((r) => r.kinds.accesses),
      branches: readers.some((r) => r.kinds.branches),
      lines: readers.find((r) => r.kinds.accesses)?.kinds.lines,
    };
    for (const reader of readers) reader.attach(this);
  }

  readonly #blocks: (CodeBlock | undefined)[] = [];
  block(number: number): CodeBlock {
    return this.#blocks[number] ??= this.describe(number);
  }
  /** Numbers of blocks will be given anew. */
  forgetBlocks(): void {
    this.drain();
    this.#finish();
    for (const reader of this.readers) reader.forgetBlocks?.();
    // Who keeps a block may ask for them when its records are gone.
    for (const block of this.#blocks) void block?.offsets;
    this.#blocks.length = 0;
  }

  // ---- large pages -----------------------------------------------------------------------

  pageBits(va: number): number {
    if (this.#here.size === 0) return this.basePageBits;
    for (const bits of LARGE) {
      if (this.#here.get(Math.floor(va / 2 ** bits) * 2 ** bits) === bits) return bits;
    }
    return this.basePageBits;
  }
  /** `va` of the running space lies on a page of 2^`bits` bytes. */
  sawPage(va: number, bits: number): void {
    if (bits === this.basePageBits) return;
    const page = Math.floor(va / 2 ** bits) * 2 ** bits;
    if (this.#here.get(page) === bits) return;
    this.#here.set(page, bits);
    this.hasLargePages = true;
    this.largePages++;
  }

  // ---- events ----------------------------------------------------------------------------

  #append(low: number, high: number, kind: EventKind, argument: number, index: number, w: number) {
    if (this.#u32[L.EVENTS >> 2] >= L.EVENT_END - EVENT_SIZE) {
      throw new RangeError("more events in a block than the buffer holds");
    }
    const at = this.#u32[L.EVENTS >> 2] >> 2;
    this.#u32[at] = low;
    this.#u32[at + 1] = (high & 0xffff) | (kind << KIND_SHIFT) |
      ((argument & 63) << ARGUMENT_SHIFT) | (index << INDEX_SHIFT);
    this.#u32[at + 2] = w;
    this.#u32[L.EVENTS >> 2] += EVENT_SIZE;
  }

  /** The first `count` instructions of a block are entered. */
  enter(pc: number, count: number, number: number): void {
    if (this.#u32[L.EVENTS >> 2] >= L.EVENT_LIMIT) this.drain();
    if (!this.kinds.accesses) return;
    this.#toldElsewhere();
    this.#append(pc >>> 0, Math.floor(pc / U32), EventKind.Block, count, 0, number);
  }
  /** Regions must tell of all blocks again: what they know to be fetched last may not be. */
  #toldElsewhere(): void {
    if (this.kinds.lines === undefined) return;
    this.#u32[L.FETCH_TOLD >> 2] = Told.Elsewhere;
    const from = L.FETCH_LINES >> 2;
    this.#u32.fill(0, from, from + this.kinds.lines.fetchSets);
  }
  /** An access of instruction `index` that the soft TLB did not serve; `second` is -1 on one page. */
  access(
    write: boolean,
    va: number,
    size: number,
    index: number,
    physical: number,
    second: number,
  ): void {
    if (!this.kinds.accesses) return;
    if (second >= 0) this.#append(0, 0, EventKind.Straddle, 0, index, second);
    const kind = write ? EventKind.Store : EventKind.Load;
    this.#append(va >>> 0, Math.floor(va / U32), kind, size, index, physical);
    this.#forgetLines();
  }
  /** A page walk for instruction `index`. */
  walk(side: Side, va: number, index: number): void {
    if (this.kinds.lines === undefined) return;
    this.#append(va >>> 0, Math.floor(va / U32), EventKind.Walk, 0, index, side);
    this.#forgetLines();
  }
  /** Any access may change the caches. */
  #forgetLines(): void {
    const { lines } = this.kinds;
    const from = L.DATA_LINES >> 2;
    if (lines !== undefined) this.#u32.fill(0, from, from + lines.sets);
  }
  /** Of the running block, only `done` instructions retired; what the next one did is undone. */
  cut({ number }: { readonly number: number }, done: number): void {
    if (!this.kinds.accesses) return;
    const { lines } = this.kinds;
    const quiet = lines !== undefined && lines.fetchSets > 0 &&
      this.#u32[L.FETCH_TOLD >> 2] === Told.Not;
    const begin = quiet ? this.#u32[L.QUIET_EVENTS >> 2] : L.EVENT_BUFFER;
    for (let at = this.#u32[L.EVENTS >> 2] >> 2; at * 4 > begin; at -= EVENT_WORDS) {
      const word = this.#u32[at - EVENT_WORDS + 1];
      const kind = (word >>> KIND_SHIFT) & 15;
      const data = kind === EventKind.Load || kind === EventKind.Store ||
        kind === EventKind.Straddle;
      if (!data || word >>> INDEX_SHIFT < done) break;
      this.#u32[L.EVENTS >> 2] -= EVENT_SIZE;
    }
    this.#forgetLines();
    if (!quiet) {
      this.#toldElsewhere();
      this.#append(0, 0, EventKind.Cut, done, 0, 0);
      return;
    }
    const { physical, offsets } = this.block(number);
    // An instruction that takes a page fault was fetched.
    const from = this.#faulted === this.#ordinal(done) ? done + 1 : done;
    this.quietStraddles -= straddlesOf(physical, offsets, lines.line, from);
  }

  /** Ordinal of instruction `index` of the running block, with inlined models. */
  #ordinal(index: number): number {
    return this.#u32[L.NOW >> 2] + U32 * this.#u32[(L.NOW >> 2) + 1] + 64 * index;
  }

  /** Let the readers have what there is. */
  drain(): void {
    const end = this.#u32[L.EVENTS >> 2];
    if (end > L.EVENT_BUFFER) {
      this.#u32[L.EVENTS >> 2] = this.#u32[L.QUIET_EVENTS >> 2] = L.EVENT_BUFFER;
      for (const reader of this.readers) reader.read(this.#u32, L.EVENT_BUFFER >> 2, end >> 2);
    }
    if (this.#idle) this.#finish();
  }
  #finish(): void {
    for (const reader of this.readers) reader.finish();
  }

  /** Instructions are executed from here to `end`, whole ones. */
  begin(): void {
    this.#idle = false;
  }
  end(): void {
    this.#idle = true;
    this.quietStraddles += this.#u32[L.QUIET_STRADDLES >> 2];
    this.#u32[L.QUIET_STRADDLES >> 2] = 0;
    this.drain();
  }

  entryAddress(va: number, index: number): number {
    return this.running?.entryAddress?.(va, index) ?? -1;
  }

  enterThread(thread: number): void {
    if (thread === this.#thread) return;
    this.drain();
    this.#thread = thread;
    for (const reader of this.readers) reader.enterThread?.(thread);
  }

  enterSpace(running: CpuSpace): void {
    this.drain();
    const space = running.id;
    this.running = running;
    this.space = space;
    let large = this.#large.get(space);
    if (large === undefined) this.#large.set(space, large = new Map());
    this.#here = large;
    this.hasLargePages = large.size > 0;
    this.largePages++;
    for (const reader of this.readers) reader.enterSpace(space);
  }

  invalidate(space: number, from: number, to: number): void {
    this.drain();
    const large = this.#large.get(space);
    if (large !== undefined && large.size > 0) {
      for (const [page, bits] of large) {
        if (page < to && page + 2 ** bits > from) large.delete(page);
      }
      this.hasLargePages = this.#here.size > 0;
      this.largePages++;
    }
    for (const reader of this.readers) reader.invalidate(space, from, to);
  }

  /** Instruction `index` of the running block, or the fetch of what comes next, takes a page fault. */
  pageFault(side: Side, va: number, index: number): void {
    this.drain();
    if (index >= 0) this.#faulted = this.#ordinal(index);
    for (const reader of this.readers) {
      if (index < 0) reader.finish();
      else reader.executing(index);
      reader.pageFault(side, va);
    }
  }
}
