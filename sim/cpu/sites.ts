/**
 * The host's side of attribution with inlined models (`wasm/site_events.ts`): it makes the nodes and records that
 * generated code counts in, follows threads and spaces, and hands what was counted to a keeper.
 */
import type { SiteKeeper } from "../models/site_memory.ts";
import { Side } from "../models/hierarchy.ts";
import type { Block } from "./blocks.ts";
import type { CpuSpace } from "./cpu.ts";
import type { CodeBlock } from "./event_buffer.ts";
import { Flow } from "./ir/decoded.ts";
import * as L from "./layout.ts";
import { siteNames } from "./site_kinds.ts";
import { CallFrames } from "./call_frames.ts";
import { ContextNodes } from "./context_nodes.ts";
import { SiteCounts } from "./site_counts.ts";
import { SiteHeap } from "./site_heap.ts";
import type { StateMemory } from "./state_memory.ts";
import * as R from "./wasm/records.ts";
import type { SiteHost } from "./wasm/site_events.ts";
import { COUNTS, ENTERED, ENTERED_END, enteredAfter, NODE_COUNT } from "./wasm/site_nodes.ts";

const SITES = siteNames.length;

/** Functions of the runtime module that the host calls. */
export interface SiteRuntime {
  site_missed(side: number, index: number, walked: number): void;
}

/** What it needs of an engine, once that is made. */
export interface SiteParts {
  blocks(): readonly Block[];
  describe(block: Block): CodeBlock;
  runtime(): SiteRuntime;
  /** Put events so far into an array, by kind. */
  events(into: Float64Array): void;
  /** Blocks that regions entered have loads and stores that nobody counted. */
  accessed(loads: number, stores: number): void;
}

export class Sites {
  readonly #state: StateMemory;
  readonly #parts: SiteParts;
  readonly #blocks: (CodeBlock | undefined)[] = [];
  readonly #counts: SiteCounts;
  readonly #heap: SiteHeap;
  readonly #nodes: ContextNodes;
  readonly #frames: CallFrames;
  readonly #pages = new Map<number, number>();
  /** Where the next block's entries are counted. */
  #nextEntered = ENTERED;
  /** A block of which only so many instructions are to retire, if one runs. */
  #tail: { readonly block: Block; readonly count: number } | null = null;
  #thread = -1;
  /** Ordinal at which the timeline's stretch began, and events by kind until then. */
  #began = 64;
  readonly #before = new Float64Array(SITES);
  readonly #passed = new Float64Array(SITES);
  running: CpuSpace | null = null;

  constructor(
    readonly keeper: SiteKeeper,
    state: StateMemory,
    parts: SiteParts,
    readonly basePageBits: number = 12,
  ) {
    this.#state = state;
    this.#parts = parts;
    this.#counts = new SiteCounts(state);
    this.#heap = new SiteHeap(state);
    this.#nodes = new ContextNodes(state, this.#heap, keeper);
    this.#frames = new CallFrames(state, this.#heap, this.#nodes);
    // The first instruction's ordinal.
    state.put(L.SITE_CHARGED, this.#began);
    state.put(L.SITE_STRETCH_END, this.#began + 64);
    keeper.attach(this, () => this.#collect());
  }

  get space(): number {
    return this.running?.id ?? -1;
  }
  #block(number: number): CodeBlock {
    return this.#blocks[number] ??= this.#parts.describe(this.#parts.blocks()[number]);
  }

  /** What the runtime module asks for. */
  get host(): SiteHost {
    const { u32 } = this.#state;
    const node = (): number => u32[L.SITE_NODE >> 2];
    return {
      site_callee: () => this.#nodes.callee(node(), this.#calledAddress()),
      site_function: (function_) => {
        return this.#nodes.at({ ...this.#nodes.placeOf(node()), function_ });
      },
      site_instructions: () => {
        const record = u32[L.SITE_BLOCK >> 2];
        const { count } = this.#parts.blocks()[u32[(record + R.SITE_NUMBER) >> 2]];
        return u32[(record + R.SITE_EVENTS) >> 2] = this.#heap.allocate(count * COUNTS);
      },
      site_page: () => this.#pageAt(addressAt(this.#state, L.SITE_ADDRESS)),
      site_grow: () => this.#frames.grow(),
      site_stretch: () => this.#stretch(),
    };
  }
  /** Where the call at the end of `SITE_BLOCK` goes. */
  #calledAddress(): number {
    const { u32 } = this.#state;
    const { flow, target } =
      this.#parts.blocks()[u32[(u32[L.SITE_BLOCK >> 2] + R.SITE_NUMBER) >> 2]];
    return flow === Flow.Call ? target : addressAt(this.#state, L.BRANCH_TARGET);
  }
  #pageAt(address: number): number {
    const page = this.keeper.page(address);
    let at = this.#pages.get(page);
    if (at === undefined) this.#pages.set(page, at = this.#heap.allocate(COUNTS));
    return at;
  }
  #stretch(): void {
    const now = this.#now;
    // A run begins with thousands of short ones.
    const [passed, before] = [this.#passed, this.#before];
    this.#parts.events(passed);
    for (let kind = 0; kind < SITES; kind++) {
      passed[kind] -= before[kind];
      before[kind] += passed[kind];
    }
    const left = this.keeper.stretch(passed, (now - this.#began) / 64);
    this.#began = now;
    this.#state.put(L.SITE_STRETCH_END, now + 64 * left);
    this.#bound();
  }
  /** Regions enter no block behind the quantum, or the stretch. */
  #bound(): void {
    const state = this.#state;
    const [quantum, stretch] = [state.signed(L.ORDINAL_BASE), state.signed(L.SITE_STRETCH_END)];
    state.put(L.SITE_END, Math.min(quantum, stretch));
  }
  /** Ordinal of the instruction that comes next. */
  get #now(): number {
    return this.#state.signed(L.ORDINAL_BASE) - 64 * this.#state.signed(L.BUDGET);
  }

  // ---- blocks ----------------------------------------------------------------------------

  /** A block was translated. */
  translated({ number, head, count, flow }: Block): void {
    const { u32 } = this.#state;
    const at = R.siteRecord(head, count) >> 2;
    u32[at + (R.SITE_FUNCTION >> 2)] = this.keeper.symbolOf(this.#block(number));
    u32[at + (R.SITE_NUMBER >> 2)] = number;
    u32[at + (R.SITE_CONTEXT >> 2)] = R.NO_CONTEXT;
    u32[at + (R.SITE_INDIRECT >> 2)] = flow === Flow.Call ? 0 : 1;
  }
  /** Where regions count how often they enter a block. */
  counterOf({ head, count }: Block): number {
    const { u32 } = this.#state;
    const record = R.siteRecord(head, count);
    const at = (record + R.SITE_ENTERED) >> 2;
    if (u32[at] === 0) {
      const full = this.#nextEntered >= ENTERED_END;
      u32[at] = full ? record + R.SITE_ENTERINGS : this.#nextEntered;
      if (!full) this.#nextEntered = enteredAfter(this.#nextEntered);
    }
    return u32[at];
  }
  forgetBlocks(): void {
    this.#clear();
    this.#nextEntered = ENTERED;
    // The keeper may ask for them when their records are gone.
    for (const block of this.#blocks) void block?.offsets;
    this.#blocks.length = 0;
  }
  /** The first `count` instructions of a block are about to be executed alone. */
  enter(block: Block, count: number): void {
    this.#charge();
    const record = R.siteRecord(block.head, block.count);
    this.#state.u32[L.SITE_BLOCK >> 2] = record;
    const function_ = this.#state.i32[(record + R.SITE_FUNCTION) >> 2];
    const { context } = this.#nodes.placeOf(this.#state.u32[L.SITE_NODE >> 2]);
    this.#state.u32[L.SITE_NODE >> 2] = this.#nodes.at({ context, function_ });
    if (this.#now >= this.#state.signed(L.SITE_STRETCH_END)) this.#stretch();
    this.#tail = { block, count };
  }
  /** Of the running block, only `done` instructions retired. */
  cut(block: Block, done: number): void {
    if (this.#tail === null) {
      const at = R.siteRecord(block.head, block.count) + R.SITE_WHOLE;
      this.#state.put(at, this.#state.signed(at) - 1);
    }
    this.#tail = null;
    if (done > 0) this.keeper.cut(this.#block(block.number), done);
  }
  /** Level 1 of a side missed the page of `va`; `index` is the instruction's number. */
  missed(side: Side, va: number, index: number, walked: boolean): void {
    this.#state.put(L.SITE_ADDRESS, va);
    this.#parts.runtime().site_missed(side, side === Side.Data ? index : 0, walked ? 1 : 0);
  }

  // ---- runs ------------------------------------------------------------------------------

  /** What retired is the node's. */
  #charge(): void {
    const state = this.#state;
    const now = this.#now;
    const spent = now - state.signed(L.SITE_CHARGED);
    if (spent <= 0) return;
    const at = state.u32[L.SITE_NODE >> 2] + NODE_COUNT;
    state.put(at, state.signed(at) + spent);
    state.put(L.SITE_CHARGED, now);
  }
  /** Instructions are executed from here to `end`, whole ones. */
  begin(): void {
    if (this.#heap.crowded) this.#clear();
    this.#bound();
  }
  end(): void {
    this.#charge();
    this.#frames.settle();
    if (this.#tail !== null) this.cut(this.#tail.block, this.#tail.count);
  }

  enterSpace(running: CpuSpace): void {
    this.running = running;
    this.#state.put(L.SITE_SPACE, running.id * PAGE_NUMBERS);
    this.#frames.enterSpace(running.id);
  }
  enterThread(thread: number): void {
    if (thread === this.#thread) return;
    this.#thread = thread;
    this.#frames.enterThread(thread);
  }

  // ---- what was counted ------------------------------------------------------------------

  #collect(): void {
    this.#collectBlocks();
    this.#stretch();
    this.#nodes.collect();
    for (const [page, at] of this.#pages) this.keeper.addPage(page, this.#counts.take(at));
  }
  /** What regions counted of blocks is the blocks', and the models'. */
  settle(): void {
    const state = this.#state;
    for (const { head, count } of this.#parts.blocks()) {
      const record = R.siteRecord(head, count);
      const at = state.u32[(record + R.SITE_ENTERED) >> 2];
      if (at === 0) continue;
      const entered = state.signed(at);
      state.put(at, 0);
      const whole = record + R.SITE_WHOLE;
      state.put(whole, state.signed(whole) + entered);
      const loads = state.view.getUint16(head + R.LOAD_COUNT, true);
      const stores = state.view.getUint16(head + R.STORE_COUNT, true);
      this.#parts.accessed(entered * loads, entered * stores);
    }
  }
  #collectBlocks(): void {
    this.settle();
    const state = this.#state;
    for (const { number, head, count } of this.#parts.blocks()) {
      const record = R.siteRecord(head, count);
      const whole = state.signed(record + R.SITE_WHOLE);
      const wrong = state.signed(record + R.SITE_WRONG);
      const at = state.u32[(record + R.SITE_EVENTS) >> 2];
      if (whole === 0 && wrong === 0 && at === 0) continue;
      state.put(record + R.SITE_WHOLE, 0);
      state.put(record + R.SITE_WRONG, 0);
      const block = this.#block(number);
      this.keeper.addBlock(block, whole, at === 0 ? null : this.#counts.take(at, count));
      if (wrong !== 0) this.keeper.addMispredicted(block, wrong);
    }
  }
  /** Hand over all that was counted, and begin anew where threads are. */
  #clear(): void {
    this.#collect();
    this.#frames.across(() => {
      for (const { head, count } of this.#parts.blocks()) {
        const record = R.siteRecord(head, count) >> 2;
        this.#state.u32[record + (R.SITE_EVENTS >> 2)] = 0;
        this.#state.u32[record + (R.SITE_CONTEXT >> 2)] = R.NO_CONTEXT;
        this.#state.u32[record + (R.SITE_CALLER >> 2)] = 0;
      }
      this.#pages.clear();
      this.#nodes.clear();
      this.#heap.clear();
    });
  }
}

const U32 = 2 ** 32;
/** Numbers of pages of 4 KiB in 48 bits. */
const PAGE_NUMBERS = 2 ** 36;

/** The low 48 bits at `at`. */
function addressAt({ u32 }: StateMemory, at: number): number {
  return u32[at >> 2] + (u32[(at >> 2) + 1] & 0xffff) * U32;
}
