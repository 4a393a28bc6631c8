/**
 * The aarch64 Linux ABI: syscall registers (x8, x0–x5) and signal frames
 * (arch/arm64/kernel/signal.c, arch/arm64/include/uapi/asm/sigcontext.h).
 */
import type { Cpu } from "../../cpu/cpu.ts";
import { isAbort } from "../../cpu/aarch64/syndrome.ts";
import { FPCR_MASK, setStatus } from "../../cpu/aarch64/float/status.ts";
import { FPCR, FPSR, GPR, POR, SP, VECTOR, XCR0 } from "../../cpu/layout.ts";
import type { AddressSpace } from "../../memory/address_space.ts";
import type { Abi, RestoredFrame, SignalFrame } from "./abi.ts";
import { SIGINFO_SIZE } from "./siginfo.ts";
import { getUnsigned64, setNumber64 } from "./struct.ts";
import { freshState } from "./thread_state.ts";

/** Offsets in struct rt_sigframe: the siginfo, then the ucontext. */
const UC = SIGINFO_SIZE;
const UC_STACK = UC + 16;
const UC_SIGMASK = UC + 40;
const UC_MCONTEXT = UC + 176;
const SC_REGS = UC_MCONTEXT + 8;
const SC_SP = UC_MCONTEXT + 256;
const SC_PC = UC_MCONTEXT + 264;
const SC_PSTATE = UC_MCONTEXT + 272;
const SC_RESERVED = UC_MCONTEXT + 288;
const FRAME_SIZE = SC_RESERVED + 4096;

const FPSIMD_MAGIC = 0x46508001;
const FPSIMD_SIZE = 528;
const ESR_MAGIC = 0x45535201;
const ESR_SIZE = 16;
/** What of PSTATE is a program's: NZCV and BTYPE. */
const PSTATE = 0xf0000c00;
const NZCV = 0xf0000000;
/** BTYPE of BLR: Linux makes a handler's call one. */
const BTYPE_CALL = 2 << 10;
/** PSTATE that no program has: another exception level, AArch32, masked interrupts (valid_user_regs). */
const NOT_A_PROGRAM = 0x3df;
const SA_SIGINFO = 4;

/** struct poe_context: header and POR_EL0. */
const POE_MAGIC = 0x504f4530;
const POE_SIZE = 16;
/** Linux's POR_EL0_INIT: everything with key 0, nothing with others. */
const POR_RESET = 7n;

/** Whether the processor has FEAT_S1POE. */
function hasOverlay(cpu: Cpu): boolean {
  const { buffer, byteOffset } = cpu.stateBytes;
  return new DataView(buffer, byteOffset).getUint32(XCR0, true) !== 0;
}

function resetOverlay(cpu: Cpu): void {
  const { buffer, byteOffset } = cpu.stateBytes;
  new DataView(buffer, byteOffset).setBigUint64(POR, hasOverlay(cpu) ? POR_RESET : 0n, true);
}

function pushFrame(cpu: Cpu, space: AddressSpace, frame: SignalFrame): boolean {
  const state = cpu.stateBytes;
  const live = new DataView(state.buffer, state.byteOffset);
  const top = frame.top || cpu.regNumber(SP);
  const record = Math.floor((top - 16) / 16) * 16;
  const sp = record - FRAME_SIZE;

  const bytes = new Uint8Array(FRAME_SIZE + 16);
  const view = new DataView(bytes.buffer);
  const info = (frame.flags & SA_SIGINFO) !== 0;
  if (info) bytes.set(frame.info, 0);
  setNumber64(view, UC_STACK, frame.stack.sp);
  view.setInt32(UC_STACK + 8, frame.stack.flags, true);
  setNumber64(view, UC_STACK + 16, frame.stack.size);
  view.setUint32(UC_SIGMASK, frame.maskLow, true);
  view.setUint32(UC_SIGMASK + 4, frame.maskHigh, true);
  if (frame.fault && isAbort(frame.fault.error)) {
    view.setBigUint64(UC_MCONTEXT, BigInt.asUintN(64, frame.fault.address), true);
  }
  bytes.set(state.subarray(GPR, GPR + 31 * 8), SC_REGS);
  bytes.set(state.subarray(GPR + 31 * 8, GPR + 32 * 8), SC_SP);
  view.setBigUint64(SC_PC, cpu.exactPc, true);
  view.setUint32(SC_PSTATE, cpu.flags, true);
  let at = SC_RESERVED;
  view.setUint32(at, FPSIMD_MAGIC, true);
  view.setUint32(at + 4, FPSIMD_SIZE, true);
  view.setUint32(at + 8, live.getUint32(FPSR, true), true);
  view.setUint32(at + 12, live.getUint32(FPCR, true) & FPCR_MASK, true);
  bytes.set(state.subarray(VECTOR, VECTOR + 512), at + 16);
  at += FPSIMD_SIZE;
  if (frame.fault && frame.fault.error !== 0) {
    view.setUint32(at, ESR_MAGIC, true);
    view.setUint32(at + 4, ESR_SIZE, true);
    setNumber64(view, at + 8, frame.fault.error);
    at += ESR_SIZE;
  }
  if (hasOverlay(cpu)) {
    view.setUint32(at, POE_MAGIC, true);
    view.setUint32(at + 4, POE_SIZE, true);
    bytes.set(state.subarray(POR, POR + 8), at + 8);
  }
  // The frame record that lets a debugger unwind through the handler: x29, x30.
  bytes.set(state.subarray(GPR + 29 * 8, GPR + 31 * 8), record - sp);
  if (space.copyOut(sp, bytes) < 0) return false;
  resetOverlay(cpu);

  cpu.setRegNumber(0, frame.signo);
  if (info) {
    cpu.setRegNumber(1, sp);
    cpu.setRegNumber(2, sp + UC);
  }
  cpu.setRegNumber(29, record);
  cpu.setRegNumber(30, frame.restorer);
  cpu.setRegNumber(SP, sp);
  cpu.pc = frame.handler;
  cpu.flags = cpu.flags & NZCV | BTYPE_CALL;
  return true;
}

function popFrame(cpu: Cpu, space: AddressSpace): RestoredFrame | null {
  const sp = cpu.regNumber(SP);
  if (sp % 16 !== 0) return null;
  const bytes = new Uint8Array(FRAME_SIZE);
  if (space.copyIn(sp, bytes) < 0) return null;
  const view = new DataView(bytes.buffer);
  const fpsimd = findVectors(view);
  if (fpsimd < 0 || (view.getUint32(SC_PSTATE, true) & NOT_A_PROGRAM) !== 0) return null;
  const state = cpu.stateBytes;
  const live = new DataView(state.buffer, state.byteOffset);
  setStatus(live, view.getUint32(fpsimd + 12, true), view.getUint32(fpsimd + 8, true));
  state.set(bytes.subarray(fpsimd + 16, fpsimd + FPSIMD_SIZE), VECTOR);
  state.set(bytes.subarray(SC_REGS, SC_REGS + 32 * 8), GPR);
  const overlay = findRecord(view, POE_MAGIC);
  if (hasOverlay(cpu) && overlay >= 0) state.set(bytes.subarray(overlay + 8, overlay + 16), POR);
  cpu.pc = getUnsigned64(view, SC_PC);
  cpu.flags = view.getUint32(SC_PSTATE, true) & PSTATE;
  return {
    maskLow: view.getUint32(UC_SIGMASK, true),
    maskHigh: view.getUint32(UC_SIGMASK + 4, true),
    stack: {
      sp: getUnsigned64(view, UC_STACK),
      flags: view.getInt32(UC_STACK + 8, true),
      size: getUnsigned64(view, UC_STACK + 16),
    },
  };
}

/** Byte offset of a record of sound records, or -1. */
function findRecord(view: DataView, magic: number): number {
  for (let at = SC_RESERVED;;) {
    const found = view.getUint32(at, true);
    if (found === magic) return at;
    if (found === 0) return -1;
    at += view.getUint32(at + 4, true);
  }
}

/**
 * Byte offset of the fpsimd_context in a frame's reserved area, or -1 if the records are not as the
 * kernel wants them (parse_user_sigframe): one of it, others known, an empty one at the end.
 */
function findVectors(view: DataView): number {
  let found = -1;
  for (let at = SC_RESERVED; at % 16 === 0 && at + 8 <= FRAME_SIZE;) {
    const size = view.getUint32(at + 4, true);
    switch (view.getUint32(at, true)) {
      case 0:
        return size === 0 ? found : -1;
      case FPSIMD_MAGIC:
        if (found >= 0 || size !== FPSIMD_SIZE || at + size > FRAME_SIZE) return -1;
        found = at;
        break;
      case ESR_MAGIC:
      case POE_MAGIC:
        break;
      default:
        return -1;
    }
    if (size < 8) return -1;
    at += size;
  }
  return -1;
}

const hex = (value: bigint | number): string => value.toString(16).padStart(16, "0");

function describe(cpu: Cpu): string {
  const lines = [
    `pc  ${hex(cpu.exactPc)}  sp  ${hex(cpu.reg(SP))}  pstate ${hex(cpu.flags >>> 0)}`,
  ];
  for (let i = 0; i < 31; i += 4) {
    const row: string[] = [];
    for (let j = i; j < Math.min(i + 4, 31); j++) {
      row.push(`${`x${j}`.padEnd(3)} ${hex(cpu.reg(j))}`);
    }
    lines.push(row.join("  "));
  }
  return lines.join("\n");
}

export const aarch64: Abi = {
  arch: "aarch64",
  machine: "aarch64",
  number: 8,
  args: [0, 1, 2, 3, 4, 5],
  result: 0,
  stackPointer: SP,
  syscallSize: 4,
  taskSize: 0x1_0000_0000_0000,
  platform: "aarch64",
  minimumSignalStack: () => FRAME_SIZE + 16,
  elfMachine: 183,
  // mov x8, #139 (rt_sigreturn); svc #0
  sigreturnCode: Uint8Array.of(0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4),
  start(cpu, pc, stackPointer) {
    cpu.load(freshState());
    cpu.flags = 0;
    setStatus(new DataView(cpu.stateBytes.buffer, cpu.stateBytes.byteOffset), 0, 0);
    resetOverlay(cpu);
    cpu.setRegNumber(SP, stackPointer);
    cpu.pc = pc;
  },
  leave() {},
  pushFrame,
  popFrame,
  describe,
};
