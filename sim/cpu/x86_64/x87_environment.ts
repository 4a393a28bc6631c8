/** x87's control and status words, and its environment in memory: FLDCW to FRSTOR. */
import type { Helper, Node } from "../ir/types.ts";
import * as L from "../layout.ts";
import type { Instruction } from "./instruction.ts";
import type { Semantic } from "./row.ts";
import { stackHelper, wait } from "./x87_helpers.ts";
import { X87 } from "./x87_state.ts";

/** Pending exceptions follow the masks of a new control word. */
export const newControl = stackHelper((fpu) => {
  const pending = (fpu.status & ~fpu.control & 0x3f) !== 0;
  fpu.status = pending ? fpu.status | 0x8080 : fpu.status & ~0x8080;
});

/** Bits of the control word that exist; bit 6 reads as one. */
export const controlWord = (x: Instruction, value: Node): Node =>
  x.e.or(x.e.and(value, x.e.i32(0x1f3f)), x.e.i32(0x40));

export const fldcw: Semantic = (x) => {
  wait(x);
  const value = x.e.load("i32", x.address(), 16);
  x.e.setState(L.X87_CONTROL, controlWord(x, value));
  x.e.call(newControl, x.e.i32(0));
};
export const fnstcw: Semantic = (x) =>
  x.e.store(x.address(), x.e.getState("i32", L.X87_CONTROL), 16);

export const statusWord = (x: Instruction): Node => {
  const e = x.e;
  return e.or(e.getState("i32", L.X87_STATUS), e.shl(e.getState("i32", L.X87_TOP), e.i32(11)));
};
export const fnstsw: Semantic = (x) => x.e.store(x.address(), statusWord(x), 16);
export const fnstswAx: Semantic = (x) => x.e.set16(x.e.fixed(L.gpr(0)), statusWord(x));

export function setStatus(x: Instruction, word: Node): void {
  const e = x.e;
  e.setState(L.X87_STATUS, e.and(word, e.i32(0xc7ff)));
  e.setState(L.X87_TOP, e.and(e.shrU(word, e.i32(11)), e.i32(7)));
}

export const fnclex: Semantic = (x) => {
  const e = x.e;
  e.setState(L.X87_STATUS, e.and(e.getState("i32", L.X87_STATUS), e.i32(0x7f00)));
};
export function initialize(x: Instruction): void {
  const e = x.e;
  e.setState(L.X87_CONTROL, e.i32(0x37f));
  e.setState(L.X87_STATUS, e.i32(0));
  e.setState(L.X87_TOP, e.i32(0));
  e.setState(L.X87_TAGS, e.i32(0xff));
  setPointers(x, e.i64(0), e.i64(0), e.i32(0));
}

export function setPointers(x: Instruction, fip: Node, fdp: Node, fop: Node): void {
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
export const fnstenv: Semantic = (x) => {
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
export const fldenv: Semantic = (x) => {
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
export const setRawHelper: Helper = {
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
export function storeRegisters(x: Instruction, from: number, step: number): void {
  const e = x.e;
  for (let i = 0; i < 8; i++) {
    const at = (n: number): Node => e.add(x.address(), e.i64(from + step * i + n));
    e.store(at(0), e.call(rawHelper, e.i32(i)));
    const high = e.getState("i32", L.SCRATCH);
    if (step === 16) e.store(at(8), e.zext(high));
    else e.store(at(8), high, 16);
  }
}
export function loadRegisters(x: Instruction, from: number, step: number): void {
  const e = x.e;
  for (let i = 0; i < 8; i++) {
    const at = (n: number): Node => e.add(x.address(), e.i64(from + step * i + n));
    const low = e.load("i64", at(0));
    e.call(setRawHelper, e.i32(i), low, e.load("i32", at(8), 16));
  }
}
export const fnsave: Semantic = (x) => {
  x.alignmentCheck(environmentAlignment(x));
  x.probeEnds(x.e.i32(environmentSize(x) + 80), true, false);
  storeEnvironment(x);
  storeRegisters(x, environmentSize(x), 10);
  initialize(x);
};
export const frstor: Semantic = (x) => {
  wait(x);
  x.alignmentCheck(environmentAlignment(x));
  x.probeEnds(x.e.i32(environmentSize(x) + 80), false, false);
  loadEnvironment(x);
  loadRegisters(x, environmentSize(x), 10);
};
