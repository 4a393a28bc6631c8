/**
 * The modelled instruction TLB on hits. Only what comes to a page is stamped: what is fetched from it before another page is,
 * changes no order.
 */
import * as L from "../layout.ts";
import { Code, typeCode, W } from "./code.ts";

/**
 * In the hot tier, control comes to `page`, at the ordinal in local `now`, or one `more`; `leave` is lowered where the
 * soft TLB of fetches does not hold it, or where the quantum is over, whose ordinal is in local `end`: what is fetched
 * in between may be another thread's.
 */
export function comeToPage(
  c: Code,
  page: number,
  { now, end, more }: Readonly<Record<"now" | "end" | "more", number>>,
  leave: () => void,
): void {
  const place = L.FETCH_TLB + L.fetchPlace(page);
  c.op(W.block, typeCode.void, W.block, typeCode.void);
  // The rest of the number is the place's.
  c.stateLoad(W.i32_load, place + 4).i32(Math.floor(page / L.FETCH_ENTRIES)).op(W.i32_ne)
    .seldom().brIf(0);
  c.get(now).get(end).op(W.i64_ge_s).seldom().brIf(0);
  c.br(1).op(W.end);
  leave();
  c.op(W.end).stateLoad(W.i32_load, place + L.FETCH_STAMP).get(now);
  if (more !== 0) c.i64(BigInt(more)).op(W.i64_add);
  c.mem(W.i64_store, 0);
}

/** `fetch_page(pc)`: the block at `pc` is fetched; a page that the soft TLB of fetches does not hold is `slow`'s business. */
export function fetchPage(slow: number): Code {
  const [PC, ENTRY] = [0, 1];
  const c = new Code();
  c.get(PC).i64(8n).op(W.i64_shr_u).get(PC).i64(BigInt(8 + L.FETCH_BITS))
    .op(W.i64_shr_u, W.i64_xor, W.i32_wrap_i64).i32((L.FETCH_ENTRIES - 1) << 4).op(W.i32_and);
  c.tee(ENTRY).mem(W.i64_load, L.FETCH_TLB).get(PC).i64(12n).op(W.i64_shr_u).i64(20n)
    .op(W.i64_shl, W.i64_eq, W.if, typeCode.void);
  c.get(ENTRY).mem(W.i32_load, L.FETCH_TLB + L.FETCH_STAMP).stateLoad(W.i64_load, L.NOW)
    .mem(W.i64_store, 0);
  return c.op(W.else).get(PC).call(slow).op(W.end);
}
