/** Complex numbers as neighbouring elements (FEAT_FCMA): FCMLA, FCADD. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import { vectorArithmetic } from "../float/arithmetic.ts";
import { vectorFusedMultiplyAdd } from "../float/fused.ts";
import { halfBinary, halfFused } from "../float/half.ts";
import { float } from "../float/nan.ts";
import { familyRow, row } from "../row.ts";
import { bitsOfQ, extract, permute, repeat, replace, result, vec, xor, zeros } from "./lanes.ts";
import { ignoringAbove } from "./lanes.ts";

/** `run` of the elements of vectors: halves one by one, the others together. */
function elementwise(
  e: Emitter,
  size: number,
  q: number,
  vectors: readonly Node[],
  half: (e: Emitter, ...x: Node[]) => Node,
  wide: (e: Emitter, d: 0 | 1, ...v: Node[]) => Node,
): Node {
  if (size > 1) {
    const d = size === 3 ? 1 : 0;
    return wide(e, d, ...vectors.map((v) => ignoringAbove(e, v, d, bitsOfQ(q))));
  }
  let r = zeros(e);
  for (let i = 0; i < bitsOfQ(q) / 16; i++) {
    r = replace(e, 1, r, i, half(e, ...vectors.map((v) => extract(e, 1, v, i))));
  }
  return r;
}

/** Signs of the even (real) or odd (imaginary) elements, or of all. */
function signs(e: Emitter, size: number, real: boolean, imaginary: boolean): Node {
  const width = 8 << size;
  const top = 1n << BigInt(width - 1);
  const pair = (real ? top : 0n) | (imaginary ? top << BigInt(width) : 0n);
  if (size < 3) return repeat(e, pair, 2 * width);
  return e.v128(Array.from({ length: 16 }, (_, i) => Number((pair >> BigInt(8 * i)) & 0xffn)));
}
const swapped = (e: Emitter, size: number, v: Node): Node => permute(e, size, v, v, (i) => i ^ 1);

/** FCMLA: adds `a` times `b` turned, as far as the real or the imaginary part of `a` goes. */
function multiplyAdd(e: Emitter, size: number, q: number, rot: number, b: Node): void {
  const a = vec(e, 1);
  const odd = rot & 1;
  const factor = permute(e, size, a, a, (i) => (i & ~1) | odd);
  const turned = odd ? swapped(e, size, b) : b;
  const sign = signs(e, size, rot === 1 || rot === 2, rot >= 2);
  const r = elementwise(
    e,
    size,
    q,
    [vec(e, 0), factor, xor(e, turned, sign)],
    (e, d, x, y) => halfFused(e, d, x, y),
    (e, k, d, x, y) => vectorFusedMultiplyAdd(e, float[k], d, x, y),
  );
  result(e, r, bitsOfQ(q));
}

const vectors = [
  row("FCMLA", "0 q:1 1 01110 size:2 0 rm:5 110 rot:2 1 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q", "size", "rot"],
    valid: (w) => f.size.of(w) !== 0 && (f.size.of(w) !== 3 || f.q.of(w) === 1),
    emit: (e, { q, size, rot }) => multiplyAdd(e, size, q, rot, vec(e, 2)),
  })),
  row("FCADD", "0 q:1 1 01110 size:2 0 rm:5 111 rot:1 01 rn:5 rd:5", (f) => ({
    regs: [f.rd.v, f.rn.v, f.rm.v],
    statics: ["q", "size", "rot"],
    valid: (w) => f.size.of(w) !== 0 && (f.size.of(w) !== 3 || f.q.of(w) === 1),
    emit: (e, { q, size, rot }) => {
      const turned = xor(e, swapped(e, size, vec(e, 2)), signs(e, size, rot === 0, rot === 1));
      const r = elementwise(
        e,
        size,
        q,
        [vec(e, 1), turned],
        (e, x, y) => halfBinary(e, "add", x, y),
        (e, k, x, y) => vectorArithmetic(e, float[k], "add", x, y),
      );
      result(e, r, bitsOfQ(q));
    },
  })),
];

/** By one complex element. */
const elements = [
  { size: 1, text: "01 l:1", index: (h: number, l: number) => 2 * h + l },
  { size: 2, text: "10 0", index: (h: number) => h },
].map(({ size, text, index }) =>
  familyRow(
    `FCMLA (element, ${8 << size})`,
    `0 q:1 1 01111 ${text} rm:5 0 rot:2 1 h:1 0 rn:5 rd:5`,
    (f) => ({
      regs: [f.rd.v, f.rn.v, f.rm.v],
      statics: size === 1 ? ["q", "rot", "h", "l"] : ["q", "rot", "h"],
      valid: (w) => f.q.of(w) === 1 || (size === 1 && f.h.of(w) === 0),
      emit: (e, { q, rot, h, l }) => {
        const m = vec(e, 2);
        const at = 2 * index(h, l);
        multiplyAdd(e, size, q, rot, permute(e, size, m, m, (i) => at + (i & 1)));
      },
    }),
  )
);

export const rows = [...vectors, ...elements];
