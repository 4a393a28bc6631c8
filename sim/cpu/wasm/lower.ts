/**
 * Lowers a statement tree to WebAssembly. `Lowering` holds what all back ends share: evaluation order,
 * temporaries and structured control; a back end says how registers, memory, flags and the guest's
 * control flow are reached.
 */
import { bitsOf } from "../ir/emitter.ts";
import { ops } from "../ir/ops.ts";
import type { ExitReason, Helper, Node, Reg, Statement, Type } from "../ir/types.ts";
import { NodeKind } from "../ir/types.ts";
import { Code, typeCode, W } from "./code.ts";
import { mayLeave } from "./events.ts";

/** `local` of a leaf that must be read where it was created, because a write follows. */
const EARLY = -2;

/** Count uses, and find the reads that a later write would spoil. */
function analyse(body: readonly Statement[], eager: boolean): void {
  const visit = (n: Node): void => {
    if (n.uses++ === 0) n.args.forEach(visit);
  };
  walk(body, (s) => operands(s).forEach(visit));

  let open: Node[] = [];
  const consume = (n: Node): void => {
    if (n.kind === NodeKind.Op) {
      if (n.uses === 1) n.args.forEach(consume);
    } else if (isLeaf(n)) {
      if (--n.remaining === 0) open = open.filter((o) => o !== n);
    }
  };
  walk(body, (s) => {
    if (s.kind === "def") {
      const n = s.node;
      if (n.uses === 0) return;
      if (n.kind === NodeKind.Op) {
        if (n.uses > 1) n.args.forEach(consume);
      } else {
        n.remaining = n.uses;
        if (eager && n.uses > 1 && n.kind !== NodeKind.Variable) n.local = EARLY;
        open.push(n);
      }
      return;
    }
    operands(s).forEach(consume);
    for (const n of open) if (spoils(s, n)) n.local = EARLY;
  });
}

function isLeaf(n: Node): boolean {
  return n.kind === NodeKind.Reg || n.kind === NodeKind.State || n.kind === NodeKind.Variable ||
    n.kind === NodeKind.Condition || n.kind === NodeKind.Flags;
}

function walk(body: readonly Statement[], visit: (s: Statement) => void): void {
  for (const s of body) {
    visit(s);
    if (s.kind === "if") {
      walk(s.then, visit);
      walk(s.else, visit);
    } else if (s.kind === "loop") walk(s.body, visit);
  }
}

function operands(s: Statement): readonly Node[] {
  switch (s.kind) {
    case "setReg":
    case "setState":
    case "assign":
    case "return":
      return [s.value];
    case "load":
      return [s.address];
    case "store":
      return s.high === undefined ? [s.address, s.value] : [s.address, s.value, s.high];
    case "call":
      return s.args;
    case "setFlags":
      return [s.a, s.b];
    case "if":
    case "continueIf":
    case "branch":
      return [s.condition];
    case "indirect":
      return [s.target];
    case "exit":
      return s.target === null ? [] : [s.target];
    case "fault":
      return s.address === null ? [] : [s.address];
    default:
      return [];
  }
}

/** Whether executing `s` may change what the read `n` yields. */
function spoils(s: Statement, n: Node): boolean {
  switch (s.kind) {
    case "loop":
      return true;
    case "setReg":
      return n.kind === NodeKind.Reg && mayAlias(s.reg, n.reg!);
    case "setState":
      return n.kind === NodeKind.State && Math.abs(n.offset! - s.offset) < 16;
    case "assign":
      return n.kind === NodeKind.Variable && n.offset === s.variable;
    case "setFlags":
      return n.kind === NodeKind.Condition || n.kind === NodeKind.Flags;
    case "call":
      if (n.kind === NodeKind.Variable) return false;
      if (n.kind === NodeKind.Condition || n.kind === NodeKind.Flags) {
        return s.helper.flags === true;
      }
      return s.helper.writes === "all" || s.helper.writes.length > 0;
    default:
      return false;
  }
}

function mayAlias(a: Reg, b: Reg): boolean {
  if (a.slot < 0 || b.slot < 0) return true;
  const size = (slot: number): number => slot >= 0x200 ? 16 : 8;
  return Math.floor(a.slot / size(a.slot)) === Math.floor(b.slot / size(b.slot));
}

/** Statements that reach guest memory. */
export type Load = Statement & { readonly kind: "load" };
export type Store = Statement & { readonly kind: "store" };

/** Opcode of a load of `bits` as `type`. */
export function loadOpcode(type: Type, bits: number, signed: boolean): number {
  if (type === "f32") return W.f32_load;
  if (type === "f64") return W.f64_load;
  if (type === "i32") {
    if (bits === 32) return W.i32_load;
    return bits === 8
      ? (signed ? W.i32_load8_s : W.i32_load8_u)
      : (signed ? W.i32_load16_s : W.i32_load16_u);
  }
  if (bits === 64) return W.i64_load;
  if (bits === 32) return signed ? W.i64_load32_s : W.i64_load32_u;
  return bits === 8
    ? (signed ? W.i64_load8_s : W.i64_load8_u)
    : (signed ? W.i64_load16_s : W.i64_load16_u);
}

/** Opcode of a store of the low `bits` of a `type`. */
export function storeOpcode(type: Type, bits: number): number {
  if (type === "f32") return W.f32_store;
  if (type === "f64") return W.f64_store;
  if (type === "i32") {
    return bits === 32 ? W.i32_store : bits === 8 ? W.i32_store8 : W.i32_store16;
  }
  return bits === 64
    ? W.i64_store
    : bits === 32
    ? W.i64_store32
    : bits === 8
    ? W.i64_store8
    : W.i64_store16;
}

/** Push the zero that a register slot below the registers reads as. */
export function zero(code: Code, type: Type): void {
  if (type === "v128") code.op(0xfd, 0x0c).raw(new Uint8Array(16));
  else if (type === "i64") code.i64(0n);
  else if (type === "i32") code.i32(0);
  else if (type === "f64") code.op(0x44).raw(new Uint8Array(8));
  else code.op(0x43).raw(new Uint8Array(4));
}

/** Turn a whole register on the stack into what `n`, `offset` bytes into it, reads. */
export function part(code: Code, n: Node, offset: number, vector: boolean): void {
  if (vector) {
    if (n.type === "v128") return;
    const lane = offset / (n.type === "i64" || n.type === "f64" ? 8 : 4);
    const extract = { i64: 0x1d, f64: 0x21, i32: 0x1b, f32: 0x1f }[n.type];
    code.op(0xfd, extract, lane);
    return;
  }
  if (n.type === "i64") return;
  if (n.type !== "i32") throw new TypeError(`${n.type} read of a general register`);
  if (offset > 0) code.i64(BigInt(8 * offset)).op(W.i64_shr_u);
  code.op(W.i32_wrap_i64);
  if (n.bits === 32) return;
  if (n.signed === true) code.op(n.bits === 8 ? 0xc0 : 0xc1);
  else code.i32(n.bits === 8 ? 0xff : 0xffff).op(W.i32_and);
}

/** Push `bits` of `value` put `offset` bytes into a whole general register that `whole` pushes. */
export function merged(
  code: Code,
  bits: number,
  offset: number,
  whole: () => void,
  value: () => void,
): void {
  if (bits >= 32) {
    value();
    if (bits === 32) code.op(W.i64_extend_i32_u);
    return;
  }
  const mask = ((1n << BigInt(bits)) - 1n) << BigInt(8 * offset);
  whole();
  code.i64(BigInt.asIntN(64, ~mask)).op(W.i64_and);
  value();
  code.i32(bits === 8 ? 0xff : 0xffff).op(W.i32_and, W.i64_extend_i32_u);
  if (offset > 0) code.i64(BigInt(8 * offset)).op(W.i64_shl);
  code.op(W.i64_or);
}

/** Statement-tree lowering, for one instruction at a time. */
export abstract class Lowering {
  readonly code: Code = new Code();
  /** Types of all locals beyond the parameters. */
  readonly locals: Type[] = [];
  readonly #parameters: number;
  /** Temporaries free for reuse, by type. */
  readonly #free: Record<Type, number[]> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  #taken: [Type, number][] = [];
  #variables: number[] = [];
  /** Labels opened inside the instruction: the depth, and those of its loops. */
  protected depth = 0;
  #loops: number[] = [];
  /** Whether control may have left the instruction before the current statement. */
  protected maybeLeft = false;
  /** Evaluate a register read once where it is used twice (reads cost memory accesses). */
  protected readonly eagerReads: boolean = false;

  constructor(parameters: number) {
    this.#parameters = parameters;
  }

  // What a back end provides. Each read leaves its value on the wasm stack; each write pops it
  // unless it takes the node itself.
  protected abstract readReg(node: Node): void;
  protected abstract setReg(reg: Reg, value: Node, bits: number): void;
  protected abstract readField(node: Node): void;
  protected abstract readCondition(condition: number): void;
  protected abstract readFlags(): void;
  protected abstract setFlags(kind: number, a: Node, b: Node): void;
  /** Leaves the loaded value on the stack; of 256 bits, the lower half below the upper one. */
  protected abstract load(s: Load): void;
  /** With `high`, 256 bits. */
  protected abstract store(s: Store): void;
  protected abstract helper(helper: Helper, args: readonly Node[]): void;
  protected abstract jump(flow: "jump" | "call"): void;
  protected abstract fallthrough(): void;
  protected abstract branch(condition: Node): void;
  protected abstract indirect(
    flow: "jump" | "call" | "return",
    target: Node,
    type: number,
  ): void;
  /** `target`: where the program goes on, if not at the next instruction. */
  protected abstract exit(reason: ExitReason, target: Node | null): void;
  protected abstract fault(
    signal: number,
    code: number,
    address: Node | null,
    after: boolean,
  ): void;
  /** Called before an instruction is lowered, once uses are counted. */
  protected prepare(_body: readonly Statement[]): void {}
  protected readState(n: Node): void {
    this.code.i32(0);
    if (n.type === "v128") this.code.op(0xfd, 0x00).memarg(n.offset!);
    else this.code.mem(loadOpcode(n.type, n.bits!, n.signed === true), n.offset!);
  }
  protected setState(offset: number, value: Node): void {
    this.code.i32(0);
    this.value(value);
    if (value.type === "v128") this.code.op(0xfd, 0x0b).memarg(offset);
    else this.code.mem(storeOpcode(value.type, bitsOf(value.type)), offset);
  }
  protected returnValue(_value: Node): void {
    throw new TypeError("return outside an IR function");
  }

  /** A local that lives to the end of the function. */
  protected newLocal(type: Type): number {
    this.locals.push(type);
    return this.#parameters + this.locals.length - 1;
  }
  /** A local that may be reused by the next instruction. */
  protected temporary(type: Type): number {
    const local = this.#free[type].pop() ?? this.newLocal(type);
    this.#taken.push([type, local]);
    return local;
  }

  /** Lower the statements of one instruction. */
  protected lower(body: readonly Statement[], variables: readonly Type[]): void {
    analyse(body, this.eagerReads);
    this.prepare(body);
    this.#variables = variables.map((t) => this.temporary(t));
    // A reused local may hold an old value: variables start undefined, semantics assign first.
    this.maybeLeft = false;
    for (const s of body) {
      this.statements([s]);
      if (mayLeave(s)) this.maybeLeft = true;
    }
    for (const [type, local] of this.#taken) this.#free[type].push(local);
    this.#taken = [];
  }

  /** Push `result`, an expression built apart (a condition over the lazy flags). */
  protected inline(e: { body: readonly Statement[]; variables: readonly Type[] }, result: Node) {
    analyse([...e.body, { kind: "return", value: result }], this.eagerReads);
    const outer = this.#variables;
    this.#variables = e.variables.map((t) => this.temporary(t));
    this.statements(e.body);
    this.value(result);
    this.#variables = outer;
  }

  protected statements(body: readonly Statement[]): void {
    for (const s of body) this.#statement(s);
  }

  #statement(s: Statement): void {
    const code = this.code;
    switch (s.kind) {
      case "def": {
        const n = s.node;
        if (n.uses === 0) return;
        if (n.kind === NodeKind.Op ? n.uses > 1 : n.local === EARLY) {
          n.local = -1;
          this.expression(n);
          n.local = this.temporary(n.type);
          code.set(n.local);
        }
        return;
      }
      case "setReg":
        return this.setReg(s.reg, s.value, s.bits);
      case "setState":
        return this.setState(s.offset, s.value);
      case "assign":
        this.value(s.value);
        code.set(this.#variables[s.variable]);
        return;
      case "load":
        this.load(s);
        if (s.high !== undefined) this.#keep(s.high);
        return this.#keep(s.node);
      case "store":
        return this.store(s);
      case "call":
        this.helper(s.helper, s.args);
        if (s.node !== null) this.#keep(s.node);
        return;
      case "setFlags":
        return this.setFlags(s.flag, s.a, s.b);
      case "if":
        this.value(s.condition);
        if (s.seldom === true) code.seldom();
        code.op(W.if, typeCode.void);
        this.depth++;
        this.statements(s.then);
        if (s.else.length > 0) {
          code.op(W.else);
          this.statements(s.else);
        }
        code.op(W.end);
        this.depth--;
        return;
      case "loop":
        code.op(W.loop, typeCode.void);
        this.depth++;
        this.#loops.push(this.depth);
        this.statements(s.body);
        this.#loops.pop();
        code.op(W.end);
        this.depth--;
        return;
      case "continueIf":
        this.value(s.condition);
        code.brIf(this.depth - this.#loops.at(-1)!);
        return;
      case "return":
        return this.returnValue(s.value);
      case "jump":
        return this.jump(s.flow);
      case "fallthrough":
        return this.fallthrough();
      case "branch":
        return this.branch(s.condition);
      case "indirect":
        return this.indirect(s.flow, s.target, s.type);
      case "exit":
        return this.exit(s.reason, s.target);
      case "fault":
        return this.fault(s.signal, s.code, s.address, s.after);
    }
  }

  /** Pop a statement's result into a local of its own, or drop it. */
  #keep(n: Node): void {
    if (n.uses === 0) {
      this.code.op(W.drop);
      return;
    }
    n.local = this.temporary(n.type);
    this.code.set(n.local);
  }

  /** Push a node's value. */
  protected value(n: Node): void {
    if (n.local >= 0) this.code.get(n.local);
    else this.expression(n);
  }

  /** Push a node's value by evaluating it. */
  protected expression(n: Node): void {
    const code = this.code;
    switch (n.kind) {
      case NodeKind.Const:
        if (n.type === "i32") code.i32(n.value as number);
        else if (n.type === "i64") code.i64(n.value as bigint);
        else code.op(0xfd, 0x0c).raw(n.value as Uint8Array);
        return;
      case NodeKind.Op: {
        for (const a of n.args) this.value(a);
        if (n.op === "select") {
          if (n.type === "v128" || n.type === "f32" || n.type === "f64") {
            code.op(0x1c, 1, typeCode[n.type]);
          } else code.op(W.select);
          return;
        }
        code.raw(ops[n.op!].wasm);
        if (n.value !== undefined) code.raw(n.value as Uint8Array);
        return;
      }
      case NodeKind.Reg:
        return this.readReg(n);
      case NodeKind.State:
        return this.readState(n);
      case NodeKind.Variable:
        code.get(this.#variables[n.offset!]);
        return;
      case NodeKind.Field:
        return this.readField(n);
      case NodeKind.Condition:
        return this.readCondition(n.value as number);
      case NodeKind.Flags:
        return this.readFlags();
      case NodeKind.Param:
        code.get(n.offset!);
        return;
      default:
        throw new TypeError(`a ${n.op ?? "load"} is used before its statement`);
    }
  }
}
