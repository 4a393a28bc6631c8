/**
 * WebAssembly functions written as expressions and structured statements: what models are generated with.
 */
import { Code, typeCode, W } from "../../cpu/wasm/code.ts";

export type ValueType = "i32" | "i64" | "f64" | "v128";

/** An expression: code that leaves one value. It is evaluated where it is used, each time. */
export interface Value {
  readonly type: ValueType;
  readonly emit: (c: Code) => void;
}
/** A local variable or parameter. */
export interface Local extends Value {
  readonly index: number;
}

const value = (type: ValueType, emit: (c: Code) => void): Value => ({ type, emit });

export const i32 = (n: number): Value => value("i32", (c) => c.i32(n));
export const i64 = (n: number | bigint): Value => value("i64", (c) => c.i64(BigInt(n)));

/** Opcodes of an operation on i32 and on i64. */
const BINARY = {
  eq: [0x46, 0x51],
  ne: [0x47, 0x52],
  ltS: [0x48, 0x53],
  ltU: [0x49, 0x54],
  gtS: [0x4a, 0x55],
  gtU: [0x4b, 0x56],
  leU: [0x4d, 0x58],
  geS: [0x4e, 0x59],
  geU: [0x4f, 0x5a],
  add: [0x6a, 0x7c],
  sub: [0x6b, 0x7d],
  mul: [0x6c, 0x7e],
  remU: [0x70, 0x82],
  and: [0x71, 0x83],
  or: [0x72, 0x84],
  xor: [0x73, 0x85],
  shl: [0x74, 0x86],
  shrU: [0x76, 0x88],
} as const;
const COMPARES: readonly string[] = ["eq", "ne", "ltS", "ltU", "gtS", "gtU", "leU", "geS", "geU"];

function binary(name: keyof typeof BINARY): (a: Value, b: Value | number) => Value {
  const opcodes = BINARY[name];
  const compares = COMPARES.includes(name);
  return (a, b) => {
    const right = typeof b === "number" ? (a.type === "i64" ? i64(b) : i32(b)) : b;
    if (a.type !== right.type) throw new TypeError(`${name} of ${a.type} and ${right.type}`);
    return value(compares ? "i32" : a.type, (c) => {
      a.emit(c);
      right.emit(c);
      c.op(opcodes[a.type === "i64" ? 1 : 0]);
    });
  };
}
export const eq = binary("eq");
export const ne = binary("ne");
export const ltS = binary("ltS");
export const ltU = binary("ltU");
export const gtS = binary("gtS");
export const gtU = binary("gtU");
export const leU = binary("leU");
export const geS = binary("geS");
export const geU = binary("geU");
export const add = binary("add");
export const sub = binary("sub");
export const mul = binary("mul");
export const remU = binary("remU");
export const and = binary("and");
export const or = binary("or");
export const xor = binary("xor");
export const shl = binary("shl");
export const shrU = binary("shrU");

function unary(opcode: number, type: ValueType): (a: Value) => Value {
  return (a) =>
    value(type, (c) => {
      a.emit(c);
      c.op(opcode);
    });
}
export const not = (a: Value): Value => unary(a.type === "i64" ? W.i64_eqz : W.i32_eqz, "i32")(a);
export const wrap = unary(W.i32_wrap_i64, "i32");
export const extend = unary(W.i64_extend_i32_u, "i64");
export const ctz: (a: Value) => Value = unary(0x68, "i32");
/** An f64 of what is not negative and below 2^53, and back. */
export const toNumber = unary(0xba, "f64");
export const toInteger = unary(0xb1, "i64");

/** `condition ? a : b`; both are evaluated. */
export const select = (condition: Value, a: Value, b: Value): Value =>
  value(a.type, (c) => {
    a.emit(c);
    b.emit(c);
    condition.emit(c);
    c.op(W.select);
  });

/** Widths of memory accesses, with the type of their values. */
const ACCESSES = {
  u8: ["i32", W.i32_load8_u, W.i32_store8],
  s8: ["i32", W.i32_load8_s, W.i32_store8],
  u16: ["i32", W.i32_load16_u, W.i32_store16],
  i32: ["i32", W.i32_load, W.i32_store],
  i64: ["i64", W.i64_load, W.i64_store],
} as const;
export type Width = keyof typeof ACCESSES;

/** What lies `offset` bytes behind `address` in the models' memory. */
export const load = (width: Width, address: Value, offset = 0): Value =>
  value(ACCESSES[width][0], (c) => {
    address.emit(c);
    c.mem(ACCESSES[width][1], offset);
  });
/** The same of the machine's memory, the second one. */
export const loadOutside = (width: Width, address: Value, offset = 0): Value =>
  value(ACCESSES[width][0], (c) => {
    address.emit(c);
    c.op(ACCESSES[width][1], 0x40, 1).u32(offset);
  });

/** SIMD instructions, whose opcodes have a prefix. */
export const simd = (
  opcode: number,
  operands: readonly Value[],
  immediates: readonly number[] = [],
  type: ValueType = "v128",
): Value =>
  value(type, (c) => {
    for (const o of operands) o.emit(c);
    c.op(0xfd).u32(opcode).op(...immediates);
  });
export const loadVector = (address: Value, offset = 0): Value =>
  value("v128", (c) => {
    address.emit(c);
    c.op(0xfd, 0x00).memarg(offset);
  });

/** A word at a fixed address of the models' memory. */
export class Cell {
  constructor(readonly address: number, readonly type: "i32" | "i64") {}
  get value(): Value {
    return load(this.type, i32(0), this.address);
  }
}

/** One function under construction. */
export class FunctionWriter {
  readonly code = new Code();
  readonly locals: ValueType[] = [];
  #depth = 0;

  constructor(readonly params: readonly ValueType[]) {}

  param(index: number): Local {
    return { index, type: this.params[index], emit: (c) => c.get(index) };
  }
  local(type: ValueType): Local {
    this.locals.push(type);
    const index = this.params.length + this.locals.length - 1;
    return { index, type, emit: (c) => c.get(index) };
  }
  /** A new local that holds `v`. */
  keep(v: Value): Local {
    const local = this.local(v.type);
    this.set(local, v);
    return local;
  }

  set(to: Local | Cell, v: Value): void {
    if (to instanceof Cell) return this.store(to.type, i32(0), v, to.address);
    v.emit(this.code);
    this.code.set(to.index);
  }
  /** Add `v` to a counter. */
  count(to: Cell, v: Value | number = 1): void {
    this.set(to, add(to.value, v));
  }
  store(width: Width, address: Value, v: Value, offset = 0): void {
    address.emit(this.code);
    v.emit(this.code);
    this.code.mem(ACCESSES[width][2], offset);
  }
  storeVector(address: Value, v: Value, offset = 0): void {
    address.emit(this.code);
    v.emit(this.code);
    this.code.op(0xfd, 0x0b).memarg(offset);
  }

  /** Evaluate `v`; a result is dropped. */
  do(v: Value): void {
    v.emit(this.code);
    this.code.op(W.drop);
  }
  /** Call what has no result. */
  call(v: Value): void {
    v.emit(this.code);
  }
  return(v?: Value): void {
    v?.emit(this.code);
    this.code.op(W.return);
  }

  if(condition: Value, then: () => void, otherwise?: () => void): void {
    condition.emit(this.code);
    this.code.op(W.if, typeCode.void);
    this.#inside(then);
    if (otherwise !== undefined) {
      this.code.op(W.else);
      this.#inside(otherwise);
    }
    this.code.op(W.end);
  }
  /** `body` gets a statement that goes on after the block. */
  block(body: (leave: () => void) => void): void {
    this.code.op(W.block, typeCode.void);
    this.#labelled(body);
  }
  /** `body` gets a statement that begins it again. */
  loop(body: (again: () => void) => void): void {
    this.code.op(W.loop, typeCode.void);
    this.#labelled(body);
  }
  /** `body(i)` for `i` from `from` below `to`, a local. */
  for(from: Value, to: Value, step: number, body: (i: Local) => void): void {
    const i = this.keep(from);
    this.block((leave) =>
      this.loop((again) => {
        this.if(geU(i, to), leave);
        body(i);
        this.set(i, add(i, step));
        again();
      })
    );
  }
  /** The arm with the number that `index` is, which must be one. */
  switch(index: Value, arms: readonly (() => void)[]): void {
    const { code } = this;
    for (let i = 0; i <= arms.length; i++) code.op(W.block, typeCode.void);
    index.emit(code);
    code.op(W.br_table).u32(arms.length - 1);
    for (let i = 0; i < arms.length; i++) code.u32(i);
    this.#depth += arms.length + 1;
    arms.forEach((arm, i) => {
      code.op(W.end);
      this.#depth--;
      arm();
      code.br(arms.length - 1 - i);
    });
    code.op(W.end);
    this.#depth--;
  }

  #labelled(body: (jump: () => void) => void): void {
    this.#depth++;
    const at = this.#depth;
    body(() => this.code.br(this.#depth - at));
    this.#depth--;
    this.code.op(W.end);
  }
  #inside(body: () => void): void {
    this.#depth++;
    body();
    this.#depth--;
  }
}
