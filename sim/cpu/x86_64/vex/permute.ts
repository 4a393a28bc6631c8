/** AVX and AVX2 permutations, within and across the halves, and gathers. */
import type { Node } from "../../ir/types.ts";
import type { Instruction } from "../instruction.ts";
import { type Encoding, row, type Semantic } from "../row.ts";
import { lanewise, readPair, writeVector } from "./lanes.ts";

const bytes = (byte: (i: number) => number): number[] =>
  Array.from({ length: 16 }, (_, i) => byte(i));

/** VPERMILPS, VPERMILPD by an immediate: within each half. */
const withinByImmediate = (size: 4 | 8): Semantic =>
  lanewise((x) => {
    const lane = (i: number): number => size === 4 ? (x.extra >> (2 * i)) & 3 : (x.extra >> i) & 1;
    const v = x.vector(1);
    const order = bytes((i) => lane(Math.floor(i / size)) * size + i % size);
    x.setVector(0, x.e.op("i8x16.shuffle", [v, v], order));
  }, size === 8 ? { control: 2 } : {});

/**
 * Byte selectors for a swizzle from selectors of 32-bit (64-bit) lanes: the low `bits` of each lane's
 * selector times its size, repeated, plus the byte's place.
 */
function byteSelectors(x: Instruction, selectors: Node, size: 4 | 8, bits: number): Node {
  const e = x.e;
  const low = e.op("v128.and", [selectors, e.v128(bytes((i) => i % size ? 0 : (1 << bits) - 1))]);
  const spread = e.op("i8x16.shuffle", [low, low], bytes((i) => i - i % size));
  const scaled = e.op("i8x16.shl", [spread, e.i32(size === 4 ? 2 : 3)]);
  return e.op("i8x16.add", [scaled, e.v128(bytes((i) => i % size))]);
}

/** VPERMILPS, VPERMILPD by a vector: within each half; VPERMILPD looks at bit 1 of each selector. */
const within = (size: 4 | 8): Semantic =>
  lanewise((x) => {
    const e = x.e;
    let selectors = x.vector(1);
    if (size === 8) selectors = e.op("i64x2.shr_u", [selectors, e.i32(1)]);
    const places = byteSelectors(x, selectors, size, size === 4 ? 2 : 1);
    x.setVector(0, e.op("i8x16.swizzle", [x.vector(0), places]));
  }, { three: true });

/** VPERMQ, VPERMPD: 64-bit lanes of all four by an immediate. */
const quarters: Semantic = (x) => {
  const [low, high] = readPair(x, 1);
  const half = (control: number): Node => {
    const order = bytes((i) => ((control >> (2 * (i >> 3))) & 3) * 8 + (i & 7));
    return x.e.op("i8x16.shuffle", [low, high], order);
  };
  writeVector(x, 0, half(x.extra), half(x.extra >> 4));
};

/** VPERMD, VPERMPS: 32-bit lanes of all eight by a vector. */
const eighths: Semantic = (x) => {
  const e = x.e;
  const [low, high] = readPair(x, 2);
  const half = (selectors: Node): Node => {
    const places = byteSelectors(x, selectors, 4, 3);
    // A place past a half selects nothing of it.
    const past = e.op("i8x16.sub", [places, e.op("i8x16.splat", [e.i32(16)])]);
    return e.op("v128.or", [
      e.op("i8x16.swizzle", [low, places]),
      e.op("i8x16.swizzle", [high, past]),
    ]);
  };
  const [first, second] = readPair(x, 1);
  const lower = half(first);
  writeVector(x, 0, lower, half(second));
};

/**
 * VGATHERxx, VPGATHERxx: `index` and `data` bits wide elements. Elements are loaded in order; each
 * clears its mask, so that the instruction goes on after a fault where it stopped. The masks become
 * zeros and ones first.
 */
const gather = (index: 32 | 64, data: 32 | 64): Semantic => (x) => {
  const e = x.e;
  const count = (x.long ? 256 : 128) / Math.max(index, data);
  const half = (reg: ReturnType<Instruction["register"]>, upper: boolean) =>
    upper ? e.upper(reg) : reg;
  const [shape, type] = data === 64 ? ["i64x2", "i64"] as const : ["i32x4", "i32"] as const;
  const perHalf = 128 / data;
  const zero = data === 64 ? e.i64(0) : e.i32(0);
  const ones = (v: Node): Node => e.op(`${shape}.shr_s`, [v, e.i32(data - 1)]);
  const [selector, upperSelector] = [half(x.register(2), false), half(x.register(2), true)];
  e.setVector(selector, ones(e.getVector(selector)));
  e.setVector(
    upperSelector,
    x.long ? ones(e.getVector(upperSelector)) : e.v128(new Uint8Array(16)),
  );
  for (let i = 0; i < count; i++) {
    const upper = i >= perHalf;
    const lane = i % perHalf;
    const destination = half(x.register(0), upper), mask = half(x.register(2), upper);
    const signs = e.op(`${shape}.bitmask`, [e.getVector(mask)]);
    e.if(e.and(signs, e.i32(1 << lane)), () => {
      const indices = e.getVector(half(e.reg(2), i >= 128 / index));
      const at = i % (128 / index);
      const offset = index === 64
        ? e.op("i64x2.extract_lane", [indices], at)
        : e.sext(e.op("i32x4.extract_lane", [indices], at));
      const value = e.load(type, x.indexed(offset));
      const old = e.getVector(destination);
      e.setVector(destination, e.op(`${shape}.replace_lane`, [old, value], lane));
      const left = e.op(`${shape}.replace_lane`, [e.getVector(mask), zero], lane);
      e.setVector(mask, left);
      if (!x.long) e.setVector(half(x.register(0), true), e.v128(new Uint8Array(16)));
    });
  }
  // The mask ends as zero, and so does the destination beyond the elements.
  const used = count * data;
  const low = e.getVector(x.register(0));
  const kept = used < 128 ? x.zeroExtended(e.op("i64x2.extract_lane", [low], 0)) : low;
  writeVector(x, 0, kept, used > 128 ? e.getVector(e.upper(x.register(0))) : null);
  writeVector(x, 2, e.v128(new Uint8Array(16)), null);
};

const VSIB = { vsib: true, unaligned: true };

export const vexPermute: readonly Encoding[] = [
  row("vex.66.0f3a.04 W0", "vpermilps Vx,Wx,Kb", withinByImmediate(4)),
  row("vex.66.0f3a.05 W0", "vpermilpd Vx,Wx,Kb", withinByImmediate(8)),
  row("vex.66.0f38.0c W0", "vpermilps Vx,Hx,Wx", within(4)),
  row("vex.66.0f38.0d W0", "vpermilpd Vx,Hx,Wx", within(8)),
  row("vex.66.0f3a.00 L1 W1", "vpermq Vx,Wx,Kb", quarters),
  row("vex.66.0f3a.01 L1 W1", "vpermpd Vx,Wx,Kb", quarters),
  row("vex.66.0f38.16 L1 W0", "vpermps Vx,Hx,Wx", eighths),
  row("vex.66.0f38.36 L1 W0", "vpermd Vx,Hx,Wx", eighths),
  row("vex.66.0f38.90 W0", "vpgatherdd Vx,Md,Hx", gather(32, 32), VSIB),
  row("vex.66.0f38.90 W1", "vpgatherdq Vx,Mq,Hx", gather(32, 64), VSIB),
  row("vex.66.0f38.91 W0", "vpgatherqd Vx,Md,Hx", gather(64, 32), VSIB),
  row("vex.66.0f38.91 W1", "vpgatherqq Vx,Mq,Hx", gather(64, 64), VSIB),
  row("vex.66.0f38.92 W0", "vgatherdps Vx,Md,Hx", gather(32, 32), VSIB),
  row("vex.66.0f38.92 W1", "vgatherdpd Vx,Mq,Hx", gather(32, 64), VSIB),
  row("vex.66.0f38.93 W0", "vgatherqps Vx,Md,Hx", gather(64, 32), VSIB),
  row("vex.66.0f38.93 W1", "vgatherqpd Vx,Mq,Hx", gather(64, 64), VSIB),
];
