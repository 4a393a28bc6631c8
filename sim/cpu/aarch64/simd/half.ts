/** Half precision on vectors and in the Advanced SIMD scalar space (FEAT_FP16). */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { CURRENT, EXACT, type Mode } from "../float/convert.ts";
import {
  type HalfBinary,
  halfBinary,
  halfFromInteger,
  halfFused,
  halfRound,
  halfToInteger,
  type HalfUnary,
  halfUnary,
} from "../float/half.ts";
import { Rounding } from "../float/soft_float.ts";
import { expandFloat16 } from "../immediates.ts";
import { familyRow, row } from "../row.ts";
import { bitsOfQ, extract, lane, replace, result, vec, zeros } from "./lanes.ts";

/** Lanes of a vector with this Q; a scalar has one. */
const count = (q: number): number => q ? 8 : 4;

/** `run` for each of the low `lanes` elements; the others are zeros. */
function each(e: Emitter, lanes: number, run: (i: number) => Node): Node {
  let r = zeros(e);
  for (let i = 0; i < lanes; i++) r = replace(e, 1, r, i, run(i));
  return r;
}

/** Two elements, and where it accumulates, that of the destination. */
type Binary = (e: Emitter, a: Node, b: Node, d: () => Node) => Node;
type Unary = (e: Emitter, x: Node) => Node;

const named = (name: HalfBinary): Binary => (e, a, b) => halfBinary(e, name, a, b);
const one = (name: HalfUnary): Unary => (e, x) => halfUnary(e, name, x);
const fused = (subtracts: boolean): Binary => (e, a, b, d) =>
  halfFused(e, d(), subtracts ? halfUnary(e, "neg", a) : a, b);

/** U, bit 23, the low three bits of the opcode; whether there is a scalar form. */
const THREE_SAME: readonly [string, 0 | 1, 0 | 1, string, Binary, boolean][] = [
  ["FMAXNM", 0, 0, "000", named("maxnm"), false],
  ["FMLA", 0, 0, "001", fused(false), false],
  ["FADD", 0, 0, "010", named("add"), false],
  ["FMULX", 0, 0, "011", named("mulx"), true],
  ["FCMEQ", 0, 0, "100", named("eq"), true],
  ["FMAX", 0, 0, "110", named("max"), false],
  ["FRECPS", 0, 0, "111", named("recps"), true],
  ["FMINNM", 0, 1, "000", named("minnm"), false],
  ["FMLS", 0, 1, "001", fused(true), false],
  ["FSUB", 0, 1, "010", named("sub"), false],
  ["FMIN", 0, 1, "110", named("min"), false],
  ["FRSQRTS", 0, 1, "111", named("rsqrts"), true],
  ["FMUL", 1, 0, "011", named("mul"), false],
  ["FCMGE", 1, 0, "100", named("ge"), true],
  ["FACGE", 1, 0, "101", named("acge"), true],
  ["FDIV", 1, 0, "111", named("div"), false],
  ["FABD", 1, 1, "010", named("abd"), true],
  ["FCMGT", 1, 1, "100", named("gt"), true],
  ["FACGT", 1, 1, "101", named("acgt"), true],
];
function binaryOf(e: Emitter, run: Binary, lanes: number): void {
  const [d, a, b] = [0, 1, 2].map((i) => vec(e, i));
  const at = (v: Node, i: number): Node => extract(e, 1, v, i);
  result(e, each(e, lanes, (i) => run(e, at(a, i), at(b, i), () => at(d, i))), 128);
}
const threeSame = THREE_SAME.flatMap(([name, u, a, opcode, run, scalar]) => [
  familyRow(
    `${name} (half vector)`,
    `0 q:1 ${u} 01110 ${a} 10 rm:5 00 ${opcode} 1 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: ["q"],
      emit: (e, { q }) => binaryOf(e, run, count(q)),
    }),
  ),
  ...(scalar
    ? [familyRow(
      `${name} (half scalar)`,
      `01 ${u} 11110 ${a} 10 rm:5 00 ${opcode} 1 rn:5 rd:5`,
      (f) => ({
        regs: [f.rd.v, f.rn.v, f.rm.v],
        emit: (e) => binaryOf(e, run, 1),
      }),
    )]
    : []),
]);

/** Pairs of neighbours: bit 23, opcode of the vector form, and of the scalar one. */
const PAIRWISE: readonly [string, 0 | 1, string, string, HalfBinary][] = [
  ["FMAXNMP", 0, "000", "01100", "maxnm"],
  ["FMINNMP", 1, "000", "01100", "minnm"],
  ["FADDP", 0, "010", "01101", "add"],
  ["FMAXP", 0, "110", "01111", "max"],
  ["FMINP", 1, "110", "01111", "min"],
];
const pairwise = PAIRWISE.flatMap(([name, a, opcode, scalarOpcode, operation]) => [
  familyRow(
    `${name} (half vector)`,
    `0 q:1 1 01110 ${a} 10 rm:5 00 ${opcode} 1 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: ["q"],
      emit: (e, { q }) => {
        const half = count(q) / 2;
        const sources = [vec(e, 1), vec(e, 2)];
        const r = each(e, count(q), (i) => {
          const from = sources[i < half ? 0 : 1];
          const at = (k: number): Node => extract(e, 1, from, 2 * (i % half) + k);
          return halfBinary(e, operation, at(0), at(1));
        });
        result(e, r, 128);
      },
    }),
  ),
  familyRow(
    `${name} (half scalar)`,
    `01 0 11110 ${a} 0 11000 ${scalarOpcode} 10 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v],
      emit: (e) => {
        const [x, y] = [0, 1].map((i) => extract(e, 1, vec(e, 1), i));
        result(e, each(e, 1, () => halfBinary(e, operation, x, y)), 128);
      },
    }),
  ),
]);

/** FMAXNMV, FMINNMV, FMAXV, FMINV: neighbours first, then their results. */
const ACROSS: readonly [string, 0 | 1, string, HalfBinary][] = [
  ["FMAXNMV", 0, "01100", "maxnm"],
  ["FMINNMV", 1, "01100", "minnm"],
  ["FMAXV", 0, "01111", "max"],
  ["FMINV", 1, "01111", "min"],
];
const across = ACROSS.map(([name, a, opcode, operation]) =>
  familyRow(`${name} (half)`, `0 q:1 0 01110 ${a} 0 11000 ${opcode} 10 rn:5 rd:5`, (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["q"],
    emit: (e, { q }) => {
      const x = vec(e, 1);
      let values = Array.from({ length: count(q) }, (_, i) => extract(e, 1, x, i));
      while (values.length > 1) {
        const pairs: Node[] = [];
        for (let i = 0; i < values.length; i += 2) {
          pairs.push(halfBinary(e, operation, values[i], values[i + 1]));
        }
        values = pairs;
      }
      result(e, each(e, 1, () => values[0]), 128);
    },
  }))
);

const rounded = (mode: Mode): Unary => (e, x) => halfRound(e, x, mode);
const compared = (name: HalfBinary, swapped = false): Unary => (e, x) =>
  swapped ? halfBinary(e, name, e.i32(0), x) : halfBinary(e, name, x, e.i32(0));
const integral = (mode: Rounding, signed: boolean): Unary => (e, x) =>
  e.wrap(halfToInteger(e, x, e.i32(0), mode, signed, 16));
/** A 16-bit element as i64. */
function extended(e: Emitter, x: Node, signed: boolean): Node {
  return signed ? e.sext(e.op("i32.extend16_s", [x])) : e.zext(x);
}
const fromInteger = (signed: boolean): Unary => (e, x) =>
  halfFromInteger(e, extended(e, x, signed), e.i32(0), signed);

const CONVERSIONS: readonly [string, 0 | 1, string, Rounding][] = [
  ["FCVTN", 0, "11010", Rounding.Nearest],
  ["FCVTM", 0, "11011", Rounding.Down],
  ["FCVTA", 0, "11100", Rounding.Away],
  ["FCVTP", 1, "11010", Rounding.Up],
  ["FCVTZ", 1, "11011", Rounding.Zero],
];
/** Name, U, bit 23, opcode, operation, whether there is a scalar form, and only that. */
type Entry = readonly [string, 0 | 1, 0 | 1, string, Unary, boolean, boolean?];
const TWO_MISC: readonly Entry[] = [
  ["FRINTN", 0, 0, "11000", rounded(Rounding.Nearest), false],
  ["FRINTM", 0, 0, "11001", rounded(Rounding.Down), false],
  ["FRINTP", 0, 1, "11000", rounded(Rounding.Up), false],
  ["FRINTZ", 0, 1, "11001", rounded(Rounding.Zero), false],
  ["FRINTA", 1, 0, "11000", rounded(Rounding.Away), false],
  ["FRINTX", 1, 0, "11001", rounded(EXACT), false],
  ["FRINTI", 1, 1, "11001", rounded(CURRENT), false],
  ...CONVERSIONS.flatMap(([name, a, opcode, mode]) =>
    ([0, 1] as const).map((u): Entry => [
      name + (u ? "U" : "S"),
      u,
      a,
      opcode,
      integral(mode, u === 0),
      true,
    ])
  ),
  ["SCVTF", 0, 0, "11101", fromInteger(true), true],
  ["UCVTF", 1, 0, "11101", fromInteger(false), true],
  ["FCMGT", 0, 1, "01100", compared("gt"), true],
  ["FCMGE", 1, 1, "01100", compared("ge"), true],
  ["FCMEQ", 0, 1, "01101", compared("eq"), true],
  ["FCMLE", 1, 1, "01101", compared("ge", true), true],
  ["FCMLT", 0, 1, "01110", compared("gt", true), true],
  ["FABS", 0, 1, "01111", one("abs"), false],
  ["FNEG", 1, 1, "01111", one("neg"), false],
  ["FSQRT", 1, 1, "11111", one("sqrt"), false],
  ["FRECPE", 0, 1, "11101", one("recpe"), true],
  ["FRSQRTE", 1, 1, "11101", one("rsqrte"), true],
  ["FRECPX", 0, 1, "11111", one("recpx"), true, true],
];
const twoMisc = TWO_MISC.flatMap(([name, u, a, opcode, run, scalar, only]) => [
  ...(only ? [] : [familyRow(
    `${name} (half vector)`,
    `0 q:1 ${u} 01110 ${a} 1 11100 ${opcode} 10 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v],
      statics: ["q"],
      emit: (e, { q }) => {
        const x = vec(e, 1);
        result(e, each(e, count(q), (i) => run(e, extract(e, 1, x, i))), 128);
      },
    }),
  )]),
  ...(scalar
    ? [familyRow(
      `${name} (half scalar)`,
      `01 ${u} 11110 ${a} 1 11100 ${opcode} 10 rn:5 rd:5`,
      (f) => ({
        regs: [f.rd.v, f.rn.v],
        emit: (e) => {
          const x = extract(e, 1, vec(e, 1), 0);
          result(e, each(e, 1, () => run(e, x)), 128);
        },
      }),
    )]
    : []),
]);

/** Fixed-point forms: immh is 001x, and the fraction has 32 - immh:immb bits. */
const fixedPoint = [true, false].flatMap((to) => {
  const name = to ? "FCVTZ{S,U} (half, " : "SCVTF/UCVTF (half, ";
  const opcode = to ? "11111" : "11100";
  const convert = (e: Emitter, x: Node, u: number): Node =>
    to
      ? e.wrap(halfToInteger(e, x, e.imm32(1), Rounding.Zero, u === 0, 16))
      : halfFromInteger(e, extended(e, x, u === 0), e.imm32(1), u === 0);
  return [
    familyRow(
      `${name}vector, fixed-point)`,
      `0 q:1 u:1 011110 001 amount:4 ${opcode} 1 rn:5 rd:5`,
      (f) => ({
        regs: [f.rd.v, f.rn.v],
        statics: ["q", "u"],
        operands: (w, _pc, out) => void (out.imm1 = 16 - f.amount.of(w)),
        emit: (e, { q, u }) => {
          const x = vec(e, 1);
          result(e, each(e, count(q), (i) => convert(e, extract(e, 1, x, i), u)), 128);
        },
      }),
    ),
    familyRow(
      `${name}scalar, fixed-point)`,
      `01 u:1 111110 001 amount:4 ${opcode} 1 rn:5 rd:5`,
      (f) => ({
        regs: [f.rd.v, f.rn.v],
        statics: ["u"],
        operands: (w, _pc, out) => void (out.imm1 = 16 - f.amount.of(w)),
        emit: (e, { u }) => {
          const x = extract(e, 1, vec(e, 1), 0);
          result(e, each(e, 1, () => convert(e, x, u)), 128);
        },
      }),
    ),
  ];
});

/** FMLA, FMLS, FMUL, FMULX by an element of V0–V15. */
const BY_ELEMENT: readonly [string, 0 | 1, string, Binary][] = [
  ["FMLA", 0, "0001", fused(false)],
  ["FMLS", 0, "0101", fused(true)],
  ["FMUL", 0, "1001", named("mul")],
  ["FMULX", 1, "1001", named("mulx")],
];
function byElement(e: Emitter, run: Binary, lanes: number, index: number): void {
  const [d, a] = [vec(e, 0), vec(e, 1)];
  const b = extract(e, 1, vec(e, 2), index);
  const at = (v: Node, i: number): Node => extract(e, 1, v, i);
  result(e, each(e, lanes, (i) => run(e, at(a, i), b, () => at(d, i))), 128);
}
const elements = BY_ELEMENT.flatMap(([name, u, opcode, run]) => [
  familyRow(
    `${name} (half, element)`,
    `0 q:1 ${u} 01111 00 l:1 m:1 rm:4 ${opcode} h:1 0 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: ["q", "l", "m", "h"],
      emit: (e, { q, l, m, h }) => byElement(e, run, count(q), 4 * h + 2 * l + m),
    }),
  ),
  familyRow(
    `${name} (half scalar, element)`,
    `01 ${u} 11111 00 l:1 m:1 rm:4 ${opcode} h:1 0 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: ["l", "m", "h"],
      emit: (e, { l, m, h }) => byElement(e, run, 1, 4 * h + 2 * l + m),
    }),
  ),
]);

const immediate = row(
  "FMOV (half vector, immediate)",
  "0 q:1 0 0111100000 abc:3 1111 11 defgh:5 rd:5",
  (f) => ({
    regs: [f.rd.v],
    statics: ["q"],
    operands: (w, _pc, out) => {
      out.imm0Low = expandFloat16((f.abc.of(w) << 5) | f.defgh.of(w));
    },
    emit: (e, { q }) => result(e, lane(e, 1, "splat", e.imm32(0)), bitsOfQ(q)),
  }),
);

export const rows = [
  ...threeSame,
  ...pairwise,
  ...across,
  ...twoMisc,
  ...fixedPoint,
  ...elements,
  immediate,
];
