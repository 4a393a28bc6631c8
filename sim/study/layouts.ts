/**
 * Repeating a comparison over several layouts. One layout is one sample: a difference between two
 * runs can be pure aliasing of addresses, so base and variant run pairwise on seeded layouts, and a
 * difference counts only if every pair agrees on its sign.
 */
import type { MeasureOptions } from "./measure.ts";

/** What pairs of runs say about one counter. */
export interface Spread {
  /** Median and range of variant minus base over the layouts. */
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** Median of the base. */
  readonly base: number;
  /** The pairs do not agree on the sign: the difference is noise. */
  readonly noise: boolean;
}

/** Largest number of bytes added to the environment. */
const PADDING = 4096;

/**
 * The options for layout `index`: its seed places stack, program, libraries and heap, and sets how large
 * the environment is, which moves the stack by less than a page.
 */
export function onLayout(options: MeasureOptions, index: number): MeasureOptions {
  const seed = (options.seed ?? 1) * 1000 + index;
  // A multiplicative hash (Knuth): neighbouring seeds give unlike sizes, in steps of 16 bytes.
  const size = Math.imul(seed, 0x9e3779b1) >>> 24;
  const padding = "x".repeat(size * (PADDING / 256));
  return { ...options, layoutSeed: seed, env: { ...options.env, ISTHMUS_LAYOUT: padding } };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The spread of one counter over pairs of runs. */
export function spreadOf(pairs: readonly (readonly [base: number, variant: number])[]): Spread {
  const deltas = pairs.map(([base, variant]) => variant - base);
  const least = Math.min(...deltas);
  const most = Math.max(...deltas);
  return {
    median: median(deltas),
    least,
    most,
    base: median(pairs.map(([base]) => base)),
    noise: least <= 0 && most >= 0 && least < most,
  };
}
