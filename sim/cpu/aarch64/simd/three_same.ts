/** Integer operations on three registers of one arrangement, as vectors and as scalars. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { type AArch64Row, familyRow, row } from "../row.ts";
import * as I from "./integer.ts";
import { and, andNot, bitsOfQ, choose, not, or, result, unzip, vec, width, xor } from "./lanes.ts";

/** One (U, opcode) of the group. */
interface Entry {
  readonly name: string;
  readonly u: 0 | 1;
  readonly opcode: string;
  /** Allowed sizes of the vector form, and of the scalar one, as bit sets. */
  readonly sizes: number;
  readonly scalar?: number;
  /** Operands b, a; `d` is the old destination. */
  readonly run: (e: Emitter, size: number, a: Node, b: Node, d: () => Node) => Node;
}

const BHS = 0b0111;
const ALL = 0b1111;
const D = 0b1000;
const HS = 0b0110;

/** A signed and an unsigned instruction of the same opcode. */
function pair(
  signed: string,
  unsigned: string,
  opcode: string,
  sizes: number,
  scalar: number,
  run: (signed: boolean) => I.Binary,
): Entry[] {
  return [
    { name: signed, u: 0, opcode, sizes, scalar, run: run(true) },
    { name: unsigned, u: 1, opcode, sizes, scalar, run: run(false) },
  ];
}

const accumulated = (sum: I.Binary, term: I.Binary): Entry["run"] => (e, size, a, b, d) =>
  sum(e, size, d(), term(e, size, a, b));

const entries: Entry[] = [
  ...pair("SHADD", "UHADD", "00000", BHS, 0, I.halvingAdd),
  ...pair("SQADD", "UQADD", "00001", ALL, ALL, I.saturatingAdd),
  ...pair("SRHADD", "URHADD", "00010", BHS, 0, I.roundingHalvingAdd),
  ...pair("SHSUB", "UHSUB", "00100", BHS, 0, I.halvingSubtract),
  ...pair("SQSUB", "UQSUB", "00101", ALL, ALL, I.saturatingSubtract),
  ...pair("CMGT", "CMHI", "00110", ALL, D, I.greater),
  ...pair("CMGE", "CMHS", "00111", ALL, D, I.greaterEqual),
  ...pair("SSHL", "USHL", "01000", ALL, D, (s) => I.shiftBy(s, false, false)),
  ...pair("SQSHL", "UQSHL", "01001", ALL, ALL, (s) => I.shiftBy(s, false, true)),
  ...pair("SRSHL", "URSHL", "01010", ALL, D, (s) => I.shiftBy(s, true, false)),
  ...pair("SQRSHL", "UQRSHL", "01011", ALL, ALL, (s) => I.shiftBy(s, true, true)),
  ...pair("SMAX", "UMAX", "01100", BHS, 0, I.larger),
  ...pair("SMIN", "UMIN", "01101", BHS, 0, I.smaller),
  ...pair("SABD", "UABD", "01110", BHS, 0, I.difference),
  {
    name: "SABA",
    u: 0,
    opcode: "01111",
    sizes: BHS,
    run: accumulated(I.add, I.difference(true)),
  },
  {
    name: "UABA",
    u: 1,
    opcode: "01111",
    sizes: BHS,
    run: accumulated(I.add, I.difference(false)),
  },
  { name: "ADD", u: 0, opcode: "10000", sizes: ALL, scalar: D, run: I.add },
  { name: "SUB", u: 1, opcode: "10000", sizes: ALL, scalar: D, run: I.subtract },
  { name: "CMTST", u: 0, opcode: "10001", sizes: ALL, scalar: D, run: I.testBits },
  { name: "CMEQ", u: 1, opcode: "10001", sizes: ALL, scalar: D, run: I.equal },
  { name: "MLA", u: 0, opcode: "10010", sizes: BHS, run: accumulated(I.add, I.multiply) },
  { name: "MLS", u: 1, opcode: "10010", sizes: BHS, run: accumulated(I.subtract, I.multiply) },
  { name: "MUL", u: 0, opcode: "10011", sizes: BHS, run: I.multiply },
  { name: "PMUL", u: 1, opcode: "10011", sizes: 1, run: I.polynomialMultiply },
  { name: "SQDMULH", u: 0, opcode: "10110", sizes: HS, scalar: HS, run: I.doublingHigh(false) },
  { name: "SQRDMULH", u: 1, opcode: "10110", sizes: HS, scalar: HS, run: I.doublingHigh(true) },
];

function vectorRow({ name, u, opcode, sizes, run }: Entry): AArch64Row {
  return familyRow(
    name,
    `0 q:1 ${u} 01110 size:2 1 rm:5 ${opcode} 1 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: ["q", "size"],
      valid: (w) => (sizes >> f.size.of(w) & 1) === 1 && f.q.of(w) + 3 > f.size.of(w),
      emit: (e, { q, size }) =>
        result(e, run(e, size, vec(e, 1), vec(e, 2), () => vec(e, 0)), bitsOfQ(q)),
    }),
  );
}
function scalarRow({ name, u, opcode, scalar, run }: Entry): AArch64Row {
  return familyRow(
    `${name} (scalar)`,
    `01 ${u} 11110 size:2 1 rm:5 ${opcode} 1 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: ["size"],
      valid: (w) => (scalar! >> f.size.of(w) & 1) === 1,
      emit: (e, { size }) =>
        result(e, run(e, size, vec(e, 1), vec(e, 2), () => vec(e, 0)), width(size)),
    }),
  );
}

/** AND … BIF, chosen by U and size. */
function logic(e: Emitter, op: number, d: Node, n: Node, m: Node): Node {
  switch (op) {
    case 0:
      return and(e, n, m);
    case 1:
      return andNot(e, n, m);
    case 2:
      return or(e, n, m);
    case 3:
      return or(e, n, not(e, m));
    case 4:
      return xor(e, n, m);
    case 5:
      return choose(e, d, n, m);
    case 6:
      return choose(e, m, n, d);
    default:
      return choose(e, m, d, n);
  }
}

const logical = [
  row("MOV (vector)", "0 q:1 0 01110 10 1 rm:5 00011 1 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["q"],
    valid: (w) => f.rm.of(w) === f.rn.of(w),
    emit: (e, { q }) => result(e, vec(e, 1), bitsOfQ(q)),
  })),
  row("AND/BIC/ORR/ORN/EOR/BSL/BIT/BIF", "0 q:1 u:1 01110 op:2 1 rm:5 00011 1 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q", "u", "op"],
    emit: (e, { q, u, op }) =>
      result(e, logic(e, 4 * u + op, vec(e, 0), vec(e, 1), vec(e, 2)), bitsOfQ(q)),
  })),
];

/** Neighbours combined, over both sources one after the other. */
const PAIRWISE: readonly [string, 0 | 1, string, number, I.Binary][] = [
  ["SMAXP", 0, "10100", BHS, I.larger(true)],
  ["UMAXP", 1, "10100", BHS, I.larger(false)],
  ["SMINP", 0, "10101", BHS, I.smaller(true)],
  ["UMINP", 1, "10101", BHS, I.smaller(false)],
  ["ADDP", 0, "10111", ALL, I.add],
];
const pairwise = PAIRWISE.map(([name, u, opcode, sizes, run]) =>
  familyRow(
    name,
    `0 q:1 ${u} 01110 size:2 1 rm:5 ${opcode} 1 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: ["q", "size"],
      valid: (w) => (sizes >> f.size.of(w) & 1) === 1 && f.q.of(w) + 3 > f.size.of(w),
      emit: (e, { q, size }) => {
        const [a, b] = [vec(e, 1), vec(e, 2)];
        const even = unzip(e, size, a, b, 0, bitsOfQ(q));
        const odd = unzip(e, size, a, b, 1, bitsOfQ(q));
        result(e, run(e, size, even, odd), bitsOfQ(q));
      },
    }),
  )
);

/** SQRDMLAH and SQRDMLSH. */
const doubling = [
  row("SQRDMLAH/SQRDMLSH", "0 q:1 1 01110 size:2 0 rm:5 1 000 s:1 1 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q", "size", "s"],
    valid: (w) => (HS >> f.size.of(w) & 1) === 1,
    emit: (e, { q, size, s }) => {
      const r = I.doublingHighAccumulate(e, size, vec(e, 0), vec(e, 1), vec(e, 2), s === 1);
      result(e, r, bitsOfQ(q));
    },
  })),
  row("SQRDMLAH/SQRDMLSH (scalar)", "01 1 11110 size:2 0 rm:5 1 000 s:1 1 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["size", "s"],
    valid: (w) => (HS >> f.size.of(w) & 1) === 1,
    emit: (e, { size, s }) => {
      const r = I.doublingHighAccumulate(e, size, vec(e, 0), vec(e, 1), vec(e, 2), s === 1);
      result(e, r, width(size));
    },
  })),
];

export const rows = [
  ...logical,
  ...entries.map(vectorRow),
  ...entries.filter((x) => x.scalar).map(scalarRow),
  ...pairwise,
  ...doubling,
];
