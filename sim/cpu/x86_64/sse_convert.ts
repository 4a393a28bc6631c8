/** SSE conversions between integers and floats, between float formats, and ROUNDxx. */
import type { Emitter } from "../ir/emitter.ts";
import type { Node } from "../ir/types.ts";
import { MXCSR } from "../layout.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, row, type Semantic } from "./row.ts";
import { raiseFlag } from "./sse_exceptions.ts";
import { integerStandsDouble, integerStandsSingle, narrowingStands, PE } from "./sse_exact.ts";
import {
  anyNan,
  flushed,
  guarded,
  source,
  special,
  toBits,
  toFloat,
  unusualMode,
  unusualOrExact,
  write,
} from "./sse_float.ts";
import { FloatOp, Shape } from "./sse_float_slow.ts";

/** Rounding operations in the order of the RC field. */
const roundings = ["nearest", "floor", "ceil", "trunc"];

const shapes: Record<string, Shape> = {
  f32: Shape.S1,
  f32x4: Shape.S4,
  f64: Shape.D1,
  f64x2: Shape.D2,
};

/** Denormals made zeros if MXCSR asks for it: they matter where rounding is directed. */
function withoutDenormals(x: Instruction, shape: string, v: Node): Node {
  return toFloat(x, flushed(x, shapes[shape], toBits(x, v)));
}

/** `v` rounded to integral in MXCSR's mode; `shape` is f32, f64, f32x4 or f64x2. */
function roundByMode(x: Instruction, shape: string, v: Node): Node {
  const e = x.e;
  const result = e.variable(v.type, e.op(`${shape}.nearest`, [v]));
  const mode = e.and(e.getState("i32", MXCSR), e.i32(0x6000));
  e.if(mode, () => {
    v = withoutDenormals(x, shape, v);
    for (let rc = 1; rc < 4; rc++) {
      e.if(
        e.eq(mode, e.i32(rc << 13)),
        () => e.assign(result, e.op(`${shape}.${roundings[rc]}`, [v])),
      );
    }
  });
  return e.read(result);
}

const IE = 1;

/** Set a sticky flag of MXCSR, or fault if it is not masked. */
function raise(x: Instruction, flag: number): void {
  x.report(raiseFlag(x, flag));
}

/** Flags of a conversion to integers: invalid unless it `fits`, else inexact if `inexact`. */
function integerFlags(x: Instruction, fits: Node, inexact: () => Node): void {
  const e = x.e;
  e.if(e.eqz(fits), () => raise(x, IE));
  // PE is sticky, but unmasked it faults every time.
  const settled = e.eq(e.and(e.getState("i32", MXCSR), e.i32(0x1020)), e.i32(0x1020));
  e.if(e.and(fits, e.eqz(settled)), () => e.if(inexact(), () => raise(x, PE)));
}

/** The same for vectors: `fits` a mask of lanes, `differs` where a result is not its source. */
function vectorIntegerFlags(x: Instruction, fits: Node, differs: () => Node): void {
  const e = x.e;
  e.if(e.op("v128.any_true", [e.op("v128.not", [fits])]), () => raise(x, IE));
  const settled = e.eq(e.and(e.getState("i32", MXCSR), e.i32(0x1020)), e.i32(0x1020));
  e.if(e.eqz(settled), () => {
    e.if(e.op("v128.any_true", [e.op("v128.and", [fits, differs()])]), () => raise(x, PE));
  });
}

/** CVTxx2SI and CVTTxx2SI: the integer indefinite value where the result does not fit. */
function toInteger(type: "f32" | "f64", truncate: boolean): Semantic {
  return (x) => {
    const e = x.e;
    const v = type === "f64" ? x.f64(1) : x.f32(1);
    const r = truncate ? v : roundByMode(x, type, v);
    const wide = x.size === 64;
    const constant = (n: number): Node => {
      const bits = new DataView(new ArrayBuffer(8));
      if (type === "f32") {
        bits.setFloat32(0, n);
        return e.op("f32.reinterpret_i32", [e.i32(bits.getInt32(0))]);
      }
      bits.setFloat64(0, n);
      return e.op("f64.reinterpret_i64", [e.i64(bits.getBigUint64(0))]);
    };
    const limit = 2 ** (x.size - 1);
    const below = e.op(`${type}.lt`, [r, constant(limit)]);
    // Truncation also takes values between the least integer and one less, where they exist.
    const above = type === "f64" && !wide && truncate
      ? e.op("f64.gt", [r, constant(-limit - 1)])
      : e.op(`${type}.ge`, [r, constant(-limit)]);
    const integer = e.op(`${wide ? "i64" : "i32"}.trunc_sat_${type}_s`, [r]);
    const indefinite = wide ? e.i64(1n << 63n) : e.i32(1 << 31);
    const fits = e.and(below, above);
    const whole = truncate ? e.op(`${type}.trunc`, [v]) : r;
    integerFlags(x, fits, () => e.op(`${type}.ne`, [whole, withoutDenormals(x, type, v)]));
    x.setReg(x.register(0), e.select(fits, integer, indefinite), x.size);
  };
}

/** CVTSI2xx. */
function fromInteger(type: "f32" | "f64"): Semantic {
  return (x) => {
    const e = x.e;
    const n = x.get(1);
    const fast = toBits(x, e.op(`${type}.convert_${n.type}_s`, [n]));
    // 32-bit integers are exact doubles.
    if (type === "f64" && x.size === 32) return x.setLow(0, fast);
    const op = x.size === 64 ? FloatOp.FromInt64 : FloatOp.FromInt32;
    const shape = type === "f64" ? Shape.D1 : Shape.S1;
    const helper = type === "f64" ? integerStandsDouble : integerStandsSingle;
    const wide = n.type === "i64" ? n : e.sext(n);
    const stand = (): Node => e.call(helper, wide, toFloat(x, fast));
    x.setLow(0, guarded(x, fast, unusualOrExact(x), op, shape, null, n, stand));
  };
}

/** CVTSS2SD, CVTSD2SS. */
const widen: Semantic = (x) => {
  const e = x.e;
  const v = x.low32(1);
  const r = e.op("f64.promote_f32", [e.op("f32.reinterpret_i32", [v])]);
  const unusual = e.or(anyNan(x, Shape.D1, r), unusualMode(x));
  x.setLow(0, guarded(x, toBits(x, r), unusual, FloatOp.Convert, Shape.D1, null, v));
};
const narrow: Semantic = (x) => {
  const e = x.e;
  const v = x.low64(1);
  const r = e.op("f32.demote_f64", [e.op("f64.reinterpret_i64", [v])]);
  const unusual = e.or(special(x, Shape.S1, r, true), unusualOrExact(x));
  const stand = (): Node => e.call(narrowingStands, toFloat(x, v), r);
  x.setLow(0, guarded(x, toBits(x, r), unusual, FloatOp.Convert, Shape.S1, null, v, stand));
};

/** A source of 64 bits as a vector (upper half unspecified from a register). */
const half = (x: Instruction): Node => x.inMemory(1) ? x.zeroExtended(x.low64(1)) : x.vector(1);

/** The two low singles of `v` as doubles. */
export function singlesToDoubles(x: Instruction, v: Node): Node {
  const r = x.e.op("f64x2.promote_low_f32x4", [v]);
  const unusual = x.e.or(anyNan(x, Shape.D2, r), unusualMode(x));
  return guarded(x, r, unusual, FloatOp.Convert, Shape.D2, null, v);
}
const widenPacked: Semantic = (x) => x.setVector(0, singlesToDoubles(x, half(x)));
/** Two doubles as singles, zeros above. */
export function doublesToSingles(x: Instruction, v: Node): Node {
  const e = x.e;
  const r = e.op("f32x4.demote_f64x2_zero", [v]);
  // The upper lanes are zeros: copies of the lower ones stand for them in the check.
  const low = e.op("i64x2.splat", [e.op("i64x2.extract_lane", [r], 0)]);
  const unusual = e.or(special(x, Shape.S4, low, true), unusualOrExact(x));
  const lane = (i: number): Node =>
    e.call(
      narrowingStands,
      e.op("f64x2.extract_lane", [v], i),
      e.op("f32x4.extract_lane", [r], i),
    );
  const stand = (): Node => e.and(lane(0), lane(1));
  // Lanes 2 and 3 of the slow answer come from no operand.
  const all = guarded(x, r, unusual, FloatOp.Convert, Shape.S4, null, v, stand);
  return x.zeroExtended(e.op("i64x2.extract_lane", [all], 0));
}
const narrowPacked: Semantic = (x) => x.setVector(0, doublesToSingles(x, x.vector(1)));

/** Four 32-bit integers as singles. */
export function singlesOf(x: Instruction, v: Node): Node {
  const e = x.e;
  const fast = e.op("f32x4.convert_i32x4_s", [v]);
  const lane = (i: number): Node =>
    e.call(
      integerStandsSingle,
      e.sext(e.op("i32x4.extract_lane", [v], i)),
      e.op("f32x4.extract_lane", [fast], i),
    );
  const stand = (): Node => e.and(e.and(lane(0), lane(1)), e.and(lane(2), lane(3)));
  return guarded(x, fast, unusualOrExact(x), FloatOp.FromInt32, Shape.S4, null, v, stand);
}
const integersToSingles: Semantic = (x) => x.setVector(0, singlesOf(x, x.vector(1)));
const integersToDoubles: Semantic = (x) =>
  x.setVector(0, x.e.op("f64x2.convert_low_i32x4_s", [half(x)]));

const splat32 = (e: Emitter, n: number): Node => e.op("i32x4.splat", [e.i32(n)]);

/** Single lanes as integers. */
export function singlesAsIntegers(x: Instruction, v: Node, truncate: boolean): Node {
  const e = x.e;
  const r = truncate ? v : roundByMode(x, "f32x4", v);
  const limit = splat32(e, 0x4f000000), least = splat32(e, 0xcf000000 | 0);
  const fits = e.op("v128.and", [e.op("f32x4.lt", [r, limit]), e.op("f32x4.ge", [r, least])]);
  const integers = e.op("i32x4.trunc_sat_f32x4_s", [r]);
  const whole = truncate ? e.op("f32x4.trunc", [v]) : r;
  vectorIntegerFlags(
    x,
    fits,
    () => e.op("f32x4.ne", [whole, withoutDenormals(x, "f32x4", v)]),
  );
  return e.op("v128.bitselect", [integers, splat32(e, 1 << 31), fits]);
}

/** Double lanes as two integers, zeros above. */
export function doublesAsIntegers(x: Instruction, v: Node, truncate: boolean): Node {
  const e = x.e;
  const r = truncate ? e.op("f64x2.trunc", [v]) : roundByMode(x, "f64x2", v);
  const splat = (n: bigint): Node => e.op("i64x2.splat", [e.i64(n)]);
  // 2147483647 and -2147483648.
  const most = splat(0x41dfffffffc00000n), least = splat(0xc1e0000000000000n);
  const wide = e.op("v128.and", [e.op("f64x2.le", [r, most]), e.op("f64x2.ge", [r, least])]);
  vectorIntegerFlags(
    x,
    wide,
    () => e.op("f64x2.ne", [r, withoutDenormals(x, "f64x2", v)]),
  );
  const even = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];
  const fits = e.op("i8x16.shuffle", [wide, splat(-1n)], even);
  const integers = e.op("i32x4.trunc_sat_f64x2_s_zero", [r]);
  return e.op("v128.bitselect", [integers, splat32(e, 1 << 31), fits]);
}

/** CVTPS2DQ, CVTTPS2DQ. */
const singlesToIntegers = (truncate: boolean): Semantic => (x) =>
  x.setVector(0, singlesAsIntegers(x, x.vector(1), truncate));
/** CVTPD2DQ, CVTTPD2DQ. */
const doublesToIntegers = (truncate: boolean): Semantic => (x) =>
  x.setVector(0, doublesAsIntegers(x, x.vector(1), truncate));

/** ROUNDxx: invalid for signaling NaNs, inexact unless bit 3 of the immediate forbids it. */
function roundFlags(x: Instruction, shape: Shape, bits: Node, v: Node, r: Node): void {
  const e = x.e;
  const name = ["f32", "f32x4", "f64", "f64x2"][shape];
  const vector = bits.type === "v128";
  const any = (n: Node): Node => vector ? e.op("v128.any_true", [n]) : n;
  const nan = e.op(`${name}.ne`, [v, v]);
  e.if(any(nan), () => {
    // The quiet bit of a NaN, inverted.
    const quietBit = shape >= Shape.D1 ? 1n << 51n : 1n << 22n;
    const scalar = shape >= Shape.D1 ? e.i64(quietBit) : e.i32(Number(quietBit));
    if (vector) {
      const splat = e.op(`${shape === Shape.D2 ? "i64x2" : "i32x4"}.splat`, [scalar]);
      const signaling = e.op("v128.and", [e.op("v128.andnot", [splat, bits]), nan]);
      e.if(any(signaling), () => raise(x, IE));
    } else e.if(e.eqz(e.and(bits, scalar)), () => raise(x, IE));
  });
  if ((x.extra & 8) !== 0) return;
  const settled = e.eq(e.and(e.getState("i32", MXCSR), e.i32(0x1020)), e.i32(0x1020));
  e.if(e.eqz(settled), () => {
    const differs = e.op(`${name}.ne`, [r, withoutDenormals(x, name, v)]);
    const number = vector ? e.op("v128.andnot", [differs, nan]) : e.and(differs, e.eqz(nan));
    e.if(any(number), () => raise(x, PE));
  });
}

/** ROUNDxx: the immediate's mode, or MXCSR's; NaNs become quiet. */
function rounded(shape: Shape): Semantic {
  const name = ["f32", "f32x4", "f64", "f64x2"][shape];
  return (x) => {
    const e = x.e;
    const bits = source(x, shape);
    const v = toFloat(x, bits);
    const r = (x.extra & 4) !== 0
      ? roundByMode(x, name, v)
      : e.op(`${name}.${roundings[x.extra & 3]}`, [withoutDenormals(x, name, v)]);
    const nan = e.op(`${name}.ne`, [v, v]);
    roundFlags(x, shape, bits, v, r);
    if (bits.type === "v128") {
      const quietBit = shape === Shape.S4
        ? splat32(e, 0x00400000)
        : e.op("i64x2.splat", [e.i64(1n << 51n)]);
      write(x, e.op("v128.bitselect", [e.op("v128.or", [bits, quietBit]), r, nan]));
    } else {
      const quietBit = shape === Shape.S1 ? e.i32(0x00400000) : e.i64(1n << 51n);
      write(x, e.select(nan, e.or(bits, quietBit), toBits(x, r)));
    }
  };
}

export const sseConvert: readonly Encoding[] = [
  row("f3.0f.2a", "cvtsi2ss Vd,Ey", fromInteger("f32")),
  row("f2.0f.2a", "cvtsi2sd Vq,Ey", fromInteger("f64")),
  row("f3.0f.2c", "cvttss2si Gy,Wd", toInteger("f32", true)),
  row("f2.0f.2c", "cvttsd2si Gy,Wq", toInteger("f64", true)),
  row("f3.0f.2d", "cvtss2si Gy,Wd", toInteger("f32", false)),
  row("f2.0f.2d", "cvtsd2si Gy,Wq", toInteger("f64", false)),
  row("f3.0f.5a", "cvtss2sd Vq,Wd", widen),
  row("f2.0f.5a", "cvtsd2ss Vd,Wq", narrow),
  row("np.0f.5a", "cvtps2pd Vx,Wq", widenPacked),
  row("66.0f.5a", "cvtpd2ps Vx,Wx", narrowPacked),
  row("np.0f.5b", "cvtdq2ps Vx,Wx", integersToSingles),
  row("66.0f.5b", "cvtps2dq Vx,Wx", singlesToIntegers(false)),
  row("f3.0f.5b", "cvttps2dq Vx,Wx", singlesToIntegers(true)),
  row("f3.0f.e6", "cvtdq2pd Vx,Wq", integersToDoubles),
  row("f2.0f.e6", "cvtpd2dq Vx,Wx", doublesToIntegers(false)),
  row("66.0f.e6", "cvttpd2dq Vx,Wx", doublesToIntegers(true)),
  row("66.0f3a.08", "roundps Vx,Wx,Kb", rounded(Shape.S4)),
  row("66.0f3a.09", "roundpd Vx,Wx,Kb", rounded(Shape.D2)),
  row("66.0f3a.0a", "roundss Vd,Wd,Kb", rounded(Shape.S1)),
  row("66.0f3a.0b", "roundsd Vq,Wq,Kb", rounded(Shape.D1)),
];
