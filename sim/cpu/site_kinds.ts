/** What attribution tells apart. */

/** Events that can be asked where they happened. */
export const enum Site {
  Instructions,
  ItlbMisses,
  DtlbMisses,
  StlbMisses,
  L1iMisses,
  L1dMisses,
  LlcMisses,
  Mispredicted,
}
/** Their counters' names. */
export const siteNames: readonly string[] = [
  "instructions",
  "itlb.misses",
  "dtlb.misses",
  "stlb.misses",
  "l1i.misses",
  "l1d.misses",
  "llc.misses",
  "mispredicted",
];

/** Deepest calling context; what is deeper counts at it. */
export const DEEPEST = 400;
/** Frames that a return may skip: by longjmp, or because a thread was switched. */
export const SKIPPED = 64;
