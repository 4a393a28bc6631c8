/**
 * Loads and stores of guest memory as functions of the runtime module, one for each form, for code
 * that is to be small. Parameters: the address, for stores the value (of 256 bits: its lower half, then its upper
 * one), and the address of the instruction's record, plus half the number of the access.
 */
import type { Type } from "../ir/types.ts";
import * as L from "../layout.ts";
import { Code, typeCode, W } from "./code.ts";
import { type DataLines, EventKind } from "./event_stream.ts";
import type { Instrumentation } from "./events.ts";
import { appendShared } from "./line_filter.ts";
import { loadOpcode, storeOpcode } from "./lower.ts";
import * as R from "./records.ts";

/** Name under which a load is exported. */
export function loadName(type: Type, bits: number, signed: boolean): string {
  return `load_${type}_${bits}${signed && bits < (type === "i64" ? 64 : 32) ? "s" : ""}`;
}
/** Name under which a store is exported. */
export function storeName(type: Type, bits: number): string {
  return `store_${type}_${bits}`;
}

interface Form {
  readonly type: Type;
  readonly bits: number;
  readonly signed: boolean;
}
const integers: readonly Form[] = [8, 16, 32].flatMap((bits) =>
  (["i32", "i64"] as const).flatMap((type) =>
    [false, true].map((signed) => ({ type, bits, signed }))
  )
);
const others: readonly Form[] = ([["i64", 64], ["f32", 32], ["f64", 64], ["v128", 128], [
  "v128",
  256,
]] as const).map(([type, bits]) => ({ type, bits, signed: false }));
const forms = [
  ...integers.filter((f) => !(f.type === "i32" && f.bits === 32 && f.signed)),
  ...others,
];

/** Functions that do what the soft TLB does not serve; they are the cold tier's. */
export interface SlowAccess {
  /** Physical address: address, size with the number from bit 8 on, record. */
  readonly load: number;
  /** By value type, and "pair": address, value or values, size and number, record. */
  readonly store: Readonly<Record<string, number>>;
}

/** Define all of them. */
export function sharedAccesses(
  define: (name: string, params: Type[], results: Type[], code: Code, locals: Type[]) => void,
  slow: SlowAccess,
  models: Instrumentation | null,
  lines: DataLines | undefined,
): void {
  for (const { type, bits, signed } of forms) {
    const results: Type[] = bits === 256 ? [type, type] : [type];
    const c = new Code();
    const [told, place, offset, at] = [1, 2, 3, 4];
    lookup(c, bits / 8, L.READ_TLB, { told, place, offset });
    c.op(W.if, typeCode.i32).get(0);
    slowArguments(c, bits / 8, told);
    c.call(slow.load).op(W.else);
    hit(c, { told, place, offset }, models);
    if (lines !== undefined) {
      c.set(at);
      appendShared(c, lines, EventKind.Load, bits / 8, { told, physical: at, place });
      c.get(at);
    }
    c.op(W.end);
    if (bits === 256) {
      c.tee(at).op(0xfd, 0x00).memarg(0).get(at).op(0xfd, 0x00).memarg(16);
    } else if (type === "v128") c.op(0xfd, 0x00).memarg(0);
    else c.mem(loadOpcode(type, bits, signed), 0);
    define(loadName(type, bits, signed), ["i64", "i32"], results, c, ["i32", "i64", "i32"]);
  }
  for (const { type, bits } of forms.filter((f) => !f.signed)) {
    const values: Type[] = bits === 256 ? [type, type] : [type];
    const c = new Code();
    const told = 1 + values.length;
    const [place, offset, at] = [told + 1, told + 2, told + 3];
    lookup(c, bits / 8, L.WRITE_TLB, { told, place, offset });
    c.op(W.if, typeCode.void).get(0);
    values.forEach((_, i) => c.get(1 + i));
    slowArguments(c, bits / 8, told);
    c.call(slow.store[bits === 256 ? "pair" : type]).op(W.drop, W.return, W.end);
    hit(c, { told, place, offset }, models);
    c.set(at);
    if (lines !== undefined) {
      appendShared(c, lines, EventKind.Store, bits / 8, { told, physical: at, place });
    }
    values.forEach((_, i) => {
      c.get(at).get(1 + i);
      if (type === "v128") c.op(0xfd, 0x0b).memarg(16 * i);
      else c.mem(storeOpcode(type, bits), 0);
    });
    define(storeName(type, bits), ["i64", ...values, "i32"], [], c, ["i32", "i64", "i32"]);
  }
}

interface Locals {
  readonly told: number;
  readonly place: number;
  readonly offset: number;
}

/** Push whether the soft TLB does not serve `size` bytes at the address in parameter 0. */
function lookup(c: Code, size: number, table: number, l: Locals): void {
  c.get(0).op(W.i32_wrap_i64).i32(L.SOFT_SHIFT).op(W.i32_shr_u).i32(L.SOFT_MASK).op(W.i32_and)
    .tee(l.place).mem(W.i64_load, table).get(0).op(W.i64_xor).tee(l.offset)
    .i64(BigInt(4096 - size)).op(W.i64_gt_u).seldom();
}

/** After a hit: leave the model as a lookup would, push the physical address. */
function hit(c: Code, l: Locals, models: Instrumentation | null): void {
  if (models !== null) {
    c.get(l.place).mem(W.i32_load, L.SOFT_STAMP)
      .stateLoad(W.i64_load, L.NOW).get(l.told).i32(-32).op(W.i32_and)
      .mem(W.i32_load16_u, R.INDEX).i32(6).op(W.i32_shl)
      .get(l.told).i32(31).op(W.i32_and).i32(1).op(W.i32_shl, W.i32_or, W.i64_extend_i32_u)
      .op(W.i64_add).mem(W.i64_store, 0);
  }
  c.get(l.place).mem(W.i32_load, L.SOFT_PHYSICAL).get(l.offset).op(W.i32_wrap_i64)
    .op(W.i32_add);
}

function slowArguments(c: Code, size: number, told: number): void {
  c.get(told).i32(31).op(W.i32_and).i32(9).op(W.i32_shl).i32(size).op(W.i32_or)
    .get(told).i32(-32).op(W.i32_and);
}
