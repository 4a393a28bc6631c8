/**
 * Segment registers and descriptors as a 64-bit Linux process sees them: the descriptors of its GDT that
 * user mode may use (arch/x86/include/asm/segment.h), far transfers within its code segment, and what Linux
 * answers for the instructions that UMIP forbids (arch/x86/kernel/umip.c).
 */
import type { Node } from "../ir/types.ts";
import { Flow } from "../ir/decoded.ts";
import { FS_BASE, gpr, GS_BASE, SELECTORS } from "../layout.ts";
import { Kind, ZF } from "./flags.ts";
import type { Instruction } from "./instruction.ts";
import { canonical } from "./control.ts";
import { push } from "./moves.ts";
import { type Encoding, row, type Semantic } from "./row.ts";
import { restoreFlags } from "./system.ts";

const USER_CODE = 0x33, USER_STACK = 0x2b;

/** A descriptor: its selector without RPL, whether it may be written, access rights and limit. */
interface Descriptor {
  readonly selector: number;
  readonly writable: boolean;
  readonly rights: number;
  readonly limit: number;
}
/** 32-bit code, data, 64-bit code, and the segment whose limit is the processor's number. */
const descriptors: readonly Descriptor[] = [
  { selector: 0x20, writable: false, rights: 0xcffb00, limit: -1 },
  { selector: 0x28, writable: true, rights: 0xcff300, limit: -1 },
  { selector: 0x30, writable: false, rights: 0xaffb00, limit: -1 },
  { selector: 0x78, writable: false, rights: 0x40f500, limit: 0 },
];

/** ModRM.reg's segment register: its place in `SELECTORS`, or -1. */
const places = [0, -1, -1, 4, 8, 12];
const FS = 4, GS = 5, CS = 1;
export const SS = 2;

/** Whether `selector` (i32) is of a descriptor that user mode may use, with any RPL. */
function isKnown(x: Instruction, selector: Node, which: (d: Descriptor) => boolean): Node {
  const e = x.e;
  const base = e.and(selector, e.i32(0xfffc));
  return descriptors.filter(which).map((d) => e.eq(base, e.i32(d.selector)))
    .reduce((a, b) => e.or(a, b));
}

/** The selector in segment register `number`, as i32. */
function selectorOf(x: Instruction, number: number): Node {
  if (number === CS) return x.e.i32(USER_CODE);
  if (number === SS) return x.e.i32(USER_STACK);
  return x.e.getState("i32", SELECTORS + places[number]);
}

/** #GP with the selector as its error code, unless `permitted`. */
function permit(x: Instruction, permitted: Node, selector: Node): void {
  const e = x.e;
  e.if(e.eqz(permitted), () => x.protectionOf(e.and(selector, e.i32(0xfffc))));
}

/** Load ES, DS, FS or GS; with FS and GS comes a base of zero. */
function loadSelector(x: Instruction, number: number, selector: Node): void {
  const e = x.e;
  const isNull = e.eqz(e.and(selector, e.i32(0xfffc)));
  permit(x, e.or(isNull, isKnown(x, selector, () => true)), selector);
  e.setState(SELECTORS + places[number], selector);
  if (number === FS) e.setState(FS_BASE, e.i64(0));
  if (number === GS) e.setState(GS_BASE, e.i64(0));
}

const movFromSegment: Semantic = (x) => {
  const e = x.e;
  // REX.R is ignored; numbers 6 and 7 are no segment registers.
  const number = x.extra & 7;
  if (number >= places.length) return x.undefined();
  const value = selectorOf(x, number);
  if (x.inMemory(0)) e.store(x.address(), value, 16);
  else x.set(0, x.size === 64 ? e.zext(value) : value);
};

const movToSegment: Semantic = (x) => {
  const e = x.e;
  const number = x.extra & 7;
  if (number >= places.length || number === CS) return x.undefined();
  const selector = x.get(0);
  // The stack segment is the user's writable one, with the user's privilege.
  if (number === SS) permit(x, e.eq(selector, e.i32(USER_STACK)), selector);
  else loadSelector(x, number, selector);
};

const pushSegment = (number: number): Semantic => (x) => {
  const value = selectorOf(x, number);
  push(x, x.size === 64 ? x.e.zext(value) : value, x.size);
};
const popSegment = (number: number): Semantic => (x) => {
  const e = x.e;
  const top = e.get64(e.fixed(gpr(4)));
  const selector = e.load("i32", top, 16);
  loadSelector(x, number, selector);
  e.set64(e.fixed(gpr(4)), e.add(top, e.i64(x.size / 8)));
};

/** Set ZF alone. */
function zero(x: Instruction, set: Node): void {
  const e = x.e;
  const others = e.and(e.packedFlags(), e.i32(~ZF));
  e.setFlags(Kind.Explicit, e.zext(e.or(others, e.select(set, e.i32(ZF), e.i32(0)))), e.i64(0));
}

const verify = (which: (d: Descriptor) => boolean): Semantic => (x) =>
  zero(x, isKnown(x, x.get(0), which));

/** LAR, LSL: `field` of the descriptor, if it is there. */
const describe = (field: (d: Descriptor) => number): Semantic => (x) => {
  const e = x.e;
  const base = e.and(x.get(1), e.i32(0xfffc));
  const known = isKnown(x, base, () => true);
  let value = e.i32(0);
  for (const d of descriptors) {
    value = e.select(e.eq(base, e.i32(d.selector)), e.i32(field(d)), value);
  }
  e.if(known, () => x.set(0, x.size === 64 ? e.zext(value) : value));
  zero(x, known);
};

/** SMSW, SLDT, STR: into a register of the operand size, whose other bits stay; 16 bits to memory. */
const answer = (value: number): Semantic => (x) => {
  const e = x.e;
  if (x.inMemory(0)) return e.store(x.address(), e.i32(value), 16);
  const old = x.getReg(x.register(0), 64);
  const mask = x.size === 64 ? -1n : (1n << BigInt(x.size)) - 1n;
  const kept = e.and(old, e.i64(~mask));
  x.setReg(x.register(0), e.or(kept, e.i64(BigInt(value >>> 0) & mask)), 64);
};
/** SGDT, SIDT: a limit of zero and `base`. */
const table = (base: bigint): Semantic => (x) => {
  const e = x.e;
  e.store(x.address(), e.i32(0), 16);
  e.store(e.add(x.address(), e.i64(2)), e.i64(base));
};
const privileged: Semantic = (x) => x.protection();

/** A word of the operand size on the stack, the `i`th from its top, as i64. */
function stacked(x: Instruction, i: number): Node {
  const e = x.e;
  const at = e.add(e.get64(e.fixed(gpr(4))), e.i64(i * x.size / 8));
  return x.wide(e.load(x.size === 64 ? "i64" : "i32", at, x.size));
}
const isUserCode = (x: Instruction, selector: Node): Node =>
  x.e.eq(x.e.and(x.low(selector), x.e.i32(0xffff)), x.e.i32(USER_CODE));

/** RETF within the segment; `released`: bytes of arguments. */
const farReturn = (released: (x: Instruction) => Node): Semantic => (x) => {
  const e = x.e;
  const target = stacked(x, 0), selector = stacked(x, 1);
  permit(x, isUserCode(x, selector), x.low(selector));
  canonical(x, target);
  const stack = e.add(e.get64(e.fixed(gpr(4))), e.i64(2 * x.size / 8));
  e.set64(e.fixed(gpr(4)), e.add(stack, released(x)));
  e.jumpIndirect(target);
};

const iret: Semantic = (x) => {
  const e = x.e;
  const [target, code, flags, stack, segment] = [0, 1, 2, 3, 4].map((i) => stacked(x, i));
  permit(x, isUserCode(x, code), x.low(code));
  const right = e.eq(e.and(x.low(segment), e.i32(0xffff)), e.i32(USER_STACK));
  permit(x, right, x.low(segment));
  canonical(x, target);
  const mode = restoreFlags(x, x.low(flags));
  e.set64(e.fixed(gpr(4)), stack);
  e.if(mode, () => e.exit("mode", target));
  e.jumpIndirect(target);
};

/** JMP and CALL through a far pointer in memory: the offset, then the selector. */
const far = (call: boolean): Semantic => (x) => {
  const e = x.e;
  const target = x.wide(e.load(x.size === 64 ? "i64" : "i32", x.address(), x.size));
  const selector = e.load("i32", e.add(x.address(), e.i64(x.size / 8)), 16);
  permit(x, isUserCode(x, selector), selector);
  if (!call) canonical(x, target);
  else {
    const next = e.imm(0), bits = x.size;
    const top = e.get64(e.fixed(gpr(4)));
    const at = (i: number): Node => e.sub(top, e.i64(i * bits / 8));
    e.store(at(1), bits === 64 ? e.i64(USER_CODE) : e.i32(USER_CODE), bits);
    e.store(at(2), bits === 64 ? next : e.wrap(next), bits);
    canonical(x, target);
    e.set64(e.fixed(gpr(4)), at(2));
  }
  e.jumpIndirect(target);
};

const NUMBERED = { staticReg: true };
const D64 = { d64: true };
/** What UMIP forbids is Linux's to answer, which needs no alignment. */
const UNALIGNED = { unaligned: true };
const JUMP = { flow: Flow.IndirectJump };

export const segments: readonly Encoding[] = [
  row("8c", "mov Ev,Sw", movFromSegment, NUMBERED),
  row("8e", "mov Ew,Sw", movToSegment, NUMBERED),
  row("0f.a0", "push fs", pushSegment(FS), D64),
  row("0f.a8", "push gs", pushSegment(GS), D64),
  row("0f.a1", "pop fs", popSegment(FS), D64),
  row("0f.a9", "pop gs", popSegment(GS), D64),
  row("0f.00 /0", "sldt Ev", answer(0), UNALIGNED),
  row("0f.00 /1", "str Ev", answer(0x40), UNALIGNED),
  row("0f.00 /2", "lldt Ew", privileged, { flow: Flow.Stop }),
  row("0f.00 /3", "ltr Ew", privileged, { flow: Flow.Stop }),
  row("0f.00 /4", "verr Ew", verify(() => true)),
  row("0f.00 /5", "verw Ew", verify((d) => d.writable)),
  row("0f.01 /0 m", "sgdt M", table(0xfffffffffffe0000n), UNALIGNED),
  row("0f.01 /1 m", "sidt M", table(0xffffffffffff0000n), UNALIGNED),
  row("0f.01 /2 m", "lgdt M", privileged, { flow: Flow.Stop }),
  row("0f.01 /3 m", "lidt M", privileged, { flow: Flow.Stop }),
  row("0f.01 /4", "smsw Ev", answer(0x80050033), UNALIGNED),
  row("0f.01 /6", "lmsw Ew", privileged, { flow: Flow.Stop }),
  row("0f.01 /7 m", "invlpg Mb", privileged, { flow: Flow.Stop }),
  row("0f.02", "lar Gv,Ew", describe((d) => d.rights)),
  row("0f.03", "lsl Gv,Ew", describe((d) => d.limit)),
  row("cb", "retf Xv", farReturn((x) => x.e.i64(0)), JUMP),
  row("ca", "retf Iw,Xv", farReturn((x) => x.e.and(x.e.imm(1), x.e.i64(0xffff))), JUMP),
  row("cf", "iret Xv", iret, JUMP),
  row("ff /5", "jmp Mv", far(false), JUMP),
  row("ff /3", "call Mv", far(true), { ...JUMP, next: true }),
];
