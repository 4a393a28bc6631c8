/** Floating point on vectors, and the scalar forms in the Advanced SIMD encoding space. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import {
  absolute,
  arithmetic,
  type ArithmeticName,
  negate,
  reciprocalStep,
  vectorArithmetic,
} from "../float/arithmetic.ts";
import { comparands } from "../float/flush.ts";
import { vectorFusedMultiplyAdd } from "../float/fused.ts";
import { float, type FloatKind } from "../float/nan.ts";
import { setScalar } from "../registers.ts";
import { familyRow } from "../row.ts";
import { bitsOfQ, floatVec, permute, result, unzip, vec, zeros } from "./lanes.ts";

/** Works on vectors and on scalars alike. */
type Binary = (e: Emitter, k: FloatKind, a: Node, b: Node, d: () => Node) => Node;

const named = (name: ArithmeticName): Binary => (e, k, a, b) =>
  a.type === "v128" ? vectorArithmetic(e, k, name, a, b) : arithmetic(e, k, name, a, b);
const compared = (name: string, magnitude = false): Binary => (e, k, a, b) => {
  const operands = comparands(e, k, name !== "eq", a, b);
  return e.op(`${k.shape}.${name}`, magnitude ? operands.map((x) => absolute(e, k, x)) : operands);
};
const fused = (subtracts: boolean): Binary => (e, k, a, b, d) =>
  vectorFusedMultiplyAdd(e, k, d(), subtracts ? negate(e, k, a) : a, b);
const absoluteDifference: Binary = (e, k, a, b, d) => absolute(e, k, named("sub")(e, k, a, b, d));
const stepped = (root: boolean): Binary => (e, k, a, b) => reciprocalStep(e, k, root, a, b);

/** U, bit 23, opcode; `scalar` says how the scalar form is made, if there is one. */
interface Entry {
  readonly name: string;
  readonly u: 0 | 1;
  readonly a: 0 | 1;
  readonly opcode: string;
  readonly run: Binary;
  /** "float": on the low lanes as floats; "mask": the vector result, cut to its low element. */
  readonly scalar?: "float" | "mask";
}
const entries: Entry[] = [
  { name: "FMAXNM", u: 0, a: 0, opcode: "11000", run: named("maxnm") },
  { name: "FMINNM", u: 0, a: 1, opcode: "11000", run: named("minnm") },
  { name: "FMLA", u: 0, a: 0, opcode: "11001", run: fused(false) },
  { name: "FMLS", u: 0, a: 1, opcode: "11001", run: fused(true) },
  { name: "FADD", u: 0, a: 0, opcode: "11010", run: named("add") },
  { name: "FSUB", u: 0, a: 1, opcode: "11010", run: named("sub") },
  { name: "FABD", u: 1, a: 1, opcode: "11010", run: absoluteDifference, scalar: "float" },
  { name: "FMULX", u: 0, a: 0, opcode: "11011", run: named("mulx"), scalar: "float" },
  { name: "FMUL", u: 1, a: 0, opcode: "11011", run: named("mul") },
  { name: "FCMEQ", u: 0, a: 0, opcode: "11100", run: compared("eq"), scalar: "mask" },
  { name: "FCMGE", u: 1, a: 0, opcode: "11100", run: compared("ge"), scalar: "mask" },
  { name: "FCMGT", u: 1, a: 1, opcode: "11100", run: compared("gt"), scalar: "mask" },
  { name: "FACGE", u: 1, a: 0, opcode: "11101", run: compared("ge", true), scalar: "mask" },
  { name: "FACGT", u: 1, a: 1, opcode: "11101", run: compared("gt", true), scalar: "mask" },
  { name: "FMAX", u: 0, a: 0, opcode: "11110", run: named("max") },
  { name: "FMIN", u: 0, a: 1, opcode: "11110", run: named("min") },
  { name: "FRECPS", u: 0, a: 0, opcode: "11111", run: stepped(false), scalar: "float" },
  { name: "FRSQRTS", u: 0, a: 1, opcode: "11111", run: stepped(true), scalar: "float" },
  { name: "FDIV", u: 1, a: 0, opcode: "11111", run: named("div") },
];

/** D elements need all 128 bits. */
const allowed = (q: number, d: number): boolean => q === 1 || d === 0;

const threeSame = entries.map(({ name, u, a, opcode, run }) =>
  familyRow(
    `${name} (vector)`,
    `0 q:1 ${u} 01110 ${a} d:1 1 rm:5 ${opcode} 1 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: ["q", "d"],
      valid: (w) => allowed(f.q.of(w), f.d.of(w)),
      emit: (e, { q, d }) => {
        const operand = (i: number): Node => floatVec(e, i, d, bitsOfQ(q));
        const r = run(e, float[d], operand(1), operand(2), () => operand(0));
        result(e, r, bitsOfQ(q));
      },
    }),
  )
);
function low(e: Emitter, i: number, d: number): Node {
  return d ? e.getF64(e.reg(i)) : e.getF32(e.reg(i));
}
const threeSameScalar = entries.filter((x) => x.scalar).map((
  { name, u, a, opcode, run, scalar },
) =>
  familyRow(
    `${name} (scalar)`,
    `01 ${u} 11110 ${a} d:1 1 rm:5 ${opcode} 1 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: ["d"],
      emit: (e, { d }) => {
        const none = (): Node => zeros(e);
        if (scalar === "float") {
          setScalar(e, 0, run(e, float[d], low(e, 1, d), low(e, 2, d), none));
          return;
        }
        const [a, b] = [1, 2].map((i) => floatVec(e, i, d, 32 << d));
        result(e, run(e, float[d], a, b, none), 32 << d);
      },
    }),
  )
);

/** Pairs of neighbours: U = 1, bit 23, opcode of the vector form, and of the scalar one. */
const PAIRWISE: readonly [string, 0 | 1, string, string, ArithmeticName][] = [
  ["FMAXNMP", 0, "11000", "01100", "maxnm"],
  ["FMINNMP", 1, "11000", "01100", "minnm"],
  ["FADDP", 0, "11010", "01101", "add"],
  ["FMAXP", 0, "11110", "01111", "max"],
  ["FMINP", 1, "11110", "01111", "min"],
];
const pairwise = PAIRWISE.flatMap(([name, a, opcode, scalarOpcode, operation]) => [
  familyRow(
    `${name} (vector)`,
    `0 q:1 1 01110 ${a} d:1 1 rm:5 ${opcode} 1 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: ["q", "d"],
      valid: (w) => allowed(f.q.of(w), f.d.of(w)),
      emit: (e, { q, d }) => {
        const [n, m] = [vec(e, 1), vec(e, 2)];
        const even = unzip(e, 2 + d, n, m, 0, bitsOfQ(q));
        const odd = unzip(e, 2 + d, n, m, 1, bitsOfQ(q));
        result(e, vectorArithmetic(e, float[d], operation, even, odd), bitsOfQ(q));
      },
    }),
  ),
  familyRow(
    `${name} (scalar)`,
    `01 1 11110 ${a} d:1 11000 ${scalarOpcode} 10 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v],
      statics: ["d"],
      emit: (e, { d }) => {
        const k = float[d];
        const [x, y] = [0, 1].map((i) => e.op(`${k.shape}.extract_lane`, [vec(e, 1)], i));
        setScalar(e, 0, arithmetic(e, k, operation, x, y));
      },
    }),
  ),
]);

/** FMAXNMV, FMINNMV, FMAXV, FMINV of four singles: neighbours first. */
const ACROSS: readonly [string, 0 | 1, string, ArithmeticName][] = [
  ["FMAXNMV", 0, "01100", "maxnm"],
  ["FMINNMV", 1, "01100", "minnm"],
  ["FMAXV", 0, "01111", "max"],
  ["FMINV", 1, "01111", "min"],
];
const across = ACROSS.map(([name, a, opcode, operation]) =>
  familyRow(name, `0 1 1 01110 ${a} 0 11000 ${opcode} 10 rn:5 rd:5`, (f) => ({
    regs: [f.rd.v, f.rn.v],
    emit: (e) => {
      const k = float[0];
      const x = vec(e, 1);
      const pairs = vectorArithmetic(
        e,
        k,
        operation,
        permute(e, 2, x, x, (i) => 2 * i & 3),
        permute(e, 2, x, x, (i) => 2 * i + 1 & 3),
      );
      const [p, q] = [0, 1].map((i) => e.op("f32x4.extract_lane", [pairs], i));
      setScalar(e, 0, arithmetic(e, k, operation, p, q));
    },
  }))
);

export const rows = [...threeSame, ...threeSameScalar, ...pairwise, ...across];
