/** Between elements of one width and those of twice the width. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { choose, joinLow, lane, permute, splat, width, zeros } from "./lanes.ts";

const SHAPES = ["i8x16", "i16x8", "i32x4", "i64x2"];

/** The low (or high) half of `a`, of elements of `size`, extended to twice the width. */
export function extendHalf(
  e: Emitter,
  size: number,
  a: Node,
  high: number,
  signed: boolean,
): Node {
  const half = high ? "high" : "low";
  return e.op(`${SHAPES[size + 1]}.extend_${half}_${SHAPES[size]}_${signed ? "s" : "u"}`, [a]);
}
/** Products of the low (or high) halves, twice as wide. */
export function multiplyHalf(
  e: Emitter,
  size: number,
  a: Node,
  b: Node,
  high: number,
  signed: boolean,
): Node {
  const half = high ? "high" : "low";
  const name = `${SHAPES[size + 1]}.extmul_${half}_${SHAPES[size]}_${signed ? "s" : "u"}`;
  return e.op(name, [a, b]);
}

/** Low parts of elements of size + 1 as elements of `size`, in the low half. */
export function narrow(e: Emitter, size: number, a: Node): Node {
  return permute(e, size, a, zeros(e), (i) => i < 64 / width(size) ? 2 * i : 128 / width(size));
}

/** Saturation: from signed or unsigned, to signed or unsigned. */
export interface Saturation {
  readonly from: boolean;
  readonly to: boolean;
}

/** The same with saturation: elements clamped, then narrowed. */
export function narrowSaturating(e: Emitter, size: number, a: Node, s: Saturation): Node {
  const bits = BigInt(width(size));
  const high = (1n << (s.to ? bits - 1n : bits)) - 1n;
  if (size < 2) {
    const limited = s.from ? a : lane(e, size + 1, "min_u", a, splat(e, size + 1, high));
    const name = `${SHAPES[size]}.narrow_${SHAPES[size + 1]}_${s.to ? "s" : "u"}`;
    return e.op(name, [limited, zeros(e)]);
  }
  const most = splat(e, 3, high);
  const above = s.from
    ? lane(e, 3, "gt_s", a, most)
    : lane(e, 3, "ne", lane(e, 3, "shr_u", a, e.i32(Number(bits))), zeros(e));
  let r = choose(e, above, most, a);
  if (s.from) {
    const least = splat(e, 3, s.to ? -(1n << (bits - 1n)) : 0n);
    r = choose(e, lane(e, 3, "lt_s", r, least), least, r);
  }
  return narrow(e, size, r);
}

/** Write a narrowed result: to the low half, or (Q) to the high half, keeping the low one. */
export function writeHalf(e: Emitter, low: Node, q: number): void {
  const d = e.reg(0);
  e.setVector(d, joinLow(e, q ? e.getVector(d) : low, q ? low : zeros(e)));
}
