/** Timers that send signals: alarm, setitimer, timer_create. */
import { timerInfo } from "../abi/siginfo.ts";
import { Itimerspec, Itimerval, Sigevent } from "../abi/structs.ts";
import { deadlineOf, isDate, readClock } from "../clocks.ts";
import { EFAULT, EINVAL } from "../errno.ts";
import type { Kernel } from "../kernel.ts";
import type { IntervalTimer, PosixTimer, Process } from "../process.ts";
import { SIGALRM, SIGPROF, SIGVTALRM } from "../signal_numbers.ts";
import { signalFromKernel, signalProcess, signalThread } from "../signals.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { readStruct, writeInt, writeStruct } from "../user_struct.ts";

const SIGEV_SIGNAL = 0, SIGEV_NONE = 1, SIGEV_THREAD_ID = 4;
const TIMER_ABSTIME = 1;

/** Run `timer` from `time` (monotonic) on, every `interval` nanoseconds if that is not 0. */
function arm(
  kernel: Kernel,
  timer: IntervalTimer,
  time: number,
  interval: number,
  expire: () => void,
): void {
  timer.interval = interval;
  timer.timer = kernel.timers.at(time, () => {
    if (interval > 0) arm(kernel, timer, time + interval, interval, expire);
    else timer.timer = null;
    expire();
  });
}

/** Nanoseconds until a timer runs out, 0 when it does not run. */
function remaining(kernel: Kernel, timer: IntervalTimer): number {
  return timer.timer ? Math.max(1, timer.timer.time - kernel.clock.now) : 0;
}

const ITIMER_SIGNALS = [SIGALRM, SIGVTALRM, SIGPROF];

function setInterval(
  kernel: Kernel,
  process: Process,
  which: number,
  value: number,
  interval: number,
): void {
  const timer = process.intervalTimers[which];
  timer.timer?.cancel();
  timer.timer = null;
  timer.interval = interval;
  if (value === 0) return;
  arm(kernel, timer, kernel.clock.now + value, interval, () => {
    signalFromKernel(kernel, process, ITIMER_SIGNALS[which]);
  });
}

function itimerOf(call: Call, which: number): Record<string, number> {
  const timer = call.process.intervalTimers[which];
  const left = remaining(call.kernel, timer);
  return {
    intervalSec: Math.floor(timer.interval / 1e9),
    intervalUsec: Math.floor(timer.interval % 1e9 / 1000),
    sec: Math.floor(left / 1e9),
    usec: Math.floor(left % 1e9 / 1000),
  };
}

function setitimer(call: Call, which: number, next: number, old: number): number {
  if (which < 0 || which > 2) return -EINVAL;
  const before = itimerOf(call, which);
  if (next !== 0) {
    const value = readStruct(call.space, Itimerval, next);
    if (value === null) return -EFAULT;
    const { sec, usec, intervalSec, intervalUsec } = value;
    if (sec < 0 || usec < 0 || usec >= 1e6 || intervalUsec < 0 || intervalUsec >= 1e6) {
      return -EINVAL;
    }
    const interval = intervalSec * 1e9 + intervalUsec * 1000;
    setInterval(call.kernel, call.process, which, sec * 1e9 + usec * 1000, interval);
  }
  if (old !== 0 && writeStruct(call.space, Itimerval, old, before) < 0) return -EFAULT;
  return 0;
}

function timerCreate(call: Call, clock: number, event: number, to: number): number {
  if (readClock(call.kernel, call.thread, clock) === null) return -EINVAL;
  const { process } = call;
  let id = 0;
  while (process.posixTimers.has(id)) id++;
  let signo = SIGALRM, notify = SIGEV_SIGNAL, tid = 0, valueLow = id, valueHigh = 0;
  if (event !== 0) {
    const wanted = readStruct(call.space, Sigevent, event);
    if (wanted === null) return -EFAULT;
    ({ signo, notify, tid, valueLow, valueHigh } = wanted);
    const toThread = notify === SIGEV_THREAD_ID;
    if (notify !== SIGEV_SIGNAL && notify !== SIGEV_NONE && !toThread) return -EINVAL;
    if (notify !== SIGEV_NONE && (signo < 1 || signo > 64)) return -EINVAL;
    if (toThread && call.kernel.threads.get(tid)?.process !== process) return -EINVAL;
  }
  const timer: PosixTimer = {
    id,
    clock,
    signo,
    notify,
    tid,
    valueLow,
    valueHigh,
    overrun: 0,
    timer: null,
    interval: 0,
  };
  if (writeInt(call.space, to, id) < 0) return -EFAULT;
  process.posixTimers.set(id, timer);
  return 0;
}

function expire(kernel: Kernel, process: Process, timer: PosixTimer): void {
  if (timer.notify === SIGEV_NONE) return;
  const { id, signo, overrun, valueLow, valueHigh } = timer;
  const info = timerInfo(signo, id, overrun, valueLow, valueHigh);
  const thread = timer.notify === SIGEV_THREAD_ID ? kernel.threads.get(timer.tid) : undefined;
  if (thread) signalThread(kernel, thread, info);
  else signalProcess(kernel, process, info);
}

function timerValue(kernel: Kernel, timer: PosixTimer): Record<string, number> {
  const left = remaining(kernel, timer);
  return {
    intervalSec: Math.floor(timer.interval / 1e9),
    intervalNsec: timer.interval % 1e9,
    sec: Math.floor(left / 1e9),
    nsec: left % 1e9,
  };
}

function timerSettime(call: Call, id: number, flags: number, next: number, old: number): number {
  const { kernel, process, space } = call;
  const timer = process.posixTimers.get(id);
  if (!timer) return -EINVAL;
  const value = readStruct(space, Itimerspec, next);
  if (value === null) return -EFAULT;
  const { sec, nsec, intervalSec, intervalNsec } = value;
  if (sec < 0 || nsec < 0 || nsec >= 1e9 || intervalNsec < 0 || intervalNsec >= 1e9) {
    return -EINVAL;
  }
  const before = timerValue(kernel, timer);
  timer.timer?.cancel();
  timer.timer = null;
  timer.interval = intervalSec * 1e9 + intervalNsec;
  if (sec !== 0 || nsec !== 0) {
    const absolute = (flags & TIMER_ABSTIME) !== 0;
    const clock = isDate(timer.clock) ? 0 : 1;
    const time = deadlineOf(kernel.clock, clock, { sec, nsec }, absolute);
    arm(kernel, timer, time, timer.interval, () => expire(kernel, process, timer));
  }
  if (old !== 0 && writeStruct(space, Itimerspec, old, before) < 0) return -EFAULT;
  return 0;
}

export const timerRows: readonly SyscallRow[] = [
  {
    name: "alarm",
    x86_64: 37,
    aarch64: -1,
    args: ["uint"],
    run: ({ kernel, process }, seconds) => {
      const left = remaining(kernel, process.intervalTimers[0]);
      setInterval(kernel, process, 0, seconds * 1e9, 0);
      return Math.ceil(left / 1e9);
    },
  },
  {
    name: "setitimer",
    x86_64: 38,
    aarch64: 103,
    args: ["enum:itimer", "struct:itimerval", "out:itimerval"],
    run: setitimer,
    support: "partial: ITIMER_VIRTUAL and ITIMER_PROF count the machine's time",
  },
  {
    name: "getitimer",
    x86_64: 36,
    aarch64: 102,
    args: ["enum:itimer", "out:itimerval"],
    run: (call, which, to) => {
      if (which < 0 || which > 2) return -EINVAL;
      return writeStruct(call.space, Itimerval, to, itimerOf(call, which));
    },
  },
  {
    name: "timer_create",
    x86_64: 222,
    aarch64: 107,
    args: ["enum:clock", "ptr", "ptr"],
    run: timerCreate,
  },
  {
    name: "timer_settime",
    x86_64: 223,
    aarch64: 110,
    args: ["int", "flags:timer", "struct:itimerspec", "out:itimerspec"],
    run: timerSettime,
  },
  {
    name: "timer_gettime",
    x86_64: 224,
    aarch64: 108,
    args: ["int", "out:itimerspec"],
    run: ({ kernel, process, space }, id, to) => {
      const timer = process.posixTimers.get(id);
      return timer ? writeStruct(space, Itimerspec, to, timerValue(kernel, timer)) : -EINVAL;
    },
  },
  {
    name: "timer_getoverrun",
    x86_64: 225,
    aarch64: 109,
    args: ["int"],
    run: ({ process }, id) => process.posixTimers.get(id)?.overrun ?? -EINVAL,
  },
  {
    name: "timer_delete",
    x86_64: 226,
    aarch64: 111,
    args: ["int"],
    run: ({ process }, id) => {
      const timer = process.posixTimers.get(id);
      if (!timer) return -EINVAL;
      timer.timer?.cancel();
      process.posixTimers.delete(id);
      return 0;
    },
  },
];
