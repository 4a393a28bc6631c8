/**
 * The hot tier: a region of blocks lowered to one WebAssembly function with structured control flow
 * (`structured_flow.ts`). At the end of every block, registers in state memory are those of the guest
 * (`register_cache.ts`). What is rare leaves the region for good (`region_exits.ts`): an instruction whose access the soft
 * TLB does not know goes on, from its own record, in the cold tier.
 */
import type { Block } from "../blocks.ts";
import { type Decoded, Flow, type Isa } from "../ir/decoded.ts";
import type { ExitReason, Helper, Node, Reg, Statement } from "../ir/types.ts";
import * as L from "../layout.ts";
import { accessClusters, type Cluster, type Placement } from "./access_clusters.ts";
import { typeCode, W } from "./code.ts";
import { exitCode, faultInfo, indirectKind, type Linker } from "./cold.ts";
import { EventKind } from "./event_stream.ts";
import { countsItself } from "./events.ts";
import { loopDepths } from "./flow_graph.ts";
import { LazyFlags } from "./lazy_flags.ts";
import { GuestLowering } from "./memory_access.ts";
import { PendingStamps } from "./pending_stamps.ts";
import * as R from "./records.ts";
import { RegionBranches } from "./region_branches.ts";
import { RegionContext } from "./region_context.ts";
import { comeToBlock, enterBlock } from "./region_entry.ts";
import { RegionEvents } from "./region_events.ts";
import { lowerExits, Out, OUTS } from "./region_exits.ts";
import { RegionLocals } from "./region_locals.ts";
import { RegionPlan, type RegionSource } from "./region_plan.ts";
import { RegionSites } from "./region_sites.ts";
import { RegisterCache } from "./register_cache.ts";
import { StructuredFlow } from "./structured_flow.ts";

const NO_CLUSTERS: ReadonlyMap<Statement, Placement> = new Map();

/** Lowers one region, whose first `entries` blocks can be entered, as `R.ENTRY` of their heads numbers them. */
export class Region extends GuestLowering {
  protected override readonly missesLeave = true;
  protected override readonly isa: Isa;
  protected override readonly linker: Linker;
  readonly #plan: RegionPlan;
  readonly #locals: RegionLocals;
  readonly #region: RegionContext;
  readonly #flow: StructuredFlow;
  readonly #registers: RegisterCache;
  readonly #flags: LazyFlags;
  readonly #events: RegionEvents;
  /** Without attribution, or branch prediction: null. */
  readonly #sites: RegionSites | null;
  readonly #branches: RegionBranches | null;
  /** Locals that each block uses anew. */
  readonly #blockLocals: number[] = [];
  #blockLocalsUsed = 0;
  #placements: ReadonlyMap<Statement, Placement> = NO_CLUSTERS;
  readonly #pending = new PendingStamps();
  /** With models: whether the instruction counts accesses itself. */
  #countsItself = false;

  constructor(
    source: RegionSource,
    linker: Linker,
    blocks: readonly Block[],
    entries: number,
    scratch: Decoded,
  ) {
    super(1);
    const { code } = this;
    const newLocal = this.newLocal.bind(this);
    this.isa = source.isa;
    this.linker = linker;
    const plan = this.#plan = new RegionPlan(source, blocks, entries, scratch);
    const countsAccesses = linker.instrumentation?.sites !== true || plan.countsAccesses;
    const locals = this.#locals = new RegionLocals(newLocal, source.isa, linker, countsAccesses);
    const region = this.#region = new RegionContext(
      ...[code, locals, plan, source, linker] as const,
      (type) => this.temporary(type),
      (name) => this.runtime(name),
    );
    this.#registers = new RegisterCache(
      code,
      newLocal,
      plan.members.map((m) => m.instructions.map((e) => e.body)),
      loopDepths(plan.graph),
    );
    this.#flags = new LazyFlags(region, (e, result) => this.inline(e, result));
    this.#events = new RegionEvents(region);
    this.#sites = region.attributes ? new RegionSites(region) : null;
    const models = linker.instrumentation;
    this.#branches = models?.branches === true
      ? new RegionBranches(region, models, this.#sites)
      : null;
    this.#flow = new StructuredFlow(code, plan.graph, locals.door, {
      lower: (x) => this.#block(x),
      come: (x) => this.#enter(x),
    });
    this.#registers.enter();
    locals.load(code);
    this.#flow.lower(OUTS);
    lowerExits(region);
  }

  // ---- blocks and where they go ------------------------------------------------------------

  #block(x: number): void {
    const code = this.code;
    const m = this.#plan.members[x];
    const { block } = m;
    this.#region.node = x;
    this.#flags.begin(m.kindIn, m.flagsIn);
    this.#registers.begin();
    this.#blockLocalsUsed = 0;
    this.#pending.begin();
    this.#placements = block.clustered ? accessClusters(m.instructions) : NO_CLUSTERS;
    enterBlock(this.#region, this.#events, this.#sites, () => this.#leaveBefore(x));
    if (m.needsFlags && !m.flagsIn) this.#flags.fill();
    for (let i = 0; i < block.count; i++) {
      this.#region.index = i;
      const e = m.instructions[i];
      this.#countsItself = this.linker.instrumentation !== null && countsItself(e.body);
      if (this.#countsItself) code.get(this.#locals.accesses).set(this.#locals.accessesBefore);
      this.#events.begin(e.body);
      this.lower(e.body, e.variables);
    }
    this.fallthrough();
  }

  /** Control comes to node `to` from outside. */
  #enter(to: number): void {
    this.#come(to);
    this.#sites?.come(this.#plan.graph.root, to);
  }
  /** Control comes to node `to` from another page, or from outside. */
  #come(to: number): void {
    comeToBlock(this.#region, to, () => this.#leaveBefore(to));
  }
  /** Inside one more label: the cold tier goes on at node `x`. */
  #leaveBefore(x: number): void {
    this.#flags.spill();
    this.code.i32(this.#plan.members[x].block.head).set(this.#locals.exitRecord);
    this.#inside(() => this.#out(Out.Head));
  }

  /** Go from the block under way to node `to`. */
  #follow(to: number): void {
    const { node } = this.#region;
    if (!this.#plan.members[to].flagsIn) this.#flags.spill();
    // Other edges go through the root.
    if (this.#plan.graph.has(node, to)) {
      if (this.#plan.changesPage(node, to)) this.#come(to);
      this.#sites?.come(node, to);
    }
    this.#flow.follow(node, to, this.depth);
  }
  /** Go to node `to`, or through the link when it lies outside. */
  #goto(to: number, next: boolean): void {
    this.#stampPending();
    this.#registers.flush();
    if (to >= 0) return this.#follow(to);
    this.#flags.spill();
    this.#setLink(next);
    this.#out(Out.Link);
  }
  #setLink(next: boolean): void {
    const { source, block } = this.#region;
    this.code.i32(source.linkOf(block, next)).set(this.#locals.slot);
  }

  /** Leave with `exit`, pc at `target` or past the block. */
  #leave(exit: R.Exit, target: Node | null = null): void {
    const { pc, exitRecord, exit: why } = this.#locals;
    if (target === null) this.code.i64(BigInt(this.#region.nextPc));
    else this.value(target);
    this.code.set(pc).i32(this.#region.record).set(exitRecord);
    this.#stampPending();
    this.#registers.flush();
    this.#flags.spill();
    this.code.i32(exit).set(why);
    this.#out(Out.Leave);
  }
  /** The cold tier executes the current instruction anew: nothing of it was done that it may not repeat. */
  #leaveForRecord(): void {
    const { accesses, accessesBefore, exitRecord } = this.#locals;
    this.#stampPending();
    this.#registers.flush();
    this.#flags.spill();
    if (this.#countsItself) this.code.get(accessesBefore).set(accesses);
    this.#events.undo();
    this.code.i32(this.#region.record).set(exitRecord);
  }
  #out(way: Out): void {
    this.#flow.br(way, this.depth);
  }
  /** Lower what is inside one more label. */
  #inside(lower: () => void): void {
    this.depth++;
    lower();
    this.depth--;
  }

  // ---- what Lowering asks: memory ----------------------------------------------------------

  protected override prepare(body: readonly Statement[]): void {
    this.#registers.prepare(body);
  }
  protected override ordinal(number: number): void {
    this.code.get(this.#locals.now).i64(BigInt(this.#region.sinceEnd() + number)).op(W.i64_add);
  }
  protected override eventPlace(): void {
    this.#events.place();
  }
  protected override packEvent(kind: EventKind, argument: number): void {
    this.#events.pack(kind, argument);
  }
  protected override nextEvent(): void {
    this.#events.next();
  }
  protected override countAccess(unit: bigint): void {
    const { accesses } = this.#locals;
    this.code.get(accesses).i64(unit).op(W.i64_add).set(accesses);
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
    else this.#pending.touched(cluster, this.#region.sinceEnd() + number);
  }
  #stampPending(): void {
    this.#pending.write(this.code, this.#locals.now, () => this.temporary("i64"));
  }
  protected override refills(): boolean {
    const { source, block, index, models } = this.#region;
    return models?.tlbs != null && source.misses(block, index);
  }
  protected override looked(): void {
    this.#pending.other({});
  }
  protected override refill(address: number, number: number, stamp: number): void {
    const code = this.code;
    const refill = this.runtime("refill_data");
    this.#stampPending();
    // A page walk, and with attribution a miss, is an event.
    this.#events.store();
    this.#sites?.show();
    if (this.linker.stream !== null || this.#sites !== null) {
      code.i32(0).get(this.#locals.now).i64(BigInt(this.#region.sinceEnd(0))).op(W.i64_add)
        .mem(W.i64_store, L.NOW);
    }
    code.get(address);
    this.ordinal(number);
    code.call(refill).set(stamp);
    this.#replaced(stamp);
    this.#events.reload();
  }
  /**
   * Push whether a refill, which returned the address of a stamp, failed, or went into the entry of a cluster under way:
   * what follows of that is to be looked up again.
   */
  #replaced(stamp: number): void {
    const { code } = this;
    code.get(stamp).op(W.i32_eqz);
    const { ways } = this.linker.instrumentation!.tlbs!.data[0];
    for (const { stamp: known } of this.#pending.replaceable(ways)) {
      code.get(stamp).get(known).op(W.i32_eq, W.i32_or);
    }
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
    this.#inside(() => this.#inside(() => this.#out(Out.Crossing)));
    this.code.op(W.end);
    this.#inside(() => this.#out(Out.Side));
  }
  #side(): void {
    this.#leaveForRecord();
    this.#inside(() => this.#out(Out.Side));
  }

  // ---- registers and flags -----------------------------------------------------------------

  protected override readReg(n: Node): void {
    this.#registers.read(n);
  }
  protected override setReg(reg: Reg, value: Node, bits: number): void {
    this.#registers.write(reg, value.type, bits, () => this.value(value));
  }
  protected override readState(n: Node): void {
    if (n.offset === L.BUDGET) return this.#locals.pushBudget(this.code);
    super.readState(n);
  }
  protected override readField(): void {
    throw new TypeError("a record field in the hot tier");
  }

  protected override readCondition(condition: number): void {
    this.#flags.readCondition(condition);
  }
  protected override readFlags(): void {
    this.#flags.readPacked();
  }
  protected override setFlags(kind: number, a: Node, b: Node): void {
    this.value(a);
    this.value(b);
    this.#flags.set(kind, this.depth === 0);
  }

  protected override helper(helper: Helper, args: readonly Node[]): void {
    this.#registers.share(helper);
    if (helper.flags === true) this.#flags.spill();
    for (const a of args) this.value(a);
    this.code.call(this.linker.helper(helper));
    // A result stays on the stack below the reloads.
    this.#registers.reload(helper);
    if (helper.flags === true) this.#flags.reload();
  }

  // ---- the guest's control flow ------------------------------------------------------------

  protected override jump(flow: "jump" | "call"): void {
    const { member, block } = this.#region;
    if (flow === "call") this.#branches?.call(-1);
    if (block.flow === Flow.Call) this.#events.appendBranch(EventKind.Call);
    else if (block.flow === Flow.Jump) this.#events.appendBranch(EventKind.Jump);
    this.#goto(member.target, false);
  }
  protected override fallthrough(): void {
    this.#goto(this.#region.member.next, true);
  }
  protected override branch(condition: Node): void {
    this.value(condition);
    const learn = this.#branches?.conditional();
    if (this.linker.stream?.branches === true) {
      const taken = this.temporary("i32");
      this.code.set(taken);
      this.#events.appendBranch(EventKind.NotTaken, -1, taken);
      this.code.get(taken);
    }
    if (this.depth === 0) this.#registers.flushForGood();
    this.code.op(W.if, typeCode.void);
    this.#inside(() => {
      learn?.(1);
      this.jump("jump");
    });
    this.code.op(W.end);
    learn?.(0);
    this.fallthrough();
  }
  protected override indirect(
    flow: "jump" | "call" | "return",
    target: Node,
    type: number,
  ): void {
    const code = this.code;
    const { pc, hash } = this.#locals;
    this.value(target);
    code.set(pc);
    if (type > 0) {
      code.i32(0);
      this.#locals.pushBudget(code);
      code.mem(W.i64_store, L.BRANCHED + 8 * type);
    }
    this.#branches?.indirect(flow);
    this.#events.appendBranch(indirectKind[flow], pc);
    this.#registers.flush();
    for (const to of this.#region.member.likely) {
      code.get(pc).i64(BigInt(this.#plan.members[to].block.pc)).op(W.i64_eq, W.if, typeCode.void);
      this.#inside(() => this.#follow(to));
      code.op(W.end);
    }
    this.#flags.spill();
    this.#setLink(true);
    if (hash >= 0) code.stateLoad(W.i32_load, L.DISPATCH + 4 * type).set(hash);
    this.#out(Out.Dispatch);
  }
  protected override exit(reason: ExitReason, target: Node | null): void {
    this.#leave(exitCode[reason], target);
  }
  protected override fault(signal: number, code: number, address: Node | null, after: boolean) {
    faultInfo(this.code, signal, code, address !== null, after, () => this.value(address!));
    this.#leave(R.Exit.Fault);
  }
}
