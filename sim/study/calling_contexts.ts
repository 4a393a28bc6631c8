/** The tree of calling contexts with what happened in each: in typed arrays, since there are millions in large runs. */
import { siteNames } from "../cpu/site_kinds.ts";
import { PairIndex } from "../pair_index.ts";

const KINDS = siteNames.length;
const NONE = -1;

/** A function of a context, with what happened there. */
export interface Visited<Frame> {
  /** Functions from the outermost in: the first of each context, and the function itself. */
  readonly frames: readonly Frame[];
  readonly counts: Float64Array;
}

export class CallingContexts {
  /** By the context of the call and the address that it leads to; a context's number is one more than the pair's. */
  readonly #contexts = new PairIndex();
  /** By context: the function that counted there first. */
  readonly #functions: number[] = [];
  /** By context and function. */
  readonly #places = new PairIndex();
  #counts = new Float64Array(64 * KINDS);

  /** The context that a call in `context` to an address leads to; the outermost is 0. */
  callee(context: number, to: number): number {
    return this.#contexts.numberOf(context, to) + 1;
  }
  /** A function counts in a context. */
  enter(context: number, function_: number): void {
    while (this.#functions.length <= context) this.#functions.push(NONE);
    if (this.#functions[context] === NONE) this.#functions[context] = function_;
  }
  add(context: number, function_: number, events: Float64Array): void {
    const at = this.#places.numberOf(context, function_) * KINDS;
    if (at === this.#counts.length) {
      const counts = this.#counts;
      (this.#counts = new Float64Array(2 * at)).set(counts);
    }
    for (let kind = 0; kind < KINDS; kind++) this.#counts[at + kind] += events[kind];
  }

  /** Every function of every context, callees after their callers, in the order in which they came. */
  *visit<Frame>(frameOf: (function_: number) => Frame): Generator<Visited<Frame>> {
    const contexts = this.#contexts.length + 1;
    const callees = new Lists(contexts, contexts);
    for (let i = contexts - 2; i >= 0; i--) callees.prepend(this.#contexts.first(i), i + 1);
    const places = new Lists(contexts, this.#places.length);
    for (let i = this.#places.length - 1; i >= 0; i--) places.prepend(this.#places.first(i), i);
    // Contexts to visit, each with the frames above it.
    const waiting: [number, readonly Frame[]][] = [[0, []]];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [context, above] = next;
      const first = this.#functions[context] ?? NONE;
      const frames = first === NONE ? above : [...above, frameOf(first)];
      for (const place of places.of(context)) {
        const function_ = this.#places.second(place);
        const counts = this.#counts.subarray(place * KINDS, (place + 1) * KINDS);
        yield { frames: function_ === first ? frames : [...frames, frameOf(function_)], counts };
      }
      for (const callee of callees.of(context).reverse()) waiting.push([callee, frames]);
    }
  }
}

/** Lists of numbers of items, each of which is in one list. */
class Lists {
  readonly #first: Int32Array;
  readonly #next: Int32Array;

  constructor(lists: number, items: number) {
    this.#first = new Int32Array(lists).fill(NONE);
    this.#next = new Int32Array(items);
  }
  prepend(list: number, item: number): void {
    this.#next[item] = this.#first[list];
    this.#first[list] = item;
  }
  of(list: number): number[] {
    const items = [];
    for (let item = this.#first[list]; item !== NONE; item = this.#next[item]) items.push(item);
    return items;
  }
}
