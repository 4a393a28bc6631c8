/**
 * Limits of results that need no second look. They are in state memory, and all zero while FPCR's state word is not
 * zero, so that one comparison answers for both.
 */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { FLOAT_LIMITS } from "../../layout.ts";
import type { FloatKind } from "./nan.ts";

/** Where a limit is; of a float's bits without the sign, and less the two lowest exponents if those are excluded. */
interface Limit {
  readonly at: number;
  readonly limit: bigint;
}
const limits: Record<FloatKind["type"], Record<"finite" | "ordinary", Limit>> = {
  f64: {
    finite: { at: FLOAT_LIMITS, limit: 2047n << 53n },
    ordinary: { at: FLOAT_LIMITS + 8, limit: 2045n << 53n },
  },
  f32: {
    finite: { at: FLOAT_LIMITS + 16, limit: 255n << 24n },
    ordinary: { at: FLOAT_LIMITS + 20, limit: 253n << 24n },
  },
};

const constant = (e: Emitter, k: FloatKind, x: bigint): Node =>
  k.int === "i64" ? e.i64(x) : e.i32(Number(BigInt.asIntN(32, x)));

/** The exponent and significand of a float, from the second normal exponent on, with zero after the lowest bit. */
export function aboveLeast(e: Emitter, k: FloatKind, x: Node): Node {
  const magnitude = e.shl(e.op(`${k.int}.reinterpret_${k.type}`, [x]), constant(e, k, 1n));
  return e.sub(magnitude, constant(e, k, k.type === "f64" ? 2n << 53n : 2n << 24n));
}
/** Whether a float is finite, and larger in magnitude than the least normal numbers. */
export function isOrdinary(e: Emitter, k: FloatKind, x: Node): Node {
  return e.ltU(aboveLeast(e, k, x), constant(e, k, limits[k.type].ordinary.limit));
}

/** Whether a result has to be looked at: it is not finite, or FPCR's state word is not zero. */
export function isBeyond(e: Emitter, k: FloatKind, x: Node): Node {
  const magnitude = e.shl(e.op(`${k.int}.reinterpret_${k.type}`, [x]), constant(e, k, 1n));
  return e.geU(magnitude, e.getState(k.int, limits[k.type].finite.at));
}
/** The same of one that may have underflowed: it is not ordinary, or FPCR's state word is not zero. */
export function isExtreme(e: Emitter, k: FloatKind, x: Node): Node {
  return e.geU(aboveLeast(e, k, x), e.getState(k.int, limits[k.type].ordinary.at));
}

/** Set the limits for FPCR's state word. */
export function setLimits(e: Emitter, word: Node): void {
  for (const type of ["f64", "f32"] as const) {
    for (const { at, limit } of Object.values(limits[type])) {
      const [some, none] = type === "f64" ? [e.i64(limit), e.i64(0)] : [
        e.i32(Number(BigInt.asIntN(32, limit))),
        e.i32(0),
      ];
      e.setState(at, e.select(word, none, some));
    }
  }
}
/** The same on the host. */
export function putLimits(state: DataView, word: number): void {
  for (const { at, limit } of Object.values(limits.f64)) {
    state.setBigUint64(at, word === 0 ? limit : 0n, true);
  }
  for (const { at, limit } of Object.values(limits.f32)) {
    state.setUint32(at, word === 0 ? Number(limit) : 0, true);
  }
}
