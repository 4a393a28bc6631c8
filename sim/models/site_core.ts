/** Tells a keeper where events of inlined models happen: the host's side of `wasm/site_core.ts`. */
import type { CodeBlock } from "../cpu/event_buffer.ts";
import { Flow } from "../cpu/ir/decoded.ts";
import type { SiteContext, SiteReader } from "../cpu/site_buffer.ts";
import { GrowingMemory } from "./growing_memory.ts";
import { type SiteKeeper, SiteMemory } from "./site_memory.ts";
import { SITE_BLOCK, type WasmSiteCore, wasmSiteCore } from "./wasm/site_core.ts";

/** What the module exports. */
interface Functions {
  begin(budget: number): void;
  spend(symbol: number, budget: number): void;
  read(from: number, to: number): void;
  forgetSlot(): void;
}

export class SiteCore implements SiteReader {
  readonly #core: WasmSiteCore = wasmSiteCore();
  readonly #memory: GrowingMemory;
  readonly #sites: SiteMemory;
  #functions!: Functions;
  #context!: SiteContext;
  /** Blocks with a number below may have been entered. */
  #known = 0;

  constructor(readonly keeper: SiteKeeper) {
    this.#memory = new GrowingMemory(this.#core.module, this.#core.end);
    this.#sites = new SiteMemory(
      keeper,
      this.#core.sites,
      this.#memory,
      (number) => this.#context.block(number),
    );
  }

  attach(context: SiteContext): void {
    this.#context = context;
    this.#functions = this.#memory.instantiate(this.#core.module, context.memory, {
      describe: (number: number) => this.#describe(number),
      ...this.#sites.imports,
    }) as unknown as Functions;
    this.#sites.forgetSlot = this.#functions.forgetSlot;
    this.keeper.attach(context, () => {
      this.#collectBlocks();
      this.#sites.collectRest();
    });
  }

  functionOf(block: CodeBlock): number {
    this.#known = Math.max(this.#known, block.number + 1);
    return this.keeper.symbolOf(block);
  }

  /** Describe a block to the module; returns where. */
  #describe(number: number): number {
    const block = this.#context.block(number);
    const at = this.#memory.allocate(SITE_BLOCK.size);
    const { view } = this.#memory;
    const target = block.flow === Flow.Call ? block.target : -1;
    view.setBigInt64(at + SITE_BLOCK.next, BigInt(block.pc + block.bytes), true);
    view.setBigInt64(at + SITE_BLOCK.target, BigInt(target), true);
    view.setInt32(at + SITE_BLOCK.count, block.count, true);
    view.setInt32(at + SITE_BLOCK.symbol, this.keeper.symbolOf(block), true);
    view.setInt32(this.#core.index + 4 * number, at, true);
    return at;
  }
  #collectBlocks(): void {
    for (let number = 0; number < this.#known; number++) {
      const { view } = this.#memory;
      const at = view.getInt32(this.#core.index + 4 * number, true);
      const records = at === 0 ? 0 : view.getInt32(at + SITE_BLOCK.records, true);
      const whole = this.#context.takeWhole(number);
      this.#sites.collectBlock(this.#context.block(number), whole, records);
    }
  }
  forgetBlocks(): void {
    this.#collectBlocks();
    new Int32Array(this.#memory.view.buffer, this.#core.index, this.#known).fill(0);
    this.#known = 0;
  }

  begin(budget: number): void {
    this.#functions.begin(budget);
  }
  spend(function_: number, budget: number): void {
    this.#functions.spend(function_, budget);
  }
  read(from: number, to: number): void {
    this.#functions.read(from, to);
  }
  cut(block: CodeBlock, count: number): void {
    this.keeper.cut(block, count);
  }
  enterSpace(space: number): void {
    this.#sites.enterSpace(space);
  }
  enterThread(thread: number): void {
    this.#sites.enterThread(thread);
  }
}
