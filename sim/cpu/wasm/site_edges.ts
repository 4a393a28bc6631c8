/**
 * Edges of the calling context tree in the runtime module: some are in nodes, and what they have no room for in a
 * table (`site_nodes.ts`).
 */
import { Code, typeCode, W } from "./code.ts";
import { EDGE, MORE_EDGES, MORE_EDGES_BITS } from "./site_nodes.ts";

/** Defines a function of the runtime module. */
export type Define = (
  name: string,
  params: readonly ("i32" | "i64")[],
  code: Code,
  locals?: readonly ("i32" | "i64")[],
  results?: readonly ("i32" | "i64")[],
) => number;

/** Functions of the runtime module. */
export interface EdgeFunctions {
  /** `(node, key)`: the node that an edge leads to that the node has no room for, or 0. */
  readonly more: number;
  /** `(node, key, to)`: it leads there, if the node has room for it; the answer is whether it has. */
  readonly keep: number;
  /** `(node, key, to)`: it leads there, and the node has no room for it. */
  readonly keepMore: number;
}

/** Define them. */
export function edgeFunctions(define: Define): EdgeFunctions {
  return {
    more: define("site_more", ["i32", "i32"], moreCode(), ["i32"], ["i32"]),
    keep: define("site_keep", ["i32", "i32", "i32"], keepCode(), ["i32"], ["i32"]),
    keepMore: define("site_keep_more", ["i32", "i32", "i32"], keepMoreCode(), ["i32"]),
  };
}

/** Push the address, but for `EDGE.base`, of the edge with the key in local `key` of the node in local `node`. */
export function edge(c: Code, node: number, key: number): Code {
  // Its number is in the key, which is even for calls.
  return c.get(node).get(key).i32(1).op(W.i32_shr_u).i32(1).op(W.i32_sub).i32(EDGE.count)
    .op(W.i32_rem_u).i32(3).op(W.i32_shl, W.i32_add);
}
/** Push the offset in `MORE_EDGES` of an edge. */
function more(c: Code, node: number, key: number): Code {
  return c.get(node).i32(7).op(W.i32_shr_u).i32(0x9e3779b1 | 0).op(W.i32_mul)
    .get(key).i32(0x85ebca6b | 0).op(W.i32_mul, W.i32_xor)
    .i32(32 - MORE_EDGES_BITS).op(W.i32_shr_u).i32(4).op(W.i32_shl);
}

function moreCode(): Code {
  const [NODE, KEY, AT] = [0, 1, 2];
  const c = new Code();
  more(c, NODE, KEY).tee(AT).mem(W.i32_load, MORE_EDGES).get(NODE).op(W.i32_eq)
    .get(AT).mem(W.i32_load, MORE_EDGES + 4).get(KEY).op(W.i32_eq, W.i32_and)
    .op(W.if, typeCode.i32).get(AT).mem(W.i32_load, MORE_EDGES + 8)
    .op(W.else).i32(0).op(W.end);
  return c;
}

function keepCode(): Code {
  const [NODE, KEY, TO, AT] = [0, 1, 2, 3];
  const c = new Code();
  edge(c, NODE, KEY).tee(AT).mem(W.i32_load, EDGE.base).op(W.i32_eqz, W.if, typeCode.void);
  c.get(AT).get(KEY).mem(W.i32_store, EDGE.base).get(AT).get(TO).mem(W.i32_store, EDGE.base + 4);
  return c.i32(1).op(W.return, W.end).i32(0);
}

function keepMoreCode(): Code {
  const [NODE, KEY, TO, AT] = [0, 1, 2, 3];
  const c = new Code();
  more(c, NODE, KEY).tee(AT).get(NODE).mem(W.i32_store, MORE_EDGES)
    .get(AT).get(KEY).mem(W.i32_store, MORE_EDGES + 4)
    .get(AT).get(TO).mem(W.i32_store, MORE_EDGES + 8);
  return c;
}
