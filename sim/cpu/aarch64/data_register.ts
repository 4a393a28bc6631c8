/** Data processing on registers (DDI 0487, C4.1.95). */
import type { Emitter } from "../ir/emitter.ts";
import type { Node } from "../ir/types.ts";
import { Cond, FlagKind, packedFlags, setExplicit } from "./flags.ts";
import { bitReverse, highProduct } from "./multiply.ts";
import { constant, get, immediate, set, truth, wide } from "./registers.ts";
import { row } from "./row.ts";

const SHIFTS = ["shl", "shr_u", "shr_s", "rotr"];

/** ADD, ADDS, SUB or SUBS of `a` and `b` into register operand 0. */
function addSubtract(e: Emitter, op: number, flags: number, a: Node, b: Node): void {
  if (flags) {
    const sf = a.type === "i64" ? 1 : 0;
    e.setFlags((op ? FlagKind.Sub32 : FlagKind.Add32) + sf, wide(e, a), wide(e, b));
  }
  set(e, 0, e.int(op ? "sub" : "add", a, b));
}

/** AND, ORR, EOR, ANDS. */
function logic(e: Emitter, opc: number, a: Node, b: Node): void {
  const r = e.int(["and", "or", "xor", "and"][opc], a, b);
  if (opc === 3) {
    e.setFlags(a.type === "i64" ? FlagKind.Logic64 : FlagKind.Logic32, wide(e, r), e.i64(0));
  }
  set(e, 0, r);
}

/** ExtendReg: register operand `i` extended as `option` says, at the width. */
export function extended(e: Emitter, i: number, option: number, sf: number): Node {
  const reg = e.reg(i);
  switch (option) {
    case 0:
      return truth(e, e.get8(reg), sf);
    case 1:
      return truth(e, e.get16(reg), sf);
    case 2:
      return truth(e, e.get32(reg), sf);
    case 4:
      return sf ? e.sext(e.get8(reg, true)) : e.get8(reg, true);
    case 5:
      return sf ? e.sext(e.get16(reg, true)) : e.get16(reg, true);
    case 6:
      return sf ? e.sext(e.get32(reg)) : e.get32(reg);
    default:
      return get(e, i, sf);
  }
}

const logical = [
  row("MOV (register)", "sf:1 01 01010 000 rm:5 000000 11111 rd:5", (f) => ({
    regs: [f.rd.out, f.rm.x],
    statics: ["sf"],
    emit: (e, { sf }) => set(e, 0, get(e, 1, sf)),
  })),
  row("AND/ORR/EOR/ANDS", "sf:1 opc:2 01010 000 rm:5 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x],
    statics: ["sf", "opc"],
    emit: (e, { sf, opc }) => logic(e, opc, get(e, 1, sf), get(e, 2, sf)),
  })),
  row("logical (shifted register)", "sf:1 opc:2 01010 shift:2 n:1 rm:5 imm6:6 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x],
    statics: ["sf", "opc", "shift", "n"],
    imm1: f.imm6,
    valid: (w) => f.sf.of(w) === 1 || f.imm6.of(w) < 32,
    emit: (e, { sf, opc, shift, n }) => {
      const b = e.int(SHIFTS[shift], get(e, 2, sf), immediate(e, 1, sf));
      logic(e, opc, get(e, 1, sf), n ? e.not(b) : b);
    },
  })),
];

const arithmetic = [
  row("ADD/SUB", "sf:1 op:1 s:1 01011 000 rm:5 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x],
    statics: ["sf", "op", "s"],
    emit: (e, { sf, op, s }) => addSubtract(e, op, s, get(e, 1, sf), get(e, 2, sf)),
  })),
  row("ADD/SUB (shifted register)", "sf:1 op:1 s:1 01011 shift:2 0 rm:5 imm6:6 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x],
    statics: ["sf", "op", "s", "shift"],
    imm1: f.imm6,
    valid: (w) => f.shift.of(w) !== 3 && (f.sf.of(w) === 1 || f.imm6.of(w) < 32),
    emit: (e, { sf, op, s, shift }) => {
      const b = e.int(SHIFTS[shift], get(e, 2, sf), immediate(e, 1, sf));
      addSubtract(e, op, s, get(e, 1, sf), b);
    },
  })),
  row(
    "ADD/SUB (extended register)",
    "sf:1 op:1 0 01011 001 rm:5 option:3 imm3:3 rn:5 rd:5",
    (f) => ({
      regs: [f.rd.sp, f.rn.sp, f.rm.x],
      statics: ["sf", "op", "option"],
      imm1: f.imm3,
      valid: (w) => f.imm3.of(w) <= 4,
      emit: (e, { sf, op, option }) => {
        const b = e.shl(extended(e, 2, option, sf), immediate(e, 1, sf));
        addSubtract(e, op, 0, get(e, 1, sf), b);
      },
    }),
  ),
  row(
    "ADDS/SUBS (extended register)",
    "sf:1 op:1 1 01011 001 rm:5 option:3 imm3:3 rn:5 rd:5",
    (f) => ({
      regs: [f.rd.out, f.rn.sp, f.rm.x],
      statics: ["sf", "op", "option"],
      imm1: f.imm3,
      valid: (w) => f.imm3.of(w) <= 4,
      emit: (e, { sf, op, option }) => {
        const b = e.shl(extended(e, 2, option, sf), immediate(e, 1, sf));
        addSubtract(e, op, 1, get(e, 1, sf), b);
      },
    }),
  ),
  row("ADC/SBC", "sf:1 op:1 0 11010000 rm:5 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x],
    statics: ["sf", "op"],
    emit: (e, { sf, op }) => {
      const b = get(e, 2, sf);
      const sum = e.add(get(e, 1, sf), op ? e.not(b) : b);
      set(e, 0, e.add(sum, truth(e, e.condition(Cond.CS), sf)));
    },
  })),
  row("ADCS/SBCS", "sf:1 op:1 1 11010000 rm:5 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x],
    statics: ["sf", "op"],
    emit: (e, { sf, op }) => {
      const a = get(e, 1, sf);
      const m = get(e, 2, sf);
      const b = op ? e.not(m) : m;
      const partial = e.add(a, b);
      const r = e.add(partial, truth(e, e.condition(Cond.CS), sf));
      const none = constant(e, 0, sf);
      const carry = e.or(e.ltU(partial, a), e.ltU(r, partial));
      const overflow = e.ltS(e.and(e.xor(a, r), e.xor(b, r)), none);
      const high = e.or(e.shl(e.ltS(r, none), e.i32(31)), e.shl(e.eqz(r), e.i32(30)));
      const low = e.or(e.shl(carry, e.i32(29)), e.shl(overflow, e.i32(28)));
      setExplicit(e, e.or(high, low));
      set(e, 0, r);
    },
  })),
];

/** Flags of the comparison if the condition holds, else immediate 0. */
function conditionalCompare(e: Emitter, op: number, cond: number, a: Node, b: Node): void {
  const sf = a.type === "i64" ? 1 : 0;
  const holds = e.condition(cond);
  const compared = packedFlags(
    e,
    (op ? FlagKind.Sub32 : FlagKind.Add32) + sf,
    wide(e, a),
    wide(e, b),
  );
  setExplicit(e, e.select(holds, compared, e.imm32(0)));
}

const conditional = [
  row("CCMN/CCMP (register)", "sf:1 op:1 1 11010010 rm:5 cond:4 00 rn:5 0 nzcv:4", (f) => ({
    regs: [f.rn.x, f.rm.x],
    statics: ["sf", "op", "cond"],
    operands: (w, _pc, out) => void (out.imm0Low = f.nzcv.of(w) << 28),
    emit: (e, { sf, op, cond }) => conditionalCompare(e, op, cond, get(e, 0, sf), get(e, 1, sf)),
  })),
  row("CCMN/CCMP (immediate)", "sf:1 op:1 1 11010010 imm5:5 cond:4 10 rn:5 0 nzcv:4", (f) => ({
    regs: [f.rn.x],
    statics: ["sf", "op", "cond"],
    imm1: f.imm5,
    operands: (w, _pc, out) => void (out.imm0Low = f.nzcv.of(w) << 28),
    emit: (e, { sf, op, cond }) =>
      conditionalCompare(e, op, cond, get(e, 0, sf), immediate(e, 1, sf)),
  })),
  row("CSET/CSETM", "sf:1 inv:1 0 11010100 11111 cond:4 0 o2:1 11111 rd:5", (f) => ({
    regs: [f.rd.out],
    statics: ["sf", "inv", "cond", "o2"],
    // CSINC of XZR or CSINV of XZR: 0 if the condition holds.
    valid: (w) => f.inv.of(w) !== f.o2.of(w) && f.cond.of(w) < Cond.AL,
    emit: (e, { sf, inv, cond }) => {
      const one = truth(e, e.condition(cond ^ 1), sf);
      set(e, 0, inv ? e.neg(one) : one);
    },
  })),
  row("CSEL/CSINC/CSINV/CSNEG", "sf:1 inv:1 0 11010100 rm:5 cond:4 0 o2:1 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x],
    statics: ["sf", "inv", "cond", "o2"],
    emit: (e, { sf, inv, cond, o2 }) => {
      const m = get(e, 2, sf);
      const other = inv ? (o2 ? e.neg(m) : e.not(m)) : o2 ? e.add(m, constant(e, 1, sf)) : m;
      set(e, 0, e.select(e.condition(cond), get(e, 1, sf), other));
    },
  })),
];

/** Quotient by the architecture's rules: x / 0 = 0, and the most negative number / -1 is itself. */
function divide(e: Emitter, signed: boolean, a: Node, b: Node): Node {
  const sf = a.type === "i64" ? 1 : 0;
  const result = e.variable(a.type, constant(e, 0, sf));
  e.if(e.ne(b, constant(e, 0, sf)), () => {
    if (!signed) return e.assign(result, e.int("div_u", a, b));
    e.if(
      e.eq(b, constant(e, -1, sf)),
      () => e.assign(result, e.neg(a)),
      () => e.assign(result, e.int("div_s", a, b)),
    );
  });
  return e.read(result);
}

/** CRC32 (reflected) of `bytes` bytes one bit at a time, byte by byte. */
function crc32(e: Emitter, polynomial: number, seed: Node, data: Node, bytes: number): Node {
  const crc = e.variable("i32", seed);
  const rest = e.variable("i64", data);
  const left = e.variable("i32", e.i32(bytes));
  e.loop(() => {
    const byte = e.and(e.wrap(e.read(rest)), e.i32(0xff));
    e.assign(crc, e.xor(e.read(crc), byte));
    for (let i = 0; i < 8; i++) {
      const low = e.and(e.read(crc), e.i32(1));
      const next = e.xor(
        e.shrU(e.read(crc), e.i32(1)),
        e.and(e.neg(low), e.i32(polynomial)),
      );
      e.assign(crc, next);
    }
    e.assign(rest, e.shrU(e.read(rest), e.i64(8)));
    e.assign(left, e.sub(e.read(left), e.i32(1)));
    e.continueIf(e.ne(e.read(left), e.i32(0)));
  });
  return e.read(crc);
}
const CRC32 = 0xedb88320;
const CRC32C = 0x82f63b78;

const twoSources = [
  row("UDIV/SDIV", "sf:1 00 11010110 rm:5 00001 signed:1 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x],
    statics: ["sf", "signed"],
    emit: (e, { sf, signed }) => set(e, 0, divide(e, signed === 1, get(e, 1, sf), get(e, 2, sf))),
  })),
  row("LSLV/LSRV/ASRV/RORV", "sf:1 00 11010110 rm:5 0010 op:2 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x],
    statics: ["sf", "op"],
    emit: (e, { sf, op }) => set(e, 0, e.int(SHIFTS[op], get(e, 1, sf), get(e, 2, sf))),
  })),
  row("CRC32/CRC32C", "sf:1 00 11010110 rm:5 010 c:1 sz:2 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x],
    statics: ["c", "sz"],
    valid: (w) => f.sf.of(w) === (f.sz.of(w) === 3 ? 1 : 0),
    emit: (e, { c, sz }) => {
      const data = e.get64(e.reg(2));
      set(e, 0, crc32(e, c ? CRC32C : CRC32, e.get32(e.reg(1)), data, 1 << sz));
    },
  })),
];

/** Bytes of every `group`-byte group of an i64 reversed (group 2, 4 or 8). */
export function reverseBytes(e: Emitter, x: Node, group: number): Node {
  const swap = (value: Node, by: number, mask: bigint): Node =>
    e.or(
      e.and(e.shrU(value, e.i64(by)), e.i64(mask)),
      e.shl(e.and(value, e.i64(mask)), e.i64(by)),
    );
  let r = swap(x, 8, 0x00ff00ff00ff00ffn);
  if (group >= 4) r = swap(r, 16, 0x0000ffff0000ffffn);
  return group === 8 ? e.rotl(r, e.i64(32)) : r;
}

/** The same for i32 (group 2 or 4). */
function reverseBytes32(e: Emitter, x: Node, group: number): Node {
  const swapped = e.or(
    e.and(e.shrU(x, e.i32(8)), e.i32(0x00ff00ff)),
    e.shl(e.and(x, e.i32(0x00ff00ff)), e.i32(8)),
  );
  return group === 4 ? e.rotl(swapped, e.i32(16)) : swapped;
}

const oneSource = [
  row("RBIT", "sf:1 10 11010110 00000 000000 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x],
    statics: ["sf"],
    emit: (e, { sf }) => set(e, 0, bitReverse(e, get(e, 1, sf))),
  })),
  row("REV16/REV32/REV", "sf:1 10 11010110 00000 0000 opc:2 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x],
    statics: ["sf", "opc"],
    valid: (w) => f.opc.of(w) <= 2 + f.sf.of(w),
    emit: (e, { sf, opc }) => {
      const x = get(e, 1, sf);
      set(e, 0, sf ? reverseBytes(e, x, 1 << opc) : reverseBytes32(e, x, 1 << opc));
    },
  })),
  row("CLZ", "sf:1 10 11010110 00000 000100 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x],
    statics: ["sf"],
    emit: (e, { sf }) => set(e, 0, e.clz(get(e, 1, sf))),
  })),
  row("CLS", "sf:1 10 11010110 00000 000101 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x],
    statics: ["sf"],
    emit: (e, { sf }) => {
      const x = get(e, 1, sf);
      // Bits that equal their left neighbour; the top one always does.
      const changes = e.xor(x, e.shrS(x, constant(e, 1, sf)));
      set(e, 0, e.sub(e.clz(changes), constant(e, 1, sf)));
    },
  })),
];

const threeSources = [
  row("MUL", "sf:1 00 11011 000 rm:5 0 11111 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x],
    statics: ["sf"],
    emit: (e, { sf }) => set(e, 0, e.mul(get(e, 1, sf), get(e, 2, sf))),
  })),
  row("MADD/MSUB", "sf:1 00 11011 000 rm:5 o0:1 ra:5 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x, f.ra.x],
    statics: ["sf", "o0"],
    emit: (e, { sf, o0 }) => {
      const product = e.mul(get(e, 1, sf), get(e, 2, sf));
      set(e, 0, e.int(o0 ? "sub" : "add", get(e, 3, sf), product));
    },
  })),
  row("SMADDL/SMSUBL/UMADDL/UMSUBL", "1 00 11011 u:1 01 rm:5 o0:1 ra:5 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x, f.ra.x],
    statics: ["u", "o0"],
    emit: (e, { u, o0 }) => {
      const n = e.get32(e.reg(1));
      const m = e.get32(e.reg(2));
      const product = u ? e.mul(e.zext(n), e.zext(m)) : e.mul(e.sext(n), e.sext(m));
      set(e, 0, e.int(o0 ? "sub" : "add", e.get64(e.reg(3)), product));
    },
  })),
  row("SMULH/UMULH", "1 00 11011 u:1 10 rm:5 0 xxxxx rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x],
    statics: ["u"],
    emit: (e, { u }) => set(e, 0, highProduct(e, e.get64(e.reg(1)), e.get64(e.reg(2)), u === 0)),
  })),
];

export const rows = [
  ...logical,
  ...arithmetic,
  ...conditional,
  ...twoSources,
  ...oneSource,
  ...threeSources,
];
