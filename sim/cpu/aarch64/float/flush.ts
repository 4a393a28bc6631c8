/** FPCR.FZ on the operands of operations that the exact slow path does not see: comparisons, steps. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { type FloatKind, fpcr } from "./nan.ts";

const FLUSH = 1 << 24;

/** Constant of bits in every lane, or in one float. */
function constant(e: Emitter, k: FloatKind, bits: bigint, vector: boolean): Node {
  const scalar = k.int === "i64" ? e.i64(bits) : e.i32(Number(BigInt.asIntN(32, bits)));
  if (!vector) return e.op(`${k.type}.reinterpret_${k.int}`, [scalar]);
  const bytes = Array.from({ length: 16 }, (_, i) => {
    const within = 8 * (i % (16 / k.lanes));
    return Number((bits >> BigInt(within)) & 0xffn);
  });
  return e.v128(bytes);
}

/** Subnormal numbers as zeros of their sign. */
function flushed(e: Emitter, k: FloatKind, x: Node): Node {
  const vector = x.type === "v128";
  const prefix = vector ? k.shape : k.type;
  const least = constant(e, k, k.infinity & -k.infinity, vector);
  const small = e.op(`${prefix}.lt`, [e.op(`${prefix}.abs`, [x]), least]);
  const sign = constant(e, k, k.sign, true);
  if (vector) {
    return e.op("v128.bitselect", [e.op("v128.and", [x, sign]), x, small]);
  }
  // Multiplying by zero keeps the sign of a finite number.
  const zero = e.op(`${k.type}.mul`, [x, constant(e, k, 0n, false)]);
  return e.select(small, zero, x);
}

/** The operands (floats or vectors), flushed if FPCR.FZ is set. */
export function flushOperands(e: Emitter, k: FloatKind, ...operands: Node[]): Node[] {
  const variables = operands.map((x) => e.variable(x.type, x));
  e.if(e.and(fpcr(e), e.i32(FLUSH)), () => {
    operands.forEach((x, i) => e.assign(variables[i], flushed(e, k, x)));
  });
  return variables.map((v) => e.read(v));
}
