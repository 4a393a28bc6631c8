/** LD1–LD4 and ST1–ST4: whole structures, single elements, and one element to all. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Node } from "../../ir/types.ts";
import type { Decoded } from "../../ir/decoded.ts";
import type { Field } from "../pattern.ts";
import { type AArch64Row, familyRow } from "../row.ts";
import { bitsOfQ, extract, lane, replace, vec, width, zeros } from "./lanes.ts";

/** Operand positions after the list of up to four registers. */
const LIST = 4;
const BASE = LIST;
const INDEX = LIST + 1;

/** Address of byte `offset` of the structure. */
function at(e: Emitter, offset: number): Node {
  return e.add(e.get64(e.reg(BASE)), e.i64(offset));
}

/** Write-back: by a register, or by immediate 1 (the bytes moved). */
type Step = "none" | "register" | "bytes";
function writeBack(e: Emitter, step: Step, base: Node): void {
  if (step === "none") return;
  const by = step === "register" ? e.get64(e.reg(INDEX)) : e.imm(1);
  e.set64(e.reg(BASE), e.add(base, by));
}

/** The three addressing forms of a pattern: bit 23, the Rm field. */
const STEPS: readonly { step: Step; post: 0 | 1; rm: string }[] = [
  { step: "none", post: 0, rm: "00000" },
  { step: "bytes", post: 1, rm: "11111" },
  { step: "register", post: 1, rm: "rm:5" },
];
function operands(f: Readonly<Record<string, Field>>, step: Step) {
  const list = [0, 1, 2, 3].map((i) => f.rt.list(i));
  return [...list, f.rn.sp, ...(step === "register" ? [f.rm.x] : [])];
}

/** Opcode of the multiple-structure forms: registers, and elements of a structure. */
const MULTIPLE: readonly [string, number, number][] = [
  ["0000", 4, 4],
  ["0010", 4, 1],
  ["0100", 3, 3],
  ["0110", 3, 1],
  ["0111", 1, 1],
  ["1000", 2, 2],
  ["1010", 2, 1],
];

/** Whole registers one after the other. */
function moveRegisters(e: Emitter, load: boolean, count: number, q: number): Node[] {
  const bytes = bitsOfQ(q) / 8;
  const values: Node[] = [];
  for (let i = 0; i < count; i++) {
    if (!load) {
      const x = vec(e, i);
      e.store(at(e, i * bytes), q ? x : extract(e, 3, x, 0));
    } else if (q) values.push(e.load("v128", at(e, i * bytes)));
    else values.push(replace(e, 3, zeros(e), 0, e.load("i64", at(e, i * bytes))));
  }
  return values;
}

/** Structures of `count` elements, element by element as the architecture orders the accesses. */
function moveStructures(e: Emitter, load: boolean, count: number, q: number, size: number): Node[] {
  const bytes = 1 << size;
  const type = size === 3 ? "i64" : "i32";
  const values = Array.from({ length: count }, () => zeros(e));
  const sources = load ? [] : values.map((_, r) => vec(e, r));
  for (let i = 0; i < bitsOfQ(q) / width(size); i++) {
    for (let r = 0; r < count; r++) {
      const address = at(e, (i * count + r) * bytes);
      if (load) values[r] = replace(e, size, values[r], i, e.load(type, address, width(size)));
      else e.store(address, extract(e, size, sources[r], i), width(size));
    }
  }
  return values;
}

function multipleRow(
  [opcode, registers, elements]: readonly [string, number, number],
  { step, post, rm }: (typeof STEPS)[number],
): AArch64Row {
  const kind = elements === 1 ? `1 (${registers} registers)` : elements;
  const l = "l:1";
  return familyRow(
    `LD/ST${kind}${step === "none" ? "" : ` (post-index ${step})`}`,
    `0 q:1 001100 ${post} ${l} 0 ${rm} ${opcode} size:2 rn:5 rt:5`,
    (f) => ({
      regs: operands(f, step),
      statics: elements === 1 ? ["q", "l"] : ["q", "l", "size"],
      valid: (w) => elements === 1 || f.size.of(w) < 3 || f.q.of(w) === 1,
      operands: (w, _pc, out) => void (out.imm1 = registers * (f.q.of(w) ? 16 : 8)),
      emit: (e, { q, l, size }) => {
        const base = e.get64(e.reg(BASE));
        const values = elements === 1
          ? moveRegisters(e, l === 1, registers, q)
          : moveStructures(e, l === 1, elements, q, size);
        writeBack(e, step, base);
        if (l) values.forEach((v, i) => e.setVector(e.reg(i), v));
      },
    }),
  );
}

/** Size of the element, its index, from opcode bits 15–14 (scale), S, size and Q. */
function single(scale: number, q: number, s: number, size: number): [number, number] | null {
  const index = (q << 3) | (s << 2) | size;
  if (scale === 0) return [0, index];
  if (scale === 1) return size & 1 ? null : [1, index >> 1];
  if (size === 0) return [2, index >> 2];
  return size === 1 && s === 0 ? [3, q] : null;
}

function singleRow({ step, post, rm }: (typeof STEPS)[number]): AArch64Row {
  return familyRow(
    `LD/ST single${step === "none" ? "" : ` (post-index ${step})`}`,
    `0 q:1 001101 ${post} l:1 r:1 ${rm} scale:2 more:1 s:1 size:2 rn:5 rt:5`,
    (f) => ({
      regs: operands(f, step),
      statics: ["q", "l", "r", "scale", "more", "s", "size"],
      valid: (w) =>
        f.scale.of(w) < 3 &&
        single(f.scale.of(w), f.q.of(w), f.s.of(w), f.size.of(w)) !== null,
      operands: (w, _pc: number, out: Decoded) => {
        const count = 1 + f.r.of(w) + 2 * f.more.of(w);
        const [size] = single(f.scale.of(w), f.q.of(w), f.s.of(w), f.size.of(w))!;
        out.imm1 = count << size;
      },
      emit: (e, { q, l, r, scale, more, s, size: bits }) => {
        const [size, index] = single(scale, q, s, bits)!;
        const count = 1 + r + 2 * more;
        const base = e.get64(e.reg(BASE));
        const type = size === 3 ? "i64" : "i32";
        const values: Node[] = [];
        for (let i = 0; i < count; i++) {
          const address = at(e, i << size);
          const v = vec(e, i);
          if (l) {
            values.push(replace(e, size, v, index, e.load(type, address, width(size))));
          } else e.store(address, extract(e, size, v, index), width(size));
        }
        writeBack(e, step, base);
        values.forEach((v, i) => e.setVector(e.reg(i), v));
      },
    }),
  );
}

function replicateRow({ step, post, rm }: (typeof STEPS)[number]): AArch64Row {
  return familyRow(
    `LD1R–LD4R${step === "none" ? "" : ` (post-index ${step})`}`,
    `0 q:1 001101 ${post} 1 r:1 ${rm} 11 more:1 0 size:2 rn:5 rt:5`,
    (f) => ({
      regs: operands(f, step),
      statics: ["q", "r", "more", "size"],
      operands: (w, _pc: number, out: Decoded) => {
        out.imm1 = (1 + f.r.of(w) + 2 * f.more.of(w)) << f.size.of(w);
      },
      emit: (e, { q, r, more, size }) => {
        const base = e.get64(e.reg(BASE));
        const values: Node[] = [];
        for (let i = 0; i <= r + 2 * more; i++) {
          const x = e.load(size === 3 ? "i64" : "i32", at(e, i << size), width(size));
          const all = lane(e, size, "splat", x);
          values.push(q ? all : replace(e, 3, all, 1, e.i64(0)));
        }
        writeBack(e, step, base);
        values.forEach((v, i) => e.setVector(e.reg(i), v));
      },
    }),
  );
}

export const rows = STEPS.flatMap((form) => [
  ...MULTIPLE.map((entry) => multipleRow(entry, form)),
  replicateRow(form),
  singleRow(form),
]);
