/**
 * Where blocks lie, as a core reads it: the host puts a block's description in the models' memory at its first
 * event, and an index has descriptions' addresses by the block's number.
 */
import { add, load, shl, type Value } from "./function_writer.ts";
import type { Callable, ModelModule } from "./model_module.ts";

/** A block's description: offsets, in bytes. */
export const BLOCK = {
  pc: 0,
  /** Static target, or -1. */
  target: 8,
  /** Line and address of its first byte as the caches have them, and address of its second page. */
  line: 16,
  address: 24,
  second: 32,
  count: 40,
  /** Whether its only instruction lies on two pages. */
  straddles: 44,
  /** What `WasmSites` has of it. */
  symbol: 48,
  records: 52,
  whole: 56,
  /** Instructions (`INSTRUCTION`), and one more for the end. */
  instructions: 64,
} as const;
/** An instruction in it: offsets, and bytes. */
export const INSTRUCTION = {
  /** Of its first byte from the block's, u16. */
  offset: 0,
  /** Its line, less the block's, u8. */
  line: 2,
  /**
   * Number of the first instruction from it on that does not lie in its first byte's line alone; its own, if
   * it lies on two; u8.
   */
  run: 3,
  bytes: 4,
} as const;

/** Blocks there can be: each has some hundred bytes in state memory. */
const MOST_BLOCKS = 12 << 20;

export class BlockIndex {
  /** Addresses of descriptions by number, i32. */
  readonly address: number;
  /** `find(number)`: address of the description. */
  readonly find: Callable;

  /** @param describe of the host: describes the block with a number, and says where */
  constructor(m: ModelModule, describe: Callable) {
    this.address = m.allocate(4 * MOST_BLOCKS);
    this.find = m.function(["i32"], ["i32"], (f, number) => {
      const found = f.keep(load("i32", shl(number, 2), this.address));
      f.if(found, () => f.return(found));
      f.return(describe(number));
    });
  }
}

/** What `BLOCK.instructions` is to be added to for instruction `index`. */
export function instructionOf(block: Value, index: Value): Value {
  return add(block, shl(index, 2));
}
/** Offset in the block of the instruction `more` after `index`. */
export function offsetOf(block: Value, index: Value, more = 0): Value {
  const { bytes, offset } = INSTRUCTION;
  return load("u16", instructionOf(block, index), BLOCK.instructions + bytes * more + offset);
}
