/** Descriptors: duplicates and flags, pipes, locks, and the files that only descriptors reach. */
import { Itimerspec } from "../abi/structs.ts";
import type { Clock } from "../clock.ts";
import {
  EAGAIN,
  EBADF,
  EBUSY,
  EFAULT,
  EINVAL,
  EIO,
  EMFILE,
  ENOTDIR,
  EOVERFLOW,
  EPERM,
  ERESTART,
} from "../errno.ts";
import type { AnonymousInode } from "../fs/anonymous.ts";
import {
  flagsFromGuest,
  flagsToGuest,
  O_APPEND,
  O_ASYNC,
  O_CLOEXEC,
  O_DIRECT,
  O_LARGEFILE,
  O_NOATIME,
  O_NOCTTY,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  S_IFIFO,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from "../fs/constants.ts";
import { inodeAt, type Location } from "../fs/dentry.ts";
import { EventFile } from "../fs/eventfd.ts";
import { failed } from "../fs/inode.ts";
import { IN_DONT_FOLLOW, IN_MASK_CREATE, IN_ONLYDIR, InotifyFile } from "../fs/inotify.ts";
import * as ioctls from "../fs/ioctl.ts";
import { F_RDLCK, F_UNLCK, F_WRLCK, FileLocks, type Lock } from "../fs/locks.ts";
import { F_SEAL_SEAL } from "../fs/memory_fs.ts";
import { offerTerminal } from "../fs/open.ts";
import type { OpenFile } from "../fs/open_file.ts";
import { openPipeEnd, Pipe, PipeEnd } from "../fs/pipe.ts";
import { RegularFile } from "../fs/regular_file.ts";
import { SignalFile } from "../fs/signalfd.ts";
import { Flock } from "../fs/structs.ts";
import { TimerFile } from "../fs/timerfd.ts";
import { PtyMaster } from "../fs/tty/pty.ts";
import {
  credentialsOf,
  fileOf,
  isInterrupted,
  pathAt,
  readPath,
  stopped,
  tableOf,
  taskOf,
  vfsOf,
} from "../fs/user_io.ts";
import { SigSet, UNBLOCKABLE } from "../signal_state.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { readStruct, writeStruct } from "../user_struct.ts";

function dup(call: Call, fd: number): number {
  const file = tableOf(call).get(fd);
  return file === null ? -EBADF : tableOf(call).install(file, 0, false);
}

function dup2(call: Call, fd: number, wanted: number): number {
  const table = tableOf(call);
  const file = table.get(fd);
  if (file === null) return -EBADF;
  return fd === wanted ? fd : table.replace(wanted, file, false);
}

function dup3(call: Call, fd: number, wanted: number, guestFlags: number): number {
  if (guestFlags & ~O_CLOEXEC) return -EINVAL;
  if (fd === wanted) return -EINVAL;
  const table = tableOf(call);
  const file = table.get(fd);
  return file === null ? -EBADF : table.replace(wanted, file, (guestFlags & O_CLOEXEC) !== 0);
}

const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;

function closeRange(call: Call, first: number, last: number, flags: number): number {
  if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last) return -EINVAL;
  const table = tableOf(call);
  for (const [fd] of [...table.entries()]) {
    if (fd < first || fd > last) continue;
    if (flags & CLOSE_RANGE_CLOEXEC) table.setCloseOnExec(fd, true);
    else table.close(fd);
  }
  return 0;
}

const F_DUPFD = 0;
const F_GETFD = 1;
const F_SETFD = 2;
const F_GETFL = 3;
const F_SETFL = 4;
const F_GETLK = 5;
const F_SETLK = 6;
const F_SETLKW = 7;
const F_SETOWN = 8;
const F_GETOWN = 9;
const F_SETSIG = 10;
const F_GETSIG = 11;
const F_OFD_GETLK = 36;
const F_OFD_SETLK = 37;
const F_OFD_SETLKW = 38;
const F_GETLEASE = 1025;
const F_DUPFD_CLOEXEC = 1030;
const F_SETPIPE_SZ = 1031;
const F_GETPIPE_SZ = 1032;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
const FD_CLOEXEC = 1;
/** What F_SETFL may change. */
const SETTABLE = O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK;

function fcntl(call: Call, fd: number, command: number, argument: number): number {
  const table = tableOf(call);
  const file = table.get(fd);
  if (file === null) return -EBADF;
  switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: {
      const minimum = argument | 0;
      if (minimum < 0 || minimum >= table.limit) return -EINVAL;
      return table.install(file, minimum, command === F_DUPFD_CLOEXEC);
    }
    case F_GETFD:
      return table.closesOnExec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
      table.setCloseOnExec(fd, (argument & FD_CLOEXEC) !== 0);
      return 0;
    case F_GETFL:
      return flagsToGuest(call.arch, file.flags);
  }
  if (file.flags & O_PATH) return -EBADF;
  switch (command) {
    case F_SETFL: {
      const wanted = flagsFromGuest(call.arch, argument | 0);
      file.flags = (file.flags & ~SETTABLE) | (wanted & SETTABLE);
      return 0;
    }
    case F_GETLK:
    case F_OFD_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      return lockRange(call, file, command, argument);
    case F_SETOWN:
    case F_SETSIG:
      return 0; // who gets SIGIO, which nothing here sends
    case F_GETOWN:
    case F_GETSIG:
      return 0;
    case F_GETLEASE:
      return F_UNLCK;
    case F_SETPIPE_SZ:
      return file instanceof PipeEnd ? file.pipe.resize(argument) : -EBADF;
    case F_GETPIPE_SZ:
      return file instanceof PipeEnd ? file.pipe.capacity : -EBADF;
    case F_ADD_SEALS:
      return addSeals(file, argument);
    case F_GET_SEALS:
      return file.inode.seals ?? -EINVAL;
    default:
      return -EINVAL;
  }
}

function addSeals(file: OpenFile, seals: number): number {
  const { inode } = file;
  if (!file.writable) return -EPERM;
  if (inode.seals === null || seals & ~0x1f) return -EINVAL;
  if (inode.seals & F_SEAL_SEAL) return -EPERM;
  const mapped = [...inode.pages?.mappings ?? []];
  if ((seals & 8) !== 0 && mapped.some((area) => !area.isPrivate && area.source?.writable)) {
    return -EBUSY;
  }
  inode.seals |= seals;
  return 0;
}

/** The byte range a struct flock names, or -EINVAL, -EOVERFLOW. */
function lockBounds(
  file: OpenFile,
  { whence, start, length }: { whence: number; start: number; length: number },
): { start: number; end: number } | number {
  const base = whence === SEEK_SET
    ? 0
    : whence === SEEK_CUR
    ? file.offset
    : whence === SEEK_END
    ? file.inode.size
    : -1;
  if (base < 0) return -EINVAL;
  let from = base + start;
  let to = length === 0 ? Infinity : from + length;
  if (length < 0) [from, to] = [to, from];
  if (from < 0) return -EINVAL;
  return to !== Infinity && to > Number.MAX_SAFE_INTEGER ? -EOVERFLOW : { start: from, end: to };
}

function lockRange(call: Call, file: OpenFile, command: number, va: number): number {
  const request = readStruct(call.space, Flock, va);
  if (request === null) return -EFAULT;
  const perDescription = command >= F_OFD_GETLK;
  if (perDescription && request.pid !== 0) return -EINVAL;
  if (request.type !== F_RDLCK && request.type !== F_WRLCK && request.type !== F_UNLCK) {
    return -EINVAL;
  }
  const bounds = lockBounds(file, request);
  if (failed(bounds)) return bounds;
  const exclusive = request.type === F_WRLCK;
  const lock: Lock = {
    owner: perDescription ? file : tableOf(call),
    exclusive,
    ...bounds,
    pid: perDescription ? -1 : call.process.pid,
  };
  const { ranges } = file.inode.locks ??= new FileLocks();
  if (command === F_GETLK || command === F_OFD_GETLK) {
    const held = request.type === F_UNLCK ? null : ranges.conflict(lock);
    const answer = held === null ? { type: F_UNLCK } : {
      type: held.exclusive ? F_WRLCK : F_RDLCK,
      whence: SEEK_SET,
      start: held.start,
      length: held.end === Infinity ? 0 : held.end - held.start,
      pid: held.pid,
    };
    return writeStruct(call.space, Flock, va, { ...request, ...answer });
  }
  if (request.type === F_UNLCK) {
    ranges.clear(lock.owner, lock.start, lock.end);
    return 0;
  }
  if (exclusive ? !file.writable : !file.readable) return -EBADF;
  const result = ranges.set(lock);
  const wait = command === F_SETLKW || command === F_OFD_SETLKW;
  return result === -EAGAIN && wait ? call.block(ranges.released) : result;
}

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
/** Mandatory locks: gone from Linux, which still answers 0. */
const LOCK_MAND = 32;

function flock(call: Call, fd: number, operation: number): number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  if (operation & LOCK_MAND) return 0;
  const { whole } = file.inode.locks ??= new FileLocks();
  const kind = operation & ~LOCK_NB;
  if (kind === LOCK_UN) {
    whole.clear(file);
    return 0;
  }
  if (kind !== LOCK_SH && kind !== LOCK_EX) return -EINVAL;
  const exclusive = kind === LOCK_EX;
  const result = whole.set({ owner: file, exclusive, start: 0, end: Infinity, pid: -1 });
  return result === -EAGAIN && (operation & LOCK_NB) === 0 ? call.block(whole.released) : result;
}

/** Requests every descriptor answers; the rest are the file's own. */
function ioctl(call: Call, fd: number, request: number, argument: number): number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  if (isInterrupted(call)) return stopped(call);
  const table = tableOf(call);
  request >>>= 0;
  switch (request) {
    case ioctls.FIOCLEX:
    case ioctls.FIONCLEX:
      table.setCloseOnExec(fd, request === ioctls.FIOCLEX);
      return 0;
    case ioctls.FIONBIO:
    case ioctls.FIOASYNC: {
      const on = call.space.readU32(argument);
      if (on < 0) return -EFAULT;
      const flag = request === ioctls.FIONBIO ? O_NONBLOCK : O_ASYNC;
      file.flags = on !== 0 ? file.flags | flag : file.flags & ~flag;
      return 0;
    }
    case ioctls.FIONREAD:
      if (file.inode.isRegular) {
        const left = Math.max(0, file.inode.size - file.offset);
        return call.space.writeU32(argument, left) < 0 ? -EFAULT : 0;
      }
  }
  if (request === ioctls.TIOCGPTPEER && file instanceof PtyMaster) {
    return openPeer(call, file, argument);
  }
  const result = file.ioctl(request, argument, call.space);
  return result === -ERESTART ? stopped(call) : result;
}

/** Open the slave end of a pseudo-terminal by its master. */
function openPeer(call: Call, master: PtyMaster, guestFlags: number): number {
  const { pseudoTerminals, mounts } = vfsOf(call);
  const mount = mounts.find(({ fileSystem }) => fileSystem === pseudoTerminals);
  if (mount === undefined) return -EIO;
  const flags = flagsFromGuest(call.arch, guestFlags);
  const peer = pseudoTerminals.openPeer(master.pty, mount, flags & ~(O_CLOEXEC | O_NOCTTY));
  if (failed(peer)) return peer;
  if ((flags & O_NOCTTY) === 0) offerTerminal(call.process, peer);
  return install(call, peer, flags);
}

/** Put a new anonymous file into the table. */
function install(call: Call, file: OpenFile, flags: number): number {
  return tableOf(call).install(file, 0, (flags & O_CLOEXEC) !== 0);
}

function anonymous(call: Call, name: string): { inode: AnonymousInode; location: Location } {
  const fs = vfsOf(call).anonymous;
  const inode = fs.inode({ mode: 0o600, ...credentialsOf(call) });
  return { inode, location: fs.place(inode, `anon_inode:${name}`) };
}

function pipe2(call: Call, to: number, guestFlags: number): number {
  const flags = flagsFromGuest(call.arch, guestFlags);
  if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) return -EINVAL;
  const { pipes } = vfsOf(call);
  const pipe = new Pipe();
  const inode = pipes.inode(
    { mode: S_IFIFO | 0o600, ...credentialsOf(call) },
    (self, location, mode) => openPipeEnd(pipe, self, location, mode),
  );
  const location = pipes.place(inode, `pipe:[${inode.ino}]`);
  const kept = flags & (O_NONBLOCK | O_DIRECT);
  const ends = [O_RDONLY, O_WRONLY].map((mode) => new PipeEnd(pipe, inode, location, mode | kept));
  return installPair(call, ends, to, (flags & O_CLOEXEC) !== 0);
}

/** Give two files numbers and store these at `to`; on failure neither stays. */
export function installPair(
  call: Call,
  files: readonly OpenFile[],
  to: number,
  closeOnExec: boolean,
): number {
  const table = tableOf(call);
  for (const file of files) file.retain();
  const numbers = files.map((file) => table.install(file, 0, closeOnExec));
  const undo = (result: number): number => {
    for (const fd of numbers) if (fd >= 0) table.close(fd);
    for (const file of files) file.release();
    return result;
  };
  if (numbers.some((fd) => fd < 0)) return undo(-EMFILE);
  const bytes = new Uint8Array(Int32Array.from(numbers).buffer);
  if (call.space.copyOut(to, bytes) < 0) return undo(-EFAULT);
  for (const file of files) file.release();
  return 0;
}

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

type TimerValues = { sec: number; nsec: number; intervalSec: number; intervalNsec: number };

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

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const MFD_NOEXEC_SEAL = 8;
const MFD_EXEC = 16;

function memfdCreate(call: Call, va: number, flags: number): number {
  if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC)) return -EINVAL;
  const name = readPath(call.space, va);
  if (failed(name)) return name;
  if (name.length > 249) return -EINVAL;
  const { inode, location } = vfsOf(call).memfd(name, credentialsOf(call));
  const sealing = (flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)) !== 0;
  inode.seals = sealing ? 0 : F_SEAL_SEAL;
  const file = new RegularFile(inode, location, O_RDWR | O_LARGEFILE);
  return tableOf(call).install(file, 0, (flags & MFD_CLOEXEC) !== 0);
}

function inotifyInit(call: Call, flags: number): number {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK)) return -EINVAL;
  const { inode, location } = anonymous(call, "inotify");
  return install(call, new InotifyFile(inode, location, flags & O_NONBLOCK), flags);
}

function inotifyAddWatch(call: Call, fd: number, va: number, mask: number): number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  if (!(file instanceof InotifyFile) || (mask & 0xfff) === 0 || mask & IN_MASK_CREATE) {
    return -EINVAL;
  }
  const at = pathAt(call, -100, va);
  if (failed(at)) return at;
  const follow = (mask & IN_DONT_FOLLOW) === 0;
  const location = vfsOf(call).resolve(taskOf(call), at.start, at.path, follow);
  if (failed(location)) return location;
  const inode = inodeAt(location);
  if ((mask & IN_ONLYDIR) !== 0 && !inode.isDirectory) return -ENOTDIR;
  return file.watch(inode, mask);
}

function inotifyRmWatch(call: Call, fd: number, descriptor: number): number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  return file instanceof InotifyFile ? file.unwatch(descriptor) : -EINVAL;
}

export const descriptorRows: readonly SyscallRow[] = [
  {
    name: "close",
    x86_64: 3,
    aarch64: 57,
    args: ["fd"],
    run: (call, fd) => tableOf(call).close(fd),
  },
  {
    name: "close_range",
    x86_64: 436,
    aarch64: 436,
    args: ["uint", "uint", "flags:close_range"],
    run: closeRange,
  },
  { name: "dup", x86_64: 32, aarch64: 23, args: ["fd"], run: dup },
  { name: "dup2", x86_64: 33, aarch64: -1, args: ["fd", "fd"], run: dup2 },
  { name: "dup3", x86_64: 292, aarch64: 24, args: ["fd", "fd", "flags:dup"], run: dup3 },
  { name: "fcntl", x86_64: 72, aarch64: 25, args: ["fd", "enum:fcntl", "hex"], run: fcntl },
  { name: "flock", x86_64: 73, aarch64: 32, args: ["fd", "flags:flock"], run: flock },
  { name: "ioctl", x86_64: 16, aarch64: 29, args: ["fd", "enum:ioctl", "hex"], run: ioctl },
  {
    name: "pipe",
    x86_64: 22,
    aarch64: -1,
    args: ["out:fds"],
    run: (call, to) => pipe2(call, to, 0),
  },
  { name: "pipe2", x86_64: 293, aarch64: 59, args: ["out:fds", "flags:pipe"], run: pipe2 },
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
  {
    name: "memfd_create",
    x86_64: 319,
    aarch64: 279,
    args: ["string", "flags:memfd"],
    run: memfdCreate,
  },
  { name: "inotify_init", x86_64: 253, aarch64: -1, args: [], run: (call) => inotifyInit(call, 0) },
  { name: "inotify_init1", x86_64: 294, aarch64: 26, args: ["flags:inotify"], run: inotifyInit },
  {
    name: "inotify_add_watch",
    x86_64: 254,
    aarch64: 27,
    args: ["fd", "path", "uint"],
    run: inotifyAddWatch,
  },
  { name: "inotify_rm_watch", x86_64: 255, aarch64: 28, args: ["fd", "int"], run: inotifyRmWatch },
];
