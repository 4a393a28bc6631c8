/**
 * FMA: a × b + c with one rounding, in the three operand orders.
 *
 * The host's fused operation, where it has one, gives the result when MXCSR is in its default mode
 * with the sticky inexact flag set and the result is an ordinary number; else exact arithmetic.
 */
import { hostFuses } from "../../aarch64/float/fused_probe.ts";
import type { Helper, Node } from "../../ir/types.ts";
import { MXCSR, SCRATCH } from "../../layout.ts";
import type { Instruction } from "../instruction.ts";
import { type Encoding, row, type Semantic } from "../row.ts";
import * as F from "../soft_float.ts";
import { reportOf } from "../sse_exceptions.ts";
import { special, unusualOrExact } from "../sse_float.ts";
import { Shape } from "../sse_float_slow.ts";
import { lanewise } from "./lanes.ts";

/** Signs: of the product, of the addend, and whether they alternate. */
const NEGATE_PRODUCT = 1, SUBTRACT = 2, ADD_SUB = 4, SUB_ADD = 8;

const DAZ = 1 << 6, FTZ = 1 << 15;

/** One lane; `a` and `b` are multiplied. NaNs: the first of `a`, `b`, `c` in that order. */
function multiplyAdd(
  env: F.Environment,
  f: F.Format,
  a: F.Float,
  b: F.Float,
  c: F.Float,
  negate: boolean,
  subtract: boolean,
): F.Float {
  const operands = [a, b, c];
  const nan = operands.find(F.isNan);
  if (nan !== undefined) {
    if (operands.some((x) => x.class === F.Class.SignalingNan)) env.raise(F.INVALID);
    return F.quiet(nan);
  }
  const addend = subtract ? F.negate(c) : c;
  const r = F.fused(env, f, negate ? F.negate(a) : a, b, addend);
  if ((env.flags & F.INVALID) === 0 && operands.some((x) => x.denormal === true)) {
    env.raise(F.DENORMAL);
  }
  return r;
}

/** Operands at SCRATCH, +16 and +32; the result goes to +48. Returns the report of exceptions. */
const slowFma: Helper = {
  name: "x86_fma",
  params: ["i32", "i32"],
  result: "i32",
  reads: [],
  writes: [],
  run(state, signs: number, shape: number) {
    const mxcsr = state.getUint32(MXCSR, true);
    const masked = (mxcsr >> 7) & 0x3f;
    const single = shape <= Shape.S4;
    const f = single ? F.SINGLE : F.DOUBLE;
    const lanes = shape === Shape.S4 ? 4 : shape === Shape.D2 ? 2 : 1;
    const read = (at: number, i: number): F.Float => {
      const bits = single
        ? BigInt(state.getUint32(at + 4 * i, true))
        : state.getBigUint64(at + 8 * i, true);
      const x = F.unpack(bits, f);
      return (mxcsr & DAZ) !== 0 && x.denormal ? F.zero(x.sign) : x;
    };
    let flags = 0;
    for (let i = 0; i < lanes; i++) {
      const env = new F.Environment((mxcsr >> 13) & 3, masked, (mxcsr & FTZ) !== 0);
      const alternate = (signs & ADD_SUB) !== 0
        ? i % 2 === 0
        : (signs & SUB_ADD) !== 0 && i % 2 === 1;
      const r = multiplyAdd(
        env,
        f,
        read(SCRATCH, i),
        read(SCRATCH + 16, i),
        read(SCRATCH + 32, i),
        (signs & NEGATE_PRODUCT) !== 0,
        (signs & SUBTRACT) !== 0 || alternate,
      );
      flags |= env.flags;
      const bits = F.pack(r, f);
      if (single) state.setUint32(SCRATCH + 48 + 4 * i, Number(bits), true);
      else state.setBigUint64(SCRATCH + 48 + 8 * i, bits, true);
    }
    return reportOf(state, mxcsr, flags);
  },
};

/** Signs of the addend's lanes to flip, as a vector. */
function addendSigns(x: Instruction, shape: Shape, signs: number): Node {
  const size = shape <= Shape.S4 ? 4 : 8;
  const flips = (lane: number): boolean =>
    (signs & SUBTRACT) !== 0 || ((signs & ADD_SUB) !== 0 && lane % 2 === 0) ||
    ((signs & SUB_ADD) !== 0 && lane % 2 === 1);
  return x.e.v128(Array.from(
    { length: 16 },
    (_, i) => i % size === size - 1 && flips(Math.floor(i / size)) ? 0x80 : 0,
  ));
}

function fused(x: Instruction, shape: Shape, signs: number, v: readonly Node[]): Node {
  const e = x.e;
  const [a, b, c] = v;
  const lanes = shape <= Shape.S4 ? "f32x4" : "f64x2";
  const packed = shape === Shape.S4 || shape === Shape.D2;
  const result = e.variable("v128", e.v128(new Uint8Array(16)));
  const compute = (): void => {
    v.forEach((operand, i) => {
      e.setState(SCRATCH + 16 * i, e.op("i64x2.extract_lane", [operand], 0));
      e.setState(SCRATCH + 16 * i + 8, e.op("i64x2.extract_lane", [operand], 1));
    });
    x.report(e.call(slowFma, e.i32(signs), e.i32(shape)));
    const low = e.op("i64x2.splat", [e.getState("i64", SCRATCH + 48)]);
    const both = e.op("i64x2.replace_lane", [low, e.getState("i64", SCRATCH + 56)], 1);
    e.assign(result, both);
  };
  if (!hostFuses) {
    compute();
    return e.read(result);
  }
  const product = (signs & NEGATE_PRODUCT) !== 0 ? e.op(`${lanes}.neg`, [a]) : a;
  const addend = (signs & ~NEGATE_PRODUCT) !== 0
    ? e.op("v128.xor", [c, addendSigns(x, shape, signs)])
    : c;
  const fast = e.op(`${lanes}.relaxed_madd`, [product, b, addend]);
  e.assign(result, fast);
  const checked = packed
    ? fast
    : e.op(single(shape) ? "i32x4.extract_lane" : "i64x2.extract_lane", [fast], 0);
  e.if(e.or(special(x, shape, checked, true), unusualOrExact(x)), compute);
  return e.read(result);
}

const single = (shape: Shape): boolean => shape <= Shape.S4;

/** Which of destination, VEX.vvvv and rm are a, b and c: 132, 213, 231. */
const orders: Record<string, readonly [number, number, number]> = {
  132: [0, 2, 1],
  213: [1, 0, 2],
  231: [1, 2, 0],
};

function semantic(order: string, shape: Shape, signs: number): Semantic {
  return lanewise((x) => {
    const e = x.e;
    const packed = shape === Shape.S4 || shape === Shape.D2;
    // A scalar from memory is splatted: its other lanes are not looked at.
    const third = packed
      ? x.vector(2)
      : single(shape)
      ? e.op("i32x4.splat", [x.low32(2)])
      : e.op("i64x2.splat", [x.low64(2)]);
    const sources = [x.vector(0), x.vector(1), third];
    const v = orders[order].map((i) => sources[i]);
    const r = fused(x, shape, signs, v);
    if (packed) x.setVector(0, r);
    else {
      x.setLow(0, e.op(single(shape) ? "i32x4.extract_lane" : "i64x2.extract_lane", [r], 0));
    }
  }, { float: true });
}

const operations: [opcode: number, name: string, signs: number, scalar: boolean][] = [
  [0x6, "fmaddsub", ADD_SUB, false],
  [0x7, "fmsubadd", SUB_ADD, false],
  [0x8, "fmadd", 0, false],
  [0x9, "fmadd", 0, true],
  [0xa, "fmsub", SUBTRACT, false],
  [0xb, "fmsub", SUBTRACT, true],
  [0xc, "fnmadd", NEGATE_PRODUCT, false],
  [0xd, "fnmadd", NEGATE_PRODUCT, true],
  [0xe, "fnmsub", NEGATE_PRODUCT | SUBTRACT, false],
  [0xf, "fnmsub", NEGATE_PRODUCT | SUBTRACT, true],
];

export const vexFma: readonly Encoding[] = ["132", "213", "231"].flatMap((order, n) =>
  operations.flatMap(([opcode, name, signs, scalar]) =>
    [0, 1].map((wide) => {
      const at = `vex.66.0f38.${(0x90 + 16 * n + opcode).toString(16)} W${wide}`;
      const shape = scalar ? (wide ? Shape.D1 : Shape.S1) : wide ? Shape.D2 : Shape.S4;
      const suffix = (scalar ? "s" : "p") + (wide ? "d" : "s");
      const width = scalar ? (wide ? "q" : "d") : "x";
      return row(
        scalar ? `${at} LIG` : at,
        `v${name}${order}${suffix} V${width},H${width},W${width}`,
        semantic(order, shape, signs),
      );
    })
  )
);
