/** Opening, reading and writing files. */
import { Timespec } from "../abi/structs.ts";
import {
  EAGAIN,
  EBADF,
  EFAULT,
  EFBIG,
  EINVAL,
  EISDIR,
  ENODEV,
  EOPNOTSUPP,
  ESPIPE,
  EXDEV,
} from "../errno.ts";
import * as attributes from "../fs/attributes.ts";
import {
  AT_FDCWD,
  flagsFromGuest,
  MAX_RW_COUNT,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_LARGEFILE,
  O_NONBLOCK,
  O_PATH,
  O_TMPFILE_BIT,
  O_TRUNC,
  O_WRONLY,
  POLLIN,
  POLLOUT,
  S_IFIFO,
} from "../fs/constants.ts";
import { failed } from "../fs/inode.ts";
import { writeInode } from "../fs/mapped_pages.ts";
import { open as openPath } from "../fs/open.ts";
import type { OpenFile } from "../fs/open_file.ts";
import { fifoReady, PipeEnd } from "../fs/pipe.ts";
import {
  atEnd,
  brokenPipe,
  drainUser,
  fileOf,
  fillUser,
  pathAt,
  readFile,
  readVector,
  type Span,
  startOf,
  tableOf,
  taskOf,
  vfsOf,
  writeFile,
} from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";

/** An open that waits for the other end of a FIFO. */
interface FifoOpen {
  readonly end: PipeEnd;
  readonly before: { readonly readers: number; readonly writers: number };
}

function openAt(call: Call, fd: number, va: number, guestFlags: number, mode: number): number {
  if (call.resumed) return fifoOpened(call, call.state as FifoOpen, guestFlags);
  const at = pathAt(call, fd, va);
  if (failed(at)) return at;
  const flags = flagsFromGuest(call.arch, guestFlags);
  // A 64-bit kernel sets O_LARGEFILE by itself; F_GETFL shows it.
  const kept = (flags & O_PATH) === 0 ? flags | O_LARGEFILE : flags;
  const file = openPath(taskOf(call), at.start, at.path, kept, mode & 0o7777);
  if (failed(file)) return file;
  // A pipe without a name, reopened through /proc/self/fd, waits for nobody.
  const named = file.inode.fileSystem !== vfsOf(call).pipes;
  if (file instanceof PipeEnd && file.inode.type === S_IFIFO && named) {
    const { pipe } = file;
    const readers = pipe.readerOpenings - Number(file.readable);
    const writers = pipe.writerOpenings - Number(file.writable);
    file.retain();
    return fifoOpened(call, { end: file, before: { readers, writers } }, guestFlags);
  }
  return tableOf(call).install(file, 0, (flags & O_CLOEXEC) !== 0);
}

/** Install the end once its partner is there; until then wait. */
function fifoOpened(call: Call, opening: FifoOpen, guestFlags: number): number {
  const { end } = opening;
  if (!fifoReady(end, opening.before)) {
    call.state = opening;
    return call.block(end.pipe.opened, { abandoned: () => end.release() });
  }
  const closeOnExec = (flagsFromGuest(call.arch, guestFlags) & O_CLOEXEC) !== 0;
  const fd = tableOf(call).install(end, 0, closeOnExec);
  end.release();
  return fd;
}

/** openat2: struct open_how of flags, mode, resolve; RESOLVE_ flags beyond 0 are refused. */
function openat2(call: Call, fd: number, va: number, how: number, size: number): number {
  if (size < 24) return -EINVAL;
  const bytes = new Uint8Array(24);
  if (call.space.copyIn(how, bytes) < 0) return -EFAULT;
  const view = new DataView(bytes.buffer);
  const flags = view.getUint32(0, true);
  const mode = view.getUint32(8, true);
  if (view.getUint32(4, true) !== 0 || view.getUint32(12, true) !== 0) return -EINVAL;
  if (view.getUint32(16, true) !== 0 || view.getUint32(20, true) !== 0) return -EOPNOTSUPP;
  const makes = (flagsFromGuest(call.arch, flags) & (O_CREAT | O_TMPFILE_BIT)) !== 0;
  return mode !== 0 && !makes ? -EINVAL : openAt(call, fd, va, flags, mode);
}

const one = (address: number, length: number): Span[] => [
  { address, length: Math.min(length, MAX_RW_COUNT) },
];

function read(call: Call, fd: number, va: number, count: number): number {
  const file = fileOf(call, fd);
  return file === null ? -EBADF : readFile(call, file, one(va, count));
}

function write(call: Call, fd: number, va: number, count: number): number {
  const file = fileOf(call, fd);
  return file === null ? -EBADF : writeFile(call, file, one(va, count));
}

function readv(call: Call, fd: number, va: number, count: number): number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  const spans = readVector(call.space, va, count);
  return failed(spans) ? spans : readFile(call, file, spans);
}

function writev(call: Call, fd: number, va: number, count: number): number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  const spans = readVector(call.space, va, count);
  return failed(spans) ? spans : writeFile(call, file, spans);
}

/** Read at a position of its own; a file without positions answers -ESPIPE. */
function readAt(call: Call, file: OpenFile, spans: readonly Span[], position: number): number {
  if (position < 0) return -EINVAL;
  if (!file.readable) return -EBADF;
  if (!file.splittable) return file.readAt(position, new Uint8Array(0));
  if (atEnd(file, position)) return 0;
  return fillUser(call.space, spans, (into, done) => file.readAt(position + done, into));
}

function writeAt(call: Call, file: OpenFile, spans: readonly Span[], position: number): number {
  if (position < 0) return -EINVAL;
  if (!file.writable) return -EBADF;
  if (!file.splittable) return -ESPIPE;
  return drainUser(call.space, spans, (from, done) => file.writeAt(position + done, from));
}

type Positioned = typeof readAt;

function positioned(
  action: Positioned,
): (call: Call, fd: number, va: number, count: number, position: number) => number {
  return (call, fd, va, count, position) => {
    const file = fileOf(call, fd);
    return file === null ? -EBADF : action(call, file, one(va, count), position);
  };
}

function positionedVector(
  action: Positioned,
): (call: Call, fd: number, va: number, count: number, position: number) => number {
  return (call, fd, va, count, position) => {
    const file = fileOf(call, fd);
    if (file === null) return -EBADF;
    const spans = readVector(call.space, va, count);
    return failed(spans) ? spans : action(call, file, spans, position);
  };
}

const RWF_HIPRI = 1;
const RWF_DSYNC = 2;
const RWF_SYNC = 4;
const RWF_NOWAIT = 8;
const RWF_APPEND = 16;

/** preadv2 and pwritev2: position -1 is the file's own; the flags change nothing in memory. */
function vector2(
  atPosition: Positioned,
  atFile: (call: Call, file: OpenFile, spans: readonly Span[]) => number,
): SyscallRow["run"] {
  return (call, fd, va, count, position, _high, flags) => {
    if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND)) return -EOPNOTSUPP;
    const file = fileOf(call, fd);
    if (file === null) return -EBADF;
    const spans = readVector(call.space, va, count);
    if (failed(spans)) return spans;
    if ((flags & RWF_APPEND) !== 0 && atPosition === writeAt) {
      return writeAt(call, file, spans, file.inode.size);
    }
    return position === -1 ? atFile(call, file, spans) : atPosition(call, file, spans, position);
  };
}

function lseek(call: Call, fd: number, offset: number, whence: number): number {
  const file = fileOf(call, fd);
  return file === null ? -EBADF : file.seek(offset, whence);
}

function truncate(call: Call, va: number, size: number): number {
  if (size < 0) return -EINVAL;
  const at = pathAt(call, AT_FDCWD, va);
  if (failed(at)) return at;
  const task = taskOf(call);
  const found = vfsOf(call).resolve(task, at.start, at.path, true);
  return failed(found) ? found : attributes.truncate(task, found, size);
}

function ftruncate(call: Call, fd: number, size: number): number {
  if (size < 0) return -EINVAL;
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  return file.writable && file.inode.isRegular ? file.truncate(size) : -EINVAL;
}

const FALLOC_KEEP_SIZE = 1;
const FALLOC_PUNCH_HOLE = 2;
const FALLOC_ZERO_RANGE = 16;

/** Space is never reserved: what counts is the size, and the zeros of a hole. */
function fallocate(call: Call, fd: number, mode: number, offset: number, length: number): number {
  const file = fileOf(call, fd);
  if (file === null || !file.writable) return -EBADF;
  if (offset < 0 || length <= 0) return -EINVAL;
  if (mode & ~(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) return -EOPNOTSUPP;
  const punch = (mode & FALLOC_PUNCH_HOLE) !== 0;
  if (punch && (mode & FALLOC_KEEP_SIZE) === 0) return -EOPNOTSUPP;
  const { inode } = file;
  if (inode.type === S_IFIFO) return -ESPIPE;
  if (inode.isDirectory) return -EISDIR;
  if (!inode.isRegular) return -ENODEV;
  const end = offset + length;
  if (!Number.isSafeInteger(end)) return -EFBIG;
  if (punch || (mode & FALLOC_ZERO_RANGE) !== 0) {
    const zeros = new Uint8Array(65536);
    for (let at = offset; at < Math.min(end, inode.size); at += zeros.length) {
      const count = Math.min(zeros.length, Math.min(end, inode.size) - at);
      const error = writeInode(inode, at, zeros.subarray(0, count));
      if (error < 0) return error;
    }
  }
  return (mode & FALLOC_KEEP_SIZE) === 0 && end > inode.size ? file.truncate(end) : 0;
}

/** Where a transfer between two files stands while it waits for the reader. */
interface Transfer {
  done: number;
}

const TRANSFER_CHUNK = 65536;

/**
 * Move up to `count` bytes from `source` to `target`, each at its own position or at the one given;
 * sleeps for a pipe or socket that has nothing or no room.
 */
function transfer(
  call: Call,
  source: OpenFile,
  target: OpenFile,
  count: number,
  from: number | null,
  to: number | null,
  mayWait: boolean,
): number {
  const state = (call.state ??= { done: 0 }) as Transfer;
  const buffer = new Uint8Array(Math.min(count, TRANSFER_CHUNK));
  while (state.done < count) {
    // Take from a stream no more than the target can hold, so that nothing is lost.
    if ((target.poll() & POLLOUT) === 0) {
      if (state.done > 0 || !mayWait) return state.done || -EAGAIN;
      return call.block(target.waitQueues(POLLOUT));
    }
    const want = buffer.subarray(0, Math.min(count - state.done, roomOf(target)));
    const got = from === null ? source.read(want) : source.readAt(from + state.done, want);
    if (got === -EAGAIN && state.done === 0 && mayWait) {
      return call.block(source.waitQueues(POLLIN));
    }
    if (got <= 0) return state.done || got;
    const part = want.subarray(0, got);
    const put = to === null ? target.write(part) : target.writeAt(to + state.done, part);
    if (put < 0) return state.done || brokenPipe(call, put);
    state.done += put;
    if (put < got || !source.splittable) return state.done;
  }
  return state.done;
}

function roomOf(file: OpenFile): number {
  return file instanceof PipeEnd ? file.pipe.room : TRANSFER_CHUNK;
}

/** Read a 64-bit file offset at `va`; null for a null pointer. */
function offsetAt(call: Call, va: number): number | null | "fault" {
  if (va === 0) return null;
  const value = call.space.readU64(va);
  return value < 0 ? "fault" : value;
}

function sendfile(call: Call, outFd: number, inFd: number, va: number, count: number): number {
  const source = fileOf(call, inFd);
  const target = fileOf(call, outFd);
  if (source === null || target === null || !source.readable || !target.writable) return -EBADF;
  if (!source.splittable) return -EINVAL;
  if (target.flags & O_APPEND) return -EINVAL;
  const offset = offsetAt(call, va);
  if (offset === "fault") return -EFAULT;
  const limit = Math.min(count, MAX_RW_COUNT);
  const result = transfer(call, source, target, limit, offset, null, mayWait(target));
  if (offset !== null && result > 0) call.space.writeU64(va, offset + result);
  return result;
}

const mayWait = (file: OpenFile): boolean => (file.flags & O_NONBLOCK) === 0;

function copyFileRange(
  call: Call,
  inFd: number,
  inOffset: number,
  outFd: number,
  outOffset: number,
  count: number,
  flags: number,
): number {
  if (flags !== 0) return -EINVAL;
  const source = fileOf(call, inFd);
  const target = fileOf(call, outFd);
  if (source === null || target === null || !source.readable || !target.writable) return -EBADF;
  if (target.flags & O_APPEND) return -EBADF;
  if (source.inode.isDirectory || target.inode.isDirectory) return -EISDIR;
  if (!source.inode.isRegular || !target.inode.isRegular) return -EINVAL;
  if (source.inode.fileSystem !== target.inode.fileSystem) return -EXDEV;
  const from = offsetAt(call, inOffset);
  const to = offsetAt(call, outOffset);
  if (from === "fault" || to === "fault") return -EFAULT;
  const limit = Math.min(count, MAX_RW_COUNT);
  const result = transfer(call, source, target, limit, from, to, false);
  if (result > 0) {
    if (from !== null) call.space.writeU64(inOffset, from + result);
    if (to !== null) call.space.writeU64(outOffset, to + result);
  }
  return result;
}

const SPLICE_F_NONBLOCK = 2;

function splice(
  call: Call,
  inFd: number,
  inOffset: number,
  outFd: number,
  outOffset: number,
  count: number,
  flags: number,
): number {
  const source = fileOf(call, inFd);
  const target = fileOf(call, outFd);
  if (source === null || target === null || !source.readable || !target.writable) return -EBADF;
  const fromPipe = source instanceof PipeEnd;
  const toPipe = target instanceof PipeEnd;
  if (!fromPipe && !toPipe) return -EINVAL;
  if ((fromPipe && inOffset !== 0) || (toPipe && outOffset !== 0)) return -ESPIPE;
  const from = offsetAt(call, inOffset);
  const to = offsetAt(call, outOffset);
  if (from === "fault" || to === "fault") return -EFAULT;
  const wait = (flags & SPLICE_F_NONBLOCK) === 0 && mayWait(source) && mayWait(target);
  const result = transfer(call, source, target, Math.min(count, MAX_RW_COUNT), from, to, wait);
  if (result > 0) {
    if (from !== null) call.space.writeU64(inOffset, from + result);
    if (to !== null) call.space.writeU64(outOffset, to + result);
  }
  return result;
}

/** Duplicate what waits in one pipe into another, taking nothing. */
function tee(call: Call, inFd: number, outFd: number, count: number, flags: number): number {
  const source = fileOf(call, inFd);
  const target = fileOf(call, outFd);
  if (source === null || target === null || !source.readable || !target.writable) return -EBADF;
  if (!(source instanceof PipeEnd) || !(target instanceof PipeEnd)) return -EINVAL;
  if (source.pipe === target.pipe) return -EINVAL;
  const length = Math.min(count, source.pipe.length, target.pipe.room);
  if (length === 0) {
    if (source.pipe.length === 0 && source.pipe.writers === 0) return 0;
    if (flags & SPLICE_F_NONBLOCK) return -EAGAIN;
    return call.block([source.pipe.readable, target.pipe.writable]);
  }
  const buffer = new Uint8Array(length);
  source.pipe.peek(buffer);
  return target.write(buffer);
}

function vmsplice(call: Call, fd: number, va: number, count: number): number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  if (!(file instanceof PipeEnd)) return -EBADF;
  const spans = readVector(call.space, va, count);
  if (failed(spans)) return spans;
  return file.writable ? writeFile(call, file, spans) : readFile(call, file, spans);
}

/** fsync and its kin: there is no store below memory but a writable host folder's own. */
function sync(call: Call, fd: number): number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  file.inode.pages?.sync();
  return file.inode.isRegular || file.inode.isDirectory ? 0 : -EINVAL;
}

function fadvise(call: Call, fd: number, _offset: number, _length: number, advice: number): number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  if (file instanceof PipeEnd) return -ESPIPE;
  return advice < 0 || advice > 5 ? -EINVAL : 0;
}

/** utimensat and its forebears set times from two structures at `va`. */
function utimensat(call: Call, fd: number, va: number, times: number, flags: number): number {
  if (flags & ~(0x100 | 0x1000)) return -EINVAL;
  const [atime, mtime] = times === 0 ? ["now", "now"] as const : readTimes(call, times);
  if (atime === "fault" || mtime === "fault") return -EFAULT;
  if (atime === "invalid" || mtime === "invalid") return -EINVAL;
  const task = taskOf(call);
  if (va === 0) {
    const file = tableOf(call).get(fd);
    if (file === null) return -EBADF;
    return attributes.setTimes(task, file.location, atime, mtime, vfsOf(call).now());
  }
  const at = pathAt(call, fd, va);
  if (failed(at)) return at;
  const found = at.path === "" && (flags & 0x1000) !== 0
    ? startOf(call, fd, "")
    : vfsOf(call).resolve(task, at.start, at.path, (flags & 0x100) === 0);
  if (failed(found)) return found;
  return attributes.setTimes(task, found, atime, mtime, vfsOf(call).now());
}

type TimeArgument = attributes.NewTime | "fault" | "invalid";

const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

function readTimes(call: Call, va: number): [TimeArgument, TimeArgument] {
  const bytes = new Uint8Array(32);
  if (call.space.copyIn(va, bytes) < 0) return ["fault", "fault"];
  const one = (at: number): TimeArgument => {
    const { sec, nsec } = Timespec.decode(bytes, at);
    if (nsec === UTIME_NOW) return "now";
    if (nsec === UTIME_OMIT) return "omit";
    return nsec < 0 || nsec >= 1e9 ? "invalid" : { seconds: sec, nanoseconds: nsec };
  };
  return [one(0), one(16)];
}

/** utimes and futimesat: two struct timeval. */
function utimes(call: Call, fd: number, va: number, times: number): number {
  if (times === 0) return utimensat(call, fd, va, 0, 0);
  const bytes = new Uint8Array(32);
  if (call.space.copyIn(times, bytes) < 0) return -EFAULT;
  const [atime, mtime] = [0, 16].map((at) => Timespec.decode(bytes, at));
  const valid = (usec: number) => usec >= 0 && usec < 1e6;
  if (!valid(atime.nsec) || !valid(mtime.nsec)) return -EINVAL;
  return setPathTimes(call, fd, va, [
    { seconds: atime.sec, nanoseconds: atime.nsec * 1000 },
    { seconds: mtime.sec, nanoseconds: mtime.nsec * 1000 },
  ]);
}

/** utime: two time_t. */
function utime(call: Call, va: number, times: number): number {
  if (times === 0) return utimensat(call, AT_FDCWD, va, 0, 0);
  const atime = call.space.readU64(times);
  const mtime = call.space.readU64(times + 8);
  if (atime < 0 || mtime < 0) return -EFAULT;
  return setPathTimes(call, AT_FDCWD, va, [
    { seconds: atime, nanoseconds: 0 },
    { seconds: mtime, nanoseconds: 0 },
  ]);
}

function setPathTimes(
  call: Call,
  fd: number,
  va: number,
  [atime, mtime]: readonly [attributes.NewTime, attributes.NewTime],
): number {
  const task = taskOf(call);
  const at = pathAt(call, fd, va);
  if (failed(at)) return at;
  const found = vfsOf(call).resolve(task, at.start, at.path, true);
  if (failed(found)) return found;
  return attributes.setTimes(task, found, atime, mtime, vfsOf(call).now());
}

const NOTHING_TO_SYNC = "noop: files live in memory; there is no store to bring up to date";

export const fileRows: readonly SyscallRow[] = [
  {
    name: "open",
    x86_64: 2,
    aarch64: -1,
    args: ["path", "flags:open", "mode"],
    run: (call, path, flags, mode) => openAt(call, AT_FDCWD, path, flags, mode),
  },
  {
    name: "openat",
    x86_64: 257,
    aarch64: 56,
    args: ["dirfd", "path", "flags:open", "mode"],
    run: openAt,
  },
  {
    name: "creat",
    x86_64: 85,
    aarch64: -1,
    args: ["path", "mode"],
    run: (call, path, mode) => openAt(call, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode),
  },
  {
    name: "openat2",
    x86_64: 437,
    aarch64: 437,
    args: ["dirfd", "path", "struct:open_how", "size"],
    run: openat2,
  },
  { name: "read", x86_64: 0, aarch64: 63, args: ["fd", "out-buffer", "size"], run: read },
  { name: "write", x86_64: 1, aarch64: 64, args: ["fd", "buffer", "size"], run: write },
  { name: "readv", x86_64: 19, aarch64: 65, args: ["fd", "struct:iovec", "int"], run: readv },
  { name: "writev", x86_64: 20, aarch64: 66, args: ["fd", "struct:iovec", "int"], run: writev },
  {
    name: "pread64",
    x86_64: 17,
    aarch64: 67,
    args: ["fd", "out-buffer", "size", "off"],
    run: positioned(readAt),
  },
  {
    name: "pwrite64",
    x86_64: 18,
    aarch64: 68,
    args: ["fd", "buffer", "size", "off"],
    run: positioned(writeAt),
  },
  {
    name: "preadv",
    x86_64: 295,
    aarch64: 69,
    args: ["fd", "struct:iovec", "int", "off"],
    run: positionedVector(readAt),
  },
  {
    name: "pwritev",
    x86_64: 296,
    aarch64: 70,
    args: ["fd", "struct:iovec", "int", "off"],
    run: positionedVector(writeAt),
  },
  {
    name: "preadv2",
    x86_64: 327,
    aarch64: 286,
    args: ["fd", "struct:iovec", "int", "off", "long", "flags:rwf"],
    run: vector2(readAt, readFile),
  },
  {
    name: "pwritev2",
    x86_64: 328,
    aarch64: 287,
    args: ["fd", "struct:iovec", "int", "off", "long", "flags:rwf"],
    run: vector2(writeAt, writeFile),
  },
  { name: "lseek", x86_64: 8, aarch64: 62, args: ["fd", "off", "enum:seek"], run: lseek },
  { name: "truncate", x86_64: 76, aarch64: 45, args: ["path", "off"], run: truncate },
  { name: "ftruncate", x86_64: 77, aarch64: 46, args: ["fd", "off"], run: ftruncate },
  {
    name: "fallocate",
    x86_64: 285,
    aarch64: 47,
    args: ["fd", "flags:fallocate", "off", "off"],
    run: fallocate,
  },
  { name: "sendfile", x86_64: 40, aarch64: 71, args: ["fd", "fd", "ptr", "size"], run: sendfile },
  {
    name: "copy_file_range",
    x86_64: 326,
    aarch64: 285,
    args: ["fd", "ptr", "fd", "ptr", "size", "uint"],
    run: copyFileRange,
  },
  {
    name: "splice",
    x86_64: 275,
    aarch64: 76,
    args: ["fd", "ptr", "fd", "ptr", "size", "flags:splice"],
    run: splice,
  },
  { name: "tee", x86_64: 276, aarch64: 77, args: ["fd", "fd", "size", "flags:splice"], run: tee },
  {
    name: "vmsplice",
    x86_64: 278,
    aarch64: 75,
    args: ["fd", "struct:iovec", "int", "flags:splice"],
    run: vmsplice,
  },
  { name: "fsync", x86_64: 74, aarch64: 82, args: ["fd"], run: sync, support: NOTHING_TO_SYNC },
  { name: "fdatasync", x86_64: 75, aarch64: 83, args: ["fd"], run: sync, support: NOTHING_TO_SYNC },
  { name: "sync", x86_64: 162, aarch64: 81, args: [], run: () => 0, support: NOTHING_TO_SYNC },
  { name: "syncfs", x86_64: 306, aarch64: 267, args: ["fd"], run: sync, support: NOTHING_TO_SYNC },
  {
    name: "sync_file_range",
    x86_64: 277,
    aarch64: 84,
    args: ["fd", "off", "off", "uint"],
    run: sync,
    support: NOTHING_TO_SYNC,
  },
  {
    name: "fadvise64",
    x86_64: 221,
    aarch64: 223,
    args: ["fd", "off", "off", "enum:fadvise"],
    run: fadvise,
    support: "noop: advice about reading changes nothing that a program can see",
  },
  {
    name: "readahead",
    x86_64: 187,
    aarch64: 213,
    args: ["fd", "off", "size"],
    run: (call, fd) => fileOf(call, fd) === null ? -EBADF : 0,
    support: "noop: files are in memory when they are read",
  },
  {
    name: "utimensat",
    x86_64: 280,
    aarch64: 88,
    args: ["dirfd", "path", "struct:timespec2", "flags:at"],
    run: utimensat,
  },
  {
    name: "utimes",
    x86_64: 235,
    aarch64: -1,
    args: ["path", "struct:timeval2"],
    run: (call, path, times) => utimes(call, AT_FDCWD, path, times),
  },
  {
    name: "futimesat",
    x86_64: 261,
    aarch64: -1,
    args: ["dirfd", "path", "struct:timeval2"],
    run: utimes,
  },
  { name: "utime", x86_64: 132, aarch64: -1, args: ["path", "struct:utimbuf"], run: utime },
];
