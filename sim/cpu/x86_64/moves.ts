/** Integer data movement: MOV, MOVZX, MOVSX, LEA, XCHG, PUSH, POP, CMOVcc, SETcc, BSWAP, ENTER, LEAVE. */
import type { Node } from "../ir/types.ts";
import { gpr } from "../layout.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, row, type Semantic } from "./row.ts";

const RSP = gpr(4), RBP = gpr(5);

const mov: Semantic = (x) => x.set(0, x.get(1));

/** Value `v` of `from` bits as one of `to` bits. */
function resize(x: Instruction, v: Node, to: number): Node {
  return v.type === "i32" && to === 64
    ? x.e.zext(v)
    : v.type === "i64" && to < 64
    ? x.e.wrap(v)
    : v;
}

const movzx: Semantic = (x) => x.set(0, resize(x, x.get(1), x.size));

const movsx: Semantic = (x) => {
  const v = x.get(1, true);
  x.set(0, x.size === 64 ? x.e.sext(v) : v);
};

/** MOVSXD: without REX.W it copies 16 or 32 bits. */
const movsxd: Semantic = (x) => {
  const v = x.get(1);
  x.set(0, x.size === 64 ? x.e.sext(v) : v);
};

const lea: Semantic = (x) => {
  const address = x.effective();
  x.set(0, x.size === 64 ? address : x.e.wrap(address));
};

const xchg: Semantic = (x) => {
  const a = x.get(0), b = x.get(1);
  x.set(0, b);
  x.set(1, a);
};

/** Push `value`, `bits` wide. */
export function push(x: Instruction, value: Node, bits = 64): void {
  const e = x.e;
  const top = e.sub(e.get64(e.fixed(RSP)), e.i64(bits / 8));
  e.store(top, value, bits);
  e.set64(e.fixed(RSP), top);
}

/** Pop `bits`. */
export function pop(x: Instruction, bits: number): Node {
  const e = x.e;
  const top = e.get64(e.fixed(RSP));
  const value = e.load(bits === 64 ? "i64" : "i32", top, bits);
  e.set64(e.fixed(RSP), e.add(top, e.i64(bits / 8)));
  return value;
}

const pushOperand: Semantic = (x) => push(x, x.get(0), x.size);

const popRegister: Semantic = (x) => x.set(0, pop(x, x.size));

/** POP to memory: a base of RSP means its value after the pop; a fault leaves RSP as it was. */
const popMemory: Semantic = (x) => {
  if (!x.inMemory(0)) return popRegister(x);
  const e = x.e;
  const top = e.get64(e.fixed(RSP));
  const value = e.load(x.size === 64 ? "i64" : "i32", top, x.size);
  const next = e.add(top, e.i64(x.size / 8));
  e.set64(e.fixed(RSP), next);
  const address = x.address();
  e.set64(e.fixed(RSP), top);
  e.store(address, value, x.size);
  e.set64(e.fixed(RSP), next);
};

const cmov: Semantic = (x) => {
  const source = x.get(1);
  x.set(0, x.e.select(x.e.condition(x.extra), source, x.get(0)));
};

const setcc: Semantic = (x) => x.set(0, x.e.condition(x.extra));

const bswap: Semantic = (x) => {
  const e = x.e;
  const v = x.get(0);
  if (x.size === 64) {
    const bytes = e.op("i64x2.splat", [v]);
    const order = [7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8];
    x.set(0, e.op("i64x2.extract_lane", [e.op("i8x16.shuffle", [bytes, bytes], order)], 0));
  } else if (x.size === 32) {
    const even = e.and(e.rotl(v, e.i32(8)), e.i32(0x00ff00ff));
    const odd = e.and(e.rotr(v, e.i32(8)), e.i32(0xff00ff00));
    x.set(0, e.or(even, odd));
  } else x.set(0, e.i32(0)); // Undefined by the manual; processors clear the register.
};

/** CBW, CWDE, CDQE. */
const extendAccumulator: Semantic = (x) => {
  const half = x.getGpr(0, x.size / 2, true);
  x.setGpr(0, x.size === 64 ? x.e.sext(half) : half);
};

/** CWD, CDQ, CQO. */
const extendIntoData: Semantic = (x) => {
  x.setGpr(2, x.e.shrS(x.getGpr(0, x.size, true), x.number(x.size === 64 ? 63 : 31)));
};

const enter: Semantic = (x) => {
  const e = x.e;
  const bytes = x.size / 8;
  const bits = x.size;
  const value = (v: Node): Node => bits === 64 ? v : e.wrap(v);
  const level = x.extra;
  const sp = e.get64(e.fixed(RSP)), bp = e.get64(e.fixed(RBP));
  const at = (n: number): Node => e.sub(sp, e.i64(n * bytes));
  const frame = at(1);
  e.store(frame, value(bp), bits);
  for (let i = 1; i < level; i++) {
    const outer = e.load(bits === 64 ? "i64" : "i32", e.sub(bp, e.i64(i * bytes)), bits);
    e.store(at(1 + i), outer, bits);
  }
  if (level > 0) e.store(at(1 + level), value(frame), bits);
  const locals = e.and(e.imm(1), e.i64(0xffff));
  e.set64(e.fixed(RSP), e.sub(level > 0 ? at(1 + level) : frame, locals));
  x.setGpr(5, value(frame));
};

const leave: Semantic = (x) => {
  const e = x.e;
  const frame = e.get64(e.fixed(RBP));
  const value = e.load(x.size === 64 ? "i64" : "i32", frame, x.size);
  e.set64(e.fixed(RSP), e.add(frame, e.i64(x.size / 8)));
  x.setGpr(5, value);
};

const xlat: Semantic = (x) => {
  const e = x.e;
  const sum = e.add(e.get64(e.fixed(gpr(3))), e.zext(x.getGpr(0, 8)));
  const address = x.address32 ? e.and(sum, e.i64(0xffffffffn)) : sum;
  x.setGpr(0, e.load("i32", x.segmented(address), 8), 8);
};

const D64 = { d64: true };
const LOCK = { lock: true };

export const moves: readonly Encoding[] = [
  row("88", "mov Eb,Gb", mov),
  row("89", "mov Ev,Gv", mov),
  row("8a", "mov Gb,Eb", mov),
  row("8b", "mov Gv,Ev", mov),
  row("a0", "mov AL,Ob", mov),
  row("a1", "mov rAX,Ov", mov),
  row("a2", "mov Ob,AL", mov),
  row("a3", "mov Ov,rAX", mov),
  row("b0+r", "mov Zb,Ib", mov),
  row("b8+r", "mov Zv,Iv", mov),
  row("c6 /0", "mov Eb,Ib", mov),
  row("c7 /0", "mov Ev,Iz", mov),
  row("0f.b6", "movzx Gv,Eb", movzx),
  row("0f.b7", "movzx Gv,Ew", movzx),
  row("0f.be", "movsx Gv,Eb", movsx),
  row("0f.bf", "movsx Gv,Ew", movsx),
  row("63", "movsxd Gv,Ed", movsxd),
  row("8d", "lea Gv,Mv", lea),
  row("86", "xchg Eb,Gb", xchg, LOCK),
  row("87", "xchg Ev,Gv", xchg, LOCK),
  row("91", "xchg Zv,rAX", xchg),
  row("92", "xchg Zv,rAX", xchg),
  row("93", "xchg Zv,rAX", xchg),
  row("94", "xchg Zv,rAX", xchg),
  row("95", "xchg Zv,rAX", xchg),
  row("96", "xchg Zv,rAX", xchg),
  row("97", "xchg Zv,rAX", xchg),
  row("50+r", "push Zv", pushOperand, D64),
  row("58+r", "pop Zv", popRegister, D64),
  row("ff /6", "push Ev", pushOperand, D64),
  row("8f /0", "pop Ev", popMemory, D64),
  row("68", "push Iz", pushOperand, D64),
  row("6a", "push Ib", pushOperand, D64),
  row("0f.40+cc", "cmovcc Gv,Ev", cmov),
  row("0f.90+cc", "setcc Eb", setcc),
  row("0f.c8+r", "bswap Zv", bswap),
  row("98", "cdqe Xv", extendAccumulator),
  row("99", "cqo Xv", extendIntoData),
  row("c8", "enter Iw,Ib", enter, D64),
  row("c9", "leave", leave, D64),
  row("d7", "xlat", xlat),
  row("0f.c3", "movnti My,Gy", mov),
];
