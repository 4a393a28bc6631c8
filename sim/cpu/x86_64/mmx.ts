/**
 * MMX: 64-bit vectors in the significands of the x87 registers. Every instruction but EMMS marks
 * all x87 registers valid, puts TOP to 0, and sets the upper 16 bits of a register that it writes.
 *
 * The 128-bit operations of SSE2 compute the results, on halves.
 */
import type { Node } from "../ir/types.ts";
import { X87_TAGS, X87_TOP } from "../layout.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, Imm, row, type Semantic } from "./row.ts";
import { doublesAsIntegers, singlesAsIntegers, singlesOf } from "./sse_convert.ts";
import {
  laneShifts,
  legacy,
  shiftLanes,
  type ShiftName,
  supplemental,
  unpack,
  type VectorOp,
} from "./sse_integer.ts";
import { storeMaskedBytes } from "./sse_moves.ts";
import { wait } from "./x87_helpers.ts";

/** Go to MMX operation: all registers valid, TOP 0. */
function enter(x: Instruction): void {
  const e = x.e;
  e.setState(X87_TAGS, e.i32(0));
  e.setState(X87_TOP, e.i32(0));
}

/** Write MMX register operand `i`. */
function setMmx(x: Instruction, i: number, value: Node): void {
  const e = x.e;
  const register = e.op("i64x2.replace_lane", [e.op("i64x2.splat", [e.i64(0xffff)]), value], 0);
  e.setVector(x.register(i), register);
}

const low = (x: Instruction, v: Node): Node => x.e.op("i64x2.extract_lane", [v], 0);
const high = (x: Instruction, v: Node): Node => x.e.op("i64x2.extract_lane", [v], 1);
const pair = (x: Instruction, a: Node, b: Node): Node =>
  x.e.op("i64x2.replace_lane", [x.e.op("i64x2.splat", [a]), b], 1);

/** How an operation on halves follows from the one on whole registers. */
type Half = (x: Instruction, op: VectorOp, a: Node, b: Node) => Node;

const lanewise: Half = (x, op, a, b) => low(x, op(x.e, x.zeroExtended(a), x.zeroExtended(b)));
/** Operations that put results of `a` below those of `b`: both operands in one register. */
const joined: Half = (x, op, a, b) => {
  const v = pair(x, a, b);
  return low(x, op(x.e, v, v));
};

function binary(op: VectorOp, half: Half): Semantic {
  return (x) => {
    wait(x);
    const b = x.low64(1);
    const r = half(x, op, x.low64(0), b);
    enter(x);
    setMmx(x, 0, r);
  };
}

/** PUNPCKL reads 32 bits of memory; PUNPCKH is the upper half of the same interleaving. */
function interleave(size: number, upper: boolean): Semantic {
  return (x) => {
    wait(x);
    const b = upper || !x.inMemory(1) ? x.low64(1) : x.e.zext(x.low32(1));
    const v = unpack(size, false)(x.e, x.zeroExtended(x.low64(0)), x.zeroExtended(b));
    const r = upper ? high(x, v) : low(x, v);
    enter(x);
    setMmx(x, 0, r);
  };
}

/** The row of an SSE2 or SSSE3 operation for MMX. */
function mmxOf(name: string, op: VectorOp): Semantic {
  if (name.startsWith("punpck")) {
    return interleave({ b: 1, w: 2, d: 4 }[name[7] as "b"], name[6] === "h");
  }
  if (name === "pshufb") {
    const within: VectorOp = (e, a, b) =>
      op(e, a, e.op("v128.and", [b, e.v128(new Array(16).fill(0x87))]));
    return binary(within, lanewise);
  }
  return binary(op, /^(pack|ph)/.test(name) ? joined : lanewise);
}

function shift(shape: string, name: ShiftName): Semantic {
  return (x) => {
    wait(x);
    const count = x.row.immediate === Imm.Ub ? x.immediate() : x.low64(1);
    const r = low(x, shiftLanes(x.e, shape, name, x.zeroExtended(x.low64(0)), count));
    enter(x);
    setMmx(x, 0, r);
  };
}

/** Moves into an MMX register: from memory or a register of any file. */
function load(value: (x: Instruction) => Node): Semantic {
  return (x) => {
    wait(x);
    const v = value(x);
    enter(x);
    setMmx(x, 0, v);
  };
}
/** Moves out of an MMX register. */
function store(write: (x: Instruction) => void): Semantic {
  return (x) => {
    wait(x);
    write(x);
    enter(x);
  };
}

const movqStore = store((x) => {
  if (x.inMemory(0)) x.e.store(x.address(), x.low64(1));
  else setMmx(x, 0, x.low64(1));
});

/** A byte shuffle of operand 1 in its low half. */
const shuffled = (x: Instruction, v: Node, order: readonly number[]): Node => {
  const bytes = Array.from({ length: 16 }, (_, i) => order[i] ?? 16);
  return low(x, x.e.op("i8x16.shuffle", [v, x.e.v128(new Uint8Array(16))], bytes));
};

const pshufw = load((x) => {
  const order = Array.from({ length: 8 }, (_, i) => 2 * ((x.extra >> (i & 6)) & 3) + (i & 1));
  return shuffled(x, x.zeroExtended(x.low64(1)), order);
});

const palignr = load((x) => {
  const v = pair(x, x.low64(1), x.low64(0));
  return shuffled(x, v, Array.from({ length: 8 }, (_, i) => Math.min(i + x.extra, 16)));
});

const pinsrw = load((x) => {
  const v = x.get(1);
  const old = x.zeroExtended(x.low64(0));
  return low(x, x.e.op("i16x8.replace_lane", [old, v], x.extra & 3));
});

const pextrw = store((x) => {
  const v = x.e.op("i16x8.extract_lane_u", [x.zeroExtended(x.low64(1))], x.extra & 3);
  x.setReg(x.register(0), v, 32);
});

const pmovmskb = store((x) => {
  x.setReg(x.register(0), x.e.op("i8x16.bitmask", [x.zeroExtended(x.low64(1))]), 32);
});

const maskmovq = store((x) =>
  storeMaskedBytes(x, x.zeroExtended(x.low64(0)), x.zeroExtended(x.low64(1)), 1)
);

/** CVTPI2PS, CVTPI2PD: a source in memory does not go to MMX operation. */
function fromIntegers(convert: (x: Instruction, v: Node) => void): Semantic {
  return (x) => {
    if (!x.inMemory(1)) wait(x);
    const v = x.zeroExtended(x.low64(1));
    if (!x.inMemory(1)) enter(x);
    convert(x, v);
  };
}
const integersToSingles = fromIntegers((x, v) => x.setLow(0, low(x, singlesOf(x, v))));
const integersToDoubles = fromIntegers((x, v) =>
  x.setVector(0, x.e.op("f64x2.convert_low_i32x4_s", [v]))
);
/** An exception of the conversion finds the MMX operation already begun. */
function converted(
  source: (x: Instruction) => Node,
  convert: (x: Instruction, v: Node) => Node,
): Semantic {
  return (x) => {
    wait(x);
    const v = source(x);
    enter(x);
    setMmx(x, 0, low(x, convert(x, v)));
  };
}
/** CVTPS2PI, CVTTPS2PI, CVTPD2PI, CVTTPD2PI. */
const fromSingles = (truncate: boolean): Semantic =>
  converted((x) => x.zeroExtended(x.low64(1)), (x, v) => singlesAsIntegers(x, v, truncate));
const fromDoubles = (truncate: boolean): Semantic =>
  converted((x) => x.vector(1), (x, v) => doublesAsIntegers(x, v, truncate));

const emms: Semantic = (x) => {
  wait(x);
  x.e.setState(X87_TAGS, x.e.i32(0xff));
  x.e.setState(X87_TOP, x.e.i32(0));
};

export const mmx: readonly Encoding[] = [
  ...legacy.map(([opcode, name, op]) => row(`np.0f.${opcode}`, `${name} Pq,Qq`, mmxOf(name, op))),
  ...supplemental.map(([opcode, name, op]) =>
    row(`np.0f38.${opcode}`, `${name} Pq,Qq`, mmxOf(name, op))
  ),
  ...laneShifts.flatMap(([opcode, immediate, name, shape, how]) => [
    row(`np.0f.${opcode}`, `${name} Pq,Qq`, shift(shape, how)),
    row(`np.0f.${immediate} r`, `${name} Nq,Ub`, shift(shape, how)),
  ]),
  row("np.0f.6e", "movd Py,Ey", load((x) => x.wide(x.get(1)))),
  row("np.0f.7e", "movd Ey,Py", store((x) => x.set(0, x.size === 64 ? x.low64(1) : x.low32(1)))),
  row("np.0f.6f", "movq Pq,Qq", load((x) => x.low64(1))),
  row("np.0f.7f", "movq Qq,Pq", movqStore),
  row("np.0f.e7 m", "movntq Qq,Pq", movqStore),
  row("f2.0f.d6", "movdq2q Pq,Uq", load((x) => x.low64(1))),
  row("f3.0f.d6", "movq2dq Vq,Nq", store((x) => x.setVector(0, x.zeroExtended(x.low64(1))))),
  row("np.0f.70", "pshufw Pq,Qq,Kb", pshufw),
  row("np.0f3a.0f", "palignr Pq,Qq,Kb", palignr),
  row("np.0f.c4 m", "pinsrw Pq,Ew,Kb", pinsrw),
  row("np.0f.c4 r", "pinsrw Pq,Ed,Kb", pinsrw),
  row("np.0f.c5", "pextrw Gd,Nq,Kb", pextrw),
  row("np.0f.d7", "pmovmskb Gd,Nq", pmovmskb),
  row("np.0f.f7", "maskmovq Pq,Nq", maskmovq),
  row("np.0f.2a", "cvtpi2ps Vq,Qq", integersToSingles),
  row("66.0f.2a", "cvtpi2pd Vx,Qq", integersToDoubles),
  row("np.0f.2d", "cvtps2pi Pq,Wq", fromSingles(false)),
  row("np.0f.2c", "cvttps2pi Pq,Wq", fromSingles(true)),
  row("66.0f.2d", "cvtpd2pi Pq,Wx", fromDoubles(false)),
  row("66.0f.2c", "cvttpd2pi Pq,Wx", fromDoubles(true)),
  row("np.0f.77", "emms", emms),
];
