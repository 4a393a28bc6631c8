/** The inline path of guest loads and stores: a soft TLB lookup, then the access itself. */
import { READ_TLB, SOFT_KEY, WRITE_TLB } from "../layout.ts";
import type { Isa } from "../ir/decoded.ts";
import type { Node, Statement, Type } from "../ir/types.ts";
import { typeCode, W } from "./code.ts";
import type { Linker } from "./cold.ts";
import { FIRST_ACCESS, ONE_LOAD, ONE_STORE } from "./events.ts";
import { runtimeSignatures } from "./imports.ts";
import { loadOpcode, Lowering, storeOpcode } from "./lower.ts";

/** Locals of one lookup: the address, its place in the table, and address XOR entry. */
interface Lookup {
  readonly address: number;
  readonly place: number;
  readonly translated: number;
}

/** The address bits that aarch64 looks at: the top byte is ignored on access (TBI). */
const TBI_MASK = 0x00ff_ffff_ffff_ffffn;

/** A lowering that reaches guest memory: inline soft TLB, runtime functions beyond it. */
export abstract class GuestLowering extends Lowering {
  protected abstract readonly isa: Isa;
  protected abstract readonly linker: Linker;
  /**
   * The soft TLB does not know a load's page, or two pages are touched: push the physical address of
   * the bytes, or leave. The access is `size` bytes at the address in local `address`, and has that
   * number in its instruction.
   */
  protected abstract missedLoad(address: number, size: number, number: number): void;
  /** The same for a store: do it with the value in local `value` (256 bits: and `upper`), or leave. */
  protected abstract missedStore(
    address: number,
    size: number,
    number: number,
    value: number,
    type: Type,
    upper: number,
  ): void;
  /** Push the ordinal of access `number` of the current instruction. */
  protected abstract ordinal(number: number): void;
  /** Count an access that the block was not charged for. */
  protected abstract countAccess(unit: bigint): void;
  /** Number of the next data access of the current instruction. */
  #access = FIRST_ACCESS;

  protected override lower(body: readonly Statement[], variables: readonly Type[]): void {
    this.#access = FIRST_ACCESS;
    super.lower(body, variables);
  }

  /**
   * Look up the soft TLB `table` for an access of `size` bytes at `address`. Leaves two blocks open, the
   * inner one of which it branches out of when the translation is not there or two pages are touched.
   */
  #lookup(address: Node, size: number, table: number, result: number): Lookup {
    const code = this.code;
    const l = {
      address: this.temporary("i64"),
      place: this.temporary("i32"),
      translated: this.temporary("i64"),
    };
    this.value(address);
    if (this.isa.arch === "aarch64") code.i64(TBI_MASK).op(W.i64_and);
    code.set(l.address);
    code.op(W.block, result, W.block, typeCode.void);
    code.get(l.address).op(W.i32_wrap_i64).i32(8).op(W.i32_shr_u).i32(0xfffff0).op(W.i32_and)
      .tee(l.place).mem(W.i64_load, table).get(l.address).op(W.i64_xor).tee(l.translated)
      .i64(32n).op(W.i64_shr_u, W.i32_wrap_i64).i32(SOFT_KEY).op(W.i32_ne).seldom().brIf(0);
    if (size > 1) {
      code.get(l.address).op(W.i32_wrap_i64).i32(size - 1).op(W.i32_and).seldom()
        .op(W.if, typeCode.void)
        .get(l.address).op(W.i32_wrap_i64).i32(4095).op(W.i32_and).i32(4096 - size).op(W.i32_gt_u)
        .seldom().brIf(1).op(W.end);
    }
    return l;
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
    const number = this.#number();
    const l = this.#lookup(address, bits / 8, READ_TLB, typeCode.i32);
    this.#touch(l.place, READ_TLB, number);
    code.get(l.translated).op(W.i32_wrap_i64).br(1).op(W.end);
    this.missedLoad(l.address, bits / 8, number);
    code.op(W.end);
    this.#countIfConditional(ONE_LOAD);
    if (bits === 256) {
      const at = this.temporary("i32");
      code.tee(at).op(0xfd, 0x00).memarg(0).get(at).op(0xfd, 0x00).memarg(16);
    } else if (type === "v128") code.op(0xfd, 0x00).memarg(0);
    else code.mem(loadOpcode(type, bits, signed), 0);
  }

  protected override store(address: Node, value: Node, bits: number, high?: Node): void {
    const code = this.code;
    const number = this.#number();
    const v = this.temporary(value.type);
    this.value(value);
    code.set(v);
    const upper = high === undefined ? -1 : this.temporary("v128");
    if (high !== undefined) {
      this.value(high);
      code.set(upper);
    }
    const l = this.#lookup(address, bits / 8, WRITE_TLB, typeCode.void);
    this.#touch(l.place, WRITE_TLB, number);
    code.get(l.translated).op(W.i32_wrap_i64).get(v);
    if (value.type === "v128") {
      code.op(0xfd, 0x0b).memarg(0);
      if (high !== undefined) {
        code.get(l.translated).op(W.i32_wrap_i64).get(upper).op(0xfd, 0x0b).memarg(16);
      }
    } else code.mem(storeOpcode(value.type, bits), 0);
    code.br(1).op(W.end);
    this.missedStore(l.address, bits / 8, number, v, value.type, upper);
    code.op(W.end);
    this.#countIfConditional(ONE_STORE);
  }
}
