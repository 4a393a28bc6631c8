/**
 * The common case of a modelled level-1 TLB miss, in WebAssembly: a 4 KiB page whose translation is still
 * known, which of instructions the second level must hold. It does what `models/hierarchy.ts` does for such
 * an access; all else goes to the host.
 */
import * as L from "../layout.ts";
import { Code, typeCode, W } from "./code.ts";
import type { DataLines } from "./event_stream.ts";
import { appendWalk } from "./line_filter.ts";
import * as R from "./records.ts";
import { countMiss as countSite, type SiteFunctions } from "./site_events.ts";

/** Parameters of `refill(address, ordinal, side)`; it returns the address of the stamp, or 0. */
const [ADDRESS, ORDINAL, SIDE] = [0, 1, 2];
/** Its locals: i64, then i32. */
const [TAG, LOW, SEEN] = [3, 4, 5];
const [SHAPE, ENTRY, LEFT, VICTIM, SECOND, PLACE, WALKED] = [6, 7, 8, 9, 10, 11, 12];
export const REFILL_LOCALS = [
  ...["i64", "i64", "i64"] as const,
  ...["i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const,
];

/** Entries of a set that are looked at together; others' ways are a multiple of it. */
const AT_ONCE = 4;

/** Point `ENTRY` at the first entry of the page's set and `LEFT` at the number of ways, by `SHAPE`. */
function set(c: Code): Code {
  return c.get(SHAPE).mem(W.i32_load, L.TLB_WAYS).tee(LEFT)
    .get(ADDRESS).i64(12n).op(W.i64_shr_u, W.i32_wrap_i64)
    .get(SHAPE).mem(W.i32_load, L.TLB_MASK).op(W.i32_and, W.i32_mul).i32(4).op(W.i32_shl)
    .get(SHAPE).mem(W.i32_load, L.TLB_BASE).op(W.i32_add).set(ENTRY);
}

/** Advance `ENTRY` by `step`; branch to label `depth` while ways are left. */
function next(c: Code, depth: number, step: number): Code {
  return c.get(ENTRY).i32(step * L.TLB_ENTRY).op(W.i32_add).set(ENTRY)
    .get(LEFT).i32(step).op(W.i32_sub).tee(LEFT).brIf(depth);
}

/** Push whether one of the `LEFT` entries from `ENTRY` on holds `TAG`; `ENTRY` is then that one. */
function find(c: Code, step: number): Code {
  c.op(W.block, typeCode.i32, W.loop, typeCode.void);
  c.i32(1).get(ENTRY).mem(W.i64_load, L.TLB_TAG).get(TAG).op(W.i64_eq).brIf(1).op(W.drop);
  next(c, 0, step).op(W.end);
  return c.i32(0).op(W.end);
}

/** Point `victim` at the least recent of the `LEFT` entries from `ENTRY` on: empty ones have the stamp 0, and no access has. */
function leastRecent(c: Code, victim: number, step: number): void {
  c.i64(-1n).set(LOW);
  c.op(W.loop, typeCode.void);
  for (let i = 0; i < step; i++) {
    const at = L.TLB_ENTRY * i;
    c.get(ENTRY).i32(at).op(W.i32_add).get(victim)
      .get(ENTRY).mem(W.i64_load, at + L.TLB_STAMP).tee(SEEN).get(LOW).op(W.i64_lt_u).tee(PLACE)
      .op(W.select).set(victim)
      .get(SEEN).get(LOW).get(PLACE).op(W.select).set(LOW);
  }
  next(c, 0, step).op(W.end);
}

/** `refill`: see above. */
export function refill(sites: SiteFunctions | null, lines: DataLines | undefined): Code {
  const c = new Code();
  const leave = (): Code => c.i32(0).op(W.return);
  c.get(ADDRESS).i64(12n).op(W.i64_shr_u)
    .stateLoad(W.i64_load, L.SPACE_TAG).op(W.i64_or).set(TAG);
  c.get(SIDE).i32(L.TLB_SHAPE).op(W.i32_mul).i32(L.TLB_SHAPES).op(W.i32_add).set(SHAPE);
  set(c);
  c.get(LEFT).op(W.i32_eqz, W.if, typeCode.void);
  leave().op(W.end);
  // Level 1 may hold a page of instructions after all, without a soft entry.
  c.get(SIDE).op(W.i32_eqz, W.if, typeCode.void);
  find(c, 1);
  c.op(W.if, typeCode.void).get(ENTRY).get(ORDINAL).mem(W.i64_store, L.TLB_STAMP)
    .get(ENTRY).i32(L.TLB_STAMP).op(W.i32_add, W.return, W.end);
  set(c);
  c.op(W.end);
  leastRecent(c, VICTIM, AT_ONCE);
  // The second level, or a walk.
  c.get(SHAPE).i32(2 * L.TLB_SHAPE).op(W.i32_add).set(SHAPE);
  set(c);
  c.get(LEFT).op(W.i32_eqz, W.if, typeCode.void);
  leave().op(W.end);
  find(c, 1);
  c.op(W.i32_eqz).tee(WALKED).op(W.if, typeCode.void);
  // That a page of instructions is one of 4 KiB is known only if a level holds it as such.
  c.get(SIDE).op(W.i32_eqz, W.if, typeCode.void);
  leave().op(W.end);
  set(c);
  leastRecent(c, SECOND, 1);
  c.op(W.else).get(ENTRY).set(SECOND).op(W.end);
  evict(c);
  c.get(VICTIM).get(TAG).mem(W.i64_store, L.TLB_TAG);
  c.get(VICTIM).get(ORDINAL).mem(W.i64_store, L.TLB_STAMP);
  c.get(SECOND).get(ORDINAL).mem(W.i64_store, L.TLB_STAMP);
  c.get(WALKED).op(W.if, typeCode.void).get(SECOND).get(TAG).mem(W.i64_store, L.TLB_TAG);
  countMiss(c);
  if (lines !== undefined) appendWalk(c, lines, { address: ADDRESS, ordinal: ORDINAL, at: PLACE });
  c.op(W.end);
  c.get(SIDE).i32(L.TLB_SHAPE).op(W.i32_mul).i32(L.TLB_SHAPES).op(W.i32_add).set(SHAPE);
  countMiss(c);
  if (sites !== null) {
    countSite(c, { address: ADDRESS, ordinal: ORDINAL, side: SIDE, walked: WALKED }, sites);
  }
  return c.get(VICTIM).i32(L.TLB_STAMP).op(W.i32_add);
}

/** Count a miss of the structure that `SHAPE` is of. */
function countMiss(c: Code): Code {
  return c.get(SHAPE).get(SHAPE).mem(W.i32_load, L.TLB_MISSES).i32(1).op(W.i32_add)
    .mem(W.i32_store, L.TLB_MISSES);
}

/** The soft entries that the victim issued go, but their translations stay known. */
function evict(c: Code): void {
  const page = SEEN;
  c.op(W.block, typeCode.void);
  c.get(VICTIM).mem(W.i64_load, L.TLB_TAG).tee(page).i64(-1n).op(W.i64_eq).brIf(0);
  // Not of this space: none of its soft entries is there.
  c.get(page).stateLoad(W.i64_load, L.SPACE_TAG).op(W.i64_xor)
    .i64(BigInt(L.TAG_SPACE_SHIFT)).op(W.i64_shr_u).i64(0n).op(W.i64_ne).brIf(0);
  // Of another size.
  c.get(page).stateLoad(W.i64_load, L.SPACE_TAG).op(W.i64_xor)
    .i64(BigInt(L.TAG_BITS_SHIFT)).op(W.i64_shr_u).i64(0n).op(W.i64_ne, W.if, typeCode.void)
    .i32(0).op(W.return, W.end);
  c.get(page).i64((1n << BigInt(L.TAG_BITS_SHIFT)) - 1n).op(W.i64_and).set(page);
  c.get(SIDE).op(W.if, typeCode.void);
  for (const table of [L.READ_TLB, L.WRITE_TLB]) {
    c.get(page).op(W.i32_wrap_i64).i32(4).op(W.i32_shl).i32(0xfffff0).op(W.i32_and).tee(PLACE)
      .mem(W.i64_load, table).get(page).i64(12n).op(W.i64_shl, W.i64_eq, W.if, typeCode.void)
      .get(PLACE).get(page).i64(12n).op(W.i64_shl).i64(L.SOFT_EVICTED).op(W.i64_or)
      .mem(W.i64_store, table).op(W.end);
  }
  c.op(W.else);
  c.get(page).get(page).i64(BigInt(L.FETCH_BITS)).op(W.i64_shr_u, W.i64_xor, W.i32_wrap_i64)
    .i32(L.FETCH_ENTRIES - 1).op(W.i32_and).i32(4).op(W.i32_shl).tee(PLACE)
    .mem(W.i64_load, L.FETCH_TLB).get(page).i64(20n).op(W.i64_shl, W.i64_eq, W.if, typeCode.void);
  c.get(PLACE).i64(-1n).mem(W.i64_store, L.FETCH_TLB).op(W.end);
  c.op(W.end, W.end);
}

/** Locals of the functions below: the place, the stamp, the page's address; the first two are free after a refill. */
export const ACCESS_LOCALS = ["i32", "i32", "i64"] as const;

/**
 * Begin `load_slow` or `store_slow`, whose parameters are the address, values, the size with the
 * access's number, and the record, the latter at `size` and `size + 1`: if the soft entry in `table` was
 * but evicted, refill it and run `hit` with its place in local `size + 2`. Returns the locals.
 */
export function refillAccess(
  c: Code,
  table: number,
  size: number,
  refillFunction: number,
  tbi: boolean,
  hit: (place: number) => void,
): readonly ("i32" | "i64")[] {
  const record = size + 1;
  const [place, stamp, page] = [size + 2, size + 3, size + 4];
  if (tbi) c.get(0).i64(0x00ff_ffff_ffff_ffffn).op(W.i64_and).set(0);
  c.op(W.block, typeCode.void);
  c.get(0).i64(-4096n).op(W.i64_and).tee(page).i64(L.SOFT_EVICTED).op(W.i64_or)
    .get(0).op(W.i32_wrap_i64).i32(8).op(W.i32_shr_u).i32(0xfffff0).op(W.i32_and).tee(place)
    .mem(W.i64_load, table).op(W.i64_ne).brIf(0);
  c.get(0).op(W.i32_wrap_i64).i32(4095).op(W.i32_and).get(size).i32(255).op(W.i32_and, W.i32_add)
    .i32(4096).op(W.i32_gt_u).brIf(0);
  c.get(0).stateLoad(W.i64_load, L.NOW).get(record).mem(W.i32_load16_u, R.INDEX).i32(6)
    .op(W.i32_shl).get(size).i32(8).op(W.i32_shr_u, W.i32_add, W.i64_extend_i32_u, W.i64_add)
    .i32(1).call(refillFunction).tee(stamp).op(W.i32_eqz).brIf(0);
  restore(c, place, page, stamp);
  hit(place);
  c.op(W.end);
  return ACCESS_LOCALS;
}

/** The soft entries at local `place` of `page` that were evicted hold it again; its entry's stamp is at `stamp`. */
function restore(c: Code, place: number, page: number, stamp: number): void {
  for (const t of [L.READ_TLB, L.WRITE_TLB]) {
    c.get(place).mem(W.i64_load, t).get(page).i64(L.SOFT_EVICTED).op(W.i64_or, W.i64_eq)
      .op(W.if, typeCode.void).get(place).get(page).mem(W.i64_store, t)
      .get(place).get(stamp).mem(W.i32_store, t + L.SOFT_STAMP).op(W.end);
  }
}

/** `refill_data(address, ordinal)`, of a page whose entry was evicted; pushes 0 if the host must see the access. */
export function refillData(refillFunction: number): Code {
  const [place, stamp, page] = [2, 3, 4];
  const c = new Code();
  c.get(0).get(1).i32(1).call(refillFunction).tee(stamp).op(W.if, typeCode.void);
  c.get(0).op(W.i32_wrap_i64).i32(8).op(W.i32_shr_u).i32(0xfffff0).op(W.i32_and).set(place);
  c.get(0).i64(-4096n).op(W.i64_and).set(page);
  restore(c, place, page, stamp);
  return c.op(W.end).get(stamp);
}

/** Begin `fetch_slow(address)`: refill, and enter the page in the soft TLB of fetches. */
export function refillFetch(c: Code, refillFunction: number): readonly ("i32" | "i64")[] {
  const [stamp, place, page] = [1, 2, 3];
  c.get(0).stateLoad(W.i64_load, L.NOW).i32(0).call(refillFunction).tee(stamp)
    .op(W.if, typeCode.void);
  c.get(0).i64(12n).op(W.i64_shr_u).set(page);
  c.get(page).get(page).i64(BigInt(L.FETCH_BITS)).op(W.i64_shr_u, W.i64_xor, W.i32_wrap_i64)
    .i32(L.FETCH_ENTRIES - 1).op(W.i32_and).i32(4).op(W.i32_shl).tee(place)
    .get(page).i64(20n).op(W.i64_shl).mem(W.i64_store, L.FETCH_TLB);
  c.get(place).get(stamp).mem(W.i32_store, L.FETCH_TLB + L.FETCH_STAMP);
  c.i32(0).i32(1).mem(W.i32_store, L.FETCHED);
  c.op(W.return, W.end);
  return ["i32", "i32", "i64"];
}
