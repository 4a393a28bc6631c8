/**
 * The modelled gshare. Its counters are in state memory; in the hot tier, what changes with every branch is in locals.
 */
import * as L from "../layout.ts";
import { Code, typeCode, W } from "./code.ts";
import type { Instrumentation } from "./events.ts";
import * as R from "./records.ts";

/**
 * A two-bit counter has as many bits set, from the lowest on, as it counts: 0, 1, 3, 7. So it moves by a shift, and stays at
 * its ends by itself.
 */
const MOST = 7;
const PREDICTS_TAKEN = 2;

/** Store what the counter in local `counter`, at `at` in `GSHARE`, becomes with `outcome`. */
function learn(code: Code, outcome: 0 | 1, at: number, counter: number): void {
  code.get(at).get(counter).i32(1);
  if (outcome === 1) code.op(W.i32_shl).i32(1).op(W.i32_or).i32(MOST).op(W.i32_and);
  else code.op(W.i32_shr_u);
  code.mem(W.i32_store8, L.GSHARE);
}

/** Locals: two to use, the history, and the packed counts of branches (i64). */
export interface PredictorLocals {
  readonly at: number;
  readonly counter: number;
  readonly history: number;
  readonly branches: number;
}

/** Look up the counter of the conditional branch at `pc`. */
export function predictInline(
  code: Code,
  models: Instrumentation,
  pc: number,
  { at, counter, history }: PredictorLocals,
): void {
  const mask = 2 ** models.historyBits - 1;
  code.get(history).i32(Math.floor(pc / 2 ** models.pcShift) & mask).op(W.i32_xor)
    .i32(mask).op(W.i32_and).tee(at).mem(W.i32_load8_u, L.GSHARE).set(counter);
}

/** Learn from the branch's outcome, and count it; `wrong` is lowered where it was not as predicted. */
export function learnInline(
  code: Code,
  outcome: 0 | 1,
  { at, counter, history, branches }: PredictorLocals,
  wrong?: () => void,
): void {
  learn(code, outcome, at, counter);
  // No branch here: it would be mispredicted as often as the program's.
  const mispredicted = (): Code => {
    code.get(counter).i32(PREDICTS_TAKEN).op(W.i32_and);
    return outcome === 1 ? code.i32(PREDICTS_TAKEN).op(W.i32_xor) : code;
  };
  code.get(branches);
  mispredicted().op(W.i64_extend_i32_u).i64(31n).op(W.i64_shl, W.i64_add).i64(1n).op(W.i64_add)
    .set(branches);
  if (wrong !== undefined) {
    mispredicted().op(W.if, typeCode.void);
    wrong();
    code.op(W.end);
  }
  code.get(history).i32(1).op(W.i32_shl);
  if (outcome === 1) code.i32(1).op(W.i32_or);
  code.set(history);
}

/** Parameters of `predict(record, taken)`, and its locals. */
const [RECORD, TAKEN] = [0, 1];
const [AT, COUNTER, HEAD] = [2, 3, 4];
export const PREDICT_LOCALS = ["i32", "i32", "i32"] as const;

/** `predict(record, taken)`: the conditional branch at `record`; `wrong` is called where it was not as predicted. */
export function predict({ historyBits, pcShift }: Instrumentation, wrong?: number): Code {
  const c = new Code();
  c.get(TAKEN).i32(0).op(W.i32_ne).set(TAKEN);
  c.get(RECORD).get(RECORD).mem(W.i32_load16_u, R.INDEX).i32(1).op(W.i32_add)
    .i32(5).op(W.i32_shl, W.i32_sub).set(HEAD);
  c.get(HEAD).mem(W.i32_load, R.HEAD_PC).get(RECORD).mem(W.i32_load16_u, R.PC_OFFSET)
    .op(W.i32_add).i32(pcShift).op(W.i32_shr_u).stateLoad(W.i32_load, L.HISTORY)
    .op(W.i32_xor).i32(2 ** historyBits - 1).op(W.i32_and).tee(AT)
    .mem(W.i32_load8_u, L.GSHARE).set(COUNTER);
  const mispredicted = (): Code =>
    c.get(COUNTER).i32(PREDICTS_TAKEN).op(W.i32_and).i32(0).op(W.i32_ne).get(TAKEN).op(W.i32_ne);
  c.i32(0).stateLoad(W.i64_load, L.BRANCHES);
  mispredicted().op(W.i64_extend_i32_u).i64(32n).op(W.i64_shl).i64(1n)
    .op(W.i64_add, W.i64_add).mem(W.i64_store, L.BRANCHES);
  c.i32(0).stateLoad(W.i32_load, L.HISTORY).i32(1).op(W.i32_shl).get(TAKEN).op(W.i32_or)
    .mem(W.i32_store, L.HISTORY);
  if (wrong !== undefined) mispredicted().op(W.if, typeCode.void).call(wrong).op(W.end);
  c.get(TAKEN).op(W.if, typeCode.void);
  learn(c, 1, AT, COUNTER);
  c.op(W.else);
  learn(c, 0, AT, COUNTER);
  return c.op(W.end);
}
