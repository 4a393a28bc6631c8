/** Clusters of accesses under way in a block: the last access alone stamps the modelled TLB's entry, if control gets there. */
import type { Cluster } from "./access_clusters.ts";
import { type Code, W } from "./code.ts";

interface Pending {
  /** Ordinal of the latest access, less that at the block's end. */
  readonly ordinal: number;
  /** What was accessed since: clusters, and one for each access in none. */
  readonly since: Set<object>;
}

export class PendingStamps {
  readonly #pending = new Map<Cluster, Pending>();

  begin(): void {
    this.#pending.clear();
  }
  touched(cluster: Cluster, ordinal: number): void {
    this.other(cluster);
    this.#pending.set(cluster, { ordinal, since: new Set() });
  }
  finished(cluster: Cluster): void {
    this.#pending.delete(cluster);
    this.other(cluster);
  }
  /** Something else was accessed. */
  other(what: object): void {
    for (const { since } of this.#pending.values()) since.add(what);
  }

  /** Clusters whose page may be the least recent of its set, if there are so many `ways`. */
  replaceable(ways: number): Cluster[] {
    return [...this.#pending].filter(([, { since }]) => since.size >= ways - 1)
      .map(([cluster]) => cluster);
  }

  /**
   * Control leaves here: leave the entries as the accesses so far would have. `now` is the local of the ordinal at the block's end,
   * `local` makes one to use.
   */
  write(code: Code, now: number, local: () => number): void {
    for (const [{ stamp }, { ordinal }] of this.#pending) {
      // Another access may have been to the page since.
      const late = local();
      code.get(stamp).get(now).i64(BigInt(ordinal)).op(W.i64_add).tee(late)
        .get(stamp).mem(W.i64_load, 0).get(late).get(stamp).mem(W.i64_load, 0)
        .op(W.i64_gt_u, W.select).mem(W.i64_store, 0);
    }
  }
}
