/** SSE2 to SSE4.2 integer arithmetic, comparison, logic and shifts on 128-bit vectors. */
import type { Emitter } from "../ir/emitter.ts";
import type { Node } from "../ir/types.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, Imm, row, type Semantic } from "./row.ts";

/** A pure function of destination `a` and source `b`. */
export type VectorOp = (e: Emitter, a: Node, b: Node) => Node;

/** The IR operation `name`, as it is. */
const direct = (name: string): VectorOp => (e, a, b) => e.op(name, [a, b]);

const bytes = (n: number, byte: (i: number) => number): number[] =>
  Array.from({ length: n }, (_, i) => byte(i));
const splat = (e: Emitter, size: number, value: number): Node =>
  e.v128(bytes(16, (i) => Math.floor(value / 2 ** (8 * (i % size))) & 255));
const shuffle = (e: Emitter, a: Node, b: Node, order: readonly number[]): Node =>
  e.op("i8x16.shuffle", [a, b], order);

/** Every second lane of `size` bytes of a:b, from lane `first` on. */
function everySecond(e: Emitter, a: Node, b: Node, size: number, first: number): Node {
  return shuffle(
    e,
    a,
    b,
    bytes(16, (i) => 2 * size * Math.floor(i / size) + size * first + i % size),
  );
}

/** Interleave the low (high) halves in lanes of `size` bytes. */
export function unpack(size: number, high: boolean): VectorOp {
  const order = bytes(16, (i) => {
    const lane = Math.floor(i / size);
    return (high ? 8 : 0) + (lane >> 1) * size + i % size + (lane & 1 ? 16 : 0);
  });
  return (e, a, b) => shuffle(e, a, b, order);
}

const andNot: VectorOp = (e, a, b) => e.op("v128.andnot", [b, a]);

/** High halves of 16-bit products. */
function multiplyHigh(sign: "s" | "u"): VectorOp {
  return (e, a, b) => {
    const low = e.op(`i32x4.extmul_low_i16x8_${sign}`, [a, b]);
    const high = e.op(`i32x4.extmul_high_i16x8_${sign}`, [a, b]);
    return everySecond(e, low, high, 2, 1);
  };
}

/** Products of the even 32-bit lanes. */
function multiplyEven(sign: "s" | "u"): VectorOp {
  return (e, a, b) => {
    const even = (v: Node): Node => everySecond(e, v, v, 4, 0);
    return e.op(`i64x2.extmul_low_i32x4_${sign}`, [even(a), even(b)]);
  };
}

/** Sums of absolute differences of bytes, one for each half. */
const sad: VectorOp = (e, a, b) => {
  const sub = (x: Node, y: Node): Node => e.op("i8x16.sub_sat_u", [x, y]);
  const distance = e.op("v128.or", [sub(a, b), sub(b, a)]);
  const words = e.op("i16x8.extadd_pairwise_i8x16_u", [distance]);
  const quarters = e.op("i32x4.extadd_pairwise_i16x8_u", [words]);
  const low = e.op("v128.and", [quarters, splat(e, 8, 0xffffffff)]);
  return e.op("i64x2.add", [low, e.op("i64x2.shr_u", [quarters, e.i32(32)])]);
};

/** PMADDUBSW: unsigned bytes of `a` times signed bytes of `b`, neighbours added with saturation. */
const multiplyAddBytes: VectorOp = (e, a, b) => {
  const eight = e.i32(8);
  const unsignedEven = e.op("v128.and", [a, splat(e, 2, 0xff)]);
  const signedEven = e.op("i16x8.shr_s", [e.op("i16x8.shl", [b, eight]), eight]);
  const even = e.op("i16x8.mul", [unsignedEven, signedEven]);
  const odd = e.op("i16x8.mul", [
    e.op("i16x8.shr_u", [a, eight]),
    e.op("i16x8.shr_s", [b, eight]),
  ]);
  return e.op("i16x8.add_sat_s", [even, odd]);
};

/** PMULHRSW: −1 × −1 is −1 here, where the IR operation saturates. */
const multiplyRound: VectorOp = (e, a, b) => {
  const least = splat(e, 2, 0x8000);
  const both = e.op("v128.and", [e.op("i16x8.eq", [a, least]), e.op("i16x8.eq", [b, least])]);
  return e.op("v128.xor", [e.op("i16x8.q15mulr_sat_s", [a, b]), both]);
};

/** Horizontal: even lanes of b:a with the odd ones. */
export function horizontal(name: string, size: number): VectorOp {
  return (e, a, b) => e.op(name, [everySecond(e, a, b, size, 0), everySecond(e, a, b, size, 1)]);
}

/** PSIGN: `a` negated, cleared or kept as `b` is negative, zero or positive. */
function sign(shape: string, bits: number): VectorOp {
  return (e, a, b) => {
    const negative = e.op(`${shape}.shr_s`, [b, e.i32(bits - 1)]);
    const value = e.op(`${shape}.sub`, [e.op("v128.xor", [a, negative]), negative]);
    const zero = e.op(`${shape}.eq`, [b, e.v128(new Uint8Array(16))]);
    return e.op("v128.andnot", [value, zero]);
  };
}

const shuffleBytes: VectorOp = (e, a, b) =>
  e.op("i8x16.swizzle", [a, e.op("v128.and", [b, splat(e, 1, 0x8f)])]);

const absolute = (shape: string): VectorOp => (e, _, b) => e.op(`${shape}.abs`, [b]);

/** PHMINPOSUW: the least word and its position. */
const leastWord: VectorOp = (e, _, b) => {
  const lane = (i: number): Node => e.op("i16x8.extract_lane_u", [b], i);
  // Value and position in one number: the least of those is the first least value.
  let least = e.shl(lane(0), e.i32(3));
  for (let i = 1; i < 8; i++) {
    const candidate = e.or(e.shl(lane(i), e.i32(3)), e.i32(i));
    least = e.select(e.ltU(candidate, least), candidate, least);
  }
  const both = e.or(e.shrU(least, e.i32(3)), e.shl(e.and(least, e.i32(7)), e.i32(16)));
  return e.op("i64x2.replace_lane", [e.v128(new Uint8Array(16)), e.zext(both)], 0);
};

/** Binary operations: opcode in map 0F (66), name, function; the same opcodes exist for MMX. */
export const legacy: readonly [opcode: string, name: string, op: VectorOp][] = [
  ["60", "punpcklbw", unpack(1, false)],
  ["61", "punpcklwd", unpack(2, false)],
  ["62", "punpckldq", unpack(4, false)],
  ["63", "packsswb", direct("i8x16.narrow_i16x8_s")],
  ["64", "pcmpgtb", direct("i8x16.gt_s")],
  ["65", "pcmpgtw", direct("i16x8.gt_s")],
  ["66", "pcmpgtd", direct("i32x4.gt_s")],
  ["67", "packuswb", direct("i8x16.narrow_i16x8_u")],
  ["68", "punpckhbw", unpack(1, true)],
  ["69", "punpckhwd", unpack(2, true)],
  ["6a", "punpckhdq", unpack(4, true)],
  ["6b", "packssdw", direct("i16x8.narrow_i32x4_s")],
  ["74", "pcmpeqb", direct("i8x16.eq")],
  ["75", "pcmpeqw", direct("i16x8.eq")],
  ["76", "pcmpeqd", direct("i32x4.eq")],
  ["d4", "paddq", direct("i64x2.add")],
  ["d5", "pmullw", direct("i16x8.mul")],
  ["d8", "psubusb", direct("i8x16.sub_sat_u")],
  ["d9", "psubusw", direct("i16x8.sub_sat_u")],
  ["da", "pminub", direct("i8x16.min_u")],
  ["db", "pand", direct("v128.and")],
  ["dc", "paddusb", direct("i8x16.add_sat_u")],
  ["dd", "paddusw", direct("i16x8.add_sat_u")],
  ["de", "pmaxub", direct("i8x16.max_u")],
  ["df", "pandn", andNot],
  ["e0", "pavgb", direct("i8x16.avgr_u")],
  ["e3", "pavgw", direct("i16x8.avgr_u")],
  ["e4", "pmulhuw", multiplyHigh("u")],
  ["e5", "pmulhw", multiplyHigh("s")],
  ["e8", "psubsb", direct("i8x16.sub_sat_s")],
  ["e9", "psubsw", direct("i16x8.sub_sat_s")],
  ["ea", "pminsw", direct("i16x8.min_s")],
  ["eb", "por", direct("v128.or")],
  ["ec", "paddsb", direct("i8x16.add_sat_s")],
  ["ed", "paddsw", direct("i16x8.add_sat_s")],
  ["ee", "pmaxsw", direct("i16x8.max_s")],
  ["ef", "pxor", direct("v128.xor")],
  ["f4", "pmuludq", multiplyEven("u")],
  ["f5", "pmaddwd", direct("i32x4.dot_i16x8_s")],
  ["f6", "psadbw", sad],
  ["f8", "psubb", direct("i8x16.sub")],
  ["f9", "psubw", direct("i16x8.sub")],
  ["fa", "psubd", direct("i32x4.sub")],
  ["fb", "psubq", direct("i64x2.sub")],
  ["fc", "paddb", direct("i8x16.add")],
  ["fd", "paddw", direct("i16x8.add")],
  ["fe", "paddd", direct("i32x4.add")],
];

/** SSSE3 operations of map 0F38, which exist for MMX too. */
export const supplemental: readonly [opcode: string, name: string, op: VectorOp][] = [
  ["00", "pshufb", shuffleBytes],
  ["01", "phaddw", horizontal("i16x8.add", 2)],
  ["02", "phaddd", horizontal("i32x4.add", 4)],
  ["03", "phaddsw", horizontal("i16x8.add_sat_s", 2)],
  ["04", "pmaddubsw", multiplyAddBytes],
  ["05", "phsubw", horizontal("i16x8.sub", 2)],
  ["06", "phsubd", horizontal("i32x4.sub", 4)],
  ["07", "phsubsw", horizontal("i16x8.sub_sat_s", 2)],
  ["08", "psignb", sign("i8x16", 8)],
  ["09", "psignw", sign("i16x8", 16)],
  ["0a", "psignd", sign("i32x4", 32)],
  ["0b", "pmulhrsw", multiplyRound],
  ["1c", "pabsb", absolute("i8x16")],
  ["1d", "pabsw", absolute("i16x8")],
  ["1e", "pabsd", absolute("i32x4")],
];

/** Operations that only 128-bit registers have: prefix and map included. */
const only128: readonly [encoding: string, name: string, op: VectorOp][] = [
  ["66.0f.6c", "punpcklqdq", unpack(8, false)],
  ["66.0f.6d", "punpckhqdq", unpack(8, true)],
  ["np.0f.14", "unpcklps", unpack(4, false)],
  ["66.0f.14", "unpcklpd", unpack(8, false)],
  ["np.0f.15", "unpckhps", unpack(4, true)],
  ["66.0f.15", "unpckhpd", unpack(8, true)],
  ["np.0f.54", "andps", direct("v128.and")],
  ["66.0f.54", "andpd", direct("v128.and")],
  ["np.0f.55", "andnps", andNot],
  ["66.0f.55", "andnpd", andNot],
  ["np.0f.56", "orps", direct("v128.or")],
  ["66.0f.56", "orpd", direct("v128.or")],
  ["np.0f.57", "xorps", direct("v128.xor")],
  ["66.0f.57", "xorpd", direct("v128.xor")],
  ["66.0f38.28", "pmuldq", multiplyEven("s")],
  ["66.0f38.29", "pcmpeqq", direct("i64x2.eq")],
  ["66.0f38.2b", "packusdw", direct("i16x8.narrow_i32x4_u")],
  ["66.0f38.37", "pcmpgtq", direct("i64x2.gt_s")],
  ["66.0f38.38", "pminsb", direct("i8x16.min_s")],
  ["66.0f38.39", "pminsd", direct("i32x4.min_s")],
  ["66.0f38.3a", "pminuw", direct("i16x8.min_u")],
  ["66.0f38.3b", "pminud", direct("i32x4.min_u")],
  ["66.0f38.3c", "pmaxsb", direct("i8x16.max_s")],
  ["66.0f38.3d", "pmaxsd", direct("i32x4.max_s")],
  ["66.0f38.3e", "pmaxuw", direct("i16x8.max_u")],
  ["66.0f38.3f", "pmaxud", direct("i32x4.max_u")],
  ["66.0f38.40", "pmulld", direct("i32x4.mul")],
  ["66.0f38.41", "phminposuw", leastWord],
];

const binary = (op: VectorOp): Semantic => (x) => {
  const b = x.vector(1);
  x.setVector(0, op(x.e, x.vector(0), b));
};

/** Shifts of lanes: a count past the width clears, or fills with the sign. */
export type ShiftName = "shl" | "shr_u" | "shr_s";

/** `v` shifted by the 64-bit or 32-bit unsigned `count`. */
export function shiftLanes(e: Emitter, shape: string, name: ShiftName, v: Node, count: Node): Node {
  const width = shape === "i16x8" ? 16 : shape === "i32x4" ? 32 : 64;
  const last = count.type === "i64" ? e.i64(width - 1) : e.i32(width - 1);
  const past = e.gtU(count, last);
  const low = (n: Node): Node => n.type === "i64" ? e.wrap(n) : n;
  if (name === "shr_s") return e.op(`${shape}.shr_s`, [v, low(e.select(past, last, count))]);
  const shifted = e.op(`${shape}.${name}`, [v, low(count)]);
  return e.select(past, e.v128(new Uint8Array(16)), shifted);
}

function shift(shape: string, name: ShiftName): Semantic {
  return (x) => {
    if (x.row.immediate === Imm.Ub) {
      x.setVector(0, shiftLanes(x.e, shape, name, x.vector(0), x.immediate()));
      return;
    }
    const count = x.e.op("i64x2.extract_lane", [x.vector(1)], 0);
    x.setVector(0, shiftLanes(x.e, shape, name, x.vector(0), count));
  };
}

/** Shifts by vector: opcode; by immediate: opcode and digit; for 128 bits and MMX. */
export const laneShifts: readonly [
  opcode: string,
  immediate: string,
  name: string,
  shape: string,
  how: ShiftName,
][] = [
  ["d1", "71 /2", "psrlw", "i16x8", "shr_u"],
  ["d2", "72 /2", "psrld", "i32x4", "shr_u"],
  ["d3", "73 /2", "psrlq", "i64x2", "shr_u"],
  ["e1", "71 /4", "psraw", "i16x8", "shr_s"],
  ["e2", "72 /4", "psrad", "i32x4", "shr_s"],
  ["f1", "71 /6", "psllw", "i16x8", "shl"],
  ["f2", "72 /6", "pslld", "i32x4", "shl"],
  ["f3", "73 /6", "psllq", "i64x2", "shl"],
];

/** PSLLDQ and PSRLDQ: whole bytes, by a constant. */
function shiftBytes(left: boolean): Semantic {
  return (x) => {
    const n = Math.min(x.extra, 16);
    const zero = x.e.v128(new Uint8Array(16));
    const order = bytes(16, (i) => left ? (i < n ? 16 : i - n) : i + n);
    x.setVector(0, shuffle(x.e, x.vector(0), zero, order));
  };
}

const ptest: Semantic = (x) => {
  const e = x.e;
  const b = x.vector(1), a = x.vector(0);
  const none = (v: Node): Node => e.eqz(e.op("v128.any_true", [v]));
  const zero = none(e.op("v128.and", [a, b]));
  const carry = none(e.op("v128.andnot", [b, a]));
  x.packed(e.or(e.shl(zero, e.i32(6)), carry));
};

/** The low `bits` of source operand 1 as a vector, for the widening moves. */
function narrowSource(x: Instruction, bits: number): Node {
  if (!x.inMemory(1)) return x.vector(1);
  const e = x.e;
  if (bits === 64) return x.zeroExtended(e.load("i64", x.address()));
  return x.zeroExtended(e.load("i32", x.address(), bits));
}

/** PMOVSX and PMOVZX: each step doubles the lanes' width. */
function widen(from: number, steps: number, sign: "s" | "u"): Semantic {
  return (x) => {
    let v = narrowSource(x, 128 >> steps);
    for (let size = from, i = 0; i < steps; i++, size *= 2) {
      const lanes = (bits: number): string => `i${bits}x${128 / bits}`;
      v = x.e.op(`${lanes(2 * size)}.extend_low_${lanes(size)}_${sign}`, [v]);
    }
    x.setVector(0, v);
  };
}

const widenings: [string, number, number][] = [
  ["bw", 8, 1],
  ["bd", 8, 2],
  ["bq", 8, 3],
  ["wd", 16, 1],
  ["wq", 16, 2],
  ["dq", 32, 1],
];

export const sseInteger: readonly Encoding[] = [
  ...legacy.map(([opcode, name, op]) => row(`66.0f.${opcode}`, `${name} Vx,Wx`, binary(op))),
  ...supplemental.map(([opcode, name, op]) =>
    row(`66.0f38.${opcode}`, `${name} Vx,Wx`, binary(op))
  ),
  ...only128.map(([encoding, name, op]) => row(encoding, `${name} Vx,Wx`, binary(op))),
  ...laneShifts.flatMap(([opcode, immediate, name, shape, how]) => [
    row(`66.0f.${opcode}`, `${name} Vx,Wx`, shift(shape, how)),
    row(`66.0f.${immediate} r`, `${name} Ux,Ub`, shift(shape, how)),
  ]),
  row("66.0f.73 /3 r", "psrldq Ux,Kb", shiftBytes(false)),
  row("66.0f.73 /7 r", "pslldq Ux,Kb", shiftBytes(true)),
  row("66.0f38.17", "ptest Vx,Wx", ptest),
  ...widenings.flatMap(([name, from, steps], i) => [
    row(`66.0f38.2${i}`, `pmovsx${name} Vx,Wx`, widen(from, steps, "s")),
    row(`66.0f38.3${i}`, `pmovzx${name} Vx,Wx`, widen(from, steps, "u")),
  ]),
];
