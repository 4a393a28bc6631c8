/** The tail of a quantum: the first instructions of a block, run alone from a copy of their records. */
import type { Block, Blocks } from "./blocks.ts";
import type { StateMemory } from "./state_memory.ts";
import * as R from "./wasm/records.ts";
import { RESYNC_SLOT, STOP_SLOT } from "./wasm/runtime.ts";

/** Records copied here run the tail of a quantum. */
const SCRATCH = 0x2000;

export class Tail {
  /** The block whose tail runs, if any. */
  block: Block | null = null;
  readonly #memory: StateMemory;
  readonly #blocks: Blocks;

  constructor(memory: StateMemory, blocks: Blocks) {
    this.#memory = memory;
    this.#blocks = blocks;
  }

  /** Copy the first `count` instructions of `block`, fewer than it has; returns the record to enter at. */
  prepare(block: Block, count: number): number {
    const { u8, u32, view } = this.#memory;
    const bytes = (count + 1) * R.RECORD_SIZE;
    u8.copyWithin(SCRATCH, block.head, block.head + bytes);
    u32[SCRATCH >> 2] = u32[(SCRATCH + R.RECORD_SIZE) >> 2];
    view.setUint16(SCRATCH + R.COUNT, count, true);
    const stop = SCRATCH + bytes;
    u32[stop >> 2] = STOP_SLOT;
    this.#memory.put(stop + R.IMM0, block.pc + this.#blocks.offsetOf(block, count));
    this.block = block;
    // The copy's head is never executed.
    return SCRATCH + R.RECORD_SIZE;
  }

  /** Translated code changed: if the running block did, its next instruction is looked up anew. */
  changed(): void {
    if (this.block === null || this.block.alive) return;
    const { u32, view } = this.#memory;
    const count = view.getUint16(SCRATCH + R.COUNT, true);
    for (let i = 1; i <= count; i++) u32[(SCRATCH + i * R.RECORD_SIZE) >> 2] = RESYNC_SLOT;
  }
}
