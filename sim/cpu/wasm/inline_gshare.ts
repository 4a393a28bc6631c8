/** gshare in the hot tier: the counters are in state memory, what changes with every branch is in locals. */
import * as L from "../layout.ts";
import { type Code, typeCode, W } from "./code.ts";
import type { Instrumentation } from "./events.ts";

/** Locals: two to use, the history, and the packed counts of branches (i64). */
export interface PredictorLocals {
  readonly at: number;
  readonly counter: number;
  readonly history: number;
  readonly branches: number;
}

/** Look up the counter of the conditional branch at `pc`, and count the branch. */
export function predictInline(
  code: Code,
  models: Instrumentation,
  pc: number,
  { at, counter, history, branches }: PredictorLocals,
): void {
  const mask = 2 ** models.historyBits - 1;
  code.get(history).i32(Math.floor(pc / 2 ** models.pcShift) & mask).op(W.i32_xor)
    .i32(mask).op(W.i32_and).tee(at).mem(W.i32_load8_u, L.GSHARE).set(counter);
  code.get(branches).i64(1n).op(W.i64_add).set(branches);
}

/** Learn from the branch's outcome; `wrong` is lowered where it was not as predicted. */
export function learnInline(
  code: Code,
  outcome: 0 | 1,
  { at, counter, history, branches }: PredictorLocals,
  wrong?: () => void,
): void {
  // A counter at its end was right, and stays.
  code.get(counter);
  if (outcome === 1) code.i32(3).op(W.i32_ne);
  code.op(W.if, typeCode.void).get(at).get(counter).i32(outcome === 1 ? 1 : -1)
    .op(W.i32_add).mem(W.i32_store8, L.GSHARE);
  code.get(branches).get(counter).i32(1).op(W.i32_shr_u);
  if (outcome === 1) code.i32(1).op(W.i32_xor);
  code.op(W.i64_extend_i32_u).i64(32n).op(W.i64_shl, W.i64_add).set(branches);
  if (wrong !== undefined) {
    code.get(counter).i32(1).op(W.i32_shr_u);
    if (outcome === 1) code.i32(1).op(W.i32_xor);
    code.op(W.if, typeCode.void);
    wrong();
    code.op(W.end);
  }
  code.op(W.end);
  code.get(history).i32(1).op(W.i32_shl);
  if (outcome === 1) code.i32(1).op(W.i32_or);
  code.set(history);
}
