/**
 * The host's side of attribution with inlined models (`wasm/site_events.ts`): it appends what happens out of
 * generated code, and hands the buffer to its reader when it is full and when generated code is left.
 */
import type { Block } from "./blocks.ts";
import type { CpuSpace } from "./cpu.ts";
import type { CodeBlock } from "./event_buffer.ts";
import { Side } from "../models/hierarchy.ts";
import * as L from "./layout.ts";
import type { StateMemory } from "./state_memory.ts";
import * as R from "./wasm/records.ts";
import {
  NO_FUNCTION,
  SITE_ARGUMENT_SHIFT,
  SITE_BUDGET,
  SITE_EVENT_SIZE,
  SITE_INDEX_SHIFT,
  SITE_KIND_SHIFT,
  SITE_NUMBER,
  SiteEvent,
} from "./wasm/site_events.ts";

const U32 = 4294967296;
/** The shifts within an event's second u32. */
const [KIND, ARGUMENT, INDEX] = [SITE_KIND_SHIFT, SITE_ARGUMENT_SHIFT, SITE_INDEX_SHIFT]
  .map((shift) => shift - 32);

/** What a reader may ask. */
export interface SiteContext {
  /** The machine's memory, which has the events. */
  readonly memory: WebAssembly.Memory;
  /** The running space, and its number. */
  readonly running: CpuSpace | null;
  readonly space: number;
  /** log2 of the size of base pages. */
  readonly basePageBits: number;
  block(number: number): CodeBlock;
  /** How often a block was entered since this was asked last. */
  takeWhole(number: number): number;
}

/** Who makes sense of the events. */
export interface SiteReader {
  attach(context: SiteContext): void;
  /** Number of the function that a block is of. */
  functionOf(block: CodeBlock): number;
  /** Generated code begins with so much budget. */
  begin(budget: number): void;
  /** So much budget is left; what was used since the last event is of `function_`. */
  spend(function_: number, budget: number): void;
  /** Events lie at `[from, to)`. */
  read(from: number, to: number): void;
  /** Only the first `count` instructions of a block retired, and it did not count as entered. */
  cut(block: CodeBlock, count: number): void;
  enterSpace(space: number): void;
  enterThread(thread: number): void;
  /** Numbers of blocks will be given anew. */
  forgetBlocks(): void;
}

export class SiteBuffer implements SiteContext {
  readonly #state: StateMemory;
  readonly #describe: (block: Block) => CodeBlock;
  readonly #all: readonly Block[];
  readonly #blocks: (CodeBlock | undefined)[] = [];
  /** A block of which only so many instructions are to retire, if one runs. */
  #tail: { readonly block: Block; readonly count: number } | null = null;
  #thread = -1;
  running: CpuSpace | null = null;

  constructor(
    readonly reader: SiteReader,
    readonly memory: WebAssembly.Memory,
    state: StateMemory,
    all: readonly Block[],
    describe: (block: Block) => CodeBlock,
    readonly basePageBits: number = 12,
  ) {
    this.#state = state;
    this.#all = all;
    this.#describe = describe;
    state.u32[L.EVENTS >> 2] = L.EVENT_BUFFER;
    state.i32[L.SITE_FUNCTION >> 2] = NO_FUNCTION;
    reader.attach(this);
  }

  get space(): number {
    return this.running?.id ?? -1;
  }
  block(number: number): CodeBlock {
    return this.#blocks[number] ??= this.#describe(this.#all[number]);
  }
  takeWhole(number: number): number {
    const { head, count } = this.#all[number];
    const at = R.siteRecord(head, count) + R.SITE_WHOLE;
    const whole = this.#state.signed(at);
    this.#state.put(at, 0);
    return whole;
  }

  /** A block was translated. */
  translated({ number, head, count }: Block): void {
    const at = R.siteRecord(head, count) + R.SITE_FUNCTION;
    this.#state.u32[at >> 2] = this.reader.functionOf(this.block(number));
  }
  forgetBlocks(): void {
    this.drain();
    this.reader.forgetBlocks();
    this.#blocks.length = 0;
  }

  // ---- events ----------------------------------------------------------------------------

  #append(kind: SiteEvent, argument: number, index: number, address: number): void {
    const { u32 } = this.#state;
    const at = u32[L.EVENTS >> 2];
    u32[at >> 2] = address >>> 0;
    u32[(at >> 2) + 1] = Math.floor(address / U32) | (kind << KIND) | (argument << ARGUMENT) |
      (index << INDEX);
    u32[(at + SITE_NUMBER) >> 2] = u32[L.SITE_BLOCK >> 2];
    u32[(at + SITE_BUDGET) >> 2] = u32[L.BUDGET >> 2];
    u32[L.EVENTS >> 2] = at + SITE_EVENT_SIZE;
    if (at + SITE_EVENT_SIZE >= L.EVENT_LIMIT) this.drain();
  }
  /** Level 1 of a side missed the page of `va`; `index` is the instruction's number. */
  missed(side: Side, va: number, index: number, walked: boolean): void {
    const kind = side === Side.Data ? SiteEvent.Data : SiteEvent.Fetch;
    this.#append(kind, walked ? 1 : 0, index, va);
  }
  /** The indirect branch at the end of the block went elsewhere than predicted. */
  mispredicted(): void {
    this.#append(SiteEvent.Mispredicted, 0, 0, 0);
  }

  /** The first `count` instructions of a block are about to be executed alone. */
  enter(block: Block, count: number): void {
    this.#spend();
    const { u32 } = this.#state;
    const function_ = u32[(R.siteRecord(block.head, block.count) + R.SITE_FUNCTION) >> 2];
    u32[L.SITE_FUNCTION >> 2] = function_;
    u32[L.SITE_BLOCK >> 2] = block.number;
    this.#tail = { block, count };
  }
  /** Of the running block, only `done` instructions retired. */
  cut(block: Block, done: number): void {
    if (this.#tail === null) {
      const at = R.siteRecord(block.head, block.count) + R.SITE_WHOLE;
      this.#state.put(at, this.#state.signed(at) - 1);
    }
    this.#tail = null;
    if (done > 0) this.reader.cut(this.block(block.number), done);
  }

  /** Let the reader have what there is. */
  drain(): void {
    const { u32 } = this.#state;
    const end = u32[L.EVENTS >> 2];
    u32[L.EVENTS >> 2] = L.EVENT_BUFFER;
    if (end > L.EVENT_BUFFER) this.reader.read(L.EVENT_BUFFER, end);
  }
  #spend(): void {
    this.drain();
    const function_ = this.#state.i32[L.SITE_FUNCTION >> 2];
    if (function_ !== NO_FUNCTION) this.reader.spend(function_, this.#state.u32[L.BUDGET >> 2]);
  }

  /** Instructions are executed from here to `end`, whole ones. */
  begin(): void {
    this.reader.begin(this.#state.u32[L.BUDGET >> 2]);
  }
  end(): void {
    this.#spend();
    if (this.#tail !== null) this.cut(this.#tail.block, this.#tail.count);
  }

  enterSpace(running: CpuSpace): void {
    this.running = running;
    this.reader.enterSpace(running.id);
  }
  enterThread(thread: number): void {
    if (thread === this.#thread) return;
    this.#thread = thread;
    this.reader.enterThread(thread);
  }
}
