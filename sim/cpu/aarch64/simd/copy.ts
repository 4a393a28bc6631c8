/** Moves between elements, general registers and immediates; permutations and table look-ups. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { vectorImmediate } from "../immediates.ts";
import type { Field } from "../pattern.ts";
import { get, set } from "../registers.ts";
import { type AArch64Row, familyRow, row } from "../row.ts";
import {
  and,
  andNot,
  bitsOfQ,
  extract,
  lane,
  or,
  permute,
  replace,
  result,
  shuffle,
  splat,
  unzip,
  vec,
  width,
  zeros,
} from "./lanes.ts";

/** Element size and index that `imm5` encodes: the lowest set bit is the size. */
function sizeOf(imm5: number): number {
  return 31 - Math.clz32(imm5 & -imm5);
}
const indexOf = (imm5: number): number => imm5 >> (sizeOf(imm5) + 1);
/** An element size exists, and D elements only where Q says 128 bits. */
const element = (imm5: Field, q: Field) => (w: number): boolean =>
  (imm5.of(w) & 15) !== 0 && (q.of(w) === 1 || sizeOf(imm5.of(w)) < 3);

/** Element `index` of `a` in every element. */
export function broadcast(e: Emitter, size: number, a: Node, index: number): Node {
  return permute(e, size, a, a, () => index);
}

const duplicates = [
  row("DUP (element)", "0 q:1 0 01110000 imm5:5 0 0000 1 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["q", "imm5"],
    valid: element(f.imm5, f.q),
    emit: (e, { q, imm5 }) =>
      result(e, broadcast(e, sizeOf(imm5), vec(e, 1), indexOf(imm5)), bitsOfQ(q)),
  })),
  row("DUP (scalar)", "01 0 11110000 imm5:5 0 0000 1 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["imm5"],
    valid: (w) => (f.imm5.of(w) & 15) !== 0,
    emit: (e, { imm5 }) => {
      const size = sizeOf(imm5);
      result(e, broadcast(e, size, vec(e, 1), indexOf(imm5)), width(size));
    },
  })),
  row("DUP (general)", "0 q:1 0 01110000 imm5:5 0 0001 1 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.x],
    statics: ["q", "imm5"],
    valid: element(f.imm5, f.q),
    emit: (e, { q, imm5 }) => {
      const size = sizeOf(imm5);
      result(e, lane(e, size, "splat", get(e, 1, size === 3 ? 1 : 0)), bitsOfQ(q));
    },
  })),
];

const elements = [
  row("SMOV", "0 q:1 0 01110000 imm5:5 0 0101 1 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.v],
    statics: ["q", "imm5"],
    valid: (w) => (f.imm5.of(w) & 7) !== 0 && sizeOf(f.imm5.of(w)) < 2 + f.q.of(w),
    emit: (e, { q, imm5 }) => {
      const x = extract(e, sizeOf(imm5), vec(e, 1), indexOf(imm5), true);
      set(e, 0, q ? e.sext(x) : x);
    },
  })),
  row("UMOV", "0 q:1 0 01110000 imm5:5 0 0111 1 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.v],
    statics: ["imm5"],
    valid: (w) => (f.imm5.of(w) & 15) !== 0 && (sizeOf(f.imm5.of(w)) === 3) === (f.q.of(w) === 1),
    emit: (e, { imm5 }) => set(e, 0, extract(e, sizeOf(imm5), vec(e, 1), indexOf(imm5))),
  })),
  row("INS (general)", "0 1 0 01110000 imm5:5 0 0011 1 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.x],
    statics: ["imm5"],
    valid: (w) => (f.imm5.of(w) & 15) !== 0,
    emit: (e, { imm5 }) => {
      const size = sizeOf(imm5);
      const x = get(e, 1, size === 3 ? 1 : 0);
      result(e, replace(e, size, vec(e, 0), indexOf(imm5), x), 128);
    },
  })),
  row("INS (element)", "0 1 1 01110000 imm5:5 0 imm4:4 1 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v],
    statics: ["imm5", "imm4"],
    valid: (w) => (f.imm5.of(w) & 15) !== 0,
    emit: (e, { imm5, imm4 }) => {
      const size = sizeOf(imm5);
      const from = (imm4 >> size) + 128 / width(size);
      const to = indexOf(imm5);
      result(e, permute(e, size, vec(e, 0), vec(e, 1), (i) => i === to ? from : i), 128);
    },
  })),
];

/** MOVI, MVNI, ORR, BIC and FMOV of vectors: immediate 0 is the expanded 64 bits. */
const immediates = [
  row("ORR/BIC (immediate)", "0 q:1 op:1 0111100000 abc:3 cmode:4 01 defgh:5 rd:5", (f) => ({
    regs: [f.rd.v],
    statics: ["q", "op"],
    valid: (w) => (f.cmode.of(w) & 1) === 1 && f.cmode.of(w) < 12,
    operands: (w, _pc, out) =>
      vectorImmediate(0, f.cmode.of(w), (f.abc.of(w) << 5) | f.defgh.of(w), false, out),
    emit: (e, { q, op }) => {
      const x = lane(e, 3, "splat", e.imm(0));
      const d = vec(e, 0);
      result(e, op ? andNot(e, d, x) : or(e, d, x), bitsOfQ(q));
    },
  })),
  row("MOVI/MVNI/FMOV", "0 q:1 op:1 0111100000 abc:3 cmode:4 01 defgh:5 rd:5", (f) => ({
    regs: [f.rd.v],
    statics: ["q"],
    valid: (w) => f.cmode.of(w) !== 15 || f.op.of(w) === 0 || f.q.of(w) === 1,
    operands: (w, _pc, out) => {
      const inverted = f.op.of(w) === 1 && f.cmode.of(w) < 14;
      const imm8 = (f.abc.of(w) << 5) | f.defgh.of(w);
      vectorImmediate(f.op.of(w), f.cmode.of(w), imm8, inverted, out);
    },
    emit: (e, { q }) => result(e, lane(e, 3, "splat", e.imm(0)), bitsOfQ(q)),
  })),
];

/** ZIP1, ZIP2, TRN1, TRN2 as element orders of the two vectors, of `count` elements each. */
function order(op: number, high: number, i: number, count: number, all: number): number {
  const half = i & 1 ? all : 0;
  if (op === 3) return half + (i >> 1) + (high ? count / 2 : 0);
  return half + (i & ~1) + high;
}

const permutations = [
  row("EXT", "0 q:1 101110 00 0 rm:5 0 imm4:4 0 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q", "imm4"],
    valid: (w) => f.q.of(w) === 1 || f.imm4.of(w) < 8,
    emit: (e, { q, imm4 }) => {
      const bytes = q ? 16 : 8;
      const r = shuffle(e, vec(e, 1), vec(e, 2), (i) => {
        const from = (i % bytes) + imm4;
        return from < bytes ? from : 16 + from - bytes;
      });
      result(e, r, bitsOfQ(q));
    },
  })),
  row("UZP1/UZP2", "0 q:1 001110 size:2 0 rm:5 0 high:1 01 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q", "size", "high"],
    valid: (w) => f.q.of(w) === 1 || f.size.of(w) < 3,
    emit: (e, { q, size, high }) =>
      result(e, unzip(e, size, vec(e, 1), vec(e, 2), high, bitsOfQ(q)), bitsOfQ(q)),
  })),
  row("TRN1/TRN2/ZIP1/ZIP2", "0 q:1 001110 size:2 0 rm:5 0 high:1 op:2 10 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q", "size", "high", "op"],
    valid: (w) => f.op.of(w) >= 2 && (f.q.of(w) === 1 || f.size.of(w) < 3),
    emit: (e, { q, size, high, op }) => {
      const all = 128 / width(size);
      const count = bitsOfQ(q) / width(size);
      const r = permute(
        e,
        size,
        vec(e, 1),
        vec(e, 2),
        (i) => order(op, high, i % count, count, all),
      );
      result(e, r, bitsOfQ(q));
    },
  })),
];

/** TBL and TBX over `length` + 1 registers; indices beyond the table give 0, or keep the byte. */
function tables(length: number): AArch64Row {
  const name = `TBL/TBX (${length + 1})`;
  return familyRow(
    name,
    `0 q:1 001110 00 0 rm:5 0 ${length >> 1}${length & 1} x:1 00 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rm.v, ...[0, 1, 2, 3].slice(0, length + 1).map((i) => f.rn.list(i))],
      statics: ["q", "x"],
      emit: (e, { q, x }) => {
        const indices = vec(e, 1);
        let r = zeros(e);
        for (let i = 0; i <= length; i++) {
          const within = lane(e, 0, "sub", indices, splat(e, 0, 16 * i));
          r = or(e, r, e.op("i8x16.swizzle", [vec(e, 2 + i), within]));
        }
        if (x) {
          const outside = lane(e, 0, "ge_u", indices, splat(e, 0, 16 * (length + 1)));
          r = or(e, r, and(e, vec(e, 0), outside));
        }
        result(e, r, bitsOfQ(q));
      },
    }),
  );
}

export const rows = [
  ...duplicates,
  ...elements,
  ...immediates,
  ...permutations,
  ...[0, 1, 2, 3].map(tables),
];
