/**
 * 64 × 64 → 128 bit products and 128 / 64 bit quotients, in IR.
 */
import type { Emitter } from "../ir/emitter.ts";
import type { Helper, Node } from "../ir/types.ts";

/** High half of the unsigned product: schoolbook multiplication of 32-bit digits. */
export function unsignedHigh(e: Emitter, a: Node, b: Node): Node {
  const low = (x: Node): Node => e.and(x, e.i64(0xffffffffn));
  const high = (x: Node): Node => e.shrU(x, e.i64(32));
  const al = low(a), ah = high(a), bl = low(b), bh = high(b);
  const first = e.add(e.mul(ah, bl), high(e.mul(al, bl)));
  const second = e.add(e.mul(al, bh), low(first));
  return e.add(e.add(e.mul(ah, bh), high(first)), high(second));
}

/** High half of the signed product. */
export function signedHigh(e: Emitter, a: Node, b: Node): Node {
  const fix = (x: Node, y: Node): Node => e.and(e.shrS(x, e.i64(63)), y);
  return e.sub(e.sub(unsignedHigh(e, a, b), fix(a, b)), fix(b, a));
}

/** Quotient of `high:low / divisor`, unsigned, where `high < divisor`: restoring division, bit by bit. */
export const divide128: Helper = {
  name: "x86_divide128",
  params: ["i64", "i64", "i64"],
  result: "i64",
  reads: [],
  writes: [],
  build(e, high, low, divisor) {
    const rest = e.variable("i64", high);
    const quotient = e.variable("i64", low);
    const left = e.variable("i32", e.i32(64));
    e.loop(() => {
      // rest:quotient moves left by one; the bit that leaves rest makes it larger than any divisor.
      const out = e.wrap(e.shrU(e.read(rest), e.i64(63)));
      const next = e.or(
        e.shl(e.read(rest), e.i64(1)),
        e.shrU(e.read(quotient), e.i64(63)),
      );
      const fits = e.or(out, e.geU(next, divisor));
      e.assign(rest, e.select(fits, e.sub(next, divisor), next));
      e.assign(quotient, e.or(e.shl(e.read(quotient), e.i64(1)), e.zext(fits)));
      e.assign(left, e.sub(e.read(left), e.i32(1)));
      e.continueIf(e.read(left));
    });
    return e.read(quotient);
  },
};
