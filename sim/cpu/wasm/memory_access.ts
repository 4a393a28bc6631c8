/** The inline path of guest loads and stores: a soft TLB lookup, then the access itself. */
import {
  READ_TLB,
  SOFT_EVICTED,
  SOFT_MASK,
  SOFT_PHYSICAL,
  SOFT_SHIFT,
  SOFT_STAMP,
  WRITE_TLB,
} from "../layout.ts";
import type { Isa } from "../ir/decoded.ts";
import type { Node, Statement, Type } from "../ir/types.ts";
import type { Cluster, Placement } from "./access_clusters.ts";
import { typeCode, W } from "./code.ts";
import type { Linker } from "./cold.ts";
import { EVENT_WORD, EventKind } from "./event_stream.ts";
import { FIRST_ACCESS, ONE_LOAD, ONE_STORE } from "./events.ts";
import { type RuntimeName, runtimeSignatures } from "./imports.ts";
import { ifOtherLine } from "./line_filter.ts";
import { type Load, loadOpcode, Lowering, type Store, storeOpcode } from "./lower.ts";

const EVICTED = BigInt.asIntN(64, SOFT_EVICTED);

/**
 * Locals of one lookup: the address, its place in the table, after a hit its offset in the page, and with models what
 * else the entry says: the page's physical address, and where its stamp is. Two loads would be checked against the
 * memory's end twice.
 */
interface Lookup {
  readonly address: number;
  readonly place: number;
  readonly offset: number;
  readonly entry: number;
  /** The physical address, and where the stamp is, if that was read early; else -1. */
  readonly physical: number;
  readonly stamp: number;
}

/** A lowering that reaches guest memory: inline soft TLB, runtime functions beyond it. */
export abstract class GuestLowering extends Lowering {
  protected abstract readonly isa: Isa;
  protected abstract readonly linker: Linker;
  /** Whether control leaves for good where the soft TLB does not serve an access. */
  protected abstract readonly missesLeave: boolean;
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
  /**
   * The same for the accesses of a cluster: leave. They lie on two pages if the local `offset` is below
   * 4096.
   */
  protected missedCluster(_offset: number): void {
    throw new TypeError("a cluster of accesses outside a region");
  }
  /**
   * Access `number` of the current instruction was the latest of a cluster: where control leaves before the last one,
   * that stamps the modelled TLB's entry. -1: it was the last one.
   */
  protected touched(_cluster: Cluster, _number: number): void {
    throw new TypeError("a cluster of accesses outside a region");
  }
  /** With models, where control would leave: whether the page's entry is refilled first, if it was but evicted. */
  protected refills(): boolean {
    return false;
  }
  /** With models: an access that is in no cluster was lowered. */
  protected looked(): void {}
  /** Push whether the entry of the page at local `address` could not be refilled; set local `stamp` to where its stamp is. */
  protected refill(_address: number, _number: number, _stamp: number): void {
    throw new TypeError("an entry is refilled outside a region");
  }
  /** Push the ordinal of access `number` of the current instruction. */
  protected abstract ordinal(number: number): void;
  /** Count an access that the block was not charged for. */
  protected abstract countAccess(unit: bigint): void;
  /** Push where the next event goes; turn an address on the stack into an event's first 64 bits; step on. */
  protected abstract eventPlace(): void;
  protected abstract packEvent(kind: EventKind, argument: number): void;
  protected abstract nextEvent(): void;
  /** Number of the next data access of the current instruction. */
  #accesses = FIRST_ACCESS;

  protected override lower(body: readonly Statement[], variables: readonly Type[]): void {
    this.#accesses = FIRST_ACCESS;
    super.lower(body, variables);
  }

  /** Where an access lies in a cluster, if it is in one. */
  protected placementOf(_s: Load | Store): Placement | undefined {
    return undefined;
  }

  /** A local that lives to the end of the block. */
  protected blockLocal(type: "i32"): number {
    return this.newLocal(type);
  }

  /**
   * Look up the soft TLB, with its tags in `table`, for `size` bytes from `address + shift` on; `hit` is lowered where it
   * serves them, `missed` where the translation is not there or two pages are touched. Both leave a
   * `result`. Where entries are refilled, `early` is lowered before it is known which, with the physical address that the
   * entry says.
   */
  #access(
    address: Node,
    shift: number,
    size: number,
    table: number,
    result: number,
    hit: (l: Lookup) => void,
    missed: (l: Lookup) => void,
    number: number,
    early: (l: Lookup) => void,
  ): void {
    const code = this.code;
    if (this.missesLeave) {
      // An arm that is left for good: a baseline compiler merges no states there.
      const refills = this.#models && this.refills();
      const l = this.#lookup(address, shift, size, table, refills ? early : undefined);
      code.seldom().op(W.if, typeCode.void);
      if (refills) {
        code.get(l.offset).i64(EVICTED).op(W.i64_xor).tee(l.offset).i64(BigInt(4096 - size))
          .op(W.i64_gt_u, W.if, typeCode.i32).i32(1).op(W.else);
        this.refill(l.address, number, l.stamp);
        code.op(W.end, W.if, typeCode.void);
        code.get(l.offset).i64(EVICTED).op(W.i64_xor).set(l.offset);
        this.depth++;
        missed(l);
        this.depth--;
        code.op(W.end);
      } else missed(l);
      code.op(W.end);
      hit(l);
      return;
    }
    code.op(W.block, result, W.block, typeCode.void);
    const l = this.#lookup(address, shift, size, table);
    code.seldom().brIf(0);
    hit(l);
    code.br(1).op(W.end);
    missed(l);
    code.op(W.end);
  }

  /** Push whether the soft TLB, with its tags in `table`, does not serve `size` bytes from `address + shift` on. */
  #lookup(
    address: Node,
    shift: number,
    size: number,
    table: number,
    early?: (l: Lookup) => void,
  ): Lookup {
    const code = this.code;
    const l = {
      address: this.temporary("i64"),
      place: this.temporary("i32"),
      offset: this.temporary("i64"),
      entry: this.#models ? this.temporary("i64") : -1,
      physical: early === undefined ? -1 : this.temporary("i32"),
      stamp: early === undefined ? -1 : this.temporary("i32"),
    };
    this.value(address);
    if (shift !== 0) code.i64(BigInt(shift)).op(W.i64_add);
    code.tee(l.address).op(W.i32_wrap_i64).i32(SOFT_SHIFT).op(W.i32_shr_u).i32(SOFT_MASK)
      .op(W.i32_and).tee(l.place).mem(W.i64_load, table).get(l.address).op(W.i64_xor);
    if (early === undefined) code.tee(l.offset);
    else {
      code.set(l.offset);
      this.#readEntry(l);
      code.set(l.stamp).get(l.entry).op(W.i32_wrap_i64)
        .get(l.address).op(W.i32_wrap_i64).i32(4095).op(W.i32_and, W.i32_add).set(l.physical);
      early(l);
      code.get(l.offset);
    }
    code.i64(BigInt(4096 - size)).op(W.i64_gt_u);
    return l;
  }

  get #models(): boolean {
    return this.linker.instrumentation !== null;
  }
  /** Push the physical address of a lookup that hit. */
  #physical({ place, offset, entry, physical }: Lookup): void {
    const code = this.code;
    if (physical >= 0) {
      code.get(physical);
      return;
    }
    if (this.#models) code.get(entry).op(W.i32_wrap_i64);
    else code.get(place).mem(W.i32_load, SOFT_PHYSICAL);
    code.get(offset).op(W.i32_wrap_i64, W.i32_add);
  }
  /** With models, after a hit: read the rest of the entry, and push where the stamp is. */
  #stamp(l: Lookup): void {
    if (l.stamp >= 0) this.code.get(l.stamp);
    else this.#readEntry(l);
  }
  #readEntry({ place, entry }: Lookup): void {
    this.code.get(place).mem(W.i64_load, SOFT_PHYSICAL).tee(entry)
      .i64(BigInt(8 * (SOFT_STAMP - SOFT_PHYSICAL))).op(W.i64_shr_u, W.i32_wrap_i64);
  }

  /**
   * Push the physical address of the lowest byte of the access's cluster; the first access of it
   * translates.
   */
  #cluster(
    { cluster, offset, first, last }: Placement,
    address: Node,
    number: number,
    early: (l: Lookup) => void,
  ): void {
    const code = this.code;
    const models = this.#models;
    if (first) {
      cluster.physical = this.blockLocal("i32");
      const table = cluster.stores ? WRITE_TLB : READ_TLB;
      this.#access(
        address,
        -offset,
        cluster.span,
        table,
        typeCode.void,
        (l) => {
          if (models) {
            cluster.stamp = this.blockLocal("i32");
            this.#stamp(l);
            code.set(cluster.stamp);
          }
          this.#physical(l);
          code.set(cluster.physical);
        },
        (l) => this.missedCluster(l.offset),
        number,
        early,
      );
    }
    if (models && last) {
      code.get(cluster.stamp);
      this.ordinal(number);
      code.mem(W.i64_store, 0);
    }
    if (models) this.touched(cluster, last ? -1 : number);
    code.get(cluster.physical);
  }

  /** The access that hit leaves the modelled TLB as a lookup would. */
  #touch(l: Lookup, number: number): void {
    if (!this.#models) return;
    this.looked();
    this.#stamp(l);
    this.ordinal(number);
    this.code.mem(W.i64_store, 0);
  }

  /** Append an access whose physical address, plus `offset`, is on the stack and stays there. */
  #append(kind: EventKind, size: number, offset: number, address: () => void): void {
    if (this.linker.stream?.accesses !== true) return;
    const code = this.code;
    const physical = this.temporary("i32");
    const { lines } = this.linker.stream;
    if (lines !== undefined) {
      if (offset !== 0) code.i32(offset).op(W.i32_add);
      code.set(physical);
      const locals = { physical, place: this.temporary("i32") };
      ifOtherLine(code, lines, size, locals, () => {
        this.eventPlace();
        code.i64(0n);
        this.packEvent(kind, size);
        code.mem(W.i64_store, 0);
        this.eventPlace();
        code.get(physical).mem(W.i32_store, EVENT_WORD);
        this.nextEvent();
      });
      code.get(physical);
      if (offset !== 0) code.i32(offset).op(W.i32_sub);
      return;
    }
    code.set(physical);
    this.eventPlace();
    address();
    this.packEvent(kind, size);
    code.mem(W.i64_store, 0);
    this.eventPlace();
    code.get(physical);
    if (offset !== 0) code.i32(offset).op(W.i32_add);
    code.mem(W.i32_store, EVENT_WORD);
    this.nextEvent();
    code.get(physical);
  }

  /** Even numbers: the odd one that follows is for the second page of an access over two. */
  #number(): number {
    const number = this.#accesses;
    this.#accesses = Math.min(number + 2, 62);
    return number;
  }

  #countIfConditional(unit: bigint): void {
    if (!this.#models) return;
    if (this.depth > 0 || this.maybeLeft) this.countAccess(unit);
  }

  protected runtime(name: RuntimeName): number {
    const { params, results } = runtimeSignatures[name];
    return this.linker.builder.import(name, params, results);
  }

  protected override load(s: Load): void {
    const { address, bits, signed } = s;
    const { type } = s.node;
    const code = this.code;
    const number = this.#number();
    const placement = this.placementOf(s);
    const offset = placement?.offset ?? 0;
    // Where pages are often missed, what is read may be far as well: it is on its way while the entry is refilled.
    const early = bits <= 128 && placement?.first !== false && this.missesLeave &&
      this.#models && this.refills();
    const value = early ? this.temporary(type) : -1;
    const read = ({ physical }: Lookup): void => {
      code.get(physical);
      if (type === "v128") code.op(0xfd, 0x00).memarg(offset);
      else code.mem(loadOpcode(type, bits, signed), offset);
      code.set(value);
    };
    if (placement !== undefined) {
      this.#cluster(placement, address, number, early ? read : () => {});
      this.#append(EventKind.Load, bits / 8, placement.offset, () => this.value(address));
    } else {
      this.#access(
        address,
        0,
        bits / 8,
        READ_TLB,
        typeCode.i32,
        (l) => {
          this.#touch(l, number);
          this.#physical(l);
          this.#append(EventKind.Load, bits / 8, 0, () => code.get(l.address));
        },
        (l) => this.missedLoad(l.address, bits / 8, number),
        number,
        early ? read : () => {},
      );
      this.#countIfConditional(ONE_LOAD);
    }
    if (early) code.op(W.drop).get(value);
    else if (bits === 256) {
      const at = this.temporary("i32");
      code.tee(at).op(0xfd, 0x00).memarg(offset).get(at).op(0xfd, 0x00).memarg(offset + 16);
    } else if (type === "v128") code.op(0xfd, 0x00).memarg(offset);
    else code.mem(loadOpcode(type, bits, signed), offset);
  }

  protected override store(s: Store): void {
    const { address, value, bits, high } = s;
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
    const write = (offset: number) => {
      if (high !== undefined) {
        const at = this.temporary("i32");
        code.tee(at).get(v).op(0xfd, 0x0b).memarg(offset);
        code.get(at).get(upper).op(0xfd, 0x0b).memarg(offset + 16);
        return;
      }
      code.get(v);
      if (value.type === "v128") code.op(0xfd, 0x0b).memarg(offset);
      else code.mem(storeOpcode(value.type, bits), offset);
    };
    const placement = this.placementOf(s);
    if (placement !== undefined) {
      this.#cluster(placement, address, number, () => {});
      this.#append(EventKind.Store, bits / 8, placement.offset, () => this.value(address));
      return write(placement.offset);
    }
    this.#access(
      address,
      0,
      bits / 8,
      WRITE_TLB,
      typeCode.void,
      (l) => {
        this.#touch(l, number);
        this.#physical(l);
        this.#append(EventKind.Store, bits / 8, 0, () => code.get(l.address));
        write(0);
      },
      (l) => this.missedStore(l.address, bits / 8, number, v, value.type, upper),
      number,
      () => {},
    );
    this.#countIfConditional(ONE_STORE);
  }
}
