/** The inline path of guest loads and stores: a soft TLB lookup, then the access itself. */
import { READ_TLB, TLB_BITS, TLB_ENTRIES, WRITE_TLB } from "../layout.ts";
import type { Isa } from "../ir/decoded.ts";
import type { Node, Statement, Type } from "../ir/types.ts";
import { type Code, typeCode, W } from "./code.ts";
import type { Linker } from "./cold.ts";
import { FIRST_ACCESS, ONE_LOAD, ONE_STORE } from "./events.ts";
import { runtimeSignatures } from "./imports.ts";
import { loadOpcode, Lowering, storeOpcode } from "./lower.ts";

/** Push the byte offset in a soft TLB of the place of the address in a local: `layout.softPlace`. */
export function softPlace(code: Code, address: number): void {
  code.get(address).i64(8n).op(W.i64_shr_u)
    .get(address).i64(BigInt(8 + TLB_BITS)).op(W.i64_shr_u, W.i64_xor, W.i32_wrap_i64)
    .i32((TLB_ENTRIES - 1) << 4).op(W.i32_and);
}

/** Locals of one lookup: the address, the entry's offset in its table, the entry. */
interface Lookup {
  readonly address: number;
  readonly offset: number;
  readonly entry: number;
}

/**
 * Push 0 if the soft TLB of loads or stores translates the `size` bytes at the address, else 1. An
 * access that straddles two pages never matches: its last byte gives the page, its first the place.
 * `ignoreTop` drops the top byte (aarch64 TBI).
 */
function tlbMismatch(code: Code, l: Lookup, size: number, table: number, ignoreTop: boolean): void {
  softPlace(code, l.address);
  code.tee(l.offset).mem(W.i64_load, table).tee(l.entry).i64(20n).op(W.i64_shr_u);
  code.get(l.address);
  if (size > 1) code.i64(BigInt(size - 1)).op(W.i64_add);
  if (ignoreTop) code.i64(8n).op(W.i64_shl).i64(20n).op(W.i64_shr_u);
  else code.i64(12n).op(W.i64_shr_u);
  code.op(W.i64_ne);
}

/** Push the physical address, given a matching entry. */
function tlbPhysical(code: Code, l: Lookup): void {
  code.get(l.entry).op(W.i32_wrap_i64).i32(12).op(W.i32_shl)
    .get(l.address).op(W.i32_wrap_i64).i32(4095).op(W.i32_and, W.i32_or);
}

/** A lowering that reaches guest memory: inline soft TLB, runtime functions beyond it. */
export abstract class GuestLowering extends Lowering {
  protected abstract readonly isa: Isa;
  protected abstract readonly linker: Linker;
  /** Push the address of the current instruction's record. */
  protected abstract record(): void;
  /** Consume what an out-of-line store returned: 1 if it changed translated code. */
  protected abstract stored(): void;

  /** Push the ordinal of access `number` of the current instruction. */
  protected abstract ordinal(number: number): void;
  /** Make sure that `NOW` in state memory is that of the running block. */
  protected abstract publishNow(): void;
  /** Count an access that the block was not charged for. */
  protected abstract countAccess(unit: bigint): void;
  /** Number of the next data access of the current instruction. */
  #access = FIRST_ACCESS;

  protected override lower(body: readonly Statement[], variables: readonly Type[]): void {
    this.#access = FIRST_ACCESS;
    super.lower(body, variables);
  }

  #lookup(): Lookup {
    const [address, offset] = [this.temporary("i64"), this.temporary("i32")];
    return { address, offset, entry: this.temporary("i64") };
  }

  /** The access that hit entry `entry` leaves the modelled TLB as a lookup would. */
  #touch(entry: number, table: number, number: number): void {
    if (this.linker.instrumentation === null) return;
    this.code.get(entry).mem(W.i32_load, table + 12);
    this.ordinal(number);
    this.code.mem(W.i64_store, 0);
  }

  /** Even numbers: the odd one that follows is for the second page of an access over two. */
  #number(): number {
    const number = this.#access;
    this.#access = Math.min(number + 2, 62);
    return number;
  }

  #countIfConditional(unit: bigint): void {
    if (this.linker.instrumentation === null) return;
    if (this.depth > 0 || this.maybeLeft) this.countAccess(unit);
  }

  protected runtime(name: keyof typeof runtimeSignatures): number {
    const { params, results } = runtimeSignatures[name];
    return this.linker.builder.import(name, params, results);
  }

  protected override load(type: Type, address: Node, bits: number, signed: boolean): void {
    const code = this.code;
    const lookup = this.#lookup();
    const va = lookup.address;
    this.value(address);
    code.set(va);
    const number = this.#number();
    tlbMismatch(code, lookup, bits / 8, READ_TLB, this.isa.arch === "aarch64");
    code.seldom().op(W.if, typeCode.i32);
    this.publishNow();
    code.get(va).i32((bits / 8) | (number << 8));
    this.record();
    code.call(this.runtime("load_slow")).op(W.else);
    this.#touch(lookup.offset, READ_TLB, number);
    tlbPhysical(code, lookup);
    code.op(W.end);
    this.#countIfConditional(ONE_LOAD);
    if (type === "v128") code.op(0xfd, 0x00).memarg(0);
    else code.mem(loadOpcode(type, bits, signed), 0);
  }

  protected override store(address: Node, value: Node, bits: number): void {
    const code = this.code;
    const lookup = this.#lookup();
    const va = lookup.address;
    const v = this.temporary(value.type);
    this.value(address);
    code.set(va);
    this.value(value);
    code.set(v);
    tlbMismatch(code, lookup, bits / 8, WRITE_TLB, this.isa.arch === "aarch64");
    const number = this.#number();
    code.seldom().op(W.if, typeCode.void);
    this.publishNow();
    code.get(va).get(v).i32((bits / 8) | (number << 8));
    this.record();
    code.call(this.runtime(`store_slow_${value.type}`));
    this.depth++;
    this.stored();
    this.depth--;
    code.op(W.else);
    this.#touch(lookup.offset, WRITE_TLB, number);
    tlbPhysical(code, lookup);
    code.get(v);
    if (value.type === "v128") code.op(0xfd, 0x0b).memarg(0);
    else code.mem(storeOpcode(value.type, bits), 0);
    code.op(W.end);
    this.#countIfConditional(ONE_STORE);
  }
}
