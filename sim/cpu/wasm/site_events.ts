/**
 * Where events of inlined models happen: what generated code tells of it, for `models/wasm/site_core.ts` to read.
 *
 * Every block counts in its site record how often it was entered. All else is a stream of events in the order in which they
 * happened: calls and returns, the first block of another function, misses and mispredictions. An event has
 * the budget left then, so what lies between two events is known in instructions, and they are of one function in one calling
 * context.
 *
 * An event is two u64 words: an address of 48 bits, with its kind from bit 48 on, an argument from bit 52 on, and from bit
 * 58 on the instruction's number in its block; then the number of a block or function, u32, and the low half of the
 * budget.
 */
import * as L from "../layout.ts";
import { Code, typeCode, W } from "./code.ts";
import * as R from "./records.ts";

export const enum SiteEvent {
  /** Blocks of another function follow; the number is that of the one before. */
  Leave = 0,
  /** A call: where it goes to, if it is indirect. Its block's number, as all below. */
  Call = 1,
  /** A return to an address; mispredicted if the argument is 1. */
  Return = 2,
  /** A TLB miss of the block's fetch, before the budget is charged for it; 1: and a walk. */
  Fetch = 3,
  /** A TLB miss of an access to an address; 1: and a walk. */
  Data = 4,
  /** The branch at the block's end was mispredicted. */
  Mispredicted = 5,
}

/** Bytes of an event, and offsets of the parts of its second word. */
export const SITE_EVENT_SIZE = 16;
export const SITE_NUMBER = 8;
export const SITE_BUDGET = 12;
export const SITE_KIND_SHIFT = 48;
export const SITE_ARGUMENT_SHIFT = 52;
export const SITE_INDEX_SHIFT = 58;
/** No function. */
export const NO_FUNCTION = -1;

const KIND = (kind: SiteEvent): bigint => BigInt(kind) << BigInt(SITE_KIND_SHIFT);
const ADDRESS = (1n << BigInt(SITE_KIND_SHIFT)) - 1n;

/** Functions of the runtime module that append events. */
export interface SiteFunctions {
  /** `(first word, number)`; the budget is that of state memory. */
  readonly append: number;
  readonly leave: number;
  readonly mispredicted: number;
}

/** Define them. */
export function siteFunctions(
  define: (name: string, params: readonly ("i32" | "i64")[], code: Code) => number,
  drain: number,
): SiteFunctions {
  const [WORD, NUMBER, AT] = [0, 1, 2];
  const append = new Code().stateLoad(W.i32_load, L.EVENTS).tee(AT).get(WORD).mem(W.i64_store, 0)
    .get(AT).get(NUMBER).mem(W.i32_store, SITE_NUMBER)
    .get(AT).stateLoad(W.i32_load, L.BUDGET).mem(W.i32_store, SITE_BUDGET)
    .i32(0).get(AT).i32(SITE_EVENT_SIZE).op(W.i32_add).tee(AT).mem(W.i32_store, L.EVENTS)
    .get(AT).i32(L.EVENT_LIMIT).op(W.i32_ge_u).seldom().op(W.if, typeCode.void).call(drain)
    .op(W.end);
  const appended = define("site_event", ["i64", "i32"], append);
  const leave = new Code().i64(KIND(SiteEvent.Leave)).get(0).call(appended);
  const left = define("leave_function", ["i32"], leave);
  const mispredicted = new Code();
  appendOf(mispredicted.i64(KIND(SiteEvent.Mispredicted)), appended);
  const wrong = define("mispredicted", [], mispredicted);
  return { append: appended, leave: left, mispredicted: wrong };
}

/** Append an event, whose first word is on the stack, of `SITE_BLOCK`. */
function appendOf(c: Code, append: number): void {
  c.stateLoad(W.i32_load, L.SITE_BLOCK).call(append);
}

/** In a block's head, whose record is parameter 0: the block is entered. `at` is an i32 local. */
export function enterSite(c: Code, at: number, { leave }: SiteFunctions): void {
  c.i32(0).get(0).mem(W.i32_load, R.BLOCK).mem(W.i32_store, L.SITE_BLOCK);
  c.get(0).get(0).mem(W.i32_load16_u, R.COUNT).i32(5).op(W.i32_shl, W.i32_add)
    .i32(2 * R.RECORD_SIZE).op(W.i32_add).tee(at).get(at).mem(W.i64_load, R.SITE_WHOLE).i64(1n)
    .op(W.i64_add).mem(W.i64_store, R.SITE_WHOLE);
  c.get(at).mem(W.i32_load, R.SITE_FUNCTION).stateLoad(W.i32_load, L.SITE_FUNCTION)
    .op(W.i32_ne, W.if, typeCode.void)
    .stateLoad(W.i32_load, L.SITE_FUNCTION).i32(NO_FUNCTION).op(W.i32_ne, W.if, typeCode.void)
    .stateLoad(W.i32_load, L.SITE_FUNCTION).call(leave).op(W.end)
    .i32(0).get(at).mem(W.i32_load, R.SITE_FUNCTION).mem(W.i32_store, L.SITE_FUNCTION).op(W.end);
}

/** After a call was pushed on the return stack; where an indirect one goes is in `BRANCH_TARGET`. */
export function appendCall(c: Code, { append }: SiteFunctions): void {
  c.stateLoad(W.i64_load, L.BRANCH_TARGET).i64(ADDRESS).op(W.i64_and)
    .i64(KIND(SiteEvent.Call)).op(W.i64_or);
  appendOf(c, append);
  forgetFunction(c);
}

/** After a return to the address in parameter 0; the local `wrong` says whether it was not predicted. */
export function appendReturn(c: Code, wrong: number, { append }: SiteFunctions): void {
  c.get(0).i64(ADDRESS).op(W.i64_and).i64(KIND(SiteEvent.Return)).op(W.i64_or)
    .get(wrong).op(W.i64_extend_i32_u).i64(BigInt(SITE_ARGUMENT_SHIFT))
    .op(W.i64_shl, W.i64_or);
  appendOf(c, append);
  forgetFunction(c);
}

function forgetFunction(c: Code): void {
  c.i32(0).i32(NO_FUNCTION).mem(W.i32_store, L.SITE_FUNCTION);
}

/** A level-1 TLB miss that `refill` served; parameters are its locals. */
export function appendMiss(
  c: Code,
  { address, ordinal, side, walked }: Readonly<
    Record<"address" | "ordinal" | "side" | "walked", number>
  >,
  { append }: SiteFunctions,
): void {
  c.get(address).i64(ADDRESS).op(W.i64_and)
    .get(side).i32(SiteEvent.Fetch).op(W.i32_add, W.i64_extend_i32_u).i64(BigInt(SITE_KIND_SHIFT))
    .op(W.i64_shl, W.i64_or)
    .get(walked).op(W.i64_extend_i32_u).i64(BigInt(SITE_ARGUMENT_SHIFT)).op(W.i64_shl, W.i64_or)
    .get(ordinal).stateLoad(W.i64_load, L.NOW).op(W.i64_sub).i64(6n).op(W.i64_shr_u)
    .i64(BigInt(SITE_INDEX_SHIFT)).op(W.i64_shl, W.i64_or);
  appendOf(c, append);
}

/** In a region: `SITE_BLOCK` and the budget in state memory are right for what is called next. */
export function showSite(c: Code, number: number, budget: number): void {
  c.i32(0).i32(number).mem(W.i32_store, L.SITE_BLOCK);
  c.i32(0).get(budget).mem(W.i64_store, L.BUDGET);
}

/** In a region: leave it for the record in a local. */
export function showSiteOf(c: Code, record: number): void {
  c.i32(0).get(record).get(record).mem(W.i32_load16_u, R.INDEX).i32(1).op(W.i32_add)
    .i32(5).op(W.i32_shl, W.i32_sub).mem(W.i32_load, R.BLOCK).mem(W.i32_store, L.SITE_BLOCK);
}

/** In a region, before the block is charged: it is entered, and perhaps its function. */
export function enterSiteAt(
  c: Code,
  record: number,
  called:
    | Readonly<Record<"number" | "budget" | "leave" | "scratch", number>>
    | null,
): void {
  if (called !== null) {
    const { number, budget, leave, scratch } = called;
    c.stateLoad(W.i32_load, L.SITE_FUNCTION).tee(scratch).i32(number).op(W.i32_ne)
      .op(W.if, typeCode.void).i32(0).i32(number).mem(W.i32_store, L.SITE_FUNCTION)
      .get(scratch).i32(NO_FUNCTION).op(W.i32_ne).seldom().op(W.if, typeCode.void)
      .i32(0).get(budget).mem(W.i64_store, L.BUDGET).get(scratch).call(leave)
      .op(W.end, W.end);
  }
  c.i32(0).i32(0).mem(W.i64_load, record + R.SITE_WHOLE).i64(1n).op(W.i64_add)
    .mem(W.i64_store, record + R.SITE_WHOLE);
}
