/** From file to file: sendfile, copy_file_range, splice, tee, vmsplice. */
import { EAGAIN, EBADF, EFAULT, EINVAL, EISDIR, ESPIPE, EXDEV } from "../errno.ts";
import { MAX_RW_COUNT, O_APPEND, O_NONBLOCK, POLLIN, POLLOUT } from "../fs/constants.ts";
import { failed } from "../fs/inode.ts";
import type { OpenFile } from "../fs/open_file.ts";
import { PipeEnd } from "../fs/pipe.ts";
import { mayWrite } from "../fs/size_limit.ts";
import { brokenPipe, fileOf, readFile, readVector, writeFile } from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";

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
    const wanted = Math.min(count - state.done, roomOf(target));
    const allowed = mayWrite(call, target, to === null ? target.offset : to + state.done, wanted);
    if (allowed < 0) return state.done || allowed;
    const want = buffer.subarray(0, allowed);
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

/** Bytes have gone from `source` to `target`: those who watch them are told. */
function tell(source: OpenFile, target: OpenFile, count: number): void {
  if (source.splittable) source.wasRead(count);
  if (target.splittable) target.wasWritten(count);
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
  tell(source, target, result);
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
  if (source.inode === target.inode) {
    const [start, end] = [from ?? source.offset, to ?? target.offset];
    const length = Math.min(limit, Math.max(0, source.inode.size - start));
    if (end + length > start && end < start + length) return -EINVAL;
  }
  const result = transfer(call, source, target, limit, from, to, false);
  tell(source, target, result);
  if (result > 0) {
    if (from !== null) call.space.writeU64(inOffset, from + result);
    if (to !== null) call.space.writeU64(outOffset, to + result);
  }
  return result;
}

const SPLICE_F_NONBLOCK = 2;
/** Beside it SPLICE_F_MOVE, SPLICE_F_MORE and SPLICE_F_GIFT, which change nothing that can be seen. */
const SPLICE_FLAGS = 15;

function splice(
  call: Call,
  inFd: number,
  inOffset: number,
  outFd: number,
  outOffset: number,
  count: number,
  flags: number,
): number {
  if (count === 0) return 0;
  if (flags & ~SPLICE_FLAGS) return -EINVAL;
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
  tell(source, target, result);
  if (result > 0) {
    if (from !== null) call.space.writeU64(inOffset, from + result);
    if (to !== null) call.space.writeU64(outOffset, to + result);
  }
  return result;
}

/** Duplicate what waits in one pipe into another, taking nothing. */
function tee(call: Call, inFd: number, outFd: number, count: number, flags: number): number {
  if (flags & ~SPLICE_FLAGS) return -EINVAL;
  if (count === 0) return 0;
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
  return brokenPipe(call, target.write(buffer));
}

function vmsplice(call: Call, fd: number, va: number, count: number, flags: number): number {
  if (flags & ~SPLICE_FLAGS) return -EINVAL;
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  if (!(file instanceof PipeEnd)) return -EBADF;
  const spans = readVector(call.space, va, count);
  if (failed(spans)) return spans;
  return file.writable ? writeFile(call, file, spans) : readFile(call, file, spans);
}

export const transferRows: readonly SyscallRow[] = [
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
];
