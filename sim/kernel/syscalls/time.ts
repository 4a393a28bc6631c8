/** Clocks and sleeping. */
import { Timespec, Timeval, Tms } from "../abi/structs.ts";
import {
  CLOCK_MONOTONIC,
  CLOCK_PROCESS_CPUTIME_ID,
  CLOCK_REALTIME,
  CLOCK_THREAD_CPUTIME_ID,
  deadlineOf,
  isTimerClock,
  readClock,
} from "../clocks.ts";
import { EFAULT, EINTR, EINVAL, EOPNOTSUPP, EPERM } from "../errno.ts";
import { CLOCK_TICKS } from "../exit.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { readStruct, writeStruct } from "../user_struct.ts";
import { clockTuningRows } from "./clock_tuning.ts";

const TIMER_ABSTIME = 1;
/** Resolution of the coarse clocks: a tick of 4 ms. */
const COARSE = 4_000_000;

function clockGettime(call: Call, clock: number, to: number): number {
  const time = readClock(call.kernel, call.thread, clock);
  if (time === null) return -EINVAL;
  return writeStruct(call.space, Timespec, to, time);
}

function clockGetres(call: Call, clock: number, to: number): number {
  if (readClock(call.kernel, call.thread, clock) === null) return -EINVAL;
  if (to === 0) return 0;
  const nsec = clock === 5 || clock === 6 ? COARSE : 1;
  return writeStruct(call.space, Timespec, to, { sec: 0, nsec });
}

/** Sleep to a deadline; what remains goes to `remaining` if a handler interrupts. */
function sleepUntil(call: Call, deadline: number, remaining: number): number {
  const { kernel, space } = call;
  if (kernel.clock.now >= deadline) return 0;
  const interrupted = (): number => {
    const left = Math.max(0, deadline - kernel.clock.now);
    const time = { sec: Math.floor(left / 1e9), nsec: left % 1e9 };
    if (remaining !== 0 && writeStruct(space, Timespec, remaining, time) < 0) return -EFAULT;
    return -EINTR;
  };
  return call.block([], { deadline, onSignal: "interrupt", interrupted });
}

function sleep(
  call: Call,
  clock: number,
  flags: number,
  request: number,
  remaining: number,
): number {
  if (call.resumed) return sleepUntil(call, call.state as number, remaining);
  if (!isTimerClock(clock) && clock !== CLOCK_PROCESS_CPUTIME_ID) {
    return clock === CLOCK_THREAD_CPUTIME_ID ? -EINVAL : -EOPNOTSUPP;
  }
  const time = readStruct(call.space, Timespec, request);
  if (time === null) return -EFAULT;
  if (time.sec < 0 || time.nsec < 0 || time.nsec >= 1e9) return -EINVAL;
  const absolute = (flags & TIMER_ABSTIME) !== 0;
  call.state = deadlineOf(call.kernel.clock, clock, time, absolute);
  return sleepUntil(call, call.state as number, absolute ? 0 : remaining);
}

function gettimeofday(call: Call, to: number, zone: number): number {
  const { clock } = call.kernel;
  const time = { sec: clock.realSeconds, usec: Math.floor(clock.realNanoseconds / 1000) };
  if (to !== 0 && writeStruct(call.space, Timeval, to, time) < 0) return -EFAULT;
  if (zone !== 0 && call.space.copyOut(zone, new Uint8Array(8)) < 0) return -EFAULT;
  return 0;
}

function times(call: Call, to: number): number {
  const { kernel, process } = call;
  const ticks = (instructions: number): number =>
    Math.floor(kernel.nanoseconds(instructions) / 1e9 * CLOCK_TICKS);
  const values = {
    utime: ticks(process.instructions),
    cutime: ticks(process.childrenUsage.instructions),
  };
  if (to !== 0 && writeStruct(call.space, Tms, to, values) < 0) return -EFAULT;
  return Math.floor(kernel.clock.now / 1e9 * CLOCK_TICKS);
}

export const timeRows: readonly SyscallRow[] = [
  ...clockTuningRows,
  {
    name: "clock_gettime",
    x86_64: 228,
    aarch64: 113,
    args: ["enum:clock", "out:timespec"],
    run: clockGettime,
  },
  {
    name: "clock_getres",
    x86_64: 229,
    aarch64: 114,
    args: ["enum:clock", "out:timespec"],
    run: clockGetres,
  },
  {
    name: "clock_settime",
    x86_64: 227,
    aarch64: 112,
    args: ["enum:clock", "struct:timespec"],
    run: () => -EPERM,
  },
  {
    name: "settimeofday",
    x86_64: 164,
    aarch64: 170,
    args: ["struct:timeval", "ptr"],
    run: () => -EPERM,
  },
  {
    name: "nanosleep",
    x86_64: 35,
    aarch64: 101,
    args: ["struct:timespec", "ptr"],
    run: (call, request, remaining) => sleep(call, CLOCK_MONOTONIC, 0, request, remaining),
  },
  {
    name: "clock_nanosleep",
    x86_64: 230,
    aarch64: 115,
    args: ["enum:clock", "flags:timer", "struct:timespec", "ptr"],
    run: sleep,
  },
  {
    name: "gettimeofday",
    x86_64: 96,
    aarch64: 169,
    args: ["out:timeval", "ptr"],
    run: gettimeofday,
  },
  {
    name: "time",
    x86_64: 201,
    aarch64: -1,
    args: ["ptr"],
    run: (call, to) => {
      const now = readClock(call.kernel, call.thread, CLOCK_REALTIME)!.sec;
      if (to !== 0 && call.space.writeU64(to, now) < 0) return -EFAULT;
      return now;
    },
  },
  { name: "times", x86_64: 100, aarch64: 153, args: ["ptr"], run: times },
];
