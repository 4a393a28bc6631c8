/** Opening, reading and writing files. */
import { EBADF, EFAULT, EFBIG, EINVAL, EISDIR, ENODEV, EOPNOTSUPP, ESPIPE } from "../errno.ts";
import * as attributes from "../fs/attributes.ts";
import {
  AT_FDCWD,
  flagsFromGuest,
  MAX_RW_COUNT,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_LARGEFILE,
  O_PATH,
  O_TMPFILE_BIT,
  O_TRUNC,
  O_WRONLY,
  S_IFIFO,
} from "../fs/constants.ts";
import { failed } from "../fs/inode.ts";
import { mayResize } from "../fs/size_limit.ts";
import { writeInode } from "../fs/mapped_pages.ts";
import { open as openPath } from "../fs/open.ts";
import type { OpenFile } from "../fs/open_file.ts";
import { fifoReady, PipeEnd } from "../fs/pipe.ts";
import { Socket } from "../net/socket.ts";
import {
  atEnd,
  drainWithin,
  fileOf,
  fillUser,
  pathAt,
  readFile,
  readVector,
  type Span,
  tableOf,
  taskOf,
  vfsOf,
  writeFile,
} from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { readSocket, writeSocket } from "./messages.ts";

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

/** Read at the position; a socket receives. */
function readSpans(call: Call, file: OpenFile, spans: readonly Span[]): number {
  return file instanceof Socket ? readSocket(call, file, spans) : readFile(call, file, spans);
}

function writeSpans(call: Call, file: OpenFile, spans: readonly Span[]): number {
  return file instanceof Socket ? writeSocket(call, file, spans) : writeFile(call, file, spans);
}

function read(call: Call, fd: number, va: number, count: number): number {
  const file = fileOf(call, fd);
  return file === null ? -EBADF : readSpans(call, file, one(va, count));
}

function write(call: Call, fd: number, va: number, count: number): number {
  const file = fileOf(call, fd);
  return file === null ? -EBADF : writeSpans(call, file, one(va, count));
}

function readv(call: Call, fd: number, va: number, count: number): number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  const spans = readVector(call.space, va, count);
  return failed(spans) ? spans : readSpans(call, file, spans);
}

function writev(call: Call, fd: number, va: number, count: number): number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  const spans = readVector(call.space, va, count);
  return failed(spans) ? spans : writeSpans(call, file, spans);
}

/** Read at a position of its own; a file without positions answers -ESPIPE. */
export function readAt(
  call: Call,
  file: OpenFile,
  spans: readonly Span[],
  position: number,
): number {
  if (position < 0) return -EINVAL;
  if (!file.readable) return -EBADF;
  if (!file.splittable) return file.readAt(position, new Uint8Array(0));
  if (atEnd(file, position)) return 0;
  return file.wasRead(
    fillUser(call.space, spans, (into, done) => file.readAt(position + done, into)),
  );
}

export function writeAt(
  call: Call,
  file: OpenFile,
  spans: readonly Span[],
  position: number,
): number {
  if (position < 0) return -EINVAL;
  if (!file.writable) return -EBADF;
  if (!file.splittable) return -ESPIPE;
  const start = (file.flags & O_APPEND) !== 0 ? file.inode.size : position;
  return drainWithin(
    call,
    file,
    spans,
    start,
    (from, done) => file.writeAt(position + done, from),
  );
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

export const RWF_APPEND = 16;

export const KNOWN_RWF = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND;

/** preadv2 and pwritev2: position -1 is the file's own; the flags change nothing in memory. */
function vector2(
  atPosition: Positioned,
  atFile: (call: Call, file: OpenFile, spans: readonly Span[]) => number,
): SyscallRow["run"] {
  return (call, fd, va, count, position, _high, flags) => {
    if (flags & ~KNOWN_RWF) return -EOPNOTSUPP;
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
  if (failed(found)) return found;
  return attributes.truncate(task, found, size, (before) => mayResize(call, before, size));
}

function ftruncate(call: Call, fd: number, size: number): number {
  if (size < 0) return -EINVAL;
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  if (!file.writable || !file.inode.isRegular) return -EINVAL;
  const refused = mayResize(call, file.inode.size, size);
  return refused < 0 ? refused : file.truncate(size);
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
  if ((mode & FALLOC_KEEP_SIZE) !== 0 || end <= inode.size) return 0;
  const refused = mayResize(call, inode.size, end);
  return refused < 0 ? refused : file.truncate(end);
}

/** fsync and its kin: there is no store below memory but a writable host folder's own. */
function sync(call: Call, fd: number): number {
  const file = fileOf(call, fd);
  return file === null ? -EBADF : syncFile(file);
}

/** What is written to a file reaches the folder of the host that it is in; -EINVAL for what has no store. */
export function syncFile(file: OpenFile): number {
  file.inode.pages?.sync();
  return file.inode.isRegular || file.inode.isDirectory ? 0 : -EINVAL;
}

function fadvise(call: Call, fd: number, _offset: number, _length: number, advice: number): number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  if (file instanceof PipeEnd) return -ESPIPE;
  return advice < 0 || advice > 5 ? -EINVAL : 0;
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
];
