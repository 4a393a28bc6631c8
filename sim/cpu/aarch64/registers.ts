/** Reading and writing operands at a width that is a static of the row. */
import type { Emitter } from "../ir/emitter.ts";
import type { Node } from "../ir/types.ts";

/** General register operand `i`: i64 if `sf`, else i32. */
export function get(e: Emitter, i: number, sf: number): Node {
  return sf ? e.get64(e.reg(i)) : e.get32(e.reg(i));
}

/** Write general register operand `i`, by the type of `value`; an i32 clears the upper half. */
export function set(e: Emitter, i: number, value: Node): void {
  if (value.type === "i64") e.set64(e.reg(i), value);
  else e.set32(e.reg(i), value);
}

/** Integer constant of the width. */
export function constant(e: Emitter, value: number, sf: number): Node {
  return sf ? e.i64(value) : e.i32(value);
}

/** Immediate 0 or 1 at the width; immediate 1 is sign-extended. */
export function immediate(e: Emitter, i: 0 | 1, sf: number): Node {
  return sf ? e.imm(i) : e.imm32(i);
}

/** As i64, zero-extended. */
export function wide(e: Emitter, value: Node): Node {
  return value.type === "i64" ? value : e.zext(value);
}

/** The i32 truth value as an integer of the width. */
export function truth(e: Emitter, value: Node, sf: number): Node {
  return sf ? e.zext(value) : value;
}

/** Sixteen zero bytes. */
export function zeroVector(e: Emitter): Node {
  return e.v128(new Uint8Array(16));
}

/** Write vector operand `i` with `value` (i32, i64, f32, f64) in its low lane and zeros above. */
export function setScalar(e: Emitter, i: number, value: Node): void {
  const shape = value.type === "i32"
    ? "i32x4"
    : value.type === "i64"
    ? "i64x2"
    : value.type === "f32"
    ? "f32x4"
    : "f64x2";
  e.setVector(e.reg(i), e.op(`${shape}.replace_lane`, [zeroVector(e), value], 0));
}
