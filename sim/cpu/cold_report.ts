/**
 * Why instructions retired in the cold tier, and what the hot tier left out of its regions: figures of
 * the accelerators, on which no counter depends.
 */
import type { Block } from "./blocks.ts";

/** Where a block counts down from once it is hot: never to be reported again. */
export const HOT = 0x7fffffff;

/** Instructions by reason, as near as the count-down of each block tells. */
export class ColdReport {
  /** In blocks that have not run often enough. */
  warming = 0;
  /** In blocks that are hot, until they were compiled, or that were left out of regions. */
  waiting = 0;
  /** In blocks whose code was changed or unmapped later. */
  dropped = 0;
  /** At the ends of quanta, where a block does not fit. */
  tails = 0;
  /** How often something was left out, by reason. */
  readonly #refused = new Map<string, number>();

  /** `block` ran while its count went down to `left`, from `heat` or, if it is hot, from `HOT`. */
  ran(block: Block, heat: number, left: number): void {
    const hot = left > heat;
    const instructions = block.count * ((hot ? HOT : Math.min(heat, HOT)) - Math.max(left, 1));
    if (!block.alive) this.dropped += instructions;
    else if (hot) this.waiting += instructions;
    else this.warming += instructions;
  }

  /** A region could have held more, but for `reason`. */
  refuse(reason: string): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  copy(): ColdReport {
    const { warming, waiting, dropped, tails } = this;
    const copy = Object.assign(new ColdReport(), { warming, waiting, dropped, tails });
    for (const [reason, count] of this.#refused) copy.#refused.set(reason, count);
    return copy;
  }

  /** Figures under the names of a result. */
  figures(): Record<string, number> {
    const { warming, waiting, dropped, tails } = this;
    return {
      "cold.warming": warming,
      "cold.waiting": waiting,
      "cold.dropped": dropped,
      "cold.tails": tails,
      "refused": [...this.#refused.values()].reduce((a, b) => a + b, 0),
      ...Object.fromEntries(
        [...this.#refused].sort().map(([reason, count]) => [`refused.${reason}`, count]),
      ),
    };
  }
}
