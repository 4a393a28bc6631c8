/** x87 instructions with a memory operand: loads, stores, conversions, arithmetic. */
import type { Node } from "../ir/types.ts";
import * as L from "../layout.ts";
import type { Instruction } from "./instruction.ts";
import type { Semantic } from "./row.ts";
import * as F from "./soft_float.ts";
import * as A from "./x87_arithmetic.ts";
import { memoryHelper, stackHelper, storeHelper, wait } from "./x87_helpers.ts";
import { C0, C1, C2, C3, ERROR_SUMMARY, type X87 } from "./x87_state.ts";

/** Read the memory operand: low 64 bits and, of 80, the upper 16. */
function readMemory(x: Instruction, kind: A.Memory, bits: number): [low: Node, high: Node] {
  const e = x.e;
  const none = e.i32(0);
  if (kind === A.Memory.Single) return [e.zext(e.load("i32", x.address())), none];
  if (kind === A.Memory.Double) return [e.load("i64", x.address()), none];
  if (kind === A.Memory.Integer) return [e.load("i64", x.address(), bits, true), none];
  const low = e.load("i64", x.address());
  return [low, e.load("i32", e.add(x.address(), e.i64(8)), 16)];
}

/** An instruction that `run` does once its operand is read. */
export function withMemory(
  kind: A.Memory,
  bits: number,
  run: (fpu: X87, low: bigint, high: number) => void,
): Semantic {
  const helper = memoryHelper(run);
  return (x) => {
    wait(x);
    const [low, high] = readMemory(x, kind, bits);
    x.e.call(helper, low, high);
  };
}

/**
 * A value that memory held, converted: signaling NaNs become quiet, denormals are reported (and loaded
 * all the same).
 */
function converted(fpu: X87, kind: A.Memory, low: bigint, high: number): F.Float | null {
  const value = A.fromMemory(kind, low, high);
  if (kind === A.Memory.Extended) return value;
  if (value.denormal) fpu.raise(F.DENORMAL);
  if (value.class === F.Class.SignalingNan && fpu.raise(F.INVALID)) return null;
  return F.isNan(value) ? F.quiet(value) : value;
}

/** FLD and FILD. */
export const load = (kind: A.Memory, bits: number): Semantic =>
  withMemory(kind, bits, (fpu, low, high) => {
    if (kind === A.Memory.Extended) return fpu.pushRaw(BigInt.asUintN(64, low), high);
    if (!fpu.isEmpty(7)) return fpu.push(F.zero(false));
    const value = converted(fpu, kind, low, high);
    if (value === null) fpu.setConditions(C1, 0);
    else fpu.push(value);
  });

/** FADD … FDIVR and FCOM, FCOMP with a memory operand. */
export const memoryArithmetic = (op: A.Arithmetic, kind: A.Memory, bits: number): Semantic =>
  withMemory(kind, bits, (fpu, low, high) => {
    const value = A.fromMemory(kind, low, high);
    if (op !== A.Arithmetic.Com && op !== A.Arithmetic.ComPop) {
      A.arithmetic(fpu, op, 0, value);
      return;
    }
    fpu.setConditions(C0 | C2 | C3, A.compare(fpu, A.register(fpu, 0), value, false));
    if (op === A.Arithmetic.ComPop && (fpu.status & ERROR_SUMMARY) === 0) fpu.pop();
  });

const popHelper = stackHelper((fpu) => fpu.pop());

/** Store ST(0) and perhaps pop it, after the store went through. */
export function store(
  bits: number,
  pop: boolean,
  convert: (fpu: X87) => bigint | { low: bigint; high: number } | null,
): Semantic {
  const helper = storeHelper((fpu) => {
    const value = convert(fpu);
    return typeof value === "bigint" ? { low: value, high: 0 } : value;
  });
  return (x) => {
    const e = x.e;
    wait(x);
    const low = e.call(helper);
    const commit = (): void => e.setState(L.X87_STATUS, e.getState("i32", L.SCRATCH + 12));
    e.if(e.getState("i32", L.SCRATCH + 8), () => {
      if (bits === 80) {
        e.store(x.address(), low);
        e.store(e.add(x.address(), e.i64(8)), e.getState("i32", L.SCRATCH), 16);
      } else e.store(x.address(), bits === 64 ? low : e.wrap(low), bits);
      commit();
      if (pop) e.call(popHelper, e.i32(0));
    }, commit);
  };
}
/** FST and FSTP. */
export const storeFloat = (f: F.Format, pop: boolean): Semantic =>
  store(f === F.SINGLE ? 32 : 64, pop, (fpu) => A.toFloat(fpu, f));
/** FIST, FISTP and FISTTP. */
export const storeInteger = (bits: number, pop: boolean, truncate = false): Semantic =>
  store(bits, pop, (fpu) => A.toInteger(fpu, bits, truncate));
/** FSTP of 80 bits, which raises nothing but a stack fault. */
export const storeExtended = store(80, true, (fpu) => {
  if (!fpu.isEmpty(0)) {
    fpu.setConditions(C1, 0);
    return { low: fpu.low(0), high: fpu.high(0) };
  }
  return fpu.stackFault(false) ? null : { low: 0xc000000000000000n, high: 0xffff };
});
