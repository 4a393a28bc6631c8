import { Bits } from "./bits.ts";

/**
 * For every node of a graph, what it and all nodes that it reaches hold. Strongly connected components are
 * found by Tarjan's algorithm (1972), in which a component is complete only after all that it reaches;
 * the nodes of one share their set.
 */
export function closure(edges: readonly (readonly number[])[], own: readonly Bits[]): Bits[] {
  const count = edges.length;
  const order = new Int32Array(count).fill(-1);
  const low = new Int32Array(count);
  const next = new Int32Array(count);
  const reached: Bits[] = new Array(count);
  const open: number[] = [];
  let clock = 0;
  for (let root = 0; root < count; root++) {
    if (order[root] >= 0) continue;
    const path = [root];
    order[root] = low[root] = clock++;
    open.push(root);
    while (path.length > 0) {
      const node = path[path.length - 1];
      if (next[node] < edges[node].length) {
        const to = edges[node][next[node]++];
        if (order[to] < 0) {
          order[to] = low[to] = clock++;
          open.push(to);
          path.push(to);
        } else if (reached[to] === undefined) low[node] = Math.min(low[node], order[to]);
        continue;
      }
      path.pop();
      const parent = path[path.length - 1];
      if (parent !== undefined) low[parent] = Math.min(low[parent], low[node]);
      if (low[node] !== order[node]) continue;
      const members: number[] = [];
      for (let member = -1; member !== node;) members.push(member = open.pop()!);
      const all = new Bits(32 * own[node].words.length);
      // Other components are complete; this one's own nodes have no set yet.
      for (const member of members) {
        all.union(own[member]);
        for (const to of edges[member]) if (reached[to] !== undefined) all.union(reached[to]);
      }
      for (const member of members) reached[member] = all;
    }
  }
  return reached;
}
