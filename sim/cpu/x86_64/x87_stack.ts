/** x87 instructions on registers alone: constants, loads, exchanges, comparisons, arithmetic. */
import * as F from "./soft_float.ts";
import type { Semantic } from "./row.ts";
import * as A from "./x87_arithmetic.ts";
import { type Operation, stackHelper, wait } from "./x87_helpers.ts";
import { C0, C1, C2, C3, ERROR_SUMMARY } from "./x87_state.ts";

/** Constants of D9 E8 … EE: significand, exponent of its last bit, each rounded in RC's mode. */
const constants: readonly [bigint, number][] = [
  [1n, 0],
  [0x3_5269e12f346e2bf9_24afdbfd36bf6d33n, -128],
  [0x1_71547652b82fe177_7d0ffda0d23a7d11n, -128],
  [0x3_243f6a8885a308d3_13198a2e03707344n, -128],
  [0x4d104d427de7fbcc_47c4acd605be48bcn, -128],
  [0xb17217f7d1cf79ab_c9e3b39803f2f6afn, -128],
  [0n, 0],
];

const conditionsToFlags = (c: number): number =>
  (c & C0 ? 1 : 0) | (c & C2 ? 4 : 0) | (c & C3 ? 0x40 : 0);

/** FCOM and its kin; `pops` registers go. */
export function com(quiet: boolean, pops: number): Operation {
  return (fpu, i) => {
    const c = A.compare(fpu, A.register(fpu, 0), A.register(fpu, i), quiet);
    fpu.setConditions(C0 | C2 | C3, c);
    if ((fpu.status & ERROR_SUMMARY) !== 0) return;
    for (let n = 0; n < pops; n++) fpu.pop();
  };
}
/** FCOMI and its kin: the outcome as RFLAGS bits. Without a stack fault C1 stays. */
export function comi(quiet: boolean, pop: boolean): Operation {
  return (fpu, i) => {
    const before = fpu.status & C1;
    const fault = fpu.isEmpty(0) || fpu.isEmpty(i);
    const c = A.compare(fpu, A.register(fpu, 0), A.register(fpu, i), quiet);
    if (!fault) fpu.setConditions(C1, before);
    if (pop && (fpu.status & ERROR_SUMMARY) === 0) fpu.pop();
    return conditionsToFlags(c);
  };
}
/** ST(i) = ST(i) op ST(0), or ST(0) = ST(0) op ST(i). */
export function toRegister(op: A.Arithmetic, pop: boolean): Operation {
  return (fpu, i) => {
    const done = A.arithmetic(fpu, op, i, A.register(fpu, 0));
    if (pop && done) fpu.pop();
  };
}
export function toTop(op: A.Arithmetic): Operation {
  return (fpu, i) => void A.arithmetic(fpu, op, 0, A.register(fpu, i));
}
/** Change ST(0)'s sign word. */
export function sign(change: (high: number) => number): Operation {
  return (fpu) => {
    if (fpu.isEmpty(0)) {
      if (!fpu.stackFault(false)) fpu.set(0, F.DEFAULT_NAN);
      return;
    }
    fpu.setConditions(C1, 0);
    fpu.setRaw(0, fpu.low(0), change(fpu.high(0)));
  };
}
export function loadConstant(i: number): Operation {
  return (fpu) => {
    const [significand, exponent] = constants[i];
    const rounding = fpu.environment();
    const env = new F.Environment(rounding.rounding);
    fpu.push(
      significand === 0n
        ? F.zero(false)
        : F.round(env, F.EXTENDED, false, significand, exponent, i > 0 && i < 6),
    );
  };
}
export const loadRegister: Operation = (fpu, i) => {
  if (fpu.isEmpty(i)) {
    if (fpu.stackFault(false)) return;
    fpu.top--;
    fpu.set(0, F.DEFAULT_NAN);
  } else fpu.pushRaw(fpu.low(i), fpu.high(i));
};
export const storeRegister = (pop: boolean): Operation => (fpu, i) => {
  if (fpu.isEmpty(0)) {
    if (fpu.stackFault(false)) return;
    fpu.set(i, F.DEFAULT_NAN);
  } else {
    fpu.setConditions(C1, 0);
    fpu.setRaw(i, fpu.low(0), fpu.high(0));
  }
  if (pop) fpu.pop();
};
export const exchange: Operation = (fpu, i) => {
  if (fpu.isEmpty(0) || fpu.isEmpty(i)) {
    if (fpu.stackFault(false)) return;
    for (const at of [0, i]) if (fpu.isEmpty(at)) fpu.set(at, F.DEFAULT_NAN);
  } else fpu.setConditions(C1, 0);
  const low = fpu.low(0), high = fpu.high(0);
  fpu.setRaw(0, fpu.low(i), fpu.high(i));
  fpu.setRaw(i, low, high);
};
/** FCMOVcc: ST(i), and in bit 3 whether the condition holds; an empty register faults anyway. */
const move: Operation = (fpu, operand) => {
  const i = operand & 7;
  if (fpu.isEmpty(0) || fpu.isEmpty(i)) {
    if (!fpu.stackFault(false)) fpu.set(0, F.DEFAULT_NAN);
  } else if (operand & 8) fpu.setRaw(0, fpu.low(i), fpu.high(i));
};
export const rotate = (by: number): Operation => (fpu) => {
  fpu.setConditions(C1, 0);
  fpu.top += by;
};
export const test: Operation = (fpu) => {
  const c = A.compare(fpu, A.register(fpu, 0), F.zero(false), false);
  fpu.setConditions(C0 | C2 | C3, c);
};

/** An instruction on registers alone; the register number of ModRM.rm is in the record. */
export function onStack(run: Operation): Semantic {
  const helper = stackHelper(run);
  return (x) => {
    wait(x);
    x.e.call(helper, x.immediate());
  };
}
/** The same, setting RFLAGS. */
export function setsFlags(run: Operation): Semantic {
  const helper = stackHelper(run, true);
  return (x) => {
    wait(x);
    x.packed(x.e.call(helper, x.immediate()));
  };
}
const moveHelper = stackHelper(move);
export function conditionalMove(condition: number): Semantic {
  return (x) => {
    wait(x);
    const holds = x.e.shl(x.e.condition(condition), x.e.i32(3));
    x.e.call(moveHelper, x.e.or(x.immediate(), holds));
  };
}
