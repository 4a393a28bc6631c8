/**
 * What attribution counts in, in state memory: a calling context tree (Ammons, Ball, Larus, "Exploiting Hardware
 * Performance Counters with Flow and Context Sensitive Profiling", 1997) whose nodes are functions in calling contexts.
 *
 * A node begins with what every call touches: instructions, who it is, and some of the nodes that were gone to
 * from it, by the call or the function entered (`edgeOf`). Events by kind follow.
 *
 * A frame is a call that has not returned: the address that it returns to, u64, and the node that called, u32.
 */
import * as L from "../layout.ts";
import { siteNames } from "../site_kinds.ts";

export const NODE_SIZE = 128;
/**
 * Instructions, 64 each, as ordinals have it, i64; number of the function, i32, `NO_FUNCTION` until one is entered;
 * number of the context, u32.
 */
export const NODE_COUNT = 0;
export const NODE_FUNCTION = 8;
export const NODE_CONTEXT = 12;
/** Edges: key and node, u32 each. */
const NODE_EDGES = 16;
const EDGES = 6;
/** Address that was called, u64. */
export const NODE_CALLED = 64;
/** Counts of events by kind, i64; in the place of the first, which is of instructions, lies the address. */
export const NODE_EVENTS = 64;
/** No function was entered yet. */
export const NO_FUNCTION = -1;

export const FRAME_SIZE = 16;
export const FRAME_NODE = 8;

/** An edge's key, and its offset in a node. */
export interface Edge {
  readonly key: number;
  readonly at: number;
}
/** By the call at the end of a block, or into a function without a call: `number` is the block's or function's. */
export function edgeOf(number: number, call: boolean): Edge {
  return { key: 2 * number + (call ? 2 : 3), at: NODE_EDGES + 8 * (number % EDGES) };
}
/** The same in generated code. */
export const EDGE = { base: NODE_EDGES, count: EDGES } as const;

/** Bytes of a set of counts, an i64 for each kind of event. */
export const COUNTS: number = 8 * siteNames.length;

/**
 * How often regions entered blocks, an i64 each: apart from the blocks' records, so that those of a region share the lines of
 * the host's caches.
 *
 * None lies where the last twelve bits of its address are those of a register or cell that generated code uses all the
 * time: a load has to wait for an earlier store to what only seems to be its address ("4-KByte aliasing" in Intel's
 * Optimization Reference Manual).
 */
export const ENTERED: number = L.SITES + 0x800;
export const ENTERED_END: number = L.SITES + 2 ** 21 + 0x800;
/** Where the next one after that at `at` lies. */
export function enteredAfter(at: number): number {
  const next = at + 8;
  const cells = next % 4096 === 0xc00 ? 0x80 : next % 4096 === 0 ? 0x800 : 0;
  return next + cells;
}
/** Edges that nodes have no room for, by node and key: direct-mapped, of u32 node, key, and node that it leads to. */
export const MORE_EDGES: number = L.SITES + 2 ** 21 + 4096;
export const MORE_EDGES_BITS = 16;
/** Counts of pages of data, by page and space: direct-mapped; the key, u64, is one more. */
export const PAGES: number = MORE_EDGES + 16 * 2 ** MORE_EDGES_BITS;
export const PAGES_BITS = 18;
/** Where nodes, frames and counts are allocated. */
export const HEAP: number = PAGES + 16 * 2 ** PAGES_BITS;
