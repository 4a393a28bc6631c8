/** Scalar half precision (FEAT_FP16; DDI 0487, C4.1.96, ftype 11). */
import type { Emitter } from "../ir/emitter.ts";
import type { Node } from "../ir/types.ts";
import { CURRENT, EXACT, type Mode } from "./float/convert.ts";
import {
  type HalfBinary,
  halfBinary,
  halfCompare,
  halfFromInteger,
  halfFused,
  halfRound,
  halfToInteger,
  halfUnary,
} from "./float/half.ts";
import { Rounding } from "./float/soft_float.ts";
import { setExplicit } from "./flags.ts";
import { expandFloat16 } from "./immediates.ts";
import { get, set, setScalar, wide } from "./registers.ts";
import { row } from "./row.ts";

/** The low half of vector operand `i`. */
function getHalf(e: Emitter, i: number): Node {
  return e.and(e.wrap(e.getLow64(e.reg(i))), e.i32(0xffff));
}
const negated = (e: Emitter, x: Node): Node => halfUnary(e, "neg", x);

const BINARY: readonly HalfBinary[] = [
  "mul",
  "div",
  "add",
  "sub",
  "max",
  "min",
  "maxnm",
  "minnm",
  "mul",
];
const FNMUL = 8;
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

const arithmetic = [
  row("FMUL/FDIV/…/FNMUL (half)", "000 11110 11 1 rm:5 op:4 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["op"],
    valid: (w) => f.op.of(w) <= FNMUL,
    emit: (e, { op }) => {
      const r = halfBinary(e, BINARY[op], getHalf(e, 1), getHalf(e, 2));
      setScalar(e, 0, op === FNMUL ? negated(e, r) : r);
    },
  })),
  row("FMOV/FABS/FNEG/FSQRT (half)", "000 11110 11 1 0000 op:2 10000 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["op"],
    emit: (e, { op }) => {
      const x = getHalf(e, 1);
      setScalar(e, 0, op === 0 ? x : halfUnary(e, (["abs", "neg", "sqrt"] as const)[op - 1], x));
    },
  })),
  row("FRINT (half)", "000 11110 11 1 001 mode:3 10000 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["mode"],
    valid: (w) => f.mode.of(w) !== 5,
    emit: (e, { mode }) => setScalar(e, 0, halfRound(e, getHalf(e, 1), ROUNDING[mode])),
  })),
  row("FMADD/FMSUB/FNMADD/FNMSUB (half)", "000 11111 11 o1:1 rm:5 o0:1 ra:5 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v, f.ra.v],
    statics: ["o1", "o0"],
    emit: (e, { o1, o0 }) => {
      const [n, m, a] = [1, 2, 3].map((i) => getHalf(e, i));
      const factor = o1 !== o0 ? negated(e, n) : n;
      setScalar(e, 0, halfFused(e, o1 ? negated(e, a) : a, factor, m));
    },
  })),
];

const comparisons = [
  row("FCMP/FCMPE (half)", "000 11110 11 1 rm:5 00 1000 rn:5 signals:1 zero:1 000", (f) => ({
    regs: [f.rn.v, f.rm.v],
    statics: ["signals", "zero"],
    valid: (w) => f.zero.of(w) === 0 || f.rm.of(w) === 0,
    emit: (e, { signals, zero }) => {
      const second = zero ? e.i32(0) : getHalf(e, 1);
      setExplicit(e, halfCompare(e, getHalf(e, 0), second, signals === 1));
    },
  })),
  row("FCCMP/FCCMPE (half)", "000 11110 11 1 rm:5 cond:4 01 rn:5 signals:1 nzcv:4", (f) => ({
    regs: [f.rn.v, f.rm.v],
    statics: ["cond", "signals"],
    operands: (w, _pc, out) => void (out.imm0Low = f.nzcv.of(w) << 28),
    emit: (e, { cond, signals }) => {
      const nzcv = e.variable("i32", e.imm32(0));
      e.if(
        e.condition(cond),
        () => e.assign(nzcv, halfCompare(e, getHalf(e, 0), getHalf(e, 1), signals === 1)),
      );
      setExplicit(e, e.read(nzcv));
    },
  })),
  row("FCSEL (half)", "000 11110 11 1 rm:5 cond:4 11 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["cond"],
    emit: (e, { cond }) =>
      setScalar(e, 0, e.select(e.condition(cond), getHalf(e, 1), getHalf(e, 2))),
  })),
];

const INTEGER_MODES = [Rounding.Nearest, Rounding.Up, Rounding.Down, Rounding.Zero];

/** A half to a general register. */
function convert(
  e: Emitter,
  fraction: Node,
  mode: Rounding,
  u: number,
  sf: number,
): void {
  const r = halfToInteger(e, getHalf(e, 1), fraction, mode, u === 0, sf ? 64 : 32);
  set(e, 0, sf ? r : e.wrap(r));
}
/** A general register, extended. */
function extended(e: Emitter, u: number, sf: number): Node {
  const x = get(e, 1, sf);
  return sf === 0 && u === 0 ? e.sext(x) : wide(e, x);
}

const conversions = [
  row("FCVT{N,P,M,Z}{S,U} (half)", "sf:1 00 11110 11 1 mode:2 00 u:1 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.v],
    statics: ["sf", "mode", "u"],
    emit: (e, { sf, mode, u }) => convert(e, e.i32(0), INTEGER_MODES[mode], u, sf),
  })),
  row("FCVTA{S,U} (half)", "sf:1 00 11110 11 1 00 10 u:1 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.v],
    statics: ["sf", "u"],
    emit: (e, { sf, u }) => convert(e, e.i32(0), Rounding.Away, u, sf),
  })),
  row("SCVTF/UCVTF (half)", "sf:1 00 11110 11 1 00 01 u:1 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.x],
    statics: ["sf", "u"],
    emit: (e, { sf, u }) =>
      setScalar(e, 0, halfFromInteger(e, extended(e, u, sf), e.i32(0), u === 0)),
  })),
  row(
    "FCVTZ{S,U} (half, fixed-point)",
    "sf:1 00 11110 11 0 11 00 u:1 scale:6 rn:5 rd:5",
    (f) => ({
      regs: [f.rd.out, f.rn.v],
      statics: ["sf", "u"],
      valid: (w) => f.sf.of(w) === 1 || f.scale.of(w) >= 32,
      operands: (w, _pc, out) => void (out.imm1 = 64 - f.scale.of(w)),
      emit: (e, { sf, u }) => convert(e, e.imm32(1), Rounding.Zero, u, sf),
    }),
  ),
  row(
    "SCVTF/UCVTF (half, fixed-point)",
    "sf:1 00 11110 11 0 00 01 u:1 scale:6 rn:5 rd:5",
    (f) => ({
      regs: [f.rd.v, f.rn.x],
      statics: ["sf", "u"],
      valid: (w) => f.sf.of(w) === 1 || f.scale.of(w) >= 32,
      operands: (w, _pc, out) => void (out.imm1 = 64 - f.scale.of(w)),
      emit: (e, { sf, u }) =>
        setScalar(e, 0, halfFromInteger(e, extended(e, u, sf), e.imm32(1), u === 0)),
    }),
  ),
];

const moves = [
  row("FMOV (half to general)", "sf:1 00 11110 11 1 00 110 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.v],
    emit: (e) => e.set32(e.reg(0), getHalf(e, 1)),
  })),
  row("FMOV (general to half)", "sf:1 00 11110 11 1 00 111 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.x],
    emit: (e) => setScalar(e, 0, e.and(e.get32(e.reg(1)), e.i32(0xffff))),
  })),
  row("FMOV (half, immediate)", "000 11110 11 1 imm8:8 100 00000 rd:5", (f) => ({
    regs: [f.rd.v],
    operands: (w, _pc, out) => void (out.imm0Low = expandFloat16(f.imm8.of(w))),
    emit: (e) => setScalar(e, 0, e.imm32(0)),
  })),
];

export const rows = [...arithmetic, ...comparisons, ...conversions, ...moves];
