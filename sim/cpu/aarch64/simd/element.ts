/** Operations of a vector with one element of another (DDI 0487, C4.1.96 "indexed element"). */
import { arithmetic, vectorArithmetic } from "../float/arithmetic.ts";
import { fusedMultiplyAdd, vectorFusedMultiplyAdd } from "../float/fused.ts";
import { float } from "../float/nan.ts";
import { negate } from "../float/arithmetic.ts";
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { setScalar } from "../registers.ts";
import { familyRow, row } from "../row.ts";
import { broadcast } from "./copy.ts";
import {
  add,
  type Binary,
  doublingHigh,
  doublingHighAccumulate,
  multiply,
  subtract,
} from "./integer.ts";
import { bitsOfQ, ignoringAbove, lane, result, vec, width } from "./lanes.ts";
import { dotProduct, doubling, DOUBLINGS } from "./long.ts";
import { multiplyHalf } from "./narrow.ts";

/**
 * Element numbers: H uses H:L:M and Rm below 16, S uses H:L. Patterns have `l`, `m`, `rm` (4 bits) and
 * `h`; the register operand is the whole of M:Rm for S, and Rm alone for H.
 */
type Run = (e: Emitter, size: number, a: Node, b: Node, d: () => Node) => Node;

const accumulate = (sum: Binary): Run => (e, size, a, b, d) =>
  sum(e, size, d(), multiply(e, size, a, b));

interface Entry {
  readonly name: string;
  readonly u: string;
  readonly opcode: string;
  readonly scalar: boolean;
  readonly run: Run;
}
const entries: Entry[] = [
  { name: "MLA", u: "1", opcode: "0000", scalar: false, run: accumulate(add) },
  { name: "MLS", u: "1", opcode: "0100", scalar: false, run: accumulate(subtract) },
  { name: "MUL", u: "0", opcode: "1000", scalar: false, run: multiply },
  { name: "SQDMULH", u: "0", opcode: "1100", scalar: true, run: doublingHigh(false) },
  { name: "SQRDMULH", u: "0", opcode: "1101", scalar: true, run: doublingHigh(true) },
  {
    name: "SQRDMLAH",
    u: "1",
    opcode: "1101",
    scalar: true,
    run: (e, size, a, b, d) => doublingHighAccumulate(e, size, d(), a, b, false),
  },
  {
    name: "SQRDMLSH",
    u: "1",
    opcode: "1111",
    scalar: true,
    run: (e, size, a, b, d) => doublingHighAccumulate(e, size, d(), a, b, true),
  },
];

/** H and S forms of a pattern: the text between the size bits and the opcode. */
const FORMS = [
  {
    size: 1,
    text: "01 l:1 m:1 rm:4",
    index: (h: number, l: number, m: number) => h * 4 + l * 2 + m,
  },
  { size: 2, text: "10 l:1 rm:5", index: (h: number, l: number) => h * 2 + l },
];
type Form = (typeof FORMS)[number];
const indexNames = (form: Form): string[] => form.size === 1 ? ["h", "l", "m"] : ["h", "l"];
function operand(e: Emitter, form: Form, s: Record<string, number>): Node {
  return broadcast(e, form.size, vec(e, 2), form.index(s.h, s.l, s.m));
}

const integers = FORMS.flatMap((form) =>
  entries.flatMap(({ name, u, opcode, scalar, run }) => {
    const vector = familyRow(
      `${name} (element)`,
      `0 q:1 ${u} 01111 ${form.text} ${opcode} h:1 0 rn:5 rd:5`,
      (f) => ({
        regs: [f.rd.v, f.rn.v, f.rm.v],
        statics: ["q", ...indexNames(form)],
        emit: (e, s) => {
          const r = run(e, form.size, vec(e, 1), operand(e, form, s), () => vec(e, 0));
          result(e, r, bitsOfQ(s.q));
        },
      }),
    );
    if (!scalar) return [vector];
    return [
      vector,
      familyRow(
        `${name} (scalar, element)`,
        `01 ${u} 11111 ${form.text} ${opcode} h:1 0 rn:5 rd:5`,
        (f) => ({
          regs: [f.rd.v, f.rn.v, f.rm.v],
          statics: indexNames(form),
          emit: (e, s) => {
            const r = run(e, form.size, vec(e, 1), operand(e, form, s), () => vec(e, 0));
            result(e, r, width(form.size));
          },
        }),
      ),
    ];
  })
);

/** SMLAL, SMLSL, SMULL and unsigned; SQDMLAL, SQDMLSL, SQDMULL. */
const LONGS: readonly [string, string, "add" | "sub" | null][] = [
  ["SMLAL/UMLAL", "0010", "add"],
  ["SMLSL/UMLSL", "0110", "sub"],
  ["SMULL/UMULL", "1010", null],
];
const longs = FORMS.flatMap((form) => [
  ...LONGS.map(([name, opcode, sum]) =>
    familyRow(
      `${name} (element)`,
      `0 q:1 u:1 01111 ${form.text} ${opcode} h:1 0 rn:5 rd:5`,
      (f) => ({
        regs: [f.rd.v, f.rn.v, f.rm.v],
        statics: ["q", "u", ...indexNames(form)],
        emit: (e, s) => {
          const b = operand(e, form, s);
          const p = multiplyHalf(e, form.size, vec(e, 1), b, s.q, s.u === 0);
          result(e, sum === null ? p : lane(e, form.size + 1, sum, vec(e, 0), p), 128);
        },
      }),
    )
  ),
  ...DOUBLINGS.flatMap(([name, , kind]) => {
    const opcode = { mlal: "0011", mlsl: "0111", mull: "1011" }[kind];
    return [
      familyRow(
        `${name} (element)`,
        `0 q:1 0 01111 ${form.text} ${opcode} h:1 0 rn:5 rd:5`,
        (f) => ({
          regs: [f.rd.v, f.rn.v, f.rm.v],
          statics: ["q", ...indexNames(form)],
          emit: (e, s) => {
            const b = operand(e, form, s);
            const r = doubling(e, kind, form.size, vec(e, 1), b, s.q, () => vec(e, 0));
            result(e, r, 128);
          },
        }),
      ),
      familyRow(
        `${name} (scalar, element)`,
        `01 0 11111 ${form.text} ${opcode} h:1 0 rn:5 rd:5`,
        (f) => ({
          regs: [f.rd.v, f.rn.v, f.rm.v],
          statics: indexNames(form),
          emit: (e, s) => {
            const b = operand(e, form, s);
            const r = doubling(e, kind, form.size, vec(e, 1), b, 0, () => vec(e, 0));
            result(e, r, width(form.size + 1));
          },
        }),
      ),
    ];
  }),
]);

const dots = [
  row("SDOT/UDOT (element)", "0 q:1 u:1 01111 10 l:1 rm:5 1110 h:1 0 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q", "u", "l", "h"],
    emit: (e, { q, u, l, h }) => {
      const b = broadcast(e, 2, vec(e, 2), h * 2 + l);
      result(e, dotProduct(e, vec(e, 0), vec(e, 1), b, u === 0), bitsOfQ(q));
    },
  })),
];

/** FMLA, FMLS, FMUL, FMULX: what is done with the chosen element. */
const FLOATS: readonly [string, string, string, "fmla" | "fmls" | "mul" | "mulx"][] = [
  ["FMLA", "0", "0001", "fmla"],
  ["FMLS", "0", "0101", "fmls"],
  ["FMUL", "0", "1001", "mul"],
  ["FMULX", "1", "1001", "mulx"],
];
const floats = FLOATS.flatMap(([name, u, opcode, kind]) => [
  familyRow(
    `${name} (element)`,
    `0 q:1 ${u} 01111 1 d:1 l:1 rm:5 ${opcode} h:1 0 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: ["q", "d", "l", "h"],
      valid: (w) => f.d.of(w) === 0 || (f.l.of(w) === 0 && f.q.of(w) === 1),
      emit: (e, { q, d, l, h }) => {
        const k = float[d];
        const active = (x: Node): Node => ignoringAbove(e, x, d, bitsOfQ(q));
        const a = active(vec(e, 1));
        const b = active(broadcast(e, 2 + d, vec(e, 2), d ? h : h * 2 + l));
        const r = kind === "mul" || kind === "mulx"
          ? vectorArithmetic(e, k, kind, a, b)
          : vectorFusedMultiplyAdd(
            e,
            k,
            active(vec(e, 0)),
            kind === "fmls" ? negate(e, k, a) : a,
            b,
          );
        result(e, r, bitsOfQ(q));
      },
    }),
  ),
  familyRow(
    `${name} (scalar, element)`,
    `01 ${u} 11111 1 d:1 l:1 rm:5 ${opcode} h:1 0 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: ["d", "l", "h"],
      valid: (w) => f.d.of(w) === 0 || f.l.of(w) === 0,
      emit: (e, { d, l, h }) => {
        const k = float[d];
        const low = (i: number): Node => d ? e.getF64(e.reg(i)) : e.getF32(e.reg(i));
        const a = low(1);
        const b = e.op(`${k.shape}.extract_lane`, [vec(e, 2)], d ? h : h * 2 + l);
        setScalar(
          e,
          0,
          kind === "mul" || kind === "mulx"
            ? arithmetic(e, k, kind, a, b)
            : fusedMultiplyAdd(e, k, low(0), kind === "fmls" ? negate(e, k, a) : a, b),
        );
      },
    }),
  ),
]);

export const rows = [...integers, ...longs, ...dots, ...floats];
