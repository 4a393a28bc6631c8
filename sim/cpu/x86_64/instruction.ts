/**
 * What a semantic function sees of one instruction: its operands through the row's operand codes,
 * its sizes, and the emitter.
 *
 * Register operands lie in the record at fixed places: `reg(0)` ModRM.reg or the opcode's register,
 * `reg(1)` the rm register or the base, `reg(2)` the index, `reg(3)` VEX.vvvv, `reg(4)` the one in an
 * immediate byte.
 */
import type { Emitter, Variable } from "../ir/emitter.ts";
import type { Node, Reg, Type } from "../ir/types.ts";
import { FS_BASE, gpr, GS_BASE, RFLAGS_AC, RFLAGS_OTHER, SCRATCH } from "../layout.ts";
import { Kind } from "./flags.ts";
import type { Level } from "./level.ts";
import { type Encoding, Imm, Place } from "./row.ts";
import { faultIfUnmasked, settle } from "./sse_exceptions.ts";
import { BUS_ADRALN, FPE_SSE, GP_ERROR, OF_TRAP, TRAP_BRKPT } from "./traps.ts";

/** Form of the rm operand, in the statics. */
export const enum Form {
  Register,
  /** base + imm0. */
  Base,
  /** base + index << scale + imm0; rows without an immediate keep the scale in imm1. */
  Index,
  Index2,
  Index4,
  Index8,
  /** Relative to the next instruction's address in imm0 (rows that need that address). */
  Next,
}

/** Where the fields of `statics` lie. */
export const SIZE_SHIFT = 0;
export const FORM_SHIFT = 2;
export const SEGMENT_SHIFT = 5;
export const ADDRESS32 = 1 << 7;
export const EXTRA_SHIFT = 8;
/** VEX.L of an instruction that heeds it: 256 bits. */
export const LONG: number = 1 << 30;

/** Statics of the undefined instruction that has more than fifteen bytes. */
export const TOO_LONG: number = 1 << EXTRA_SHIFT;

/** Linux signal numbers and codes used by semantics. */
const SIGILL = 4, SIGTRAP = 5, SIGBUS = 7, SIGFPE = 8, SIGSEGV = 11;
const ILL_ILLOPN = 2, FPE_INTDIV = 1, SI_KERNEL = 0x80;

/** One instruction being translated. */
export class Instruction {
  /** Operand size: 8, 16, 32 or 64 bits. */
  readonly size: number;
  readonly form: Form;
  /** What else the decoder put into the statics: condition, immediate byte, repeat prefix. */
  readonly extra: number;
  readonly #segment: number;
  /** Whether the address size is 32 bits. */
  readonly address32: boolean;
  /** Whether it works on 256 bits. */
  readonly long: boolean;
  #address: Node | null = null;
  /** Reports of exceptions so far, where they are collected. */
  #reports: Variable | null = null;

  constructor(
    readonly e: Emitter,
    readonly row: Encoding,
    readonly statics: number,
    readonly level: Level = 2,
  ) {
    this.size = 8 << ((statics >> SIZE_SHIFT) & 3);
    this.form = (statics >> FORM_SHIFT) & 7;
    this.#segment = (statics >> SEGMENT_SHIFT) & 3;
    this.address32 = (statics & ADDRESS32) !== 0;
    this.long = (statics & LONG) !== 0;
    this.extra = (statics & ~LONG) >> EXTRA_SHIFT;
  }

  // ---- operands --------------------------------------------------------------------------

  /** Width of operand `i` in bits. */
  bits(i: number): number {
    return this.row.operands[i].bits || this.size;
  }

  /** Whether operand `i` is in memory. */
  inMemory(i: number): boolean {
    return this.row.operands[i].place === Place.Rm && this.form !== Form.Register;
  }

  /** The register of operand `i`, which is not in memory. */
  register(i: number): Reg {
    const o = this.row.operands[i];
    switch (o.place) {
      case Place.Fixed:
        return this.e.fixed(o.slot);
      case Place.Rm:
        return this.e.reg(1);
      case Place.Vex:
        return this.e.reg(3);
      case Place.ImmediateReg:
        return this.e.reg(4);
      default:
        return this.e.reg(0);
    }
  }

  /** Value of general or immediate operand `i`: i64 for 64 bits, else i32, zero- or sign-extended. */
  get(i: number, signed = false): Node {
    const o = this.row.operands[i];
    const bits = o.bits || this.size;
    if (o.place === Place.Immediate) return this.#immediate(signed);
    if (this.inMemory(i)) return this.e.load(intType(bits), this.address(), bits, signed);
    return this.getReg(this.register(i), bits, signed);
  }

  /** Write general operand `i`. */
  set(i: number, value: Node): void {
    const bits = this.bits(i);
    if (this.inMemory(i)) this.e.store(this.address(), value, bits);
    else this.setReg(this.register(i), value, bits);
  }

  /** Read `bits` of a general register. */
  getReg(reg: Reg, bits: number, signed = false): Node {
    const e = this.e;
    if (bits === 64) return e.get64(reg);
    if (bits === 32) return e.get32(reg);
    return bits === 16 ? e.get16(reg, signed) : e.get8(reg, signed);
  }

  /** Write `bits` of a general register; 32-bit writes clear the upper half. */
  setReg(reg: Reg, value: Node, bits: number): void {
    const e = this.e;
    if (bits === 64) e.set64(reg, value);
    else if (bits === 32) e.set32(reg, value);
    else if (bits === 16) e.set16(reg, value);
    else e.set8(reg, value);
  }

  /** Read or write a general register by number at the operand size. */
  getGpr(i: number, bits = this.size, signed = false): Node {
    return this.getReg(this.e.fixed(gpr(i)), bits, signed);
  }
  setGpr(i: number, value: Node, bits = this.size): void {
    this.setReg(this.e.fixed(gpr(i)), value, bits);
  }

  /** Immediates are extended to the operand size. */
  #immediate(signed: boolean): Node {
    const e = this.e;
    if (this.row.immediate === Imm.Iv) return this.size === 64 ? e.imm(0) : e.imm32(0);
    if (this.size === 64) return e.imm(1);
    const value = e.imm32(1);
    return signed ? value : this.unsigned(value);
  }

  /** The immediate byte or word as the decoder extended it, i32. */
  immediate(): Node {
    return this.e.imm32(1);
  }

  // ---- addresses -------------------------------------------------------------------------

  /** Effective address of the memory operand, with its segment base. */
  address(): Node {
    return this.#address ??= this.segmented(this.effective());
  }

  /** Effective address without the segment base. */
  effective(): Node {
    const e = this.e;
    let sum = e.get64(e.reg(1));
    if (this.form === Form.Next) sum = e.add(sum, this.row.options.pointers ? this.pc() : e.imm(0));
    else if (this.form !== Form.Base) {
      sum = e.add(sum, e.shl(e.get64(e.reg(2)), this.#scale()));
    }
    sum = e.add(sum, e.imm(this.#nextInRecord ? 1 : 0));
    return this.address32 ? e.and(sum, e.i64(0xffffffffn)) : sum;
  }

  /** Address of an element whose index is `index` (i64), of a memory operand with a vector of indices. */
  indexed(index: Node): Node {
    const e = this.e;
    const scaled = e.shl(index, this.#scale());
    const sum = e.add(e.add(e.get64(e.reg(1)), scaled), e.imm(this.#nextInRecord ? 1 : 0));
    return this.segmented(this.address32 ? e.and(sum, e.i64(0xffffffffn)) : sum);
  }

  /** Whether imm0 is taken, and imm1 the displacement. */
  get #nextInRecord(): boolean {
    const { next, pointers } = this.row.options;
    return (next ?? false) || (pointers ?? false);
  }

  /** The instruction's own address, and its opcode as x87 keeps it (i32): rows with `pointers`. */
  pc(): Node {
    return this.e.and(this.e.imm(0), this.e.i64((1n << 48n) - 1n));
  }
  opcode(): Node {
    return this.e.wrap(this.e.shrU(this.e.imm(0), this.e.i64(48)));
  }

  /** log2 of the index scale, i64. */
  #scale(): Node {
    const inRecord = this.row.immediate === Imm.None && !this.#nextInRecord;
    return inRecord ? this.e.imm(1) : this.e.i64(this.form - Form.Index);
  }

  /** Add the base of an FS or GS override. */
  segmented(address: Node): Node {
    if (this.#segment === 0) return address;
    return this.e.add(
      address,
      this.e.getState("i64", this.#segment === 1 ? FS_BASE : GS_BASE),
    );
  }

  /** With RFLAGS.AC, refuse a memory operand whose address is not a multiple of `bytes`: #AC. */
  alignmentCheck(bytes: number): void {
    const e = this.e;
    const checked = e.ne(e.and(e.getState("i32", RFLAGS_OTHER), e.i32(RFLAGS_AC)), e.i32(0));
    const misaligned = e.ne(e.and(e.wrap(this.address()), e.i32(bytes - 1)), e.i32(0));
    e.if(e.and(checked, misaligned), () => e.fault(SIGBUS, BUS_ADRALN, e.i64(0)));
  }
  /** Whether `bytes` (i32) at `address` lie on two pages, as i32. */
  straddles(address: Node, bytes: Node): Node {
    const e = this.e;
    return e.gtU(e.and(e.wrap(address), e.i32(4095)), e.sub(e.i32(4096), bytes));
  }
  /** Fault as a store of the byte at `address` would; the byte stays. */
  probeStore(address: Node): void {
    this.e.store(address, this.e.load("i32", address, 8), 8);
  }
  /**
   * For a memory operand of `bytes` (i32) that is accessed piece by piece, but wholly or not at all: where it
   * lies on two pages, look at its ends before. The order is that of processors.
   */
  probeEnds(bytes: Node, store: boolean, lastFirst: boolean): void {
    const e = this.e;
    const first = this.address();
    const last = e.add(first, e.zext(e.sub(bytes, e.i32(1))));
    e.if(this.straddles(first, bytes), () => {
      for (const at of lastFirst ? [last, first] : [first, last]) {
        if (store) this.probeStore(at);
        else e.load("i32", at, 8);
      }
    });
  }

  // ---- vectors ---------------------------------------------------------------------------

  /** Vector operand `i`, all 128 bits; a memory operand must be aligned unless told otherwise. */
  vector(i: number, aligned = true): Node {
    if (!this.inMemory(i)) return this.e.getVector(this.register(i));
    if (aligned) this.align16();
    return this.e.load("v128", this.address());
  }
  setVector(i: number, value: Node): void {
    this.e.setVector(this.register(i), value);
  }
  /** Low 64 bits of vector operand `i`, or 64 bits of memory. */
  low64(i: number): Node {
    if (this.inMemory(i)) return this.e.load("i64", this.address());
    return this.e.getLow64(this.register(i));
  }
  /** Low 32 bits of vector operand `i`, or 32 bits of memory, as i32. */
  low32(i: number): Node {
    if (this.inMemory(i)) return this.e.load("i32", this.address());
    return this.e.wrap(this.e.getLow64(this.register(i)));
  }
  f64(i: number): Node {
    if (this.inMemory(i)) return this.e.load("f64", this.address());
    return this.e.getF64(this.register(i));
  }
  f32(i: number): Node {
    if (this.inMemory(i)) return this.e.load("f32", this.address());
    return this.e.getF32(this.register(i));
  }
  /** A vector of `value` (i64 or i32) in the low lane and zeros above. */
  zeroExtended(value: Node): Node {
    const e = this.e;
    return e.op("i64x2.replace_lane", [e.v128(new Uint8Array(16)), this.wide(value)], 0);
  }
  /** Write the low 64 (i64) or 32 (i32) bits of vector register operand `i`, keep the rest. */
  setLow(i: number, value: Node): void {
    const lane = value.type === "i64" ? "i64x2.replace_lane" : "i32x4.replace_lane";
    this.setVector(i, this.e.op(lane, [this.upperPart(i), value], 0));
  }
  /** The vector whose upper lanes stay when the lowest of operand `i` is written. */
  upperPart(i: number): Node {
    return this.e.getVector(this.register(i));
  }
  /** Store vector `value` to operand `i`, aligned memory unless told otherwise, or its register. */
  putVector(i: number, value: Node, aligned = true): void {
    if (!this.inMemory(i)) return this.setVector(i, value);
    if (aligned) this.align16();
    this.e.store(this.address(), value);
  }
  /** Refuse a memory operand that is not on a 16-byte boundary: #GP. */
  align16(): void {
    const e = this.e;
    e.if(e.and(e.wrap(this.address()), e.i32(15)), () => this.protection());
  }

  // ---- integers --------------------------------------------------------------------------

  /** A constant of the type of `like`. */
  constant(value: number, like: Node): Node {
    return like.type === "i64" ? this.e.i64(value) : this.e.i32(value);
  }
  /** A constant of the operand size's type. */
  number(value: number | bigint): Node {
    return this.size === 64
      ? this.e.i64(value)
      : this.e.i32(Number(BigInt.asIntN(32, BigInt(value))));
  }
  /** Sign-extend the low `bits` (the operand size) of an i32; wider values pass. */
  narrow(value: Node, bits: number = this.size): Node {
    if (bits === 8) return this.e.op("i32.extend8_s", [value]);
    return bits === 16 ? this.e.op("i32.extend16_s", [value]) : value;
  }
  /** Zero-extend the low `bits` (the operand size) of an i32; wider values pass. */
  unsigned(value: Node, bits: number = this.size): Node {
    if (bits >= 32) return value;
    return this.e.and(value, this.e.i32(bits === 8 ? 0xff : 0xffff));
  }
  /** A value as i64, zero-extended. */
  wide(value: Node): Node {
    return value.type === "i64" ? value : this.e.zext(value);
  }
  /** A value as i32: its low half if it is i64. */
  low(value: Node): Node {
    return value.type === "i64" ? this.e.wrap(value) : value;
  }
  /** Bit `bits - 1` (the top bit) of a value, as 0 or 1 (i32). */
  sign(value: Node, bits: number = this.size): Node {
    const e = this.e;
    return this.low(e.and(e.shrU(value, this.constant(bits - 1, value)), this.constant(1, value)));
  }

  // ---- flags and faults ------------------------------------------------------------------

  /** Set the flags of `kind` at width `bits`; narrow operands are sign-extended i32. */
  flags(kind: Kind, a: Node, b: Node, bits: number = this.size): void {
    const step = kind === Kind.Logic || kind === Kind.Right ? (bits === 64 ? 1 : 0) : log(bits);
    this.e.setFlags(kind + step, this.wide(a), this.wide(b));
  }
  /** Set packed flags. */
  packed(value: Node): void {
    this.e.setFlags(Kind.Explicit, this.wide(value), this.e.i64(0));
  }
  /** Set CF and OF from one packed word, keep the others. */
  merge(value: Node): void {
    this.e.setFlags(Kind.Merge, this.wide(value), this.e.zext(this.e.packedFlags()));
  }

  /** #XM: an unmasked SSE exception; which one, MXCSR says. */
  floatFault(): void {
    this.e.fault(SIGFPE, FPE_SSE);
  }
  /** An operation's report of its exceptions: a fault, at once or when reports are settled. */
  report(report: Node): void {
    if (this.#reports === null) return faultIfUnmasked(this, report);
    this.e.assign(this.#reports, this.e.or(this.e.read(this.#reports), report));
  }
  /** Run `operations`, which report, to their end before a fault. */
  together(operations: () => void): void {
    this.#reports = this.e.variable("i32", this.e.i32(0));
    operations();
    settle(this, this.e.read(this.#reports));
    this.#reports = null;
  }
  /** #DE. */
  divideError(): void {
    this.e.fault(SIGFPE, FPE_INTDIV);
  }
  /** #UD. */
  undefined(): void {
    this.e.fault(SIGILL, ILL_ILLOPN);
  }
  /** #GP: the kernel reports no address. */
  protection(): void {
    this.e.fault(SIGSEGV, SI_KERNEL, this.e.i64(0));
  }
  /** #GP with an error code (i32). */
  protectionOf(error: Node): void {
    this.e.setState(SCRATCH, error);
    this.e.fault(SIGSEGV, GP_ERROR, this.e.i64(0));
  }
  /** #OF, reported after the instruction. */
  overflow(): void {
    this.e.fault(SIGSEGV, OF_TRAP, this.e.i64(0), true);
  }
  /** #DB of INT1, reported after the instruction. */
  debug(): void {
    this.e.fault(SIGTRAP, TRAP_BRKPT, null, true);
  }
  /** #BP: reported after the instruction. */
  trap(): void {
    this.e.fault(SIGTRAP, SI_KERNEL, this.e.i64(0), true);
  }
}

/** IR type of an integer of `bits` bits. */
export function intType(bits: number): Type {
  return bits === 64 ? "i64" : "i32";
}

function log(bits: number): number {
  return 28 - Math.clz32(bits);
}
