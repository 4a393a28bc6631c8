/** Widening and narrowing operations on three registers, and dot products. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { polynomialProduct } from "../../carryless.ts";
import { familyRow, row } from "../row.ts";
import { difference, saturatingAdd, saturatingSubtract } from "./integer.ts";
import { bitsOfQ, elementwise, lane, permute, result, splat, vec, width, zeros } from "./lanes.ts";
import { extendHalf, multiplyHalf, writeHalf } from "./narrow.ts";

/** The wide result from the narrow halves. */
type Long = (
  e: Emitter,
  size: number,
  a: Node,
  b: Node,
  high: number,
  signed: boolean,
  d: () => Node,
) => Node;

function extended(name: "add" | "sub"): Long {
  return (e, size, a, b, high, signed) =>
    lane(
      e,
      size + 1,
      name,
      extendHalf(e, size, a, high, signed),
      extendHalf(e, size, b, high, signed),
    );
}
function wide(name: "add" | "sub"): Long {
  return (e, size, a, b, high, signed) =>
    lane(e, size + 1, name, a, extendHalf(e, size, b, high, signed));
}
const absolute: Long = (e, size, a, b, high, signed) =>
  extendHalf(e, size, difference(signed)(e, size, a, b), high, false);
const product: Long = (e, size, a, b, high, signed) => multiplyHalf(e, size, a, b, high, signed);
function accumulated(name: "add" | "sub", term: Long): Long {
  return (e, size, a, b, high, signed, d) =>
    lane(e, size + 1, name, d(), term(e, size, a, b, high, signed, d));
}

/** Twice the product, saturating (only the least number squared does not fit). */
export function doubledProduct(e: Emitter, size: number, a: Node, b: Node, high: number): Node {
  const p = multiplyHalf(e, size, a, b, high, true);
  return saturatingAdd(true)(e, size + 1, p, p);
}

const LONGS: readonly [string, string, Long][] = [
  ["SADDL/UADDL", "0000", extended("add")],
  ["SADDW/UADDW", "0001", wide("add")],
  ["SSUBL/USUBL", "0010", extended("sub")],
  ["SSUBW/USUBW", "0011", wide("sub")],
  ["SABAL/UABAL", "0101", accumulated("add", absolute)],
  ["SABDL/UABDL", "0111", absolute],
  ["SMLAL/UMLAL", "1000", accumulated("add", product)],
  ["SMLSL/UMLSL", "1010", accumulated("sub", product)],
  ["SMULL/UMULL", "1100", product],
];
const longs = LONGS.map(([name, opcode, run]) =>
  familyRow(name, `0 q:1 u:1 01110 size:2 1 rm:5 ${opcode} 00 rn:5 rd:5`, (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q", "u", "size"],
    valid: (w) => f.size.of(w) < 3,
    emit: (e, { q, u, size }) =>
      result(e, run(e, size, vec(e, 1), vec(e, 2), q, u === 0, () => vec(e, 0)), 128),
  }))
);

/** ADDHN, SUBHN and their rounding forms: the high half of each sum. */
const highNarrow = [
  row("ADDHN/RADDHN/SUBHN/RSUBHN", "0 q:1 r:1 01110 size:2 1 rm:5 01 s:1 0 00 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q", "r", "size", "s"],
    valid: (w) => f.size.of(w) < 3,
    emit: (e, { q, r, size, s }) => {
      let sum = lane(e, size + 1, s ? "sub" : "add", vec(e, 1), vec(e, 2));
      if (r) sum = lane(e, size + 1, "add", sum, splat(e, size + 1, 1n << BigInt(width(size) - 1)));
      const high = permute(
        e,
        size,
        sum,
        zeros(e),
        (i) => i < 64 / width(size) ? 2 * i + 1 : 128 / width(size),
      );
      writeHalf(e, high, q);
    },
  })),
];

/** SQDMLAL, SQDMLSL and SQDMULL: opcode, what is done with the product. */
export type Doubling = "mlal" | "mlsl" | "mull";
export const DOUBLINGS: readonly [string, string, Doubling][] = [
  ["SQDMLAL", "1001", "mlal"],
  ["SQDMLSL", "1011", "mlsl"],
  ["SQDMULL", "1101", "mull"],
];
/** The doubled product, accumulated with saturation. */
export function doubling(
  e: Emitter,
  kind: Doubling,
  size: number,
  a: Node,
  b: Node,
  high: number,
  d: () => Node,
): Node {
  const p = doubledProduct(e, size, a, b, high);
  if (kind === "mull") return p;
  const sum = kind === "mlal" ? saturatingAdd(true) : saturatingSubtract(true);
  return sum(e, size + 1, d(), p);
}
const doublings = DOUBLINGS.flatMap(([name, opcode, kind]) => [
  familyRow(name, `0 q:1 0 01110 size:2 1 rm:5 ${opcode} 00 rn:5 rd:5`, (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q", "size"],
    valid: (w) => f.size.of(w) === 1 || f.size.of(w) === 2,
    emit: (e, { q, size }) =>
      result(e, doubling(e, kind, size, vec(e, 1), vec(e, 2), q, () => vec(e, 0)), 128),
  })),
  familyRow(`${name} (scalar)`, `01 0 11110 size:2 1 rm:5 ${opcode} 00 rn:5 rd:5`, (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["size"],
    valid: (w) => f.size.of(w) === 1 || f.size.of(w) === 2,
    emit: (e, { size }) => {
      const r = doubling(e, kind, size, vec(e, 1), vec(e, 2), 0, () => vec(e, 0));
      result(e, r, width(size + 1));
    },
  })),
]);

const polynomials = [
  row("PMULL (8)", "0 q:1 0 01110 00 1 rm:5 1110 00 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q"],
    emit: (e, { q }) => {
      const a = extendHalf(e, 0, vec(e, 1), q, false);
      const b = extendHalf(e, 0, vec(e, 2), q, false);
      const r = elementwise(e, "pmull8", 1, false, [a, b], (g, x, y) => {
        let sum = g.i64(0);
        for (let i = 0; i < 8; i++) {
          const bit = g.and(g.shrU(y, g.i64(i)), g.i64(1));
          sum = g.xor(sum, g.mul(g.shl(x, g.i64(i)), bit));
        }
        return sum;
      });
      result(e, r, 128);
    },
  })),
  row("PMULL (64)", "0 q:1 0 01110 11 1 rm:5 1110 00 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q"],
    emit: (e, { q }) => {
      const [a, b] = [1, 2].map((i) => e.op("i64x2.extract_lane", [vec(e, i)], q));
      result(e, e.call(polynomialProduct, a, b), 128);
    },
  })),
];

/** Sums of four products of bytes, added to elements S. */
export function dotProduct(e: Emitter, d: Node, a: Node, b: Node, signed: boolean): Node {
  const s = signed ? "s" : "u";
  const sums = (high: number): Node =>
    e.op(`i32x4.extadd_pairwise_i16x8_${s}`, [multiplyHalf(e, 0, a, b, high, signed)]);
  const [low, high] = [sums(0), sums(1)];
  const even = permute(e, 2, low, high, (i) => 2 * i);
  const odd = permute(e, 2, low, high, (i) => 2 * i + 1);
  return lane(e, 2, "add", d, lane(e, 2, "add", even, odd));
}
const dots = [
  row("SDOT/UDOT", "0 q:1 u:1 01110 10 0 rm:5 1 0010 1 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q", "u"],
    emit: (e, { q, u }) =>
      result(e, dotProduct(e, vec(e, 0), vec(e, 1), vec(e, 2), u === 0), bitsOfQ(q)),
  })),
];

export const rows = [...longs, ...highNarrow, ...doublings, ...polynomials, ...dots];
