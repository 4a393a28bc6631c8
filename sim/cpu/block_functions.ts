/**
 * The lower half of the hot tier: blocks that ran some hundred times are compiled one by one, many in a
 * module. Each block is compiled once; what runs much more often gets into a region.
 */
import type { Block, Blocks } from "./blocks.ts";
import { HOT } from "./cold_report.ts";
import type { Handlers } from "./handlers.ts";
import { Decoded } from "./ir/decoded.ts";
import { BlockFunction } from "./wasm/block_function.ts";
import { ENTRY_TYPE } from "./wasm/module.ts";
import * as R from "./wasm/records.ts";
import type { RegionSource } from "./wasm/region_plan.ts";
import { HEAD_SLOT, WARM_SLOT } from "./wasm/runtime.ts";

/** Blocks that are compiled together. */
const BATCH = 64;

/** Let the head of `block` lead to its own function, or to the cold tier if it has none. */
export function warm(u32: Uint32Array, block: Block): void {
  u32[(block.head + R.HANDLER) >> 2] = block.slot === 0 ? HEAD_SLOT : WARM_SLOT;
  u32[(block.head + R.ENTRY) >> 2] = block.slot;
}

/** Compiles blocks that became warm. */
export class BlockFunctions {
  readonly #blocks: Blocks;
  readonly #handlers: Handlers;
  readonly #u32: Uint32Array;
  readonly #source: RegionSource;
  readonly #scratch = new Decoded();
  #queue: Block[] = [];
  readonly counts = { blocks: 0, instructions: 0 };

  /** `heat`: executions of a block's function before it goes into a region. */
  constructor(
    blocks: Blocks,
    handlers: Handlers,
    state: WebAssembly.Memory,
    source: RegionSource,
    readonly heat: number,
  ) {
    this.#blocks = blocks;
    this.#handlers = handlers;
    this.#u32 = new Uint32Array(state.buffer);
    this.#source = source;
  }

  get pending(): number {
    return this.#queue.length;
  }

  /** `block` became warm. It stays cold until the next `compile`. Returns whether the batch is full. */
  enqueue(block: Block): boolean {
    this.#blocks.reheat(block, HOT);
    this.#queue.push(block);
    return this.#queue.length >= BATCH;
  }

  /** Forget what is queued: the blocks are gone. */
  reset(): void {
    this.#queue.length = 0;
  }

  /** Compile what is queued, in one module, and install it. */
  compile(): void {
    const wanted = this.#queue.filter((b) => b.alive && b.slot === 0);
    this.#queue = [];
    if (wanted.length === 0) return;
    const builder = this.#handlers.builder();
    const linker = this.#handlers.linker(builder);
    const first = this.#handlers.takeSlots(wanted.length);
    const lowered = wanted.map((b) => new BlockFunction(this.#source, linker, b, this.#scratch));
    lowered.forEach((l, i) =>
      builder.element(first + i, builder.function(ENTRY_TYPE, l.locals, l.code))
    );
    this.#handlers.instantiate(builder.build());
    wanted.forEach((block, i) => this.#install(block, first + i));
  }

  #install(block: Block, slot: number): void {
    this.counts.blocks++;
    this.counts.instructions += block.count;
    const cold = this.#u32[(block.head + R.HANDLER) >> 2] === HEAD_SLOT;
    if (cold) this.#blocks.reheat(block, this.heat);
    block.slot = slot;
    if (cold) warm(this.#u32, block);
  }
}
