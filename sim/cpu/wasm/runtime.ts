/**
 * The runtime module: small functions written directly in WebAssembly that stand between generated
 * code and the host. They pass addresses through state memory, so no 64-bit value crosses into
 * TypeScript as a BigInt.
 */
import type { Type } from "../ir/types.ts";
import * as L from "../layout.ts";
import { Code, typeCode, W } from "./code.ts";
import { dispatch } from "./dispatch.ts";
import { appendBlock, EventKind, makeRoom, type StreamKinds } from "./event_stream.ts";
import type { Instrumentation } from "./events.ts";
import { toldElsewhere } from "./fetch_filter.ts";
import { fetchPage } from "./fetch_page.ts";
import { predict, PREDICT_LOCALS } from "./gshare.ts";
import { runtimeSignatures } from "./imports.ts";
import { appendRefilled } from "./line_filter.ts";
import { ENTRY_TYPE, type ModuleBuilder } from "./module.ts";
import * as R from "./records.ts";
import { popReturn, pushReturn } from "./return_stack.ts";
import { sharedAccesses } from "./shared_access.ts";
import { refill, REFILL_LOCALS, refillAccess, refillFetch } from "./refill.ts";
import {
  enterSite,
  ordinal,
  type SiteFunctions,
  siteFunctions,
  type SiteHost,
} from "./site_events.ts";

import { INDIRECT_LOCALS, indirectBranch } from "./target_buffer.ts";

/** Host functions that the runtime imports, free of `this`: `(size, record)`. */
export interface RuntimeHost {
  /** Physical address of the bytes to read. Throws a guest fault. */
  readonly load_miss: (size: number, record: number) => number;
  /** Does the store of `STORE_VALUE`; 1 if it changed translated code. Throws a guest fault. */
  readonly store_miss: (size: number, record: number) => number;
  /** The same for a block's own function, which leaves if its block would be changed. */
  readonly own_store_miss: (size: number, record: number) => number;
  /** Control enters the page of `FAULT_ADDRESS`, which the soft TLB of fetches does not hold. */
  readonly fetch_miss: () => void;
  /** The buffer of events is full. */
  readonly drain: () => void;
  /** With attribution. */
  readonly sites?: SiteHost;
}

/** Table slots of the handlers that are the same for both architectures. */
export const HEAD_SLOT = 1;
export const STOP_SLOT = 2;
export const DEAD_SLOT = 3;
export const RESYNC_SLOT = 4;
export const CONTINUE_SLOT = 5;
/** Head of a block that has a function of its own. */
export const WARM_SLOT = 6;
/** First slot for generated handlers and regions. */
export const FIRST_SLOT = 8;

/** Builds the runtime module: exports the `runtimeSignatures` and `run(record)`. */
export function runtimeModule(
  m: ModuleBuilder,
  models: Instrumentation | null,
  stream: StreamKinds | null = null,
): Uint8Array<ArrayBuffer> {
  const load = m.import("load_miss", ["i32", "i32"], ["i32"]);
  const store = m.import("store_miss", ["i32", "i32"], ["i32"]);
  const own = m.import("own_store_miss", ["i32", "i32"], ["i32"]);
  const fetchMiss = m.import("fetch_miss", [], []);
  const drain = stream !== null ? m.import("drain", [], []) : -1;
  const siteHost = models?.sites === true ? siteImports(m) : null;
  const define = (
    name: string,
    params: readonly Type[],
    results: readonly Type[],
    code: Code,
    locals: readonly Type[] = [],
  ): number => {
    const f = m.function(m.type(params, results), locals, code);
    m.export(name, f);
    return f;
  };

  const sites = siteHost === null ? null : siteFunctions(
    (name, params, code, locals = [], results = []) => define(name, params, results, code, locals),
    siteHost,
  );

  const address = (c: Code): Code => c.i32(0).get(0).mem(W.i64_store, L.FAULT_ADDRESS);
  // Parameters: the address, values, the size with the access's number, the record.
  const tlbs = models?.tlbs ?? null;
  const [refillFetches, refillAt] = tlbs === null
    ? [-1, -1]
    : (["instructions", "data"] as const).map(
      (side) =>
        m.function(
          m.type(["i64", "i64"], ["i32"]),
          REFILL_LOCALS,
          refill(side, tlbs, sites, stream?.lines),
        ),
    );
  if (tlbs !== null) m.export("refill_data", refillAt);
  const slow = (
    name: keyof typeof runtimeSignatures,
    host: number,
    keep: (c: Code) => Code,
    table: number,
    access: (c: Code, place: number) => void,
    exported: string = name,
  ): number => {
    const { params, results } = runtimeSignatures[name];
    const size = params.length - 2;
    const c = new Code();
    const locals = models === null || tlbs === null ? [] : refillAccess(
      c,
      table,
      size,
      refillAt,
      models.pcShift === 2,
      (place) => {
        // The physical address.
        c.get(place).mem(W.i32_load, L.SOFT_PHYSICAL)
          .get(0).op(W.i32_wrap_i64).i32(4095).op(W.i32_and, W.i32_add);
        if (stream?.lines !== undefined) {
          const kind = table === L.READ_TLB ? EventKind.Load : EventKind.Store;
          const locals = { size, record: size + 1, physical: place, at: place + 1 };
          appendRefilled(c, stream.lines, kind, locals);
        }
        access(c, place);
        c.op(W.return);
      },
    );
    const code = keep(address(c)).get(size).get(size + 1).call(host);
    return define(exported, params, results, code, locals);
  };
  const loadSlow = slow("load_slow", load, (c) => c, L.READ_TLB, () => {});
  /** Keep parameter `value` for the host, `at` bytes into the store's value. */
  const keep = (c: Code, opcode: number, value: number, at: number): Code => {
    c.i32(0).get(value);
    if (opcode < 0) return c.op(0xfd, 0x0b).memarg(L.STORE_VALUE + at);
    return c.mem(opcode, L.STORE_VALUE + at);
  };
  /** Store as many bytes as the access has. */
  const sized = (c: Code, place: number, opcodes: Readonly<Record<number, number>>): void => {
    c.set(place);
    for (const [bytes, opcode] of Object.entries(opcodes)) {
      c.get(2).i32(255).op(W.i32_and).i32(Number(bytes)).op(W.i32_eq, W.if, 0x40)
        .get(place).get(1).mem(opcode, 0).op(W.end);
    }
    c.i32(0);
  };
  const i32 = { 1: W.i32_store8, 2: W.i32_store16, 4: W.i32_store };
  const i64 = { 1: W.i64_store8, 2: W.i64_store16, 4: W.i64_store32, 8: W.i64_store };
  /** Those of the cold tier, and those of blocks' own functions, which call another host function. */
  const storesSlow = (host: number, suffix: string): Record<string, number> => {
    const one = (
      type: Type,
      opcode: number,
      access: (c: Code, place: number) => void,
    ): number => {
      const name = `store_slow_${type}` as const;
      const kept = (c: Code): Code => keep(c, opcode, 1, 0);
      return slow(name, host, kept, L.WRITE_TLB, access, name + suffix);
    };
    return {
      i32: one("i32", W.i32_store, (c, place) => sized(c, place, i32)),
      i64: one("i64", W.i64_store, (c, place) => sized(c, place, i64)),
      f32: one("f32", W.f32_store, (c) => c.get(1).mem(W.f32_store, 0).i32(0)),
      f64: one("f64", W.f64_store, (c) => c.get(1).mem(W.f64_store, 0).i32(0)),
      v128: one("v128", -1, (c) => c.get(1).op(0xfd, 0x0b).memarg(0).i32(0)),
      pair: slow(
        "store_slow_pair",
        host,
        (c) => keep(keep(c, -1, 1, 0), -1, 2, 16),
        L.WRITE_TLB,
        (c, place) => {
          c.set(place).get(place).get(1).op(0xfd, 0x0b).memarg(0);
          c.get(place).get(2).op(0xfd, 0x0b).memarg(16).i32(0);
        },
        "store_slow_pair" + suffix,
      ),
    };
  };
  storesSlow(store, "");
  sharedAccesses(define, { load: loadSlow, store: storesSlow(own, "_own") }, models, stream?.lines);

  const signed = (
    name: keyof typeof runtimeSignatures,
    code: Code,
    locals: readonly Type[] = [],
  ): number =>
    define(name, runtimeSignatures[name].params, runtimeSignatures[name].results, code, locals);
  const fetch_ = new Code();
  const fetchLocals = tlbs === null ? [] : refillFetch(fetch_, refillFetches);
  const fetchSlow = signed("fetch_slow", address(fetch_).call(fetchMiss), fetchLocals);
  if (models !== null) {
    signed("indirect", indirect(models, sites), INDIRECT_LOCALS);
    signed("predict", predict(models, sites?.mispredicted), PREDICT_LOCALS);
    signed("push_return", pushed(models, sites), ["i32"]);
    signed("pop_return", popped(models, sites), ["i32", "i32"]);
  }
  const fetched = define("fetch_page", ["i64"], [], fetchPage(fetchSlow), ["i32"]);

  // run(record): enter at a record, and go where blocks' own functions say.
  const run = new Code();
  const [TO, ENTRY, PC] = [1, 2, 3];
  run.op(W.loop, typeCode.void);
  run.get(0).get(0).mem(W.i32_load, R.HANDLER).op(W.call_indirect).u32(ENTRY_TYPE).u32(0).tee(TO)
    .i32(R.EXITS).op(W.i32_lt_u, W.if, typeCode.void).get(TO).op(W.return, W.end);
  run.get(TO).i32(R.LAST_TO_PC + 1).op(W.i32_lt_u, W.if, typeCode.void)
    .stateLoad(W.i64_load, L.PC).set(PC);
  const ofType = (c: Code): void =>
    void c.get(TO).i32(2).op(W.i32_shl).mem(W.i32_load, L.DISPATCH - 4 * R.TO_PC);
  dispatch(run, PC, ENTRY, ofType, (c) => c.set(0).br(2));
  run.i32(R.Exit.Lookup).op(W.return, W.end);
  run.get(TO).i32(~R.TO_LINK).op(W.i32_and).tee(TO).stateLoad(W.i32_load, L.LINKS).op(W.i32_add)
    .mem(W.i32_load, 0).tee(0).brIf(0);
  run.op(W.end).i32(0).get(TO).mem(W.i32_store, L.EXIT_SLOT).i32(R.Exit.Link);
  define("run", ["i32"], ["i32"], run, ["i32", "i32", "i64"]);

  // The heads: charge the block, cool it down, go on; in the cold tier or in the block's own function.
  const head = (own: boolean): void => {
    const c = new Code();
    const [HEAT, LEFT, AT] = [1, 2, 3];
    c.stateLoad(W.i64_load, L.BUDGET).get(0).mem(W.i32_load16_u, R.COUNT)
      .op(W.i64_extend_i32_u, W.i64_sub).tee(LEFT).i64(0n).op(W.i64_lt_s, W.if, 0x40);
    leaveAtHead(c, R.Exit.Quantum);
    c.op(W.end);
    c.get(0).get(0).mem(W.i32_load, R.HEAT).i32(1).op(W.i32_sub).tee(HEAT)
      .mem(W.i32_store, R.HEAT);
    c.get(HEAT).op(W.i32_eqz, W.if, 0x40);
    leaveAtHead(c, R.Exit.Hot);
    c.op(W.end);
    if (sites !== null) enterSite(c, AT, sites);
    if (models !== null) showBlock(c, fetched);
    if (stream?.lines !== undefined) toldElsewhere(c, stream.lines);
    if (stream?.accesses === true) appendBlock(c, AT, drain);
    else if (stream !== null) makeRoom(c, drain);
    c.i32(0).get(LEFT).mem(W.i64_store, L.BUDGET);
    if (own) {
      c.get(0).get(0).mem(W.i32_load, R.ENTRY).op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0);
    } else {
      c.i32(0).stateLoad(W.i64_load, L.COLD_RETIRED).get(0).mem(W.i64_load16_u, R.COUNT)
        .op(W.i64_add).mem(W.i64_store, L.COLD_RETIRED);
      next(c);
    }
    m.element(own ? WARM_SLOT : HEAD_SLOT, m.function(ENTRY_TYPE, ["i32", "i64", "i32"], c));
  };
  head(false);
  head(true);

  // The end of a shortened block: pc is in its first immediate.
  const stop = new Code();
  stop.i32(0).get(0).mem(W.i64_load, R.IMM0).mem(W.i64_store, L.PC);
  stop.i32(R.Exit.Stop);
  m.element(STOP_SLOT, m.function(ENTRY_TYPE, [], stop));

  // The head of a block that is no longer valid: look its address up anew.
  const dead = new Code();
  leaveAtHead(dead, R.Exit.Lookup);
  dead.op(W.unreachable);
  m.element(DEAD_SLOT, m.function(ENTRY_TYPE, [], dead));

  // An instruction of a block that was invalidated while it ran.
  const resync = new Code().i32(0).get(0).mem(W.i32_store, L.EXIT_RECORD)
    .i32(R.Exit.Resync);
  m.element(RESYNC_SLOT, m.function(ENTRY_TYPE, [], resync));

  // An exits record reached by falling off the end of its block: follow its second link.
  const on = new Code();
  const TARGET = 1;
  on.get(0).mem(W.i32_load, R.NEXT_LINK).stateLoad(W.i32_load, L.LINKS).op(W.i32_add)
    .mem(W.i32_load, 0).tee(TARGET).op(W.if, 0x40)
    .get(TARGET).get(TARGET).mem(W.i32_load, R.HANDLER)
    .op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0).op(W.end);
  on.i32(0).get(0).mem(W.i32_load, R.NEXT_LINK).mem(W.i32_store, L.EXIT_SLOT);
  on.i32(0).get(0).mem(W.i64_load, R.NEXT_PC).mem(W.i64_store, L.PC);
  on.i32(R.Exit.Link);
  m.element(CONTINUE_SLOT, m.function(ENTRY_TYPE, ["i32"], on));
  return m.build();
}

/** The host's functions of attribution. */
function siteImports(m: ModuleBuilder): Readonly<Record<keyof SiteHost, number>> {
  return {
    site_callee: m.import("site_callee", [], ["i32"]),
    site_function: m.import("site_function", ["i32"], ["i32"]),
    site_instructions: m.import("site_instructions", [], ["i32"]),
    site_page: m.import("site_page", [], ["i32"]),
    site_grow: m.import("site_grow", [], []),
    site_stretch: m.import("site_stretch", [], []),
  };
}

/** Show the models the block of the head in parameter 0: NOW, what it will access, its fetch. */
function showBlock(c: Code, fetched: number): void {
  c.i32(0).stateLoad(W.i64_load, L.ORDINAL_BASE).stateLoad(W.i64_load, L.BUDGET).i64(6n)
    .op(W.i64_shl, W.i64_sub).mem(W.i64_store, L.NOW);
  c.i32(0).stateLoad(W.i64_load, L.ACCESSES)
    .get(0).mem(W.i64_load16_u, R.LOAD_COUNT)
    .get(0).mem(W.i64_load16_u, R.STORE_COUNT).i64(32n).op(W.i64_shl, W.i64_or)
    .op(W.i64_add).mem(W.i64_store, L.ACCESSES);
  c.get(0).mem(W.i64_load, R.HEAD_PC).call(fetched);
  c.get(0).mem(W.i32_load16_u, R.STRADDLES).op(W.if, 0x40)
    .i32(0).stateLoad(W.i32_load, L.FETCH_STRADDLES).i32(1).op(W.i32_add)
    .mem(W.i32_store, L.FETCH_STRADDLES)
    .i32(0).stateLoad(W.i64_load, L.NOW).i64(1n).op(W.i64_add).mem(W.i64_store, L.NOW)
    .get(0).mem(W.i64_load, R.HEAD_PC).i64(4096n).op(W.i64_add).call(fetched)
    .op(W.end);
}

/** Return `exit` with pc at the block whose head is parameter 0. */
function leaveAtHead(c: Code, exit: R.Exit): void {
  c.i32(0).get(0).mem(W.i64_load, R.HEAD_PC).mem(W.i64_store, L.PC);
  c.i32(0).get(0).mem(W.i32_store, L.EXIT_RECORD).i32(exit).op(W.return);
}

function next(c: Code): void {
  c.get(0).i32(R.RECORD_SIZE).op(W.i32_add).get(0).mem(W.i32_load, R.RECORD_SIZE)
    .op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0);
}

/** `indirect(target, record)`. */
function indirect(models: Instrumentation, sites: SiteFunctions | null): Code {
  const c = new Code();
  if (sites === null) return indirectBranch(c, models, () => {});
  c.i32(0).get(0).mem(W.i64_store, L.BRANCH_TARGET);
  return indirectBranch(c, models, () => c.call(sites.mispredicted));
}

/** `push_return(address)`. */
function pushed(models: Instrumentation, sites: SiteFunctions | null): Code {
  const TOP = 1;
  const c = new Code();
  pushReturn(c, models.returnStack, TOP, () => c.get(0));
  if (sites !== null) {
    ordinal(c.stateLoad(W.i32_load, L.SITE_BLOCK).get(0)).call(sites.call);
  }
  return c;
}

/** `pop_return(target)`. */
function popped(models: Instrumentation, sites: SiteFunctions | null): Code {
  const [TOP, WRONG] = [1, 2];
  const c = new Code();
  popReturn(c, models.returnStack, { top: TOP, target: 0, wrong: WRONG });
  if (sites !== null) {
    c.get(WRONG).op(W.if, typeCode.void).call(sites.mispredicted).op(W.end);
    ordinal(c.get(0)).call(sites.return);
  }
  return c;
}
