/** Shifts of vectors and scalars by an immediate. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { type AArch64Row, familyRow } from "../row.ts";
import { shiftBy, shiftLeftUnsigned } from "./integer.ts";
import {
  andNot,
  bitsOfQ,
  lane,
  ones,
  or,
  result,
  shiftRightArithmetic,
  shiftRightLogical,
  shiftRightRounded,
  vec,
  width,
} from "./lanes.ts";
import { extendHalf, narrow, narrowSaturating, writeHalf } from "./narrow.ts";

/** `immh` for an element size: where its highest set bit is. */
const IMMH = ["0001", "001", "01", "1"];
/** The pattern's amount field for a size. */
const amountField = (size: number): string => `${IMMH[size]} amount:${size + 3}`;

/** Amounts run up from 0 (left) or down from the width (right). */
function rightAmount(size: number, encoded: number): number {
  return width(size) - encoded;
}

type Shift = (e: Emitter, size: number, a: Node, amount: Node, d: () => Node) => Node;

/** One (U, opcode); `scalar` is the set of sizes of the scalar form. */
interface Entry {
  readonly name: string;
  readonly u: 0 | 1;
  readonly opcode: string;
  readonly left: boolean;
  readonly scalar: number;
  readonly run: Shift;
}
const D = 0b1000;
const ALL = 0b1111;

const plainRight = (u: 0 | 1): Shift => u ? shiftRightLogical : shiftRightArithmetic;
const roundedRight = (u: 0 | 1): Shift => (e, size, a, amount) =>
  shiftRightRounded(e, size, a, amount, u === 0);
const accumulate = (shift: Shift): Shift => (e, size, a, amount, d) =>
  lane(e, size, "add", d(), shift(e, size, a, amount, d));

/** SLI and SRI: bits that the shifted value does not cover stay. */
const insert = (shift: Shift): Shift => (e, size, a, amount, d) => {
  const covered = shift(e, size, ones(e), amount, d);
  return or(e, andNot(e, d(), covered), shift(e, size, a, amount, d));
};
const leftShift: Shift = (e, size, a, amount) => lane(e, size, "shl", a, amount);
/** By a vector of equal amounts. */
const saturatingLeft = (run: (e: Emitter, size: number, a: Node, b: Node) => Node): Shift =>
(
  e,
  size,
  a,
  amount,
) => run(e, size, a, lane(e, size, "splat", size === 3 ? e.zext(amount) : amount));

const entries: Entry[] = [
  ...([0, 1] as const).flatMap((u): Entry[] => [
    {
      name: u ? "USHR" : "SSHR",
      u,
      opcode: "00000",
      left: false,
      scalar: D,
      run: plainRight(u),
    },
    {
      name: u ? "USRA" : "SSRA",
      u,
      opcode: "00010",
      left: false,
      scalar: D,
      run: accumulate(plainRight(u)),
    },
    {
      name: u ? "URSHR" : "SRSHR",
      u,
      opcode: "00100",
      left: false,
      scalar: D,
      run: roundedRight(u),
    },
    {
      name: u ? "URSRA" : "SRSRA",
      u,
      opcode: "00110",
      left: false,
      scalar: D,
      run: accumulate(roundedRight(u)),
    },
    {
      name: u ? "UQSHL" : "SQSHL",
      u,
      opcode: "01110",
      left: true,
      scalar: ALL,
      run: saturatingLeft(shiftBy(u === 0, false, true)),
    },
  ]),
  {
    name: "SRI",
    u: 1,
    opcode: "01000",
    left: false,
    scalar: D,
    run: insert(shiftRightLogical),
  },
  { name: "SHL", u: 0, opcode: "01010", left: true, scalar: D, run: leftShift },
  { name: "SLI", u: 1, opcode: "01010", left: true, scalar: D, run: insert(leftShift) },
  {
    name: "SQSHLU",
    u: 1,
    opcode: "01100",
    left: true,
    scalar: ALL,
    run: saturatingLeft(shiftLeftUnsigned),
  },
];

function vectorRow(entry: Entry, size: number): AArch64Row {
  const { name, u, opcode, left, run } = entry;
  return familyRow(
    `${name} (${width(size)})`,
    `0 q:1 ${u} 011110 ${amountField(size)} ${opcode} 1 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v],
      statics: ["q"],
      valid: (w) => size < 3 || f.q.of(w) === 1,
      operands: (w, _pc, out) => {
        const encoded = f.amount.of(w);
        out.imm1 = left ? encoded : rightAmount(size, encoded);
      },
      emit: (e, { q }) =>
        result(e, run(e, size, vec(e, 1), e.imm32(1), () => vec(e, 0)), bitsOfQ(q)),
    }),
  );
}
function scalarRow(entry: Entry, size: number): AArch64Row {
  const { name, u, opcode, left, run } = entry;
  return familyRow(
    `${name} (scalar, ${width(size)})`,
    `01 ${u} 111110 ${amountField(size)} ${opcode} 1 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v],
      operands: (w, _pc, out) => {
        const encoded = f.amount.of(w);
        out.imm1 = left ? encoded : rightAmount(size, encoded);
      },
      emit: (e) => result(e, run(e, size, vec(e, 1), e.imm32(1), () => vec(e, 0)), width(size)),
    }),
  );
}

/** Shift right and narrow: U, opcode, rounding; what the result saturates from and to. */
interface Narrowing {
  readonly name: string;
  readonly u: 0 | 1;
  readonly opcode: string;
  readonly rounding: boolean;
  /** Signedness before and after, or null for no saturation. */
  readonly saturation: { readonly from: boolean; readonly to: boolean } | null;
}
const narrowings: Narrowing[] = [false, true].flatMap((rounding): Narrowing[] => {
  const r = rounding ? 1 : 0;
  const letter = rounding ? "R" : "";
  return [
    { name: `${letter}SHRN`, u: 0, opcode: `1000${r}`, rounding, saturation: null },
    {
      name: `SQ${letter}SHRUN`,
      u: 1,
      opcode: `1000${r}`,
      rounding,
      saturation: { from: true, to: false },
    },
    {
      name: `SQ${letter}SHRN`,
      u: 0,
      opcode: `1001${r}`,
      rounding,
      saturation: { from: true, to: true },
    },
    {
      name: `UQ${letter}SHRN`,
      u: 1,
      opcode: `1001${r}`,
      rounding,
      saturation: { from: false, to: false },
    },
  ];
});

/** Elements of size + 1 shifted, and narrowed to `size`. */
function shiftNarrow(e: Emitter, n: Narrowing, size: number, a: Node): Node {
  const amount = e.imm32(1);
  const signed = n.saturation?.from ?? false;
  const shifted = n.rounding
    ? shiftRightRounded(e, size + 1, a, amount, signed)
    : lane(e, size + 1, signed ? "shr_s" : "shr_u", a, amount);
  return n.saturation === null
    ? narrow(e, size, shifted)
    : narrowSaturating(e, size, shifted, n.saturation);
}

function narrowRows(n: Narrowing, size: number): AArch64Row[] {
  const vector = familyRow(
    `${n.name} (${width(size)})`,
    `0 q:1 ${n.u} 011110 ${amountField(size)} ${n.opcode} 1 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v],
      statics: ["q"],
      operands: (w, _pc, out) => void (out.imm1 = rightAmount(size, f.amount.of(w))),
      emit: (e, { q }) => writeHalf(e, shiftNarrow(e, n, size, vec(e, 1)), q),
    }),
  );
  if (n.saturation === null) return [vector];
  return [
    vector,
    familyRow(
      `${n.name} (scalar, ${width(size)})`,
      `01 ${n.u} 111110 ${amountField(size)} ${n.opcode} 1 rn:5 rd:5`,
      (f) => ({
        regs: [f.rd.v, f.rn.v],
        operands: (w, _pc, out) => void (out.imm1 = rightAmount(size, f.amount.of(w))),
        emit: (e) => result(e, shiftNarrow(e, n, size, vec(e, 1)), width(size)),
      }),
    ),
  ];
}

function longRow(size: number): AArch64Row {
  return familyRow(
    `SSHLL/USHLL (${width(size)})`,
    `0 q:1 u:1 011110 ${amountField(size)} 10100 1 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v],
      statics: ["q", "u"],
      operands: (w, _pc, out) => void (out.imm1 = f.amount.of(w)),
      emit: (e, { q, u }) => {
        const extended = extendHalf(e, size, vec(e, 1), q, u === 0);
        result(e, lane(e, size + 1, "shl", extended, e.imm32(1)), 128);
      },
    }),
  );
}

const sizes = [0, 1, 2, 3];
export const rows = [
  ...entries.flatMap((entry) => sizes.map((size) => vectorRow(entry, size))),
  ...entries.flatMap((entry) =>
    sizes.filter((size) => entry.scalar >> size & 1).map((size) => scalarRow(entry, size))
  ),
  ...narrowings.flatMap((n) => [0, 1, 2].flatMap((size) => narrowRows(n, size))),
  ...[0, 1, 2].map(longRow),
];
