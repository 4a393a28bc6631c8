/**
 * The hot tier: a region of blocks lowered to one WebAssembly function with structured control flow
 * (Ramsey, "Beyond Relooper", on the dominator tree). At the end of every block, registers in state
 * memory are those of the guest (`register_cache.ts`). What is rare leaves the region for good: an
 * instruction whose access the soft TLB does not know goes on, from its own record, in the cold tier.
 */
import type { Block } from "../blocks.ts";
import { type Decoded, Flow, type Isa } from "../ir/decoded.ts";
import { bitsOf, Emitter } from "../ir/emitter.ts";
import type { ExitReason, Helper, Node, Reg, Statement } from "../ir/types.ts";
import * as L from "../layout.ts";
import { accessClusters, type Cluster, type Placement } from "./access_clusters.ts";
import { type Code, typeCode, W } from "./code.ts";
import { exitCode, faultInfo, indirectKind, type Linker } from "./cold.ts";
import { dispatch, hashOf } from "./dispatch.ts";
import { EVENT_SIZE, EVENT_WORD, eventBits, EventKind, packEvent } from "./event_stream.ts";
import { allAccesses, countsItself, isPlain } from "./events.ts";
import { type FlowGraph, loopDepths } from "./flow_graph.ts";
import { FLAG_PARAMS } from "./imports.ts";
import { learnInline, predictInline } from "./gshare.ts";
import { loadOpcode, merged, part, storeOpcode, zero } from "./lower.ts";
import { GuestLowering } from "./memory_access.ts";
import { ENTRY_TYPE } from "./module.ts";
import { fetchedBy, filterFetch, toldElsewhere } from "./fetch_filter.ts";
import { comeToPage } from "./fetch_page.ts";
import { PendingStamps } from "./pending_stamps.ts";
import * as R from "./records.ts";
import { baseSlot, RegisterCache } from "./register_cache.ts";
import { type Member, pageOf, RegionPlan, type RegionSource } from "./region_plan.ts";
import { popReturn, pushReturn } from "./return_stack.ts";
import { HEAD_SLOT } from "./runtime.ts";
import {
  callSite,
  enterSiteAt,
  returnSite,
  showSite,
  showSiteOf,
  type SiteLocals,
} from "./site_calls.ts";
import { countMispredicted } from "./site_events.ts";
import { indirectInline } from "./target_buffer.ts";

const NO_CLUSTERS: ReadonlyMap<Statement, Placement> = new Map();

/** Lowers one region, whose first `entries` blocks can be entered, as `R.ENTRY` of their heads numbers them. */
export class Region extends GuestLowering {
  protected override readonly missesLeave = true;
  protected override readonly isa: Isa;
  protected override readonly linker: Linker;
  readonly #source: RegionSource;
  readonly #members: readonly Member[];
  readonly #graph: FlowGraph;
  readonly #plan: RegionPlan;
  readonly #registers: RegisterCache;
  /** Locals that each block uses anew. */
  readonly #blockLocals: number[] = [];
  #blockLocalsUsed = 0;
  #member!: Member;
  #placements: ReadonlyMap<Statement, Placement> = NO_CLUSTERS;
  #index = 0;
  readonly #pending = new PendingStamps();
  /** Labels that are open: node numbers, or negative pseudo-labels. */
  readonly #labels: number[] = [];
  /** Flag kind at the current point, -1 when not known. */
  #kind = -1;
  /** Whether the locals of the lazy flags are right here; memory is otherwise. */
  #flagsHeld = false;

  readonly #budget: number;
  readonly #pc: number;
  readonly #slot: number;
  readonly #exitRecord: number;
  readonly #exit: number;
  /** Where branches have types: the dispatch hash to look in. */
  readonly #hash: number;
  /** Which of the root's doors to go through. */
  readonly #door: number;
  /** With models: `#accesses` as it was before an instruction that counts accesses itself. */
  readonly #accessesBefore: number;
  #countsItself = false;
  readonly #flagKind: number;
  readonly #flagA: number;
  readonly #flagB: number;
  /**
   * With models: the ordinal at which the block under way ends, packed counts of accesses and branches, gshare's history.
   * The budget is what lacks to the ordinal at the quantum's end, and has a local of its own only where it is asked for.
   */
  readonly #now: number;
  readonly #end: number;
  readonly #accesses: number;
  readonly #branches: number;
  readonly #history: number;
  /** With an event stream: where the next event goes, and where it was before the instruction. */
  readonly #events: number;
  readonly #eventsBefore: number;
  /** With filtered fetches: where the block's events begin. */
  readonly #quietEvents: number;
  /** With attribution: to use. */
  readonly #siteScratch: readonly number[];
  #manyEvents = false;

  constructor(
    source: RegionSource,
    linker: Linker,
    blocks: readonly Block[],
    entries: number,
    scratch: Decoded,
  ) {
    super(1);
    this.isa = source.isa;
    this.linker = linker;
    this.#source = source;
    const plan = new RegionPlan(source, blocks, entries, scratch);
    this.#members = plan.members;
    this.#graph = plan.graph;
    this.#plan = plan;
    this.#registers = new RegisterCache(
      this.code,
      (type) => this.newLocal(type),
      this.#members.map((m) => m.instructions.map((e) => e.body)),
      loopDepths(this.#graph),
    );
    this.#budget = this.newLocal("i64");
    this.#pc = this.newLocal("i64");
    this.#slot = this.newLocal("i32");
    this.#exitRecord = this.newLocal("i32");
    this.#exit = this.newLocal("i32");
    this.#flagKind = this.newLocal("i32");
    this.#flagA = this.newLocal("i64");
    this.#flagB = this.newLocal("i64");
    this.#now = this.newLocal("i64");
    this.#end = this.newLocal("i64");
    this.#accesses = this.newLocal("i64");
    this.#accessesBefore = this.newLocal("i64");
    this.#branches = this.newLocal("i64");
    this.#history = this.newLocal("i32");
    this.#door = this.newLocal("i32");
    this.#hash = this.isa.landing === undefined ? -1 : this.newLocal("i32");
    this.#events = linker.stream === null ? -1 : this.newLocal("i32");
    this.#eventsBefore = linker.stream === null ? -1 : this.newLocal("i32");
    this.#siteScratch = this.#sites ? [0, 1, 2].map(() => this.newLocal("i32")) : [];
    this.#quietEvents = linker.stream?.lines === undefined ? -1 : this.newLocal("i32");
    this.#function();
  }

  // ---- the function ----------------------------------------------------------------------

  #function(): void {
    const code = this.code;
    this.#registers.enter();
    if (this.#keepsBudget) code.stateLoad(W.i64_load, L.BUDGET).set(this.#budget);
    if (this.linker.instrumentation !== null) {
      code.stateLoad(W.i64_load, L.ORDINAL_BASE).tee(this.#end)
        .stateLoad(W.i64_load, L.BUDGET).i64(6n).op(W.i64_shl, W.i64_sub).set(this.#now)
        .stateLoad(W.i64_load, L.ACCESSES).set(this.#accesses)
        .stateLoad(W.i64_load, L.BRANCHES).set(this.#branches)
        .stateLoad(W.i32_load, L.HISTORY).set(this.#history);
    }
    if (this.#sites) {
      // No block is entered behind the timeline's stretch.
      code.get(this.#end).stateLoad(W.i64_load, L.SITE_STRETCH_END)
        .get(this.#end).stateLoad(W.i64_load, L.SITE_STRETCH_END).op(W.i64_lt_s, W.select)
        .set(this.#end);
    }
    if (this.linker.stream !== null) code.stateLoad(W.i32_load, L.EVENTS).set(this.#events);
    if (this.#graph.doors.length > 1) code.get(0).mem(W.i32_load, R.ENTRY).set(this.#door);

    const labels = [LEAVE, DISPATCH, HEAD, COLD, SIDE, CROSSING, LINK];
    for (const label of labels) {
      code.op(W.block, typeCode.void);
      this.#labels.push(label);
    }
    this.#tree(this.#graph.root);
    this.#labels.length = 0;
    code.op(W.unreachable);

    code.op(W.end); // link
    this.#spill();
    this.#heatLink();
    const head = this.#exitRecord;
    code.get(this.#slot).stateLoad(W.i32_load, L.LINKS).op(W.i32_add)
      .mem(W.i32_load, 0).tee(head).op(W.if, typeCode.void)
      .get(head).get(head).mem(W.i32_load, R.HANDLER)
      .op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0).op(W.end);
    code.i32(0).get(this.#slot).mem(W.i32_store, L.EXIT_SLOT);
    code.i32(R.Exit.Link).op(W.return);

    code.op(W.end); // crossing
    if (this.#sites) showSiteOf(code, this.#exitRecord, this.#slot);
    this.#countSide(L.CROSSINGS, this.#source.crossingHeat, R.Exit.Crossing);
    code.br(1);

    code.op(W.end); // side: the cold tier goes on at the record
    if (this.#sites) showSiteOf(code, this.#exitRecord, this.#slot);
    if (this.linker.instrumentation !== null) {
      this.#countSide(L.SIDE_HEAT, this.#source.missingHeat, R.Exit.Missing);
    }

    code.op(W.end); // cold
    this.#spill();
    code.i32(0).stateLoad(W.i32_load, L.SIDE_EXITS).i32(1).op(W.i32_add)
      .mem(W.i32_store, L.SIDE_EXITS);
    this.#storeNow();
    code.get(this.#exitRecord).get(this.#exitRecord).mem(W.i32_load, R.HANDLER)
      .op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0);

    code.op(W.end); // head: the cold tier goes on before the block
    this.#spill();
    code.get(this.#exitRecord).i32(HEAD_SLOT).op(W.return_call_indirect).u32(ENTRY_TYPE).u32(0);

    code.op(W.end); // dispatch
    this.#spill();
    this.#storePc();
    this.#heatLink();
    dispatch(
      code,
      this.#pc,
      this.#exitRecord,
      this.#hash < 0 ? hashOf(0) : (c) => void c.get(this.#hash),
    );
    code.i32(R.Exit.Lookup).op(W.return);

    code.op(W.end); // leave
    this.#spill();
    this.#storeQuietEvents();
    code.i32(0).get(this.#exitRecord).mem(W.i32_store, L.EXIT_RECORD);
    this.#storePc();
    code.get(this.#exit);
  }

  /** Count in `table` that control leaves inside a block, at the record; after `heat` times, return `exit`. */
  #countSide(table: number, heat: number, exit: R.Exit): void {
    const code = this.code;
    const [at, count] = [this.#slot, this.#exit];
    code.get(this.#exitRecord).i32(3).op(W.i32_shr_u).i32(L.CROSSINGS_MASK << 2).op(W.i32_and)
      .tee(at).get(at).mem(W.i32_load, table).i32(1).op(W.i32_add).tee(count)
      .mem(W.i32_store, table);
    code.get(count).i32(heat).op(W.i32_eq).seldom().op(W.if, typeCode.void);
    this.#spill();
    this.#storeNow();
    code.i32(0).get(this.#exitRecord).mem(W.i32_store, L.EXIT_RECORD);
    code.i32(exit).op(W.return, W.end);
  }

  /** Count that control leaves through `#slot`; often enough, ask for a region that goes on there. */
  #heatLink(): void {
    const code = this.code;
    const count = this.#exit;
    code.get(this.#slot).get(this.#slot).mem(W.i32_load, L.LINK_HEAT).i32(1).op(W.i32_add)
      .tee(count).mem(W.i32_store, L.LINK_HEAT);
    code.get(count).i32(this.#source.linkHeat).op(W.i32_eq).seldom().op(W.if, typeCode.void);
    code.i32(0).get(this.#slot).mem(W.i32_store, L.EXIT_SLOT);
    code.i32(0).i32(this.#members[0].block.head).mem(W.i32_store, L.EXIT_RECORD);
    code.i32(R.Exit.HotLink).op(W.return, W.end);
  }

  /** The cold tier goes on in the block of the record at `#exitRecord`: it asks when that began. */
  #storeNow(): void {
    if (this.linker.instrumentation === null) return;
    const code = this.code;
    this.#storeQuietEvents();
    code.i32(0).get(this.#now);
    headOf(code, this.#exitRecord);
    code.mem(W.i64_load16_u, R.COUNT).i64(6n).op(W.i64_shl, W.i64_sub).mem(W.i64_store, L.NOW);
  }

  /** The block under way may be cut. */
  #storeQuietEvents(): void {
    if (this.linker.stream?.lines === undefined) return;
    this.code.i32(0).get(this.#quietEvents).mem(W.i32_store, L.QUIET_EVENTS);
  }

  #storePc(): void {
    this.code.i32(0).get(this.#pc).mem(W.i64_store, L.PC);
  }

  #fillFlags(): void {
    this.code.stateLoad(W.i32_load, L.FLAG_KIND).set(this.#flagKind)
      .stateLoad(W.i64_load, L.FLAG_A).set(this.#flagA)
      .stateLoad(W.i64_load, L.FLAG_B).set(this.#flagB);
  }
  /** Make the flags in memory right where control leaves. */
  #spillFlags(): void {
    if (!this.#flagsHeld) return;
    this.code.i32(0);
    if (this.#kind >= 0) this.code.i32(this.#kind);
    else this.code.get(this.#flagKind);
    this.code.mem(W.i32_store, L.FLAG_KIND)
      .i32(0).get(this.#flagA).mem(W.i64_store, L.FLAG_A)
      .i32(0).get(this.#flagB).mem(W.i64_store, L.FLAG_B);
  }
  /** Write back what is neither register nor flag. */
  #spill(): void {
    this.code.i32(0);
    this.#pushBudget();
    this.code.mem(W.i64_store, L.BUDGET);
    if (this.linker.stream !== null) {
      this.code.i32(0).get(this.#events).mem(W.i32_store, L.EVENTS);
    }
    if (this.linker.instrumentation === null) return;
    this.code.i32(0).get(this.#accesses).mem(W.i64_store, L.ACCESSES)
      .i32(0).get(this.#branches).mem(W.i64_store, L.BRANCHES)
      .i32(0).get(this.#history).mem(W.i32_store, L.HISTORY);
  }

  /** The cold tier goes on at node `x`. */
  #leaveBefore(x: number): void {
    this.#spillFlags();
    this.code.i32(this.#members[x].block.head).set(this.#exitRecord);
    this.#br(HEAD);
  }
  /**
   * With models: control comes to node `to` from another page, or from outside. A block on two pages comes to both whatever
   * was before: its one instruction comes to the second one later.
   */
  #come(to: number): void {
    if (this.linker.instrumentation === null) return;
    const { code } = this;
    const { block } = this.#members[to];
    const page = pageOf(block.pc);
    for (const more of block.frame2 >= 0 ? [0, 1] : [0]) {
      this.depth++;
      const times = { now: this.#now, end: this.#end, more };
      comeToPage(code, page + more, times, () => this.#leaveBefore(to));
      this.depth--;
    }
  }

  /** Whether the budget has a local. */
  get #keepsBudget(): boolean {
    return this.linker.instrumentation === null;
  }
  #pushBudget(): void {
    if (this.#keepsBudget) {
      this.code.get(this.#budget);
      return;
    }
    if (this.#sites) this.code.stateLoad(W.i64_load, L.ORDINAL_BASE);
    else this.code.get(this.#end);
    this.code.get(this.#now).op(W.i64_sub).i64(6n).op(W.i64_shr_s);
  }

  /** Charge the block, or leave before it: too little budget is left, or models miss its fetch. */
  #enter(x: number): void {
    const code = this.code;
    const { block } = this.#members[x];
    const models = this.linker.instrumentation !== null;
    const duration = BigInt(64 * block.count);
    code.op(W.block, typeCode.void, W.block, typeCode.void);
    if (models) {
      code.get(this.#now).i64(duration).op(W.i64_add).tee(this.#now)
        .get(this.#end).op(W.i64_gt_s).seldom().brIf(0);
    } else {
      code.get(this.#budget).i64(BigInt(block.count)).op(W.i64_lt_s).seldom().brIf(0);
    }
    if (this.linker.stream !== null) {
      code.get(this.#events).i32(L.EVENT_LIMIT).op(W.i32_ge_u).seldom().brIf(0);
    }
    code.br(1).op(W.end);
    this.depth++;
    if (models) code.get(this.#now).i64(duration).op(W.i64_sub).set(this.#now);
    this.#leaveBefore(x);
    this.depth--;
    code.op(W.end);
    if (this.#sites) this.#enterSite(x);
    if (models) {
      const { loads, stores } = this.#source.accessesOf(block);
      if (loads + stores > 0) {
        code.get(this.#accesses).i64(BigInt(loads) | (BigInt(stores) << 32n)).op(W.i64_add)
          .set(this.#accesses);
      }
      if (block.frame2 >= 0) {
        code.i32(0).stateLoad(W.i32_load, L.FETCH_STRADDLES).i32(1).op(W.i32_add)
          .mem(W.i32_store, L.FETCH_STRADDLES);
      }
    }
    if (this.#keepsBudget) {
      code.get(this.#budget).i64(BigInt(block.count)).op(W.i64_sub).set(this.#budget);
    }
    if (this.linker.stream?.accesses === true) this.#tellBlock();
  }

  /** Append the block under way, unless its fetches change nothing. */
  #tellBlock(): void {
    const code = this.code;
    const { block } = this.#member;
    const tell = (): void => {
      const bits = eventBits(EventKind.Block, block.count, 0);
      code.get(this.#events).i64(BigInt(block.pc) | bits).mem(W.i64_store, 0);
      this.#endEvent();
    };
    const shape = this.linker.stream?.lines;
    if (shape === undefined || shape.fetchSets === 0) return tell();
    const offsets = Array.from(
      { length: block.count + 1 },
      (_, i) => i < block.count ? this.#source.offsetOf(block, i) : block.bytes,
    );
    const plain = this.#member.instructions.findIndex(({ body }) => !isPlain(body));
    const physical = block.frame * 4096 + block.pc % 4096;
    const fetched = fetchedBy(physical, offsets, shape.line, plain < 0 ? block.count : plain);
    // A block on two pages lies in two frames, and one of many lines may have two of a set: they are rare.
    if (block.frame2 >= 0 || block.bytes > shape.line * (shape.fetchSets - 1)) {
      toldElsewhere(code, shape);
      return tell();
    }
    filterFetch(code, shape, fetched, this.#events, tell);
    code.get(this.#events).set(this.#quietEvents);
  }

  get #sites(): boolean {
    return this.linker.instrumentation?.sites === true;
  }
  /** Attribution: node `x` is entered, and perhaps its function. */
  #enterSite(x: number): void {
    const { block } = this.#members[x];
    enterSiteAt(this.code, this.#siteLocals, {
      ...{ record: siteOf(block), count: block.count },
      number: this.#source.functionOf(block),
      entered: this.#plan.entered(x),
      enter: () => this.runtime("site_enter"),
    });
  }
  get #siteLocals(): SiteLocals {
    const [node, at, to] = this.#siteScratch;
    return { now: this.#now, node, at, to };
  }
  /** Attribution: the branch at the end of the block was mispredicted. */
  #mispredicted(): void {
    countMispredicted(this.code, () => this.code.i32(0), siteOf(this.#member.block));
  }

  /**
   * gshare for the conditional branch that ends the block; what is returned lowers what it learns from an outcome,
   * where that is known.
   */
  #predict(): (outcome: 0 | 1) => void {
    const { block } = this.#member;
    const pc = block.pc + this.#source.offsetOf(block, this.#index);
    const [at, counter] = [this.temporary("i32"), this.temporary("i32")];
    const locals = { at, counter, history: this.#history, branches: this.#branches };
    predictInline(this.code, this.linker.instrumentation!, pc, locals);
    const wrong = this.#sites ? () => this.#mispredicted() : undefined;
    return (outcome) => learnInline(this.code, outcome, locals, wrong);
  }
  /** The target buffer, for the indirect branch that ends the block and goes to `#pc`. */
  #predictTarget(): void {
    const code = this.code;
    const { block } = this.#member;
    const pc = block.pc + this.#source.offsetOf(block, this.#index);
    if (this.#sites) code.i32(0).get(this.#pc).mem(W.i64_store, L.BRANCH_TARGET);
    const slow = (): void => {
      if (this.#sites) showSite(code, siteOf(block));
      code.get(this.#pc).i32(this.#recordAddress()).call(this.runtime("indirect"));
    };
    const wrong = this.#sites ? () => this.#mispredicted() : undefined;
    indirectInline(code, this.linker.instrumentation!, { pc, target: this.#pc, slow, wrong });
  }
  /** Complete an event with the number of the block. */
  #endEvent(): void {
    this.code.get(this.#events).i32(this.#member.block.number).mem(W.i32_store, EVENT_WORD);
    this.nextEvent();
  }
  /** Append a branch to `target`, a local, if that is not static; `plus`, a local, is added to its kind. */
  #appendBranch(kind: EventKind, target = -1, plus = -1): void {
    if (this.linker.stream?.branches !== true) return;
    const code = this.code;
    code.get(this.#events);
    if (target >= 0) code.get(target).i64((1n << 48n) - 1n).op(W.i64_and);
    else code.i64(0n);
    this.packEvent(kind, 0);
    if (plus >= 0) {
      code.get(plus).i32(0).op(W.i32_ne, W.i64_extend_i32_u).i64(48n).op(W.i64_shl, W.i64_add);
    }
    code.mem(W.i64_store, 0);
    this.#endEvent();
  }
  /** A call: the return stack gets the next instruction's address. `target` is a local for indirect ones, or -1. */
  #pushReturn(target: number): void {
    if (this.linker.instrumentation?.branches !== true) return;
    const next = BigInt(this.#nextPc);
    pushReturn(this.code, this.linker.instrumentation.returnStack, this.temporary("i32"), () => {
      this.code.i64(next);
    });
    if (!this.#sites) return;
    const { block } = this.#member;
    callSite(this.code, this.#siteLocals, {
      ...{ record: siteOf(block), number: block.number, next, target },
      call: () => this.runtime("site_call"),
    });
  }

  /** A return to `#pc`. */
  #popReturn(): void {
    const [top, wrong] = [this.temporary("i32"), this.temporary("i32")];
    const { returnStack } = this.linker.instrumentation!;
    popReturn(this.code, returnStack, { top, target: this.#pc, wrong });
    if (!this.#sites) return;
    this.code.get(wrong).seldom().op(W.if, typeCode.void);
    this.#mispredicted();
    this.code.op(W.end);
    returnSite(this.code, this.#siteLocals, this.#pc, () => this.runtime("site_return"));
  }

  /** Code of node `x` and of all that it dominates. */
  #tree(x: number): void {
    const loop = this.#graph.isLoop[x] === 1;
    if (loop) {
      this.code.op(W.loop, typeCode.void);
      this.#labels.push(LOOP - x);
    }
    const children = [...this.#graph.children[x]]
      .sort((a, b) => this.#graph.rank[b] - this.#graph.rank[a]);
    for (const child of children) {
      this.code.op(W.block, typeCode.void);
      this.#labels.push(child);
    }
    if (x === this.#graph.root) this.#enterDoor();
    else this.#block(x);
    for (let i = children.length - 1; i >= 0; i--) {
      this.code.op(W.end);
      this.#labels.pop();
      this.#tree(children[i]);
    }
    if (loop) {
      this.code.op(W.end);
      this.#labels.pop();
    }
  }

  /** The root: go to the node behind a door. */
  #enterDoor(): void {
    const { doors } = this.#graph;
    const { code } = this;
    this.#flagsHeld = false;
    for (const _ of doors) {
      code.op(W.block, typeCode.void);
      this.#labels.push(STUB);
    }
    if (doors.length > 1) {
      code.get(this.#door).op(W.br_table).u32(doors.length - 1);
      doors.forEach((_, i) => code.u32(i));
    }
    for (const door of doors) {
      code.op(W.end);
      this.#labels.pop();
      this.#come(door);
      this.#br(door);
    }
  }

  /** Go from node `from` to node `to`. */
  #edge(from: number, to: number): void {
    if (this.#flagsHeld && !this.#members[to].flagsIn) this.#spillFlags();
    const { rank, root, doors } = this.#graph;
    if (!this.#graph.has(from, to)) {
      this.code.i32(doors.indexOf(to)).set(this.#door);
      this.#br(LOOP - root);
      return;
    }
    if (this.#plan.changesPage(from, to)) this.#come(to);
    this.#br(rank[to] <= rank[from] ? LOOP - to : to);
  }

  /** `br` to a label. */
  #br(label: number): void {
    const at = this.#labels.lastIndexOf(label);
    this.code.br(this.#labels.length - 1 - at + this.depth);
  }

  #block(x: number): void {
    const code = this.code;
    const m = this.#members[x];
    const { block } = m;
    this.#member = m;
    this.#kind = m.kindIn;
    this.#flagsHeld = m.flagsIn;
    this.#registers.begin();
    this.#blockLocalsUsed = 0;
    this.#pending.begin();
    this.#placements = block.clustered ? accessClusters(m.instructions) : NO_CLUSTERS;
    this.#enter(x);
    if (m.needsFlags && !m.flagsIn) {
      this.#fillFlags();
      this.#flagsHeld = true;
    }
    for (let i = 0; i < block.count; i++) {
      this.#index = i;
      const e = m.instructions[i];
      this.#countsItself = this.linker.instrumentation !== null && countsItself(e.body);
      if (this.#countsItself) code.get(this.#accesses).set(this.#accessesBefore);
      // Filtered ones may be told of twice.
      const whole = this.linker.stream?.accesses === true && this.linker.stream.lines === undefined;
      this.#manyEvents = whole && allAccesses(e.body) > 1;
      if (this.#manyEvents) code.get(this.#events).set(this.#eventsBefore);
      this.lower(e.body, e.variables);
    }
    this.fallthrough();
  }

  /** Leave with `exit`, pc at `target` or past the block. */
  #leave(exit: R.Exit, target: Node | null = null): void {
    if (target === null) this.code.i64(BigInt(this.#nextPc));
    else this.value(target);
    this.code.set(this.#pc).i32(this.#recordAddress()).set(this.#exitRecord);
    this.#stampPending();
    this.#registers.flush();
    this.#spillFlags();
    this.code.i32(exit).set(this.#exit);
    this.#br(LEAVE);
  }
  #recordAddress(): number {
    return this.#member.block.head + R.RECORD_SIZE * (this.#index + 1);
  }
  get #nextPc(): number {
    return this.#member.block.pc + this.#member.block.bytes;
  }

  /** Go to node `to`, or through the link when it lies outside. */
  #goto(to: number, next: boolean): void {
    this.#stampPending();
    this.#registers.flush();
    if (to >= 0) return this.#edge(this.#members.indexOf(this.#member), to);
    this.#spillFlags();
    this.code.i32(this.#source.linkOf(this.#member.block, next)).set(this.#slot);
    this.#br(LINK);
  }

  // ---- what Lowering asks ----------------------------------------------------------------

  protected override prepare(body: readonly Statement[]): void {
    this.#registers.prepare(body);
  }
  protected override ordinal(number: number): void {
    this.code.get(this.#now).i64(BigInt(this.#sinceEnd(this.#index) + number)).op(W.i64_add);
  }
  /** From the end of the block to its instruction `index`, as ordinals go. */
  #sinceEnd(index: number): number {
    return 64 * (index - this.#member.block.count);
  }
  protected override eventPlace(): void {
    this.code.get(this.#events);
  }
  protected override packEvent(kind: EventKind, argument: number): void {
    packEvent(this.code, kind, argument, { index: this.#index });
  }
  protected override nextEvent(): void {
    this.code.get(this.#events).i32(EVENT_SIZE).op(W.i32_add).set(this.#events);
  }
  protected override countAccess(unit: bigint): void {
    this.code.get(this.#accesses).i64(unit).op(W.i64_add).set(this.#accesses);
  }
  /** All are i32. */
  protected override blockLocal(type: "i32"): number {
    const local = this.#blockLocals[this.#blockLocalsUsed] ?? this.newLocal(type);
    this.#blockLocals[this.#blockLocalsUsed++] = local;
    return local;
  }
  protected override placementOf(s: Statement): Placement | undefined {
    return this.#placements.get(s);
  }
  protected override touched(cluster: Cluster, number: number): void {
    if (number < 0) this.#pending.finished(cluster);
    else this.#pending.touched(cluster, this.#sinceEnd(this.#index) + number);
  }
  #stampPending(): void {
    this.#pending.write(this.code, this.#now, () => this.temporary("i64"));
  }
  protected override refills(): boolean {
    return this.#source.misses(this.#member.block, this.#index) &&
      this.#pending.endure(this.linker.instrumentation!.dataWays);
  }
  protected override looked(): void {
    this.#pending.other({});
  }
  protected override refill(address: number, number: number): void {
    const code = this.code;
    const refill = this.runtime("refill_data");
    this.#stampPending();
    const streams = this.linker.stream !== null;
    // A page walk, and with attribution a miss, is an event.
    if (streams) code.i32(0).get(this.#events).mem(W.i32_store, L.EVENTS);
    if (this.#sites) showSite(code, siteOf(this.#member.block));
    if (streams || this.#sites) {
      code.i32(0).get(this.#now).i64(BigInt(this.#sinceEnd(0))).op(W.i64_add)
        .mem(W.i64_store, L.NOW);
    }
    code.get(address);
    this.ordinal(number);
    code.call(refill).op(W.i32_eqz);
    if (streams) code.stateLoad(W.i32_load, L.EVENTS).set(this.#events);
  }
  protected override missedLoad(): void {
    this.#side();
  }
  protected override missedStore(): void {
    this.#side();
  }
  protected override missedCluster(offset: number): void {
    this.#leaveForRecord();
    this.code.get(offset).i64(4096n).op(W.i64_lt_u, W.if, typeCode.void);
    this.depth += 2;
    this.#br(CROSSING);
    this.depth--;
    this.code.op(W.end);
    this.#br(SIDE);
    this.depth--;
  }
  #side(): void {
    this.#leaveForRecord();
    this.depth++;
    this.#br(SIDE);
    this.depth--;
  }
  /** The cold tier executes the current instruction anew: nothing of it was done that it may not repeat. */
  #leaveForRecord(): void {
    this.#stampPending();
    this.#registers.flush();
    this.#spillFlags();
    if (this.#countsItself) this.code.get(this.#accessesBefore).set(this.#accesses);
    if (this.#manyEvents) this.code.get(this.#eventsBefore).set(this.#events);
    this.code.i32(this.#recordAddress()).set(this.#exitRecord);
  }

  protected override readReg(n: Node): void {
    const code = this.code;
    const slot = n.reg!.slot;
    if (slot < 0x100) {
      if (slot >= L.TRASH + 16) throw new TypeError(`register at state offset ${slot}`);
      zero(code, n.type);
      return;
    }
    if (slot >= 0x400) {
      code.i32(0);
      if (n.type === "v128") code.op(0xfd, 0x00).memarg(slot);
      else code.mem(loadOpcode(n.type, n.bits!, n.signed === true), slot);
      return;
    }
    const base = baseSlot(slot);
    const offset = slot - base;
    if (!this.#registers.holds(base)) {
      // A lane that is used alone.
      code.i32(0).mem(loadOpcode(n.type, bitsOf(n.type), false), slot);
      return;
    }
    code.get(this.#registers.local(base));
    part(code, n, offset, base >= L.VECTOR);
  }

  protected override setReg(reg: Reg, value: Node, bits: number): void {
    const code = this.code;
    const slot = reg.slot;
    if (slot < 0x100) {
      this.value(value);
      code.op(W.drop);
      return;
    }
    if (slot >= 0x400) {
      code.i32(0);
      this.value(value);
      if (value.type === "v128") code.op(0xfd, 0x0b).memarg(slot);
      else code.mem(storeOpcode(value.type, bits), slot);
      return;
    }
    const base = baseSlot(slot);
    const local = this.#registers.local(base);
    merged(code, bits, slot - base, () => code.get(local), () => this.value(value));
    code.set(local);
    this.#registers.wrote(base);
  }

  protected override readState(n: Node): void {
    if (n.offset === L.BUDGET) return this.#pushBudget();
    super.readState(n);
  }
  protected override readField(): void {
    throw new TypeError("a record field in the hot tier");
  }

  protected override readCondition(condition: number): void {
    if (this.#kind >= 0) {
      const e = new Emitter(null);
      const [a, b] = this.#flagNodes(e);
      this.inline(e, this.isa.flags.condition(e, this.#kind, condition, a, b));
      return;
    }
    this.code.get(this.#flagKind).get(this.#flagA).get(this.#flagB)
      .call(this.linker.builder.import(`condition_${condition}`, FLAG_PARAMS, ["i32"]));
  }
  protected override readFlags(): void {
    if (this.#kind >= 0) {
      const e = new Emitter(null);
      const [a, b] = this.#flagNodes(e);
      this.inline(e, this.isa.flags.pack(e, this.#kind, a, b));
      return;
    }
    this.code.get(this.#flagKind).get(this.#flagA).get(this.#flagB)
      .call(this.linker.builder.import("flags", FLAG_PARAMS, ["i32"]));
  }
  #flagNodes(e: Emitter): [Node, Node] {
    return [e.param(this.#flagA, "i64"), e.param(this.#flagB, "i64")];
  }
  protected override setFlags(kind: number, a: Node, b: Node): void {
    const code = this.code;
    this.value(a);
    this.value(b);
    code.set(this.#flagB).set(this.#flagA).i32(kind).set(this.#flagKind);
    // Inside a conditional arm the kind is known on that path only.
    this.#kind = this.depth === 0 ? kind : -1;
    this.#flagsHeld = true;
  }

  protected override helper(helper: Helper, args: readonly Node[]): void {
    this.#registers.share(helper);
    if (helper.flags === true) this.#spillFlags();
    for (const a of args) this.value(a);
    this.code.call(this.linker.helper(helper));
    // A result stays on the stack below the reloads.
    this.#registers.reload(helper);
    if (helper.flags === true) {
      this.#fillFlags();
      this.#kind = -1;
      this.#flagsHeld = true;
    }
  }

  protected override jump(flow: "jump" | "call"): void {
    if (flow === "call") this.#pushReturn(-1);
    if (this.#member.block.flow === Flow.Call) this.#appendBranch(EventKind.Call);
    else if (this.#member.block.flow === Flow.Jump) this.#appendBranch(EventKind.Jump);
    this.#goto(this.#member.target, false);
  }
  protected override fallthrough(): void {
    this.#goto(this.#member.next, true);
  }
  protected override branch(condition: Node): void {
    this.value(condition);
    const learn = this.linker.instrumentation?.branches === true ? this.#predict() : () => {};
    if (this.linker.stream?.branches === true) {
      const taken = this.temporary("i32");
      this.code.set(taken);
      this.#appendBranch(EventKind.NotTaken, -1, taken);
      this.code.get(taken);
    }
    if (this.depth === 0) this.#registers.flushForGood();
    this.code.op(W.if, typeCode.void);
    this.depth++;
    learn(1);
    this.jump("jump");
    this.depth--;
    this.code.op(W.end);
    learn(0);
    this.fallthrough();
  }
  protected override indirect(
    flow: "jump" | "call" | "return",
    target: Node,
    type: number,
  ): void {
    const code = this.code;
    this.value(target);
    code.set(this.#pc);
    if (type > 0) {
      code.i32(0);
      this.#pushBudget();
      code.mem(W.i64_store, L.BRANCHED + 8 * type);
    }
    if (this.linker.instrumentation?.branches === true) {
      if (flow === "return") this.#popReturn();
      else this.#predictTarget();
      if (flow === "call") this.#pushReturn(this.#pc);
    }
    this.#appendBranch(indirectKind[flow], this.#pc);
    this.#registers.flush();
    const from = this.#members.indexOf(this.#member);
    for (const to of this.#member.likely) {
      code.get(this.#pc).i64(BigInt(this.#members[to].block.pc))
        .op(W.i64_eq, W.if, typeCode.void);
      this.depth++;
      this.#edge(from, to);
      this.depth--;
      code.op(W.end);
    }
    this.#spillFlags();
    code.i32(this.#source.linkOf(this.#member.block, true)).set(this.#slot);
    if (this.#hash >= 0) code.stateLoad(W.i32_load, L.DISPATCH + 4 * type).set(this.#hash);
    this.#br(DISPATCH);
  }
  protected override exit(reason: ExitReason, target: Node | null): void {
    this.#leave(exitCode[reason], target);
  }
  protected override fault(signal: number, code: number, address: Node | null, after: boolean) {
    faultInfo(this.code, signal, code, address !== null, after, () => this.value(address!));
    this.#leave(R.Exit.Fault);
  }
}

/** Address of a block's site record. */
const siteOf = ({ head, count }: Block): number => R.siteRecord(head, count);

/** Push the head of the block that the record in local `record` is of. */
function headOf(code: Code, record: number): void {
  code.get(record).get(record).mem(W.i32_load16_u, R.INDEX).i32(1).op(W.i32_add)
    .i32(5).op(W.i32_shl, W.i32_sub);
}

/** Pseudo-labels; loop headers are `LOOP - node`. */
const LEAVE = -1;
const DISPATCH = -2;
const LINK = -3;
const SIDE = -4;
const HEAD = -5;
const CROSSING = -6;
const COLD = -7;
const STUB = -8;
const LOOP = -10;
