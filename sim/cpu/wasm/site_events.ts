/**
 * Where events of inlined models happen: what generated code counts of it, in the nodes of a calling context tree
 * (`site_nodes.ts`) and in blocks' site records.
 *
 * Every block counts how often it was entered. Instructions are charged to the node that counts where another one
 * follows: at calls, at returns, where a function is entered without a call. Ordinals tell how many they are.
 * Misses and mispredictions count in the node, at their instruction and on their page of data. The timeline's stretches
 * end where a block begins outside regions, which none enters beyond; what happened in one the models' counters tell.
 *
 * Regions do the common case of calls, returns and mispredictions themselves (`site_calls.ts`). All else is here: functions
 * of the runtime module, and what they ask the host for.
 */
import * as L from "../layout.ts";
import { Site, SKIPPED } from "../site_kinds.ts";
import { Code, typeCode, W } from "./code.ts";
import * as R from "./records.ts";
import { type Define, edge, type EdgeFunctions, edgeFunctions } from "./site_edges.ts";
import {
  COUNTS,
  EDGE,
  FRAME_NODE,
  FRAME_SIZE,
  NO_FUNCTION,
  NODE_CALLED,
  NODE_COUNT,
  NODE_EVENTS,
  NODE_FUNCTION,
  PAGES,
  PAGES_BITS,
} from "./site_nodes.ts";

/** What the host does for them: it allocates. */
export interface SiteHost {
  /** The node that a call at the end of `SITE_BLOCK` leads to; an indirect one goes to `BRANCH_TARGET`. */
  readonly site_callee: () => number;
  /** The node of a function in the context of the node that counts. */
  readonly site_function: (number: number) => number;
  /** Counts of the instructions of `SITE_BLOCK`. */
  readonly site_instructions: () => number;
  /** Counts of the page of `SITE_ADDRESS`. */
  readonly site_page: () => number;
  /** There is no room for another frame: make it. */
  readonly site_grow: () => void;
  /** A block begins behind the stretch. */
  readonly site_stretch: () => void;
}

/** Functions of the runtime module. */
export interface SiteFunctions {
  /** `(function, ordinal)`: a block of another function than the node's is entered. */
  readonly enter: number;
  /** `(record, next, ordinal)`: the block with a site record calls, and the call returns to an address. */
  readonly call: number;
  /** `(to, ordinal)`: a return to an address. */
  readonly return: number;
  /** `()`: a block begins behind the stretch. */
  readonly stretch: number;
  /** `()`: the branch at the end of `SITE_BLOCK` was mispredicted. */
  readonly mispredicted: number;
  /** `(address, side, index, walked)`: a TLB miss of the fetch of `SITE_BLOCK`, or of an instruction. */
  readonly missed: number;
}

const ADDRESS = 0xffff_ffff_ffffn;

type Edges = EdgeFunctions & { readonly charge: number };

/** Define them. `host` has the indices of the host's functions. */
export function siteFunctions(
  define: Define,
  host: Readonly<Record<keyof SiteHost, number>>,
): SiteFunctions {
  const charge = define("site_charge", ["i64"], chargeCode(), ["i64", "i32"]);
  const edges = { charge, ...edgeFunctions(define) };
  const missed = define("site_missed_at", ["i64", "i32", "i32", "i32"], missedCode(host), [
    ...["i64", "i32", "i32", "i32"] as const,
  ]);
  const told = new Code().stateLoad(W.i64_load, L.SITE_ADDRESS).get(0).get(1).get(2).call(missed);
  define("site_missed", ["i32", "i32", "i32"], told);

  return {
    enter: define("site_enter", ["i32", "i64"], enterCode(edges, host), [
      ...["i32", "i32", "i32"] as const,
    ]),
    call: define("site_call", ["i32", "i64", "i64"], callCode(edges, host), [
      ...["i32", "i32", "i32", "i32", "i32"] as const,
    ]),
    return: define("site_return", ["i64", "i64"], returnCode(charge), ["i32", "i32"]),
    stretch: host.site_stretch,
    mispredicted: define("mispredicted", [], mispredictedCode()),
    missed,
  };
}

/** `charge(ordinal)`: what retired before it is the node's. */
function chargeCode(): Code {
  const [ORDINAL, SPENT, NODE] = [0, 1, 2];
  const c = new Code();
  c.get(ORDINAL).stateLoad(W.i64_load, L.SITE_CHARGED).op(W.i64_sub).tee(SPENT).i64(0n)
    .op(W.i64_gt_s, W.if, typeCode.void);
  c.stateLoad(W.i32_load, L.SITE_NODE).tee(NODE).get(NODE).mem(W.i64_load, NODE_COUNT).get(SPENT)
    .op(W.i64_add).mem(W.i64_store, NODE_COUNT);
  c.i32(0).get(ORDINAL).mem(W.i64_store, L.SITE_CHARGED);
  return c.op(W.end);
}
/** Push the ordinal of what comes next, by the budget. */
export function ordinal(c: Code): Code {
  return c.stateLoad(W.i64_load, L.ORDINAL_BASE).stateLoad(W.i64_load, L.BUDGET)
    .i64(6n).op(W.i64_shl, W.i64_sub);
}

function enterCode(edges: Edges, host: { site_function: number }): Code {
  const [FUNCTION, ORDINAL, NODE, KEY, TO] = [0, 1, 2, 3, 4];
  const c = new Code().get(ORDINAL).call(edges.charge);
  // A context's first function takes the node that the call led to.
  c.stateLoad(W.i32_load, L.SITE_NODE).tee(NODE).mem(W.i32_load, NODE_FUNCTION).i32(NO_FUNCTION)
    .op(W.i32_eq, W.if, typeCode.void).get(NODE).get(FUNCTION).mem(W.i32_store, NODE_FUNCTION)
    .op(W.return, W.end);
  c.get(FUNCTION).i32(1).op(W.i32_shl).i32(3).op(W.i32_add).set(KEY);
  edge(c, NODE, KEY).tee(TO).mem(W.i32_load, EDGE.base).get(KEY).op(W.i32_eq)
    .op(W.if, typeCode.i32).get(TO).mem(W.i32_load, EDGE.base + 4)
    .op(W.else).get(NODE).get(KEY).call(edges.more).op(W.end).tee(TO)
    .op(W.i32_eqz, W.if, typeCode.void).get(FUNCTION).call(host.site_function).set(TO)
    .get(NODE).get(KEY).get(TO).call(edges.keep).op(W.i32_eqz, W.if, typeCode.void)
    .get(NODE).get(KEY).get(TO).call(edges.keepMore).op(W.end, W.end);
  return c.i32(0).get(TO).mem(W.i32_store, L.SITE_NODE);
}

function callCode(
  { charge, more, keep, keepMore }: Edges,
  host: Readonly<Record<"site_callee" | "site_grow", number>>,
): Code {
  const [BLOCK, NEXT, ORDINAL, NODE, KEY, TOP, TO, NEAR] = [0, 1, 2, 3, 4, 5, 6, 7];
  const c = new Code().get(ORDINAL).call(charge);
  c.stateLoad(W.i32_load, L.SITE_TOP).stateLoad(W.i32_load, L.SITE_LIMIT).op(W.i32_ge_u)
    .seldom().op(W.if, typeCode.void).call(host.site_grow).op(W.end);
  c.i32(0).stateLoad(W.i32_load, L.SITE_TOP).i32(FRAME_SIZE).op(W.i32_add).tee(TOP)
    .mem(W.i32_store, L.SITE_TOP);
  c.get(TOP).get(NEXT).mem(W.i64_store, 0);
  c.get(TOP).stateLoad(W.i32_load, L.SITE_NODE).tee(NODE).mem(W.i32_store, FRAME_NODE);
  // An indirect call may lead elsewhere.
  const known = (): void => {
    c.get(TO).op(W.i32_eqz, W.i32_eqz).get(BLOCK).mem(W.i32_load, R.SITE_INDIRECT)
      .op(W.i32_eqz).get(TO).mem(W.i64_load, NODE_CALLED).stateLoad(W.i64_load, L.BRANCH_TARGET)
      .i64(ADDRESS).op(W.i64_and, W.i64_eq, W.i32_or, W.i32_and).op(W.if, typeCode.void)
      .i32(0).get(TO).mem(W.i32_store, L.SITE_NODE).op(W.return, W.end);
  };
  c.get(BLOCK).mem(W.i32_load, R.SITE_CALLER).get(NODE).op(W.i32_eq, W.if, typeCode.void)
    .get(BLOCK).mem(W.i32_load, R.SITE_CALLEE).set(TO);
  known();
  c.op(W.end);
  c.get(BLOCK).mem(W.i32_load, R.SITE_NUMBER).i32(1).op(W.i32_shl).i32(2).op(W.i32_add).set(KEY);
  edge(c, NODE, KEY).tee(TO).mem(W.i32_load, EDGE.base).get(KEY).op(W.i32_eq)
    .op(W.if, typeCode.void).get(TO).mem(W.i32_load, EDGE.base + 4).set(TO);
  known();
  c.op(W.end);
  // What a node has no room for is kept beside the call, and beside all: what an indirect one leads to by its address.
  const FAR = KEY;
  const keepBeside = (): void => {
    c.get(BLOCK).get(NODE).mem(W.i32_store, R.SITE_CALLER)
      .get(BLOCK).get(TO).mem(W.i32_store, R.SITE_CALLEE);
  };
  c.get(KEY).set(NEAR).get(BLOCK).mem(W.i32_load, R.SITE_INDIRECT).op(W.if, typeCode.void)
    .stateLoad(W.i32_load, L.BRANCH_TARGET).i32(0x9e3779b1 | 0).op(W.i32_mul)
    .i32(1 << 31).op(W.i32_or).set(FAR).op(W.end);
  c.get(NODE).get(FAR).call(more).tee(TO).op(W.if, typeCode.void);
  keepBeside();
  known();
  c.op(W.end);
  c.i32(0).get(BLOCK).mem(W.i32_store, L.SITE_BLOCK).call(host.site_callee).set(TO);
  c.get(NODE).get(NEAR).get(TO).call(keep).op(W.i32_eqz, W.if, typeCode.void);
  keepBeside();
  c.get(NODE).get(FAR).get(TO).call(keepMore).op(W.end);
  return c.i32(0).get(TO).mem(W.i32_store, L.SITE_NODE);
}

function returnCode(charge: number): Code {
  const [TO, ORDINAL, AT, LEFT] = [0, 1, 2, 3];
  const c = new Code().get(ORDINAL).call(charge);
  c.get(TO).i64(ADDRESS).op(W.i64_and).set(TO);
  c.stateLoad(W.i32_load, L.SITE_TOP).set(AT).i32(SKIPPED).set(LEFT);
  c.op(W.loop, typeCode.void);
  c.get(AT).stateLoad(W.i32_load, L.SITE_BASE).op(W.i32_eq, W.if, typeCode.void)
    .op(W.return, W.end);
  c.get(AT).mem(W.i64_load, 0).get(TO).op(W.i64_eq, W.if, typeCode.void)
    .i32(0).get(AT).mem(W.i32_load, FRAME_NODE).mem(W.i32_store, L.SITE_NODE)
    .i32(0).get(AT).i32(FRAME_SIZE).op(W.i32_sub).mem(W.i32_store, L.SITE_TOP)
    .op(W.return, W.end);
  c.get(AT).i32(FRAME_SIZE).op(W.i32_sub).set(AT)
    .get(LEFT).i32(1).op(W.i32_sub).tee(LEFT).brIf(0).op(W.end);
  return c;
}

/** Add one to the i64 at `offset` from what `address` pushes. */
function count(c: Code, address: () => void, offset: number): void {
  address();
  address();
  c.mem(W.i64_load, offset).i64(1n).op(W.i64_add).mem(W.i64_store, offset);
}

function mispredictedCode(): Code {
  const c = new Code();
  countMispredicted(c, () => c.stateLoad(W.i32_load, L.SITE_BLOCK));
  return c;
}
/** Count a misprediction at the end of the block whose site record `block` pushes the address of. */
export function countMispredicted(c: Code, block: () => void, offset = 0): void {
  count(c, () => c.stateLoad(W.i32_load, L.SITE_NODE), NODE_EVENTS + 8 * Site.Mispredicted);
  count(c, block, offset + R.SITE_WRONG);
}

function missedCode(
  host: Readonly<Record<"site_instructions" | "site_page", number>>,
): Code {
  const [PLACE, SIDE, INDEX, WALKED] = [0, 1, 2, 3];
  const [KEY, NODE, AT, PAGE] = [4, 5, 6, 7];
  const c = new Code();
  const events = (kind: Site, walked: Site, records: readonly number[]): void => {
    for (const one of [kind, walked]) {
      if (one === walked) c.get(WALKED).op(W.if, typeCode.void);
      count(c, () => c.get(NODE), NODE_EVENTS + 8 * one);
      for (const record of records) count(c, () => c.get(record), 8 * one);
    }
    c.op(W.end);
  };
  c.stateLoad(W.i32_load, L.SITE_NODE).set(NODE);
  c.stateLoad(W.i32_load, L.SITE_BLOCK).mem(W.i32_load, R.SITE_EVENTS).tee(AT)
    .op(W.i32_eqz).seldom().op(W.if, typeCode.void).call(host.site_instructions).set(AT)
    .op(W.end);
  c.get(SIDE).op(W.i32_eqz, W.if, typeCode.void);
  events(Site.ItlbMisses, Site.StlbMisses, [AT]);
  c.op(W.else).get(AT).get(INDEX).i32(COUNTS).op(W.i32_mul, W.i32_add).set(AT);
  c.get(PLACE).i64(ADDRESS).op(W.i64_and).i64(12n).op(W.i64_shr_u)
    .stateLoad(W.i64_load, L.SITE_SPACE).op(W.i64_or).i64(1n).op(W.i64_add).tee(KEY)
    .op(W.i32_wrap_i64).i32(2 ** PAGES_BITS - 1).op(W.i32_and).i32(4).op(W.i32_shl).tee(PAGE)
    .mem(W.i64_load, PAGES).get(KEY).op(W.i64_ne).seldom().op(W.if, typeCode.void);
  c.i32(0).get(PLACE).mem(W.i64_store, L.SITE_ADDRESS);
  c.get(PAGE).call(host.site_page).mem(W.i32_store, PAGES + 8);
  c.get(PAGE).get(KEY).mem(W.i64_store, PAGES).op(W.end);
  c.get(PAGE).mem(W.i32_load, PAGES + 8).set(PAGE);
  events(Site.DtlbMisses, Site.StlbMisses, [AT, PAGE]);
  return c.op(W.end);
}

/** In a block's head, whose record is parameter 0: the block is entered. `at` is an i32 local. */
export function enterSite(c: Code, at: number, { enter, stretch }: SiteFunctions): void {
  c.get(0).get(0).mem(W.i32_load16_u, R.COUNT).i32(5).op(W.i32_shl, W.i32_add)
    .i32(2 * R.RECORD_SIZE).op(W.i32_add).set(at);
  c.i32(0).get(at).mem(W.i32_store, L.SITE_BLOCK);
  ordinal(c).stateLoad(W.i64_load, L.SITE_STRETCH_END).op(W.i64_ge_s).seldom()
    .op(W.if, typeCode.void).call(stretch).op(W.end);
  count(c, () => c.get(at), R.SITE_WHOLE);
  c.get(at).mem(W.i32_load, R.SITE_FUNCTION).stateLoad(W.i32_load, L.SITE_NODE)
    .mem(W.i32_load, NODE_FUNCTION).op(W.i32_ne, W.if, typeCode.void)
    .get(at).mem(W.i32_load, R.SITE_FUNCTION);
  ordinal(c).call(enter).op(W.end);
}

/** A level-1 TLB miss that `refill` served; the others are its locals. */
export function countMiss(
  c: Code,
  { address, ordinal, side, walked }: Readonly<
    Record<"address" | "ordinal" | "side" | "walked", number>
  >,
  { missed }: SiteFunctions,
): void {
  c.get(address).get(side).get(ordinal).stateLoad(W.i64_load, L.NOW).op(W.i64_sub).i64(6n)
    .op(W.i64_shr_u, W.i32_wrap_i64).get(walked).call(missed);
}
