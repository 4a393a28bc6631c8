/** eventfd, timerfd and signalfd. */
import { Itimerspec } from "../abi/structs.ts";
import type { Clock } from "../clock.ts";
import { EBADF, EFAULT, EINVAL } from "../errno.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDWR } from "../fs/constants.ts";
import { EventFile } from "../fs/eventfd.ts";
import { SignalFile } from "../fs/signalfd.ts";
import { TimerFile } from "../fs/timerfd.ts";
import { fileOf } from "../fs/user_io.ts";
import { SigSet, UNBLOCKABLE } from "../signal_state.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { readStruct, writeStruct } from "../user_struct.ts";
import { anonymous, install } from "./new_file.ts";

type TimerValues = { sec: number; nsec: number; intervalSec: number; intervalNsec: number };

const EFD_SEMAPHORE = 1;

function eventfd2(call: Call, initial: number, flags: number): number {
  if (flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK)) return -EINVAL;
  const { inode, location } = anonymous(call, "[eventfd]");
  const mode = O_RDWR | (flags & O_NONBLOCK);
  const semaphore = (flags & EFD_SEMAPHORE) !== 0;
  return install(call, new EventFile(inode, location, mode, initial, semaphore), flags);
}

const CLOCK_REALTIME = 0;

const CLOCK_MONOTONIC = 1;

const TIMER_CLOCKS = [CLOCK_REALTIME, CLOCK_MONOTONIC, 7, 8, 9];

const TFD_TIMER_ABSTIME = 1;

const TFD_TIMER_CANCEL_ON_SET = 2;

function timerfdCreate(call: Call, clock: number, flags: number): number {
  if (!TIMER_CLOCKS.includes(clock) || flags & ~(O_CLOEXEC | O_NONBLOCK)) return -EINVAL;
  const { inode, location } = anonymous(call, "[timerfd]");
  const mode = O_RDWR | (flags & O_NONBLOCK);
  const { kernel } = call;
  const isRealTime = clock === CLOCK_REALTIME || clock === 8;
  const file = new TimerFile(inode, location, mode, kernel.clock, kernel.timers, isRealTime);
  return install(call, file, flags);
}

function timerValues(file: TimerFile): TimerValues {
  const { value, interval } = file.setting;
  return {
    sec: Math.floor(value / 1e9),
    nsec: value % 1e9,
    intervalSec: Math.floor(interval / 1e9),
    intervalNsec: interval % 1e9,
  };
}

function timerfdSettime(call: Call, fd: number, flags: number, va: number, old: number): number {
  if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) return -EINVAL;
  const setting = readStruct(call.space, Itimerspec, va);
  if (setting === null) return -EFAULT;
  const valid = (nsec: number) => nsec >= 0 && nsec < 1e9;
  if (!valid(setting.nsec) || !valid(setting.intervalNsec)) return -EINVAL;
  if (setting.sec < 0 || setting.intervalSec < 0) return -EINVAL;
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  if (!(file instanceof TimerFile)) return -EINVAL;
  if (old !== 0 && writeStruct(call.space, Itimerspec, old, timerValues(file)) < 0) return -EFAULT;
  const interval = setting.intervalSec * 1e9 + setting.intervalNsec;
  file.arm(expiration(call.kernel.clock, file, setting, (flags & 1) !== 0), interval);
  return 0;
}

/** Monotonic time of the first expiration; 0 disarms. */
function expiration(
  clock: Clock,
  file: TimerFile,
  { sec, nsec }: { sec: number; nsec: number },
  absolute: boolean,
): number {
  if (sec === 0 && nsec === 0) return 0;
  if (!absolute) return clock.now + sec * 1e9 + nsec;
  const seconds = file.isRealTime ? sec - clock.epochSeconds : sec;
  return Math.max(1, seconds * 1e9 + nsec);
}

function timerfdGettime(call: Call, fd: number, to: number): number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  if (!(file instanceof TimerFile)) return -EINVAL;
  return writeStruct(call.space, Itimerspec, to, timerValues(file));
}

function signalfd4(call: Call, fd: number, va: number, size: number, flags: number): number {
  if (size !== 8 || flags & ~(O_CLOEXEC | O_NONBLOCK)) return -EINVAL;
  const words = new Int32Array(2);
  if (call.space.copyIn(va, new Uint8Array(words.buffer)) < 0) return -EFAULT;
  const mask = new SigSet(words[0] & ~UNBLOCKABLE, words[1]);
  if (fd !== -1) {
    const file = fileOf(call, fd);
    if (file === null) return -EBADF;
    if (!(file instanceof SignalFile)) return -EINVAL;
    file.mask = mask;
    return fd;
  }
  const { inode, location } = anonymous(call, "[signalfd]");
  const { kernel } = call;
  const file = new SignalFile(
    inode,
    location,
    O_RDWR | (flags & O_NONBLOCK),
    mask,
    () => kernel.current ?? call.thread,
  );
  return install(call, file, flags);
}

export const eventRows: readonly SyscallRow[] = [
  {
    name: "eventfd",
    x86_64: 284,
    aarch64: -1,
    args: ["uint"],
    run: (call, initial) => eventfd2(call, initial, 0),
  },
  { name: "eventfd2", x86_64: 290, aarch64: 19, args: ["uint", "flags:eventfd"], run: eventfd2 },
  {
    name: "timerfd_create",
    x86_64: 283,
    aarch64: 85,
    args: ["enum:clock", "flags:timerfd"],
    run: timerfdCreate,
  },
  {
    name: "timerfd_settime",
    x86_64: 286,
    aarch64: 86,
    args: ["fd", "flags:timer", "struct:itimerspec", "out:itimerspec"],
    run: timerfdSettime,
  },
  {
    name: "timerfd_gettime",
    x86_64: 287,
    aarch64: 87,
    args: ["fd", "out:itimerspec"],
    run: timerfdGettime,
  },
  {
    name: "signalfd",
    x86_64: 282,
    aarch64: -1,
    args: ["fd", "struct:sigset", "size"],
    run: (call, fd, mask, size) => signalfd4(call, fd, mask, size, 0),
  },
  {
    name: "signalfd4",
    x86_64: 289,
    aarch64: 74,
    args: ["fd", "struct:sigset", "size", "flags:signalfd"],
    run: signalfd4,
  },
];
