/** A growing buffer of WebAssembly code (core specification 3.0, section 5: binary format). */

/** Opcodes that lowerings write by name. */
export const W = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  br_if: 0x0d,
  br_table: 0x0e,
  return: 0x0f,
  call: 0x10,
  call_indirect: 0x11,
  return_call: 0x12,
  return_call_indirect: 0x13,
  drop: 0x1a,
  select: 0x1b,
  local_get: 0x20,
  local_set: 0x21,
  local_tee: 0x22,
  i32_load: 0x28,
  i64_load: 0x29,
  f32_load: 0x2a,
  f64_load: 0x2b,
  i32_load8_s: 0x2c,
  i32_load8_u: 0x2d,
  i32_load16_s: 0x2e,
  i32_load16_u: 0x2f,
  i64_load8_s: 0x30,
  i64_load8_u: 0x31,
  i64_load16_s: 0x32,
  i64_load16_u: 0x33,
  i64_load32_s: 0x34,
  i64_load32_u: 0x35,
  i32_store: 0x36,
  i64_store: 0x37,
  f32_store: 0x38,
  f64_store: 0x39,
  i32_store8: 0x3a,
  i32_store16: 0x3b,
  i64_store8: 0x3c,
  i64_store16: 0x3d,
  i64_store32: 0x3e,
  i32_const: 0x41,
  i64_const: 0x42,
  i32_eqz: 0x45,
  i32_eq: 0x46,
  i32_ne: 0x47,
  i32_lt_s: 0x48,
  i32_lt_u: 0x49,
  i32_gt_u: 0x4b,
  i32_ge_u: 0x4f,
  i64_eqz: 0x50,
  i64_eq: 0x51,
  i64_ne: 0x52,
  i64_lt_s: 0x53,
  i64_lt_u: 0x54,
  i64_gt_s: 0x55,
  i64_gt_u: 0x56,
  i64_ge_s: 0x59,
  i32_add: 0x6a,
  i32_sub: 0x6b,
  i32_mul: 0x6c,
  i32_rem_u: 0x70,
  i32_and: 0x71,
  i32_or: 0x72,
  i32_xor: 0x73,
  i32_shl: 0x74,
  i32_shr_s: 0x75,
  i32_shr_u: 0x76,
  i64_add: 0x7c,
  i64_sub: 0x7d,
  i64_and: 0x83,
  i64_or: 0x84,
  i64_xor: 0x85,
  i64_shl: 0x86,
  i64_shr_s: 0x87,
  i64_rem_u: 0x82,
  i64_shr_u: 0x88,
  i32_wrap_i64: 0xa7,
  i64_extend_i32_s: 0xac,
  i64_extend_i32_u: 0xad,
} as const;

/** Value and block types as the binary format writes them. */
export const typeCode = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  void: 0x40,
} as const;

/** A byte buffer with the encodings of the binary format. */
export class Code {
  bytes: Uint8Array = new Uint8Array(256);
  length = 0;
  /** Offsets of `if` and `br_if` whose condition is seldom true (branch hinting, section 3 of its custom section). */
  readonly unlikely: number[] = [];

  /** The next opcode, an `if` or `br_if`, is seldom taken. */
  seldom(): this {
    this.unlikely.push(this.length);
    return this;
  }

  #grow(extra: number): void {
    if (this.length + extra <= this.bytes.length) return;
    const bigger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + extra));
    bigger.set(this.bytes.subarray(0, this.length));
    this.bytes = bigger;
  }

  /** Raw bytes: opcodes and immediates below 128. */
  op(...bytes: number[]): this {
    this.#grow(bytes.length);
    for (let i = 0; i < bytes.length; i++) this.bytes[this.length++] = bytes[i];
    return this;
  }
  raw(bytes: ArrayLike<number>, length: number = bytes.length): this {
    this.#grow(length);
    for (let i = 0; i < length; i++) this.bytes[this.length++] = bytes[i];
    return this;
  }
  /** Unsigned LEB128 of a number below 2^32. */
  u32(value: number): this {
    this.#grow(5);
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.length++] = rest;
    return this;
  }
  s32(value: number): this {
    this.#grow(5);
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
        this.bytes[this.length++] = low;
        return this;
      }
      this.bytes[this.length++] = low | 0x80;
    }
  }
  s64(value: bigint): this {
    this.#grow(10);
    let rest = BigInt.asIntN(64, value);
    if (rest >= -0x80000000n && rest <= 0x7fffffffn) return this.s32(Number(rest));
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) {
        this.bytes[this.length++] = low;
        return this;
      }
      this.bytes[this.length++] = low | 0x80;
    }
  }

  i32(value: number): this {
    return this.op(W.i32_const).s32(value);
  }
  i64(value: bigint): this {
    return this.op(W.i64_const).s64(value);
  }
  get(local: number): this {
    return this.op(W.local_get).u32(local);
  }
  set(local: number): this {
    return this.op(W.local_set).u32(local);
  }
  tee(local: number): this {
    return this.op(W.local_tee).u32(local);
  }
  call(func: number): this {
    return this.op(W.call).u32(func);
  }
  br(depth: number): this {
    return this.op(W.br).u32(depth);
  }
  brIf(depth: number): this {
    return this.op(W.br_if).u32(depth);
  }
  /** A load or store at the address on the stack plus `offset`; alignment is a hint we leave at 1. */
  mem(opcode: number, offset: number): this {
    return this.op(opcode, 0).u32(offset);
  }
  memarg(offset: number): this {
    return this.op(0).u32(offset);
  }
  /** Load or store of state memory at a constant address: the 0 that serves as base is pushed here for loads. */
  stateLoad(opcode: number, offset: number): this {
    return this.i32(0).mem(opcode, offset);
  }
  take(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}
