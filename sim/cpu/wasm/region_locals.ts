/**
 * The locals that a region's function holds throughout, guest registers aside. Some stand for state memory, which is
 * behind while control is in the region: they are loaded where it enters, and written back where it leaves.
 */
import type { Isa } from "../ir/decoded.ts";
import type { Type } from "../ir/types.ts";
import * as L from "../layout.ts";
import { type Code, W } from "./code.ts";
import type { Linker } from "./cold.ts";

export class RegionLocals {
  /** Without models: instructions left. With models it follows from `now`, and `pushBudget` alone asks for it. */
  readonly budget: number;
  /** Where an indirect branch or an exit goes. */
  readonly pc: number;
  /** The link that control leaves through. */
  readonly slot: number;
  /** The record that control leaves at. */
  readonly exitRecord: number;
  /** Why it leaves. */
  readonly exit: number;
  /** The lazy flags. */
  readonly flagKind: number;
  readonly flagA: number;
  readonly flagB: number;
  /** With models: the ordinal at which the block under way ends, and the one beyond which none is entered. */
  readonly now: number;
  readonly end: number;
  /** With models: packed counts of accesses, and as they were before an instruction that counts accesses itself. */
  readonly accesses: number;
  readonly accessesBefore: number;
  /** With models: packed counts of branches, and gshare's history. */
  readonly branches: number;
  readonly history: number;
  /** Which of the root's doors to go through. */
  readonly door: number;
  /** Where branches have types: the dispatch hash to look in; -1 elsewhere. */
  readonly hash: number;
  /** With an event stream: where the next event goes, and where it was before the instruction; else -1. */
  readonly events: number;
  readonly eventsBefore: number;
  /** With attribution: three to use; else none. */
  readonly sites: readonly number[];
  /** With filtered fetches: where the block's events begin; else -1. */
  readonly quietEvents: number;
  readonly #linker: Linker;
  readonly #countsAccesses: boolean;

  /** `countsAccesses`: with models, whether the region counts any. */
  constructor(
    newLocal: (type: Type) => number,
    isa: Isa,
    linker: Linker,
    countsAccesses: boolean,
  ) {
    const { stream, instrumentation } = linker;
    this.#linker = linker;
    this.#countsAccesses = countsAccesses;
    this.budget = newLocal("i64");
    this.pc = newLocal("i64");
    this.slot = newLocal("i32");
    this.exitRecord = newLocal("i32");
    this.exit = newLocal("i32");
    this.flagKind = newLocal("i32");
    this.flagA = newLocal("i64");
    this.flagB = newLocal("i64");
    this.now = newLocal("i64");
    this.end = newLocal("i64");
    this.accesses = newLocal("i64");
    this.accessesBefore = newLocal("i64");
    this.branches = newLocal("i64");
    this.history = newLocal("i32");
    this.door = newLocal("i32");
    this.hash = isa.landing === undefined ? -1 : newLocal("i32");
    this.events = stream === null ? -1 : newLocal("i32");
    this.eventsBefore = stream === null ? -1 : newLocal("i32");
    this.sites = instrumentation?.sites === true ? [0, 1, 2].map(() => newLocal("i32")) : [];
    this.quietEvents = stream?.lines === undefined ? -1 : newLocal("i32");
  }

  /** Control enters. */
  load(code: Code): void {
    const { instrumentation, stream } = this.#linker;
    if (instrumentation === null) code.stateLoad(W.i64_load, L.BUDGET).set(this.budget);
    else {
      if (instrumentation.sites) code.stateLoad(W.i64_load, L.SITE_END).set(this.end);
      code.stateLoad(W.i64_load, L.ORDINAL_BASE);
      if (!instrumentation.sites) code.tee(this.end);
      code.stateLoad(W.i64_load, L.BUDGET).i64(6n).op(W.i64_shl, W.i64_sub).set(this.now);
      if (this.#countsAccesses) code.stateLoad(W.i64_load, L.ACCESSES).set(this.accesses);
      code.stateLoad(W.i64_load, L.BRANCHES).set(this.branches)
        .stateLoad(W.i32_load, L.HISTORY).set(this.history);
    }
    if (stream !== null) code.stateLoad(W.i32_load, L.EVENTS).set(this.events);
  }

  /** Write back what is neither register nor flag. */
  spill(code: Code): void {
    const { instrumentation, stream } = this.#linker;
    code.i32(0);
    this.pushBudget(code);
    code.mem(W.i64_store, L.BUDGET);
    if (stream !== null) code.i32(0).get(this.events).mem(W.i32_store, L.EVENTS);
    if (instrumentation === null) return;
    if (this.#countsAccesses) code.i32(0).get(this.accesses).mem(W.i64_store, L.ACCESSES);
    code.i32(0).get(this.branches).mem(W.i64_store, L.BRANCHES)
      .i32(0).get(this.history).mem(W.i32_store, L.HISTORY);
  }

  /** Push the budget. With models it is what lacks to the ordinal at the quantum's end. */
  pushBudget(code: Code): void {
    const { instrumentation } = this.#linker;
    if (instrumentation === null) {
      code.get(this.budget);
      return;
    }
    if (instrumentation.sites) code.stateLoad(W.i64_load, L.ORDINAL_BASE);
    else code.get(this.end);
    code.get(this.now).op(W.i64_sub).i64(6n).op(W.i64_shr_s);
  }
}
