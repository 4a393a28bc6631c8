/** Numbers of signals in gdb's protocol, which are the same for every system (include/gdb/signals.def). */
import { SIGRTMIN } from "../kernel/signal_numbers.ts";

/** gdb's numbers of Linux's signals from 1 to 31; gdb knows no SIGSTKFLT. */
// deno-fmt-ignore
const BY_LINUX = [
  0, 1, 2, 3, 4, 5, 6, 10, 8, 9, 30, 11, 31, 13, 14, 15, 143, 20, 19, 17, 18, 21, 22, 16, 24, 25, 26, 27, 28,
  23, 32, 12,
];
/** SIG32, SIG33 to SIG63, SIG64. */
const SIG32 = 77, SIG33 = 45, SIG64 = 78;
const FIRST_REALTIME = SIGRTMIN;

/** gdb's number of Linux's signal `signo`. */
export function toGdb(signo: number): number {
  if (signo < FIRST_REALTIME) return BY_LINUX[signo];
  if (signo === 32) return SIG32;
  return signo === 64 ? SIG64 : SIG33 + signo - 33;
}

/** Linux's number of gdb's signal; 0 for one that Linux does not have. */
export function fromGdb(number: number): number {
  const known = BY_LINUX.indexOf(number);
  if (known >= 0) return known;
  if (number === SIG32) return 32;
  if (number === SIG64) return 64;
  return number >= SIG33 && number < SIG33 + 31 ? number - SIG33 + 33 : 0;
}
