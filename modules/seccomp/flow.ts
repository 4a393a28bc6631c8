/** Register values through the blocks of one function, until nothing changes. */
import { joinRegisters, type Registers, type Value } from "./values.ts";

/** The instructions of a function, as its architecture's reader decoded them. */
export interface FlowGraph {
  /** Instructions. */
  readonly count: number;
  /** Indices of instructions that begin a block, ascending; 0 is one. */
  readonly leaders: readonly number[];
  /** Leaders that control may reach from the block which ends before `end`, from its last instruction. */
  successors(last: number): readonly number[];
  /** Leaders that control reaches from who knows where. */
  readonly entries: readonly number[];
  /** What the way from instruction `last` to a leader tells of the registers. */
  refine?(last: number, leader: number, registers: Registers): void;
  /** Takes the effect of an instruction on the registers. */
  step(index: number, registers: Registers): void;
}

/** Registers before each block, in the order of its leaders; undefined where control never gets. */
export function flow(graph: FlowGraph, start: readonly Value[]): (Registers | undefined)[] {
  const { leaders } = graph;
  const index = new Map(leaders.map((leader, i) => [leader, i]));
  const before: (Registers | undefined)[] = new Array(leaders.length).fill(undefined);
  const work: number[] = [];
  const reach = (block: number, registers: readonly Value[]): void => {
    const known = before[block];
    if (known === undefined) before[block] = [...registers];
    else if (!joinRegisters(known, registers)) return;
    work.push(block);
  };
  reach(0, start);
  const nothing: Value[] = new Array(start.length).fill(undefined);
  for (const leader of graph.entries) reach(index.get(leader)!, nothing);
  for (let block = work.pop(); block !== undefined; block = work.pop()) {
    const registers = [...before[block]!];
    const end = leaders[block + 1] ?? graph.count;
    for (let i = leaders[block]; i < end; i++) graph.step(i, registers);
    for (const leader of graph.successors(end - 1)) {
      const there = graph.refine === undefined ? registers : [...registers];
      graph.refine?.(end - 1, leader, there);
      reach(index.get(leader)!, there);
    }
  }
  return before;
}
