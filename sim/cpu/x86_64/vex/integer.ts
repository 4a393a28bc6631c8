/** AVX2 integer instructions whose 256-bit form is not the 128-bit one twice: shifts, widening, tests. */
import type { Node } from "../../ir/types.ts";
import type { Instruction } from "../instruction.ts";
import { type Encoding, row, type Semantic } from "../row.ts";
import { laneShifts, shiftLanes, type ShiftName } from "../sse_integer.ts";
import { lanewise, readPair, writeVector } from "./lanes.ts";

/** Run `f` on the lower and the upper half of source `i`. */
function onHalves(x: Instruction, i: number, f: (v: Node) => Node): void {
  if (x.long) {
    const [low, high] = readPair(x, i);
    writeVector(x, 0, f(low), f(high));
  } else writeVector(x, 0, f(x.vector(i, false)), null);
}

/** All lanes by one count: the low 64 bits of a register or of 128 bits in memory. */
const shift = (shape: string, how: ShiftName): Semantic => (x) => {
  const e = x.e;
  const count = e.op("i64x2.extract_lane", [x.vector(2, false)], 0);
  onHalves(x, 1, (v) => shiftLanes(e, shape, how, v, count));
};
const shiftImmediate = (shape: string, how: ShiftName): Semantic => (x) =>
  onHalves(x, 1, (v) => shiftLanes(x.e, shape, how, v, x.immediate()));

/** VPSLLVx, VPSRLVx, VPSRAVD: each lane by its own count. */
const variable = (bits: 32 | 64, how: ShiftName): Semantic =>
  lanewise((x) => {
    const e = x.e;
    const counts = x.vector(1), v = x.vector(0);
    const shape = bits === 64 ? "i64x2" : "i32x4";
    const lane = (from: Node, i: number): Node => e.op(`${shape}.extract_lane`, [from], i);
    let result = e.v128(new Uint8Array(16));
    for (let i = 0; i < 128 / bits; i++) {
      const n = lane(counts, i);
      const zero = bits === 64 ? e.i64(0) : e.i32(0);
      const last = bits === 64 ? e.i64(63) : e.i32(31);
      const past = e.gtU(n, last);
      const shifted = how === "shr_s"
        ? e.shrS(lane(v, i), e.select(past, last, n))
        : e.select(past, zero, e.int(how, lane(v, i), n));
      result = e.op(`${shape}.replace_lane`, [result, shifted], i);
    }
    x.setVector(0, result);
  }, { three: true });

/** VPMOVSX and VPMOVZX: from 128 bits to 256, in `steps` doublings; or as SSE does. */
const widen = (from: number, steps: number, sign: "s" | "u"): Semantic => (x) => {
  const e = x.e;
  const bits = (x.long ? 256 : 128) >> steps;
  let source: Node;
  if (!x.inMemory(1) || bits === 128) source = x.vector(1, false);
  else if (bits === 64) source = x.zeroExtended(e.load("i64", x.address()));
  else source = x.zeroExtended(e.load("i32", x.address(), bits));
  /** One more doubling of the low or high half. */
  const step = (v: Node, size: number, half: "low" | "high"): Node => {
    const lanes = (n: number): string => `i${n}x${128 / n}`;
    return e.op(`${lanes(2 * size)}.extend_${half}_${lanes(size)}_${sign}`, [v]);
  };
  let v = source;
  let size = from;
  for (let i = 0; i < steps - 1; i++, size *= 2) v = step(v, size, "low");
  const low = step(v, size, "low");
  writeVector(x, 0, low, x.long ? step(v, size, "high") : null);
};
const widenings: [string, number, number][] = [
  ["bw", 8, 1],
  ["bd", 8, 2],
  ["bq", 8, 3],
  ["wd", 16, 1],
  ["wq", 16, 2],
  ["dq", 32, 1],
];

/** VPTEST, and VTESTPx on sign bits: ZF and CF over all bits. */
const test = (signs: 0 | 32 | 64): Semantic => (x) => {
  const e = x.e;
  const b = x.long ? readPair(x, 1) : [x.vector(1, false)];
  const a = x.long ? readPair(x, 0) : [x.vector(0)];
  const shape = signs === 64 ? "i64x2" : "i32x4";
  const any = (v: Node): Node =>
    signs === 0 ? e.op("v128.any_true", [v]) : e.op(`${shape}.bitmask`, [v]);
  const some = (name: string): Node => {
    const found = a.map((v, i) => any(e.op(`v128.${name}`, [b[i], v])));
    return e.eqz(found.length === 1 ? found[0] : e.or(found[0], found[1]));
  };
  x.packed(e.or(e.shl(some("and"), e.i32(6)), some("andnot")));
};

/** VPBLENDD. */
const blendDwords = lanewise((x) => {
  const order = Array.from(
    { length: 16 },
    (_, i) => (x.extra >> (i >> 2)) & 1 ? 16 + i : i,
  );
  const b = x.vector(1);
  x.setVector(0, x.e.op("i8x16.shuffle", [x.vector(0), b], order));
}, { three: true, control: 4 });

export const vexInteger: readonly Encoding[] = [
  ...laneShifts.flatMap(([opcode, immediate, name, shape, how]) => [
    row(`vex.66.0f.${opcode}`, `v${name} Vx,Hx,Wx`, shift(shape, how)),
    row(`vex.66.0f.${immediate} r`, `v${name} Hx,Ux,Ub`, shiftImmediate(shape, how)),
  ]),
  row("vex.66.0f38.45 W0", "vpsrlvd Vx,Hx,Wx", variable(32, "shr_u")),
  row("vex.66.0f38.45 W1", "vpsrlvq Vx,Hx,Wx", variable(64, "shr_u")),
  row("vex.66.0f38.46 W0", "vpsravd Vx,Hx,Wx", variable(32, "shr_s")),
  row("vex.66.0f38.47 W0", "vpsllvd Vx,Hx,Wx", variable(32, "shl")),
  row("vex.66.0f38.47 W1", "vpsllvq Vx,Hx,Wx", variable(64, "shl")),
  ...widenings.flatMap(([name, from, steps], i) => [
    row(`vex.66.0f38.2${i}`, `vpmovsx${name} Vx,Wx`, widen(from, steps, "s")),
    row(`vex.66.0f38.3${i}`, `vpmovzx${name} Vx,Wx`, widen(from, steps, "u")),
  ]),
  row("vex.66.0f38.17", "vptest Vx,Wx", test(0)),
  row("vex.66.0f38.0e W0", "vtestps Vx,Wx", test(32)),
  row("vex.66.0f38.0f W0", "vtestpd Vx,Wx", test(64)),
  row("vex.66.0f3a.02 W0", "vpblendd Vx,Hx,Wx,Kb", blendDwords),
];
