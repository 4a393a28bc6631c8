/**
 * x87 instructions. Memory operands are read and written in IR; the work on the register stack is
 * done on the host (x87_arithmetic.ts, x87_transcendental.ts). A pending unmasked exception is
 * reported by the next waiting instruction, as SIGFPE.
 */
import type { Helper, Node } from "../ir/types.ts";
import * as L from "../layout.ts";
import { Form, type Instruction } from "./instruction.ts";
import { type Encoding, row, type Semantic } from "./row.ts";
import * as F from "./soft_float.ts";
import * as A from "./x87_arithmetic.ts";
import { C0, C1, C2, C3, ERROR_SUMMARY, X87 } from "./x87_state.ts";
import { FPE_X87 } from "./traps.ts";
import * as T from "./x87_transcendental.ts";

const SIGFPE = 8;

// ---- operations on the host -----------------------------------------------------------------

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

type Operation = (fpu: X87, i: number) => number | void;

const conditionsToFlags = (c: number): number =>
  (c & C0 ? 1 : 0) | (c & C2 ? 4 : 0) | (c & C3 ? 0x40 : 0);

/** FCOM and its kin; `pops` registers go. */
function com(quiet: boolean, pops: number): Operation {
  return (fpu, i) => {
    const c = A.compare(fpu, A.register(fpu, 0), A.register(fpu, i), quiet);
    fpu.setConditions(C0 | C2 | C3, c);
    if ((fpu.status & ERROR_SUMMARY) !== 0) return;
    for (let n = 0; n < pops; n++) fpu.pop();
  };
}
/** FCOMI and its kin: the outcome as RFLAGS bits. Without a stack fault C1 stays. */
function comi(quiet: boolean, pop: boolean): Operation {
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
function toRegister(op: A.Arithmetic, pop: boolean): Operation {
  return (fpu, i) => {
    const done = A.arithmetic(fpu, op, i, A.register(fpu, 0));
    if (pop && done) fpu.pop();
  };
}
function toTop(op: A.Arithmetic): Operation {
  return (fpu, i) => void A.arithmetic(fpu, op, 0, A.register(fpu, i));
}
/** Change ST(0)'s sign word. */
function sign(change: (high: number) => number): Operation {
  return (fpu) => {
    if (fpu.isEmpty(0)) {
      if (!fpu.stackFault(false)) fpu.set(0, F.DEFAULT_NAN);
      return;
    }
    fpu.setConditions(C1, 0);
    fpu.setRaw(0, fpu.low(0), change(fpu.high(0)));
  };
}
function loadConstant(i: number): Operation {
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
const loadRegister: Operation = (fpu, i) => {
  if (fpu.isEmpty(i)) {
    if (fpu.stackFault(false)) return;
    fpu.top--;
    fpu.set(0, F.DEFAULT_NAN);
  } else fpu.pushRaw(fpu.low(i), fpu.high(i));
};
const storeRegister = (pop: boolean): Operation => (fpu, i) => {
  if (fpu.isEmpty(0)) {
    if (fpu.stackFault(false)) return;
    fpu.set(i, F.DEFAULT_NAN);
  } else {
    fpu.setConditions(C1, 0);
    fpu.setRaw(i, fpu.low(0), fpu.high(0));
  }
  if (pop) fpu.pop();
};
const exchange: Operation = (fpu, i) => {
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
const rotate = (by: number): Operation => (fpu) => {
  fpu.setConditions(C1, 0);
  fpu.top += by;
};
const test: Operation = (fpu) => {
  const c = A.compare(fpu, A.register(fpu, 0), F.zero(false), false);
  fpu.setConditions(C0 | C2 | C3, c);
};

let helperCount = 0;
/** A helper for one operation on the stack; its parameter is a register number. */
function stackHelper(run: Operation, result = false): Helper {
  return {
    name: `x87_${helperCount++}`,
    params: ["i32"],
    result: result ? "i32" : null,
    reads: [],
    writes: [],
    run: (state, i: number) => run(new X87(state), i) ?? 0,
  };
}

/** Raise SIGFPE if an unmasked exception is pending. */
export function wait(x: Instruction): void {
  const e = x.e;
  e.if(
    e.and(e.getState("i32", L.X87_STATUS), e.i32(ERROR_SUMMARY)),
    () => e.fault(SIGFPE, FPE_X87),
  );
}

/** An instruction on registers alone; the register number of ModRM.rm is in the record. */
function onStack(run: Operation): Semantic {
  const helper = stackHelper(run);
  return (x) => {
    wait(x);
    x.e.call(helper, x.immediate());
  };
}
/** The same, setting RFLAGS. */
function setsFlags(run: Operation): Semantic {
  const helper = stackHelper(run, true);
  return (x) => {
    wait(x);
    x.packed(x.e.call(helper, x.immediate()));
  };
}
const moveHelper = stackHelper(move);
function conditionalMove(condition: number): Semantic {
  return (x) => {
    wait(x);
    const holds = x.e.shl(x.e.condition(condition), x.e.i32(3));
    x.e.call(moveHelper, x.e.or(x.immediate(), holds));
  };
}

// ---- memory operands ------------------------------------------------------------------------

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

/** A helper that takes a memory operand. */
function memoryHelper(run: (fpu: X87, low: bigint, high: number) => void): Helper {
  return {
    name: `x87_memory_${helperCount++}`,
    params: ["i64", "i32"],
    result: null,
    reads: [],
    writes: [],
    run: (state, low: bigint, high: number) => run(new X87(state), low, high),
  };
}
function withMemory(
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

const load = (kind: A.Memory, bits: number): Semantic =>
  withMemory(kind, bits, (fpu, low, high) => {
    if (kind === A.Memory.Extended) return fpu.pushRaw(BigInt.asUintN(64, low), high);
    if (!fpu.isEmpty(7)) return fpu.push(F.zero(false));
    const value = converted(fpu, kind, low, high);
    if (value === null) fpu.setConditions(C1, 0);
    else fpu.push(value);
  });

/** FADD … FDIVR and FCOM, FCOMP with a memory operand. */
const memoryArithmetic = (op: A.Arithmetic, kind: A.Memory, bits: number): Semantic =>
  withMemory(kind, bits, (fpu, low, high) => {
    const value = A.fromMemory(kind, low, high);
    if (op !== A.Arithmetic.Com && op !== A.Arithmetic.ComPop) {
      A.arithmetic(fpu, op, 0, value);
      return;
    }
    fpu.setConditions(C0 | C2 | C3, A.compare(fpu, A.register(fpu, 0), value, false));
    if (op === A.Arithmetic.ComPop && (fpu.status & ERROR_SUMMARY) === 0) fpu.pop();
  });

/**
 * A helper that converts ST(0): returns the low 64 bits, leaves the upper 16 in SCRATCH, in
 * SCRATCH + 8 whether there is something to store (an unmasked exception forbids it), and in
 * SCRATCH + 12 the new status word, which counts once the store went through.
 */
function storeHelper(convert: (fpu: X87) => { low: bigint; high: number } | null): Helper {
  return {
    name: `x87_store_${helperCount++}`,
    params: [],
    result: "i64",
    reads: [],
    writes: [],
    run: (state) => {
      const fpu = new X87(state);
      const before = fpu.status;
      const value = convert(fpu);
      state.setUint32(L.SCRATCH + 12, fpu.status, true);
      fpu.status = before;
      state.setUint32(L.SCRATCH, value?.high ?? 0, true);
      state.setUint32(L.SCRATCH + 8, value === null ? 0 : 1, true);
      return BigInt.asIntN(64, value?.low ?? 0n);
    },
  };
}

const popHelper = stackHelper((fpu) => fpu.pop());

/** Store ST(0) and perhaps pop it, after the store went through. */
function store(
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
const storeFloat = (f: F.Format, pop: boolean): Semantic =>
  store(f === F.SINGLE ? 32 : 64, pop, (fpu) => A.toFloat(fpu, f));
const storeInteger = (bits: number, pop: boolean, truncate = false): Semantic =>
  store(bits, pop, (fpu) => A.toInteger(fpu, bits, truncate));
const storeExtended = store(80, true, (fpu) => {
  if (!fpu.isEmpty(0)) {
    fpu.setConditions(C1, 0);
    return { low: fpu.low(0), high: fpu.high(0) };
  }
  return fpu.stackFault(false) ? null : { low: 0xc000000000000000n, high: 0xffff };
});

// ---- control --------------------------------------------------------------------------------

/** Pending exceptions follow the masks of a new control word. */
const newControl = stackHelper((fpu) => {
  const pending = (fpu.status & ~fpu.control & 0x3f) !== 0;
  fpu.status = pending ? fpu.status | 0x8080 : fpu.status & ~0x8080;
});

/** Bits of the control word that exist; bit 6 reads as one. */
const controlWord = (x: Instruction, value: Node): Node =>
  x.e.or(x.e.and(value, x.e.i32(0x1f3f)), x.e.i32(0x40));

const fldcw: Semantic = (x) => {
  wait(x);
  const value = x.e.load("i32", x.address(), 16);
  x.e.setState(L.X87_CONTROL, controlWord(x, value));
  x.e.call(newControl, x.e.i32(0));
};
const fnstcw: Semantic = (x) => x.e.store(x.address(), x.e.getState("i32", L.X87_CONTROL), 16);

const statusWord = (x: Instruction): Node => {
  const e = x.e;
  return e.or(e.getState("i32", L.X87_STATUS), e.shl(e.getState("i32", L.X87_TOP), e.i32(11)));
};
const fnstsw: Semantic = (x) => x.e.store(x.address(), statusWord(x), 16);
const fnstswAx: Semantic = (x) => x.e.set16(x.e.fixed(L.gpr(0)), statusWord(x));

function setStatus(x: Instruction, word: Node): void {
  const e = x.e;
  e.setState(L.X87_STATUS, e.and(word, e.i32(0xc7ff)));
  e.setState(L.X87_TOP, e.and(e.shrU(word, e.i32(11)), e.i32(7)));
}

const fnclex: Semantic = (x) => {
  const e = x.e;
  e.setState(L.X87_STATUS, e.and(e.getState("i32", L.X87_STATUS), e.i32(0x7f00)));
};
function initialize(x: Instruction): void {
  const e = x.e;
  e.setState(L.X87_CONTROL, e.i32(0x37f));
  e.setState(L.X87_STATUS, e.i32(0));
  e.setState(L.X87_TOP, e.i32(0));
  e.setState(L.X87_TAGS, e.i32(0xff));
  setPointers(x, e.i64(0), e.i64(0), e.i32(0));
}

function setPointers(x: Instruction, fip: Node, fdp: Node, fop: Node): void {
  x.e.setState(L.X87_FIP, fip);
  x.e.setState(L.X87_FDP, fdp);
  x.e.setState(L.X87_FOP, x.e.and(fop, x.e.i32(0x7ff)));
}

const tagWord = stackHelper((fpu) => fpu.tagWord(), true);

/** Bytes of the environment: seven words of 32 bits, or of 16 with an operand-size prefix. */
const environmentSize = (x: Instruction): number => x.size === 16 ? 14 : 28;
const environmentAlignment = (x: Instruction): number => x.size === 16 ? 2 : 4;

/** The environment, as FNSTENV and FNSAVE store it (Intel SDM volume 1, figures 8-9 and 8-11). */
function storeEnvironment(x: Instruction): void {
  const e = x.e;
  const bits = x.size === 16 ? 16 : 32;
  const high = bits === 16 ? 0 : 0xffff0000 | 0;
  const fip = e.wrap(e.getState("i64", L.X87_FIP));
  const fdp = e.wrap(e.getState("i64", L.X87_FDP));
  // Selectors read as zero (CPUID.7.0:EBX[13]); the opcode lies over the first of them.
  const opcode = bits === 16 ? e.i32(0) : e.shl(e.getState("i32", L.X87_FOP), e.i32(16));
  [
    e.or(e.getState("i32", L.X87_CONTROL), e.i32(high)),
    e.or(statusWord(x), e.i32(high)),
    e.or(e.call(tagWord, e.i32(0)), e.i32(high)),
    fip,
    opcode,
    fdp,
    e.i32(high),
  ].forEach((word, i) => e.store(e.add(x.address(), e.i64(i * bits / 8)), word, bits));
}
const fnstenv: Semantic = (x) => {
  x.alignmentCheck(environmentAlignment(x));
  x.probeEnds(x.e.i32(environmentSize(x)), true, false);
  storeEnvironment(x);
  const e = x.e;
  e.setState(L.X87_CONTROL, e.or(e.getState("i32", L.X87_CONTROL), e.i32(0x3f)));
  e.call(newControl, e.i32(0));
};

/** Load the environment; the loads come first, so that a fault changes nothing. */
function loadEnvironment(x: Instruction): void {
  const e = x.e;
  const bits = x.size === 16 ? 16 : 32;
  const load = (i: number, width: number): Node =>
    e.load("i32", e.add(x.address(), e.i64(i * bits / 8)), width);
  const control = load(0, 16), status = load(1, 16), tags = load(2, 16);
  const fip = load(3, bits), opcode = load(4, bits), fdp = load(5, bits);
  load(6, bits);
  e.setState(L.X87_CONTROL, controlWord(x, control));
  setStatus(x, status);
  let empty = e.i32(0);
  for (let p = 0; p < 8; p++) {
    const both = e.and(e.shrU(tags, e.i32(2 * p)), e.shrU(tags, e.i32(2 * p + 1)));
    empty = e.or(empty, e.shl(e.and(both, e.i32(1)), e.i32(p)));
  }
  e.setState(L.X87_TAGS, empty);
  const kept = bits === 16 ? e.i32(0) : e.shrU(opcode, e.i32(16));
  setPointers(x, e.zext(fip), e.zext(fdp), kept);
  e.call(newControl, e.i32(0));
}
const fldenv: Semantic = (x) => {
  wait(x);
  x.alignmentCheck(environmentAlignment(x));
  x.probeEnds(x.e.i32(environmentSize(x)), false, false);
  loadEnvironment(x);
};

/** Raw register access for FSAVE and FXSAVE: low word; the upper one in SCRATCH. */
const rawHelper: Helper = {
  name: "x87_raw",
  params: ["i32"],
  result: "i64",
  reads: [],
  writes: [],
  run: (state, i: number) => {
    const fpu = new X87(state);
    state.setUint32(L.SCRATCH, fpu.high(i), true);
    return BigInt.asIntN(64, fpu.low(i));
  },
};
/** Write ST(i) and keep its tag. */
const setRawHelper: Helper = {
  name: "x87_set_raw",
  params: ["i32", "i64", "i32"],
  result: null,
  reads: [],
  writes: [],
  run: (state, i: number, low: bigint, high: number) => {
    const fpu = new X87(state);
    const tags = fpu.tags;
    fpu.setRaw(i, BigInt.asUintN(64, low), high);
    fpu.tags = tags;
  },
};
function storeRegisters(x: Instruction, from: number, step: number): void {
  const e = x.e;
  for (let i = 0; i < 8; i++) {
    const at = (n: number): Node => e.add(x.address(), e.i64(from + step * i + n));
    e.store(at(0), e.call(rawHelper, e.i32(i)));
    const high = e.getState("i32", L.SCRATCH);
    if (step === 16) e.store(at(8), e.zext(high));
    else e.store(at(8), high, 16);
  }
}
function loadRegisters(x: Instruction, from: number, step: number): void {
  const e = x.e;
  for (let i = 0; i < 8; i++) {
    const at = (n: number): Node => e.add(x.address(), e.i64(from + step * i + n));
    const low = e.load("i64", at(0));
    e.call(setRawHelper, e.i32(i), low, e.load("i32", at(8), 16));
  }
}
const fnsave: Semantic = (x) => {
  x.alignmentCheck(environmentAlignment(x));
  x.probeEnds(x.e.i32(environmentSize(x) + 80), true, false);
  storeEnvironment(x);
  storeRegisters(x, environmentSize(x), 10);
  initialize(x);
};
const frstor: Semantic = (x) => {
  wait(x);
  x.alignmentCheck(environmentAlignment(x));
  x.probeEnds(x.e.i32(environmentSize(x) + 80), false, false);
  loadEnvironment(x);
  loadRegisters(x, environmentSize(x), 10);
};

/** The x87 part of an FXSAVE image: tags abridged to one bit a register. */
export function storeLegacy(x: Instruction): void {
  const e = x.e;
  const at = (n: number): Node => e.add(x.address(), e.i64(n));
  e.store(at(0), e.getState("i32", L.X87_CONTROL), 16);
  e.store(at(2), statusWord(x), 16);
  e.store(at(4), e.xor(e.getState("i32", L.X87_TAGS), e.i32(0xff)));
  e.store(at(6), e.getState("i32", L.X87_FOP), 16);
  for (const [n, slot] of [[8, L.X87_FIP], [16, L.X87_FDP]]) {
    const pointer = e.getState("i64", slot);
    // Without REX.W the upper half is a selector, which reads as zero (CPUID.7.0:EBX[13]).
    e.store(at(n), x.size === 64 ? pointer : e.zext(e.wrap(pointer)));
  }
  storeRegisters(x, 32, 16);
}
/** Load it; the first loads come before all writes. */
export function loadLegacy(x: Instruction): void {
  const e = x.e;
  const at = (n: number): Node => e.add(x.address(), e.i64(n));
  const control = e.load("i32", at(0), 16), status = e.load("i32", at(2), 16);
  const tags = e.load("i32", at(4), 8), opcode = e.load("i32", at(6), 16);
  const pointer = (n: number): Node =>
    x.size === 64 ? e.load("i64", at(n)) : e.zext(e.load("i32", at(n)));
  const fip = pointer(8), fdp = pointer(16);
  e.load("i64", at(152));
  e.setState(L.X87_CONTROL, controlWord(x, control));
  setStatus(x, status);
  e.setState(L.X87_TAGS, e.xor(tags, e.i32(0xff)));
  setPointers(x, fip, fdp, opcode);
  e.call(newControl, e.i32(0));
  loadRegisters(x, 32, 16);
}
/** The initial x87 configuration, registers included. */
export function resetLegacy(x: Instruction): void {
  initialize(x);
  for (let i = 0; i < 8; i++) x.e.call(setRawHelper, x.e.i32(i), x.e.i64(0), x.e.i32(0));
}

const FXSAVE_SIZE = 512;

const fxsave: Semantic = (x) => {
  const e = x.e;
  x.alignmentCheck(4);
  x.align16();
  x.probeEnds(e.i32(FXSAVE_SIZE), true, true);
  const at = (n: number): Node => e.add(x.address(), e.i64(n));
  storeLegacy(x);
  e.store(at(24), e.getState("i32", L.MXCSR));
  e.store(at(28), e.i32(0xffff));
  for (let i = 0; i < 16; i++) e.store(at(160 + 16 * i), e.getVector(e.fixed(L.vector(i))));
};
const fxrstor: Semantic = (x) => {
  const e = x.e;
  x.alignmentCheck(4);
  x.align16();
  x.probeEnds(e.i32(FXSAVE_SIZE), false, true);
  const at = (n: number): Node => e.add(x.address(), e.i64(n));
  const mxcsr = e.load("i32", at(24));
  e.if(e.gtU(mxcsr, e.i32(0xffff)), () => x.protection());
  const vectors = Array.from({ length: 16 }, (_, i) => e.load("v128", at(160 + 16 * i)));
  loadLegacy(x);
  e.setState(L.MXCSR, mxcsr);
  vectors.forEach((v, i) => e.setVector(e.fixed(L.vector(i)), v));
};

// ---- pointers -------------------------------------------------------------------------------

/** Instructions that leave the pointers, or load them. */
const CONTROL = /^f(wait|n?clex|n?init|ldcw|nst[cs]w|nstenv|ldenv|nsave|rstor|xsave|xrstor)/;

/**
 * The row with x87's pointers to the last instruction: its address always; its opcode and its operand's
 * address only if it left an exception unmasked (CPUID.7.0:EBX[6]; Intel SDM volume 1, 8.1.8 and 8.1.9).
 */
function tracked(own: Encoding): Encoding {
  if (CONTROL.test(own.name)) return own;
  const emit: Semantic = (x) => {
    const e = x.e;
    const operand = x.form === Form.Register ? null : x.address();
    own.emit(x);
    e.setState(L.X87_FIP, x.pc());
    e.if(e.and(e.getState("i32", L.X87_STATUS), e.i32(ERROR_SUMMARY)), () => {
      e.setState(L.X87_FOP, x.opcode());
      if (operand !== null) e.setState(L.X87_FDP, operand);
    });
  };
  return row(own.encoding, own.name, emit, { ...own.options, pointers: true });
}

// ---- rows -----------------------------------------------------------------------------------

const arithmeticNames = ["fadd", "fmul", "fcom", "fcomp", "fsub", "fsubr", "fdiv", "fdivr"];
const RM = { rmInRecord: true };
const stack = (encoding: string, name: string, run: Operation): Encoding =>
  row(encoding, name, onStack(run), RM);

/** Operations of DC and DE on ST(i): subtraction and division exchange their reverse forms. */
const toRegisterOrder = [
  A.Arithmetic.Add,
  A.Arithmetic.Mul,
  -1,
  -1,
  A.Arithmetic.SubReverse,
  A.Arithmetic.Sub,
  A.Arithmetic.DivReverse,
  A.Arithmetic.Div,
];
const Single = A.Memory.Single, Double = A.Memory.Double;
const Extended = A.Memory.Extended, Integer = A.Memory.Integer;
const hex = (n: number): string => n.toString(16);

const arithmeticRows: Encoding[] = arithmeticNames.flatMap((name, i) => {
  const forms: [string, string, A.Memory, number][] = [
    ["d8", name, Single, 32],
    ["dc", name, Double, 64],
    ["da", `fi${name.slice(1)}`, Integer, 32],
    ["de", `fi${name.slice(1)}`, Integer, 16],
  ];
  const rows = forms.map(([opcode, n, kind, bits]) =>
    row(`${opcode} /${i} m`, `${n} M`, memoryArithmetic(i, kind, bits))
  );
  const at = hex(0xc0 + 8 * i);
  if (i === A.Arithmetic.Com || i === A.Arithmetic.ComPop) {
    rows.push(stack(`d8 ${at}+i`, name, com(false, i - A.Arithmetic.Com)));
  } else {
    rows.push(stack(`d8 ${at}+i`, name, toTop(i)));
    const op = toRegisterOrder[i];
    const reversed = arithmeticNames[op];
    rows.push(stack(`dc ${at}+i`, reversed, toRegister(op, false)));
    rows.push(stack(`de ${at}+i`, `${reversed}p`, toRegister(op, true)));
  }
  return rows;
});

/** They check the operand's alignment themselves. */
const UNALIGNED = { unaligned: true };

export const x87: readonly Encoding[] = [
  ...arithmeticRows,
  row("d9 /0 m", "fld Md", load(Single, 32)),
  row("dd /0 m", "fld Mq", load(Double, 64)),
  row("db /5 m", "fld Mt", load(Extended, 80)),
  row("df /0 m", "fild Mw", load(Integer, 16)),
  row("db /0 m", "fild Md", load(Integer, 32)),
  row("df /5 m", "fild Mq", load(Integer, 64)),
  row(
    "df /4 m",
    "fbld Mt",
    withMemory(Extended, 80, (fpu, low, high) => fpu.push(A.fromDecimal(low, high))),
  ),
  row("d9 /2 m", "fst Md", storeFloat(F.SINGLE, false)),
  row("d9 /3 m", "fstp Md", storeFloat(F.SINGLE, true)),
  row("dd /2 m", "fst Mq", storeFloat(F.DOUBLE, false)),
  row("dd /3 m", "fstp Mq", storeFloat(F.DOUBLE, true)),
  row("db /7 m", "fstp Mt", storeExtended),
  row("df /2 m", "fist Mw", storeInteger(16, false)),
  row("df /3 m", "fistp Mw", storeInteger(16, true)),
  row("db /2 m", "fist Md", storeInteger(32, false)),
  row("db /3 m", "fistp Md", storeInteger(32, true)),
  row("df /7 m", "fistp Mq", storeInteger(64, true)),
  row("df /1 m", "fisttp Mw", storeInteger(16, true, true)),
  row("db /1 m", "fisttp Md", storeInteger(32, true, true)),
  row("dd /1 m", "fisttp Mq", storeInteger(64, true, true)),
  row("df /6 m", "fbstp Mt", store(80, true, A.toDecimal)),
  stack("d9 c0+i", "fld", loadRegister),
  stack("d9 c8+i", "fxch", exchange),
  stack("dd d0+i", "fst", storeRegister(false)),
  stack("dd d8+i", "fstp", storeRegister(true)),
  stack("dd c0+i", "ffree", (fpu, i) => {
    fpu.setConditions(C1, 0);
    fpu.setEmpty(i, true);
  }),
  stack("df c0+i", "ffreep", (fpu, i) => {
    fpu.setConditions(C1, 0);
    fpu.setEmpty(i, true);
    fpu.pop();
  }),
  stack("dd e0+i", "fucom", com(true, 0)),
  stack("dd e8+i", "fucomp", com(true, 1)),
  stack("da e9", "fucompp", com(true, 2)),
  stack("de d9", "fcompp", com(false, 2)),
  row("db e8+i", "fucomi", setsFlags(comi(true, false)), RM),
  row("db f0+i", "fcomi", setsFlags(comi(false, false)), RM),
  row("df e8+i", "fucomip", setsFlags(comi(true, true)), RM),
  row("df f0+i", "fcomip", setsFlags(comi(false, true)), RM),
  ...[2, 4, 6, 10].flatMap((cc, i) => [
    row(`da ${hex(0xc0 + 8 * i)}+i`, "fcmovcc", conditionalMove(cc), RM),
    row(`db ${hex(0xc0 + 8 * i)}+i`, "fcmovncc", conditionalMove(cc ^ 1), RM),
  ]),
  stack("d9 e0", "fchs", sign((high) => high ^ 0x8000)),
  stack("d9 e1", "fabs", sign((high) => high & 0x7fff)),
  stack("d9 e4", "ftst", test),
  stack("d9 e5", "fxam", A.examine),
  ...["fld1", "fldl2t", "fldl2e", "fldpi", "fldlg2", "fldln2", "fldz"].map((name, i) =>
    stack(`d9 ${hex(0xe8 + i)}`, name, loadConstant(i))
  ),
  stack("d9 f0", "f2xm1", T.twoToXMinus1),
  stack("d9 f1", "fyl2x", T.yLog2),
  stack("d9 f2", "fptan", (fpu) => T.trigonometric(fpu, T.Trig.Tangent)),
  stack("d9 f3", "fpatan", T.arcTangent2),
  stack("d9 f4", "fxtract", A.extract),
  stack("d9 f5", "fprem1", (fpu) => A.remainder(fpu, true)),
  stack("d9 f6", "fdecstp", rotate(-1)),
  stack("d9 f7", "fincstp", rotate(1)),
  stack("d9 f8", "fprem", (fpu) => A.remainder(fpu, false)),
  stack("d9 f9", "fyl2xp1", T.yLog2Plus1),
  stack("d9 fa", "fsqrt", A.squareRoot),
  stack("d9 fb", "fsincos", (fpu) => T.trigonometric(fpu, T.Trig.SineCosine)),
  stack("d9 fc", "frndint", A.roundToIntegral),
  stack("d9 fd", "fscale", A.scale),
  stack("d9 fe", "fsin", (fpu) => T.trigonometric(fpu, T.Trig.Sine)),
  stack("d9 ff", "fcos", (fpu) => T.trigonometric(fpu, T.Trig.Cosine)),
  row("d9 d0", "fnop", wait),
  row("9b", "fwait", wait),
  row("d9 /5 m", "fldcw Mw", fldcw),
  row("d9 /7 m", "fnstcw Mw", fnstcw),
  row("dd /7 m", "fnstsw Mw", fnstsw),
  row("df e0", "fnstsw AX", fnstswAx),
  row("db e2", "fnclex", fnclex),
  row("db e3", "fninit", initialize),
  row("d9 /6 m", "fnstenv Mv", fnstenv, UNALIGNED),
  row("d9 /4 m", "fldenv Mv", fldenv, UNALIGNED),
  row("dd /6 m", "fnsave Mv", fnsave, UNALIGNED),
  row("dd /4 m", "frstor Mv", frstor, UNALIGNED),
  row("np.0f.ae /0 m", "fxsave My", fxsave, UNALIGNED),
  row("np.0f.ae /1 m", "fxrstor My", fxrstor, UNALIGNED),
].map(tracked);
