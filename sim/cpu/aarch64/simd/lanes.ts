/** Vector building blocks: shapes by element size (0 B, 1 H, 2 S, 3 D), results, permutations. */
import type { Emitter } from "../../ir/emitter.ts";
import type { Helper, Node, Type } from "../../ir/types.ts";
import { pure } from "../multiply.ts";

const SHAPES = ["i8x16", "i16x8", "i32x4", "i64x2"];

/** Operation `name` on lanes of `size`. */
export function lane(e: Emitter, size: number, name: string, ...args: Node[]): Node {
  return e.op(`${SHAPES[size]}.${name}`, args);
}
/** Bits of an element. */
export const width = (size: number): number => 8 << size;

/** Vector operand `i`. */
export function vec(e: Emitter, i: number): Node {
  return e.getVector(e.reg(i));
}

/** Sixteen bytes from a 64-bit pattern, repeated. */
export function repeat(e: Emitter, pattern: bigint, elementBits = 64): Node {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) {
    bytes[i] = Number((pattern >> BigInt((8 * i) % elementBits)) & 0xffn);
  }
  return e.v128(bytes);
}
/** `value` in every element. */
export function splat(e: Emitter, size: number, value: bigint | number): Node {
  return repeat(e, BigInt.asUintN(width(size), BigInt(value)), width(size));
}
export function zeros(e: Emitter): Node {
  return repeat(e, 0n);
}
export function ones(e: Emitter): Node {
  return repeat(e, (1n << 64n) - 1n);
}

/** A mask of the low `bits` bits. */
function lowMask(e: Emitter, bits: number): Node {
  return e.v128(Array.from({ length: 16 }, (_, i) => 8 * i < bits ? 0xff : 0));
}
/** Write the low `bits` (8–128) of `value` to vector operand 0, zeros above. */
export function result(e: Emitter, value: Node, bits: number): void {
  const masked = bits === 128 ? value : e.op("v128.and", [value, lowMask(e, bits)]);
  e.setVector(e.reg(0), masked);
}
/** Vector operand `i` of floats; lanes above the low `bits`, which do not take part, read as 1. */
export function floatVec(e: Emitter, i: number, d: number, bits: number): Node {
  return ignoringAbove(e, vec(e, i), d, bits);
}
export function ignoringAbove(e: Emitter, x: Node, d: number, bits: number): Node {
  if (bits === 128) return x;
  const one = d ? splat(e, 3, 0x3ff0000000000000n) : splat(e, 2, 0x3f800000);
  return choose(e, lowMask(e, bits), x, one);
}
/** Bits of a vector register that an instruction with this Q uses. */
export const bitsOfQ = (q: number): number => q ? 128 : 64;

export const and = (e: Emitter, a: Node, b: Node): Node => e.op("v128.and", [a, b]);
export const or = (e: Emitter, a: Node, b: Node): Node => e.op("v128.or", [a, b]);
export const xor = (e: Emitter, a: Node, b: Node): Node => e.op("v128.xor", [a, b]);
export const not = (e: Emitter, a: Node): Node => e.op("v128.not", [a]);
/** a & ~b. */
export const andNot = (e: Emitter, a: Node, b: Node): Node => e.op("v128.andnot", [a, b]);
/** (a & mask) | (b & ~mask). */
export const choose = (e: Emitter, mask: Node, a: Node, b: Node): Node =>
  e.op("v128.bitselect", [a, b, mask]);

/** Bytes of `a` (0–15) and `b` (16–31) in the order that `pick` gives for each byte. */
export function shuffle(e: Emitter, a: Node, b: Node, pick: (byte: number) => number): Node {
  return e.op("i8x16.shuffle", [a, b], Array.from({ length: 16 }, (_, i) => pick(i)));
}
/** Elements of `a` and `b` (numbered on through both) in the order that `pick` gives. */
export function permute(
  e: Emitter,
  size: number,
  a: Node,
  b: Node,
  pick: (element: number) => number,
): Node {
  return shuffle(e, a, b, (i) => (pick(i >> size) << size) | (i & ((1 << size) - 1)));
}
/** Even (`odd` 0) or odd elements of the `bits`-wide vectors `a` and `b`, one after the other. */
export function unzip(
  e: Emitter,
  size: number,
  a: Node,
  b: Node,
  odd: number,
  bits: number,
): Node {
  const count = bits / width(size);
  const all = 128 / width(size);
  return permute(e, size, a, b, (i) => {
    const from = 2 * (i % count) + odd;
    return from < count ? from : all + from - count;
  });
}
/** Low and high halves joined: the low half of `a`, then that of `b`. */
export function joinLow(e: Emitter, a: Node, b: Node): Node {
  return shuffle(e, a, b, (i) => i < 8 ? i : i + 8);
}
/** The high half of `a` in the low half. */
export function highHalf(e: Emitter, a: Node): Node {
  return shuffle(e, a, a, (i) => (i + 8) & 15);
}

/** Element `i` as i32 or i64. */
export function extract(e: Emitter, size: number, a: Node, i: number, signed = false): Node {
  const suffix = size < 2 ? (signed ? "_s" : "_u") : "";
  return e.op(`${SHAPES[size]}.extract_lane${suffix}`, [a], i);
}
export function replace(e: Emitter, size: number, a: Node, i: number, x: Node): Node {
  return e.op(`${SHAPES[size]}.replace_lane`, [a, x], i);
}
/** Element `i` as i64, extended. */
export function extractWide(
  e: Emitter,
  size: number,
  a: Node,
  i: number,
  signed: boolean,
): Node {
  const x = extract(e, size, a, i, signed);
  return size === 3 ? x : signed ? e.sext(x) : e.zext(x);
}
/** Element `i` set to the low bits of an i64. */
export function replaceWide(e: Emitter, size: number, a: Node, i: number, x: Node): Node {
  return replace(e, size, a, i, size === 3 ? x : e.wrap(x));
}

/** Unsigned `a < b`. */
export function below(e: Emitter, size: number, a: Node, b: Node): Node {
  if (size < 3) return lane(e, size, "lt_u", a, b);
  const sign = splat(e, 3, 1n << 63n);
  return lane(e, 3, "lt_s", xor(e, a, sign), xor(e, b, sign));
}

/** Logical right shift by 1 to the full width (an i32 amount), which WebAssembly takes modulo. */
export function shiftRightLogical(e: Emitter, size: number, a: Node, amount: Node): Node {
  const most = lane(e, size, "shr_u", a, e.sub(amount, e.i32(1)));
  return lane(e, size, "shr_u", most, e.i32(1));
}
/** Arithmetic right shift by 1 to the full width. */
export function shiftRightArithmetic(e: Emitter, size: number, a: Node, amount: Node): Node {
  const most = lane(e, size, "shr_s", a, e.sub(amount, e.i32(1)));
  return lane(e, size, "shr_s", most, e.i32(1));
}
/** Right shift by 1 to the full width, rounded: what was shifted out last is added. */
export function shiftRightRounded(
  e: Emitter,
  size: number,
  a: Node,
  amount: Node,
  signed: boolean,
): Node {
  const most = lane(e, size, signed ? "shr_s" : "shr_u", a, e.sub(amount, e.i32(1)));
  const shifted = lane(e, size, signed ? "shr_s" : "shr_u", most, e.i32(1));
  return lane(e, size, "add", shifted, and(e, most, splat(e, size, 1)));
}

const made = new Map<string, Helper>();

/**
 * An IR function over vectors that works element by element on i64 values, made once per name:
 * `run` gets the elements, extended as `signed` says, and the low bits of what it returns are kept.
 */
export function elementwise(
  e: Emitter,
  name: string,
  size: number,
  signed: boolean | readonly boolean[],
  operands: readonly Node[],
  run: (e: Emitter, ...elements: Node[]) => Node,
): Node {
  const key = `aarch64.${name}_${size}`;
  let helper = made.get(key);
  if (helper === undefined) {
    const params = operands.map((): Type => "v128");
    const extension = (i: number): boolean => typeof signed === "boolean" ? signed : signed[i];
    helper = pure(key, params, "v128", (f, ...vectors) => {
      const r = f.variable("v128", vectors[0]);
      for (let i = 0; i < 128 / width(size); i++) {
        const x = run(f, ...vectors.map((v, at) => extractWide(f, size, v, i, extension(at))));
        f.assign(r, replaceWide(f, size, f.read(r), i, x));
      }
      return f.read(r);
    });
    made.set(key, helper);
  }
  return e.call(helper, ...operands);
}

/** i64 `x` clamped to a signed or unsigned element of `bits` (at most 32); `x` is signed. */
export function clamp(e: Emitter, x: Node, bits: number, signed: boolean): Node {
  const high = (1n << BigInt(signed ? bits - 1 : bits)) - 1n;
  const low = signed ? -(1n << BigInt(bits - 1)) : 0n;
  const upper = e.select(e.gtS(x, e.i64(high)), e.i64(high), x);
  return e.select(e.ltS(upper, e.i64(low)), e.i64(low), upper);
}
