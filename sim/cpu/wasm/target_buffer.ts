/**
 * The modelled indirect target buffer: the last target of each indirect jump and call, set-associative, true
 * LRU, indexed by the branch's address. Direct branches do not occupy it. Its entries lie in state memory
 * (`TARGETS` in `layout.ts`).
 */
import * as L from "../layout.ts";
import { type Code, typeCode, W } from "./code.ts";
import type { Instrumentation } from "./events.ts";
import * as R from "./records.ts";

/** Parameters of `indirect(target, record)`, and its locals: i64, then i32. */
const [TARGET, RECORD] = [0, 1];
const [KEY, TIME, LOW] = [2, 3, 4];
const [ENTRY, END, VICTIM] = [5, 6, 7];
export const INDIRECT_LOCALS = ["i64", "i64", "i64", "i32", "i32", "i32"] as const;

/** The indirect jump or call at `record` goes to `target`; `mispredicted` is lowered where it went elsewhere before. */
export function indirectBranch(
  c: Code,
  { pcShift }: Instrumentation,
  mispredicted: () => void,
): Code {
  const wrong = (): void => {
    c.i32(0).stateLoad(W.i32_load, L.TARGETS_WRONG).i32(1).op(W.i32_add)
      .mem(W.i32_store, L.TARGETS_WRONG);
    mispredicted();
  };
  c.get(RECORD).get(RECORD).mem(W.i32_load16_u, R.INDEX).i32(1).op(W.i32_add)
    .i32(5).op(W.i32_shl, W.i32_sub).mem(W.i64_load, R.HEAD_PC)
    .get(RECORD).mem(W.i64_load16_u, R.PC_OFFSET).op(W.i64_add).set(KEY);
  c.i32(0).stateLoad(W.i64_load, L.TARGET_TIME).i64(1n).op(W.i64_add).tee(TIME)
    .mem(W.i64_store, L.TARGET_TIME);
  c.get(KEY).i64(BigInt(pcShift)).op(W.i64_shr_u)
    .stateLoad(W.i32_load, L.TARGET_SETS).op(W.i64_extend_i32_u, W.i64_rem_u, W.i32_wrap_i64)
    .stateLoad(W.i32_load, L.TARGET_SET).op(W.i32_mul).i32(L.TARGETS).op(W.i32_add).tee(ENTRY)
    .stateLoad(W.i32_load, L.TARGET_SET).op(W.i32_add).set(END);
  // Keys are inverted: 0 is an empty entry, and no address is all ones.
  c.get(KEY).i64(-1n).op(W.i64_xor).set(KEY).i64(-1n).set(LOW);
  c.op(W.loop, typeCode.void);
  c.get(ENTRY).mem(W.i64_load, 0).get(KEY).op(W.i64_eq, W.if, typeCode.void);
  c.get(ENTRY).get(TIME).mem(W.i64_store, L.TARGET_USED);
  c.get(ENTRY).mem(W.i64_load, L.TARGET_ADDRESS).get(TARGET).op(W.i64_ne, W.if, typeCode.void)
    .get(ENTRY).get(TARGET).mem(W.i64_store, L.TARGET_ADDRESS);
  wrong();
  c.op(W.end, W.return, W.end);
  c.get(ENTRY).mem(W.i64_load, L.TARGET_USED).get(LOW).op(W.i64_lt_u, W.if, typeCode.void)
    .get(ENTRY).tee(VICTIM).mem(W.i64_load, L.TARGET_USED).set(LOW).op(W.end);
  c.get(ENTRY).i32(L.TARGET_ENTRY).op(W.i32_add).tee(ENTRY).get(END).op(W.i32_lt_u).brIf(0);
  c.op(W.end);
  c.get(VICTIM).get(KEY).mem(W.i64_store, 0);
  c.get(VICTIM).get(TARGET).mem(W.i64_store, L.TARGET_ADDRESS);
  c.get(VICTIM).get(TIME).mem(W.i64_store, L.TARGET_USED);
  wrong();
  return c;
}
