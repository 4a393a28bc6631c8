/**
 * PSTATE.BTYPE of aarch64 (FEAT_BTI; DDI 0487, D8.4.4): which branch led to an instruction, 0 if none did. Generated
 * code keeps it in no register. An indirect branch goes through the dispatch hash of its type, which knows the blocks
 * alone that branches of the type may go to, and notes the budget in `layout.BRANCHED`; as long as no other block
 * was charged, it was the last instruction.
 */
import type { Block } from "./blocks.ts";
import * as L from "./layout.ts";
import type { StateMemory } from "./state_memory.ts";

/** How many types there are, 0 included. */
export const BRANCH_TYPES = 4;
/** What accepts branches of every type. */
export const ALL_TYPES = (1 << BRANCH_TYPES) - 1;

/** Whether branches of `type` may go to `block`. */
export function accepts(block: Block, type: number): boolean {
  return (block.accepted >>> type & 1) !== 0;
}

export class BranchTypes {
  readonly #memory: StateMemory;
  readonly #known: boolean;

  /** @param known whether the processor has FEAT_BTI */
  constructor(memory: StateMemory, known: boolean) {
    this.#memory = memory;
    this.#known = known;
  }

  /** A run of `budget` instructions begins with the thread's own type. */
  begin(budget: number): void {
    if (!this.#known) return;
    this.forget();
    const type = this.#memory.u32[L.BTYPE >> 2];
    if (type !== 0) this.#memory.put(L.BRANCHED + 8 * type, budget);
  }

  /** Type of the branch that led to the pc. */
  get current(): number {
    if (!this.#known) return 0;
    const budget = this.#memory.signed(L.BUDGET);
    for (let i = 1; i < BRANCH_TYPES; i++) {
      if (this.#memory.signed(L.BRANCHED + 8 * i) === budget) return i;
    }
    return 0;
  }

  /** The branch led to the host, which does more than an instruction. */
  forget(): void {
    if (!this.#known) return;
    for (let i = 1; i < BRANCH_TYPES; i++) this.#memory.put(L.BRANCHED + 8 * i, -1);
  }

  /** The run ended: the thread has the type that is current. */
  end(): void {
    if (this.#known) this.#memory.u32[L.BTYPE >> 2] = this.current;
  }
}
