/** AVX conversions whose source and destination differ in width, and F16C. */
import type { Helper, Node } from "../../ir/types.ts";
import { MXCSR, SCRATCH } from "../../layout.ts";
import type { Instruction } from "../instruction.ts";
import { type Encoding, row, type Semantic } from "../row.ts";
import * as F from "../soft_float.ts";
import { reportOf } from "../sse_exceptions.ts";
import { doublesAsIntegers, doublesToSingles, singlesToDoubles } from "../sse_convert.ts";
import { readPair, writeVector } from "./lanes.ts";

/** The lower 64 bits of a vector in both halves; the upper ones. */
const upperHalf = (x: Instruction, v: Node): Node =>
  x.e.op("i64x2.splat", [x.e.op("i64x2.extract_lane", [v], 1)]);

/** Both halves converted before one faults. */
function both(
  x: Instruction,
  sources: readonly Node[],
  convert: (x: Instruction, v: Node) => Node,
): Node[] {
  const results = sources.map(() => x.e.variable("v128"));
  x.together(() => sources.forEach((v, i) => x.e.assign(results[i], convert(x, v))));
  return results.map((r) => x.e.read(r));
}

/** Two elements (of 64 bits of source) to each 128 bits: CVTPS2PD, CVTDQ2PD. */
const spread = (convert: (x: Instruction, v: Node) => Node): Semantic => (x) => {
  const source = x.inMemory(1) && !x.long ? x.zeroExtended(x.low64(1)) : x.vector(1, false);
  if (!x.long) return writeVector(x, 0, convert(x, source), null);
  const [low, high] = both(x, [source, upperHalf(x, source)], convert);
  writeVector(x, 0, low, high);
};

/** Two elements of each 128 bits to 64: CVTPD2PS, CVTPD2DQ, CVTTPD2DQ. */
const gatherHalves = (convert: (x: Instruction, v: Node) => Node): Semantic => (x) => {
  if (!x.long) return writeVector(x, 0, convert(x, x.vector(1, false)), null);
  const [low, high] = both(x, readPair(x, 1), convert);
  const e = x.e;
  writeVector(
    x,
    0,
    e.op("i64x2.replace_lane", [low, e.op("i64x2.extract_lane", [high], 0)], 1),
    null,
  );
};

/** binary16. */
const HALF: F.Format = { precision: 11, least: -14, most: 15, width: 16 };

/** VCVTPH2PS: four halves (i64) as singles, in SCRATCH. Denormal halves raise nothing. */
const fromHalves: Helper = {
  name: "x86_from_halves",
  params: ["i64"],
  result: "i32",
  reads: [],
  writes: [],
  run: (state, halves: bigint) => {
    const mxcsr = state.getUint32(MXCSR, true);
    const env = new F.Environment(0, (mxcsr >> 7) & 0x3f);
    for (let i = 0; i < 4; i++) {
      let value = F.unpack(BigInt.asUintN(16, halves >> BigInt(16 * i)), HALF);
      if (value.class === F.Class.SignalingNan) env.raise(F.INVALID);
      if (F.isNan(value)) value = F.quiet(value);
      state.setUint32(SCRATCH + 4 * i, Number(F.pack(value, F.SINGLE)), true);
    }
    return reportOf(state, mxcsr, env.flags);
  },
};

/** VCVTPS2PH: two singles (i64) as halves; the control is the immediate. Above them the report. */
const toHalves: Helper = {
  name: "x86_to_halves",
  params: ["i64", "i32"],
  result: "i64",
  reads: [],
  writes: [],
  run: (state, singles: bigint, control: number) => {
    const mxcsr = state.getUint32(MXCSR, true);
    const rounding = (control & 4) !== 0 ? (mxcsr >> 13) & 3 : control & 3;
    const env = new F.Environment(rounding, (mxcsr >> 7) & 0x3f);
    let result = 0n;
    for (let i = 0; i < 2; i++) {
      let value = F.unpack(BigInt.asUintN(32, singles >> BigInt(32 * i)), F.SINGLE);
      if (value.denormal && (mxcsr & (1 << 6)) !== 0) value = F.zero(value.sign);
      // Processors call the half inexact even where unmasked underflow would deliver all its bits.
      if (value.denormal) env.raise(F.DENORMAL | F.INEXACT);
      if (value.class === F.Class.SignalingNan) env.raise(F.INVALID);
      if (F.isNan(value)) value = F.quiet(value);
      else if (value.class === F.Class.Finite) {
        value = F.round(env, HALF, value.sign, value.significand, value.exponent);
      }
      result |= F.pack(value, HALF) << BigInt(16 * i);
    }
    return result | (BigInt(reportOf(state, mxcsr, env.flags)) << 32n);
  },
};

/** Four halves as singles. */
function expand(x: Instruction, source: Node): Node {
  const e = x.e;
  x.report(e.call(fromHalves, source));
  return e.getState("v128", SCRATCH);
}
const halvesToSingles: Semantic = (x) => {
  const e = x.e;
  if (!x.long) return writeVector(x, 0, expand(x, x.low64(1)), null);
  const source = x.vector(1, false);
  const halves = [0, 1].map((i) => e.op("i64x2.extract_lane", [source], i));
  const [low, high] = both(x, halves, expand);
  writeVector(x, 0, low, high);
};

/** Four singles as 64 bits of halves. */
function compress(x: Instruction, v: Node): Node {
  const e = x.e;
  const two = (i: number): Node => {
    const r = e.call(toHalves, e.op("i64x2.extract_lane", [v], i), e.i32(x.extra));
    x.report(e.wrap(e.shrU(r, e.i64(32))));
    return r;
  };
  const low = two(0), high = two(1);
  return e.or(e.and(low, e.i64(0xffffffffn)), e.shl(high, e.i64(32)));
}
const singlesToHalves: Semantic = (x) => {
  const e = x.e;
  const source = x.register(1);
  const vectors = [e.getVector(source), ...(x.long ? [e.getVector(e.upper(source))] : [])];
  const results = vectors.map(() => e.variable("i64"));
  x.together(() => vectors.forEach((v, i) => e.assign(results[i], compress(x, v))));
  const low = e.read(results[0]);
  if (!x.long) {
    if (x.inMemory(0)) e.store(x.address(), low);
    else writeVector(x, 0, x.zeroExtended(low), null);
    return;
  }
  const pair = e.op("i64x2.replace_lane", [e.op("i64x2.splat", [low]), e.read(results[1])], 1);
  if (x.inMemory(0)) e.store(x.address(), pair);
  else writeVector(x, 0, pair, null);
};

export const vexConvert: readonly Encoding[] = [
  row("vex.np.0f.5a", "vcvtps2pd Vx,Wx", spread(singlesToDoubles)),
  row(
    "vex.f3.0f.e6",
    "vcvtdq2pd Vx,Wx",
    spread((x, v) => x.e.op("f64x2.convert_low_i32x4_s", [v])),
  ),
  row("vex.66.0f.5a", "vcvtpd2ps Vx,Wx", gatherHalves(doublesToSingles)),
  row(
    "vex.f2.0f.e6",
    "vcvtpd2dq Vx,Wx",
    gatherHalves((x, v) => doublesAsIntegers(x, v, false)),
  ),
  row(
    "vex.66.0f.e6",
    "vcvttpd2dq Vx,Wx",
    gatherHalves((x, v) => doublesAsIntegers(x, v, true)),
  ),
  row("vex.66.0f38.13 W0", "vcvtph2ps Vx,Wx", halvesToSingles, { unaligned: true }),
  row("vex.66.0f3a.1d W0", "vcvtps2ph Wx,Vx,Kb", singlesToHalves, { unaligned: true }),
];
