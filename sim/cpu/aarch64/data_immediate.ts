/** Data processing with an immediate (DDI 0487, C4.1.92). */
import { Decoded } from "../ir/decoded.ts";
import { FlagKind } from "./flags.ts";
import { logicalImmediate } from "./immediates.ts";
import type { Field } from "./pattern.ts";
import { constant, get, immediate, set, wide } from "./registers.ts";
import { row, setAddress } from "./row.ts";

const scratch = new Decoded();

/** Rows where `sf` is 0 exist only with the upper bit of 6-bit amounts clear. */
const fits = (sf: Field, n: Field, ...amounts: Field[]) => (word: number): boolean =>
  sf.of(word) === n.of(word) && (sf.of(word) === 1 || amounts.every((a) => a.of(word) < 32));

const pcRelative = [
  row("ADR", "0 immlo:2 10000 immhi:19 rd:5", (f) => ({
    regs: [f.rd.out],
    operands: (w, pc, out) => setAddress(out, pc + f.immhi.signed(w) * 4 + f.immlo.of(w)),
    emit: (e) => e.set64(e.reg(0), e.imm(0)),
  })),
  row("ADRP", "1 immlo:2 10000 immhi:19 rd:5", (f) => ({
    regs: [f.rd.out],
    operands: (w, pc, out) =>
      setAddress(out, pc - pc % 4096 + (f.immhi.signed(w) * 4 + f.immlo.of(w)) * 4096),
    emit: (e) => e.set64(e.reg(0), e.imm(0)),
  })),
];

const addSubtract = [
  row("ADD/SUB (immediate)", "sf:1 op:1 0 100010 sh:1 imm12:12 rn:5 rd:5", (f) => ({
    regs: [f.rd.sp, f.rn.sp],
    statics: ["sf", "op"],
    operands: (w, _pc, out) => void (out.imm1 = f.imm12.of(w) << (12 * f.sh.of(w))),
    emit: (e, { sf, op }) =>
      set(e, 0, e.int(op ? "sub" : "add", get(e, 1, sf), immediate(e, 1, sf))),
  })),
  row("ADDS/SUBS (immediate)", "sf:1 op:1 1 100010 sh:1 imm12:12 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.sp],
    statics: ["sf", "op"],
    operands: (w, _pc, out) => void (out.imm1 = f.imm12.of(w) << (12 * f.sh.of(w))),
    emit: (e, { sf, op }) => {
      const a = get(e, 1, sf);
      const b = immediate(e, 1, sf);
      e.setFlags((op ? FlagKind.Sub32 : FlagKind.Add32) + sf, wide(e, a), wide(e, b));
      set(e, 0, e.int(op ? "sub" : "add", a, b));
    },
  })),
];

const LOGIC = ["and", "or", "xor"];
const logical = [
  row("AND/ORR/EOR (immediate)", "sf:1 opc:2 100100 n:1 immr:6 imms:6 rn:5 rd:5", (f) => ({
    regs: [f.rd.sp, f.rn.x],
    statics: ["sf", "opc"],
    valid: (w) =>
      f.opc.of(w) !== 3 && f.sf.of(w) >= f.n.of(w) &&
      logicalImmediate(f.n.of(w), f.immr.of(w), f.imms.of(w), scratch),
    operands: (w, _pc, out) => void logicalImmediate(f.n.of(w), f.immr.of(w), f.imms.of(w), out),
    emit: (e, { sf, opc }) => set(e, 0, e.int(LOGIC[opc], get(e, 1, sf), immediate(e, 0, sf))),
  })),
  row("ANDS (immediate)", "sf:1 11 100100 n:1 immr:6 imms:6 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x],
    statics: ["sf"],
    valid: (w) =>
      f.sf.of(w) >= f.n.of(w) &&
      logicalImmediate(f.n.of(w), f.immr.of(w), f.imms.of(w), scratch),
    operands: (w, _pc, out) => void logicalImmediate(f.n.of(w), f.immr.of(w), f.imms.of(w), out),
    emit: (e, { sf }) => {
      const r = e.and(get(e, 1, sf), immediate(e, 0, sf));
      e.setFlags(FlagKind.Logic32 + sf, wide(e, r), e.i64(0));
      set(e, 0, r);
    },
  })),
];

/** Immediate 0 = `imm16 << 16 * hw`, complemented if `inverted`. */
function moveWide(out: Decoded, imm16: number, hw: number, inverted: boolean): void {
  const part = imm16 << (16 * (hw & 1));
  out.imm0Low = hw < 2 ? part : 0;
  out.imm0High = hw < 2 ? 0 : part;
  if (inverted) {
    out.imm0Low = ~out.imm0Low;
    out.imm0High = ~out.imm0High;
  }
}

const moves = [
  row("MOVN/MOVZ", "sf:1 op:1 0 100101 hw:2 imm16:16 rd:5", (f) => ({
    regs: [f.rd.out],
    statics: ["sf"],
    valid: (w) => f.sf.of(w) === 1 || f.hw.of(w) < 2,
    operands: (w, _pc, out) => moveWide(out, f.imm16.of(w), f.hw.of(w), f.op.of(w) === 0),
    emit: (e, { sf }) => set(e, 0, immediate(e, 0, sf)),
  })),
  row("MOVK", "sf:1 11 100101 hw:2 imm16:16 rd:5", (f) => ({
    regs: [f.rd.out, f.rd.x],
    statics: ["sf", "hw"],
    valid: (w) => f.sf.of(w) === 1 || f.hw.of(w) < 2,
    operands: (w, _pc, out) => moveWide(out, f.imm16.of(w), f.hw.of(w), false),
    emit: (e, { sf, hw }) => {
      const hole = 0xffffn << BigInt(16 * hw);
      const keep = sf ? e.i64(~hole) : e.i32(Number(BigInt.asIntN(32, ~hole)));
      set(e, 0, e.or(e.and(get(e, 1, sf), keep), immediate(e, 0, sf)));
    },
  })),
];

/** Immediate 0 = the `width` low bits set, shifted left by `by`. */
function bitField(out: Decoded, width: number, by: number): void {
  // width + by is at most 64
  const end = width + by;
  const below = (n: number): number => n <= 0 ? 0 : n >= 32 ? -1 : (1 << n) - 1;
  out.imm0Low = below(end) & ~below(by);
  out.imm0High = below(end - 32) & ~below(by - 32);
}

const bitfields = [
  row("SXTW", "1 00 100110 1 000000 011111 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x],
    emit: (e) => e.set64(e.reg(0), e.sext(e.get32(e.reg(1)))),
  })),
  row("UXTB", "0 10 100110 0 000000 000111 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x],
    emit: (e) => e.set32(e.reg(0), e.and(e.get32(e.reg(1)), e.i32(0xff))),
  })),
  row("UXTH", "0 10 100110 0 000000 001111 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x],
    emit: (e) => e.set32(e.reg(0), e.and(e.get32(e.reg(1)), e.i32(0xffff))),
  })),
  row("LSR/ASR (immediate)", "sf:1 u:1 0 100110 n:1 immr:6 x11111 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x],
    statics: ["sf", "u"],
    valid: (w) =>
      f.sf.of(w) === f.n.of(w) && ((w >>> 15) & 1) === f.sf.of(w) &&
      (f.sf.of(w) === 1 || f.immr.of(w) < 32),
    imm1: f.immr,
    emit: (e, { sf, u }) =>
      set(e, 0, e.int(u ? "shr_u" : "shr_s", get(e, 1, sf), immediate(e, 1, sf))),
  })),
  row("LSL (immediate)", "sf:1 10 100110 n:1 immr:6 imms:6 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x],
    statics: ["sf"],
    valid: (w) => fits(f.sf, f.n, f.immr, f.imms)(w) && f.imms.of(w) + 1 === f.immr.of(w),
    operands: (w, _pc, out) => void (out.imm1 = (f.sf.of(w) ? 64 : 32) - f.immr.of(w)),
    emit: (e, { sf }) => set(e, 0, e.shl(get(e, 1, sf), immediate(e, 1, sf))),
  })),
  // Shift the field to the top, then down to where it belongs.
  row("SBFM/UBFM", "sf:1 u:1 0 100110 n:1 immr:6 imms:6 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x],
    statics: ["sf", "u"],
    valid: fits(f.sf, f.n, f.immr, f.imms),
    operands: (w, _pc, out) => {
      const width = f.sf.of(w) ? 64 : 32;
      const immr = f.immr.of(w);
      const imms = f.imms.of(w);
      out.imm1 = width - 1 - imms;
      out.imm0Low = imms >= immr ? out.imm1 + immr : out.imm1 + immr - width;
    },
    emit: (e, { sf, u }) => {
      const top = e.shl(get(e, 1, sf), immediate(e, 1, sf));
      set(e, 0, e.int(u ? "shr_u" : "shr_s", top, immediate(e, 0, sf)));
    },
  })),
  row("BFM", "sf:1 01 100110 n:1 immr:6 imms:6 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rd.x],
    statics: ["sf"],
    valid: fits(f.sf, f.n, f.immr, f.imms),
    operands: (w, _pc, out) => {
      const immr = f.immr.of(w);
      const imms = f.imms.of(w);
      out.imm1 = immr;
      if (imms >= immr) bitField(out, imms - immr + 1, 0);
      else bitField(out, imms + 1, (f.sf.of(w) ? 64 : 32) - immr);
    },
    emit: (e, { sf }) => {
      const mask = immediate(e, 0, sf);
      const field = e.and(e.rotr(get(e, 1, sf), immediate(e, 1, sf)), mask);
      set(e, 0, e.or(e.and(get(e, 2, sf), e.not(mask)), field));
    },
  })),
  row("ROR (immediate)", "sf:1 00 100111 n:1 0 rm:5 imms:6 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x],
    statics: ["sf"],
    valid: (w) => fits(f.sf, f.n, f.imms)(w) && f.rm.of(w) === f.rn.of(w),
    imm1: f.imms,
    emit: (e, { sf }) => set(e, 0, e.rotr(get(e, 1, sf), immediate(e, 1, sf))),
  })),
  row("EXTR", "sf:1 00 100111 n:1 0 rm:5 imms:6 rn:5 rd:5", (f) => ({
    regs: [f.rd.out, f.rn.x, f.rm.x],
    statics: ["sf"],
    valid: fits(f.sf, f.n, f.imms),
    imm1: f.imms,
    emit: (e, { sf }) => {
      const by = immediate(e, 1, sf);
      const high = e.shl(
        e.shl(get(e, 1, sf), constant(e, 1, sf)),
        e.xor(by, constant(e, sf ? 63 : 31, sf)),
      );
      set(e, 0, e.or(e.shrU(get(e, 2, sf), by), high));
    },
  })),
];

export const rows = [...pcRelative, ...addSubtract, ...logical, ...moves, ...bitfields];
