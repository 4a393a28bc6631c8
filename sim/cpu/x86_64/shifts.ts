/** Shifts and rotates: SHL, SHR, SAR, ROL, ROR, RCL, RCR, SHLD, SHRD. A count of zero keeps the flags. */
import type { Node } from "../ir/types.ts";
import { NodeKind } from "../ir/types.ts";
import { Kind } from "./flags.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, Imm, row, type Semantic } from "./row.ts";

/** The masked count as i32: a constant count that is not zero, or CL. */
function countOf(x: Instruction): Node {
  if (x.row.immediate === Imm.Count || x.row.immediate === Imm.One) return x.immediate();
  return x.e.and(x.getGpr(1, 8), x.e.i32(x.size === 64 ? 63 : 31));
}

/** Whether the decoder saw an immediate count that masks to zero. */
function zeroCount(x: Instruction): boolean {
  return x.row.immediate === Imm.Count && x.extra !== 0;
}

/** Run `set` unless the count is zero at run time (an immediate count here is not). */
function unlessZero(x: Instruction, count: Node, set: () => void): void {
  if (x.row.immediate !== Imm.None || count.kind === NodeKind.Const) set();
  else x.e.if(count, set);
}

/** The count in the type of the operand. */
function typed(x: Instruction, count: Node): Node {
  return x.size === 64 ? x.e.zext(count) : count;
}

type Shift = (x: Instruction, count: Node) => void;

/** A shift or rotate of operand 0. */
function shift(emit: Shift): Semantic {
  return (x) => {
    if (zeroCount(x)) x.set(0, x.get(0));
    else emit(x, countOf(x));
  };
}

const shl: Shift = (x, count) => {
  const e = x.e;
  const v = x.get(0);
  const n = typed(x, count);
  const r = e.shl(v, n);
  x.set(0, r);
  unlessZero(x, count, () => {
    x.flags(Kind.Carry, x.narrow(r), e.shl(v, e.sub(n, x.number(1))));
  });
};

function right(signed: boolean): Shift {
  return (x, count) => {
    const e = x.e;
    const v = x.get(0, signed);
    const n = typed(x, count);
    const by = (k: Node): Node => signed ? e.shrS(v, k) : e.shrU(v, k);
    const r = by(n);
    x.set(0, r);
    unlessZero(
      x,
      count,
      () => x.flags(Kind.Right, x.narrow(r), x.narrow(by(e.sub(n, x.number(1))))),
    );
  };
}

/** A narrow value repeated to 32 bits, so that a 32-bit rotate rotates it. */
function repeated(x: Instruction, v: Node): Node {
  if (x.size >= 32) return v;
  return x.e.mul(v, x.e.i32(x.size === 8 ? 0x01010101 : 0x00010001));
}

/** CF and OF as packed flags. */
function carryOverflow(x: Instruction, carry: Node, overflow: Node): Node {
  return x.e.or(carry, x.e.shl(overflow, x.e.i32(11)));
}

const rol: Shift = (x, count) => {
  const e = x.e;
  const r = e.rotl(repeated(x, x.get(0)), typed(x, count));
  x.set(0, r);
  unlessZero(x, count, () => {
    const carry = e.and(x.low(r), e.i32(1));
    x.merge(carryOverflow(x, carry, e.xor(carry, x.sign(r))));
  });
};

const ror: Shift = (x, count) => {
  const e = x.e;
  const r = e.rotr(repeated(x, x.get(0)), typed(x, count));
  x.set(0, r);
  unlessZero(x, count, () => {
    const carry = x.sign(r);
    x.merge(carryOverflow(x, carry, e.xor(carry, x.sign(r, x.size - 1))));
  });
};

/** Rotate through carry; narrow widths in an i64 of size + 1 bits. */
function rotateThroughCarry(left: boolean): Shift {
  return (x, masked) => {
    const e = x.e;
    const { size } = x;
    const v = x.wide(x.get(0));
    const carryIn = e.zext(e.condition(2));
    const count = size >= 32 ? masked : e.op("i32.rem_u", [masked, e.i32(size + 1)]);
    const n = e.zext(count);
    let result: Node, carry: Node;
    if (size === 64) {
      // The value's bits that do not pass the carry, the carry's place, the bits that went round.
      const back = e.sub(e.i64(64), n);
      const place = e.shl(carryIn, left ? e.sub(n, e.i64(1)) : back);
      const one = left ? e.shl(v, n) : e.shrU(v, n);
      const round = left ? e.shrU(e.shrU(v, e.i64(1)), back) : e.shl(e.shl(v, e.i64(1)), back);
      const some = e.ne(n, e.i64(0));
      result = e.select(some, e.or(e.or(one, place), round), v);
      const out = e.and(e.shrU(v, left ? back : e.sub(n, e.i64(1))), e.i64(1));
      carry = e.select(some, out, carryIn);
    } else {
      const all = e.or(v, e.shl(carryIn, e.i64(size)));
      const back = e.sub(e.i64(size + 1), n);
      const turned = left
        ? e.or(e.shl(all, n), e.shrU(all, back))
        : e.or(e.shrU(all, n), e.shl(all, back));
      result = e.and(turned, e.i64((1n << BigInt(size)) - 1n));
      carry = e.and(e.shrU(turned, e.i64(size)), e.i64(1));
    }
    x.set(0, size === 64 ? result : e.wrap(result));
    unlessZero(x, masked, () => {
      const c = e.wrap(carry);
      const top = (k: number): Node => e.wrap(e.and(e.shrU(result, e.i64(k)), e.i64(1)));
      x.merge(
        carryOverflow(x, c, left ? e.xor(c, top(size - 1)) : e.xor(top(size - 1), top(size - 2))),
      );
    });
  };
}

/** SHLD and SHRD: operand 0 shifted, filled from operand 1. */
function double(left: boolean): Semantic {
  return (x) => {
    if (zeroCount(x)) return x.set(0, x.get(0));
    const e = x.e;
    const count = countOf(x);
    const d = x.get(0), s = x.get(1);
    let at: (n: Node) => Node;
    if (x.size === 64) {
      at = (n) => {
        const rest = e.sub(e.i64(63), n);
        return left
          ? e.or(e.shl(d, n), e.shrU(e.shrU(s, e.i64(1)), rest))
          : e.or(e.shrU(d, n), e.shl(e.shl(s, e.i64(1)), rest));
      };
    } else if (x.size === 32) {
      const pair = e.or(
        e.shl(e.zext(left ? d : s), e.i64(32)),
        e.zext(left ? s : d),
      );
      at = (n) => left ? e.wrap(e.shrU(e.shl(pair, n), e.i64(32))) : e.wrap(e.shrU(pair, n));
    } else {
      // Counts past the width are undefined: the operands repeat as a ring.
      const pair = e.or(e.zext(s), e.shl(e.zext(d), e.i64(16)));
      const ring = left
        ? e.or(e.shl(pair, e.i64(32)), e.shl(e.zext(d), e.i64(16)))
        : e.or(e.or(e.zext(d), e.shl(e.zext(s), e.i64(16))), e.shl(e.zext(d), e.i64(32)));
      at = (n) => {
        const r = left ? e.shrU(e.shl(ring, n), e.i64(48)) : e.shrU(ring, n);
        return x.narrow(e.wrap(r));
      };
    }
    const n = e.zext(count);
    const r = at(n);
    x.set(0, r);
    unlessZero(x, count, () => {
      x.flags(left ? Kind.Carry : Kind.Right, r, at(e.sub(n, e.i64(1))));
    });
  };
}

const group2: [string, Shift][] = [
  ["rol", rol],
  ["ror", ror],
  ["rcl", rotateThroughCarry(true)],
  ["rcr", rotateThroughCarry(false)],
  ["shl", shl],
  ["shr", right(false)],
  ["shl", shl],
  ["sar", right(true)],
];

const shld = double(true), shrd = double(false);

export const shifts: readonly Encoding[] = [
  ...group2.flatMap(([name, emit], i) => [
    row(`c0 /${i}`, `${name} Eb,Cb`, shift(emit)),
    row(`c1 /${i}`, `${name} Ev,Cb`, shift(emit)),
    row(`d0 /${i}`, `${name} Eb,C1`, shift(emit)),
    row(`d1 /${i}`, `${name} Ev,C1`, shift(emit)),
    row(`d2 /${i}`, `${name} Eb,CL`, shift(emit)),
    row(`d3 /${i}`, `${name} Ev,CL`, shift(emit)),
  ]),
  row("0f.a4", "shld Ev,Gv,Cb", shld),
  row("0f.a5", "shld Ev,Gv,CL", shld),
  row("0f.ac", "shrd Ev,Gv,Cb", shrd),
  row("0f.ad", "shrd Ev,Gv,CL", shrd),
];
