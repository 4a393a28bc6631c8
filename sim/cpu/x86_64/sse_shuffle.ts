/** SSE shuffles, blends, inserts and extracts: instructions whose control is an immediate or XMM0. */
import type { Node } from "../ir/types.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, row, type Semantic } from "./row.ts";

const bytes = (byte: (i: number) => number): number[] =>
  Array.from({ length: 16 }, (_, i) => byte(i));

/** A byte shuffle of the destination (0–15) and the source (16–31) chosen by the immediate. */
function controlled(order: (imm: number) => number[]): Semantic {
  return (x) => {
    const b = x.vector(1);
    x.setVector(0, x.e.op("i8x16.shuffle", [x.vector(0), b], order(x.extra)));
  };
}

/** Byte order from a lane order: lanes of `size` bytes, destination lanes first. */
function lanes(size: number, lane: (i: number, imm: number) => number) {
  return (imm: number): number[] => bytes((i) => lane(Math.floor(i / size), imm) * size + i % size);
}

/** Two-bit field `i` of the control. */
const field = (imm: number, i: number): number => (imm >> (2 * i)) & 3;

const pshufd = lanes(4, (i, imm) => 4 + field(imm, i));
const pshuflw = lanes(2, (i, imm) => 8 + (i < 4 ? field(imm, i) : i));
const pshufhw = lanes(2, (i, imm) => 8 + (i < 4 ? i : 4 + field(imm, i - 4)));
const shufps = lanes(4, (i, imm) => (i < 2 ? 0 : 4) + field(imm, i));
const shufpd = lanes(8, (i, imm) => 2 * i + ((imm >> i) & 1));
const blend = (size: number) => lanes(size, (i, imm) => (imm >> i) & 1 ? 16 / size + i : i);

/** PALIGNR: destination above source, moved right by whole bytes. */
const palignr: Semantic = (x) => {
  const e = x.e;
  const b = x.vector(1), a = x.vector(0);
  const n = x.extra;
  const zero = e.v128(new Uint8Array(16));
  if (n <= 16) x.setVector(0, e.op("i8x16.shuffle", [b, a], bytes((i) => i + n)));
  else x.setVector(0, e.op("i8x16.shuffle", [a, zero], bytes((i) => Math.min(i + n - 16, 31))));
};

/** Blend by the sign bits of XMM0's lanes. */
function blendVariable(shape: string, bits: number): Semantic {
  return (x) => {
    const e = x.e;
    const b = x.vector(1), a = x.vector(0);
    const mask = e.op(`${shape}.shr_s`, [x.vector(2), e.i32(bits - 1)]);
    x.setVector(0, e.op("v128.bitselect", [b, a, mask]));
  };
}

/** PINSRx: a general register or memory into lane `extra`. */
function insert(shape: string, count: number): Semantic {
  return (x) => {
    const value = x.get(1);
    const lane = x.extra & (count - 1);
    x.setVector(0, x.e.op(`${shape}.replace_lane`, [x.vector(0), value], lane));
  };
}

const insertWide: Semantic = (x) => insert(x.size === 64 ? "i64x2" : "i32x4", 128 / x.size)(x);

/** PEXTRx: lane `extra` to memory, or zero-extended to a register. */
function extract(shape: string, count: number, bits: number): Semantic {
  return (x) => {
    const name = bits < 32 ? `${shape}.extract_lane_u` : `${shape}.extract_lane`;
    const value = x.e.op(name, [x.e.getVector(x.e.reg(0))], x.extra & (count - 1));
    if (x.inMemory(0)) x.e.store(x.address(), value, bits);
    else x.setReg(x.e.reg(1), value, Math.max(bits, 32));
  };
}

const extractWide: Semantic = (x) =>
  extract(x.size === 64 ? "i64x2" : "i32x4", 128 / x.size, x.size)(x);

/** PEXTRW of SSE2: from ModRM.rm to ModRM.reg. */
const pextrw: Semantic = (x) => {
  const value = x.e.op("i16x8.extract_lane_u", [x.vector(1)], x.extra & 7);
  x.setReg(x.register(0), value, 32);
};

/** INSERTPS: a lane of the source (memory: its dword) into a lane, then lanes cleared. */
const insertps: Semantic = (x) => {
  const e = x.e;
  const imm = x.extra;
  const value = x.inMemory(1)
    ? e.load("i32", x.address())
    : e.op("i32x4.extract_lane", [x.vector(1)], imm >> 6);
  let v = e.op("i32x4.replace_lane", [x.vector(0), value], (imm >> 4) & 3);
  if (imm & 15) {
    v = e.op("v128.and", [v, e.v128(bytes((i) => (imm >> (i >> 2)) & 1 ? 0 : 255))]);
  }
  x.setVector(0, v);
};

/** MPSADBW: sums of absolute differences of four source bytes with eight windows of four bytes. */
const mpsadbw: Semantic = (x) => {
  const e = x.e;
  const b = x.vector(1), a = x.vector(0);
  const from = (x.extra & 4) !== 0 ? 4 : 0;
  const block = 4 * (x.extra & 3);
  const zero = e.v128(new Uint8Array(16));
  // Words: byte `at(i)` of `v`, zero-extended.
  const words = (v: Node, at: (i: number) => number): Node =>
    e.op("i8x16.shuffle", [v, zero], bytes((i) => i & 1 ? 16 : at(i >> 1)));
  let sum: Node | null = null;
  for (let k = 0; k < 4; k++) {
    const window = words(a, (i) => from + i + k), byte = words(b, () => block + k);
    const distance = e.op("i16x8.abs", [e.op("i16x8.sub", [window, byte])]);
    sum = sum === null ? distance : e.op("i16x8.add", [sum, distance]);
  }
  x.setVector(0, sum!);
};

/** A shuffle of the source alone goes through the same two-operand form. */
const rowsOf = (encoding: string, name: string, order: (imm: number) => number[]): Encoding =>
  row(encoding, `${name} Vx,Wx,Kb`, controlled(order));

/** EXTRACTPS is PEXTRD without REX.W's meaning. */
const extractps = (x: Instruction): void => extract("i32x4", 4, 32)(x);

export const sseShuffle: readonly Encoding[] = [
  rowsOf("66.0f.70", "pshufd", pshufd),
  rowsOf("f2.0f.70", "pshuflw", pshuflw),
  rowsOf("f3.0f.70", "pshufhw", pshufhw),
  rowsOf("np.0f.c6", "shufps", shufps),
  rowsOf("66.0f.c6", "shufpd", shufpd),
  rowsOf("66.0f3a.0c", "blendps", blend(4)),
  rowsOf("66.0f3a.0d", "blendpd", blend(8)),
  rowsOf("66.0f3a.0e", "pblendw", blend(2)),
  row("66.0f3a.0f", "palignr Vx,Wx,Kb", palignr),
  row("66.0f38.10", "pblendvb Vx,Wx,XMM0", blendVariable("i8x16", 8)),
  row("66.0f38.14", "blendvps Vx,Wx,XMM0", blendVariable("i32x4", 32)),
  row("66.0f38.15", "blendvpd Vx,Wx,XMM0", blendVariable("i64x2", 64)),
  row("66.0f.c4 m", "pinsrw Vx,Ew,Kb", insert("i16x8", 8)),
  row("66.0f.c4 r", "pinsrw Vx,Ed,Kb", insert("i16x8", 8)),
  row("66.0f.c5", "pextrw Gd,Ux,Kb", pextrw),
  row("66.0f3a.14", "pextrb Ed,Vx,Kb", extract("i8x16", 16, 8)),
  row("66.0f3a.15", "pextrw Ed,Vx,Kb", extract("i16x8", 8, 16)),
  row("66.0f3a.16", "pextrd Ey,Vy,Kb", extractWide),
  row("66.0f3a.17", "extractps Ed,Vx,Kb", extractps),
  row("66.0f3a.20 m", "pinsrb Vx,Eb,Kb", insert("i8x16", 16)),
  row("66.0f3a.20 r", "pinsrb Vx,Ed,Kb", insert("i8x16", 16)),
  row("66.0f3a.21", "insertps Vx,Wx,Kb", insertps),
  row("66.0f3a.22", "pinsrd Vy,Ey,Kb", insertWide),
  row("66.0f3a.42", "mpsadbw Vx,Wx,Kb", mpsadbw),
];
