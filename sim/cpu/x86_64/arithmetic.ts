/** Integer arithmetic and logic: ADD … CMP, INC, DEC, NEG, NOT, TEST, MUL, DIV, CMPXCHG, XADD. */
import type { Node } from "../ir/types.ts";
import { gpr } from "../layout.ts";
import { Kind } from "./flags.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, row, type Semantic } from "./row.ts";
import { divide128, signedHigh, unsignedHigh } from "./wide.ts";

const LOCK = { lock: true };
/** Condition code B: the carry flag. */
const CARRY = 2;

const add: Semantic = (x) => {
  const a = x.get(0, true), b = x.get(1, true);
  const r = x.narrow(x.e.add(a, b));
  x.set(0, r);
  x.flags(Kind.Add, r, b);
};

const sub: Semantic = (x) => {
  const a = x.get(0, true), b = x.get(1, true);
  x.set(0, x.e.sub(a, b));
  x.flags(Kind.Sub, a, b);
};

const cmp: Semantic = (x) => x.flags(Kind.Sub, x.get(0, true), x.get(1, true));

function carryIn(x: Instruction): Node {
  const c = x.e.condition(CARRY);
  return x.size === 64 ? x.e.zext(c) : c;
}

const adc: Semantic = (x) => {
  const e = x.e;
  const a = x.get(0, true), b = x.get(1, true);
  const r = x.narrow(e.add(e.add(a, b), carryIn(x)));
  const carries = e.or(e.and(a, b), e.and(e.or(a, b), e.not(r)));
  x.set(0, r);
  x.flags(Kind.Carry, r, carries);
};

const sbb: Semantic = (x) => {
  const e = x.e;
  const a = x.get(0, true), b = x.get(1, true);
  const r = x.narrow(e.sub(e.sub(a, b), carryIn(x)));
  const borrows = e.or(e.and(e.not(a), b), e.and(e.or(e.not(a), b), r));
  x.set(0, r);
  x.flags(Kind.Carry, r, borrows);
};

function logic(name: "and" | "or" | "xor"): Semantic {
  return (x) => {
    const r = x.e.int(name, x.get(0, true), x.get(1, true));
    x.set(0, r);
    x.flags(Kind.Logic, r, x.number(0));
  };
}

const test: Semantic = (x) => {
  x.flags(Kind.Logic, x.e.and(x.get(0, true), x.get(1, true)), x.number(0));
};

function step(kind: Kind, by: number): Semantic {
  return (x) => {
    const carry = x.e.condition(CARRY);
    const r = x.narrow(x.e.add(x.get(0, true), x.number(by)));
    x.set(0, r);
    x.flags(kind, r, carry);
  };
}

const neg: Semantic = (x) => {
  const a = x.get(0, true);
  x.set(0, x.e.sub(x.number(0), a));
  x.flags(Kind.Sub, x.number(0), a);
};

const not: Semantic = (x) => x.set(0, x.e.not(x.get(0)));

const xadd: Semantic = (x) => {
  const a = x.get(0, true), b = x.get(1, true);
  const r = x.narrow(x.e.add(a, b));
  // The sum wins where both operands are one register; a store comes before register writes.
  if (x.inMemory(0)) {
    x.set(0, r);
    x.set(1, a);
  } else {
    x.set(1, a);
    x.set(0, r);
  }
  x.flags(Kind.Add, r, b);
};

const cmpxchg: Semantic = (x) => {
  const e = x.e;
  const accumulator = x.getGpr(0, x.size, true);
  const d = x.get(0, true), s = x.get(1, true);
  const equal = e.eq(accumulator, d);
  if (x.inMemory(0)) {
    x.set(0, e.select(equal, s, d));
    e.if(equal, () => {}, () => x.setGpr(0, d));
  } else {
    e.if(equal, () => x.set(0, s), () => x.setGpr(0, d));
  }
  x.flags(Kind.Sub, accumulator, d);
};

/** CMPXCHG8B and CMPXCHG16B (operand size 64: aligned, or #GP). */
const cmpxchgPair: Semantic = (x) => {
  const e = x.e;
  const bytes = x.size / 8;
  if (x.size === 64) x.align16();
  else x.alignmentCheck(8);
  const high = e.add(x.address(), e.i64(bytes));
  const type = x.size === 64 ? "i64" : "i32";
  const oldLow = e.load(type, x.address()), oldHigh = e.load(type, high);
  const equal = e.and(e.eq(x.getGpr(0), oldLow), e.eq(x.getGpr(2), oldHigh));
  e.store(x.address(), e.select(equal, x.getGpr(3), oldLow));
  e.store(high, e.select(equal, x.getGpr(1), oldHigh));
  const flags = e.packedFlags();
  e.if(equal, () => {}, () => {
    x.setGpr(0, oldLow);
    x.setGpr(2, oldHigh);
  });
  x.packed(e.or(e.and(flags, e.i32(~0x40)), e.shl(equal, e.i32(6))));
};

/** Flags of a product: CF and OF say that it does not fit; the rest follows the low half. */
function productFlags(x: Instruction, low: Node, wide: Node, bits = x.size): void {
  const e = x.e;
  const top = bits === 64 ? e.i64(1n << 63n) : e.i32(1 << (bits - 1));
  x.flags(Kind.Carry, low, e.select(wide, top, x.constant(0, top)), bits);
}

/** MUL and one-operand IMUL: rDX:rAX (or AX) = rAX × operand. */
function multiply(signed: boolean): Semantic {
  return (x) => {
    const e = x.e;
    const a = x.getGpr(0, x.size, signed), b = x.get(0, signed);
    if (x.size === 8) {
      const product = e.mul(a, b);
      const fit = signed ? x.narrow(product) : x.unsigned(product);
      e.set16(e.fixed(gpr(0)), product);
      productFlags(x, x.narrow(product), e.ne(product, fit));
      return;
    }
    let low: Node, high: Node;
    if (x.size === 64) {
      low = e.mul(a, b);
      high = signed ? signedHigh(e, a, b) : unsignedHigh(e, a, b);
    } else if (x.size === 32) {
      const product = signed ? e.mul(e.sext(a), e.sext(b)) : e.mul(e.zext(a), e.zext(b));
      low = e.wrap(product);
      high = e.wrap(e.shrU(product, e.i64(32)));
    } else {
      const product = e.mul(a, b);
      low = x.narrow(product);
      high = x.narrow(e.shrS(product, e.i32(16)));
    }
    x.setGpr(0, low);
    x.setGpr(2, high);
    const fill = signed ? e.shrS(low, x.number(x.size - 1)) : x.number(0);
    productFlags(x, low, e.ne(high, fill));
  };
}

/** IMUL of two operands: the low half alone; operands `i` and `j` are the factors. */
function multiplyLow(i: number, j: number): Semantic {
  return (x) => {
    const e = x.e;
    const a = x.get(i, true), b = x.get(j, true);
    if (x.size === 64) {
      x.set(0, e.mul(a, b));
      e.setFlags(Kind.Product64, a, b);
    } else if (x.size === 32) {
      const product = e.mul(e.sext(a), e.sext(b));
      x.set(0, e.wrap(product));
      // Product of values that fit 32 bits: the 64-bit kind cannot tell, so compare here.
      const low = e.wrap(product);
      productFlags(x, low, e.ne(e.sext(low), product));
    } else {
      const product = e.mul(a, b);
      x.set(0, product);
      productFlags(x, x.narrow(product), e.ne(product, x.narrow(product)));
    }
  };
}

/** DIV and IDIV of 8, 16 and 32 bits: the dividend fits an i64 (or i32). */
function divideNarrow(x: Instruction, signed: boolean): void {
  const e = x.e;
  const { size } = x;
  const wide = size === 32;
  const constant = (n: bigint): Node => wide ? e.i64(n) : e.i32(Number(n));
  const raw = x.get(0, signed);
  const divisor = wide ? (signed ? e.sext(raw) : e.zext(raw)) : raw;
  let dividend: Node;
  if (wide) {
    dividend = e.or(e.shl(e.zext(x.getGpr(2)), e.i64(32)), e.zext(x.getGpr(0)));
  } else if (size === 16) {
    dividend = e.or(e.shl(x.getGpr(2), e.i32(16)), x.getGpr(0));
  } else dividend = x.getGpr(0, 16, signed);
  e.if(e.eqz(divisor), () => x.divideError());
  if (signed) {
    // The least dividend overflows with every divisor, and would trap with -1.
    const least = wide ? -(1n << 63n) : -(1n << 31n);
    if (size !== 8) e.if(e.eq(dividend, constant(least)), () => x.divideError());
  }
  const suffix = signed ? "_s" : "_u";
  const quotient = e.int(`div${suffix}`, dividend, divisor);
  const rest = e.int(`rem${suffix}`, dividend, divisor);
  const half = 1n << BigInt(size - 1);
  const fits = signed
    ? e.ltU(e.add(quotient, constant(half)), constant(2n * half))
    : e.ltU(quotient, constant(2n * half));
  e.if(e.eqz(fits), () => x.divideError());
  if (size === 8) {
    const low = e.and(quotient, e.i32(0xff));
    e.set16(e.fixed(gpr(0)), e.or(low, e.shl(rest, e.i32(8))));
  } else {
    x.setGpr(0, wide ? e.wrap(quotient) : quotient);
    x.setGpr(2, wide ? e.wrap(rest) : rest);
  }
}

/** DIV of 64 bits. */
function divide64(x: Instruction): void {
  const e = x.e;
  const divisor = x.get(0), high = x.getGpr(2), low = x.getGpr(0);
  // Also refuses a divisor of zero.
  e.if(e.geU(high, divisor), () => x.divideError());
  const quotient = e.variable("i64", e.i64(0));
  e.if(
    e.eqz(high),
    () => e.assign(quotient, e.int("div_u", low, divisor)),
    () => e.assign(quotient, e.call(divide128, high, low, divisor)),
  );
  const q = e.read(quotient);
  x.setGpr(0, q);
  x.setGpr(2, e.sub(low, e.mul(q, divisor)));
}

/** IDIV of 64 bits: on magnitudes, signs put back. */
function divideSigned64(x: Instruction): void {
  const e = x.e;
  const divisor = x.get(0), high = x.getGpr(2), low = x.getGpr(0);
  const negativeDivisor = e.shrS(divisor, e.i64(63));
  const negative = e.shrS(high, e.i64(63));
  const d = e.sub(e.xor(divisor, negativeDivisor), negativeDivisor);
  const l = e.sub(e.xor(low, negative), negative);
  // Negating 128 bits: the carry into the high half comes only from a zero low half.
  const borrow = e.and(e.zext(e.eqz(low)), negative);
  const h = e.add(e.xor(high, negative), e.and(borrow, e.i64(1)));
  e.if(e.geU(h, d), () => x.divideError());
  const quotient = e.variable("i64", e.i64(0));
  e.if(
    e.eqz(h),
    () => e.assign(quotient, e.int("div_u", l, d)),
    () => e.assign(quotient, e.call(divide128, h, l, d)),
  );
  const sign = e.xor(negative, negativeDivisor);
  // The magnitude may be 2^63 only for a negative quotient.
  const most = e.add(e.i64((1n << 63n) - 1n), e.and(sign, e.i64(1)));
  e.if(e.gtU(e.read(quotient), most), () => x.divideError());
  const q = e.sub(e.xor(e.read(quotient), sign), sign);
  x.setGpr(0, q);
  x.setGpr(2, e.sub(low, e.mul(q, divisor)));
}

const div: Semantic = (x) => x.size === 64 ? divide64(x) : divideNarrow(x, false);
const idiv: Semantic = (x) => x.size === 64 ? divideSigned64(x) : divideNarrow(x, true);

/** The eight operations of opcodes 00–3F and of group 1, in encoding order. */
const group1: [string, Semantic][] = [
  ["add", add],
  ["or", logic("or")],
  ["adc", adc],
  ["sbb", sbb],
  ["and", logic("and")],
  ["sub", sub],
  ["xor", logic("xor")],
  ["cmp", cmp],
];

const hex = (n: number): string => n.toString(16).padStart(2, "0");

export const arithmetic: readonly Encoding[] = [
  ...group1.flatMap(([name, emit], i) => {
    const options = name === "cmp" ? {} : LOCK;
    const at = (n: number): string => hex(8 * i + n);
    return [
      row(at(0), `${name} Eb,Gb`, emit, options),
      row(at(1), `${name} Ev,Gv`, emit, options),
      row(at(2), `${name} Gb,Eb`, emit),
      row(at(3), `${name} Gv,Ev`, emit),
      row(at(4), `${name} AL,Ib`, emit),
      row(at(5), `${name} rAX,Iz`, emit),
      row(`80 /${i}`, `${name} Eb,Ib`, emit, options),
      row(`81 /${i}`, `${name} Ev,Iz`, emit, options),
      row(`83 /${i}`, `${name} Ev,Ib`, emit, options),
    ];
  }),
  row("84", "test Eb,Gb", test),
  row("85", "test Ev,Gv", test),
  row("a8", "test AL,Ib", test),
  row("a9", "test rAX,Iz", test),
  row("f6 /0", "test Eb,Ib", test),
  row("f6 /1", "test Eb,Ib", test),
  row("f7 /0", "test Ev,Iz", test),
  row("f7 /1", "test Ev,Iz", test),
  row("fe /0", "inc Eb", step(Kind.Inc, 1), LOCK),
  row("ff /0", "inc Ev", step(Kind.Inc, 1), LOCK),
  row("fe /1", "dec Eb", step(Kind.Dec, -1), LOCK),
  row("ff /1", "dec Ev", step(Kind.Dec, -1), LOCK),
  row("f6 /2", "not Eb", not, LOCK),
  row("f7 /2", "not Ev", not, LOCK),
  row("f6 /3", "neg Eb", neg, LOCK),
  row("f7 /3", "neg Ev", neg, LOCK),
  row("f6 /4", "mul Eb", multiply(false)),
  row("f7 /4", "mul Ev", multiply(false)),
  row("f6 /5", "imul Eb", multiply(true)),
  row("f7 /5", "imul Ev", multiply(true)),
  row("0f.af", "imul Gv,Ev", multiplyLow(0, 1)),
  row("69", "imul Gv,Ev,Iz", multiplyLow(1, 2)),
  row("6b", "imul Gv,Ev,Ib", multiplyLow(1, 2)),
  row("f6 /6", "div Eb", div),
  row("f7 /6", "div Ev", div),
  row("f6 /7", "idiv Eb", idiv),
  row("f7 /7", "idiv Ev", idiv),
  row("0f.c0", "xadd Eb,Gb", xadd, LOCK),
  row("0f.c1", "xadd Ev,Gv", xadd, LOCK),
  row("0f.b0", "cmpxchg Eb,Gb", cmpxchg, LOCK),
  row("0f.b1", "cmpxchg Ev,Gv", cmpxchg, LOCK),
  row("0f.c7 /1", "cmpxchg8b My", cmpxchgPair, { ...LOCK, unaligned: true }),
];
