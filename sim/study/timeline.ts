/** Events over the course of a run: how many there were in each of equal stretches of instructions. */
import { Site, siteNames } from "../cpu/site_kinds.ts";

/** Counts of events by name, a value a stretch. */
export interface TimelineReport {
  /** Instructions of a stretch; the last may have fewer. */
  readonly instructions: number;
  readonly events: Readonly<Record<string, readonly number[]>>;
}

/** Most stretches; twice as long ones begin when there are as many. */
const MOST = 256;
const SITES = siteNames.length;

/**
 * Counts in stretches of a power of two of instructions, as short as 256 of them allow. What happens during a
 * block of instructions counts where the block begins.
 */
export class Timeline {
  #length = 1;
  #stretches = new Float64Array(MOST * SITES);
  #at = 0;
  #instructions = 0;

  /** So many instructions retired. */
  retired(count: number): void {
    this.#stretches[this.#at * SITES + Site.Instructions] += count;
    this.#instructions += count;
    while (this.#instructions >= this.#length * MOST) this.#halve();
    this.#at = Math.floor(this.#instructions / this.#length);
  }

  /** An event happened, or several did. */
  at(site: Site, count = 1): void {
    this.#stretches[this.#at * SITES + site] += count;
  }
  /** Instructions that retire before the next stretch begins. */
  get left(): number {
    return (this.#at + 1) * this.#length - this.#instructions;
  }

  /** Make stretches twice as long. */
  #halve(): void {
    const before = this.#stretches;
    this.#stretches = new Float64Array(MOST * SITES);
    before.forEach((count, i) => {
      const [stretch, site] = [Math.floor(i / SITES), i % SITES];
      this.#stretches[(stretch >> 1) * SITES + site] += count;
    });
    this.#length *= 2;
  }

  report(): TimelineReport {
    const events: Record<string, number[]> = {};
    for (let site = Site.Instructions + 1; site < SITES; site++) {
      const counts = Array.from(
        { length: this.#at + 1 },
        (_, stretch) => this.#stretches[stretch * SITES + site],
      );
      if (counts.some((count) => count > 0)) events[siteNames[site]] = counts;
    }
    return { instructions: this.#length, events };
  }
}
