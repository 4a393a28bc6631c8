/** Times of files: utimensat and its forebears. */
import { Timespec } from "../abi/structs.ts";
import { EBADF, EFAULT, EINVAL } from "../errno.ts";
import * as attributes from "../fs/attributes.ts";
import { AT_FDCWD } from "../fs/constants.ts";
import { failed } from "../fs/inode.ts";
import { pathAt, startOf, tableOf, taskOf, vfsOf } from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";

type TimeArgument = attributes.NewTime | "fault" | "invalid";

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

export const fileTimeRows: readonly SyscallRow[] = [
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
