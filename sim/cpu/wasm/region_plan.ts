/**
 * What is known of a region before it is lowered: its blocks' semantics, how they are connected, and
 * where the lazy flags are.
 */
import { AlignmentChecks } from "./alignment_checks.ts";
import type { Block } from "../blocks.ts";
import { accepts } from "../branch_types.ts";
import { type Decoded, Flow, type Isa } from "../ir/decoded.ts";
import { Emitter } from "../ir/emitter.ts";
import type { Statement } from "../ir/types.ts";
import { NodeKind } from "../ir/types.ts";
import { countsItself, kindSetBy } from "./events.ts";
import { type FlowGraph, flowGraph } from "./flow_graph.ts";
import { Counting, Entered } from "./site_calls.ts";

/** Most returns that a `ret` inside a region compares with before it goes through the hash. */
const MAX_RETURN_SITES = 6;

/** One block of a region with what was emitted for its instructions. */
export interface Member {
  readonly block: Block;
  readonly instructions: Emitter[];
  /** Node numbers of direct successors, -1 when outside. */
  target: number;
  next: number;
  /** For indirect transfers: nodes that the target is compared with. */
  likely: number[];
  /** Flag kind known at entry: -1 not known, -2 not yet seen. */
  kindIn: number;
  /** Flag kind set last inside, or -1 when none is set. */
  kindSet: number;
  /** Whether the flags are in locals at its start, and whether it needs them there; memory has them otherwise. */
  flagsIn: boolean;
  readonly needsFlags: boolean;
  /** Whether they are in locals at its end in any case. */
  readonly leavesFlags: boolean;
}

/** What the region compiler needs of the translation cache. */
export interface RegionSource {
  readonly isa: Isa;
  decodeAt(block: Block, index: number, out: Decoded): void;
  offsetOf(block: Block, index: number): number;
  /** Where an indirect transfer is known to go. */
  targets(block: Block): readonly number[];
  /** Exits through a link that make it hot. */
  readonly linkHeat: number;
  /** Times that a cluster of accesses lies on two pages before its block goes without. */
  readonly crossingHeat: number;
  /** Times that an access leaves its region for want of its page in the modelled TLB before the region is made again. */
  readonly missingHeat: number;
  /** With models: whether accesses of an instruction often miss the modelled TLB in a region. */
  misses(block: Block, index: number): boolean;
  /** Loads and stores that a block is charged for. */
  accessesOf(block: Block): { readonly loads: number; readonly stores: number };
  /** With attribution: number of a block's function. */
  functionOf(block: Block): number;
  /** With attribution: where regions count how often they enter a block. */
  counterOf(block: Block): number;
  /** Link slot of an exits record's target or next instruction. */
  linkOf(block: Block, next: boolean): number;
}

export class RegionPlan {
  readonly #source: RegionSource;
  readonly members: readonly Member[];
  /** Its nodes are indices of `members`. */
  readonly graph: FlowGraph;
  #somewhereRuns: boolean | undefined;

  /** The first `entries` of `blocks` can be entered. */
  constructor(source: RegionSource, blocks: readonly Block[], entries: number, scratch: Decoded) {
    this.#source = source;
    this.members = blocks.map((block) => this.#emit(block, scratch));
    this.#connect(blocks);
    this.graph = flowGraph(
      this.members.map((m) => [m.target, m.next, ...m.likely].filter((s) => s >= 0)),
      Array.from({ length: entries }, (_, i) => i),
    );
    this.#findFlagKinds();
    this.#findFlags();
  }

  /** Whether node `to` is fetched from another page than what node `from` fetched last, or from two. */
  changesPage(from: number, to: number): boolean {
    const { block } = this.members[from];
    const next = this.members[to].block;
    const last = pageOf(block.pc) + (block.frame2 >= 0 ? 1 : 0);
    return last !== pageOf(next.pc) || next.frame2 >= 0;
  }
  /** Whether it has instructions with accesses that their blocks are not charged for. */
  get countsAccesses(): boolean {
    return this.members.some((m) => m.instructions.some((e) => countsItself(e.body)));
  }
  /** What attribution has to ask in node `x`, however control came there. */
  entered(x: number): Entered {
    // Where functions are not known, control may run in from outside as well.
    const outside = this.graph.doors.includes(x) && this.#runs;
    if (!outside && !this.#runsInto(x)) return Entered.Checked;
    const same = (m: Member) => m !== this.members[x] && this.#sameFunction(m, this.members[x]);
    return this.#comesFrom(x, same) ? Entered.Running : Entered.Alone;
  }
  /** Whether another function's node counts on the way from node `from`, or from the root, to node `to`. */
  counting(from: number, to: number): Counting {
    if (this.entered(to) !== Entered.Checked) return Counting.Own;
    const x = this.members[to];
    const jumps = (m: Member) => !calls(m) && !this.#sameFunction(m, x);
    if (from === this.graph.root) {
      return this.#comesFrom(to, jumps) ? Counting.Likely : Counting.Perhaps;
    }
    const m = this.members[from];
    return calls(m) ? Counting.Perhaps : jumps(m) ? Counting.Other : Counting.Own;
  }
  #sameFunction(a: Member, b: Member): boolean {
    return this.#source.functionOf(a.block) === this.#source.functionOf(b.block);
  }
  /** Whether it may come there from another function by a branch, or at the end of a block. */
  #runsInto(x: number): boolean {
    return this.#comesFrom(x, (m) => {
      const { flow } = m.block;
      const runs = flow === Flow.Branch || flow === Flow.Next || flow === Flow.Repeat;
      return runs && !this.#sameFunction(m, this.members[x]);
    });
  }
  get #runs(): boolean {
    return this.#somewhereRuns ??= this.members.some((_, x) => this.#runsInto(x));
  }
  #comesFrom(x: number, test: (from: Member) => boolean): boolean {
    const { order, root } = this.graph;
    return order.some((from) => {
      if (from === root) return false;
      const m = this.members[from];
      return [m.target, m.next, ...m.likely].includes(x) && this.graph.has(from, x) && test(m);
    });
  }

  /** Run the semantics of a block's instructions. */
  #emit(block: Block, scratch: Decoded): Member {
    const instructions: Emitter[] = [];
    const checks = new AlignmentChecks();
    let kindSet = -1;
    for (let i = 0; i < block.count; i++) {
      this.#source.decodeAt(block, i, scratch);
      const e = new Emitter(scratch);
      this.#source.isa.emit(scratch.row, scratch.statics, e);
      checks.next(e.body);
      instructions.push(e);
      const kind = kindSetBy(e.body);
      if (kind !== -1) kindSet = kind;
    }
    const { reads, sets, perhaps } = flagUse(instructions);
    return {
      block,
      instructions,
      target: -1,
      next: -1,
      likely: [],
      kindIn: -2,
      kindSet,
      flagsIn: true,
      needsFlags: reads || perhaps,
      leavesFlags: reads || perhaps || sets,
    };
  }

  #connect(blocks: readonly Block[]): void {
    const byPc = new Map(blocks.map((b, i) => [b.pc, i]));
    const at = (pc: number): number => byPc.get(pc) ?? -1;
    const returns: number[] = [];
    for (const m of this.members) {
      const { block } = m;
      const next = block.pc + block.bytes;
      switch (block.flow) {
        case Flow.Next:
          m.next = at(next);
          break;
        case Flow.Branch:
        case Flow.Repeat:
          m.target = at(block.target);
          m.next = at(next);
          break;
        case Flow.Jump:
          m.target = at(block.target);
          break;
        case Flow.Call:
          m.target = at(block.target);
          if (m.target >= 0 && at(next) >= 0) returns.push(at(next));
          break;
        case Flow.IndirectCall:
        case Flow.IndirectJump:
        case Flow.Return: {
          const type = branchType(m.instructions[block.count - 1].body);
          m.likely = this.#source.targets(block).map(at).filter((node) =>
            node >= 0 && accepts(blocks[node], type)
          );
          if (m.likely.length === 0) break;
          if (block.flow === Flow.IndirectCall && at(next) >= 0) returns.push(at(next));
          break;
        }
      }
    }
    for (const m of this.members) {
      if (m.block.flow !== Flow.Return) continue;
      m.likely = [...new Set([...m.likely, ...returns])].slice(0, MAX_RETURN_SITES);
    }
  }

  /** Call `visit` for every edge that does not go through the root, until it changes nothing. */
  #settle(visit: (from: Member, to: Member) => boolean): void {
    for (let changed = true; changed;) {
      changed = false;
      for (const from of this.graph.order) {
        if (from === this.graph.root) continue;
        const m = this.members[from];
        for (const to of [m.target, m.next, ...m.likely]) {
          if (to >= 0 && this.graph.has(from, to) && visit(m, this.members[to])) changed = true;
        }
      }
    }
  }

  /** Which flag kind reaches each block: the same on all paths, or not known. */
  #findFlagKinds(): void {
    for (const door of this.graph.doors) this.members[door].kindIn = -1;
    this.#settle((m, to) => {
      const out = m.kindSet !== -1 ? (m.kindSet === -2 ? -1 : m.kindSet) : m.kindIn;
      if (out === -2) return false;
      const merged = to.kindIn === -2 || to.kindIn === out ? out : -1;
      const changed = merged !== to.kindIn;
      to.kindIn = merged;
      return changed;
    });
  }

  /** Where the flags are in locals: after a block that has them there, if all paths come through such. */
  #findFlags(): void {
    for (const door of this.graph.doors) this.members[door].flagsIn = false;
    this.#settle((m, to) => {
      if (m.flagsIn || m.leavesFlags || !to.flagsIn) return false;
      to.flagsIn = false;
      return true;
    });
  }
}

/** Whether a block ends with a call or a return. */
function calls({ block: { flow } }: Member): boolean {
  return flow === Flow.Call || flow === Flow.IndirectCall || flow === Flow.Return;
}

/** Type of the indirect branch that an instruction is. */
function branchType(body: readonly Statement[]): number {
  const last = body[body.length - 1];
  return last.kind === "indirect" ? last.type : 0;
}

/**
 * How instructions use the lazy flags: whether they read them before they set them, set them for
 * certain, or set them on some path only.
 */
function flagUse(instructions: readonly Emitter[]) {
  const use = { reads: false, sets: false, perhaps: false };
  const visit = (body: readonly Statement[], certain: boolean): void => {
    for (const s of body) {
      if (s.kind === "def") {
        const { kind } = s.node;
        if ((kind === NodeKind.Condition || kind === NodeKind.Flags) && !use.sets) use.reads = true;
      } else if (s.kind === "setFlags" || (s.kind === "call" && s.helper.flags === true)) {
        if (s.kind === "call" && !use.sets) use.reads = true;
        if (certain) use.sets = true;
        else if (!use.sets) use.perhaps = true;
      } else if (s.kind === "if") {
        visit(s.then, false);
        visit(s.else, false);
      } else if (s.kind === "loop") visit(s.body, certain);
    }
  };
  for (const e of instructions) visit(e.body, true);
  return use;
}

/** Number of the page of 4 KiB that `pc` lies on. */
export const pageOf = (pc: number): number => Math.floor(pc / 4096);
