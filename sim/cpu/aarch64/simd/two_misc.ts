/** Integer operations on two registers, and across the elements of one. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { type AArch64Row, familyRow, row } from "../row.ts";
import * as I from "./integer.ts";
import { bitsOfQ, highHalf, lane, not, result, shuffle, vec, width, zeros } from "./lanes.ts";
import { extendHalf, narrow, narrowSaturating, writeHalf } from "./narrow.ts";

type Unary = (e: Emitter, size: number, a: Node, d: () => Node) => Node;

/** One (U, opcode) of the group; sizes as bit sets. */
interface Entry {
  readonly name: string;
  readonly u: 0 | 1;
  readonly opcode: string;
  readonly sizes: number;
  readonly scalar?: number;
  readonly run: Unary;
}
const B = 0b0001;
const BH = 0b0011;
const BHS = 0b0111;
const ALL = 0b1111;
const D = 0b1000;

const compareZero = (name: string): Unary => (e, size, a) => lane(e, size, name, a, zeros(e));

const entries: Entry[] = [
  {
    name: "REV64",
    u: 0,
    opcode: "00000",
    sizes: BHS,
    run: (e, s, a) => I.reverseElements(e, s, 3, a),
  },
  {
    name: "REV32",
    u: 1,
    opcode: "00000",
    sizes: BH,
    run: (e, s, a) => I.reverseElements(e, s, 2, a),
  },
  {
    name: "REV16",
    u: 0,
    opcode: "00001",
    sizes: B,
    run: (e, s, a) => I.reverseElements(e, s, 1, a),
  },
  {
    name: "SADDLP",
    u: 0,
    opcode: "00010",
    sizes: BHS,
    run: (e, s, a) => I.pairwiseLong(e, s, a, true),
  },
  {
    name: "UADDLP",
    u: 1,
    opcode: "00010",
    sizes: BHS,
    run: (e, s, a) => I.pairwiseLong(e, s, a, false),
  },
  {
    name: "SUQADD",
    u: 0,
    opcode: "00011",
    sizes: ALL,
    scalar: ALL,
    run: (e, s, a, d) => I.mixedAdd(e, s, d(), a, true),
  },
  {
    name: "USQADD",
    u: 1,
    opcode: "00011",
    sizes: ALL,
    scalar: ALL,
    run: (e, s, a, d) => I.mixedAdd(e, s, d(), a, false),
  },
  { name: "CLS", u: 0, opcode: "00100", sizes: BHS, run: (e, s, a) => I.leading(e, s, a, false) },
  { name: "CLZ", u: 1, opcode: "00100", sizes: BHS, run: (e, s, a) => I.leading(e, s, a, true) },
  { name: "CNT", u: 0, opcode: "00101", sizes: B, run: (e, _s, a) => lane(e, 0, "popcnt", a) },
  {
    name: "NOT/RBIT",
    u: 1,
    opcode: "00101",
    sizes: BH,
    run: (e, s, a) => s === 0 ? not(e, a) : I.reverseBits(e, a),
  },
  {
    name: "SADALP",
    u: 0,
    opcode: "00110",
    sizes: BHS,
    run: (e, s, a, d) => lane(e, s + 1, "add", d(), I.pairwiseLong(e, s, a, true)),
  },
  {
    name: "UADALP",
    u: 1,
    opcode: "00110",
    sizes: BHS,
    run: (e, s, a, d) => lane(e, s + 1, "add", d(), I.pairwiseLong(e, s, a, false)),
  },
  {
    name: "SQABS",
    u: 0,
    opcode: "00111",
    sizes: ALL,
    scalar: ALL,
    run: I.saturatingAbsolute,
  },
  { name: "SQNEG", u: 1, opcode: "00111", sizes: ALL, scalar: ALL, run: I.saturatingNegate },
  {
    name: "CMGT (zero)",
    u: 0,
    opcode: "01000",
    sizes: ALL,
    scalar: D,
    run: compareZero("gt_s"),
  },
  {
    name: "CMGE (zero)",
    u: 1,
    opcode: "01000",
    sizes: ALL,
    scalar: D,
    run: compareZero("ge_s"),
  },
  { name: "CMEQ (zero)", u: 0, opcode: "01001", sizes: ALL, scalar: D, run: compareZero("eq") },
  {
    name: "CMLE (zero)",
    u: 1,
    opcode: "01001",
    sizes: ALL,
    scalar: D,
    run: compareZero("le_s"),
  },
  {
    name: "CMLT (zero)",
    u: 0,
    opcode: "01010",
    sizes: ALL,
    scalar: D,
    run: compareZero("lt_s"),
  },
  {
    name: "ABS",
    u: 0,
    opcode: "01011",
    sizes: ALL,
    scalar: D,
    run: (e, s, a) => lane(e, s, "abs", a),
  },
  {
    name: "NEG",
    u: 1,
    opcode: "01011",
    sizes: ALL,
    scalar: D,
    run: (e, s, a) => lane(e, s, "neg", a),
  },
];

function vectorRow({ name, u, opcode, sizes, run }: Entry): AArch64Row {
  return familyRow(name, `0 q:1 ${u} 01110 size:2 10000 ${opcode} 10 rn:5 rd:5`, (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["q", "size"],
    valid: (w) => (sizes >> f.size.of(w) & 1) === 1 && f.q.of(w) + 3 > f.size.of(w),
    emit: (e, { q, size }) => result(e, run(e, size, vec(e, 1), () => vec(e, 0)), bitsOfQ(q)),
  }));
}
function scalarRow({ name, u, opcode, scalar, run }: Entry): AArch64Row {
  return familyRow(
    `${name} (scalar)`,
    `01 ${u} 11110 size:2 10000 ${opcode} 10 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v],
      statics: ["size"],
      valid: (w) => (scalar! >> f.size.of(w) & 1) === 1,
      emit: (e, { size }) => result(e, run(e, size, vec(e, 1), () => vec(e, 0)), width(size)),
    }),
  );
}

/** SQXTN, UQXTN and SQXTUN; XTN is none of them. */
function narrowed(e: Emitter, size: number, a: Node, u: number, unsigned: number): Node {
  return narrowSaturating(e, size, a, { from: u === 0 || unsigned === 1, to: u === 0 });
}

const narrowing = [
  row("XTN", "0 q:1 0 01110 size:2 10000 10010 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["q", "size"],
    valid: (w) => f.size.of(w) < 3,
    emit: (e, { q, size }) => writeHalf(e, narrow(e, size, vec(e, 1)), q),
  })),
  row("SQXTUN", "0 q:1 1 01110 size:2 10000 10010 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["q", "size"],
    valid: (w) => f.size.of(w) < 3,
    emit: (e, { q, size }) => writeHalf(e, narrowed(e, size, vec(e, 1), 1, 1), q),
  })),
  row("SQXTN/UQXTN", "0 q:1 u:1 01110 size:2 10000 10100 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["q", "u", "size"],
    valid: (w) => f.size.of(w) < 3,
    emit: (e, { q, u, size }) => writeHalf(e, narrowed(e, size, vec(e, 1), u, 0), q),
  })),
  row("SQXTUN (scalar)", "01 1 11110 size:2 10000 10010 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["size"],
    valid: (w) => f.size.of(w) < 3,
    emit: (e, { size }) => result(e, narrowed(e, size, vec(e, 1), 1, 1), width(size)),
  })),
  row("SQXTN/UQXTN (scalar)", "01 u:1 11110 size:2 10000 10100 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["u", "size"],
    valid: (w) => f.size.of(w) < 3,
    emit: (e, { u, size }) => result(e, narrowed(e, size, vec(e, 1), u, 0), width(size)),
  })),
  row("SHLL", "0 q:1 1 01110 size:2 10000 10011 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["q", "size"],
    valid: (w) => f.size.of(w) < 3,
    emit: (e, { q, size }) => {
      const extended = extendHalf(e, size, vec(e, 1), q, false);
      result(e, lane(e, size + 1, "shl", extended, e.i32(width(size))), 128);
    },
  })),
];

/** Fold the elements of the low `bits` into the first by halves; `run` is associative. */
function fold(e: Emitter, size: number, a: Node, bits: number, run: I.Binary): Node {
  let r = a;
  for (let half = bits / 2; half >= width(size); half /= 2) {
    const bytes = half / 8;
    r = run(e, size, r, shuffle(e, r, r, (i) => (i + bytes) & 15));
  }
  return r;
}

/** ADDV, SMAXV …: U, opcode, operation. */
const FOLDS: readonly [string, 0 | 1, string, I.Binary][] = [
  ["SMAXV", 0, "01010", I.larger(true)],
  ["UMAXV", 1, "01010", I.larger(false)],
  ["SMINV", 0, "11010", I.smaller(true)],
  ["UMINV", 1, "11010", I.smaller(false)],
  ["ADDV", 0, "11011", I.add],
];
const across = [
  ...FOLDS.map(([name, u, opcode, run]) =>
    familyRow(name, `0 q:1 ${u} 01110 size:2 11000 ${opcode} 10 rn:5 rd:5`, (f) => ({
      regs: [f.rd.v, f.rn.v],
      statics: ["q", "size"],
      valid: (w) => f.size.of(w) < 2 + f.q.of(w) && f.size.of(w) < 3,
      emit: (e, { q, size }) => result(e, fold(e, size, vec(e, 1), bitsOfQ(q), run), width(size)),
    }))
  ),
  row("SADDLV/UADDLV", "0 q:1 u:1 01110 size:2 11000 00011 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["q", "u", "size"],
    valid: (w) => f.size.of(w) < 2 + f.q.of(w) && f.size.of(w) < 3,
    emit: (e, { q, u, size }) => {
      const pairs = I.pairwiseLong(e, size, vec(e, 1), u === 0);
      result(e, fold(e, size + 1, pairs, bitsOfQ(q), I.add), width(size + 1));
    },
  })),
  row("ADDP (scalar)", "01 0 11110 11 11000 11011 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    emit: (e) => {
      const a = vec(e, 1);
      result(e, lane(e, 3, "add", a, highHalf(e, a)), 64);
    },
  })),
];

export const rows = [
  ...entries.map(vectorRow),
  ...entries.filter((x) => x.scalar).map(scalarRow),
  ...narrowing,
  ...across,
];
