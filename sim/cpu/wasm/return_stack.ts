/**
 * The modelled return stack: a ring of addresses in state memory. An entry that was popped or never pushed holds
 * `NO_RETURN`, so an empty stack predicts nothing wherever its top is.
 */
import * as L from "../layout.ts";
import { type Code, W } from "./code.ts";

/** An address that no program returns to: it is canonical on no architecture, and odd. */
export const NO_RETURN = 0x8000_0000_0000_0001n;

const ENTRY = 8;

/** Replace the offset of an entry in local `top` by that of one `by` entries on; store it. */
function move(c: Code, top: number, entries: number, by: number): void {
  c.i32(0).get(top).i32(ENTRY * by).op(W.i32_add);
  if ((entries & (entries - 1)) === 0) c.i32(ENTRY * entries - 1).op(W.i32_and);
  else c.i32(ENTRY * entries).op(W.i32_rem_u);
  c.tee(top).mem(W.i32_store, L.RETURN_TOP);
}

/** Push what `address` pushes; the oldest entry of a full stack is forgotten. `top` is an i32 local. */
export function pushReturn(c: Code, entries: number, top: number, address: () => void): void {
  c.stateLoad(W.i32_load, L.RETURN_TOP).set(top);
  move(c, top, entries, 1);
  c.get(top);
  address();
  c.mem(W.i64_store, L.RETURN_STACK);
}

/**
 * Pop, and count a return to the address in local `target`: `wrong`, a local, says whether it was not predicted.
 * `top` is an i32 local.
 */
export function popReturn(
  c: Code,
  entries: number,
  { top, target, wrong }: Readonly<Record<"top" | "target" | "wrong", number>>,
): void {
  c.stateLoad(W.i32_load, L.RETURN_TOP).tee(top).mem(W.i64_load, L.RETURN_STACK).get(target)
    .op(W.i64_ne).set(wrong);
  c.get(top).i64(NO_RETURN).mem(W.i64_store, L.RETURN_STACK);
  move(c, top, entries, entries - 1);
  c.i32(0).stateLoad(W.i64_load, L.RETURNS).get(wrong).op(W.i64_extend_i32_u)
    .i64(1n << 32n).op(W.i64_add, W.i64_add).mem(W.i64_store, L.RETURNS);
}
