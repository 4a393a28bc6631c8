/**
 * The phases of a link, in order. `register` comes first and is no phase of a registration: it is the
 * call that makes one. Every phase but `start` runs for every object; `start` runs for the program.
 */
export const PHASES = [
  "collect",
  "post-collect",
  "load",
  "post-load",
  "relocate",
  "post-relocate",
  "protect",
  "post-protect",
  "start",
] as const;

/** One phase of a link. */
export type Phase = (typeof PHASES)[number];

/**
 * Everything that can appear as the phase of an error: a phase, the registration before them, or the
 * services to the process that runs after them.
 */
export type Stage = "register" | Phase | "run";

/** True if `phase` is one of the phases from `first` to `last`, both included. */
export function isWithin(phase: Stage, first: Phase, last: Phase): boolean {
  const index = PHASES.indexOf(phase as Phase);
  return index >= PHASES.indexOf(first) && index <= PHASES.indexOf(last);
}
