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
  /** By context and function, where that is another one. */
  readonly #others = new PairIndex();
  readonly #firstCounts = new Counts();
  readonly #otherCounts = new Counts();

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
    if (this.#functions[context] === function_) this.#firstCounts.add(context, events);
    else this.#otherCounts.add(this.#others.numberOf(context, function_), events);
  }

  /** Every function of every context, callees after their callers, in the order in which they came. */
  *visit<Frame>(frameOf: (function_: number) => Frame): Generator<Visited<Frame>> {
    const contexts = this.#contexts.length + 1;
    const callees = new Lists(contexts, contexts);
    for (let i = contexts - 2; i >= 0; i--) callees.prepend(this.#contexts.first(i), i + 1);
    const others = new Lists(contexts, this.#others.length);
    for (let i = this.#others.length - 1; i >= 0; i--) others.prepend(this.#others.first(i), i);
    // Contexts to visit, each with the frames above it.
    const waiting: [number, readonly Frame[]][] = [[0, []]];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [context, above] = next;
      const first = this.#functions[context] ?? NONE;
      const frames = first === NONE ? above : [...above, frameOf(first)];
      if (first !== NONE) yield { frames, counts: this.#firstCounts.of(context) };
      for (const other of others.of(context)) {
        const function_ = this.#others.second(other);
        yield { frames: [...frames, frameOf(function_)], counts: this.#otherCounts.of(other) };
      }
      for (const callee of callees.of(context).reverse()) waiting.push([callee, frames]);
    }
  }
}

/** Counts by number, of all kinds of events. */
class Counts {
  #counts = new Float64Array(64 * KINDS);

  add(number: number, events: Float64Array): void {
    const at = number * KINDS;
    if (at >= this.#counts.length) {
      const counts = this.#counts;
      (this.#counts = new Float64Array(Math.max(2 * counts.length, at + KINDS))).set(counts);
    }
    for (let kind = 0; kind < KINDS; kind++) this.#counts[at + kind] += events[kind];
  }
  of(number: number): Float64Array {
    return this.#counts.subarray(number * KINDS, (number + 1) * KINDS);
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
