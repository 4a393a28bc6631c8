/**
 * Where a core is in its stream: the block under way, what was fetched from and accessed last, and what it has
 * counted. Also how it numbers lines: by i32 where caches have physical addresses, else by i64, and keys have
 * the running space then.
 */
import type { CachesShape } from "../caches.ts";
import type { Preset } from "../preset.ts";
import { BLOCK, offsetOf } from "./block_index.ts";
import {
  add,
  type Cell,
  extend,
  i32,
  i64,
  load,
  or,
  shl,
  shrU,
  type Value,
  wrap,
} from "./function_writer.ts";
import type { ModelModule } from "./model_module.ts";

/** What a core counts itself, other than its caches, TLBs and predictors. */
export interface CoreCounters {
  readonly instructions: Cell;
  readonly loads: Cell;
  readonly stores: Cell;
  /** Data accesses and instructions that lay on two pages. */
  readonly dataStraddles: Cell;
  readonly fetchStraddles: Cell;
  /** Lines that they lay on, beyond the first of each. */
  readonly lineStraddles: Cell;
  readonly fetchLineStraddles: Cell;
  /** Entries that walks of inlined TLBs read. */
  readonly references: Cell;
}

export class CoreState {
  /** The block under way, its number, how many of its instructions retire, and how many were fetched. */
  readonly block: Cell;
  readonly number: Cell;
  readonly count: Cell;
  readonly fetched: Cell;
  /** Instructions below this lie where it was fetched from last. */
  readonly quiet: Cell;
  /** Physical address of the next access's first byte on its second page, if it lies on two. */
  readonly second: Cell;
  /** Page and line that were fetched from last, page of the last access; -1 if level 1 may not hold it. */
  readonly page: Cell;
  readonly line: Cell;
  readonly dataPage: Cell;
  /** What keys of the running space's lines have beside the number. */
  readonly tag: Cell;
  readonly counters: CoreCounters;
  /** Of numbers of lines, of their keys and of addresses in the caches. */
  readonly key: "i32" | "i64";
  readonly lineBits: number;
  /** log2 of base pages' bytes. */
  readonly pageBits: number;
  readonly #needsPc: boolean;

  /** @param shape of caches that are modelled */
  constructor(
    m: ModelModule,
    { tlb }: Preset,
    shape: CachesShape | undefined,
    readonly pcShift: number,
  ) {
    this.key = shape?.indexed === "virtual" ? "i64" : "i32";
    this.lineBits = Math.log2(shape?.line ?? 64);
    this.pageBits = tlb.granule ?? 12;
    this.#needsPc = [shape?.l1i, shape?.l1d, shape?.l2, shape?.llc]
      .some((level) => level?.prefetcher === "stride");
    this.block = m.cell("i32");
    this.number = m.cell("i32");
    this.count = m.cell("i32");
    this.fetched = m.cell("i32");
    this.quiet = m.cell("i32");
    this.second = m.cell("i32", -1);
    this.page = m.cell("i64", -1);
    this.line = m.cell(this.key, -1);
    this.dataPage = m.cell("i64", -1);
    this.tag = m.cell("i64");
    this.counters = {
      instructions: m.cell("i64"),
      loads: m.cell("i64"),
      stores: m.cell("i64"),
      dataStraddles: m.cell("i64"),
      fetchStraddles: m.cell("i64"),
      lineStraddles: m.cell("i64"),
      fetchLineStraddles: m.cell("i64"),
      references: m.cell("i64"),
    };
  }

  /** What `line` is if level 1 may not hold one. */
  get noLine(): Value {
    return this.key === "i32" ? i32(-1) : i64(-1);
  }
  /** An i32 as the caches' numbers are. */
  ofInt(v: Value): Value {
    return this.key === "i32" ? v : extend(v);
  }
  /** An i64 as the caches' numbers are. */
  ofLong(v: Value): Value {
    return this.key === "i32" ? wrap(v) : v;
  }
  /** The address of a line's first byte. */
  ofLine(line: Value): Value {
    return shl(line, this.lineBits);
  }
  /** The line of an address. */
  lineOf(address: Value): Value {
    return shrU(address, this.lineBits);
  }
  /** The page of an address of the program. */
  pageOf(va: Value): Value {
    return shrU(va, this.pageBits);
  }
  /** The key of a line of the running space. */
  tagged(line: Value): Value {
    return this.key === "i32" ? line : or(line, this.tag.value);
  }
  /** The address of an instruction without the bits that never differ: what prefetchers tell it by. */
  pcOf(index: Value): Value {
    if (!this.#needsPc) return i64(0);
    const block = this.block.value;
    return shrU(add(load("i64", block, BLOCK.pc), extend(offsetOf(block, index))), this.pcShift);
  }
}
