/** The clocks of clock_gettime(2), and deadlines in terms of them. */
import type { Clock } from "./clock.ts";
import type { Process } from "./process.ts";
import type { Thread } from "./thread.ts";
import type { Kernel } from "./kernel.ts";

export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_PROCESS_CPUTIME_ID = 2;
export const CLOCK_THREAD_CPUTIME_ID = 3;
export const CLOCK_MONOTONIC_RAW = 4;
export const CLOCK_REALTIME_COARSE = 5;
export const CLOCK_MONOTONIC_COARSE = 6;
export const CLOCK_BOOTTIME = 7;
export const CLOCK_REALTIME_ALARM = 8;
export const CLOCK_BOOTTIME_ALARM = 9;
export const CLOCK_TAI = 11;

/** Seconds and nanoseconds within the second. */
export interface Time {
  readonly sec: number;
  readonly nsec: number;
}

const split = (nanoseconds: number): Time => ({
  sec: Math.floor(nanoseconds / 1e9),
  nsec: nanoseconds % 1e9,
});

/** Whether a clock follows the date rather than time since start. */
export function isDate(clock: number): boolean {
  return clock === CLOCK_REALTIME || clock === CLOCK_REALTIME_COARSE ||
    clock === CLOCK_REALTIME_ALARM || clock === CLOCK_TAI;
}

/** Whether sleeping on a clock is possible here. */
export function isTimerClock(clock: number): boolean {
  return clock === CLOCK_REALTIME || clock === CLOCK_MONOTONIC || clock === CLOCK_BOOTTIME ||
    clock === CLOCK_REALTIME_ALARM || clock === CLOCK_BOOTTIME_ALARM || clock === CLOCK_TAI;
}

/** Reading of a clock, or null when there is none of that number. */
export function readClock(kernel: Kernel, thread: Thread, clock: number): Time | null {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
      return { sec: kernel.clock.realSeconds, nsec: kernel.clock.realNanoseconds };
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
      return split(kernel.clock.now);
    case CLOCK_PROCESS_CPUTIME_ID:
      return split(kernel.nanoseconds(thread.process.instructions));
    case CLOCK_THREAD_CPUTIME_ID:
      return split(kernel.nanoseconds(thread.retired));
  }
  return clock < 0 ? readCpuClock(kernel, thread, clock) : null;
}

/** Clocks of other processes and threads: ~id << 3, with bit 2 for a thread (clock_getcpuclockid). */
function readCpuClock(kernel: Kernel, self: Thread, clock: number): Time | null {
  const id = ~(clock >> 3);
  if ((clock & 3) === 3) return null;
  if (clock & 4) {
    const thread = id === 0 ? self : kernel.threads.get(id);
    return thread ? split(kernel.nanoseconds(thread.retired)) : null;
  }
  const process: Process | undefined = id === 0 ? self.process : kernel.processes.get(id);
  return process ? split(kernel.nanoseconds(process.instructions)) : null;
}

/** Monotonic time in nanoseconds at which `clock` reaches `time`, or in which it has passed. */
export function deadlineOf(clock: Clock, id: number, time: Time, absolute: boolean): number {
  if (!absolute) return clock.now + time.sec * 1e9 + time.nsec;
  const seconds = isDate(id) ? time.sec - clock.epochSeconds : time.sec;
  return Math.max(0, seconds * 1e9 + time.nsec);
}
