/**
 * The modelled indirect target buffer: the last target of each indirect jump and call, set-associative, true
 * LRU, indexed by the branch's address. Direct branches do not occupy it. Its entries lie in state memory
 * (`TARGETS` in `layout.ts`), those of a set in the order of their use, so that a branch that is first in its set
 * changes no order.
 */
import * as L from "../layout.ts";
import { type Code, typeCode, W } from "./code.ts";
import type { Instrumentation } from "./events.ts";
import * as R from "./records.ts";

const ONE = 1n;
const ONE_WRONG = 1n << 32n;

/** Parameters of `indirect(target, record)`, and its locals: i64, then i32. */
const [TARGET, RECORD] = [0, 1];
const [KEY, MOVED_KEY, MOVED, NEXT_KEY] = [2, 3, 4, 5];
const [ENTRY, LEFT] = [6, 7];
export const INDIRECT_LOCALS = ["i64", "i64", "i64", "i64", "i32", "i32"] as const;

/** Add what is on the stack, an i64, to the counts of indirect branches. */
function count(c: Code, pushAmount: () => void): void {
  c.i32(0).stateLoad(W.i64_load, L.INDIRECTS);
  pushAmount();
  c.op(W.i64_add).mem(W.i64_store, L.INDIRECTS);
}

/** The indirect jump or call at `record` goes to `target`; `mispredicted` is lowered where it went elsewhere before. */
export function indirectBranch(
  c: Code,
  { pcShift, targets: { sets, ways } }: Instrumentation,
  mispredicted: () => void,
): Code {
  const wrong = (): void => {
    count(c, () => c.i64(ONE_WRONG));
    mispredicted();
  };
  count(c, () => c.i64(ONE));
  c.get(RECORD).get(RECORD).mem(W.i32_load16_u, R.INDEX).i32(1).op(W.i32_add)
    .i32(5).op(W.i32_shl, W.i32_sub).mem(W.i64_load, R.HEAD_PC)
    .get(RECORD).mem(W.i64_load16_u, R.PC_OFFSET).op(W.i64_add).set(KEY);
  c.get(KEY).i64(BigInt(pcShift)).op(W.i64_shr_u).i64(BigInt(sets)).op(W.i64_rem_u)
    .op(W.i32_wrap_i64).i32(ways * L.TARGET_ENTRY).op(W.i32_mul).i32(L.TARGETS).op(W.i32_add)
    .set(ENTRY);
  // Keys are inverted: 0 is an empty entry, and no address is all ones.
  c.get(KEY).i64(-1n).op(W.i64_xor).tee(KEY).set(MOVED_KEY).get(TARGET).set(MOVED);
  // The branch comes first, and those before its place move by one; the last one goes if it had none.
  c.i32(ways).set(LEFT).op(W.loop, typeCode.void);
  c.get(ENTRY).mem(W.i64_load, 0).set(NEXT_KEY).get(ENTRY).get(MOVED_KEY).mem(W.i64_store, 0);
  c.get(NEXT_KEY).set(MOVED_KEY);
  c.get(ENTRY).mem(W.i64_load, L.TARGET_ADDRESS).get(ENTRY).get(MOVED)
    .mem(W.i64_store, L.TARGET_ADDRESS).set(MOVED);
  c.get(NEXT_KEY).get(KEY).op(W.i64_eq, W.if, typeCode.void);
  c.get(MOVED).get(TARGET).op(W.i64_ne, W.if, typeCode.void);
  wrong();
  c.op(W.end, W.return, W.end);
  c.get(ENTRY).i32(L.TARGET_ENTRY).op(W.i32_add).set(ENTRY)
    .get(LEFT).i32(1).op(W.i32_sub).tee(LEFT).brIf(0).op(W.end);
  wrong();
  return c;
}

/**
 * In the hot tier: the indirect branch at `pc` goes to the address in local `target`. If it is first in its set, that
 * is all; else `slow` is lowered, which calls `indirect`. `wrong` is lowered where it was first and went elsewhere before.
 */
export function indirectInline(
  c: Code,
  { pcShift, targets: { sets, ways } }: Instrumentation,
  { pc, target, slow, wrong }: {
    readonly pc: number;
    readonly target: number;
    readonly slow: () => void;
    readonly wrong?: () => void;
  },
): void {
  const set = Math.floor(pc / 2 ** pcShift) % sets;
  const entry = L.TARGETS + set * ways * L.TARGET_ENTRY;
  const isOther = (): Code =>
    c.stateLoad(W.i64_load, entry + L.TARGET_ADDRESS).get(target).op(W.i64_ne);
  c.stateLoad(W.i64_load, entry).i64(~BigInt(pc)).op(W.i64_eq, W.if, typeCode.void);
  count(c, () => {
    c.i64(ONE);
    isOther().op(W.i64_extend_i32_u).i64(32n).op(W.i64_shl, W.i64_or);
  });
  if (wrong !== undefined) {
    isOther().op(W.if, typeCode.void);
    wrong();
    c.op(W.end);
  }
  c.i32(0).get(target).mem(W.i64_store, entry + L.TARGET_ADDRESS);
  c.op(W.else);
  slow();
  c.op(W.end);
}
