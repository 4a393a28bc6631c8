/** Clusters of accesses under way in a block: the last access alone stamps the modelled TLB's entry, if control gets there. */
import type { Cluster } from "./access_clusters.ts";
import { type Code, W } from "./code.ts";

export class PendingStamps {
  /** Ordinals of the latest accesses, less that of the block. */
  readonly #ordinals = new Map<Cluster, number>();

  begin(): void {
    this.#ordinals.clear();
  }
  touched(cluster: Cluster, ordinal: number): void {
    this.#ordinals.set(cluster, ordinal);
  }
  finished(cluster: Cluster): void {
    this.#ordinals.delete(cluster);
  }

  /**
   * Control leaves here: leave the entries as the accesses so far would have. `now` is the local of the block's ordinal,
   * `local` makes one to use.
   */
  write(code: Code, now: number, local: () => number): void {
    for (const [{ stamp }, ordinal] of this.#ordinals) {
      // Another access may have been to the page since.
      const late = local();
      code.get(stamp).get(now).i64(BigInt(ordinal)).op(W.i64_add).tee(late)
        .get(stamp).mem(W.i64_load, 0).get(late).get(stamp).mem(W.i64_load, 0)
        .op(W.i64_gt_u, W.select).mem(W.i64_store, 0);
    }
  }
}
