/** The inline path of guest loads and stores: a soft TLB lookup, then the access itself. */
import { READ_TLB, TLB_ENTRIES, WRITE_TLB } from "../layout.ts";
import type { Isa } from "../ir/decoded.ts";
import type { Node, Type } from "../ir/types.ts";
import { type Code, PHYSICAL, STATE, typeCode, W } from "./code.ts";
import type { Linker } from "./cold.ts";
import { runtimeSignatures } from "./imports.ts";
import { loadOpcode, Lowering, storeOpcode } from "./lower.ts";

/** Width of an entry's index: address bits 12 and up, scaled to 16-byte entries. */
const INDEX_MASK = (TLB_ENTRIES - 1) << 4;

/**
 * Push 1 if the soft TLB of loads or stores translates the `size` bytes at `address`, leaving the
 * entry's offset in `entry`. An access that straddles two pages never matches: its last byte gives
 * the tag, its first the index. `ignoreTop` drops the top byte (aarch64 TBI).
 */
export function tlbMatch(
  code: Code,
  address: number,
  entry: number,
  size: number,
  write: boolean,
  ignoreTop: boolean,
): void {
  code.get(address).i64(8n).op(W.i64_shr_u, W.i32_wrap_i64).i32(INDEX_MASK).op(W.i32_and)
    .tee(entry).mem(W.i64_load, STATE, write ? WRITE_TLB : READ_TLB);
  code.get(address);
  if (size > 1) code.i64(BigInt(size - 1)).op(W.i64_add);
  code.i64(ignoreTop ? 0x00ff_ffff_ffff_f000n : -4096n).op(W.i64_and, W.i64_eq);
}

/** Push the physical address, given a matching `entry`. */
export function tlbPhysical(code: Code, address: number, entry: number, write: boolean): void {
  code.get(address).op(W.i32_wrap_i64)
    .get(entry).mem(W.i32_load, STATE, (write ? WRITE_TLB : READ_TLB) + 8)
    .op(W.i32_add);
}

/** A lowering that reaches guest memory: inline soft TLB, runtime functions beyond it. */
export abstract class GuestLowering extends Lowering {
  protected abstract readonly isa: Isa;
  protected abstract readonly linker: Linker;
  /** Push the address of the current instruction's record. */
  protected abstract record(): void;
  /** Consume what an out-of-line store returned: 1 if it changed translated code. */
  protected abstract stored(): void;

  protected runtime(name: keyof typeof runtimeSignatures): number {
    const { params, results } = runtimeSignatures[name];
    return this.linker.builder.import(name, params, results);
  }

  protected override load(type: Type, address: Node, bits: number, signed: boolean): void {
    const code = this.code;
    const va = this.temporary("i64");
    const entry = this.temporary("i32");
    this.value(address);
    code.set(va);
    tlbMatch(code, va, entry, bits / 8, false, this.isa.arch === "aarch64");
    code.op(W.if, typeCode.i32);
    tlbPhysical(code, va, entry, false);
    code.op(W.else).get(va).i32(bits / 8);
    this.record();
    code.call(this.runtime("load_slow")).op(W.end);
    if (type === "v128") code.op(0xfd, 0x00).memarg(PHYSICAL, 0);
    else code.mem(loadOpcode(type, bits, signed), PHYSICAL, 0);
  }

  protected override store(address: Node, value: Node, bits: number): void {
    const code = this.code;
    const va = this.temporary("i64");
    const entry = this.temporary("i32");
    const v = this.temporary(value.type);
    this.value(address);
    code.set(va);
    this.value(value);
    code.set(v);
    tlbMatch(code, va, entry, bits / 8, true, this.isa.arch === "aarch64");
    code.op(W.if, typeCode.void);
    tlbPhysical(code, va, entry, true);
    code.get(v);
    if (value.type === "v128") code.op(0xfd, 0x0b).memarg(PHYSICAL, 0);
    else code.mem(storeOpcode(value.type, bits), PHYSICAL, 0);
    code.op(W.else).get(va).get(v).i32(bits / 8);
    this.record();
    code.call(this.runtime(`store_slow_${value.type}`));
    this.depth++;
    this.stored();
    this.depth--;
    code.op(W.end);
  }
}
