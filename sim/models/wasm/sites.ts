/**
 * Counts events where they happen: by instruction of a block, by calling context and function, by page of
 * data. Records lie in the models' memory; the host makes one when it is first needed, and they are found
 * by direct-mapped tables after that.
 */
import { DEEPEST, siteNames, SKIPPED } from "../../cpu/site_kinds.ts";
import {
  add,
  and,
  type Cell,
  eq,
  extend,
  type FunctionWriter,
  geS,
  geU,
  i32,
  i64,
  load,
  type Local,
  ltU,
  mul,
  ne,
  not,
  or,
  shl,
  shrU,
  sub,
  toNumber,
  type Value,
  wrap,
  xor,
} from "./function_writer.ts";
import type { Callable, ModelModule } from "./model_module.ts";
import { BranchKind } from "../stream_model.ts";

/** Bytes of a record: an i64 for each kind of event. */
export const RECORD = 8 * siteNames.length;
/** A call that has not returned: where it returns to, and the context it was made in. */
export const FRAME = 16;
const CONTEXT = 8;
/** Tables of records' addresses, of entries of 16 bytes: a key, and what it leads to. */
const ENTRIES = 1 << 14;
const ENTRY = 16;
const VALUE = 8;

/** The address of an event that is not of data. */
export const NO_DATA = i64(-1);

/** Offsets in a block's description: number of its function, address of its instructions' records; i32. */
export interface SiteOffsets {
  readonly symbol: number;
  readonly records: number;
}

/** What the host makes: addresses of records, numbers of contexts. */
export interface SiteImports {
  /** Of a function in a context. */
  readonly slot: Callable;
  /** Of the instructions of the block with a number. */
  readonly records: Callable;
  /** Of the page of an address. */
  readonly page: Callable;
  /** The context that a call to an address leads to. */
  readonly callee: Callable;
  /** So many instructions retired as the stretch has. */
  readonly stretch: Callable;
  /** The stack of calls is full: makes another, larger, and copies it. */
  readonly grow: Callable;
}

export function siteImports(m: ModelModule): SiteImports {
  return {
    slot: m.import("slot", ["i32", "i32"], ["i32"]),
    records: m.import("records", ["i32"], ["i32"]),
    page: m.import("page", ["f64"], ["i32"]),
    callee: m.import("callee", ["i32", "f64"], ["i32"]),
    stretch: m.import("stretch", []),
    grow: m.import("grow", []),
  };
}

export class WasmSites {
  /** The running thread's context, and its calls that have not returned: from `base` to `top`. */
  readonly context: Cell;
  readonly base: Cell;
  readonly top: Cell;
  readonly end: Cell;
  /** Record of the stretch of the run under way; its instructions so far, and how many it is to have. */
  readonly stretch: number;
  readonly passed: Cell;
  readonly length: Cell;
  /** The function that the slot is of, or -1. */
  readonly #symbol: Cell;
  readonly #slot: Cell;
  /** Tables that are right in one space only: where, and bytes. */
  readonly pages: number;
  readonly pageBytes: number = ENTRIES * ENTRY;
  /** `at(site, index, address)`: an event at an instruction of the block; `address` is of data, or `NO_DATA`. */
  readonly at: Callable;
  /** `spend(symbol, instructions)`: so many of a function retired. */
  readonly spend: Callable;
  /** `branch(kind, next, to)`: a call or a return. */
  readonly branch: Callable;

  constructor(
    m: ModelModule,
    imports: SiteImports,
    { block, number }: Readonly<Record<"block" | "number", Cell>>,
    offsets: SiteOffsets,
  ) {
    this.context = m.cell("i32");
    this.base = m.cell("i32");
    this.top = m.cell("i32");
    this.end = m.cell("i32");
    this.stretch = m.allocate(RECORD);
    this.passed = m.cell("i64");
    this.length = m.cell("i64", 1);
    this.#symbol = m.cell("i32", -1);
    this.#slot = m.cell("i32");
    const slots = m.allocate(ENTRIES * ENTRY);
    const callees = m.allocate(ENTRIES * ENTRY);
    this.pages = m.allocate(this.pageBytes);

    /** The value of `key` in a table, made by `make` if it is not there. */
    const lookUp = (f: FunctionWriter, table: number, hash: Value, key: Value, make: Value) => {
      const at = f.keep(shl(and(hash, ENTRIES - 1), 4));
      // Keys are one more: 0 is an empty entry.
      const wanted = f.keep(add(key, 1));
      f.if(ne(load("i64", at, table), wanted), () => {
        f.store("i32", at, make, table + VALUE);
        f.store("i64", at, wanted, table);
      });
      return load("i32", at, table + VALUE);
    };
    const findSlot = m.function(["i32"], [], (f, symbol) => {
      const context = this.context.value;
      const key = or(shl(extend(context), 32), extend(symbol));
      const hash = add(mul(context, 31), symbol);
      f.set(this.#slot, lookUp(f, slots, hash, key, imports.slot(context, symbol)));
      f.set(this.#symbol, symbol);
    });
    const find = (f: FunctionWriter, symbol: Local): void =>
      f.if(ne(symbol, this.#symbol.value), () => f.call(findSlot(symbol)));
    const count1 = (f: FunctionWriter, address: Value): void =>
      f.store("i64", address, add(load("i64", address), 1));

    this.spend = m.function(["i32", "i32"], [], (f, symbol, instructions) => {
      find(f, symbol);
      const slot = f.keep(this.#slot.value);
      const more = f.keep(extend(instructions));
      f.store("i64", slot, add(load("i64", slot), more));
      f.count(this.passed, more);
      f.if(geU(this.passed.value, this.length.value), () => f.call(imports.stretch()));
    });

    this.at = m.function(["i32", "i32", "i64"], [], (f, site, index, address) => {
      find(f, f.keep(load("i32", block.value, offsets.symbol)));
      const offset = f.keep(shl(site, 3));
      count1(f, f.keep(add(this.#slot.value, offset)));
      count1(f, f.keep(add(offset, this.stretch)));
      const records = f.keep(load("i32", block.value, offsets.records));
      f.if(not(records), () => {
        f.set(records, imports.records(number.value));
        f.store("i32", block.value, records, offsets.records);
      });
      count1(f, f.keep(add(add(records, mul(index, RECORD)), offset)));
      f.if(geS(address, 0), () => {
        const page = f.keep(shrU(address, 12));
        const record = lookUp(f, this.pages, wrap(page), page, imports.page(toNumber(address)));
        count1(f, f.keep(add(record, offset)));
      });
    });

    this.branch = m.function(["i32", "i64", "i64"], [], (f, kind, next, to) => {
      f.if(eq(kind, BranchKind.Return), () => {
        const at = f.keep(this.top.value);
        f.for(i32(0), i32(SKIPPED), 1, () => {
          f.if(eq(at, this.base.value), () => f.return());
          f.set(at, sub(at, FRAME));
          f.if(eq(load("i64", at), to), () => {
            f.set(this.context, load("i32", at, CONTEXT));
            f.set(this.top, at);
            f.set(this.#symbol, i32(-1));
            f.return();
          });
        });
        f.return();
      });
      f.if(and(ne(kind, BranchKind.Call), ne(kind, BranchKind.IndirectCall)), () => f.return());
      f.if(eq(this.top.value, this.end.value), () => f.call(imports.grow()));
      const at = f.keep(this.top.value);
      f.store("i64", at, next);
      f.store("i32", at, this.context.value, CONTEXT);
      f.set(this.top, add(at, FRAME));
      const depth = sub(this.top.value, this.base.value);
      f.if(geU(depth, FRAME * DEEPEST + 1), () => f.return());
      const context = f.keep(this.context.value);
      // Addresses have 48 bits: what they lack is the context.
      const key = or(shl(extend(context), 48), to);
      const low = wrap(to);
      const hash = add(xor(low, shrU(low, 12)), mul(context, 0x9e3779b1 | 0));
      f.if(ltU(context, 0xffff), () => {
        const made = imports.callee(context, toNumber(to));
        f.set(this.context, lookUp(f, callees, hash, key, made));
      }, () => f.set(this.context, imports.callee(context, toNumber(to))));
      f.set(this.#symbol, i32(-1));
    });

    // Another thread, or another program: the slot is of another context.
    m.function([], [], (f) => f.set(this.#symbol, i32(-1)), "forgetSlot");
  }
}
