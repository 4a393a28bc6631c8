/**
 * The modelled instruction TLB on hits: `FETCH_PAGE` is the page that was fetched from last. What is fetched from it again
 * changes no order, so that only the first fetch of a visit is stamped.
 */
import * as L from "../layout.ts";
import { Code, typeCode, W } from "./code.ts";

/**
 * In the hot tier, instructions on `pages`, one or two, are fetched, where another page may have been before; the first at
 * the ordinal that `now` pushes. `leaveIf` is lowered with a condition on the stack: the soft TLB of fetches does
 * not hold one of them.
 */
export function fetchInline(
  c: Code,
  pages: readonly number[],
  now: () => void,
  leaveIf: () => void,
): void {
  const place = (page: number): number => L.FETCH_TLB + L.fetchPlace(page);
  const many = pages.length > 1;
  if (many) c.op(W.block, typeCode.void);
  else {
    c.stateLoad(W.i64_load, L.FETCH_PAGE).i64(BigInt(pages[0])).op(W.i64_ne)
      .seldom().op(W.if, typeCode.void);
  }
  for (const page of pages) {
    c.stateLoad(W.i64_load, place(page)).i64(BigInt(page) << 20n).op(W.i64_ne);
    leaveIf();
  }
  pages.forEach((page, i) => {
    c.stateLoad(W.i32_load, place(page) + 12);
    now();
    if (i > 0) c.i64(1n).op(W.i64_add);
    c.mem(W.i64_store, 0);
  });
  c.i32(0).i64(BigInt(pages.at(-1)!)).mem(W.i64_store, L.FETCH_PAGE).op(W.end);
}

/** `fetch_page(pc)`: the block at `pc` is fetched; a page that the soft TLB of fetches does not hold is `slow`'s business. */
export function fetchPage(slow: number): Code {
  const [PC, ENTRY] = [0, 1];
  const c = new Code();
  const page = (): Code => c.get(PC).i64(12n).op(W.i64_shr_u);
  page().stateLoad(W.i64_load, L.FETCH_PAGE).op(W.i64_eq, W.if, typeCode.void, W.return, W.end);
  c.get(PC).i64(8n).op(W.i64_shr_u).get(PC).i64(BigInt(8 + L.FETCH_BITS))
    .op(W.i64_shr_u, W.i64_xor, W.i32_wrap_i64).i32((L.FETCH_ENTRIES - 1) << 4).op(W.i32_and);
  c.tee(ENTRY).mem(W.i64_load, L.FETCH_TLB);
  page().i64(20n).op(W.i64_shl, W.i64_eq, W.if, typeCode.void);
  c.get(ENTRY).mem(W.i32_load, L.FETCH_TLB + 12).stateLoad(W.i64_load, L.NOW).mem(W.i64_store, 0);
  c.op(W.else).get(PC).call(slow).op(W.end).i32(0);
  return page().mem(W.i64_store, L.FETCH_PAGE);
}
