/**
 * The x86_64 Linux ABI: syscall registers (System V psABI, appendix A.2.1) and signal frames
 * (arch/x86/include/asm/sigframe.h, arch/x86/include/uapi/asm/sigcontext.h). The floating-point
 * state is the 512-byte FXSAVE image (Intel SDM, vol. 1, 10.5.1), and on a CPU with XSAVE the standard
 * form of its area, which that image begins.
 */
import type { Cpu } from "../../cpu/cpu.ts";
import {
  FS_BASE,
  GPR,
  GS_BASE,
  MXCSR,
  PKRU,
  THREAD_SIZE,
  VECTOR,
  X87_CONTROL,
  X87_FDP,
  X87_FIP,
  X87_FOP,
  X87_REGISTERS,
  X87_STATUS,
  X87_TAGS,
  X87_TOP,
  XCR0,
} from "../../cpu/layout.ts";
import {
  AVX_OFFSET,
  AVX_SIZE,
  Component,
  PKRU_OFFSET,
  XSAVE_SIZE,
} from "../../cpu/x86_64/features.ts";
import type { AddressSpace } from "../../memory/address_space.ts";
import type { Abi, RestoredFrame, SignalFrame } from "./abi.ts";
import { SIGINFO_SIZE } from "./siginfo.ts";
import { getUnsigned64, setNumber64 } from "./struct.ts";
import { freshState } from "./thread_state.ts";

const RAX = 0, RCX = 1, RDX = 2, RSP = 4, RSI = 6, RDI = 7, R11 = 11;
/** Registers in the order of struct sigcontext: r8–r15, di, si, bp, bx, dx, ax, cx, sp. */
const SIGCONTEXT_ORDER = [8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 3, 2, 0, 1, 4];
const NAMES = [
  "rax",
  "rbx",
  "rcx",
  "rdx",
  "rsi",
  "rdi",
  "rbp",
  "rsp",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
];
const DESCRIBE_ORDER = [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15];

/** Offsets in struct rt_sigframe: pretcode, then the ucontext, then the siginfo. */
const UC = 8;
const UC_STACK = UC + 16;
const UC_MCONTEXT = UC + 40;
const UC_SIGMASK = UC_MCONTEXT + 256;
const INFO = UC_SIGMASK + 8;
const FRAME_SIZE = INFO + SIGINFO_SIZE;
/** Offsets in struct sigcontext after the sixteen registers. */
const SC_IP = 128;
const SC_FLAGS = 136;
const SC_CS = 144;
const SC_ERR = 152;
const SC_TRAPNO = 160;
const SC_OLDMASK = 168;
const SC_CR2 = 176;
const SC_FPSTATE = 184;

const FXSAVE_SIZE = 512;
const RED_ZONE = 128;
/** UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */
const UC_FLAGS = 6;
export const USER_CS = 0x33;
export const USER_DS = 0x2b;
const SA_SIGINFO = 4;
const DIRECTION = 0x400;
const TRAP = 0x100;
const RESUME = 0x10000;
/** RFLAGS that a program may set through a frame, RF aside, which no instruction sees: CF PF AF ZF SF TF DF OF AC. */
const USER_FLAGS = 0x50dd5 & ~RESUME;
const MXCSR_RESET = 0x1f80;
const MXCSR_MASK = 0xffff;
const X87_RESET = 0x37f;

/** Words of the XSAVE area (struct _fpx_sw_bytes, struct _header) and their values. */
const SW_MAGIC1 = 464, SW_EXTENDED_SIZE = 468, SW_FEATURES = 472, SW_SIZE = 480;
const XSTATE_BV = 512;
const MAGIC1 = 0x46505853, MAGIC2 = 0x46505845;
const UC_FP_XSTATE = 1;
/** Access to key 0 alone: Linux's init_pkru. */
const PKRU_RESET = 0x55555554;

const AVX = 1 << Component.Avx, PROTECTION_KEYS = 1 << Component.Pkru;
const UPPER_HALVES = VECTOR + 256;

/** XCR0 of the processor: 0 without XSAVE. */
function enabled(cpu: Cpu): number {
  const { buffer, byteOffset } = cpu.stateBytes;
  return new DataView(buffer, byteOffset).getUint32(XCR0, true);
}

/** Bytes of floating-point state in a frame. */
function areaSize(cpu: Cpu): number {
  return enabled(cpu) === 0 ? FXSAVE_SIZE : XSAVE_SIZE + 4;
}

/** The initial floating-point state, and the protection keys that Linux starts with. */
function resetFloatingPoint(cpu: Cpu, bytes: Uint8Array = cpu.stateBytes): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const features = enabled(cpu);
  bytes.fill(0, VECTOR, VECTOR + 512);
  view.setUint32(PKRU, (features & PROTECTION_KEYS) !== 0 ? PKRU_RESET : 0, true);
  bytes.fill(0, X87_REGISTERS, X87_REGISTERS + 128);
  view.setUint32(MXCSR, MXCSR_RESET, true);
  view.setUint32(X87_CONTROL, X87_RESET, true);
  view.setUint32(X87_STATUS, 0, true);
  view.setUint32(X87_TAGS, 0xff, true);
  view.setUint32(X87_TOP, 0, true);
  bytes.fill(0, X87_FIP, X87_FOP + 4);
}

/** FXSAVE64 image of the live state. */
function saveFx(state: Uint8Array, fx: Uint8Array): void {
  const from = new DataView(state.buffer, state.byteOffset);
  const to = new DataView(fx.buffer, fx.byteOffset);
  const top = from.getUint32(X87_TOP, true) & 7;
  to.setUint16(0, from.getUint32(X87_CONTROL, true), true);
  to.setUint16(2, (from.getUint32(X87_STATUS, true) & ~0x3800) | (top << 11), true);
  to.setUint8(4, ~from.getUint32(X87_TAGS, true) & 0xff);
  to.setUint16(6, from.getUint32(X87_FOP, true), true);
  fx.set(state.subarray(X87_FIP, X87_FIP + 8), 8);
  fx.set(state.subarray(X87_FDP, X87_FDP + 8), 16);
  to.setUint32(24, from.getUint32(MXCSR, true), true);
  to.setUint32(28, MXCSR_MASK, true);
  for (let i = 0; i < 8; i++) {
    const register = X87_REGISTERS + 16 * ((top + i) & 7);
    fx.set(state.subarray(register, register + 10), 32 + 16 * i);
  }
  fx.set(state.subarray(VECTOR, VECTOR + 256), 160);
}

function restoreFx(state: Uint8Array, fx: Uint8Array): void {
  const to = new DataView(state.buffer, state.byteOffset);
  const from = new DataView(fx.buffer, fx.byteOffset);
  const status = from.getUint16(2, true);
  const top = (status >> 11) & 7;
  to.setUint32(X87_CONTROL, from.getUint16(0, true), true);
  to.setUint32(X87_STATUS, status & ~0x3800, true);
  to.setUint32(X87_TOP, top, true);
  to.setUint32(X87_TAGS, ~from.getUint8(4) & 0xff, true);
  to.setUint32(X87_FOP, from.getUint16(6, true), true);
  state.set(fx.subarray(8, 16), X87_FIP);
  state.set(fx.subarray(16, 24), X87_FDP);
  to.setUint32(MXCSR, from.getUint32(24, true) & MXCSR_MASK, true);
  for (let i = 0; i < 8; i++) {
    const register = X87_REGISTERS + 16 * ((top + i) & 7);
    state.set(fx.subarray(32 + 16 * i, 32 + 16 * i + 10), register);
  }
  state.set(fx.subarray(160, 416), VECTOR);
}

/**
 * The whole area of a frame from the live state: the FXSAVE image, or with XSAVE its standard form and four
 * bytes of magic.
 */
export function saveArea(cpu: Cpu): Uint8Array {
  const state = cpu.stateBytes;
  const features = enabled(cpu);
  const area = new Uint8Array(areaSize(cpu));
  saveFx(state, area);
  if (features === 0) return area;
  const view = new DataView(area.buffer);
  view.setUint32(SW_MAGIC1, MAGIC1, true);
  view.setUint32(SW_EXTENDED_SIZE, XSAVE_SIZE + 4, true);
  view.setUint32(SW_FEATURES, features, true);
  view.setUint32(SW_SIZE, XSAVE_SIZE, true);
  view.setUint32(XSAVE_SIZE, MAGIC2, true);
  const upper = state.subarray(UPPER_HALVES, UPPER_HALVES + AVX_SIZE);
  const inUse = upper.some((byte) => byte !== 0);
  view.setUint32(XSTATE_BV, inUse ? features : features & ~AVX, true);
  area.set(upper, AVX_OFFSET);
  area.set(state.subarray(PKRU, PKRU + 4), PKRU_OFFSET);
  return area;
}

/** Load what a frame's area holds; false if it cannot be loaded. */
function restoreArea(cpu: Cpu, space: AddressSpace, address: number): boolean {
  const state = cpu.stateBytes;
  const features = enabled(cpu);
  const fx = new Uint8Array(FXSAVE_SIZE);
  if (space.copyIn(address, fx) < 0) return false;
  const view = new DataView(fx.buffer);
  if (view.getUint32(24, true) > MXCSR_MASK) return false;
  const size = view.getUint32(SW_SIZE, true);
  let extended = features !== 0 && view.getUint32(SW_MAGIC1, true) === MAGIC1 &&
    size >= AVX_OFFSET && size <= XSAVE_SIZE;
  const area = new Uint8Array(XSAVE_SIZE + 4);
  if (extended) {
    if (space.copyIn(address, area.subarray(0, size + 4)) < 0) return false;
    extended = new DataView(area.buffer).getUint32(size, true) === MAGIC2;
  }
  if (!extended) {
    resetFloatingPoint(cpu);
    restoreFx(state, fx);
    return true;
  }
  const header = new DataView(area.buffer).getUint32(XSTATE_BV, true);
  if ((header & ~features) !== 0) return false;
  const present = header & view.getUint32(SW_FEATURES, true);
  // Of the legacy part, what the header lacks takes its initial value.
  const has = (component: Component): boolean => (present & (1 << component)) !== 0;
  resetFloatingPoint(cpu);
  const initial = state.slice();
  restoreFx(state, fx);
  if (!has(Component.X87)) {
    state.set(initial.subarray(X87_CONTROL, X87_FOP + 4), X87_CONTROL);
    state.set(initial.subarray(X87_REGISTERS, X87_REGISTERS + 128), X87_REGISTERS);
  }
  if (!has(Component.Sse)) state.fill(0, VECTOR, VECTOR + 256);
  if (has(Component.Avx)) {
    state.set(area.subarray(AVX_OFFSET, AVX_OFFSET + AVX_SIZE), UPPER_HALVES);
  }
  const keys = new DataView(state.buffer, state.byteOffset);
  if (has(Component.Pkru)) state.set(area.subarray(PKRU_OFFSET, PKRU_OFFSET + 4), PKRU);
  else keys.setUint32(PKRU, 0, true);
  return true;
}

function pushFrame(cpu: Cpu, space: AddressSpace, frame: SignalFrame): boolean {
  const state = cpu.stateBytes;
  const current = cpu.regNumber(RSP);
  let sp = frame.top || current - RED_ZONE;
  const fpstate = Math.floor((sp - areaSize(cpu)) / 64) * 64;
  sp = Math.floor((fpstate - FRAME_SIZE) / 16) * 16 - 8;

  const bytes = new Uint8Array(FRAME_SIZE);
  const view = new DataView(bytes.buffer);
  setNumber64(view, 0, frame.restorer);
  setNumber64(view, UC, enabled(cpu) === 0 ? UC_FLAGS : UC_FLAGS | UC_FP_XSTATE);
  setNumber64(view, UC_STACK, frame.stack.sp);
  view.setInt32(UC_STACK + 8, frame.stack.flags, true);
  setNumber64(view, UC_STACK + 16, frame.stack.size);
  for (let i = 0; i < 16; i++) {
    const register = GPR + 8 * SIGCONTEXT_ORDER[i];
    bytes.set(state.subarray(register, register + 8), UC_MCONTEXT + 8 * i);
  }
  view.setBigUint64(UC_MCONTEXT + SC_IP, cpu.exactPc, true);
  setNumber64(view, UC_MCONTEXT + SC_FLAGS, cpu.flags | (frame.resumes ? RESUME : 0));
  view.setUint16(UC_MCONTEXT + SC_CS, USER_CS, true);
  view.setUint16(UC_MCONTEXT + SC_CS + 6, USER_DS, true);
  if (frame.fault) {
    setNumber64(view, UC_MCONTEXT + SC_ERR, frame.fault.error);
    setNumber64(view, UC_MCONTEXT + SC_TRAPNO, frame.fault.trapno);
    view.setBigUint64(UC_MCONTEXT + SC_CR2, BigInt.asUintN(64, frame.fault.address), true);
  }
  view.setUint32(UC_MCONTEXT + SC_OLDMASK, frame.maskLow, true);
  view.setUint32(UC_MCONTEXT + SC_OLDMASK + 4, frame.maskHigh, true);
  setNumber64(view, UC_MCONTEXT + SC_FPSTATE, fpstate);
  view.setUint32(UC_SIGMASK, frame.maskLow, true);
  view.setUint32(UC_SIGMASK + 4, frame.maskHigh, true);
  const info = (frame.flags & SA_SIGINFO) !== 0;
  if (info) bytes.set(frame.info, INFO);
  if (space.copyOut(fpstate, saveArea(cpu)) < 0 || space.copyOut(sp, bytes) < 0) return false;

  cpu.setRegNumber(RDI, frame.signo);
  cpu.setRegNumber(RSI, sp + INFO);
  cpu.setRegNumber(RDX, sp + UC);
  cpu.setRegNumber(RAX, 0);
  cpu.setRegNumber(RSP, sp);
  cpu.flags = cpu.flags & ~(DIRECTION | TRAP);
  cpu.pc = frame.handler;
  resetFloatingPoint(cpu);
  return true;
}

function popFrame(cpu: Cpu, space: AddressSpace): RestoredFrame | null {
  const bytes = new Uint8Array(FRAME_SIZE);
  if (space.copyIn(cpu.regNumber(RSP) - 8, bytes) < 0) return null;
  const view = new DataView(bytes.buffer);
  const fpstate = getUnsigned64(view, UC_MCONTEXT + SC_FPSTATE);
  if (fpstate !== 0) {
    if (!restoreArea(cpu, space, fpstate)) return null;
  } else {
    resetFloatingPoint(cpu);
  }
  const state = cpu.stateBytes;
  for (let i = 0; i < 16; i++) {
    const from = UC_MCONTEXT + 8 * i;
    state.set(bytes.subarray(from, from + 8), GPR + 8 * SIGCONTEXT_ORDER[i]);
  }
  cpu.pc = getUnsigned64(view, UC_MCONTEXT + SC_IP);
  const flags = view.getUint32(UC_MCONTEXT + SC_FLAGS, true);
  cpu.flags = (cpu.flags & ~USER_FLAGS) | (flags & USER_FLAGS);
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

/** The page of system calls of old, which may be executed and not be read (vsyscall=xonly). */
const VSYSCALL = 0xffffffffff600000n;
/** gettimeofday, time, getcpu: 1024 bytes each. */
const VSYSCALLS = [96, 201, 309];

/**
 * If control has gone to one of the page's functions: returns from it, the registers being those of its
 * system call (arch/x86/entry/vsyscall/vsyscall_64.c).
 */
function vsyscall(cpu: Cpu, space: AddressSpace): boolean {
  const offset = cpu.exactPc - VSYSCALL;
  if (offset < 0n || offset % 1024n !== 0n || offset / 1024n >= VSYSCALLS.length) return false;
  const stack = cpu.regNumber(RSP);
  const caller = space.readU64(stack);
  if (caller < 0) return false;
  cpu.setRegNumber(RAX, VSYSCALLS[Number(offset / 1024n)]);
  cpu.setRegNumber(RSP, stack + 8);
  cpu.pc = caller;
  return true;
}

const hex = (value: bigint | number): string => value.toString(16).padStart(16, "0");

function describe(cpu: Cpu): string {
  const lines = [`rip ${hex(cpu.exactPc)}  rflags ${hex(cpu.flags)}  fs ${hex(cpu.threadPointer)}`];
  for (let i = 0; i < 16; i += 4) {
    lines.push(
      [0, 1, 2, 3].map((j) => `${NAMES[i + j].padEnd(3)} ${hex(cpu.reg(DESCRIBE_ORDER[i + j]))}`)
        .join("  "),
    );
  }
  return lines.join("\n");
}

export const x86_64: Abi = {
  arch: "x86_64",
  machine: "x86_64",
  number: RAX,
  args: [RDI, RSI, RDX, 10, 8, 9],
  result: RAX,
  stackPointer: RSP,
  syscallSize: 2,
  taskSize: 0x7fff_ffff_f000,
  platform: "x86_64",
  minimumSignalStack: (cpu) => FRAME_SIZE + areaSize(cpu) + RED_ZONE + 64,
  elfMachine: 62,
  sigreturnCode: null,
  start(cpu, pc, stackPointer) {
    const state = freshState();
    resetFloatingPoint(cpu, state);
    cpu.load(state);
    cpu.flags = 0x202;
    cpu.setRegNumber(RSP, stackPointer);
    cpu.pc = pc;
  },
  leave(cpu) {
    cpu.setRegNumber(RCX, cpu.pc);
    cpu.setRegNumber(R11, cpu.flags);
  },
  pushFrame,
  popFrame,
  vsyscall,
  describe,
};

/** Segment bases, for arch_prctl. */
export function segmentBase(cpu: Cpu, segment: "fs" | "gs"): number {
  const at = segment === "fs" ? FS_BASE : GS_BASE;
  const state = cpu.stateBytes;
  return getUnsigned64(new DataView(state.buffer, state.byteOffset, THREAD_SIZE), at);
}

export function setSegmentBase(cpu: Cpu, segment: "fs" | "gs", base: number): void {
  const at = segment === "fs" ? FS_BASE : GS_BASE;
  const state = cpu.stateBytes;
  setNumber64(new DataView(state.buffer, state.byteOffset, THREAD_SIZE), at, base);
}
