/**
 * `Emitter`: what semantic functions call. It builds the statement tree of one instruction (or of
 * one IR function); back ends lower that tree: the cold tier's handlers, the hot tier's regions and
 * the reference evaluator.
 */
import type { Decoded } from "./decoded.ts";
import { ops, type Value } from "./ops.ts";
import type { ExitReason, Helper, Node, Reg, Statement, Type } from "./types.ts";
import { NodeKind } from "./types.ts";
import { UPPER } from "../layout.ts";

/** An instruction-local variable. */
export interface Variable {
  readonly number: number;
  readonly type: Type;
}

const EMPTY: readonly Node[] = [];

/**
 * Builds the statement tree of one instruction.
 *
 * Order: loads, helper calls and writes happen in the order they are emitted; register, state and
 * variable reads see the values at the point where they were emitted. Write registers after every
 * memory access of the instruction, so that a fault leaves them untouched.
 */
export class Emitter {
  /** Top-level statements. */
  readonly body: Statement[] = [];
  /** Types of the instruction-local variables. */
  readonly variables: Type[] = [];
  #current: Statement[] = this.body;
  readonly #decoded: Decoded | null;

  /** With `decoded`, operands are constants (hot tier); without, they are record fields (cold tier). */
  constructor(decoded: Decoded | null) {
    this.#decoded = decoded;
  }

  // ---- operands of the instruction -------------------------------------------------------

  /** Register operand `i` (0–5) of the instruction. */
  reg(i: number): Reg {
    return this.#decoded === null
      ? { slot: -1, field: i }
      : { slot: this.#decoded.regs[i], field: -1 };
  }

  /** A register named by its byte offset in state memory, for instance `layout.gpr(0)`. */
  fixed(slot: number): Reg {
    return { slot, field: -1 };
  }

  /** The upper 128 bits of the 256-bit register whose lower ones `reg` names. */
  upper(reg: Reg): Reg {
    return reg.slot < 0
      ? { slot: -1, field: reg.field, upper: true }
      : { slot: reg.slot + UPPER, field: -1 };
  }

  /** Immediate `i` as i64: 0 is the 64-bit one, 1 the sign-extended 32-bit one. */
  imm(i: 0 | 1): Node {
    const d = this.#decoded;
    if (d === null) return node("i64", NodeKind.Field, { offset: i });
    if (i === 1) return this.i64(BigInt(d.imm1));
    return this.i64((BigInt(d.imm0High >>> 0) << 32n) | BigInt(d.imm0Low >>> 0));
  }

  /** Low 32 bits of immediate `i` as i32. */
  imm32(i: 0 | 1): Node {
    const d = this.#decoded;
    if (d === null) return node("i32", NodeKind.Field, { offset: i });
    return this.i32(i === 1 ? d.imm1 : d.imm0Low);
  }

  // ---- values ----------------------------------------------------------------------------

  i32(value: number): Node {
    return node("i32", NodeKind.Const, { value: value | 0 });
  }
  i64(value: bigint | number): Node {
    return node("i64", NodeKind.Const, { value: BigInt.asUintN(64, BigInt(value)) });
  }
  /** A vector constant from sixteen bytes. */
  v128(bytes: ArrayLike<number>): Node {
    return node("v128", NodeKind.Const, { value: Uint8Array.from(bytes) });
  }

  /** Any operation of the op table, by name; `immediate` is a lane number or sixteen shuffle bytes. */
  op(name: string, args: readonly Node[], immediate?: number | readonly number[]): Node {
    const op = ops[name];
    if (op === undefined) throw new TypeError(`no IR operation ${name}`);
    if (args.length !== op.args.length) {
      throw new TypeError(`${name} takes ${op.args.length} operands, not ${args.length}`);
    }
    let constant = !op.traps && (op.result === "i32" || op.result === "i64");
    for (let i = 0; i < args.length; i++) {
      if (args[i].type !== op.args[i]) {
        throw new TypeError(`${name}: operand ${i} is ${args[i].type}, not ${op.args[i]}`);
      }
      constant &&= args[i].kind === NodeKind.Const && args[i].type !== "v128";
    }
    if (constant) {
      const value = op.evaluate(args.map((a) => a.value as Value)) as number | bigint;
      return node(op.result, NodeKind.Const, { value });
    }
    const value = immediate === undefined
      ? undefined
      : Uint8Array.from(typeof immediate === "number" ? [immediate] : immediate);
    return this.#def(node(op.result, NodeKind.Op, { op: name, args, value }));
  }

  /** `a` op `b` for the integer type of `a`: add, sub, mul, and, or, xor, shl, shr_u, eq, lt_s, … */
  int(name: string, a: Node, b: Node): Node {
    return this.op(`${a.type}.${name}`, [a, b]);
  }
  add(a: Node, b: Node): Node {
    return isZero(b) ? a : isZero(a) ? b : this.int("add", a, b);
  }
  sub(a: Node, b: Node): Node {
    return isZero(b) ? a : this.int("sub", a, b);
  }
  mul(a: Node, b: Node): Node {
    return this.int("mul", a, b);
  }
  and(a: Node, b: Node): Node {
    return this.int("and", a, b);
  }
  or(a: Node, b: Node): Node {
    return isZero(b) ? a : isZero(a) ? b : this.int("or", a, b);
  }
  xor(a: Node, b: Node): Node {
    return isZero(b) ? a : this.int("xor", a, b);
  }
  shl(a: Node, b: Node): Node {
    return isZero(b) ? a : this.int("shl", a, b);
  }
  shrU(a: Node, b: Node): Node {
    return isZero(b) ? a : this.int("shr_u", a, b);
  }
  shrS(a: Node, b: Node): Node {
    return isZero(b) ? a : this.int("shr_s", a, b);
  }
  rotl(a: Node, b: Node): Node {
    return this.int("rotl", a, b);
  }
  rotr(a: Node, b: Node): Node {
    return this.int("rotr", a, b);
  }
  eq(a: Node, b: Node): Node {
    return isZero(b) ? this.eqz(a) : this.int("eq", a, b);
  }
  ne(a: Node, b: Node): Node {
    return this.int("ne", a, b);
  }
  ltU(a: Node, b: Node): Node {
    return this.int("lt_u", a, b);
  }
  ltS(a: Node, b: Node): Node {
    return this.int("lt_s", a, b);
  }
  leU(a: Node, b: Node): Node {
    return this.int("le_u", a, b);
  }
  leS(a: Node, b: Node): Node {
    return this.int("le_s", a, b);
  }
  gtU(a: Node, b: Node): Node {
    return this.int("gt_u", a, b);
  }
  gtS(a: Node, b: Node): Node {
    return this.int("gt_s", a, b);
  }
  geU(a: Node, b: Node): Node {
    return this.int("ge_u", a, b);
  }
  geS(a: Node, b: Node): Node {
    return this.int("ge_s", a, b);
  }
  eqz(a: Node): Node {
    return this.op(`${a.type}.eqz`, [a]);
  }
  clz(a: Node): Node {
    return this.op(`${a.type}.clz`, [a]);
  }
  ctz(a: Node): Node {
    return this.op(`${a.type}.ctz`, [a]);
  }
  not(a: Node): Node {
    return this.int("xor", a, a.type === "i32" ? this.i32(-1) : this.i64(-1));
  }
  neg(a: Node): Node {
    return this.int("sub", a.type === "i32" ? this.i32(0) : this.i64(0), a);
  }
  /** i32 → i64, zero- or sign-extended; i64 → i32, the low half. */
  zext(a: Node): Node {
    return this.op("i64.extend_i32_u", [a]);
  }
  sext(a: Node): Node {
    return this.op("i64.extend_i32_s", [a]);
  }
  wrap(a: Node): Node {
    return this.op("i32.wrap_i64", [a]);
  }
  /** `condition` ≠ 0 ? `a` : `b`, both evaluated; any type. */
  select(condition: Node, a: Node, b: Node): Node {
    if (condition.kind === NodeKind.Const) return condition.value !== 0 ? a : b;
    if (a.type !== b.type) throw new TypeError(`select of ${a.type} and ${b.type}`);
    return this.#def(node(a.type, NodeKind.Op, { op: "select", args: [a, b, condition] }));
  }

  // ---- registers and state ---------------------------------------------------------------

  /** General register, all 64 bits. */
  get64(reg: Reg): Node {
    return this.#def(node("i64", NodeKind.Reg, { reg, bits: 64 }));
  }
  /** General register, low 32 bits. */
  get32(reg: Reg): Node {
    return this.#def(node("i32", NodeKind.Reg, { reg, bits: 32 }));
  }
  /** Low 16 or 8 bits, zero- or sign-extended to i32. A slot offset by 1 is the second byte (AH). */
  get16(reg: Reg, signed = false): Node {
    return this.#def(node("i32", NodeKind.Reg, { reg, bits: 16, signed }));
  }
  get8(reg: Reg, signed = false): Node {
    return this.#def(node("i32", NodeKind.Reg, { reg, bits: 8, signed }));
  }
  set64(reg: Reg, value: Node): void {
    this.#set(reg, value, "i64", 64);
  }
  /** Write the low 32 bits and clear the upper 32 (both architectures). */
  set32(reg: Reg, value: Node): void {
    this.#set(reg, value, "i32", 32);
  }
  /** Write 16 or 8 bits, keep the rest. */
  set16(reg: Reg, value: Node): void {
    this.#set(reg, value, "i32", 16);
  }
  set8(reg: Reg, value: Node): void {
    this.#set(reg, value, "i32", 8);
  }
  /** Vector register, all 128 bits. */
  getVector(reg: Reg): Node {
    return this.#def(node("v128", NodeKind.Reg, { reg, bits: 128 }));
  }
  setVector(reg: Reg, value: Node): void {
    this.#set(reg, value, "v128", 128);
  }
  /** Low lane of a vector register. */
  getF64(reg: Reg): Node {
    return this.#def(node("f64", NodeKind.Reg, { reg, bits: 64 }));
  }
  getF32(reg: Reg): Node {
    return this.#def(node("f32", NodeKind.Reg, { reg, bits: 32 }));
  }
  /** Low 64 or 32 bits of a vector register as an integer. */
  getLow64(reg: Reg): Node {
    return this.#def(node("i64", NodeKind.Reg, { reg, bits: 64, signed: true }));
  }
  /** A state word of `layout.ts` that is not a general or vector register. */
  getState(type: Type, offset: number): Node {
    return this.#def(node(type, NodeKind.State, { offset, bits: bitsOf(type) }));
  }
  setState(offset: number, value: Node): void {
    this.#push({ kind: "setState", offset, value, bits: bitsOf(value.type) });
  }

  // ---- memory ----------------------------------------------------------------------------

  /**
   * Load `bits` at guest address `address` (i64) as `type`, zero- or sign-extended. Little-endian,
   * any alignment; faults are precise.
   */
  load(type: Type, address: Node, bits: number = bitsOf(type), signed = false): Node {
    const result = node(type, NodeKind.Load, { args: [address] });
    this.#push({ kind: "load", node: result, address, bits, signed });
    return result;
  }
  /** Store the low `bits` of `value`. */
  store(address: Node, value: Node, bits: number = bitsOf(value.type)): void {
    this.#push({ kind: "store", address, value, bits });
  }

  /** One load of 256 bits: its lower and upper half. */
  loadPair(address: Node): [low: Node, high: Node] {
    const low = node("v128", NodeKind.Load, { args: [address] });
    const high = node("v128", NodeKind.Load, { args: [address] });
    this.#push({ kind: "load", node: low, high, address, bits: 256, signed: false });
    return [low, high];
  }
  /** One store of 256 bits. */
  storePair(address: Node, value: Node, high: Node): void {
    this.#push({ kind: "store", address, value, high, bits: 256 });
  }

  // ---- lazy flags ------------------------------------------------------------------------

  /** Set all lazy flags: `kind` of the architecture's FlagModel, operands as i64. */
  setFlags(kind: number, a: Node, b: Node): void {
    this.#push({ kind: "setFlags", flag: kind, a, b });
  }
  /** Condition `condition` of the FlagModel over the current flags: i32, 0 or 1. */
  condition(condition: number): Node {
    return this.#def(node("i32", NodeKind.Condition, { value: condition }));
  }
  /** The flags packed as the architecture packs them (i32). */
  packedFlags(): Node {
    return this.#def(node("i32", NodeKind.Flags, {}));
  }

  // ---- control inside the instruction ----------------------------------------------------

  variable(type: Type, initial?: Node): Variable {
    const v = { number: this.variables.length, type };
    this.variables.push(type);
    if (initial !== undefined) this.assign(v, initial);
    return v;
  }
  assign(v: Variable, value: Node): void {
    if (v.type !== value.type) throw new TypeError(`assign ${value.type} to ${v.type}`);
    this.#push({ kind: "assign", variable: v.number, type: v.type, value });
  }
  read(v: Variable): Node {
    return this.#def(node(v.type, NodeKind.Variable, { offset: v.number }));
  }
  if(condition: Node, then: () => void, otherwise?: () => void): void {
    this.#if({ kind: "if", condition, then: [], else: [] }, then, otherwise);
  }
  /** The same, where the condition is seldom true. */
  ifSeldom(condition: Node, then: () => void): void {
    this.#if({ kind: "if", condition, then: [], else: [], seldom: true }, then);
  }
  #if(s: Statement & { kind: "if" }, then: () => void, otherwise?: () => void): void {
    this.#push(s);
    const outer = this.#current;
    this.#current = s.then;
    then();
    this.#current = s.else;
    otherwise?.();
    this.#current = outer;
  }
  /** A loop: `body` runs, and again whenever `continueIf` was reached with a true condition. */
  loop(body: () => void): void {
    const s: Statement = { kind: "loop", body: [] };
    this.#push(s);
    const outer = this.#current;
    this.#current = s.body;
    body();
    this.#current = outer;
  }
  continueIf(condition: Node): void {
    this.#push({ kind: "continueIf", condition });
  }
  /** Call a helper; returns its result node, or null for one without a result. */
  call(helper: Helper, ...args: Node[]): Node {
    args.forEach((a, i) => {
      if (a.type !== helper.params[i]) {
        throw new TypeError(`${helper.name}: operand ${i} is ${a.type}, not ${helper.params[i]}`);
      }
    });
    const result = helper.result === null
      ? null
      : node(helper.result, NodeKind.Call, { op: helper.name });
    this.#push({ kind: "call", node: result, helper, args });
    return result as Node;
  }
  /** In IR functions only: return a value early. */
  return(value: Node): void {
    this.#push({ kind: "return", value });
  }
  /** In IR functions only: parameter `i`. */
  param(i: number, type: Type): Node {
    return node(type, NodeKind.Param, { offset: i });
  }

  // ---- control flow of the guest ---------------------------------------------------------

  /** Go to the decoded direct target. */
  jump(): void {
    this.#push({ kind: "jump", flow: "jump" });
  }
  /** Direct call to the decoded target; semantics write the return address themselves. */
  callDirect(): void {
    this.#push({ kind: "jump", flow: "call" });
  }
  /** Go to the decoded target if `condition` ≠ 0, else on to the next instruction. */
  branch(condition: Node): void {
    this.#push({ kind: "branch", condition });
  }
  /** End the block and go on to the next instruction. */
  fallthrough(): void {
    this.#push({ kind: "fallthrough" });
  }
  /** `type`, on aarch64, is what PSTATE.BTYPE is at the target. */
  jumpIndirect(target: Node, type = 0): void {
    this.#push({ kind: "indirect", flow: "jump", target, type });
  }
  callIndirect(target: Node, type = 0): void {
    this.#push({ kind: "indirect", flow: "call", target, type });
  }
  ret(target: Node): void {
    this.#push({ kind: "indirect", flow: "return", target, type: 0 });
  }
  /** Leave to the host after this instruction; `target` is where it goes, if not to the next one. */
  exit(reason: ExitReason, target: Node | null = null): void {
    this.#push({ kind: "exit", reason, target });
  }
  /**
   * Raise a guest fault at this instruction (`after`: with pc past it). `address` is si_addr;
   * without it, the pc.
   */
  fault(signal: number, code: number, address: Node | null = null, after = false): void {
    this.#push({ kind: "fault", signal, code, address, after });
  }

  #set(reg: Reg, value: Node, type: Type, bits: number): void {
    if (value.type !== type) throw new TypeError(`set${bits} of ${value.type}`);
    this.#push({ kind: "setReg", reg, value, bits });
  }
  #def(n: Node): Node {
    this.#push({ kind: "def", node: n });
    return n;
  }
  #push(s: Statement): void {
    this.#current.push(s);
  }
}

/** Width of a type in bits. */
export function bitsOf(type: Type): number {
  return type === "v128" ? 128 : type === "i64" || type === "f64" ? 64 : 32;
}

function isZero(n: Node): boolean {
  return n.kind === NodeKind.Const && (n.value === 0 || n.value === 0n);
}

function node(type: Type, kind: NodeKind, rest: Partial<Node>): Node {
  return {
    type,
    kind,
    op: rest.op,
    args: rest.args ?? EMPTY,
    value: rest.value,
    reg: rest.reg,
    offset: rest.offset,
    bits: rest.bits,
    signed: rest.signed,
    uses: 0,
    local: -1,
    remaining: 0,
  };
}
