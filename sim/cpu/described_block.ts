/** Blocks as models see them. */
import type { Block, Blocks } from "./blocks.ts";
import type { CodeBlock } from "./event_buffer.ts";
import type { Flow } from "./ir/decoded.ts";

export class DescribedBlock implements CodeBlock {
  readonly number: number;
  readonly pc: number;
  readonly count: number;
  readonly bytes: number;
  readonly flow: Flow;
  readonly target: number;
  readonly physical: number;
  readonly physical2: number;
  readonly #block: Block;
  readonly #blocks: Blocks;
  #offsets: Uint16Array | undefined;

  constructor(block: Block, blocks: Blocks) {
    this.number = block.number;
    this.pc = block.pc;
    this.count = block.count;
    this.bytes = block.bytes;
    this.flow = block.flow;
    this.target = block.target;
    this.physical = block.frame * 4096 + block.pc % 4096;
    this.physical2 = block.frame2 < 0 ? -1 : block.frame2 * 4096;
    this.#block = block;
    this.#blocks = blocks;
  }

  /** Of most blocks they are never asked for. They come from the block's records, while there are any. */
  get offsets(): Uint16Array {
    if (this.#offsets === undefined) {
      this.#offsets = new Uint16Array(this.count + 1);
      for (let i = 0; i < this.count; i++) {
        this.#offsets[i] = this.#blocks.offsetOf(this.#block, i);
      }
      this.#offsets[this.count] = this.bytes;
    }
    return this.#offsets;
  }
}
