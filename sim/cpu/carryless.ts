/** Products of polynomials over GF(2), for both architectures. */
import type { Helper } from "./ir/types.ts";

/** Product of two 64-bit polynomials over GF(2): 128 bits, one bit of `b` after the other. */
export const polynomialProduct: Helper = {
  name: "polynomial_product",
  params: ["i64", "i64"],
  result: "v128",
  reads: [],
  writes: [],
  build(e, a, b) {
    const low = e.variable("i64", e.i64(0));
    const high = e.variable("i64", e.i64(0));
    const rest = e.variable("i64", b);
    // From the top bit down: double the product, then add `a` where the bit is set.
    const left = e.variable("i32", e.i32(64));
    e.loop(() => {
      const carry = e.shrU(e.read(low), e.i64(63));
      e.assign(high, e.or(e.shl(e.read(high), e.i64(1)), carry));
      const chosen = e.and(a, e.shrS(e.read(rest), e.i64(63)));
      e.assign(low, e.xor(e.shl(e.read(low), e.i64(1)), chosen));
      e.assign(rest, e.shl(e.read(rest), e.i64(1)));
      e.assign(left, e.sub(e.read(left), e.i32(1)));
      e.continueIf(e.read(left));
    });
    const vector = e.op("i64x2.splat", [e.read(low)]);
    return e.op("i64x2.replace_lane", [vector, e.read(high)], 1);
  },
};
