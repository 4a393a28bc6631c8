/** SSE to SSE4.1 data movement: whole registers, halves, scalars, masks, MXCSR. */
import type { Node } from "../ir/types.ts";
import { gpr, MXCSR } from "../layout.ts";
import type { Instruction } from "./instruction.ts";
import { type Encoding, row, type Semantic } from "./row.ts";

/** Whole registers; memory must be aligned or not. */
const load = (aligned: boolean): Semantic => (x) => x.setVector(0, x.vector(1, aligned));
const store = (aligned: boolean): Semantic => (x) => x.putVector(0, x.vector(1), aligned);

/** MOVSS, MOVSD: memory clears the rest of the register, a register keeps it. */
function scalarLoad(bits: 32 | 64): Semantic {
  return (x) => {
    const value = bits === 64 ? x.low64(1) : x.low32(1);
    if (x.inMemory(1)) x.setVector(0, x.zeroExtended(value));
    else x.setLow(0, value);
  };
}
function scalarStore(bits: 32 | 64): Semantic {
  return (x) => {
    const value = bits === 64 ? x.low64(1) : x.low32(1);
    if (x.inMemory(0)) x.e.store(x.address(), value);
    else x.setLow(0, value);
  };
}

/** Bits 127:64 of vector operand `i`. */
const high: (x: Parameters<Semantic>[0], i: number) => Node = (x, i) =>
  x.e.op("i64x2.extract_lane", [x.e.getVector(x.register(i))], 1);

const movlpsLoad: Semantic = (x) => x.setLow(0, x.low64(1));
const movhpsLoad: Semantic = (x) => {
  const value = x.low64(1);
  x.setVector(0, x.e.op("i64x2.replace_lane", [x.e.getVector(x.register(0)), value], 1));
};
const movhlps: Semantic = (x) => x.setLow(0, high(x, 1));
const movlpsStore: Semantic = (x) => x.e.store(x.address(), x.low64(1));
const movhpsStore: Semantic = (x) => x.e.store(x.address(), high(x, 1));

/** MOVD, MOVQ from and to general registers. */
const movdLoad: Semantic = (x) => x.setVector(0, x.zeroExtended(x.get(1)));
const movdStore: Semantic = (x) => x.set(0, x.size === 64 ? x.low64(1) : x.low32(1));
const movqLoad: Semantic = (x) => x.setVector(0, x.zeroExtended(x.low64(1)));
const movqStore: Semantic = (x) => {
  if (x.inMemory(0)) x.e.store(x.address(), x.low64(1));
  else x.setVector(0, x.zeroExtended(x.low64(1)));
};

/** Duplicate lanes: a fixed shuffle of the bytes of operand 1. */
function duplicate(order: readonly number[]): Semantic {
  return (x) => {
    const v = x.vector(1);
    x.setVector(0, x.e.op("i8x16.shuffle", [v, v], order));
  };
}
const dwords = (...lanes: number[]): number[] =>
  lanes.flatMap((l) => [4 * l, 4 * l + 1, 4 * l + 2, 4 * l + 3]);

const movddup: Semantic = (x) => x.setVector(0, x.e.op("i64x2.splat", [x.low64(1)]));

/** Sign bits of the lanes into a general register. */
function mask(shape: string): Semantic {
  return (x) => x.setReg(x.register(0), x.e.op(`${shape}.bitmask`, [x.vector(1)]), 32);
}

/**
 * MASKMOVDQU, MASKMOVQ: bytes of `data` whose bit in `mask` is set go to [RDI], the others stay. As on
 * processors, the upper quadword faults first, whatever the mask, and what faults stores nothing.
 */
export function storeMaskedBytes(x: Instruction, data: Node, mask: Node, quadwords: 1 | 2): void {
  const e = x.e;
  const pointer = x.address32 ? e.zext(x.getGpr(7, 32)) : e.get64(e.fixed(gpr(7)));
  const to = x.segmented(pointer);
  const places = [e.add(to, e.i64(8)), to].slice(2 - quadwords);
  const old = places.map((at) => e.load("i64", at));
  if (quadwords > 1) {
    e.if(x.straddles(to, e.i32(16)), () => places.forEach((at, i) => e.store(at, old[i])));
  }
  const selected = e.op("i8x16.shr_s", [mask, e.i32(7)]);
  places.forEach((at, i) => {
    const lane = quadwords - 1 - i;
    const part = (v: Node): Node => e.op("i64x2.extract_lane", [v], lane);
    const kept = e.and(old[i], e.not(part(selected)));
    e.store(at, e.or(kept, e.and(part(data), part(selected))));
  });
}
const maskmov: Semantic = (x) => storeMaskedBytes(x, x.vector(0), x.vector(1), 2);

/** Bits of MXCSR that exist; others are reserved and refused. */
const MXCSR_MASK = 0xffff;

const ldmxcsr: Semantic = (x) => {
  const e = x.e;
  const value = x.get(0);
  e.if(e.gtU(value, e.i32(MXCSR_MASK)), () => x.protection());
  e.setState(MXCSR, value);
};
const stmxcsr: Semantic = (x) => x.set(0, x.e.getState("i32", MXCSR));

export const sseMoves: readonly Encoding[] = [
  row("np.0f.10", "movups Vx,Wx", load(false)),
  row("66.0f.10", "movupd Vx,Wx", load(false)),
  row("f3.0f.10", "movss Vd,Wd", scalarLoad(32)),
  row("f2.0f.10", "movsd Vq,Wq", scalarLoad(64)),
  row("np.0f.11", "movups Wx,Vx", store(false)),
  row("66.0f.11", "movupd Wx,Vx", store(false)),
  row("f3.0f.11", "movss Wd,Vd", scalarStore(32)),
  row("f2.0f.11", "movsd Wq,Vq", scalarStore(64)),
  row("np.0f.28", "movaps Vx,Wx", load(true)),
  row("66.0f.28", "movapd Vx,Wx", load(true)),
  row("np.0f.29", "movaps Wx,Vx", store(true)),
  row("66.0f.29", "movapd Wx,Vx", store(true)),
  row("66.0f.6f", "movdqa Vx,Wx", load(true)),
  row("66.0f.7f", "movdqa Wx,Vx", store(true)),
  row("f3.0f.6f", "movdqu Vx,Wx", load(false)),
  row("f3.0f.7f", "movdqu Wx,Vx", store(false)),
  row("f2.0f.f0 m", "lddqu Vx,Wx", load(false)),
  row("np.0f.2b m", "movntps Wx,Vx", store(true)),
  row("66.0f.2b m", "movntpd Wx,Vx", store(true)),
  row("66.0f.e7 m", "movntdq Wx,Vx", store(true)),
  row("66.0f38.2a m", "movntdqa Vx,Wx", load(true)),
  row("np.0f.12 m", "movlps Vq,Wq", movlpsLoad),
  row("np.0f.12 r", "movhlps Vq,Wq", movhlps),
  row("66.0f.12 m", "movlpd Vq,Wq", movlpsLoad),
  row("np.0f.13 m", "movlps Wq,Vq", movlpsStore),
  row("66.0f.13 m", "movlpd Wq,Vq", movlpsStore),
  row("np.0f.16", "movhps Vq,Wq", movhpsLoad),
  row("66.0f.16 m", "movhpd Vq,Wq", movhpsLoad),
  row("np.0f.17 m", "movhps Wq,Vq", movhpsStore),
  row("66.0f.17 m", "movhpd Wq,Vq", movhpsStore),
  row("f3.0f.12", "movsldup Vx,Wx", duplicate(dwords(0, 0, 2, 2))),
  row("f3.0f.16", "movshdup Vx,Wx", duplicate(dwords(1, 1, 3, 3))),
  row("f2.0f.12", "movddup Vq,Wq", movddup),
  row("66.0f.6e", "movd Vy,Ey", movdLoad),
  row("66.0f.7e", "movd Ey,Vy", movdStore),
  row("f3.0f.7e", "movq Vq,Wq", movqLoad),
  row("66.0f.d6", "movq Wq,Vq", movqStore),
  row("np.0f.50", "movmskps Gd,Ux", mask("i32x4")),
  row("66.0f.50", "movmskpd Gd,Ux", mask("i64x2")),
  row("66.0f.d7", "pmovmskb Gd,Ux", mask("i8x16")),
  row("66.0f.f7", "maskmovdqu Vx,Ux", maskmov),
  row("np.0f.ae /2", "ldmxcsr Md", ldmxcsr),
  row("np.0f.ae /3", "stmxcsr Md", stmxcsr),
];
