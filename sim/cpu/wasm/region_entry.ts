/**
 * The start of a block in a region: it is charged whole, or not entered, and the models see it fetched.
 */
import * as L from "../layout.ts";
import { typeCode, W } from "./code.ts";
import { comeToPage } from "./fetch_page.ts";
import type { RegionContext } from "./region_context.ts";
import type { RegionEvents } from "./region_events.ts";
import { pageOf } from "./region_plan.ts";
import type { RegionSites } from "./region_sites.ts";

/**
 * Charge the block under way. `leave` is lowered, one label deep, where too little budget is left for it, or too little
 * room for its events.
 */
export function enterBlock(
  region: RegionContext,
  events: RegionEvents,
  sites: RegionSites | null,
  leave: () => void,
): void {
  const { code, locals, source, block } = region;
  const models = region.models !== null;
  const duration = BigInt(64 * block.count);
  code.op(W.block, typeCode.void, W.block, typeCode.void);
  if (models) {
    code.get(locals.now).i64(duration).op(W.i64_add).tee(locals.now)
      .get(locals.end).op(W.i64_gt_s).seldom().brIf(0);
  } else {
    code.get(locals.budget).i64(BigInt(block.count)).op(W.i64_lt_s).seldom().brIf(0);
  }
  if (region.stream !== null) {
    code.get(locals.events).i32(L.EVENT_LIMIT).op(W.i32_ge_u).seldom().brIf(0);
  }
  code.br(1).op(W.end);
  if (models) code.get(locals.now).i64(duration).op(W.i64_sub).set(locals.now);
  leave();
  code.op(W.end);
  sites?.enter();
  if (models) {
    const { loads, stores } = source.accessesOf(block);
    // With attribution they follow from how often the block was entered.
    if (loads + stores > 0 && !region.attributes) {
      code.get(locals.accesses).i64(BigInt(loads) | (BigInt(stores) << 32n)).op(W.i64_add)
        .set(locals.accesses);
    }
    if (block.frame2 >= 0) {
      code.i32(0).stateLoad(W.i32_load, L.FETCH_STRADDLES).i32(1).op(W.i32_add)
        .mem(W.i32_store, L.FETCH_STRADDLES);
    }
  } else code.get(locals.budget).i64(BigInt(block.count)).op(W.i64_sub).set(locals.budget);
  events.appendBlock();
}

/**
 * With models: control comes to node `to` from another page, or from outside. A block on two pages comes to both whatever
 * was before: its one instruction comes to the second one later. `leave` is lowered, one label deep, where the modelled
 * TLB may miss the page, or the quantum is over.
 */
export function comeToBlock(region: RegionContext, to: number, leave: () => void): void {
  if (region.models === null) return;
  const { code, locals: { now, end } } = region;
  const { block } = region.plan.members[to];
  const page = pageOf(block.pc);
  for (const more of block.frame2 >= 0 ? [0, 1] : [0]) {
    comeToPage(code, page + more, { now, end, more }, leave);
  }
}
