/** Shift of one element by a signed amount, as SSHL and its relatives define it. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { clamp } from "./lanes.ts";

/**
 * `x` (i64, an element of `bits` extended as `signed` says) shifted left by `by` (i64), or right if
 * that is negative.
 *
 * @param saturate the signedness of the result that a left shift saturates to, or null
 */
export function shiftElement(
  e: Emitter,
  x: Node,
  by: Node,
  bits: number,
  signed: boolean,
  rounding: boolean,
  saturate: boolean | null,
): Node {
  const result = e.variable("i64");
  e.if(
    e.ltS(by, e.i64(0)),
    () => e.assign(result, right(e, x, e.neg(by), bits, signed, rounding, saturate)),
    () => e.assign(result, left(e, x, by, bits, signed, saturate)),
  );
  return e.read(result);
}

/** Right by 1 to 128. */
function right(
  e: Emitter,
  x: Node,
  by: Node,
  bits: number,
  signed: boolean,
  rounding: boolean,
  saturate: boolean | null,
): Node {
  const shift = (value: Node, amount: Node): Node =>
    signed ? e.shrS(value, amount) : e.shrU(value, amount);
  // Beyond 63 bits only the sign is left; a narrower element is there long before.
  const capped = e.select(e.gtS(by, e.i64(63)), e.i64(63), by);
  let r = shift(x, capped);
  if (bits === 64 && !signed) r = e.select(e.gtS(by, e.i64(63)), e.i64(0), r);
  if (rounding) {
    const last = e.and(e.shrU(x, e.sub(capped, e.i64(1))), e.i64(1));
    if (bits < 64) r = e.add(r, last);
    else {
      // By exactly 64, the last bit out is the top one; by more, the rounded result is 0.
      const top = signed ? e.i64(0) : e.shrU(x, e.i64(63));
      const far = e.select(e.eq(by, e.i64(64)), top, e.i64(0));
      r = e.select(e.gtS(by, e.i64(63)), far, e.add(r, last));
    }
  }
  // Only a negative number going unsigned is out of range here.
  return saturate === false && signed ? e.select(e.ltS(r, e.i64(0)), e.i64(0), r) : r;
}

/** Left by 0 to 127. */
function left(
  e: Emitter,
  x: Node,
  by: Node,
  bits: number,
  signed: boolean,
  saturate: boolean | null,
): Node {
  const far = e.geS(by, e.i64(bits));
  if (saturate === null) return e.select(far, e.i64(0), e.shl(x, by));
  if (bits < 64) {
    // An element of at most 32 bits, shifted by its width, still fits 64 bits.
    const capped = e.select(far, e.i64(bits), by);
    const r = e.shl(x, capped);
    if (signed) return clamp(e, r, bits, saturate);
    const most = e.i64((1n << BigInt(bits)) - 1n);
    return e.select(e.gtU(r, most), most, r);
  }
  const r = e.shl(x, by);
  const back = saturate ? e.shrS(r, by) : e.shrU(r, by);
  const fits = e.and(e.eq(back, x), e.eqz(far));
  const negative = e.ltS(x, e.i64(0));
  const limit = saturate
    ? e.select(negative, e.i64(-(1n << 63n)), e.i64((1n << 63n) - 1n))
    : signed
    ? e.select(negative, e.i64(0), e.i64(-1))
    : e.i64(-1);
  const fitting = signed && !saturate ? e.and(fits, e.eqz(negative)) : fits;
  return e.select(e.or(fitting, e.eqz(x)), r, limit);
}
