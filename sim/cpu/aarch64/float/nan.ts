/**
 * NaN processing (DDI 0487, shared/functions/float/fpprocessnans): a signalling operand wins over a
 * quiet one, then the order of the operands decides; the result is quiet, or the default NaN if
 * FPCR.DN is set.
 */
import type { Emitter } from "../../ir/emitter.ts";
import type { Helper, Node, Type } from "../../ir/types.ts";
import { pure } from "../multiply.ts";
import { Exception, fpcr, raise } from "./status.ts";

/** What differs between single (`float[0]`) and double (`float[1]`) precision. */
export interface FloatKind {
  readonly type: "f32" | "f64";
  readonly int: "i32" | "i64";
  readonly shape: "f32x4" | "f64x2";
  readonly intShape: "i32x4" | "i64x2";
  readonly lanes: 2 | 4;
  readonly sign: bigint;
  readonly infinity: bigint;
  readonly quiet: bigint;
  readonly defaultNaN: bigint;
}
export const float: readonly [FloatKind, FloatKind] = [
  {
    type: "f32",
    int: "i32",
    shape: "f32x4",
    intShape: "i32x4",
    lanes: 4,
    sign: 0x80000000n,
    infinity: 0x7f800000n,
    quiet: 0x00400000n,
    defaultNaN: 0x7fc00000n,
  },
  {
    type: "f64",
    int: "i64",
    shape: "f64x2",
    intShape: "i64x2",
    lanes: 2,
    sign: 0x8000000000000000n,
    infinity: 0x7ff0000000000000n,
    quiet: 0x0008000000000000n,
    defaultNaN: 0x7ff8000000000000n,
  },
];

/** Integer constant as wide as the float. */
export function bitsConstant(e: Emitter, k: FloatKind, value: bigint): Node {
  return k.int === "i64" ? e.i64(value) : e.i32(Number(BigInt.asIntN(32, value)));
}
/** A vector constant with the bits in every lane. */
export function constantVector(e: Emitter, k: FloatKind, bits: bigint): Node {
  return e.v128(
    Array.from(
      { length: 16 },
      (_, i) => Number((bits >> BigInt(8 * (i % (16 / k.lanes)))) & 0xffn),
    ),
  );
}
/** The float's bits, and back. */
export function toBits(e: Emitter, k: FloatKind, x: Node): Node {
  return e.op(`${k.int}.reinterpret_${k.type}`, [x]);
}
export function fromBits(e: Emitter, k: FloatKind, bits: Node): Node {
  return e.op(`${k.type}.reinterpret_${k.int}`, [bits]);
}

/** FPCR.FZ and FPCR.DN. */
const FLUSH = 1 << 24;
const DEFAULT_NAN = 1 << 25;

/** Whether bits are a NaN, and a signalling one. */
export function isNaNBits(e: Emitter, k: FloatKind, bits: Node): Node {
  return e.gtU(e.and(bits, bitsConstant(e, k, k.sign - 1n)), bitsConstant(e, k, k.infinity));
}
export function isSignalling(e: Emitter, k: FloatKind, bits: Node): Node {
  const quiet = bitsConstant(e, k, k.quiet);
  const flipped = e.xor(e.and(bits, bitsConstant(e, k, k.sign - 1n)), quiet);
  return e.gtU(flipped, bitsConstant(e, k, k.infinity | k.quiet));
}

/** Whether bits are a subnormal number. */
function isSubnormal(e: Emitter, k: FloatKind, bits: Node): Node {
  const magnitude = e.and(bits, bitsConstant(e, k, k.sign - 1n));
  const least = k.infinity & -k.infinity;
  const below = e.sub(magnitude, bitsConstant(e, k, 1n));
  return e.ltU(below, bitsConstant(e, k, least - 1n));
}

/** IR function: NaN result of operations on operands of which at least one is a NaN. */
function processing(k: FloatKind, count: number): Helper {
  const params = Array.from({ length: count }, () => k.int as Type);
  return pure(`aarch64.nan${count}_${k.type}`, params, k.int, (e, ...operands) => {
    const signalling = operands.map((x) => isSignalling(e, k, x)).reduce((a, b) => e.or(a, b));
    e.if(signalling, () => raise(e, Exception.Invalid));
    // Operands are flushed, and tell of it, before NaNs are looked at.
    const subnormal = operands.map((x) => isSubnormal(e, k, x)).reduce((a, b) => e.or(a, b));
    const flushes = e.ne(e.and(fpcr(e), e.i32(FLUSH)), e.i32(0));
    e.if(e.and(subnormal, flushes), () => raise(e, Exception.InputDenormal));
    e.if(
      e.and(fpcr(e), e.i32(DEFAULT_NAN)),
      () => e.return(bitsConstant(e, k, k.defaultNaN)),
    );
    const quiet = bitsConstant(e, k, k.quiet);
    for (const x of operands) {
      e.if(isSignalling(e, k, x), () => e.return(e.or(x, quiet)));
    }
    for (const x of operands.slice(0, -1)) {
      e.if(isNaNBits(e, k, x), () => e.return(x));
    }
    return operands[count - 1];
  });
}
const helpers = float.map((k) => [1, 2, 3].map((n) => processing(k, n)));

/** NaN result (as bits) for these operands (as bits), at least one of which is a NaN. */
export function processNaNs(e: Emitter, k: FloatKind, ...operands: Node[]): Node {
  return e.call(helpers[k.lanes === 4 ? 0 : 1][operands.length - 1], ...operands);
}
