/**
 * The common case of a modelled level-1 TLB miss, in WebAssembly: a 4 KiB page whose translation is still
 * known, which of instructions the second level must hold. It does what `models/hierarchy.ts` does for such
 * an access; all else goes to the host. Programs miss once in a hundred instructions, so code for data has no branches
 * that depend on where pages are: the entry in level 2 is remembered beside the translation.
 */
import * as L from "../layout.ts";
import { Code, typeCode, W } from "./code.ts";
import type { DataLines } from "./event_stream.ts";
import type { ModelledTlb, ModelledTlbs } from "./events.ts";
import { appendWalk } from "./line_filter.ts";
import * as R from "./records.ts";
import { countMiss as countSite, type SiteFunctions } from "./site_events.ts";

/** Parameters of the functions that refill; they return the address of the stamp, or 0. */
const [ADDRESS, ORDINAL] = [0, 1];
/** Their locals. */
const [SPACE, TAG, PAGE, LOW] = [2, 3, 4, 5];
const [ENTRY, LEFT, VICTIM, SECOND, PLACE, WALKED, SIDE, OTHER] = [6, 7, 8, 9, 10, 11, 12, 13];
const TAGS = 14;
/** Stamps, and offsets of their entries, of each level of a comparison of up to `AT_ONCE` entries. */
const [STAMP_OF, OFFSET_OF] = [15, 19];
export const REFILL_LOCALS = [
  ...["i64", "i64", "i64", "i64"] as const,
  ...["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const,
  ...["v128"] as const,
  ...["i64", "i64", "i64", "i64", "i32", "i32", "i32", "i32"] as const,
];

/** From the physical address in a soft entry to the address of the stamp, in bits. */
const STAMP_SHIFT = BigInt(8 * (L.SOFT_STAMP - L.SOFT_PHYSICAL));
/** Most entries that are compared without a branch. */
const AT_ONCE = 8;

/** Point `ENTRY` at the first entry of the set of `ADDRESS`, and set `LEFT` to the number of entries. */
function set(c: Code, { address, ways, sets }: ModelledTlb): Code {
  c.get(ADDRESS).i64(12n).op(W.i64_shr_u);
  if (Number.isInteger(Math.log2(sets))) c.op(W.i32_wrap_i64).i32(sets - 1).op(W.i32_and);
  else c.i64(BigInt(sets)).op(W.i64_rem_u, W.i32_wrap_i64);
  return c.i32(ways * L.TLB_ENTRY).op(W.i32_mul).i32(address).op(W.i32_add).set(ENTRY)
    .i32(ways).set(LEFT);
}

/** Advance `ENTRY` by `step`; branch to label `depth` while entries are left. */
function next(c: Code, depth: number, step: number): Code {
  return c.get(ENTRY).i32(step * L.TLB_ENTRY).op(W.i32_add).set(ENTRY)
    .get(LEFT).i32(step).op(W.i32_sub).tee(LEFT).brIf(depth);
}

/** Push whether an entry of the set of `ADDRESS` holds `TAG`; `ENTRY` is then that one. */
function find(c: Code, tlb: ModelledTlb): Code {
  set(c, tlb).op(W.block, typeCode.i32, W.loop, typeCode.void);
  c.i32(1).get(ENTRY).mem(W.i64_load, L.TLB_TAG).get(TAG).op(W.i64_eq).brIf(1).op(W.drop);
  next(c, 0, 1).op(W.end);
  return c.i32(0).op(W.end);
}

/** Point `victim` at the least recent entry of the set of `ADDRESS`: empty ones have the stamp 0, and no access has. */
function leastRecent(c: Code, tlb: ModelledTlb, victim: number): void {
  set(c, tlb);
  let step = AT_ONCE;
  while (tlb.ways % step !== 0) step--;
  if (step === tlb.ways) {
    lesser(c, 0, step, 0);
    c.get(ENTRY).get(OFFSET_OF).op(W.i32_add).set(victim);
    return;
  }
  c.i64(-1n).set(LOW).op(W.loop, typeCode.void);
  lesser(c, 0, step, 0);
  c.get(ENTRY).get(OFFSET_OF).op(W.i32_add).get(victim).get(STAMP_OF).get(LOW)
    .op(W.i64_lt_u).tee(OTHER).op(W.select).set(victim)
    .get(STAMP_OF).get(LOW).get(OTHER).op(W.select).set(LOW);
  next(c, 0, step).op(W.end);
}

/** Put the least stamp of `ways` entries from number `from` on, and its offset, into the locals of a `level`. */
function lesser(c: Code, from: number, ways: number, level: number): void {
  const [stamp, offset] = [STAMP_OF + level, OFFSET_OF + level];
  if (ways === 1) {
    c.get(ENTRY).mem(W.i64_load, from * L.TLB_ENTRY + L.TLB_STAMP).set(stamp)
      .i32(from * L.TLB_ENTRY).set(offset);
    return;
  }
  const half = ways >> 1;
  lesser(c, from, half, level);
  lesser(c, from + half, ways - half, level + 1);
  c.get(offset + 1).get(offset).get(stamp + 1).get(stamp).op(W.i64_lt_u).tee(OTHER)
    .op(W.select).set(offset)
    .get(stamp + 1).get(stamp).get(OTHER).op(W.select).set(stamp);
}

/** `refill(address, ordinal)` of a page of instructions, or of data, whose soft entries it restores. */
export function refill(
  side: keyof ModelledTlbs,
  tlbs: ModelledTlbs,
  sites: SiteFunctions | null,
  lines: DataLines | undefined,
): Code {
  const c = new Code();
  const data = side === "data";
  const [first, second] = tlbs[side];
  c.get(ADDRESS).i64(12n).op(W.i64_shr_u)
    .stateLoad(W.i64_load, L.SPACE_TAG).tee(SPACE).op(W.i64_or).set(TAG);
  if (!data) {
    // Level 1 may hold the page after all, without a soft entry.
    find(c, first);
    c.op(W.if, typeCode.void).get(ENTRY).get(ORDINAL).mem(W.i64_store, L.TLB_STAMP)
      .get(ENTRY).i32(L.TLB_STAMP).op(W.i32_add, W.return, W.end);
    // That it is one of 4 KiB is known only if a level holds it as such.
    find(c, second).op(W.i32_eqz, W.if, typeCode.void);
    c.i32(0).op(W.return, W.end).get(ENTRY).set(SECOND);
  }
  leastRecent(c, first, VICTIM);
  evict(c, data);
  c.get(VICTIM).get(TAG).mem(W.i64_store, L.TLB_TAG);
  c.get(VICTIM).get(ORDINAL).mem(W.i64_store, L.TLB_STAMP);
  if (data) {
    softPlace(c.get(ADDRESS)).tee(PLACE).mem(W.i32_load, L.SOFT_SECOND).tee(SECOND)
      .mem(W.i64_load, L.TLB_TAG).get(TAG).op(W.i64_ne).seldom().op(W.if, typeCode.void);
    find(c, second).op(W.if, typeCode.void).get(ENTRY).set(SECOND).op(W.else);
    walk(c, second, lines);
    c.op(W.end).get(PLACE).get(SECOND).mem(W.i32_store, L.SOFT_SECOND).op(W.end);
    // As one number, because that is how it is read: of two stores a processor cannot forward.
    c.get(PLACE).get(PLACE).mem(W.i64_load32_u, L.SOFT_PHYSICAL)
      .get(VICTIM).i32(L.TLB_STAMP).op(W.i32_add, W.i64_extend_i32_u).i64(STAMP_SHIFT)
      .op(W.i64_shl, W.i64_or).mem(W.i64_store, L.SOFT_PHYSICAL);
    restore(c);
  }
  c.get(SECOND).get(ORDINAL).mem(W.i64_store, L.TLB_STAMP);
  countMiss(c, data ? 1 : 0);
  if (sites !== null) {
    c.i32(data ? 1 : 0).set(SIDE);
    countSite(c, { address: ADDRESS, ordinal: ORDINAL, side: SIDE, walked: WALKED }, sites);
  }
  return c.get(VICTIM).i32(L.TLB_STAMP).op(W.i32_add);
}

/** Level 2 does not hold the page: point `SECOND` at the entry that does now. */
function walk(c: Code, second: ModelledTlb, lines: DataLines | undefined): void {
  leastRecent(c, second, SECOND);
  c.get(SECOND).get(TAG).mem(W.i64_store, L.TLB_TAG).i32(1).set(WALKED);
  countMiss(c, 3);
  if (lines !== undefined) appendWalk(c, lines, { address: ADDRESS, ordinal: ORDINAL, at: OTHER });
}

/** Count a miss of a structure. */
function countMiss(c: Code, structure: number): void {
  const at = L.TLB_MISSES + 4 * structure;
  c.i32(0).stateLoad(W.i32_load, at).i32(1).op(W.i32_add).mem(W.i32_store, at);
}

/** Turn an address into its place in the soft TLB of data. */
function softPlace(c: Code): Code {
  return c.op(W.i32_wrap_i64).i32(L.SOFT_SHIFT).op(W.i32_shr_u).i32(L.SOFT_MASK).op(W.i32_and);
}

/** Read both tags of the soft entry at local `place`, and write what `change` pushes. */
function changeTags(c: Code, place: number, change: () => void): void {
  c.get(place).get(place).op(0xfd, 0x00).memarg(L.READ_TLB).set(TAGS);
  change();
  c.op(0xfd, 0x0b).memarg(L.READ_TLB);
}
/** The evicted tags at `PLACE` are so no longer: of both, what is there without its highest bit. */
function restore(c: Code): void {
  changeTags(c, PLACE, () => {
    c.get(TAGS).i32(1).op(0xfd, 0xcb, 0x01).i32(1).op(0xfd, 0xcd, 0x01); // i64x2.shl, i64x2.shr_u
  });
}

/** The soft entries that the victim issued go, but their translations stay known. Return 0 if it is of another size. */
function evict(c: Code, data: boolean): void {
  c.get(VICTIM).mem(W.i64_load, L.TLB_TAG).get(SPACE).op(W.i64_xor).tee(PAGE)
    .i64(BigInt(L.TAG_BITS_SHIFT)).op(W.i64_shr_u, W.i64_eqz, W.if, typeCode.void);
  if (data) {
    c.get(PAGE).i64(12n).op(W.i64_shl).tee(PAGE);
    softPlace(c).set(OTHER);
    changeTags(c, OTHER, () => {
      // i64x2.splat, i64x2.eq, i64x2.shl, v128.or
      c.get(PAGE).op(0xfd, 0x12).get(TAGS).op(0xfd, 0xd6, 0x01).i32(63).op(0xfd, 0xcb, 0x01)
        .get(TAGS).op(0xfd, 0x50);
    });
  } else {
    c.get(PAGE).get(PAGE).i64(BigInt(L.FETCH_BITS)).op(W.i64_shr_u, W.i64_xor, W.i32_wrap_i64)
      .i32(L.FETCH_ENTRIES - 1).op(W.i32_and).i32(4).op(W.i32_shl).tee(OTHER)
      .mem(W.i64_load, L.FETCH_TLB).get(PAGE).i64(20n).op(W.i64_shl, W.i64_eq);
    c.op(W.if, typeCode.void).get(OTHER).i64(-1n).mem(W.i64_store, L.FETCH_TLB).op(W.end);
  }
  // It is empty, of another space and has no soft entries, or of another size.
  c.op(W.else).get(VICTIM).mem(W.i64_load, L.TLB_TAG).i64(-1n).op(W.i64_ne)
    .get(PAGE).i64(BigInt(L.TAG_SPACE_SHIFT)).op(W.i64_shr_u, W.i64_eqz, W.i32_and)
    .op(W.if, typeCode.void).i32(0).op(W.return, W.end, W.end);
}

/** Local of what follows: the place. */
export const ACCESS_LOCALS = ["i32", "i32"] as const;

/**
 * Begin `load_slow` or `store_slow`, whose parameters are the address, values, the size with the
 * access's number, and the record, the latter at `size` and `size + 1`: if the soft entry whose tags are in `table` was
 * but evicted, refill it and run `hit` with its place in local `size + 2`; the next one is free. Returns the locals.
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
  const place = size + 2;
  if (tbi) c.get(0).i64(0x00ff_ffff_ffff_ffffn).op(W.i64_and).set(0);
  c.op(W.block, typeCode.void);
  c.get(0).i64(-4096n).op(W.i64_and).i64(L.SOFT_EVICTED).op(W.i64_or);
  softPlace(c.get(0)).tee(place).mem(W.i64_load, table).op(W.i64_ne).brIf(0);
  c.get(0).op(W.i32_wrap_i64).i32(4095).op(W.i32_and).get(size).i32(255).op(W.i32_and, W.i32_add)
    .i32(4096).op(W.i32_gt_u).brIf(0);
  c.get(0).stateLoad(W.i64_load, L.NOW).get(record).mem(W.i32_load16_u, R.INDEX).i32(6)
    .op(W.i32_shl).get(size).i32(8).op(W.i32_shr_u, W.i32_add, W.i64_extend_i32_u, W.i64_add)
    .call(refillFunction).op(W.i32_eqz).brIf(0);
  hit(place);
  c.op(W.end);
  return ACCESS_LOCALS;
}

/** Begin `fetch_slow(address)`: refill, and enter the page in the soft TLB of fetches. */
export function refillFetch(c: Code, refillFunction: number): readonly ("i32" | "i64")[] {
  const [stamp, place, page] = [1, 2, 3];
  c.get(0).stateLoad(W.i64_load, L.NOW).call(refillFunction).tee(stamp)
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
