/** Hints, barriers, system instructions and system registers (DDI 0487, C4.1.93 and C5). */
import { Flow } from "../ir/decoded.ts";
import type { Emitter } from "../ir/emitter.ts";
import { FPSR, MONITOR_ADDRESS, TPIDR } from "../layout.ts";
import { ticks } from "../time.ts";
import { setExplicit } from "./flags.ts";
import { fpcr, FPCR_MASK, FPSR_MASK, setControl, withControl, withStatus } from "./float/status.ts";
import { idRegister } from "./id_registers.ts";
import { zeroVector } from "./registers.ts";
import { row } from "./row.ts";

/** Bytes that DC ZVA clears. */
const ZVA = 64;

const hints = [
  row("YIELD/WFE/WFI", "11010101000000110010 0000 op:3 11111", (f) => ({
    flow: Flow.Stop,
    valid: (w) => f.op.of(w) >= 1 && f.op.of(w) <= 3,
    emit: (e) => e.exit("yield"),
  })),
  row("HINT", "11010101000000110010 crm:4 op2:3 11111", () => ({ emit: () => {} })),
  row("DSB/DMB", "11010101000000110011 crm:4 op:3 11111", (f) => ({
    valid: (w) => f.op.of(w) === 4 || f.op.of(w) === 5,
    emit: () => {},
  })),
  row("CLREX", "11010101000000110011 crm:4 010 11111", () => ({
    emit: (e) => e.setState(MONITOR_ADDRESS, e.i64(-1)),
  })),
  row("ISB", "11010101000000110011 crm:4 110 11111", () => ({
    emit: () => {},
  })),
];

/** What maintenance by address wants of it: that it can be read. */
function translate(e: Emitter): void {
  e.load("i32", e.get64(e.reg(0)), 8);
}

const operations = [
  row("IC IVAU", "1101010100 0 01 011 0111 0101 001 rt:5", (f) => ({
    flow: Flow.Stop,
    regs: [f.rt.x],
    emit: (e) => {
      translate(e);
      e.exit("mode");
    },
  })),
  row("DC ZVA", "1101010100 0 01 011 0111 0100 001 rt:5", (f) => ({
    regs: [f.rt.x],
    emit: (e) => {
      const base = e.and(e.get64(e.reg(0)), e.i64(-ZVA));
      for (let i = 0; i < ZVA; i += 16) e.store(e.add(base, e.i64(i)), zeroVector(e));
    },
  })),
  // Clean and invalidate by address: caches are coherent here.
  row("DC CVAC/CVAU/CVAP/CIVAC", "1101010100 0 01 011 0111 crm:4 001 rt:5", (f) => ({
    regs: [f.rt.x],
    valid: (w) => [10, 11, 12, 14].includes(f.crm.of(w)),
    emit: translate,
  })),
];

const registers = [
  row("MRS NZCV", "1101010100 1 11 011 0100 0010 000 rt:5", (f) => ({
    regs: [f.rt.out],
    emit: (e) => e.set64(e.reg(0), e.zext(e.packedFlags())),
  })),
  row("MSR NZCV", "1101010100 0 11 011 0100 0010 000 rt:5", (f) => ({
    regs: [f.rt.x],
    emit: (e) => setExplicit(e, e.and(e.get32(e.reg(0)), e.i32(0xf0000000))),
  })),
  row("MRS FPCR", "1101010100 1 11 011 0100 0100 000 rt:5", (f) => ({
    regs: [f.rt.out],
    emit: (e) => e.set64(e.reg(0), e.zext(e.and(fpcr(e), e.i32(FPCR_MASK)))),
  })),
  row("MSR FPCR", "1101010100 0 11 011 0100 0100 000 rt:5", (f) => ({
    regs: [f.rt.x],
    emit: (e) => setControl(e, withControl(e, e.get32(e.reg(0)))),
  })),
  row("MRS FPSR", "1101010100 1 11 011 0100 0100 001 rt:5", (f) => ({
    regs: [f.rt.out],
    emit: (e) => e.set64(e.reg(0), e.zext(e.getState("i32", FPSR))),
  })),
  row("MSR FPSR", "1101010100 0 11 011 0100 0100 001 rt:5", (f) => ({
    regs: [f.rt.x],
    emit: (e) => {
      e.setState(FPSR, e.and(e.get32(e.reg(0)), e.i32(FPSR_MASK)));
      setControl(e, withStatus(e, e.get32(e.reg(0))));
    },
  })),
  row("MRS TPIDR_EL0", "1101010100 1 11 011 1101 0000 010 rt:5", (f) => ({
    regs: [f.rt.out],
    emit: (e) => e.set64(e.reg(0), e.getState("i64", TPIDR)),
  })),
  row("MSR TPIDR_EL0", "1101010100 0 11 011 1101 0000 010 rt:5", (f) => ({
    regs: [f.rt.x],
    emit: (e) => e.setState(TPIDR, e.get64(e.reg(0))),
  })),
  row("MRS TPIDRRO_EL0", "1101010100 1 11 011 1101 0000 011 rt:5", (f) => ({
    regs: [f.rt.out],
    emit: (e) => e.set64(e.reg(0), e.i64(0)),
  })),
  row("MRS CNTVCT_EL0", "1101010100 1 11 011 1110 0000 010 rt:5", (f) => ({
    flow: Flow.Stop,
    regs: [f.rt.out],
    emit: (e) => {
      e.set64(e.reg(0), ticks(e));
      e.fallthrough();
    },
  })),
  row("MRS (ID register)", "1101010100 1 register:16 rt:5", (f) => ({
    regs: [f.rt.out],
    valid: (w) => idRegister(f.register.of(w)) !== null,
    operands: (w, _pc, out) => {
      const value = idRegister(f.register.of(w));
      if (value !== null) [out.imm0Low, out.imm0High] = value;
    },
    emit: (e) => e.set64(e.reg(0), e.imm(0)),
  })),
];

export const rows = [...hints, ...operations, ...registers];
