/** FPCR.FZ and NaNs in operations that the exact slow path does not see: comparisons, steps. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { pure } from "../multiply.ts";
import { constantVector, float, type FloatKind, isNaNBits, isSignalling } from "./nan.ts";
import { Exception, fpcr, raise } from "./status.ts";

const FLUSH = 1 << 24;

/** IR functions: subnormal lanes as zeros of their sign, which raises InputDenormal. */
const flushedHelpers = float.map((k) =>
  pure(`aarch64.flush_${k.shape}`, ["v128"], "v128", (e, x) => {
    const least = constantVector(e, k, k.infinity & -k.infinity);
    const small = e.op(`${k.shape}.lt`, [e.op(`${k.shape}.abs`, [x]), least]);
    const zero = e.op(`${k.shape}.eq`, [x, constantVector(e, k, 0n)]);
    const subnormal = e.op("v128.andnot", [small, zero]);
    e.if(e.op("v128.any_true", [subnormal]), () => raise(e, Exception.InputDenormal));
    const sign = e.op("v128.and", [x, constantVector(e, k, k.sign)]);
    return e.op("v128.bitselect", [sign, x, small]);
  })
);
/** IR functions of two vectors: raise Invalid if a lane of either is a NaN, or a signalling one. */
const invalidHelpers = [false, true].map((quiet) =>
  float.map((k) =>
    pure(`aarch64.compare${quiet ? "e" : ""}_${k.shape}`, ["v128", "v128"], "i32", (e, a, b) => {
      for (const x of [a, b]) {
        for (let i = 0; i < k.lanes; i++) {
          const bits = e.op(`${k.intShape}.extract_lane`, [x], i);
          e.if(
            (quiet ? isNaNBits : isSignalling)(e, k, bits),
            () => raise(e, Exception.Invalid),
          );
        }
      }
      return e.i32(0);
    })
  )
);

const index = (k: FloatKind): 0 | 1 => k.lanes === 4 ? 0 : 1;
/** A float in every lane; a vector as it is. */
function asVector(e: Emitter, k: FloatKind, x: Node): Node {
  return x.type === "v128" ? x : e.op(`${k.shape}.splat`, [x]);
}
function flushed(e: Emitter, k: FloatKind, x: Node): Node {
  const r = e.call(flushedHelpers[index(k)], asVector(e, k, x));
  return x.type === "v128" ? r : e.op(`${k.shape}.extract_lane`, [r], 0);
}

/** The operands (floats or vectors), flushed if FPCR.FZ is set. */
export function flushOperands(e: Emitter, k: FloatKind, ...operands: Node[]): Node[] {
  const variables = operands.map((x) => e.variable(x.type, x));
  e.if(e.and(fpcr(e), e.i32(FLUSH)), () => {
    operands.forEach((x, i) => e.assign(variables[i], flushed(e, k, x)));
  });
  return variables.map((v) => e.read(v));
}

/** Whether some float of either is a NaN; of infinities, it may be said too. */
function mayBeUnordered(e: Emitter, k: FloatKind, a: Node, b: Node): Node {
  const vector = a.type === "v128";
  const shape = vector ? k.shape : k.type;
  const sum = e.op(`${shape}.add`, [a, b]);
  const unequal = e.op(`${shape}.ne`, [sum, sum]);
  return vector ? e.op("v128.any_true", [unequal]) : unequal;
}

/**
 * The operands of a comparison: flushed if FPCR.FZ is set, and Invalid raised for a NaN if the
 * comparison `signals`, else for a signalling NaN.
 */
export function comparands(
  e: Emitter,
  k: FloatKind,
  signals: boolean,
  a: Node,
  b: Node,
): [Node, Node] {
  const [x, y] = [e.variable(a.type, a), e.variable(b.type, b)];
  const flushes = e.and(fpcr(e), e.i32(FLUSH));
  e.if(e.or(mayBeUnordered(e, k, a, b), flushes), () => {
    e.call(invalidHelpers[signals ? 1 : 0][index(k)], asVector(e, k, a), asVector(e, k, b));
    e.if(flushes, () => {
      e.assign(x, flushed(e, k, a));
      e.assign(y, flushed(e, k, b));
    });
  });
  return [e.read(x), e.read(y)];
}
