/**
 * Nodes of the calling context tree (`wasm/site_nodes.ts`). The first one of a context is what calls lead to, and becomes
 * that of the first function that counts there; others are of functions that were entered without a call.
 */
import type { SiteKeeper } from "../models/site_memory.ts";
import { takeCounts } from "./site_counts.ts";
import type { SiteHeap } from "./site_heap.ts";
import { DEEPEST, Site } from "./site_kinds.ts";
import type { StateMemory } from "./state_memory.ts";
import {
  NO_FUNCTION,
  NODE_CALLED,
  NODE_CONTEXT,
  NODE_COUNT,
  NODE_EVENTS,
  NODE_FUNCTION,
  NODE_SIZE,
} from "./wasm/site_nodes.ts";

/** More than there are functions. */
const FUNCTIONS = 2 ** 24;
const [FUNCTION, CONTEXT] = [NODE_FUNCTION >> 2, NODE_CONTEXT >> 2];

/** A function in a context; `NO_FUNCTION` where none has counted. */
export interface Place {
  readonly context: number;
  readonly function_: number;
}

export class ContextNodes {
  readonly #state: StateMemory;
  readonly #heap: SiteHeap;
  readonly #keeper: SiteKeeper;
  /** In the order in which they were made. */
  readonly #all: number[] = [];
  /** By context; by context and function. */
  readonly #first: number[] = [];
  readonly #others = new Map<number, number>();
  /** Calls that lead to each context. */
  readonly #depths: number[] = [0];

  constructor(state: StateMemory, heap: SiteHeap, keeper: SiteKeeper) {
    this.#state = state;
    this.#heap = heap;
    this.#keeper = keeper;
  }

  #make(context: number, function_: number): number {
    const at = this.#heap.allocate(NODE_SIZE);
    this.#state.i32[(at >> 2) + FUNCTION] = function_;
    this.#state.u32[(at >> 2) + CONTEXT] = context;
    this.#all.push(at);
    return at;
  }
  #firstOf(context: number): number {
    return this.#first[context] ??= this.#make(context, NO_FUNCTION);
  }

  /** What a node is of. */
  placeOf(node: number): Place {
    const { i32, u32 } = this.#state;
    return { context: u32[(node >> 2) + CONTEXT], function_: i32[(node >> 2) + FUNCTION] };
  }
  /** The node of a place. */
  at({ context, function_ }: Place): number {
    const first = this.#firstOf(context);
    const { i32 } = this.#state;
    const known = i32[(first >> 2) + FUNCTION];
    if (known === function_ || function_ === NO_FUNCTION) return first;
    if (known === NO_FUNCTION) {
      i32[(first >> 2) + FUNCTION] = function_;
      return first;
    }
    const key = context * FUNCTIONS + function_;
    let node = this.#others.get(key);
    if (node === undefined) this.#others.set(key, node = this.#make(context, function_));
    return node;
  }

  /** The node that a call to an address leads to from `node`. */
  callee(node: number, to: number): number {
    const { context } = this.placeOf(node);
    const depth = this.#depths[context];
    if (depth >= DEEPEST) return this.#firstOf(context);
    const callee = this.#keeper.callee(context, to);
    this.#depths[callee] = depth + 1;
    const first = this.#firstOf(callee);
    this.#state.put(first + NODE_CALLED, to);
    return first;
  }

  /** `node` may be of a function that was entered and did not count: another one may come first, while it is the last. */
  settle(node: number): void {
    if (this.#all.at(-1) !== node || this.#counted(node)) return;
    if (this.#first[this.placeOf(node).context] !== node) return;
    this.#state.i32[(node >> 2) + FUNCTION] = NO_FUNCTION;
  }
  #counted(node: number): boolean {
    const { u32 } = this.#state;
    const count = (node + NODE_COUNT) >> 2;
    if (u32[count] !== 0 || u32[count + 1] !== 0) return true;
    // The address that was called lies among the others.
    for (let at = (node + NODE_EVENTS + 8) >> 2; at < (node + NODE_SIZE) >> 2; at++) {
      if (u32[at] !== 0) return true;
    }
    return false;
  }

  /** Hand the keeper what was counted. */
  collect(): void {
    for (const node of this.#all) {
      if (!this.#counted(node)) continue;
      const called = this.#state.unsigned(node + NODE_CALLED);
      const counts = takeCounts(this.#state, node + NODE_EVENTS);
      this.#state.put(node + NODE_CALLED, called);
      counts[Site.Instructions] = this.#state.signed(node + NODE_COUNT);
      this.#state.put(node + NODE_COUNT, 0);
      const { context, function_ } = this.placeOf(node);
      this.#keeper.enter(context, function_);
      this.#keeper.addContext(context, function_, counts);
    }
  }
  /** The heap was cleared. */
  clear(): void {
    this.#all.length = this.#first.length = 0;
    this.#others.clear();
  }
}
