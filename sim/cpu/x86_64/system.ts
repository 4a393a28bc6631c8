/** SYSCALL, CPUID, RDTSC, flags transfer, no-operations, fences, and what user mode may not do. */
import type { Node } from "../ir/types.ts";
import { Flow } from "../ir/decoded.ts";
import { DF, gpr, RFLAGS_AC, RFLAGS_ID, RFLAGS_OTHER, RFLAGS_TF } from "../layout.ts";
import { ticks } from "../time.ts";
import { cpuidHelpers } from "./cpuid.ts";
import { CF, Kind, OF, STATUS } from "./flags.ts";
import { type Instruction, TOO_LONG } from "./instruction.ts";
import { pop, push } from "./moves.ts";
import { type Encoding, row, type Semantic } from "./row.ts";

/** RFLAGS: bit 1 is always set, and interrupts are enabled in user mode. */
const ALWAYS = 0x202;
/** What POPF and IRET of 32 and 64 bits take beside the status flags and DF; those of 16 bits take TF alone. */
const OTHER = RFLAGS_TF | RFLAGS_AC | RFLAGS_ID;

/** RFLAGS as PUSHF sees them. */
function rflags(x: Instruction): Node {
  const e = x.e;
  const direction = e.shl(e.getState("i32", DF), e.i32(10));
  const system = e.or(e.getState("i32", RFLAGS_OTHER), e.i32(ALWAYS));
  return e.or(e.or(e.packedFlags(), direction), system);
}

const pushf: Semantic = (x) => {
  const value = rflags(x);
  push(x, x.size === 64 ? x.e.zext(value) : value, x.size);
};

/** What POPF and IRET take of a word; answers whether the processor traps or checks alignment before or now. */
export function restoreFlags(x: Instruction, value: Node): Node {
  const e = x.e;
  const taken = x.size === 16 ? RFLAGS_TF : OTHER;
  const old = e.getState("i32", RFLAGS_OTHER);
  const now = e.or(e.and(old, e.i32(OTHER & ~taken)), e.and(value, e.i32(taken)));
  x.packed(e.and(value, e.i32(STATUS)));
  e.setState(DF, e.and(e.shrU(value, e.i32(10)), e.i32(1)));
  e.setState(RFLAGS_OTHER, now);
  return e.and(e.or(old, now), e.i32(RFLAGS_TF | RFLAGS_AC));
}

const popf: Semantic = (x) => {
  x.e.if(restoreFlags(x, x.low(pop(x, x.size))), () => x.e.exit("mode"));
};

const lahf: Semantic = (x) => {
  const e = x.e;
  e.set8(e.fixed(gpr(0) + 1), e.or(e.and(e.packedFlags(), e.i32(0xd5)), e.i32(2)));
};

const sahf: Semantic = (x) => {
  const e = x.e;
  const overflow = e.and(e.packedFlags(), e.i32(OF));
  const value = e.and(e.get8(e.fixed(gpr(0) + 1)), e.i32(0xd5));
  x.packed(e.or(value, overflow));
};

/** CLC, STC, CMC. */
function carry(change: (x: Instruction, old: Node) => Node): Semantic {
  return (x) => {
    const e = x.e;
    const old = e.packedFlags();
    const overflow = e.and(old, e.i32(OF));
    e.setFlags(Kind.Merge, e.zext(e.or(overflow, change(x, old))), e.zext(old));
  };
}

function direction(value: number): Semantic {
  return (x) => x.e.setState(DF, x.e.i32(value));
}

/** RCX = return address, R11 = RFLAGS, then to the kernel. */
const syscall: Semantic = (x) => {
  const e = x.e;
  e.set64(e.fixed(gpr(11)), e.zext(rflags(x)));
  e.set64(e.fixed(gpr(1)), e.imm(0));
  e.exit("syscall");
};

const rdtsc: Semantic = (x) => {
  const e = x.e;
  const now = ticks(e);
  x.setGpr(0, e.wrap(now), 32);
  x.setGpr(2, e.wrap(e.shrU(now, e.i64(32))), 32);
  e.fallthrough();
};

const cpuid: Semantic = (x) => {
  x.e.call(cpuidHelpers[x.level - 1]);
};

const nop: Semantic = () => {};
const pause: Semantic = (x) => x.e.exit("yield");
const privileged: Semantic = (x) => x.protection();
/** Moves of control and debug registers: some do not exist, the others are not user mode's. */
const controlRegister: Semantic = (x) =>
  [0, 2, 3, 4, 8].includes(x.extra) ? x.protection() : x.undefined();
const debugRegister: Semantic = (x) => x.extra < 8 ? x.protection() : x.undefined();
const undefinedOpcode: Semantic = (x) => x.undefined();
/** More than fifteen bytes are #GP. */
const unknown: Semantic = (x) => x.statics === TOO_LONG ? x.protection() : x.undefined();
const trap: Semantic = (x) => x.trap();
/** INT n: user mode may raise a breakpoint and an overflow; the error code names the vector. */
const interrupt: Semantic = (x) => {
  if (x.extra === 3) return x.trap();
  if (x.extra === 4) return x.overflow();
  x.protectionOf(x.e.i32(8 * x.extra + 2));
};

const STOP = { flow: Flow.Stop };
const NUMBERED = { flow: Flow.Stop, staticReg: true };

/** What encodings that no row matches decode to. */
export const undefinedRow = row("0f.0b", "undefined", unknown, STOP);

export const system: readonly Encoding[] = [
  row("0f.05", "syscall", syscall, { flow: Flow.Stop, next: true }),
  row("0f.0b", "ud2", undefinedOpcode, STOP),
  row("0f.b9", "ud1 Gv,Ev", undefinedOpcode, STOP),
  row("0f.ff", "ud0 Gv,Ev", undefinedOpcode, STOP),
  row("0f.a2", "cpuid", cpuid),
  row("0f.31", "rdtsc", rdtsc, STOP),
  row("9c", "pushf", pushf, { d64: true }),
  row("9d", "popf", popf, { d64: true, flow: Flow.Stop }),
  row("9e", "sahf", sahf),
  row("9f", "lahf", lahf),
  row("f5", "cmc", carry((x, old) => x.e.xor(x.e.and(old, x.e.i32(CF)), x.e.i32(1)))),
  row("f8", "clc", carry((x) => x.e.i32(0))),
  row("f9", "stc", carry((x) => x.e.i32(1))),
  row("fc", "cld", direction(0)),
  row("fd", "std", direction(1)),
  row("90", "nop", nop),
  row("f3.90", "pause", pause, STOP),
  row("0f.0d", "prefetch Ev", nop),
  ...["18", "19", "1a", "1b", "1c", "1d", "1e", "1f"].map((op) => row(`0f.${op}`, "nop Ev", nop)),
  row("np.0f.ae /5 r", "lfence", nop),
  row("np.0f.ae /6 r", "mfence", nop),
  row("np.0f.ae /7 r", "sfence", nop),
  row("np.0f.ae /7 m", "clflush Mb", nop),
  row("cc", "int3", trap, STOP),
  row("f1", "int1", (x) => x.debug(), STOP),
  row("cd", "int Kb", interrupt, STOP),
  row("f4", "hlt", privileged, STOP),
  ...["06", "08", "09", "30", "32", "33"].map((op) => row(`0f.${op}`, "system", privileged, STOP)),
  row("0f.20", "mov Rq,Gq", controlRegister, NUMBERED),
  row("0f.21", "mov Rq,Gq", debugRegister, NUMBERED),
  row("0f.22", "mov Rq,Gq", controlRegister, NUMBERED),
  row("0f.23", "mov Rq,Gq", debugRegister, NUMBERED),
  row("fa", "cli", privileged, STOP),
  row("fb", "sti", privileged, STOP),
  ...["6c", "6d", "6e", "6f"].map((op) => row(op, "ins/outs", privileged, STOP)),
  ...["e4", "e5", "e6", "e7"].map((op) => row(op, "in/out Ub", privileged, STOP)),
  ...["ec", "ed", "ee", "ef"].map((op) => row(op, "in/out DX", privileged, STOP)),
];
