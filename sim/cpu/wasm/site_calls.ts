/** Attribution in regions: what `site_events.ts` says, with what is known when a region is lowered. */
import * as L from "../layout.ts";
import { type Code, typeCode, W } from "./code.ts";
import * as R from "./records.ts";
import {
  edgeOf,
  FRAME_NODE,
  FRAME_SIZE,
  NODE_CALLED,
  NODE_CONTEXT,
  NODE_COUNT,
  NODE_FUNCTION,
} from "./site_nodes.ts";

/** What a region has for it. */
export interface SiteLocals {
  /** Locals: the ordinal at which the block under way ends, some i32 to use. */
  readonly now: number;
  readonly node: number;
  readonly at: number;
  readonly to: number;
}

/** `SITE_BLOCK` is right for what is called next. */
export function showSite(c: Code, record: number): void {
  c.i32(0).i32(record).mem(W.i32_store, L.SITE_BLOCK);
}
/** Push the ordinal at which the block under way, of so many instructions, began; 0: at which it ends. */
function ordinal(c: Code, now: number, count: number): Code {
  c.get(now);
  return count === 0 ? c : c.i64(BigInt(64 * count)).op(W.i64_sub);
}

/** The region is left for the record in local `record`: `SITE_BLOCK` is right then. `head` is an i32 local. */
export function showSiteOf(c: Code, record: number, head: number): void {
  c.get(record).get(record).mem(W.i32_load16_u, R.INDEX).i32(1).op(W.i32_add)
    .i32(5).op(W.i32_shl, W.i32_sub).set(head);
  c.i32(0).get(head).get(head).mem(W.i32_load16_u, R.COUNT).i32(5).op(W.i32_shl, W.i32_add)
    .i32(R.siteRecord(0, 0)).op(W.i32_add).mem(W.i32_store, L.SITE_BLOCK);
}

/** Charge the node in its local, up to where `ordinal` says. */
function charge(c: Code, { now, node }: SiteLocals, count: number): void {
  ordinal(c.get(node).get(node).mem(W.i64_load, NODE_COUNT), now, count).op(W.i64_add)
    .stateLoad(W.i64_load, L.SITE_CHARGED).op(W.i64_sub).mem(W.i64_store, NODE_COUNT);
  ordinal(c.i32(0), now, count).mem(W.i64_store, L.SITE_CHARGED);
}

/** Let the node in the edge at `offset` from the node count. */
function follow(c: Code, node: number, offset: number): void {
  c.i32(0).get(node).mem(W.i32_load, offset + 4).mem(W.i32_store, L.SITE_NODE);
}

/** Whether another function's node counts where control comes to a block: no, seldom, often, always. */
export const enum Counting {
  Own,
  Perhaps,
  Likely,
  Other,
}

/**
 * What is left to ask in the block itself: nothing; whether it is control that ran in from another function, where functions
 * are not known; the same where it comes from there or from the block alone.
 */
export const enum Entered {
  Checked,
  Running,
  Alone,
}

/** A function, by its number, and the runtime's function that enters one. */
interface Entry {
  readonly number: number;
  readonly enter: () => number;
}

/** On the way to a block: its function counts from the ordinal `now` on, where the block begins. */
export function comeToFunction(
  c: Code,
  locals: SiteLocals,
  counting: Counting,
  { number, enter }: Entry,
): void {
  if (counting === Counting.Own) return;
  const { now, node } = locals;
  const slow = (): void => void c.i32(number).get(now).call(enter());
  c.stateLoad(W.i32_load, L.SITE_NODE).set(node);
  const change = (): void => {
    if (counting === Counting.Perhaps) slow();
    else alongEdge(c, locals, { count: 0, number, slow });
  };
  if (counting === Counting.Other) return change();
  isOther(c, node, number);
  if (counting === Counting.Perhaps) c.seldom();
  c.op(W.if, typeCode.void);
  change();
  c.op(W.end);
}
/** Push whether `node` is of another function. */
function isOther(c: Code, node: number, number: number): void {
  c.get(node).mem(W.i32_load, NODE_FUNCTION).i32(number).op(W.i32_ne);
}

/**
 * The block of `count` instructions with the site record at `record` is entered; `now` is already where it ends. How often
 * it is is counted at `counter`.
 */
export function enterSiteAt(
  c: Code,
  locals: SiteLocals,
  { record, counter, count, number, entered, enter }: Entry & {
    readonly record: number;
    readonly counter: number;
    readonly count: number;
    readonly entered: Entered;
  },
): void {
  const { now, node } = locals;
  if (entered !== Entered.Checked) {
    const slow = (): void => {
      ordinal(c.i32(number), now, count).call(enter());
    };
    c.stateLoad(W.i32_load, L.SITE_NODE).set(node);
    if (entered === Entered.Running) {
      isOther(c, node, number);
      c.op(W.if, typeCode.void);
    }
    // The last node of the block, if the context is the same: what comes next need not wait for this one's address.
    c.get(node).mem(W.i32_load, NODE_CONTEXT).stateLoad(W.i32_load, record + R.SITE_CONTEXT)
      .op(W.i32_ne).seldom().op(W.if, typeCode.void);
    c.i32(0).get(node).mem(W.i32_load, NODE_CONTEXT).mem(W.i32_store, record + R.SITE_CONTEXT);
    alongEdge(c, locals, { count, number, slow });
    c.i32(0).stateLoad(W.i32_load, L.SITE_NODE).mem(W.i32_store, record + R.SITE_NODE);
    c.op(W.else);
    charge(c, locals, count);
    c.i32(0).stateLoad(W.i32_load, record + R.SITE_NODE).mem(W.i32_store, L.SITE_NODE);
    c.op(W.end);
    if (entered === Entered.Running) c.op(W.end);
  }
  c.i32(0).stateLoad(W.i64_load, counter).i64(1n).op(W.i64_add).mem(W.i64_store, counter);
}

/** Go to the node of a function that is entered without a call. */
function alongEdge(
  c: Code,
  locals: SiteLocals,
  { count, number, slow }: {
    readonly count: number;
    readonly number: number;
    readonly slow: () => void;
  },
): void {
  const { node } = locals;
  const { key, at } = edgeOf(number, false);
  c.get(node).mem(W.i32_load, at).i32(key).op(W.i32_ne).seldom().op(W.if, typeCode.void);
  slow();
  c.op(W.else);
  charge(c, locals, count);
  follow(c, node, at);
  c.op(W.end);
}

/**
 * The block with the number `number` and the site record at `record` calls; the call returns to `next`. Where an indirect
 * call goes is in local `target` and in `BRANCH_TARGET`; `target` is -1 for others. `call` is the runtime's function.
 */
export function callSite(
  c: Code,
  locals: SiteLocals,
  { record, number, next, target, call }: {
    readonly record: number;
    readonly number: number;
    readonly next: bigint;
    readonly target: number;
    readonly call: () => number;
  },
): void {
  const { now, node, at, to } = locals;
  const edge = edgeOf(number, true);
  c.op(W.block, typeCode.void, W.block, typeCode.void, W.block, typeCode.void);
  c.stateLoad(W.i32_load, L.SITE_TOP).stateLoad(W.i32_load, L.SITE_LIMIT)
    .op(W.i32_ge_u).seldom().brIf(1);
  c.stateLoad(W.i32_load, record + R.SITE_CALLEE).set(to);
  c.stateLoad(W.i32_load, L.SITE_NODE).tee(node).stateLoad(W.i32_load, record + R.SITE_CALLER)
    .op(W.i32_eq).brIf(0);
  c.get(node).mem(W.i32_load, edge.at).i32(edge.key).op(W.i32_ne).seldom().brIf(1);
  c.get(node).mem(W.i32_load, edge.at + 4).set(to);
  c.op(W.end);
  if (target >= 0) {
    c.get(to).mem(W.i64_load, NODE_CALLED).get(target).op(W.i64_ne).seldom().brIf(0);
  }
  charge(c, locals, 0);
  c.stateLoad(W.i32_load, L.SITE_TOP).set(at);
  c.get(at).i64(next).mem(W.i64_store, FRAME_SIZE);
  c.get(at).get(node).mem(W.i32_store, FRAME_SIZE + FRAME_NODE);
  c.i32(0).get(at).i32(FRAME_SIZE).op(W.i32_add).mem(W.i32_store, L.SITE_TOP);
  c.i32(0).get(to).mem(W.i32_store, L.SITE_NODE);
  c.br(1).op(W.end);
  c.i32(record).i64(next).get(now).call(call());
  c.op(W.end);
}

/** A return to the address in local `target`; `return_` is the runtime's function. */
export function returnSite(
  c: Code,
  locals: SiteLocals,
  target: number,
  return_: () => number,
): void {
  const { now, node, at } = locals;
  c.stateLoad(W.i32_load, L.SITE_TOP).tee(at).mem(W.i64_load, 0).get(target).op(W.i64_ne)
    .seldom().op(W.if, typeCode.void);
  c.get(target).get(now).call(return_());
  c.op(W.else).stateLoad(W.i32_load, L.SITE_NODE).set(node);
  charge(c, locals, 0);
  c.i32(0).get(at).mem(W.i32_load, FRAME_NODE).mem(W.i32_store, L.SITE_NODE);
  c.i32(0).get(at).i32(FRAME_SIZE).op(W.i32_sub).mem(W.i32_store, L.SITE_TOP);
  c.op(W.end);
}
