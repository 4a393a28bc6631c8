/** Locks on files: fcntl's ranges, flock. */
import { EAGAIN, EBADF, EFAULT, EINVAL, EOVERFLOW } from "../errno.ts";
import { SEEK_CUR, SEEK_END, SEEK_SET } from "../fs/constants.ts";
import { failed } from "../fs/inode.ts";
import { F_RDLCK, F_UNLCK, F_WRLCK, FileLocks, type Lock } from "../fs/locks.ts";
import type { OpenFile } from "../fs/open_file.ts";
import { Flock } from "../fs/structs.ts";
import { fileOf, tableOf } from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { readStruct, writeStruct } from "../user_struct.ts";

/** Commands of fcntl on locks. */
export const F_GETLK = 5;
export const F_SETLK = 6;
export const F_SETLKW = 7;
export const F_OFD_GETLK = 36;
export const F_OFD_SETLK = 37;
export const F_OFD_SETLKW = 38;

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

export function lockRange(call: Call, file: OpenFile, command: number, va: number): number {
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

export const lockRows: readonly SyscallRow[] = [
  { name: "flock", x86_64: 73, aarch64: 32, args: ["fd", "flags:flock"], run: flock },
];
