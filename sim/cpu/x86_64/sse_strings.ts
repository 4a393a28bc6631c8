/**
 * PCMPISTRI, PCMPISTRM, PCMPESTRI, PCMPESTRM (Intel SDM volume 2, section 4.1).
 *
 * Strings are vectors of 16 bytes or 8 words; the comparison yields one bit per element of the
 * second string. One IR function exists for each control (bits 5:0 of the immediate).
 */
import type { Emitter } from "../ir/emitter.ts";
import type { Helper, Node } from "../ir/types.ts";
import { gpr, vector } from "../layout.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, row, type Semantic } from "./row.ts";

/** Aggregation, bits 3:2 of the control. */
const enum Aggregation {
  EqualAny,
  Ranges,
  EqualEach,
  EqualOrdered,
}

/** Element shape of a control: bit 0 words, bit 1 signed. */
function elements(control: number): { shape: string; count: number; sign: string } {
  const words = (control & 1) !== 0;
  return {
    shape: words ? "i16x8" : "i8x16",
    count: words ? 8 : 16,
    sign: (control & 2) !== 0 ? "s" : "u",
  };
}

/** A vector with element `i` (i32) of `v` in every place. */
function broadcast(e: Emitter, shape: string, v: Node, i: Node): Node {
  if (shape === "i8x16") return e.op("i8x16.swizzle", [v, e.op("i8x16.splat", [i])]);
  const pair = e.or(e.mul(i, e.i32(0x0202)), e.i32(0x0100));
  return e.op("i8x16.swizzle", [v, e.op("i16x8.splat", [pair])]);
}

/** One bit per valid element of a string of `length` elements. */
const validBits = (e: Emitter, length: Node): Node => e.sub(e.shl(e.i32(1), length), e.i32(1));

/** The result bits (IntRes2): first string, second string and their lengths. */
function comparison(control: number): Helper {
  const { shape, count, sign } = elements(control);
  const all = (1 << count) - 1;
  const build = (e: Emitter, a: Node, b: Node, lengthA: Node, lengthB: Node): Node => {
    const bits = (v: Node): Node => e.op(`${shape}.bitmask`, [v]);
    const validA = validBits(e, lengthA), validB = validBits(e, lengthB);
    const aggregation: Aggregation = (control >> 2) & 3;
    let result: Node;
    if (aggregation === Aggregation.EqualEach) {
      const equal = e.and(bits(e.op(`${shape}.eq`, [a, b])), e.and(validA, validB));
      const neither = e.not(e.or(validA, validB));
      result = e.and(e.or(equal, neither), e.i32(all));
    } else {
      const ordered = aggregation === Aggregation.EqualOrdered;
      const ranges = aggregation === Aggregation.Ranges;
      const found = e.variable("i32", e.i32(ordered ? all : 0));
      const i = e.variable("i32", e.i32(0));
      // An odd last bound of a range has no partner: it takes no part.
      const end = ranges ? e.and(lengthA, e.i32(-2)) : lengthA;
      e.if(end, () =>
        e.loop(() => {
          const at = e.read(i);
          const one = broadcast(e, shape, a, at);
          if (ranges) {
            const last = broadcast(e, shape, a, e.add(at, e.i32(1)));
            const from = bits(e.op(`${shape}.ge_${sign}`, [b, one]));
            const to = bits(e.op(`${shape}.le_${sign}`, [b, last]));
            e.assign(found, e.or(e.read(found), e.and(from, to)));
          } else {
            const equal = e.and(bits(e.op(`${shape}.eq`, [b, one])), validB);
            if (ordered) {
              // Places past the end of the register are not compared.
              const open = e.or(equal, e.i32(~all));
              e.assign(found, e.and(e.read(found), e.shrS(open, at)));
            } else e.assign(found, e.or(e.read(found), equal));
          }
          e.assign(i, e.add(at, e.i32(ranges ? 2 : 1)));
          e.continueIf(e.ltU(e.read(i), end));
        }));
      result = ordered ? e.read(found) : e.and(e.read(found), validB);
    }
    const negated = (control & 0x10) !== 0;
    if (!negated) return result;
    return e.xor(result, (control & 0x20) !== 0 ? validB : e.i32(all));
  };
  return {
    name: `x86_pcmpstr_${control}`,
    params: ["v128", "v128", "i32", "i32"],
    result: "i32",
    reads: [],
    writes: [],
    build: (e, ...params) => build(e, params[0], params[1], params[2], params[3]),
  };
}

const helpers: (Helper | undefined)[] = [];

/** Length of a string that ends at its first zero element. */
function implicitLength(e: Emitter, shape: string, count: number, v: Node): Node {
  const zeros = e.op(`${shape}.bitmask`, [e.op(`${shape}.eq`, [v, e.v128(new Uint8Array(16))])]);
  return e.ctz(e.or(zeros, e.i32(1 << count)));
}

/** Length in a register: its magnitude, at most `count`. */
function explicitLength(x: Instruction, count: number, i: number): Node {
  const e = x.e;
  const v = x.getGpr(i);
  const magnitude = e.select(e.ltS(v, x.number(0)), e.neg(v), v);
  const past = e.gtU(magnitude, x.number(count));
  return e.select(past, e.i32(count), x.low(magnitude));
}

function compareStrings(explicit: boolean, index: boolean): Semantic {
  return (x) => {
    const e = x.e;
    const control = x.extra & 0x3f;
    const { shape, count } = elements(control);
    const b = x.vector(1, false), a = x.vector(0);
    const lengthA = explicit ? explicitLength(x, count, 0) : implicitLength(e, shape, count, a);
    const lengthB = explicit ? explicitLength(x, count, 2) : implicitLength(e, shape, count, b);
    const helper = helpers[control] ??= comparison(control);
    const result = e.call(helper, a, b, lengthA, lengthB);
    const high = (x.extra & 0x40) !== 0;
    if (index) {
      const found = high
        ? e.select(result, e.sub(e.i32(31), e.clz(result)), e.i32(count))
        : e.ctz(e.or(result, e.i32(1 << count)));
      e.set32(e.fixed(gpr(1)), found);
    } else {e.setVector(
        e.fixed(vector(0)),
        high ? expand(e, shape, result) : x.zeroExtended(result),
      );}
    const flag = (v: Node, at: number): Node => e.shl(v, e.i32(at));
    const carry = e.ne(result, e.i32(0));
    const zero = flag(e.ltU(lengthB, e.i32(count)), 6);
    const sign = flag(e.ltU(lengthA, e.i32(count)), 7);
    const overflow = flag(e.and(result, e.i32(1)), 11);
    x.packed(e.or(e.or(carry, zero), e.or(sign, overflow)));
  };
}

/** Bits to elements of ones or zeros. */
function expand(e: Emitter, shape: string, bits: Node): Node {
  const words = shape === "i16x8";
  // Every element tests its own bit: the mask's bytes are spread to where their elements lie.
  const spread = e.v128(Array.from({ length: 16 }, (_, i) => words ? 0 : i >> 3));
  const own = e.v128(
    Array.from({ length: 16 }, (_, i) => words ? (i & 1 ? 0 : 1 << (i >> 1)) : 1 << (i & 7)),
  );
  const copies = e.op("i8x16.swizzle", [e.op("i32x4.splat", [bits]), spread]);
  const test = e.op("v128.and", [copies, own]);
  return e.op(`${shape}.ne`, [test, e.v128(new Uint8Array(16))]);
}

export const sseStrings: readonly Encoding[] = [
  row("66.0f3a.60", "pcmpestrm Vy,Wx,Kb", compareStrings(true, false)),
  row("66.0f3a.61", "pcmpestri Vy,Wx,Kb", compareStrings(true, true)),
  row("66.0f3a.62", "pcmpistrm Vx,Wx,Kb", compareStrings(false, false)),
  row("66.0f3a.63", "pcmpistri Vx,Wx,Kb", compareStrings(false, true)),
];
