/** FXSAVE and FXRSTOR, and the x87 part of their image, which XSAVE has too. */
import type { Node } from "../ir/types.ts";
import * as L from "../layout.ts";
import type { Instruction } from "./instruction.ts";
import type { Semantic } from "./row.ts";
import {
  controlWord,
  initialize,
  loadRegisters,
  newControl,
  setPointers,
  setRawHelper,
  setStatus,
  statusWord,
  storeRegisters,
} from "./x87_environment.ts";

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

export const fxsave: Semantic = (x) => {
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
export const fxrstor: Semantic = (x) => {
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
