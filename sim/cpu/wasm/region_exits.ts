/**
 * The ways out of a region: code at the end of its function, where all branches that leave it meet. What is rare
 * leaves for good, at a record: the cold tier goes on there. Where that happens too often, the engine is asked for a
 * better region.
 */
import * as L from "../layout.ts";
import { type Code, typeCode, W } from "./code.ts";
import { dispatch, hashOf } from "./dispatch.ts";
import { ENTRY_TYPE } from "./module.ts";
import * as R from "./records.ts";
import type { RegionContext } from "./region_context.ts";
import { HEAD_SLOT } from "./runtime.ts";
import { showSiteOf } from "./site_calls.ts";

/** Labels of the ways out, by what locals say where to. Registers and flags are right in memory. */
export const enum Out {
  /** Return `exit`, at `exitRecord`; the program goes on at `pc`. */
  Leave = -1,
  /** To the block at `pc`. */
  Dispatch = -2,
  /** Through the link at `slot`. */
  Link = -3,
  /** The instruction of `exitRecord` has an access that the soft TLB does not know. */
  Side = -4,
  /** To the block whose head is at `exitRecord`. */
  Head = -5,
  /** The instruction of `exitRecord` has a cluster of accesses that lies on two pages. */
  Crossing = -6,
  /** The instruction of `exitRecord` is executed in the cold tier. */
  Cold = -7,
}

/** All of them, in the order of their code from the last to the first. */
export const OUTS: readonly Out[] = [
  ...[Out.Leave, Out.Dispatch, Out.Head, Out.Cold, Out.Side, Out.Crossing, Out.Link],
];

/** The code behind each label of `OUTS`. */
export function lowerExits(region: RegionContext): void {
  const { code, locals, source, linker } = region;
  const { slot, exitRecord } = locals;

  code.op(W.end); // link
  locals.spill(code);
  heatLink(region);
  code.get(slot).stateLoad(W.i32_load, L.LINKS).op(W.i32_add)
    .mem(W.i32_load, 0).tee(exitRecord).op(W.if, typeCode.void)
    .get(exitRecord).get(exitRecord).mem(W.i32_load, R.HANDLER)
    .op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0).op(W.end);
  code.i32(0).get(slot).mem(W.i32_store, L.EXIT_SLOT);
  code.i32(R.Exit.Link).op(W.return);

  code.op(W.end); // crossing
  if (region.attributes) showSiteOf(code, exitRecord, slot);
  countSide(region, L.CROSSINGS, source.crossingHeat, R.Exit.Crossing);
  code.br(1);

  code.op(W.end); // side
  if (region.attributes) showSiteOf(code, exitRecord, slot);
  if (linker.instrumentation !== null) {
    countSide(region, L.SIDE_HEAT, source.missingHeat, R.Exit.Missing);
  }

  code.op(W.end); // cold
  locals.spill(code);
  code.i32(0).stateLoad(W.i32_load, L.SIDE_EXITS).i32(1).op(W.i32_add)
    .mem(W.i32_store, L.SIDE_EXITS);
  storeNow(region);
  code.get(exitRecord).get(exitRecord).mem(W.i32_load, R.HANDLER)
    .op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0);

  code.op(W.end); // head
  locals.spill(code);
  code.get(exitRecord).i32(HEAD_SLOT).op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0);

  code.op(W.end); // dispatch
  locals.spill(code);
  storePc(region);
  heatLink(region);
  dispatch(
    code,
    locals.pc,
    exitRecord,
    locals.hash < 0 ? hashOf(0) : (c) => void c.get(locals.hash),
  );
  code.i32(R.Exit.Lookup).op(W.return);

  code.op(W.end); // leave
  locals.spill(code);
  storeQuietEvents(region);
  code.i32(0).get(exitRecord).mem(W.i32_store, L.EXIT_RECORD);
  storePc(region);
  code.get(locals.exit);
}

/** Count in `table` that control leaves inside a block, at the record; after `heat` times, return `exit`. */
function countSide(region: RegionContext, table: number, heat: number, exit: R.Exit): void {
  const { code, locals } = region;
  const [at, count] = [locals.slot, locals.exit];
  code.get(locals.exitRecord).i32(3).op(W.i32_shr_u).i32(L.CROSSINGS_MASK << 2).op(W.i32_and)
    .tee(at).get(at).mem(W.i32_load, table).i32(1).op(W.i32_add).tee(count)
    .mem(W.i32_store, table);
  code.get(count).i32(heat).op(W.i32_eq).seldom().op(W.if, typeCode.void);
  locals.spill(code);
  storeNow(region);
  code.i32(0).get(locals.exitRecord).mem(W.i32_store, L.EXIT_RECORD);
  code.i32(exit).op(W.return, W.end);
}

/** Count that control leaves through `slot`; often enough, ask for a region that goes on there. */
function heatLink({ code, locals, source, plan }: RegionContext): void {
  const { slot } = locals;
  const count = locals.exit;
  code.get(slot).get(slot).mem(W.i32_load, L.LINK_HEAT).i32(1).op(W.i32_add)
    .tee(count).mem(W.i32_store, L.LINK_HEAT);
  code.get(count).i32(source.linkHeat).op(W.i32_eq).seldom().op(W.if, typeCode.void);
  code.i32(0).get(slot).mem(W.i32_store, L.EXIT_SLOT);
  code.i32(0).i32(plan.members[0].block.head).mem(W.i32_store, L.EXIT_RECORD);
  code.i32(R.Exit.HotLink).op(W.return, W.end);
}

/** The cold tier goes on in the block of the record at `exitRecord`: it asks when that began. */
function storeNow(region: RegionContext): void {
  if (region.models === null) return;
  const { code, locals } = region;
  storeQuietEvents(region);
  code.i32(0).get(locals.now);
  headOf(code, locals.exitRecord);
  code.mem(W.i64_load16_u, R.COUNT).i64(6n).op(W.i64_shl, W.i64_sub).mem(W.i64_store, L.NOW);
}

/** The block under way may be cut. */
function storeQuietEvents({ code, locals, stream }: RegionContext): void {
  if (stream?.lines === undefined) return;
  code.i32(0).get(locals.quietEvents).mem(W.i32_store, L.QUIET_EVENTS);
}

function storePc({ code, locals }: RegionContext): void {
  code.i32(0).get(locals.pc).mem(W.i64_store, L.PC);
}

/** Push the head of the block that the record in local `record` is of. */
function headOf(code: Code, record: number): void {
  code.get(record).get(record).mem(W.i32_load16_u, R.INDEX).i32(1).op(W.i32_add)
    .i32(5).op(W.i32_shl, W.i32_sub);
}
