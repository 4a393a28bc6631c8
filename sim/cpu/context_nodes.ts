/**
 * Nodes of the calling context tree (`wasm/site_nodes.ts`). The first one of a context is what calls lead to, and becomes
 * that of the first function that counts there; others are of functions that were entered without a call.
 */
import type { SiteKeeper } from "../models/site_memory.ts";
import { PairIndex } from "../pair_index.ts";
import type { SiteHeap } from "./site_heap.ts";
import { DEEPEST, Site, siteNames } from "./site_kinds.ts";
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

const [COUNT, FUNCTION, CONTEXT] = [NODE_COUNT >> 2, NODE_FUNCTION >> 2, NODE_CONTEXT >> 2];

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
  readonly #others = new PairIndex();
  readonly #otherNodes: number[] = [];
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
    const other = this.#others.numberOf(context, function_);
    let node = this.#otherNodes[other];
    if (node === undefined) {
      // The first one was entered, and retired nothing: a signal came.
      if (!this.#counted(first)) this.#keeper.enter(context, function_);
      this.#otherNodes[other] = node = this.#make(context, function_);
    }
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

  /** Hand the keeper what was counted; it is 0 from now on. */
  collect(): void {
    const { i32, u32 } = this.#state;
    const keeper = this.#keeper;
    const counts = new Float64Array(siteNames.length);
    // There are tens of thousands, of which most counted nothing but instructions.
    for (const node of this.#all) {
      const at = node >> 2;
      counts[Site.Instructions] = (u32[at + COUNT] + i32[at + COUNT + 1] * 2 ** 32) / 64;
      u32[at + COUNT] = u32[at + COUNT + 1] = 0;
      let sum = counts[Site.Instructions];
      for (let kind = Site.Instructions + 1; kind < siteNames.length; kind++) {
        const event = at + (NODE_EVENTS >> 2) + 2 * kind;
        const count = u32[event] + i32[event + 1] * 2 ** 32;
        counts[kind] = count;
        if (count !== 0) u32[event] = u32[event + 1] = 0;
        sum += count;
      }
      if (sum === 0) continue;
      const [context, function_] = [u32[at + CONTEXT], i32[at + FUNCTION]];
      keeper.enter(context, function_);
      keeper.addContext(context, function_, counts);
    }
  }
  /** The heap was cleared. */
  clear(): void {
    this.#all.length = this.#first.length = this.#otherNodes.length = 0;
    this.#others.clear();
  }
}
