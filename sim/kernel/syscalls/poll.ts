/** Waiting for several files: poll, select, epoll. */
import { Timespec } from "../abi/structs.ts";
import { EBADF, EFAULT, EINVAL } from "../errno.ts";
import {
  O_CLOEXEC,
  O_PATH,
  O_RDWR,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from "../fs/constants.ts";
import { EPOLLEXCLUSIVE, EpollFile, isExclusive } from "../fs/epoll.ts";
import type { OpenFile } from "../fs/open_file.ts";
import { epollEvent, Pollfd } from "../fs/structs.ts";
import { credentialsOf, fileOf, tableOf, vfsOf } from "../fs/user_io.ts";
import { SigSet } from "../signal_state.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { readStruct } from "../user_struct.ts";
import type { WaitQueue } from "../wait_queue.ts";

/** A timeout: nanoseconds from now, or a fault. Infinity waits for ever. */
type Timeout = number;

/** The deadline of the call, fixed when it begins. */
function deadlineOf(call: Call, timeout: Timeout): number {
  if (!call.resumed) call.state = call.kernel.clock.now + timeout;
  return call.state as number;
}

/** -EINVAL or -EFAULT, or the nanoseconds of the timespec at `va`; Infinity for a null pointer. */
function timespecTimeout(call: Call, va: number): number {
  if (va === 0) return Infinity;
  const time = readStruct(call.space, Timespec, va);
  if (time === null) return -EFAULT;
  if (time.sec < 0 || time.nsec < 0 || time.nsec >= 1e9) return -EINVAL;
  return time.sec * 1e9 + time.nsec;
}

/** Take the signal mask at `va` for the time of the call: 0 or -errno. */
export function takeMask(call: Call, va: number, size: number): number {
  if (va === 0 || call.resumed) return 0;
  if (size !== 8) return -EINVAL;
  const words = new Int32Array(2);
  if (call.space.copyIn(va, new Uint8Array(words.buffer)) < 0) return -EFAULT;
  call.thread.maskForCall(new SigSet(words[0], words[1]));
  return 0;
}

/** Sleep until something happens to a file, the deadline, or a signal. */
function sleep(call: Call, queues: ReadonlySet<WaitQueue>, deadline: number): number {
  return call.block([...queues], { deadline, onSignal: "interrupt" });
}

function listen(queues: Set<WaitQueue>, file: OpenFile, events: number): void {
  for (const queue of file.waitQueues(events)) queues.add(queue);
}

function pollFiles(call: Call, va: number, count: number, timeout: Timeout): number {
  if (count > call.process.limits[7].soft) return -EINVAL;
  const bytes = new Uint8Array(count * Pollfd.size);
  if (call.space.copyIn(va, bytes) < 0) return -EFAULT;
  const view = new DataView(bytes.buffer);
  const deadline = deadlineOf(call, timeout);
  const queues = new Set<WaitQueue>();
  let ready = 0;
  for (let at = 0; at < bytes.length; at += Pollfd.size) {
    const { fd, events } = Pollfd.decode(view, at);
    let revents = 0;
    if (fd >= 0) {
      const file = fileOf(call, fd);
      if (file === null) revents = POLLNVAL;
      else {
        revents = file.poll() & (events | POLLERR | POLLHUP);
        listen(queues, file, events);
      }
    }
    Pollfd.write(view, at, { revents });
    if (revents !== 0) ready++;
  }
  if (ready === 0 && !call.timedOut && call.kernel.clock.now < deadline) {
    return sleep(call, queues, deadline);
  }
  return call.space.copyOut(va, bytes) < 0 ? -EFAULT : ready;
}

function poll(call: Call, va: number, count: number, milliseconds: number): number {
  return pollFiles(call, va, count, milliseconds < 0 ? Infinity : milliseconds * 1e6);
}

function ppoll(
  call: Call,
  va: number,
  count: number,
  time: number,
  mask: number,
  size: number,
): number {
  const timeout = call.resumed ? 0 : timespecTimeout(call, time);
  if (timeout < 0) return timeout;
  const masked = takeMask(call, mask, size);
  return masked < 0 ? masked : pollFiles(call, va, count, timeout);
}

/** Events that make a descriptor readable, writable or exceptional for select. */
const SELECT_EVENTS: readonly number[] = [
  POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR,
  POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR,
  POLLPRI,
];

/** The three sets at the addresses; a null address is an empty set. */
function selectFiles(
  call: Call,
  count: number,
  addresses: readonly number[],
  timeout: Timeout,
): number {
  if (count < 0) return -EINVAL;
  const slots = Math.min(count, tableOf(call).capacity);
  const bytes = Math.ceil(slots / 64) * 8;
  const sets: Uint8Array[] = [];
  for (const address of addresses) {
    const set = new Uint8Array(bytes);
    if (address !== 0 && call.space.copyIn(address, set) < 0) return -EFAULT;
    sets.push(set);
  }
  const deadline = deadlineOf(call, timeout);
  const results = sets.map(() => new Uint8Array(bytes));
  const queues = new Set<WaitQueue>();
  let ready = 0;
  for (let fd = 0; fd < slots; fd++) {
    const index = fd >> 3, bit = 1 << (fd & 7);
    const wanted = sets.map((set) => (set[index] & bit) !== 0);
    if (!wanted.includes(true)) continue;
    const file = fileOf(call, fd);
    if (file === null) return -EBADF;
    const events = file.poll();
    wanted.forEach((asked, i) => {
      if (!asked || (events & SELECT_EVENTS[i]) === 0) return;
      results[i][index] |= bit;
      ready++;
    });
    listen(queues, file, (wanted[0] ? POLLIN : 0) | (wanted[1] ? POLLOUT : 0));
  }
  if (ready === 0 && !call.timedOut && call.kernel.clock.now < deadline) {
    return sleep(call, queues, deadline);
  }
  for (let i = 0; i < 3; i++) {
    if (addresses[i] !== 0 && call.space.copyOut(addresses[i], results[i]) < 0) return -EFAULT;
  }
  return ready;
}

/** Linux stores the time left; `unit` is the number of nanoseconds of the second field. */
function storeRemaining(call: Call, va: number, unit: number, result: number): number {
  if (va === 0 || result < 0) return result;
  const left = Math.max(0, (call.state as number) - call.kernel.clock.now);
  const time = { sec: Math.floor(left / 1e9), nsec: Math.floor(left % 1e9 / unit) };
  call.space.copyOut(va, Timespec.encode(time));
  return result;
}

function select(
  call: Call,
  count: number,
  read: number,
  write: number,
  except: number,
  time: number,
): number {
  let timeout = Infinity;
  if (time !== 0 && !call.resumed) {
    const value = readStruct(call.space, Timespec, time);
    if (value === null) return -EFAULT;
    if (value.sec < 0 || value.nsec < 0) return -EINVAL;
    timeout = value.sec * 1e9 + value.nsec * 1000;
  }
  return storeRemaining(call, time, 1000, selectFiles(call, count, [read, write, except], timeout));
}

/** pselect6: the sixth argument points to the mask's address and size. */
function pselect6(
  call: Call,
  count: number,
  read: number,
  write: number,
  except: number,
  time: number,
  mask: number,
): number {
  const timeout = call.resumed ? 0 : timespecTimeout(call, time);
  if (timeout < 0) return timeout;
  if (mask !== 0) {
    const address = call.space.readU64(mask);
    const size = call.space.readU64(mask + 8);
    if (address < 0 || size < 0) return -EFAULT;
    const masked = takeMask(call, address, size);
    if (masked < 0) return masked;
  }
  return storeRemaining(call, time, 1, selectFiles(call, count, [read, write, except], timeout));
}

function epollCreate1(call: Call, flags: number): number {
  if (flags & ~O_CLOEXEC) return -EINVAL;
  const fs = vfsOf(call).anonymous;
  const inode = fs.inode({ mode: 0o600, ...credentialsOf(call) });
  const file = new EpollFile(inode, fs.place(inode, "anon_inode:[eventpoll]"), O_RDWR);
  return tableOf(call).install(file, 0, (flags & O_CLOEXEC) !== 0);
}

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;

function epollCtl(call: Call, epfd: number, operation: number, fd: number, va: number): number {
  const event = operation === EPOLL_CTL_DEL
    ? { events: 0, dataLow: 0, dataHigh: 0 }
    : readStruct(call.space, epollEvent(call.arch), va);
  if (event === null) return -EFAULT;
  const epoll = tableOf(call).get(epfd);
  const file = tableOf(call).get(fd);
  if (epoll === null || file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  if (!(epoll instanceof EpollFile) || epoll === file) return -EINVAL;
  const interest = { ...event, events: event.events | 0 };
  if ((interest.events & EPOLLEXCLUSIVE) !== 0) {
    const nested = file instanceof EpollFile;
    if (operation === EPOLL_CTL_MOD) return -EINVAL;
    if (operation === EPOLL_CTL_ADD && (nested || !isExclusive(interest))) return -EINVAL;
  }
  switch (operation) {
    case EPOLL_CTL_ADD:
      return epoll.add(fd, file, interest);
    case EPOLL_CTL_DEL:
      return epoll.remove(fd, file);
    case EPOLL_CTL_MOD:
      return epoll.modify(fd, file, interest);
    default:
      return -EINVAL;
  }
}

function epollWait(
  call: Call,
  epfd: number,
  va: number,
  limit: number,
  timeout: Timeout,
): number {
  if (limit <= 0) return -EINVAL;
  const epoll = tableOf(call).get(epfd);
  if (epoll === null) return -EBADF;
  if (!(epoll instanceof EpollFile)) return -EINVAL;
  const deadline = deadlineOf(call, timeout);
  const events = epoll.collect(limit);
  if (events.length === 0) {
    if (call.timedOut || call.kernel.clock.now >= deadline) return 0;
    return call.block(epoll.waitQueues(), { deadline, onSignal: "interrupt" });
  }
  const layout = epollEvent(call.arch);
  const bytes = new Uint8Array(events.length * layout.size);
  const view = new DataView(bytes.buffer);
  events.forEach((event, i) => layout.write(view, i * layout.size, event));
  return call.space.copyOut(va, bytes) < 0 ? -EFAULT : events.length;
}

const fromMilliseconds = (timeout: number): Timeout => timeout < 0 ? Infinity : timeout * 1e6;

function epollPwait2(
  call: Call,
  epfd: number,
  va: number,
  limit: number,
  time: number,
  mask: number,
  size: number,
): number {
  const timeout = call.resumed ? 0 : timespecTimeout(call, time);
  if (timeout < 0) return timeout;
  const masked = takeMask(call, mask, size);
  return masked < 0 ? masked : epollWait(call, epfd, va, limit, timeout);
}

export const pollRows: readonly SyscallRow[] = [
  { name: "poll", x86_64: 7, aarch64: -1, args: ["struct:pollfd", "uint", "int"], run: poll },
  {
    name: "ppoll",
    x86_64: 271,
    aarch64: 73,
    args: ["struct:pollfd", "uint", "struct:timespec", "struct:sigset", "size"],
    run: ppoll,
  },
  {
    name: "select",
    x86_64: 23,
    aarch64: -1,
    args: ["int", "ptr", "ptr", "ptr", "struct:timeval"],
    run: select,
  },
  {
    name: "pselect6",
    x86_64: 270,
    aarch64: 72,
    args: ["int", "ptr", "ptr", "ptr", "struct:timespec", "ptr"],
    run: pselect6,
  },
  {
    name: "epoll_create",
    x86_64: 213,
    aarch64: -1,
    args: ["int"],
    run: (call, size) => size <= 0 ? -EINVAL : epollCreate1(call, 0),
  },
  {
    name: "epoll_create1",
    x86_64: 291,
    aarch64: 20,
    args: ["flags:epoll_create"],
    run: epollCreate1,
  },
  {
    name: "epoll_ctl",
    x86_64: 233,
    aarch64: 21,
    args: ["fd", "enum:epoll_ctl", "fd", "struct:epoll_event"],
    run: epollCtl,
  },
  {
    name: "epoll_wait",
    x86_64: 232,
    aarch64: -1,
    args: ["fd", "ptr", "int", "int"],
    run: (call, fd, to, limit, timeout) =>
      epollWait(call, fd, to, limit, fromMilliseconds(timeout)),
  },
  {
    name: "epoll_pwait",
    x86_64: 281,
    aarch64: 22,
    args: ["fd", "ptr", "int", "int", "struct:sigset", "size"],
    run: (call, fd, to, limit, timeout, mask, size) => {
      const masked = takeMask(call, mask, size);
      return masked < 0 ? masked : epollWait(call, fd, to, limit, fromMilliseconds(timeout));
    },
  },
  {
    name: "epoll_pwait2",
    x86_64: 441,
    aarch64: 441,
    args: ["fd", "ptr", "int", "struct:timespec", "struct:sigset", "size"],
    run: epollPwait2,
  },
];
