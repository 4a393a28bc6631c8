/** Scalar floating point of single and double precision (DDI 0487, C4.1.96). */
import { FlagKind, packedFlags, setExplicit } from "./flags.ts";
import type { Emitter } from "../ir/emitter.ts";
import type { Node } from "../ir/types.ts";
import { absolute, arithmetic, type ArithmeticName, negate } from "./float/arithmetic.ts";
import {
  CURRENT,
  EXACT,
  fromFixed,
  fromInteger,
  type Mode,
  roundToIntegral,
  toFixed,
  toInteger,
} from "./float/convert.ts";
import { comparands } from "./float/flush.ts";
import { convertBits, Precision } from "./float/formats.ts";
import { fusedMultiplyAdd } from "./float/fused.ts";
import { float, type FloatKind, toBits } from "./float/nan.ts";
import { softHelper } from "./float/host.ts";
import * as soft from "./float/soft_float.ts";
import { Rounding } from "./float/soft_float.ts";
import { Exception } from "./float/status.ts";
import { expandFloat32, expandFloat64 } from "./immediates.ts";
import { get, set, setScalar } from "./registers.ts";
import { row } from "./row.ts";

/** Low lane of vector operand `i` as a float. */
export function getFloat(e: Emitter, i: number, d: number): Node {
  return d ? e.getF64(e.reg(i)) : e.getF32(e.reg(i));
}

/** As the 64 bits of a double, for the lazy flags. */
function doubleBits(e: Emitter, x: Node): Node {
  return toBits(e, float[1], x.type === "f32" ? e.op("f64.promote_f32", [x]) : x);
}
function floatZero(e: Emitter, d: number): Node {
  return d ? e.op("f64.reinterpret_i64", [e.i64(0)]) : e.op("f32.reinterpret_i32", [e.i32(0)]);
}

const BINARY: readonly (ArithmeticName | "nmul")[] = [
  "mul",
  "div",
  "add",
  "sub",
  "max",
  "min",
  "maxnm",
  "minnm",
  "nmul",
];
const ROUNDING: readonly Mode[] = [
  Rounding.Nearest,
  Rounding.Up,
  Rounding.Down,
  Rounding.Zero,
  Rounding.Away,
  Rounding.Nearest,
  EXACT,
  CURRENT,
];

const arithmeticRows = [
  row(
    "FMUL/FDIV/FADD/FSUB/FMAX/FMIN/FMAXNM/FMINNM/FNMUL",
    "000 11110 0 d:1 1 rm:5 op:4 10 rn:5 rd:5",
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: ["d", "op"],
      valid: (w) => f.op.of(w) <= 8,
      emit: (e, { d, op }) => {
        const name = BINARY[op];
        const [a, b] = [getFloat(e, 1, d), getFloat(e, 2, d)];
        const r = arithmetic(e, float[d], name === "nmul" ? "mul" : name, a, b);
        setScalar(e, 0, name === "nmul" ? negate(e, float[d], r) : r);
      },
    }),
  ),
  row("FMOV/FABS/FNEG/FSQRT", "000 11110 0 d:1 1 0000 op:2 10000 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["d", "op"],
    emit: (e, { d, op }) => {
      const x = getFloat(e, 1, d);
      const k = float[d];
      setScalar(
        e,
        0,
        op === 0
          ? x
          : op === 1
          ? absolute(e, k, x)
          : op === 2
          ? negate(e, k, x)
          : arithmetic(e, k, "sqrt", x),
      );
    },
  })),
  row("FRINT", "000 11110 0 d:1 1 001 mode:3 10000 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["d", "mode"],
    valid: (w) => f.mode.of(w) !== 5,
    emit: (e, { d, mode }) =>
      setScalar(e, 0, roundToIntegral(e, float[d], getFloat(e, 1, d), ROUNDING[mode])),
  })),
  row("FMADD/FMSUB/FNMADD/FNMSUB", "000 11111 0 d:1 o1:1 rm:5 o0:1 ra:5 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v, f.ra.v],
    statics: ["d", "o1", "o0"],
    emit: (e, { d, o1, o0 }) => {
      const k = float[d];
      const [n, m, a] = [getFloat(e, 1, d), getFloat(e, 2, d), getFloat(e, 3, d)];
      const factor = o1 !== o0 ? negate(e, k, n) : n;
      setScalar(e, 0, fusedMultiplyAdd(e, k, o1 ? negate(e, k, a) : a, factor, m));
    },
  })),
];

/** Second operand of FCMP: a register or zero. */
const comparisons = [
  row("FCMP/FCMPE", "000 11110 0 d:1 1 rm:5 00 1000 rn:5 signals:1 zero:1 000", (f) => ({
    regs: [f.rn.v, f.rm.v],
    statics: ["d", "signals", "zero"],
    valid: (w) => f.zero.of(w) === 0 || f.rm.of(w) === 0,
    emit: (e, { d, signals, zero }) => {
      const second = zero ? floatZero(e, d) : getFloat(e, 1, d);
      const [a, b] = comparands(e, float[d], signals === 1, getFloat(e, 0, d), second);
      e.setFlags(FlagKind.Compare, doubleBits(e, a), doubleBits(e, b));
    },
  })),
  row("FCCMP/FCCMPE", "000 11110 0 d:1 1 rm:5 cond:4 01 rn:5 signals:1 nzcv:4", (f) => ({
    regs: [f.rn.v, f.rm.v],
    statics: ["d", "cond", "signals"],
    operands: (w, _pc, out) => void (out.imm0Low = f.nzcv.of(w) << 28),
    emit: (e, { d, cond, signals }) => {
      const nzcv = e.variable("i32", e.imm32(0));
      e.if(e.condition(cond), () => {
        const [a, b] = comparands(
          e,
          float[d],
          signals === 1,
          getFloat(e, 0, d),
          getFloat(e, 1, d),
        );
        e.assign(nzcv, packedFlags(e, FlagKind.Compare, doubleBits(e, a), doubleBits(e, b)));
      });
      setExplicit(e, e.read(nzcv));
    },
  })),
  row("FCSEL", "000 11110 0 d:1 1 rm:5 cond:4 11 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["d", "cond"],
    emit: (e, { d, cond }) =>
      setScalar(e, 0, e.select(e.condition(cond), getFloat(e, 1, d), getFloat(e, 2, d))),
  })),
];

/** Bits of the low lane in the integer that `formats.ts` expects. */
function formatBits(e: Emitter, i: number, p: Precision): Node {
  const low = e.getLow64(e.reg(i));
  if (p === Precision.Double) return low;
  return p === Precision.Single ? e.wrap(low) : e.and(e.wrap(low), e.i32(0xffff));
}

/** FCVTNS and so on: bits 20–19, and op 4 for ties away. */
const INTEGER_MODES = [Rounding.Nearest, Rounding.Up, Rounding.Down, Rounding.Zero];

const conversions = [
  row("FCVT", "000 11110 type:2 1 0001 opc:2 10000 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["type", "opc"],
    valid: (w) => f.type.of(w) !== 2 && f.opc.of(w) !== 2 && f.type.of(w) !== f.opc.of(w),
    emit: (e, { type, opc }) => setScalar(e, 0, convertBits(e, formatBits(e, 1, type), type, opc)),
  })),
  row("FCVT{N,P,M,Z}{S,U}", "sf:1 00 11110 0 d:1 1 mode:2 00 u:1 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.v],
    statics: ["sf", "d", "mode", "u"],
    emit: (e, { sf, d, mode, u }) =>
      set(e, 0, toInteger(e, float[d], getFloat(e, 1, d), INTEGER_MODES[mode], u === 0, sf)),
  })),
  row("FCVTA{S,U}", "sf:1 00 11110 0 d:1 1 00 10 u:1 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.v],
    statics: ["sf", "d", "u"],
    emit: (e, { sf, d, u }) =>
      set(e, 0, toInteger(e, float[d], getFloat(e, 1, d), Rounding.Away, u === 0, sf)),
  })),
  row("SCVTF/UCVTF", "sf:1 00 11110 0 d:1 1 00 01 u:1 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.x],
    statics: ["sf", "d", "u"],
    emit: (e, { sf, d, u }) => setScalar(e, 0, fromInteger(e, float[d], get(e, 1, sf), u === 0)),
  })),
  row("FCVTZ{S,U} (fixed-point)", "sf:1 00 11110 0 d:1 0 11 00 u:1 scale:6 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.v],
    statics: ["sf", "d", "u"],
    valid: (w) => f.sf.of(w) === 1 || f.scale.of(w) >= 32,
    operands: (w, _pc, out) => void (out.imm0High = (1023 + 64 - f.scale.of(w)) << 20),
    emit: (e, { sf, d, u }) => {
      const scale = e.op("f64.reinterpret_i64", [e.imm(0)]);
      set(e, 0, toFixed(e, float[d], getFloat(e, 1, d), scale, u === 0, sf));
    },
  })),
  row("SCVTF/UCVTF (fixed-point)", "sf:1 00 11110 0 d:1 0 00 01 u:1 scale:6 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.x],
    statics: ["sf", "d", "u"],
    valid: (w) => f.sf.of(w) === 1 || f.scale.of(w) >= 32,
    operands: (w, _pc, out) => void (out.imm0High = (1023 - 64 + f.scale.of(w)) << 20),
    emit: (e, { sf, d, u }) => {
      const scale = e.op("f64.reinterpret_i64", [e.imm(0)]);
      setScalar(e, 0, fromFixed(e, float[d], get(e, 1, sf), scale, u === 0));
    },
  })),
];

/** FJCVTZS: a double to 32 bits modulo 2^32; bit 32 of the result says that it is exact. */
const javaScript = softHelper("javascript_integer", ["i64"], "i64", (control, bits) => {
  if ((bits & float[1].infinity) === float[1].infinity) {
    soft.raise(Exception.Invalid);
    return 0n;
  }
  const WIDEST = 1100;
  const n = soft.toInteger(soft.DOUBLE, bits, 0, WIDEST, true, control, Rounding.Zero);
  const noted = soft.takeExceptions();
  const fits = n === BigInt.asIntN(32, n);
  soft.raise(fits ? noted : (noted & ~Exception.Inexact) | Exception.Invalid);
  // Neither -0 nor what was flushed is exact.
  const exact = fits && (noted & Exception.Inexact) === 0 && (n !== 0n || bits === 0n);
  return BigInt.asUintN(32, n) | (exact ? 1n << 32n : 0n);
});
const toJavaScript = row("FJCVTZS", "0 00 11110 01 1 11 110 000000 rn:5 rd:5", (f) => ({
  regs: [f.rd.out, f.rn.v],
  emit: (e) => {
    const r = e.call(javaScript, e.getLow64(e.reg(1)));
    set(e, 0, e.wrap(r));
    setExplicit(e, e.shl(e.wrap(e.shrU(r, e.i64(32))), e.i32(30)));
  },
}));

/** Bits of the kind, from the register's low lane. */
function lowBits(e: Emitter, i: number, k: FloatKind): Node {
  const low = e.getLow64(e.reg(i));
  return k.int === "i64" ? low : e.wrap(low);
}

const moves = [
  row("FMOV (to general)", "sf:1 00 11110 0 d:1 1 00 110 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.v],
    statics: ["d"],
    valid: (w) => f.sf.of(w) === f.d.of(w),
    emit: (e, { d }) => set(e, 0, lowBits(e, 1, float[d])),
  })),
  row("FMOV (from general)", "sf:1 00 11110 0 d:1 1 00 111 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.x],
    statics: ["d"],
    valid: (w) => f.sf.of(w) === f.d.of(w),
    emit: (e, { d }) => setScalar(e, 0, get(e, 1, d)),
  })),
  row("FMOV (to general, upper half)", "1 00 11110 10 1 01 110 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.v],
    emit: (e) => set(e, 0, e.op("i64x2.extract_lane", [e.getVector(e.reg(1))], 1)),
  })),
  row("FMOV (from general, upper half)", "1 00 11110 10 1 01 111 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.x],
    emit: (e) => {
      const d = e.getVector(e.reg(0));
      e.setVector(e.reg(0), e.op("i64x2.replace_lane", [d, e.get64(e.reg(1))], 1));
    },
  })),
  row("FMOV (immediate)", "000 11110 0 d:1 1 imm8:8 100 00000 rd:5", (f) => ({
    regs: [f.rd.v],
    statics: ["d"],
    operands: (w, _pc, out) => {
      if (f.d.of(w)) out.imm0High = expandFloat64(f.imm8.of(w));
      else out.imm0Low = expandFloat32(f.imm8.of(w));
    },
    emit: (e) => setScalar(e, 0, e.imm(0)),
  })),
];

export const rows = [...arithmeticRows, ...comparisons, ...conversions, toJavaScript, ...moves];
