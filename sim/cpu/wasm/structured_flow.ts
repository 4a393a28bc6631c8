/**
 * Structured control flow of a region (Ramsey, "Beyond Relooper", on the dominator tree): the code of a node encloses that of
 * the nodes it dominates, and an edge is a branch to a label. A node that others than its dominator go to follows a
 * `block`, one that a back edge goes to begins a `loop`. The root, a jump table, goes to the nodes behind the doors.
 */
import { type Code, typeCode, W } from "./code.ts";
import type { FlowGraph } from "./flow_graph.ts";
import * as R from "./records.ts";

/** How nodes are lowered. */
interface Nodes {
  /** The code of node `x`, which ends by going elsewhere. */
  lower(x: number): void;
  /** What happens on the way to node `x` from the root. */
  come(x: number): void;
}

/** Labels are the numbers of nodes, `LOOP - node` for loop headers; those in between are others'. */
const LOOP = -10;
const DOOR = -9;

export class StructuredFlow {
  readonly #code: Code;
  readonly #graph: FlowGraph;
  /** The local that says which door the root goes through. */
  readonly #door: number;
  readonly #nodes: Nodes;
  /** Labels that are open. */
  readonly #labels: number[] = [];

  constructor(code: Code, graph: FlowGraph, door: number, nodes: Nodes) {
    this.#code = code;
    this.#graph = graph;
    this.#door = door;
    this.#nodes = nodes;
  }

  /** The code of all nodes, inside blocks with the labels `around`, the outermost first, which are left open. */
  lower(around: readonly number[]): void {
    const code = this.#code;
    if (this.#graph.doors.length > 1) code.get(0).mem(W.i32_load, R.ENTRY).set(this.#door);
    for (const label of around) this.#open(W.block, label);
    this.#tree(this.#graph.root);
    this.#labels.length = 0;
    code.op(W.unreachable);
  }

  /** Code of node `x` and of all that it dominates. */
  #tree(x: number): void {
    const { root, rank, isLoop } = this.#graph;
    const loop = isLoop[x] === 1;
    if (loop) this.#open(W.loop, LOOP - x);
    const children = [...this.#graph.children[x]].sort((a, b) => rank[b] - rank[a]);
    for (const child of children) this.#open(W.block, child);
    if (x === root) this.#enterDoor();
    else this.#nodes.lower(x);
    for (let i = children.length - 1; i >= 0; i--) {
      this.#close();
      this.#tree(children[i]);
    }
    if (loop) this.#close();
  }

  /** The root: go to the node behind a door. */
  #enterDoor(): void {
    const { doors } = this.#graph;
    const code = this.#code;
    for (const _ of doors) this.#open(W.block, DOOR);
    if (doors.length > 1) {
      code.get(this.#door).op(W.br_table).u32(doors.length - 1);
      doors.forEach((_, i) => code.u32(i));
    }
    for (const door of doors) {
      this.#close();
      this.#nodes.come(door);
      this.br(door, 0);
    }
  }

  /** Go from node `from` to node `to`. So many labels, `depth`, were opened in the node. */
  follow(from: number, to: number, depth: number): void {
    const { rank, root, doors } = this.#graph;
    if (this.#graph.has(from, to)) {
      this.br(rank[to] <= rank[from] ? LOOP - to : to, depth);
      return;
    }
    this.#code.i32(doors.indexOf(to)).set(this.#door);
    this.br(LOOP - root, depth);
  }

  /** `br` to a label. */
  br(label: number, depth: number): void {
    const at = this.#labels.lastIndexOf(label);
    this.#code.br(this.#labels.length - 1 - at + depth);
  }

  #open(opcode: number, label: number): void {
    this.#code.op(opcode, typeCode.void);
    this.#labels.push(label);
  }
  #close(): void {
    this.#code.op(W.end);
    this.#labels.pop();
  }
}
