/** Descriptors: duplicates and flags, fcntl, ioctl. */
import { EBADF, EBUSY, EFAULT, EINVAL, EIO, EPERM, ERESTART } from "../errno.ts";
import {
  flagsFromGuest,
  flagsToGuest,
  O_APPEND,
  O_ASYNC,
  O_CLOEXEC,
  O_DIRECT,
  O_NOATIME,
  O_NOCTTY,
  O_NONBLOCK,
  O_PATH,
} from "../fs/constants.ts";
import { failed } from "../fs/inode.ts";
import * as ioctls from "../fs/ioctl.ts";
import { F_UNLCK } from "../fs/locks.ts";
import { F_SEAL_SEAL } from "../fs/memory_fs.ts";
import { offerTerminal } from "../fs/open.ts";
import type { OpenFile } from "../fs/open_file.ts";
import { PipeEnd } from "../fs/pipe.ts";
import { PtyMaster } from "../fs/tty/pty.ts";
import { fileOf, isInterrupted, stopped, tableOf, vfsOf } from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import {
  F_GETLK,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_SETLK,
  F_SETLKW,
  lockRange,
} from "./file_locks.ts";
import { install } from "./new_file.ts";

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

const F_SETOWN = 8;

const F_GETOWN = 9;

const F_SETSIG = 10;

const F_GETSIG = 11;

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
  { name: "ioctl", x86_64: 16, aarch64: 29, args: ["fd", "enum:ioctl", "hex"], run: ioctl },
];
