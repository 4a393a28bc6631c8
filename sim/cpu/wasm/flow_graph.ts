/**
 * The control-flow graph of a region and its order for structured code: dominators (Cooper, Harvey,
 * Kennedy, "A Simple, Fast Dominance Algorithm"). A root that may go to every entry stands above the
 * nodes; edges that would make the graph irreducible go through it too.
 */

/** A region's graph over nodes `0 .. n-1` and the root, node `n`. */
export interface FlowGraph {
  readonly root: number;
  /** Nodes that the root goes to: the entries, then the targets of edges that go through it. */
  readonly doors: readonly number[];
  /** Nodes in reverse postorder, the root first; unreachable ones are absent. */
  readonly order: readonly number[];
  /** Position of each node in `order`. */
  readonly rank: Int32Array;
  /** Children in the dominator tree. */
  readonly children: readonly number[][];
  /** Whether a node is the target of a back edge; the root, whether edges go through it. */
  readonly isLoop: Uint8Array;
  /** Whether there is an edge `from → to` that does not go through the root. */
  has(from: number, to: number): boolean;
}

/** Analyse `successors` of the nodes, of which `entries` may be entered. */
export function flowGraph(
  successors: readonly (readonly number[])[],
  entries: readonly number[],
): FlowGraph {
  const root = successors.length;
  const edges = [...successors.map((s) => new Set(s)), new Set(entries)];
  const isLoop = new Uint8Array(root + 1);
  for (;;) {
    const { order, rank } = reversePostorder(edges, root);
    const parent = dominators(edges, order, rank);
    const dominates = (a: number, b: number): boolean => {
      while (rank[b] > rank[a]) b = parent[b];
      return a === b;
    };
    isLoop.fill(0, 0, root);
    let cut = false;
    for (const from of order) {
      for (const to of edges[from]) {
        if (rank[to] > rank[from]) continue;
        if (dominates(to, from)) isLoop[to] = 1;
        else {
          edges[from].delete(to);
          edges[root].add(to);
          isLoop[root] = 1;
          cut = true;
        }
      }
    }
    if (cut) continue;
    const children: number[][] = edges.map(() => []);
    for (const node of order) if (node !== root) children[parent[node]].push(node);
    const doors = [...edges[root]];
    return { root, doors, order, rank, children, isLoop, has: (from, to) => edges[from].has(to) };
  }
}

function reversePostorder(
  edges: readonly Set<number>[],
  root: number,
): { order: number[]; rank: Int32Array } {
  const rank = new Int32Array(edges.length).fill(-1);
  const seen = new Uint8Array(edges.length);
  const post: number[] = [];
  const stack: { node: number; next: Iterator<number> }[] = [];
  const enter = (node: number): void => {
    seen[node] = 1;
    stack.push({ node, next: edges[node].values() });
  };
  enter(root);
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    const step = top.next.next();
    if (step.done === true) {
      post.push(top.node);
      stack.pop();
    } else if (seen[step.value] === 0) enter(step.value);
  }
  const order = post.reverse();
  order.forEach((node, i) => rank[node] = i);
  return { order, rank };
}

function dominators(
  edges: readonly Set<number>[],
  order: readonly number[],
  rank: Int32Array,
): Int32Array {
  const predecessors: number[][] = edges.map(() => []);
  for (const from of order) for (const to of edges[from]) predecessors[to].push(from);
  const parent = new Int32Array(edges.length).fill(-1);
  const root = order[0];
  parent[root] = root;
  for (let changed = true; changed;) {
    changed = false;
    for (const node of order) {
      if (node === root) continue;
      let best = -1;
      for (const p of predecessors[node]) {
        if (parent[p] < 0) continue;
        if (best < 0) best = p;
        else {
          let a = p;
          while (a !== best) {
            while (rank[a] > rank[best]) a = parent[a];
            while (rank[best] > rank[a]) best = parent[best];
          }
        }
      }
      if (best !== parent[node]) {
        parent[node] = best;
        changed = true;
      }
    }
  }
  return parent;
}

/** How many loops each node is in. */
export function loopDepths(graph: FlowGraph): Uint8Array {
  const depths = new Uint8Array(graph.rank.length);
  const predecessors: number[][] = Array.from(depths, () => []);
  for (const from of graph.order) {
    for (const to of graph.order) if (graph.has(from, to)) predecessors[to].push(from);
  }
  for (const header of graph.order) {
    if (graph.isLoop[header] === 0 || header === graph.root) continue;
    const body = new Set([header]);
    const stack = predecessors[header].filter((p) => graph.rank[p] >= graph.rank[header]);
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      if (body.has(node)) continue;
      body.add(node);
      stack.push(...predecessors[node]);
    }
    for (const node of body) depths[node]++;
  }
  return depths;
}
