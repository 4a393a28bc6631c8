/**
 * File handles: name_to_handle_at(2), open_by_handle_at(2). No file system here can be exported, as an overlay
 * cannot: nothing has a handle, and no handle leads anywhere.
 */
import { EBADF, EFAULT, EINVAL, ENOENT, EOPNOTSUPP, EPERM, ESTALE } from "../errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW } from "../fs/constants.ts";
import { failed } from "../fs/inode.ts";
import { pathAt, tableOf, taskOf, vfsOf } from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";

/** Longest handle (include/linux/exportfs.h). */
const MAX_HANDLE_SZ = 128;

function nameToHandleAt(
  call: Call,
  fd: number,
  va: number,
  _handle: number,
  _mount: number,
  flags: number,
): number {
  if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  const at = pathAt(call, fd, va);
  if (failed(at)) return at;
  if (at.path === "") return (flags & AT_EMPTY_PATH) !== 0 ? -EOPNOTSUPP : -ENOENT;
  const follow = (flags & AT_SYMLINK_FOLLOW) !== 0;
  const location = vfsOf(call).resolve(taskOf(call), at.start, at.path, follow);
  return failed(location) ? location : -EOPNOTSUPP;
}

function openByHandleAt(call: Call, fd: number, handle: number): number {
  if (call.process.credentials.euid !== 0) return -EPERM; // CAP_DAC_READ_SEARCH
  const size = call.space.readU32(handle);
  if (size < 0) return -EFAULT;
  if (size === 0 || size > MAX_HANDLE_SZ) return -EINVAL;
  return fd === AT_FDCWD || tableOf(call).get(fd) !== null ? -ESTALE : -EBADF;
}

export const fileHandleRows: readonly SyscallRow[] = [
  {
    name: "name_to_handle_at",
    x86_64: 303,
    aarch64: 264,
    args: ["dirfd", "path", "ptr", "ptr", "flags:at"],
    run: nameToHandleAt,
  },
  {
    name: "open_by_handle_at",
    x86_64: 304,
    aarch64: 265,
    args: ["dirfd", "ptr", "flags:open"],
    run: openByHandleAt,
  },
];
