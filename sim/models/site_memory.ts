/**
 * The host's side of `wasm/sites.ts`: makes the records that it counts in, follows threads and spaces, and
 * hands what was counted to a keeper.
 */
import type { CpuSpace } from "../cpu/cpu.ts";
import type { CodeBlock } from "../cpu/event_buffer.ts";
import { siteNames } from "../cpu/site_kinds.ts";
import type { Cell } from "./wasm/function_writer.ts";
import { FRAME, RECORD, type WasmSites } from "./wasm/sites.ts";

const SITES = siteNames.length;
/** More than there are functions. */
const SYMBOLS = 2 ** 24;
/** Calls that a thread's stack begins with room for. */
const FRAMES = 256;

/** What a keeper may ask: the running space and its number, log2 of the size of base pages. */
export interface KeeperContext {
  readonly basePageBits: number;
  readonly running: CpuSpace | null;
  readonly space: number;
}

/** Who makes sense of where a core's events happen. Functions, contexts and pages have its numbers. */
export interface SiteKeeper {
  /** @param collect has all that was counted since the last time handed over */
  attach(context: KeeperContext, collect: () => void): void;
  /** The function that a block is of. */
  symbolOf(block: CodeBlock): number;
  /** The calling context that a call in `context` to an address leads to; the outermost is 0. */
  callee(context: number, to: number): number;
  /** A function counts in a context for the first time. */
  enter(context: number, symbol: number): void;
  /** The page of data that `address` of the running space lies on. */
  page(address: number): number;
  /** What happened during the last `instructions`; how many more are to be counted together. The array is used again. */
  stretch(events: Float64Array, instructions: number): number;
  /** Of a block, only the first `count` instructions retired. */
  cut(block: CodeBlock, count: number): void;

  /** All of `block` retired so often; events by instruction, `siteNames.length` each, or null for none. */
  addBlock(block: CodeBlock, whole: number, events: Float64Array | null): void;
  /** The branch at a block's end was mispredicted so often, which the events of `addBlock` do not say. */
  addMispredicted(block: CodeBlock, count: number): void;
  /** The array is used again. */
  addContext(context: number, symbol: number, events: Float64Array): void;
  addPage(page: number, events: Float64Array): void;
}

/** The models' memory, which may move when it grows. */
export interface ModelMemory {
  readonly view: DataView;
  /** Address of `bytes` bytes of zeros. */
  allocate(bytes: number): number;
}

/** What a thread's cells hold while another runs. */
interface Thread {
  context: number;
  base: number;
  top: number;
  end: number;
  space: number;
}

export class SiteMemory {
  /** Addresses of records by context and function. */
  readonly #slots = new Map<number, number>();
  readonly #pages = new Map<number, number>();
  readonly #threads = new Map<number, Thread>();
  /** The running thread; its other fields are in cells. */
  #thread: Thread = { context: 0, base: 0, top: 0, end: 0, space: -1 };
  forgetSlot: () => void = () => {};

  constructor(
    readonly keeper: SiteKeeper,
    readonly sites: WasmSites,
    readonly memory: ModelMemory,
    readonly block: (number: number) => CodeBlock,
  ) {}

  /** Imports of the module, as `siteImports` names them. */
  get imports() {
    return {
      slot: (context: number, symbol: number) => {
        const slot = context * SYMBOLS + symbol;
        let at = this.#slots.get(slot);
        if (at === undefined) {
          this.keeper.enter(context, symbol);
          this.#slots.set(slot, at = this.memory.allocate(RECORD));
        }
        return at;
      },
      records: (number: number) => this.memory.allocate(RECORD * this.block(number).count),
      page: (address: number) => {
        const page = this.keeper.page(address);
        let at = this.#pages.get(page);
        if (at === undefined) this.#pages.set(page, at = this.memory.allocate(RECORD));
        return at;
      },
      callee: (context: number, to: number) => this.keeper.callee(context, to),
      stretch: () => this.#stretch(),
      grow: () => this.#grow(),
    };
  }

  #get({ address }: Cell): number {
    return this.memory.view.getInt32(address, true);
  }
  #set({ address }: Cell, value: number): void {
    this.memory.view.setInt32(address, value, true);
  }

  // ---- calls -----------------------------------------------------------------------------

  #grow(): void {
    const { base, top, end } = this.sites;
    const [from, bytes] = [this.#get(base), this.#get(end) - this.#get(base)];
    const room = Math.max(2 * bytes, FRAMES * FRAME);
    const at = this.memory.allocate(room);
    new Uint8Array(this.memory.view.buffer).copyWithin(at, from, from + bytes);
    this.#set(base, at);
    this.#set(top, at + bytes);
    this.#set(end, at + room);
  }

  enterThread(thread: number): void {
    const { context, base, top, end } = this.sites;
    const cells = { context, base, top, end };
    const left = this.#thread;
    for (const name of ["context", "base", "top", "end"] as const) {
      left[name] = this.#get(cells[name]);
    }
    let entered = this.#threads.get(thread);
    if (entered === undefined) {
      entered = { context: 0, base: 0, top: 0, end: 0, space: left.space };
      this.#threads.set(thread, entered);
    }
    this.#thread = entered;
    for (const name of ["context", "base", "top", "end"] as const) {
      this.#set(cells[name], entered[name]);
    }
    this.forgetSlot();
  }
  enterSpace(space: number): void {
    const { pages, pageBytes, context, base, top } = this.sites;
    new Uint8Array(this.memory.view.buffer, pages, pageBytes).fill(0);
    if (this.#thread.space === space) return;
    // Another program, or the child of a fork.
    this.#thread.space = space;
    this.#set(top, this.#get(base));
    this.#set(context, 0);
    this.forgetSlot();
  }

  // ---- what was counted ------------------------------------------------------------------

  /** The counts at `at`, which are 0 from now on. */
  #take(at: number, records = 1): Float64Array {
    const { view } = this.memory;
    const counts = new Float64Array(SITES * records);
    const words = new Uint32Array(view.buffer, at, 2 * counts.length);
    for (let i = 0; i < counts.length; i++) counts[i] = words[2 * i] + words[2 * i + 1] * 2 ** 32;
    words.fill(0);
    return counts;
  }

  /** Hand the keeper what was counted of a block, whose instructions' records are at `records` if that is not 0. */
  collectBlock(block: CodeBlock, whole: number, records: number): void {
    if (whole === 0 && records === 0) return;
    this.keeper.addBlock(block, whole, records === 0 ? null : this.#take(records, block.count));
  }
  #stretch(): void {
    const { stretch, passed, length } = this.sites;
    const { view } = this.memory;
    const instructions = Number(view.getBigInt64(passed.address, true));
    view.setBigInt64(passed.address, 0n, true);
    const left = this.keeper.stretch(this.#take(stretch), instructions);
    view.setBigInt64(length.address, BigInt(left), true);
  }
  collectRest(): void {
    this.#stretch();
    for (const [slot, at] of this.#slots) {
      const symbol = slot % SYMBOLS;
      this.keeper.addContext((slot - symbol) / SYMBOLS, symbol, this.#take(at));
    }
    for (const [page, at] of this.#pages) this.keeper.addPage(page, this.#take(at));
  }
}
