/** Loads and stores of general and vector registers (DDI 0487, C4.1.94), but for exclusives. */
import type { Decoded } from "../ir/decoded.ts";
import type { Emitter } from "../ir/emitter.ts";
import type { Node } from "../ir/types.ts";
import { aligned } from "./atomics.ts";
import { extended } from "./data_register.ts";
import type { Field, RegisterField } from "./pattern.ts";
import { setScalar } from "./registers.ts";
import { type AArch64Row, row, setAddress } from "./row.ts";

/** Operand positions: the register as source, as destination, and the base. */
const SOURCE = 0;
const DESTINATION = 1;
const BASE = 2;

/** Load of 1 << size bytes: `opc` 1 zero-extends, 2 sign-extends to 64 bits, 3 to 32. */
function loaded(e: Emitter, address: Node, size: number, opc: number): Node {
  if (opc === 1) return e.load(size === 3 ? "i64" : "i32", address, 8 << size);
  return e.load(opc === 2 ? "i64" : "i32", address, 8 << size, true);
}
function write(e: Emitter, to: number, value: Node): void {
  if (value.type === "i64") e.set64(e.reg(to), value);
  else e.set32(e.reg(to), value);
}

/** Load of 1 << scale bytes for a vector register. */
export function loadedVector(e: Emitter, address: Node, scale: number): Node {
  if (scale === 4) return e.load("v128", address);
  return e.load(scale === 3 ? "i64" : "i32", address, 8 << scale);
}
export function writeVector(e: Emitter, to: number, value: Node): void {
  if (value.type === "v128") e.setVector(e.reg(to), value);
  else setScalar(e, to, value);
}
/** Store of the low 1 << scale bytes of vector operand `from`. */
export function storeVector(e: Emitter, address: Node, from: number, scale: number): void {
  if (scale === 4) e.store(address, e.getVector(e.reg(from)));
  else e.store(address, e.getLow64(e.reg(from)), 8 << scale);
}

/** One transfer of the general form (`size`, `opc` as encoded), then `after`, the write-back. */
function transfer(
  e: Emitter,
  address: Node,
  size: number,
  opc: number,
  after: () => void = () => {},
): void {
  if (opc === 0) {
    e.store(address, size === 3 ? e.get64(e.reg(SOURCE)) : e.get32(e.reg(SOURCE)), 8 << size);
    return after();
  }
  const value = loaded(e, address, size, opc);
  after();
  write(e, DESTINATION, value);
}

/** The same for vector registers: `opc` bit 0 loads, bit 1 with size 0 means 16 bytes. */
function transferVector(
  e: Emitter,
  address: Node,
  size: number,
  opc: number,
  after: () => void = () => {},
): void {
  const scale = opc & 2 ? 4 : size;
  if ((opc & 1) === 0) {
    storeVector(e, address, SOURCE, scale);
    return after();
  }
  const value = loadedVector(e, address, scale);
  after();
  writeVector(e, DESTINATION, value);
}

type Fields4 = Readonly<Record<"rt" | "rn" | "size" | "opc", Field>>;
type Transfer = typeof transfer;

/** General and vector variants of a form differ in bit 26 alone. */
interface Variant {
  readonly v: 0 | 1;
  readonly name: string;
  readonly move: Transfer;
  /** log2 of the bytes moved. */
  scale(f: Fields4, word: number): number;
  /** Whether `size`, `opc` is allocated. */
  valid(f: Fields4, word: number): boolean;
  regs(f: Fields4): RegisterField[];
}
const GENERAL: Variant = {
  v: 0,
  name: "",
  move: transfer,
  scale: (f, w) => f.size.of(w),
  valid: (f, w) => f.opc.of(w) < 2 || f.size.of(w) + f.opc.of(w) < 5,
  regs: (f) => [f.rt.x, f.rt.out, f.rn.sp],
};
const VECTOR: Variant = {
  v: 1,
  name: " (SIMD&FP)",
  move: transferVector,
  scale: (f, w) => f.opc.of(w) & 2 ? 4 : f.size.of(w),
  valid: (f, w) => f.opc.of(w) < 2 || f.size.of(w) === 0,
  regs: (f) => [f.rt.v, f.rt.v, f.rn.sp],
};

/** Address `base + imm1`. */
function offsetAddress(e: Emitter): Node {
  return e.add(e.get64(e.reg(BASE)), e.imm(1));
}

function forms(variant: Variant): AArch64Row[] {
  const { v, name, move } = variant;
  return [
    row(`LDR/STR (unsigned offset)${name}`, `size:2 111 ${v} 01 opc:2 imm12:12 rn:5 rt:5`, (f) => ({
      regs: variant.regs(f),
      statics: ["size", "opc"],
      valid: (w) => variant.valid(f, w),
      operands: (w, _pc, out) => void (out.imm1 = f.imm12.of(w) << variant.scale(f, w)),
      emit: (e, { size, opc }) => move(e, offsetAddress(e), size, opc),
    })),
    row(`LDUR/STUR${name}`, `size:2 111 ${v} 00 opc:2 0 imm9:9 00 rn:5 rt:5`, (f) => ({
      regs: variant.regs(f),
      statics: ["size", "opc"],
      valid: (w) => variant.valid(f, w),
      operands: (w, _pc, out) => void (out.imm1 = f.imm9.signed(w)),
      emit: (e, { size, opc }) => move(e, offsetAddress(e), size, opc),
    })),
    row(`LDR/STR (post-index)${name}`, `size:2 111 ${v} 00 opc:2 0 imm9:9 01 rn:5 rt:5`, (f) => ({
      regs: variant.regs(f),
      statics: ["size", "opc"],
      valid: (w) => variant.valid(f, w),
      operands: (w, _pc, out) => void (out.imm1 = f.imm9.signed(w)),
      emit: (e, { size, opc }) => {
        const next = offsetAddress(e);
        move(e, e.get64(e.reg(BASE)), size, opc, () => e.set64(e.reg(BASE), next));
      },
    })),
    row(`LDR/STR (pre-index)${name}`, `size:2 111 ${v} 00 opc:2 0 imm9:9 11 rn:5 rt:5`, (f) => ({
      regs: variant.regs(f),
      statics: ["size", "opc"],
      valid: (w) => variant.valid(f, w),
      operands: (w, _pc, out) => void (out.imm1 = f.imm9.signed(w)),
      emit: (e, { size, opc }) => {
        const address = offsetAddress(e);
        move(e, address, size, opc, () => e.set64(e.reg(BASE), address));
      },
    })),
    row(
      `LDR/STR (register)${name}`,
      `size:2 111 ${v} 00 opc:2 1 rm:5 option:3 s:1 10 rn:5 rt:5`,
      (f) => ({
        regs: [...variant.regs(f), f.rm.x],
        statics: ["size", "opc", "option", "s"],
        valid: (w) => variant.valid(f, w) && (f.option.of(w) & 2) !== 0,
        emit: (e, { size, opc, option, s }) => {
          const index = extended(e, 3, option, 1);
          const scale = v && opc & 2 ? 4 : size;
          const by = e.i64(s ? scale : 0);
          move(e, e.add(e.get64(e.reg(BASE)), e.shl(index, by)), size, opc);
        },
      }),
    ),
  ];
}

const prefetch = [
  row("PRFM (unsigned offset)", "11 111 0 01 10 imm12:12 rn:5 rt:5", () => ({ emit: () => {} })),
  row("PRFUM", "11 111 0 00 10 0 imm9:9 00 rn:5 rt:5", () => ({ emit: () => {} })),
  row("PRFM (register)", "11 111 0 00 10 1 rm:5 option:3 s:1 10 rn:5 rt:5", (f) => ({
    valid: (w) => (f.option.of(w) & 2) !== 0,
    emit: () => {},
  })),
  row("PRFM (literal)", "11 011 0 00 imm19:19 rt:5", () => ({ emit: () => {} })),
];

const unprivileged = row("LDTR/STTR", "size:2 111 0 00 opc:2 0 imm9:9 10 rn:5 rt:5", (f) => ({
  regs: GENERAL.regs(f),
  statics: ["size", "opc"],
  valid: (w) => GENERAL.valid(f, w),
  operands: (w, _pc, out) => void (out.imm1 = f.imm9.signed(w)),
  emit: (e, { size, opc }) => transfer(e, offsetAddress(e), size, opc),
}));

const literal = [
  row("LDR (literal)", "opc:2 011 0 00 imm19:19 rt:5", (f) => ({
    regs: [f.rt.out],
    statics: ["opc"],
    operands: (w, pc, out) => setAddress(out, pc + f.imm19.signed(w) * 4),
    emit: (e, { opc }) => write(e, 0, loaded(e, e.imm(0), opc === 1 ? 3 : 2, opc === 2 ? 2 : 1)),
  })),
  row("LDR (literal, SIMD&FP)", "opc:2 011 1 00 imm19:19 rt:5", (f) => ({
    regs: [f.rt.v],
    statics: ["opc"],
    valid: (w) => f.opc.of(w) < 3,
    operands: (w, pc, out) => setAddress(out, pc + f.imm19.signed(w) * 4),
    emit: (e, { opc }) => writeVector(e, 0, loadedVector(e, e.imm(0), 2 + opc)),
  })),
];

/** Addressing mode of a pair, bits 24–23. */
const enum PairMode {
  NonTemporal,
  PostIndex,
  Offset,
  PreIndex,
}

/** Address of the first of a pair, and the new base or null. */
function pairAddress(e: Emitter, mode: number, base: number): [Node, Node | null] {
  const start = e.get64(e.reg(base));
  const moved = e.add(start, e.imm(1));
  if (mode === PairMode.PostIndex) return [start, moved];
  return [moved, mode === PairMode.PreIndex ? moved : null];
}

function pairOffset(imm7: Field, scale: (w: number) => number) {
  return (w: number, _pc: number, out: Decoded): void => {
    out.imm1 = imm7.signed(w) << scale(w);
  };
}

const pairs = [
  row("STP/STNP", "opc:2 101 0 0 mode:2 0 imm7:7 rt2:5 rn:5 rt:5", (f) => ({
    regs: [f.rt.x, f.rt2.x, f.rn.sp],
    statics: ["opc", "mode"],
    valid: (w) => f.opc.of(w) === 0 || f.opc.of(w) === 2,
    operands: pairOffset(f.imm7, (w) => 2 + (f.opc.of(w) >> 1)),
    emit: (e, { opc, mode }) => {
      const wide = opc === 2;
      const [address, next] = pairAddress(e, mode, 2);
      e.store(address, wide ? e.get64(e.reg(0)) : e.get32(e.reg(0)));
      const second = e.add(address, e.i64(wide ? 8 : 4));
      e.store(second, wide ? e.get64(e.reg(1)) : e.get32(e.reg(1)));
      if (next !== null) e.set64(e.reg(2), next);
    },
  })),
  row("LDP/LDNP/LDPSW", "opc:2 101 0 0 mode:2 1 imm7:7 rt2:5 rn:5 rt:5", (f) => ({
    regs: [f.rt.out, f.rt2.out, f.rn.sp],
    statics: ["opc", "mode"],
    // Loading a register twice or writing back to it is unpredictable: refused, as the manual permits.
    valid: (w) =>
      f.opc.of(w) < 3 && (f.opc.of(w) !== 1 || f.mode.of(w) !== PairMode.NonTemporal) &&
      f.rt.of(w) !== f.rt2.of(w) &&
      ((f.mode.of(w) & 1) === 0 || f.rn.of(w) === 31 ||
        (f.rn.of(w) !== f.rt.of(w) && f.rn.of(w) !== f.rt2.of(w))),
    operands: pairOffset(f.imm7, (w) => 2 + (f.opc.of(w) >> 1)),
    emit: (e, { opc, mode }) => {
      const size = opc === 2 ? 3 : 2;
      const [address, next] = pairAddress(e, mode, 2);
      const first = loaded(e, address, size, opc === 1 ? 2 : 1);
      const second = loaded(e, e.add(address, e.i64(1 << size)), size, opc === 1 ? 2 : 1);
      if (next !== null) e.set64(e.reg(2), next);
      write(e, 0, first);
      write(e, 1, second);
    },
  })),
  row("STP/STNP (SIMD&FP)", "opc:2 101 1 0 mode:2 0 imm7:7 rt2:5 rn:5 rt:5", (f) => ({
    regs: [f.rt.v, f.rt2.v, f.rn.sp],
    statics: ["opc", "mode"],
    valid: (w) => f.opc.of(w) < 3,
    operands: pairOffset(f.imm7, (w) => 2 + f.opc.of(w)),
    emit: (e, { opc, mode }) => {
      const [address, next] = pairAddress(e, mode, 2);
      storeVector(e, address, 0, 2 + opc);
      storeVector(e, e.add(address, e.i64(4 << opc)), 1, 2 + opc);
      if (next !== null) e.set64(e.reg(2), next);
    },
  })),
  row("LDP/LDNP (SIMD&FP)", "opc:2 101 1 0 mode:2 1 imm7:7 rt2:5 rn:5 rt:5", (f) => ({
    regs: [f.rt.v, f.rt2.v, f.rn.sp],
    statics: ["opc", "mode"],
    valid: (w) => f.opc.of(w) < 3 && f.rt.of(w) !== f.rt2.of(w),
    operands: pairOffset(f.imm7, (w) => 2 + f.opc.of(w)),
    emit: (e, { opc, mode }) => {
      const [address, next] = pairAddress(e, mode, 2);
      const first = loadedVector(e, address, 2 + opc);
      const second = loadedVector(e, e.add(address, e.i64(4 << opc)), 2 + opc);
      if (next !== null) e.set64(e.reg(2), next);
      writeVector(e, 0, first);
      writeVector(e, 1, second);
    },
  })),
];

/** LDAPR with unscaled offsets (FEAT_LRCPC2). Without FEAT_LSE2 the address must be aligned. */
const releaseConsistent = row(
  "LDAPUR/STLUR",
  "size:2 011001 opc:2 0 imm9:9 00 rn:5 rt:5",
  (f) => ({
    regs: GENERAL.regs(f),
    statics: ["size", "opc"],
    valid: (w) => GENERAL.valid(f, w),
    operands: (w, _pc, out) => void (out.imm1 = f.imm9.signed(w)),
    emit: (e, { size, opc }) => transfer(e, aligned(e, offsetAddress(e), size), size, opc),
  }),
);

export const rows = [
  ...prefetch,
  ...forms(GENERAL),
  ...forms(VECTOR),
  unprivileged,
  ...literal,
  ...pairs,
  releaseConsistent,
];
