/** AVX and AVX2 data movement: whole registers, scalars, halves, broadcasts, masks, VZEROUPPER. */
import type { Node } from "../../ir/types.ts";
import { vector } from "../../layout.ts";
import type { Instruction } from "../instruction.ts";
import { type Encoding, row, type Semantic } from "../row.ts";
import { alignVector, lanewise, readPair, writeVector } from "./lanes.ts";
import { semanticOf } from "./sse.ts";

/** Whole registers from memory or a register. */
const load = (aligned: boolean): Semantic => (x) => {
  if (aligned && x.inMemory(1)) alignVector(x);
  if (x.long) {
    const [low, high] = readPair(x, 1);
    writeVector(x, 0, low, high);
  } else writeVector(x, 0, x.vector(1, false), null);
};
const store = (aligned: boolean): Semantic => (x) => {
  if (!x.inMemory(0)) return load(false)(x);
  if (aligned) alignVector(x);
  if (x.long) x.e.storePair(x.address(), ...readPair(x, 1));
  else x.e.store(x.address(), x.vector(1));
};

/** VMOVSS and VMOVSD: memory fills the lowest lane of zeros; three registers merge. */
const scalarLoad = (bits: 32 | 64): Semantic => (x) =>
  writeVector(x, 0, x.zeroExtended(bits === 64 ? x.low64(1) : x.low32(1)), null);
const scalarStore = (bits: 32 | 64): Semantic => (x) =>
  x.e.store(x.address(), bits === 64 ? x.low64(1) : x.low32(1));
const scalarMerge = (bits: 32 | 64): Semantic => (x) => {
  const value = bits === 64 ? x.low64(2) : x.low32(2);
  const lane = bits === 64 ? "i64x2.replace_lane" : "i32x4.replace_lane";
  writeVector(x, 0, x.e.op(lane, [x.vector(1), value], 0), null);
};

const high = (x: Instruction, v: Node): Node => x.e.op("i64x2.extract_lane", [v], 1);
const withLane = (x: Instruction, v: Node, lane: number, value: Node): Node =>
  x.e.op("i64x2.replace_lane", [v, value], lane);

/** VMOVLPS, VMOVHPS: the other half comes from VEX.vvvv. */
const lowFrom: Semantic = (x) => {
  const value = x.low64(2);
  writeVector(x, 0, withLane(x, x.vector(1), 0, value), null);
};
const highFrom: Semantic = (x) => {
  const value = x.low64(2);
  writeVector(x, 0, withLane(x, x.vector(1), 1, value), null);
};
const movhlps: Semantic = (x) =>
  writeVector(x, 0, withLane(x, x.vector(1), 0, high(x, x.vector(2))), null);
const lowStore: Semantic = (x) => x.e.store(x.address(), x.low64(1));
const highStore: Semantic = (x) => x.e.store(x.address(), high(x, x.vector(1)));

const movqLoad: Semantic = (x) => writeVector(x, 0, x.zeroExtended(x.low64(1)), null);
const movqStore: Semantic = (x) => {
  if (x.inMemory(0)) x.e.store(x.address(), x.low64(1));
  else movqLoad(x);
};

/** VMOVDDUP: of 128 bits 64 are read, of 256 all. */
const movddup: Semantic = (x) => {
  const e = x.e;
  const twice = (v: Node): Node => e.op("i64x2.splat", [v]);
  const first = (v: Node): Node => e.op("i64x2.extract_lane", [v], 0);
  if (!x.long) return writeVector(x, 0, twice(x.low64(1)), null);
  const [low, upper] = readPair(x, 1);
  writeVector(x, 0, twice(first(low)), twice(first(upper)));
};

/** VMOVMSKxx, VPMOVMSKB. */
const mask = (shape: string, lanes: number): Semantic => (x) => {
  const e = x.e;
  const bits = (v: Node): Node => e.op(`${shape}.bitmask`, [v]);
  if (!x.long) return x.setReg(x.register(0), bits(x.vector(1)), 32);
  const [low, upper] = readPair(x, 1);
  x.setReg(x.register(0), e.or(bits(low), e.shl(bits(upper), e.i32(lanes))), 32);
};

/** VBROADCASTxx, VPBROADCASTx: the lowest element of a register or memory everywhere. */
const broadcast = (shape: string, bits: 8 | 16 | 32 | 64): Semantic => (x) => {
  const e = x.e;
  let value: Node;
  if (bits === 64) value = x.low64(1);
  else if (x.inMemory(1)) value = e.load("i32", x.address(), bits);
  else value = x.low32(1);
  const v = e.op(`${shape}.splat`, [value]);
  writeVector(x, 0, v, x.long ? v : null);
};
const broadcast128: Semantic = (x) => {
  const v = x.e.load("v128", x.address());
  writeVector(x, 0, v, v);
};

/** VINSERTx128, VEXTRACTx128, VPERM2x128. */
const insert128: Semantic = (x) => {
  const e = x.e;
  const value = x.vector(2, false);
  const source = x.register(1);
  const [low, upper] = [e.getVector(source), e.getVector(e.upper(source))];
  if ((x.extra & 1) !== 0) writeVector(x, 0, low, value);
  else writeVector(x, 0, value, upper);
};
const extract128: Semantic = (x) => {
  const e = x.e;
  const source = x.register(1);
  const value = e.getVector((x.extra & 1) !== 0 ? e.upper(source) : source);
  if (x.inMemory(0)) e.store(x.address(), value);
  else writeVector(x, 0, value, null);
};
const permute128: Semantic = (x) => {
  const e = x.e;
  const second = readPair(x, 2);
  const all = [...readPair(x, 1), ...second];
  const choose = (control: number): Node =>
    (control & 8) !== 0 ? e.v128(new Uint8Array(16)) : all[control & 3];
  writeVector(x, 0, choose(x.extra), choose(x.extra >> 4));
};

/** VMASKMOVxx, VPMASKMOVx: elements whose mask is negative; no other is touched. */
const maskLoad = (bits: 32 | 64): Semantic => (x) => {
  const e = x.e;
  // Before the first condition: all elements use it.
  const base = x.address();
  const selectors = x.long ? readPair(x, 1) : [x.vector(1)];
  const [shape, type] = bits === 64 ? ["i64x2", "i64"] as const : ["i32x4", "i32"] as const;
  const lanes = 128 / bits;
  const results = selectors.map((select, half) => {
    const result = e.variable("v128", e.v128(new Uint8Array(16)));
    const signs = e.op(`${shape}.bitmask`, [select]);
    for (let i = 0; i < lanes; i++) {
      e.if(e.and(signs, e.i32(1 << i)), () => {
        const at = e.add(base, e.i64(16 * half + i * bits / 8));
        const value = e.load(type, at);
        e.assign(result, e.op(`${shape}.replace_lane`, [e.read(result), value], i));
      });
    }
    return e.read(result);
  });
  writeVector(x, 0, results[0], results[1] ?? null);
};
const maskStore = (bits: 32 | 64): Semantic => (x) => {
  const e = x.e;
  // Before the first condition: all elements use it.
  const base = x.address();
  const selectors = x.long ? readPair(x, 1) : [x.vector(1)];
  const values = x.long ? readPair(x, 2) : [x.vector(2)];
  const shape = bits === 64 ? "i64x2" : "i32x4";
  const lanes = 128 / bits, bytes = bits / 8;
  const signs = selectors.map((select) => e.op(`${shape}.bitmask`, [select]))
    .reduce((low, high) => e.or(low, e.shl(high, e.i32(lanes))));
  // On two pages: the first and the last byte that are stored fault before anything is.
  e.if(e.and(x.straddles(base, e.i32(16 * selectors.length)), e.ne(signs, e.i32(0))), () => {
    const at = (element: Node, offset: number): Node =>
      e.add(base, e.zext(e.add(e.mul(element, e.i32(bytes)), e.i32(offset))));
    x.probeStore(at(e.ctz(signs), 0));
    x.probeStore(at(e.sub(e.i32(31), e.clz(signs)), bytes - 1));
  });
  for (let i = 0; i < lanes * selectors.length; i++) {
    e.if(e.and(signs, e.i32(1 << i)), () => {
      const value = e.op(`${shape}.extract_lane`, [values[Math.floor(i / lanes)]], i % lanes);
      e.store(e.add(base, e.i64(i * bytes)), value);
    });
  }
};

/** VZEROUPPER (VEX.L = 0) and VZEROALL. */
const zeroVectors: Semantic = (x) => {
  const e = x.e;
  const zero = e.v128(new Uint8Array(16));
  for (let i = 0; i < 16; i++) {
    const reg = e.fixed(vector(i));
    if (x.long) e.setVector(reg, zero);
    e.setVector(e.upper(reg), zero);
  }
};

const ldmxcsr = semanticOf("ldmxcsr Md"), stmxcsr = semanticOf("stmxcsr Md");

/** RFLAGS.AC asks nothing of masked elements. */
const UNALIGNED = { unaligned: true };

const wholes: [encoding: string, name: string, aligned: boolean][] = [
  ["np.0f.10", "vmovups", false],
  ["66.0f.10", "vmovupd", false],
  ["np.0f.28", "vmovaps", true],
  ["66.0f.28", "vmovapd", true],
  ["66.0f.6f", "vmovdqa", true],
  ["f3.0f.6f", "vmovdqu", false],
];
const stores: [encoding: string, name: string, aligned: boolean][] = [
  ["np.0f.11", "vmovups", false],
  ["66.0f.11", "vmovupd", false],
  ["np.0f.29", "vmovaps", true],
  ["66.0f.29", "vmovapd", true],
  ["66.0f.7f", "vmovdqa", true],
  ["f3.0f.7f", "vmovdqu", false],
  ["np.0f.2b m", "vmovntps", true],
  ["66.0f.2b m", "vmovntpd", true],
  ["66.0f.e7 m", "vmovntdq", true],
];

export const vexMoves: readonly Encoding[] = [
  ...wholes.map(([at, name, aligned]) => row(`vex.${at}`, `${name} Vx,Wx`, load(aligned))),
  ...stores.map(([at, name, aligned]) => row(`vex.${at}`, `${name} Wx,Vx`, store(aligned))),
  row("vex.f2.0f.f0 m", "vlddqu Vx,Wx", load(false)),
  row("vex.66.0f38.2a m", "vmovntdqa Vx,Wx", load(true)),
  row("vex.f3.0f.10 m LIG", "vmovss Vd,Wd", scalarLoad(32)),
  row("vex.f2.0f.10 m LIG", "vmovsd Vq,Wq", scalarLoad(64)),
  row("vex.f3.0f.10 r LIG", "vmovss Vx,Hx,Ux", scalarMerge(32)),
  row("vex.f2.0f.10 r LIG", "vmovsd Vx,Hx,Ux", scalarMerge(64)),
  row("vex.f3.0f.11 m LIG", "vmovss Wd,Vd", scalarStore(32)),
  row("vex.f2.0f.11 m LIG", "vmovsd Wq,Vq", scalarStore(64)),
  row("vex.f3.0f.11 r LIG", "vmovss Ux,Hx,Vx", scalarMerge(32)),
  row("vex.f2.0f.11 r LIG", "vmovsd Ux,Hx,Vx", scalarMerge(64)),
  row("vex.np.0f.12 m L0", "vmovlps Vx,Hx,Mq", lowFrom),
  row("vex.66.0f.12 m L0", "vmovlpd Vx,Hx,Mq", lowFrom),
  row("vex.np.0f.12 r L0", "vmovhlps Vx,Hx,Ux", movhlps),
  row("vex.np.0f.13 m L0", "vmovlps Mq,Vx", lowStore),
  row("vex.66.0f.13 m L0", "vmovlpd Mq,Vx", lowStore),
  row("vex.np.0f.16 m L0", "vmovhps Vx,Hx,Mq", highFrom),
  row("vex.66.0f.16 m L0", "vmovhpd Vx,Hx,Mq", highFrom),
  row("vex.np.0f.16 r L0", "vmovlhps Vx,Hx,Ux", highFrom),
  row("vex.np.0f.17 m L0", "vmovhps Mq,Vx", highStore),
  row("vex.66.0f.17 m L0", "vmovhpd Mq,Vx", highStore),
  row("vex.f3.0f.7e L0", "vmovq Vq,Wq", movqLoad),
  row("vex.66.0f.d6 L0", "vmovq Wq,Vq", movqStore),
  row("vex.f2.0f.12", "vmovddup Vq,Wx", movddup),
  row("vex.np.0f.50", "vmovmskps Gd,Ux", mask("i32x4", 4)),
  row("vex.66.0f.50", "vmovmskpd Gd,Ux", mask("i64x2", 2)),
  row("vex.66.0f.d7", "vpmovmskb Gd,Ux", mask("i8x16", 16)),
  row("vex.66.0f38.18 W0", "vbroadcastss Vx,Wd", broadcast("i32x4", 32)),
  row("vex.66.0f38.19 L1 W0", "vbroadcastsd Vx,Wq", broadcast("i64x2", 64)),
  row("vex.66.0f38.1a m L1 W0", "vbroadcastf128 Vx,Mx", broadcast128),
  row("vex.66.0f38.5a m L1 W0", "vbroadcasti128 Vx,Mx", broadcast128),
  row("vex.66.0f38.58 W0", "vpbroadcastd Vx,Wd", broadcast("i32x4", 32)),
  row("vex.66.0f38.59 W0", "vpbroadcastq Vx,Wq", broadcast("i64x2", 64)),
  row("vex.66.0f38.78 W0", "vpbroadcastb Vx,Wb", broadcast("i8x16", 8)),
  row("vex.66.0f38.79 W0", "vpbroadcastw Vx,Ww", broadcast("i16x8", 16)),
  row("vex.66.0f3a.18 L1 W0", "vinsertf128 Vx,Hx,Wx,Kb", insert128),
  row("vex.66.0f3a.38 L1 W0", "vinserti128 Vx,Hx,Wx,Kb", insert128),
  row("vex.66.0f3a.19 L1 W0", "vextractf128 Wx,Vx,Kb", extract128),
  row("vex.66.0f3a.39 L1 W0", "vextracti128 Wx,Vx,Kb", extract128),
  row("vex.66.0f3a.06 L1 W0", "vperm2f128 Vx,Hx,Wx,Kb", permute128),
  row("vex.66.0f3a.46 L1 W0", "vperm2i128 Vx,Hx,Wx,Kb", permute128),
  row("vex.66.0f38.2c W0", "vmaskmovps Vx,Hx,Mx", maskLoad(32), UNALIGNED),
  row("vex.66.0f38.2d W0", "vmaskmovpd Vx,Hx,Mx", maskLoad(64), UNALIGNED),
  row("vex.66.0f38.2e W0", "vmaskmovps Mx,Hx,Vx", maskStore(32), UNALIGNED),
  row("vex.66.0f38.2f W0", "vmaskmovpd Mx,Hx,Vx", maskStore(64), UNALIGNED),
  row("vex.66.0f38.8c W0", "vpmaskmovd Vx,Hx,Mx", maskLoad(32), UNALIGNED),
  row("vex.66.0f38.8c W1", "vpmaskmovq Vx,Hx,Mx", maskLoad(64), UNALIGNED),
  row("vex.66.0f38.8e W0", "vpmaskmovd Mx,Hx,Vx", maskStore(32), UNALIGNED),
  row("vex.66.0f38.8e W1", "vpmaskmovq Mx,Hx,Vx", maskStore(64), UNALIGNED),
  row("vex.np.0f.77", "vzeroupper", zeroVectors),
  row("vex.np.0f.ae /2 L0", "vldmxcsr Md", ldmxcsr),
  row("vex.np.0f.ae /3 L0", "vstmxcsr Md", stmxcsr),
  ...[["4a", "blendvps"], ["4b", "blendvpd"], ["4c", "pblendvb"]].map(([opcode, name]) =>
    row(
      `vex.66.0f3a.${opcode} W0`,
      `v${name} Vx,Hx,Wx,Lx`,
      lanewise(semanticOf(`${name} Vx,Wx,XMM0`), { three: true }),
    )
  ),
];
