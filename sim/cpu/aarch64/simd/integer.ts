/**
 * Integer operations on vectors, element by element: functions of whole 128-bit values that the rows
 * (vector, scalar, by element) share.
 */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import {
  and,
  andNot,
  below,
  choose,
  clamp,
  elementwise,
  lane,
  not,
  or,
  permute,
  shuffle,
  splat,
  width,
  xor,
  zeros,
} from "./lanes.ts";
import { shiftElement } from "./shift_element.ts";

/** A function of two vectors with elements of `size`. */
export type Binary = (e: Emitter, size: number, a: Node, b: Node) => Node;

const bySign = (signed: boolean, name: string): string => `${name}_${signed ? "s" : "u"}`;

/** (a + b) / 2 without overflow: what both have, and half of what one has. */
export const halvingAdd = (signed: boolean): Binary => (e, size, a, b) =>
  lane(
    e,
    size,
    "add",
    and(e, a, b),
    lane(e, size, bySign(signed, "shr"), xor(e, a, b), e.i32(1)),
  );
export const roundingHalvingAdd = (signed: boolean): Binary => (e, size, a, b) =>
  lane(
    e,
    size,
    "sub",
    or(e, a, b),
    lane(e, size, bySign(signed, "shr"), xor(e, a, b), e.i32(1)),
  );
export const halvingSubtract = (signed: boolean): Binary => (e, size, a, b) =>
  lane(
    e,
    size,
    "sub",
    lane(e, size, bySign(signed, "shr"), xor(e, a, b), e.i32(1)),
    andNot(e, b, a),
  );

/** All ones where the element is negative. */
function signs(e: Emitter, size: number, a: Node): Node {
  return lane(e, size, "shr_s", a, e.i32(width(size) - 1));
}
/** The extreme value with the sign of `a`. */
function extreme(e: Emitter, size: number, a: Node): Node {
  return xor(e, signs(e, size, a), splat(e, size, (1n << BigInt(width(size) - 1)) - 1n));
}

export const saturatingAdd = (signed: boolean): Binary => (e, size, a, b) => {
  if (size < 2) return lane(e, size, bySign(signed, "add_sat"), a, b);
  const r = lane(e, size, "add", a, b);
  if (!signed) return or(e, r, below(e, size, r, a));
  const overflow = signs(e, size, and(e, xor(e, a, r), xor(e, b, r)));
  return choose(e, overflow, extreme(e, size, a), r);
};
export const saturatingSubtract = (signed: boolean): Binary => (e, size, a, b) => {
  if (size < 2) return lane(e, size, bySign(signed, "sub_sat"), a, b);
  const r = lane(e, size, "sub", a, b);
  if (!signed) return andNot(e, r, below(e, size, a, b));
  const overflow = signs(e, size, and(e, xor(e, a, b), xor(e, a, r)));
  return choose(e, overflow, extreme(e, size, a), r);
};

/** Comparison by name for signed order; `hi` and `hs` for unsigned. */
export const greater = (signed: boolean): Binary => (e, size, a, b) =>
  signed ? lane(e, size, "gt_s", a, b) : below(e, size, b, a);
export const greaterEqual = (signed: boolean): Binary => (e, size, a, b) => {
  if (signed) return lane(e, size, "ge_s", a, b);
  return size < 3 ? lane(e, size, "ge_u", a, b) : not(e, below(e, size, a, b));
};
export const equal: Binary = (e, size, a, b) => lane(e, size, "eq", a, b);
export const testBits: Binary = (e, size, a, b) => lane(e, size, "ne", and(e, a, b), zeros(e));

export const larger = (signed: boolean): Binary => (e, size, a, b) =>
  lane(e, size, bySign(signed, "max"), a, b);
export const smaller = (signed: boolean): Binary => (e, size, a, b) =>
  lane(e, size, bySign(signed, "min"), a, b);
export const difference = (signed: boolean): Binary => (e, size, a, b) =>
  lane(e, size, "sub", larger(signed)(e, size, a, b), smaller(signed)(e, size, a, b));
export const add: Binary = (e, size, a, b) => lane(e, size, "add", a, b);
export const subtract: Binary = (e, size, a, b) => lane(e, size, "sub", a, b);

/** Product modulo the element. */
export const multiply: Binary = (e, size, a, b) => {
  if (size > 0) return lane(e, size, "mul", a, b);
  const eight = e.i32(8);
  const high = (x: Node): Node => lane(e, 1, "shr_u", x, eight);
  const even = and(e, lane(e, 1, "mul", a, b), splat(e, 1, 0xff));
  return or(e, even, lane(e, 1, "shl", lane(e, 1, "mul", high(a), high(b)), eight));
};

/** Polynomial product of bytes, low eight bits. */
export const polynomialMultiply: Binary = (e, _size, a, b) => {
  let r = zeros(e);
  for (let i = 0; i < 8; i++) {
    const bit = splat(e, 0, 1 << i);
    const chosen = lane(e, 0, "eq", and(e, b, bit), bit);
    r = xor(e, r, and(e, lane(e, 0, "shl", a, e.i32(i)), chosen));
  }
  return r;
};

/** High half of the doubled product, saturating: SQDMULH and SQRDMULH. */
export const doublingHigh = (rounding: boolean): Binary => (e, size, a, b) => {
  if (size === 1) {
    if (rounding) return e.op("i16x8.q15mulr_sat_s", [a, b]);
    const part = (half: string): Node =>
      lane(e, 2, "shr_s", e.op(`i32x4.extmul_${half}_i16x8_s`, [a, b]), e.i32(15));
    return e.op("i16x8.narrow_i32x4_s", [part("low"), part("high")]);
  }
  const part = (half: string): Node => {
    const product = e.op(`i64x2.extmul_${half}_i32x4_s`, [a, b]);
    const rounded = rounding ? lane(e, 3, "add", product, splat(e, 3, 1n << 30n)) : product;
    return lane(e, 3, "shr_s", rounded, e.i32(31));
  };
  const r = permute(e, 2, part("low"), part("high"), (i) => 2 * i);
  // 2^31, the only result that does not fit, comes from the least number squared.
  const overflow = lane(e, 2, "eq", r, splat(e, 2, 0x80000000n));
  return xor(e, r, overflow);
};

/** SQRDMLAH and SQRDMLSH (sizes H and S). */
export function doublingHighAccumulate(
  e: Emitter,
  size: number,
  accumulator: Node,
  a: Node,
  b: Node,
  subtracts: boolean,
): Node {
  const bits = width(size);
  const name = subtracts ? "sqrdmlsh" : "sqrdmlah";
  return elementwise(e, name, size, true, [accumulator, a, b], (f, c, x, y) => {
    const scaled = f.add(f.shl(c, f.i64(bits - 1)), f.i64(1n << BigInt(bits - 2)));
    const sum = f.int(subtracts ? "sub" : "add", scaled, f.mul(x, y));
    return clamp(f, f.shrS(sum, f.i64(bits - 1)), bits, true);
  });
}

/** SSHL, USHL and their rounding and saturating forms: the shift is each element's low byte. */
export const shiftBy = (signed: boolean, rounding: boolean, saturating: boolean): Binary =>
(
  e,
  size,
  a,
  b,
) => {
  const name = `${signed ? "s" : "u"}${saturating ? "q" : ""}${rounding ? "r" : ""}shl`;
  return elementwise(e, name, size, [signed, true], [a, b], (f, x, y) => {
    const by = f.op("i64.extend8_s", [y]);
    return shiftElement(f, x, by, width(size), signed, rounding, saturating ? signed : null);
  });
};

/** SQSHLU: signed to the left, saturating to unsigned. */
export function shiftLeftUnsigned(e: Emitter, size: number, a: Node, b: Node): Node {
  return elementwise(e, "sqshlu", size, true, [a, b], (f, x, y) => {
    const by = f.op("i64.extend8_s", [y]);
    return shiftElement(f, x, by, width(size), true, false, false);
  });
}

/** SUQADD (`signed`) and USQADD: accumulator plus an operand of the other signedness. */
export function mixedAdd(
  e: Emitter,
  size: number,
  accumulator: Node,
  a: Node,
  signed: boolean,
): Node {
  const name = signed ? "suqadd" : "usqadd";
  return elementwise(e, name, size, [signed, !signed], [accumulator, a], (f, c, x) => {
    if (size < 3) return clamp(f, f.add(c, x), width(size), signed);
    const r = f.add(c, x);
    if (signed) {
      // Adding an unsigned number can only grow: overflow if the sum is below.
      return f.select(f.ltS(r, c), f.i64((1n << 63n) - 1n), r);
    }
    const negative = f.ltS(x, f.i64(0));
    const carried = f.select(f.ltU(r, c), f.i64(-1), r);
    const borrowed = f.select(f.gtU(r, c), f.i64(0), r);
    return f.select(negative, borrowed, carried);
  });
}

/** Count of leading zeros, or of leading sign bits less one. */
export function leading(e: Emitter, size: number, a: Node, zero: boolean): Node {
  return elementwise(e, zero ? "vclz" : "vcls", size, !zero, [a], (f, x) => {
    const bits = width(size);
    if (zero) return f.sub(f.clz(x), f.i64(64 - bits));
    return f.sub(f.clz(f.xor(x, f.shrS(x, f.i64(1)))), f.i64(65 - bits));
  });
}

/** Bits of every byte reversed. */
export function reverseBits(e: Emitter, a: Node): Node {
  const swap = (x: Node, by: number, mask: number): Node => {
    const m = splat(e, 0, mask);
    return or(
      e,
      and(e, lane(e, 0, "shr_u", x, e.i32(by)), m),
      lane(e, 0, "shl", and(e, x, m), e.i32(by)),
    );
  };
  return swap(swap(swap(a, 1, 0x55), 2, 0x33), 4, 0x0f);
}

/** Elements of `size` reversed within containers of `1 << container` bytes. */
export function reverseElements(e: Emitter, size: number, container: number, a: Node): Node {
  return shuffle(
    e,
    a,
    a,
    (i) => i ^ ((1 << container) - 1) ^ ((1 << size) - 1),
  );
}

/** SQABS and SQNEG. */
export function saturatingAbsolute(e: Emitter, size: number, a: Node): Node {
  const r = lane(e, size, "abs", a);
  // Only the least number stays negative: one less is the greatest.
  return lane(e, size, "add", r, signs(e, size, r));
}
export function saturatingNegate(e: Emitter, size: number, a: Node): Node {
  return saturatingSubtract(true)(e, size, zeros(e), a);
}

/** Pairs of neighbours added, in elements twice as wide. */
export function pairwiseLong(e: Emitter, size: number, a: Node, signed: boolean): Node {
  if (size === 0) return e.op(`i16x8.extadd_pairwise_i8x16_${signed ? "s" : "u"}`, [a]);
  if (size === 1) return e.op(`i32x4.extadd_pairwise_i16x8_${signed ? "s" : "u"}`, [a]);
  const shift = signed ? "shr_s" : "shr_u";
  const by = e.i32(32);
  const low = lane(e, 3, shift, lane(e, 3, "shl", a, by), by);
  return lane(e, 3, "add", low, lane(e, 3, shift, a, by));
}
