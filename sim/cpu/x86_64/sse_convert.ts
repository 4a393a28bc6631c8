/** SSE conversions between integers and floats, between float formats, and ROUNDxx. */
import type { Emitter } from "../ir/emitter.ts";
import type { Node } from "../ir/types.ts";
import { MXCSR } from "../layout.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, row, type Semantic } from "./row.ts";
import {
  anyNan,
  flushed,
  guarded,
  source,
  toBits,
  toFloat,
  unusualMode,
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
    x.setReg(x.register(0), e.select(e.and(below, above), integer, indefinite), x.size);
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
    x.setLow(0, guarded(x, fast, unusualMode(x), op, shape, null, n));
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
  const unusual = e.or(anyNan(x, Shape.S1, r), unusualMode(x));
  x.setLow(0, guarded(x, toBits(x, r), unusual, FloatOp.Convert, Shape.S1, null, v));
};

/** A source of 64 bits as a vector (upper half unspecified from a register). */
const half = (x: Instruction): Node => x.inMemory(1) ? x.zeroExtended(x.low64(1)) : x.vector(1);

const widenPacked: Semantic = (x) => {
  const v = half(x);
  const r = x.e.op("f64x2.promote_low_f32x4", [v]);
  const unusual = x.e.or(anyNan(x, Shape.D2, r), unusualMode(x));
  x.setVector(0, guarded(x, r, unusual, FloatOp.Convert, Shape.D2, null, v));
};
const narrowPacked: Semantic = (x) => {
  const e = x.e;
  const v = x.vector(1);
  const r = e.op("f32x4.demote_f64x2_zero", [v]);
  const unusual = e.or(anyNan(x, Shape.S4, r), unusualMode(x));
  // Lanes 2 and 3 of the slow answer come from no operand.
  const all = guarded(x, r, unusual, FloatOp.Convert, Shape.S4, null, v);
  x.setVector(0, x.zeroExtended(e.op("i64x2.extract_lane", [all], 0)));
};

const integersToSingles: Semantic = (x) => {
  const v = x.vector(1);
  const fast = x.e.op("f32x4.convert_i32x4_s", [v]);
  x.setVector(0, guarded(x, fast, unusualMode(x), FloatOp.FromInt32, Shape.S4, null, v));
};
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
