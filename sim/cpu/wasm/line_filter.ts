/**
 * Leaves accesses out of the event stream that change nothing: those to the line that was used last of its set of the
 * level-1 data cache. That holds for every replacement, without prefetchers and with levels below that take no lines away;
 * the models of translation are inlined then, so that nothing else of the stream needs them.
 */
import * as L from "../layout.ts";
import { type Code, typeCode, W } from "./code.ts";
import { type DataLines, EVENT_SIZE, EVENT_WORD, eventBits, EventKind } from "./event_stream.ts";
import * as R from "./records.ts";

/** Locals, i32: the physical address of an access, and one more. */
export interface FilterLocals {
  readonly physical: number;
  readonly place: number;
}

/** Push the place among `DATA_LINES` of the address on the stack. */
function placeOf(c: Code, { sets, line }: DataLines): Code {
  return c.i32(Math.log2(line) - 2).op(W.i32_shr_u).i32((sets - 1) << 2).op(W.i32_and);
}

/** If an access of `size` bytes is to another line than its set's last, or to two: `append`, and note it. */
export function ifOtherLine(
  c: Code,
  lines: DataLines,
  size: number,
  { physical, place }: FilterLocals,
  append: () => void,
): void {
  placeOf(c.get(physical), lines).set(place);
  c.get(physical).get(place).mem(W.i32_load, L.DATA_LINES).op(W.i32_sub)
    .i32(lines.line - size).op(W.i32_gt_u, W.if, typeCode.void);
  append();
  const note = (more: number): void => {
    placeOf(c.get(physical).i32(more).op(W.i32_add), lines);
    c.get(physical).i32(more).op(W.i32_add).i32(-lines.line).op(W.i32_and)
      .mem(W.i32_store, L.DATA_LINES);
  };
  if (size > 1) note(size - 1);
  note(0);
  c.op(W.end);
}

/** No line is known to be the last of its set. */
function forgetLines(c: Code, { sets }: DataLines): void {
  c.i32(L.DATA_LINES).i32(0).i32(4 * sets).op(0xfc, 0x0b, 0x00);
}

/** Complete an event that begins at local `at` with the word on the stack. */
function endEvent(c: Code, at: number, word: () => void): void {
  c.get(at);
  word();
  c.mem(W.i32_store, EVENT_WORD).i32(0).get(at).i32(EVENT_SIZE).op(W.i32_add)
    .mem(W.i32_store, L.EVENTS);
}

/** In `refill`: a page walk for a data access. Parameters are its locals; `at` is free. */
export function appendWalk(
  c: Code,
  lines: DataLines,
  { address, ordinal, at }: Readonly<Record<"address" | "ordinal" | "at", number>>,
): void {
  c.stateLoad(W.i32_load, L.EVENTS).tee(at).get(address).i64((1n << 48n) - 1n).op(W.i64_and)
    .i64(eventBits(EventKind.Walk, 0, 0)).op(W.i64_or)
    .get(ordinal).stateLoad(W.i64_load, L.NOW).op(W.i64_sub).i64(6n).op(W.i64_shr_u).i64(58n)
    .op(W.i64_shl, W.i64_or).mem(W.i64_store, 0);
  endEvent(c, at, () => c.i32(1));
  forgetLines(c, lines);
}

/**
 * In a shared function: append the access whose physical address is in a local, unless it changes nothing. `told` is a
 * local with its record, and half its number in the lowest bits; `place` is free.
 */
export function appendShared(
  c: Code,
  lines: DataLines,
  kind: EventKind,
  size: number,
  { told, physical, place }: FilterLocals & { readonly told: number },
): void {
  ifOtherLine(c, lines, size, { physical, place }, () => {
    c.stateLoad(W.i32_load, L.EVENTS).tee(place).i64(eventBits(kind, size, 0))
      .get(told).i32(-32).op(W.i32_and).mem(W.i64_load16_u, R.INDEX).i64(58n)
      .op(W.i64_shl, W.i64_or).mem(W.i64_store, 0);
    endEvent(c, place, () => c.get(physical));
  });
}

/**
 * Append an access that was refilled, and whose physical address is on the stack and stays there. `size` has the number of the
 * access from bit 8 on; `physical` and `at` are free.
 */
export function appendRefilled(
  c: Code,
  lines: DataLines,
  kind: EventKind,
  { size, record, physical, at }: Readonly<
    Record<"size" | "record" | "physical" | "at", number>
  >,
): void {
  c.set(physical).stateLoad(W.i32_load, L.EVENTS).tee(at).i64(eventBits(kind, 0, 0))
    .get(size).i32(63).op(W.i32_and, W.i64_extend_i32_u).i64(52n).op(W.i64_shl, W.i64_or)
    .get(record).mem(W.i64_load16_u, R.INDEX).i64(58n).op(W.i64_shl, W.i64_or)
    .mem(W.i64_store, 0);
  endEvent(c, at, () => c.get(physical));
  forgetLines(c, lines);
  c.get(physical);
}
