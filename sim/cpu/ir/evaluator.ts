/**
 * The reference evaluation of whole instructions: a plain interpreter of the statements that semantic
 * functions emit, operation by operation as the op table evaluates them. It shares nothing with the
 * tiers that compile those statements but the table, and is what their results must equal. Slow.
 */
import { BTYPE, FLAG_A, FLAG_B, FLAG_KIND, PC } from "../layout.ts";
import { Decoded, type Isa } from "./decoded.ts";
import { bitsOf, Emitter } from "./emitter.ts";
import { f32Bits, f32Of, f64Bits, f64Of, ops, type Value } from "./ops.ts";
import type { ExitReason, Helper, Node, Reg, Statement, Type } from "./types.ts";
import { NodeKind } from "./types.ts";

/** Guest memory by address, little-endian. An access that is not permitted throws a `GuestFault`. */
export interface GuestMemory {
  /** Up to `size` bytes to execute from `address`, as many as lie on its page. */
  fetch(address: bigint, size: number): Uint8Array;
  read(address: bigint, size: number): Uint8Array;
  write(address: bigint, bytes: Uint8Array): void;
}

/** An access that memory does not permit; `address` is si_addr. */
export class GuestFault extends Error {
  override readonly name = "GuestFault";
  constructor(readonly signal: number, readonly code: number, readonly address: bigint) {
    super(`signal ${signal}, code ${code} at 0x${address.toString(16)}`);
  }
}

/** How an instruction ended; pc is in state memory. */
export type Outcome =
  | { readonly kind: "next" }
  | { readonly kind: "exit"; readonly reason: ExitReason }
  /** It did not retire, unless `after`. */
  | {
    readonly kind: "fault";
    readonly signal: number;
    readonly code: number;
    readonly address: bigint;
    readonly after: boolean;
    /** Raised by memory rather than by semantics. */
    readonly access: boolean;
  };

/** What leaves a list of statements early. */
type Leave = Outcome | { readonly kind: "continue" } | {
  readonly kind: "return";
  readonly value: Value;
};

/** Statements that do not leave. */
type Effect = Extract<
  Statement,
  { kind: "def" | "setReg" | "setState" | "assign" | "load" | "store" | "call" | "setFlags" }
>;

const NEXT: Outcome = { kind: "next" };
const CONTINUE: Leave = { kind: "continue" };
/** Longest instruction, of x86_64. */
const LONGEST = 15;

/** Values of one instruction, or of one IR function. */
interface Frame {
  readonly nodes: Map<Node, Value>;
  readonly variables: Value[];
  readonly params: readonly Value[];
}

const newFrame = (params: readonly Value[] = []): Frame => ({
  nodes: new Map(),
  variables: [],
  params,
});

/** Executes instructions one at a time on a thread's state, as `layout.ts` lays it out. */
export class Evaluator {
  readonly #isa: Isa;
  readonly #state: DataView;
  readonly #memory: GuestMemory;
  readonly #decoded = new Decoded();
  #frame: Frame = newFrame();
  /** Bytes from the last instruction's start on. */
  bytes: Uint8Array = new Uint8Array();
  /** Address of the current instruction and of the one behind it. */
  #pc = 0n;
  #next = 0n;
  /** What PSTATE.BTYPE is after it. */
  #type = 0;

  constructor(isa: Isa, state: DataView, memory: GuestMemory) {
    this.#isa = isa;
    this.#state = state;
    this.#memory = memory;
  }

  /** Execute the instruction at pc. */
  step(): Outcome {
    this.#pc = this.#state.getBigUint64(PC, true);
    if (this.#isa.arch === "aarch64") {
      // Branches ignore the top byte: bit 55 stands for it.
      this.#pc = BigInt.asUintN(64, BigInt.asIntN(56, this.#pc));
      this.#goTo(this.#pc);
    }
    try {
      this.#decode();
      const e = new Emitter(this.#decoded);
      this.#isa.emit(this.#decoded.row, this.#decoded.statics, e);
      this.#frame = newFrame();
      this.#type = 0;
      const leave = this.#run(e.body);
      const outcome = leave === undefined ? this.#goTo(this.#next) : leave as Outcome;
      if (this.#isa.landing !== undefined && outcome.kind !== "fault") {
        this.#state.setUint32(BTYPE, this.#type, true);
      }
      return outcome;
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      const { signal, code, address } = error;
      return { kind: "fault", signal, code, address, after: false, access: true };
    }
  }

  #decode(): void {
    const pc = Number(this.#pc);
    let bytes = this.#memory.fetch(this.#pc, LONGEST);
    while (!this.#isa.decode(bytes, 0, bytes.length, pc, this.#decoded)) {
      const more = this.#memory.fetch(this.#pc + BigInt(bytes.length), LONGEST - bytes.length);
      bytes = Uint8Array.from([...bytes, ...more]);
    }
    this.bytes = bytes;
    this.#next = this.#pc + BigInt(this.#decoded.length);
  }

  #goTo(pc: bigint): Outcome {
    this.#state.setBigUint64(PC, pc, true);
    return NEXT;
  }

  // ---- statements ------------------------------------------------------------------------

  #run(body: readonly Statement[]): Leave | undefined {
    for (const s of body) {
      const leave = this.#statement(s);
      if (leave !== undefined) return leave;
    }
    return undefined;
  }

  #statement(s: Statement): Leave | undefined {
    switch (s.kind) {
      case "if":
        return this.#run(this.#value(s.condition) !== 0 ? s.then : s.else);
      case "loop":
        for (;;) {
          const leave = this.#run(s.body);
          if (leave !== CONTINUE) return leave;
        }
      case "continueIf":
        return this.#value(s.condition) !== 0 ? CONTINUE : undefined;
      case "return":
        return { kind: "return", value: this.#value(s.value) };
      case "jump":
        return this.#goTo(BigInt(this.#decoded.target));
      case "fallthrough":
        return this.#goTo(this.#next);
      case "branch": {
        const taken = this.#value(s.condition) !== 0;
        return this.#goTo(taken ? BigInt(this.#decoded.target) : this.#next);
      }
      case "indirect":
        this.#type = s.type;
        return this.#goTo(this.#value(s.target) as bigint);
      case "exit":
        this.#goTo(s.target === null ? this.#next : this.#value(s.target) as bigint);
        return { kind: "exit", reason: s.reason };
      case "fault": {
        const { signal, code, after } = s;
        const at = after ? this.#next : this.#pc;
        this.#goTo(at);
        const address = s.address === null ? at : this.#value(s.address) as bigint;
        return { kind: "fault", signal, code, address, after, access: false };
      }
    }
    this.#effect(s);
    return undefined;
  }

  /** A statement after which the next one follows. */
  #effect(s: Effect): void {
    const { nodes, variables } = this.#frame;
    switch (s.kind) {
      case "def":
        // Reads take their value here; what is computed from them, where it is first needed.
        nodes.delete(s.node);
        if (s.node.kind !== NodeKind.Op) nodes.set(s.node, this.#compute(s.node));
        break;
      case "setReg":
        this.#setReg(s.reg, this.#value(s.value), s.value.type, s.bits);
        break;
      case "setState":
        this.#put(s.offset, s.value.type, s.bits, this.#value(s.value));
        break;
      case "assign":
        variables[s.variable] = this.#value(s.value);
        break;
      case "load":
        this.#load(s.node, s.high, s.address, s.bits, s.signed);
        break;
      case "store":
        this.#store(s.address, s.value, s.high, s.bits);
        break;
      case "call": {
        const result = this.#call(s.helper, s.args.map((a) => this.#value(a)));
        if (s.node !== null) nodes.set(s.node, result!);
        break;
      }
      case "setFlags": {
        const [a, b] = [this.#value(s.a), this.#value(s.b)];
        this.#state.setUint32(FLAG_KIND, s.flag, true);
        this.#state.setBigUint64(FLAG_A, a as bigint, true);
        this.#state.setBigUint64(FLAG_B, b as bigint, true);
      }
    }
  }

  #load(low: Node, high: Node | undefined, address: Node, bits: number, signed: boolean): void {
    const bytes = this.#memory.read(this.#value(address) as bigint, bits / 8);
    const { nodes } = this.#frame;
    if (high === undefined) {
      nodes.set(low, fromBytes(bytes, low.type, bits, signed));
      return;
    }
    nodes.set(low, bytes.slice(0, 16));
    nodes.set(high, bytes.slice(16, 32));
  }

  #store(address: Node, value: Node, high: Node | undefined, bits: number): void {
    const low = toBytes(this.#value(value), value.type).subarray(0, bits / 8);
    const bytes = high === undefined ? low : [...low, ...this.#value(high) as Uint8Array];
    this.#memory.write(this.#value(address) as bigint, Uint8Array.from(bytes));
  }

  #call(helper: Helper, args: readonly Value[]): Value | undefined {
    if (helper.run !== undefined) {
      const given = args.map((a, i) => toHost(a, helper.params[i]));
      const result = helper.run(this.#state, ...given);
      return helper.result === null ? undefined : fromHost(result, helper.result);
    }
    const outer = this.#frame;
    this.#frame = newFrame(args);
    const e = new Emitter(null);
    const params = helper.params.map((type, i) => e.param(i, type));
    const result = helper.build!(e, ...params);
    const leave = this.#run(e.body);
    const value = leave?.kind === "return"
      ? leave.value
      : result === null
      ? undefined
      : this.#value(result);
    this.#frame = outer;
    return value;
  }

  // ---- values ----------------------------------------------------------------------------

  #value(n: Node): Value {
    const { nodes } = this.#frame;
    let value = nodes.get(n);
    if (value === undefined) nodes.set(n, value = this.#compute(n));
    return value;
  }

  #compute(n: Node): Value {
    switch (n.kind) {
      case NodeKind.Const:
        return n.value!;
      case NodeKind.Op: {
        const args = n.args.map((a) => this.#value(a));
        if (n.op === "select") return args[2] !== 0 ? args[0] : args[1];
        return ops[n.op!].evaluate(args, n.value as Uint8Array | undefined);
      }
      case NodeKind.Reg:
        return this.#get(n.reg!.slot, n.type, n.bits!, n.signed === true);
      case NodeKind.State:
        return this.#get(n.offset!, n.type, n.bits!, false);
      case NodeKind.Variable:
        return this.#frame.variables[n.offset!];
      case NodeKind.Param:
        return this.#frame.params[n.offset!];
      case NodeKind.Condition:
        return this.#flags((e, kind, a, b) =>
          this.#isa.flags.condition(e, kind, n.value as number, a, b)
        );
      case NodeKind.Flags:
        return this.#flags((e, kind, a, b) => this.#isa.flags.pack(e, kind, a, b));
      default:
        throw new TypeError(`a ${n.op ?? "load"} is used before its statement`);
    }
  }

  /** What `build` makes of the lazy flags. */
  #flags(build: (e: Emitter, kind: number, a: Node, b: Node) => Node): Value {
    const view = this.#state;
    const outer = this.#frame;
    this.#frame = newFrame([view.getBigUint64(FLAG_A, true), view.getBigUint64(FLAG_B, true)]);
    const e = new Emitter(null);
    const [a, b] = [e.param(0, "i64"), e.param(1, "i64")];
    const result = build(e, view.getUint32(FLAG_KIND, true), a, b);
    this.#run(e.body);
    const value = this.#value(result);
    this.#frame = outer;
    return value;
  }

  // ---- state memory ----------------------------------------------------------------------

  #get(offset: number, type: Type, bits: number, signed: boolean): Value {
    const { buffer, byteOffset } = this.#state;
    return fromBytes(new Uint8Array(buffer, byteOffset + offset, bits / 8), type, bits, signed);
  }

  #put(offset: number, type: Type, bits: number, value: Value): void {
    const { buffer, byteOffset } = this.#state;
    const bytes = toBytes(value, type).subarray(0, bits / 8);
    new Uint8Array(buffer, byteOffset + offset, bytes.length).set(bytes);
  }

  /** A write of 32 bits to a register clears the upper half. */
  #setReg({ slot }: Reg, value: Value, type: Type, bits: number): void {
    if (bits === 32) this.#put(slot, "i64", 64, BigInt(value as number >>> 0));
    else this.#put(slot, type, bits, value);
  }
}

/** The low `bits` in `bytes` as a value of `type`, zero- or sign-extended. */
function fromBytes(bytes: Uint8Array, type: Type, bits: number, signed: boolean): Value {
  if (type === "v128") return bytes.slice(0, 16);
  let raw = 0n;
  for (let i = bits / 8 - 1; i >= 0; i--) raw = raw << 8n | BigInt(bytes[i]);
  const value = signed ? BigInt.asIntN(bits, raw) : raw;
  return bitsOf(type) === 64 ? BigInt.asUintN(64, value) : Number(BigInt.asIntN(32, value));
}

/** All bytes of a value. */
function toBytes(value: Value, type: Type): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const bytes = new Uint8Array(bitsOf(type) / 8);
  let rest = BigInt.asUintN(64, BigInt(value));
  for (let i = 0; i < bytes.length; i++, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}

/** A value as WebAssembly hands it to JavaScript, and back. */
function toHost(value: Value, type: Type): bigint | number {
  switch (type) {
    case "i32":
      return value as number;
    case "i64":
      return BigInt.asIntN(64, value as bigint);
    case "f32":
      return f32Of(value);
    case "f64":
      return f64Of(value);
    default:
      throw new TypeError("a vector has no value in JavaScript");
  }
}
function fromHost(value: bigint | number, type: Type): Value {
  switch (type) {
    case "i32":
      return Number(value) | 0;
    case "i64":
      return BigInt.asUintN(64, BigInt(value));
    case "f32":
      return f32Bits(value as number);
    case "f64":
      return f64Bits(value as number);
    default:
      throw new TypeError("a vector has no value in JavaScript");
  }
}
