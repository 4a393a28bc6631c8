/** Floating point on one vector: rounding, conversions, comparisons with zero, estimates. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Helper, Node } from "../../ir/types.ts";
import { absolute, negate, vectorArithmetic } from "../float/arithmetic.ts";
import {
  CURRENT,
  EXACT,
  fromFixed,
  fromInteger,
  type Mode,
  roundToIntegral,
  toFixed,
  toInteger,
} from "../float/convert.ts";
import { estimate, exponentReciprocal, fixedEstimate } from "../float/estimate.ts";
import { convertBits, convertToOdd, Precision } from "../float/formats.ts";
import { comparands } from "../float/flush.ts";
import { lanewise } from "../float/lanes.ts";
import { constantVector, float, type FloatKind, fromBits, toBits } from "../float/nan.ts";
import { fpcr } from "../float/status.ts";
import { Rounding } from "../float/soft_float.ts";
import { familyRow, row } from "../row.ts";
import { bitsOfQ, extract, floatVec, replace, result, vec, zeros } from "./lanes.ts";
import { writeHalf } from "./narrow.ts";

type Unary = (e: Emitter, k: FloatKind, a: Node) => Node;

/** U, bit 23, opcode. */
interface Entry {
  readonly name: string;
  readonly u: 0 | 1;
  readonly a: 0 | 1;
  readonly opcode: string;
  readonly run: Unary;
  /** Whether a scalar form exists, the vector result cut to its low element. */
  readonly scalar?: boolean;
  /** Singles only. */
  readonly single?: boolean;
}

const index = (k: FloatKind): 0 | 1 => k.lanes === 4 ? 0 : 1;

/** An IR function per kind, for operations that work lane by lane. */
function perLane(
  name: string,
  arity: number,
  run: (e: Emitter, k: FloatKind, bits: Node) => Node,
): Helper[] {
  return float.map((k) => lanewise(`${name}_${k.shape}`, k, arity, (e, bits) => run(e, k, bits)));
}

const rounded = (mode: Mode): Unary => (e, k, a) => roundToIntegral(e, k, a, mode);
const comparedToZero = (name: string): Unary => (e, k, a) =>
  e.op(`${k.shape}.${name}`, comparands(e, k, name !== "eq", a, zeros(e)));

/** FCVT{N,P,M,Z,A}{S,U}: four singles at once if all fit. */
function converted(name: string, mode: Rounding, signed: boolean): Unary {
  const lanes = perLane(
    name,
    1,
    (e, k, bits) => toInteger(e, k, fromBits(e, k, bits), mode, signed, index(k)),
  );
  const operation = `i32x4.trunc_sat_f32x4_${signed ? "s" : "u"}`;
  const direct: Readonly<Record<number, string | null>> = {
    [Rounding.Nearest]: "nearest",
    [Rounding.Up]: "ceil",
    [Rounding.Down]: "floor",
    [Rounding.Zero]: null,
  };
  return (e, k, a) => {
    const round = direct[mode];
    if (k.lanes !== 4 || round === undefined) return e.call(lanes[index(k)], a);
    const whole = round === null ? a : e.op(`f32x4.${round}`, [a]);
    const r = e.variable("v128", e.op(operation, [whole]));
    e.if(e.or(e.eqz(fit(e, whole, signed)), fpcr(e)), () => e.assign(r, e.call(lanes[0], a)));
    return e.read(r);
  };
}
/** Whether four rounded singles are integers of 32 bits; of the least negative one, it may be denied. */
function fit(e: Emitter, x: Node, signed: boolean): Node {
  const limit = constantVector(e, float[0], signed ? 0x4f000000n : 0x4f800000n);
  const magnitude = signed ? absolute(e, float[0], x) : x;
  const below = e.op("f32x4.lt", [magnitude, limit]);
  const inside = signed ? below : e.op("v128.and", [below, e.op("f32x4.ge", [x, zeros(e)])]);
  return e.op("i32x4.all_true", [inside]);
}

function fromIntegers(signed: boolean): Unary {
  const lanes = perLane(
    signed ? "scvtf" : "ucvtf",
    1,
    (e, k, bits) => toBits(e, k, fromInteger(e, k, bits, signed)),
  );
  return (e, k, a) => {
    if (k.lanes !== 4) return e.call(lanes[1], a);
    const r = e.variable("v128", e.op(`f32x4.convert_i32x4_${signed ? "s" : "u"}`, [a]));
    e.if(fpcr(e), () => e.assign(r, e.call(lanes[0], a)));
    return e.read(r);
  };
}

const estimates = [false, true].map((root) =>
  perLane(
    root ? "rsqrte" : "recpe",
    1,
    (e, k, bits) => estimate(e, k, root, bits),
  )
);
const estimated = (root: boolean): Unary => (e, k, a) =>
  e.call(estimates[root ? 1 : 0][index(k)], a);
const fixedEstimates = [false, true].map((root) =>
  lanewise(root ? "ursqrte" : "urecpe", float[0], 1, (e, bits) => fixedEstimate(e, root, bits))
);
const fixedEstimated = (root: boolean): Unary => (e, _k, a) =>
  e.call(fixedEstimates[root ? 1 : 0], a);
const exponents = perLane("recpx", 1, exponentReciprocal);

const CONVERSIONS: readonly [string, 0 | 1, string, Rounding][] = [
  ["FCVTN", 0, "11010", Rounding.Nearest],
  ["FCVTM", 0, "11011", Rounding.Down],
  ["FCVTA", 0, "11100", Rounding.Away],
  ["FCVTP", 1, "11010", Rounding.Up],
  ["FCVTZ", 1, "11011", Rounding.Zero],
];
const entries: Entry[] = [
  { name: "FRINTN", u: 0, a: 0, opcode: "11000", run: rounded(Rounding.Nearest) },
  { name: "FRINTM", u: 0, a: 0, opcode: "11001", run: rounded(Rounding.Down) },
  { name: "FRINTP", u: 0, a: 1, opcode: "11000", run: rounded(Rounding.Up) },
  { name: "FRINTZ", u: 0, a: 1, opcode: "11001", run: rounded(Rounding.Zero) },
  { name: "FRINTA", u: 1, a: 0, opcode: "11000", run: rounded(Rounding.Away) },
  { name: "FRINTX", u: 1, a: 0, opcode: "11001", run: rounded(EXACT) },
  { name: "FRINTI", u: 1, a: 1, opcode: "11001", run: rounded(CURRENT) },
  ...CONVERSIONS.flatMap(([name, a, opcode, mode]) =>
    ([0, 1] as const).map((u): Entry => ({
      name: name + (u ? "U" : "S"),
      u,
      a,
      opcode,
      run: converted(name + (u ? "U" : "S"), mode, u === 0),
      scalar: true,
    }))
  ),
  { name: "SCVTF", u: 0, a: 0, opcode: "11101", run: fromIntegers(true), scalar: true },
  { name: "UCVTF", u: 1, a: 0, opcode: "11101", run: fromIntegers(false), scalar: true },
  { name: "FCMGT", u: 0, a: 1, opcode: "01100", run: comparedToZero("gt"), scalar: true },
  { name: "FCMGE", u: 1, a: 1, opcode: "01100", run: comparedToZero("ge"), scalar: true },
  { name: "FCMEQ", u: 0, a: 1, opcode: "01101", run: comparedToZero("eq"), scalar: true },
  { name: "FCMLE", u: 1, a: 1, opcode: "01101", run: comparedToZero("le"), scalar: true },
  { name: "FCMLT", u: 0, a: 1, opcode: "01110", run: comparedToZero("lt"), scalar: true },
  { name: "FABS", u: 0, a: 1, opcode: "01111", run: absolute },
  { name: "FNEG", u: 1, a: 1, opcode: "01111", run: negate },
  {
    name: "FSQRT",
    u: 1,
    a: 1,
    opcode: "11111",
    run: (e, k, x) => vectorArithmetic(e, k, "sqrt", x),
  },
  { name: "URECPE", u: 0, a: 1, opcode: "11100", run: fixedEstimated(false), single: true },
  { name: "URSQRTE", u: 1, a: 1, opcode: "11100", run: fixedEstimated(true), single: true },
  { name: "FRECPE", u: 0, a: 1, opcode: "11101", run: estimated(false), scalar: true },
  { name: "FRSQRTE", u: 1, a: 1, opcode: "11101", run: estimated(true), scalar: true },
];

const vectors = entries.map(({ name, u, a, opcode, run, single }) =>
  familyRow(
    `${name} (vector)`,
    `0 q:1 ${u} 01110 ${a} d:1 10000 ${opcode} 10 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v],
      statics: ["q", "d"],
      valid: (w) => f.d.of(w) === 0 || (f.q.of(w) === 1 && single !== true),
      emit: (e, { q, d }) => result(e, run(e, float[d], floatVec(e, 1, d, bitsOfQ(q))), bitsOfQ(q)),
    }),
  )
);
const scalarEntries: Entry[] = [
  ...entries.filter((x) => x.scalar),
  {
    name: "FRECPX",
    u: 0,
    a: 1,
    opcode: "11111",
    run: (e, k, x) => e.call(exponents[index(k)], x),
  },
];
const scalars = scalarEntries.map(({ name, u, a, opcode, run }) =>
  familyRow(
    `${name} (scalar)`,
    `01 ${u} 11110 ${a} d:1 10000 ${opcode} 10 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v],
      statics: ["d"],
      emit: (e, { d }) => result(e, run(e, float[d], floatVec(e, 1, d, 32 << d)), 32 << d),
    }),
  )
);

/** Fixed-point forms: S or D by the highest bit of immh. */
const fixedForms = [0, 1].flatMap((d) => {
  const amount = d ? "1 amount:6" : "01 amount:5";
  const width = 32 << d;
  const convert = (e: Emitter, to: boolean, u: number, lanes: number): Node => {
    const k = float[d];
    const scale = e.op("f64.reinterpret_i64", [e.imm(0)]);
    const source = vec(e, 1);
    let r = zeros(e);
    for (let i = 0; i < lanes; i++) {
      const bits = extract(e, 2 + d, source, i);
      const x = to
        ? toFixed(e, k, fromBits(e, k, bits), scale, u === 0, d)
        : toBits(e, k, fromFixed(e, k, bits, scale, u === 0));
      r = replace(e, 2 + d, r, i, x);
    }
    return r;
  };
  return [true, false].flatMap((to) => {
    const name = to ? "FCVTZ{S,U} (vector, fixed-point)" : "SCVTF/UCVTF (vector, fixed-point)";
    const opcode = to ? "11111" : "11100";
    const scaleOf = (fraction: number): number => (1023 + (to ? fraction : -fraction)) << 20;
    return [
      familyRow(name, `0 q:1 u:1 011110 ${amount} ${opcode} 1 rn:5 rd:5`, (f) => ({
        regs: [f.rd.v, f.rn.v],
        statics: ["q", "u"],
        valid: (w) => d === 0 || f.q.of(w) === 1,
        operands: (w, _pc, out) => void (out.imm0High = scaleOf(width - f.amount.of(w))),
        emit: (e, { q, u }) => result(e, convert(e, to, u, bitsOfQ(q) / width), 128),
      })),
      familyRow(
        name.replace("vector", "scalar"),
        `01 u:1 111110 ${amount} ${opcode} 1 rn:5 rd:5`,
        (f) => ({
          regs: [f.rd.v, f.rn.v],
          statics: ["u"],
          operands: (w, _pc, out) => void (out.imm0High = scaleOf(width - f.amount.of(w))),
          emit: (e, { u }) => result(e, convert(e, to, u, 1), 128),
        }),
      ),
    ];
  });
});

/** Formats of FCVTL and FCVTN: narrow and wide. */
const FORMATS = [
  { narrow: Precision.Half, wide: Precision.Single, size: 1 },
  { narrow: Precision.Single, wide: Precision.Double, size: 2 },
] as const;

const formats = [
  row("FCVTL", "0 q:1 0 01110 0 d:1 10000 10111 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["q", "d"],
    emit: (e, { q, d }) => {
      const { narrow, wide, size } = FORMATS[d];
      const count = 8 >> size;
      const source = vec(e, 1);
      let r = zeros(e);
      for (let i = 0; i < count; i++) {
        const bits = extract(e, size, source, i + q * count);
        r = replace(e, size + 1, r, i, convertBits(e, bits, narrow, wide));
      }
      result(e, r, 128);
    },
  })),
  row("FCVTN/FCVTXN", "0 q:1 odd:1 01110 0 d:1 10000 10110 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["q", "odd", "d"],
    valid: (w) => f.odd.of(w) === 0 || f.d.of(w) === 1,
    emit: (e, { q, odd, d }) => {
      const { narrow, wide, size } = FORMATS[d];
      const source = vec(e, 1);
      let r = zeros(e);
      for (let i = 0; i < 8 >> size; i++) {
        const bits = extract(e, size + 1, source, i);
        r = replace(
          e,
          size,
          r,
          i,
          odd ? convertToOdd(e, bits) : convertBits(e, bits, wide, narrow),
        );
      }
      writeHalf(e, r, q);
    },
  })),
  row("FCVTXN (scalar)", "01 1 11110 01 10000 10110 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    emit: (e) => {
      const r = convertToOdd(e, extract(e, 3, vec(e, 1), 0));
      result(e, replace(e, 2, zeros(e), 0, r), 128);
    },
  })),
];

export const rows = [...vectors, ...scalars, ...fixedForms, ...formats];
