/** What is known about a file: stat and its kin, permissions, owners, extended attributes. */
import { EBADF, EFAULT, EINVAL, ENODATA, EOPNOTSUPP, ERANGE } from "../errno.ts";
import { chmod as changeMode, chown as changeOwner, stat as statOf } from "../fs/attributes.ts";
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_STATX_SYNC_TYPE,
  AT_SYMLINK_NOFOLLOW,
  O_PATH,
} from "../fs/constants.ts";
import { inodeAt, type Location } from "../fs/dentry.ts";
import { encodeName } from "../fs/file_name.ts";
import { failed } from "../fs/inode.ts";
import { mayAccess } from "../fs/open.ts";
import { encodeStat, encodeStatx, Statfs } from "../fs/structs.ts";
import { pathAt, readPath, startOf, tableOf, taskOf, vfsOf } from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";

/**
 * The location an *at call names: `path` below `fd`, or `fd` itself with AT_EMPTY_PATH and an empty
 * path (a null pointer counts as empty there).
 */
function locate(call: Call, fd: number, va: number, flags: number): Location | number {
  const mayBeEmpty = (flags & AT_EMPTY_PATH) !== 0;
  if (mayBeEmpty && va === 0) return startOf(call, fd, "");
  const at = pathAt(call, fd, va);
  if (failed(at)) return at;
  if (at.path === "" && mayBeEmpty) return startOf(call, fd, "");
  return vfsOf(call).resolve(taskOf(call), at.start, at.path, (flags & AT_SYMLINK_NOFOLLOW) === 0);
}

function putStat(call: Call, location: Location | number, to: number): number {
  if (failed(location)) return location;
  const bytes = encodeStat(call.arch, statOf(inodeAt(location)));
  return call.space.copyOut(to, bytes) < 0 ? -EFAULT : 0;
}

function fstat(call: Call, fd: number, to: number): number {
  const file = tableOf(call).get(fd);
  return file === null ? -EBADF : putStat(call, file.location, to);
}

const STAT_FLAGS = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT;

function newfstatat(call: Call, fd: number, va: number, to: number, flags: number): number {
  if (flags & ~STAT_FLAGS) return -EINVAL;
  return putStat(call, locate(call, fd, va, flags), to);
}

const STATX_RESERVED = 0x80000000;

function statx(
  call: Call,
  fd: number,
  va: number,
  flags: number,
  mask: number,
  to: number,
): number {
  if (flags & ~(STAT_FLAGS | AT_STATX_SYNC_TYPE)) return -EINVAL;
  if ((flags & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE) return -EINVAL;
  if (mask & STATX_RESERVED) return -EINVAL;
  const location = locate(call, fd, va, flags);
  if (failed(location)) return location;
  const bytes = encodeStatx(statOf(inodeAt(location)), Math.max(0, location.mount.id));
  return call.space.copyOut(to, bytes) < 0 ? -EFAULT : 0;
}

const ST_RDONLY = 1;
const ST_RELATIME = 0x1000;
const ST_VALID = 0x20;

function putStatfs(call: Call, location: Location | number, to: number): number {
  if (failed(location)) return location;
  const { fileSystem, readOnly } = location.mount;
  const { blocks, free, files, freeFiles } = fileSystem.capacity();
  const bytes = Statfs.encode({
    type: fileSystem.magic,
    blockSize: 4096,
    fragmentSize: 4096,
    ...{ blocks, free, files, freeFiles },
    available: free,
    fsidLow: fileSystem.device,
    nameLength: 255,
    flags: ST_VALID | ST_RELATIME | (readOnly ? ST_RDONLY : 0),
  });
  return call.space.copyOut(to, bytes) < 0 ? -EFAULT : 0;
}

function fstatfs(call: Call, fd: number, to: number): number {
  const file = tableOf(call).get(fd);
  return file === null ? -EBADF : putStatfs(call, file.location, to);
}

/** faccessat2; access and faccessat check for the real user, not the effective one. */
function faccessat2(call: Call, fd: number, va: number, mode: number, flags: number): number {
  if (mode & ~7) return -EINVAL;
  if (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  const { uid, gid, groups } = call.process.credentials;
  const task = (flags & AT_EACCESS) !== 0 ? taskOf(call) : taskOf(call, { uid, gid, groups });
  const at = pathAt(call, fd, va);
  if (failed(at)) return at;
  const location = at.path === "" && (flags & AT_EMPTY_PATH) !== 0
    ? startOf(call, fd, "")
    : vfsOf(call).resolve(task, at.start, at.path, (flags & AT_SYMLINK_NOFOLLOW) === 0);
  if (failed(location)) return location;
  return mode === 0 ? 0 : mayAccess(task, location, mode);
}

function fchmodat(call: Call, fd: number, va: number, mode: number, flags: number): number {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  const location = locate(call, fd, va, flags);
  return failed(location) ? location : changeMode(taskOf(call), location, mode);
}

function fchmod(call: Call, fd: number, mode: number): number {
  const file = tableOf(call).get(fd);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  return changeMode(taskOf(call), file.location, mode);
}

function fchownat(
  call: Call,
  fd: number,
  va: number,
  uid: number,
  gid: number,
  flags: number,
): number {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  const location = locate(call, fd, va, flags);
  return failed(location) ? location : changeOwner(taskOf(call), location, uid, gid);
}

function fchown(call: Call, fd: number, uid: number, gid: number): number {
  const file = tableOf(call).get(fd);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  return changeOwner(taskOf(call), file.location, uid, gid);
}

// Extended attributes: no file has any.

type Where = (call: Call, path: number) => Location | number;

const byPath: Where = (call, va) => locate(call, AT_FDCWD, va, 0);
const byLink: Where = (call, va) => locate(call, AT_FDCWD, va, AT_SYMLINK_NOFOLLOW);
const byDescriptor: Where = (call, fd) => tableOf(call).get(fd)?.location ?? -EBADF;

/** Name of an extended attribute: -ERANGE for an empty or long one, -EOPNOTSUPP for a strange one. */
function attributeName(call: Call, va: number): string | number {
  const name = readPath(call.space, va);
  if (failed(name)) return name;
  if (name === "" || encodeName(name).length > 255) return -ERANGE;
  return /^(user|security|system|trusted)\../s.test(name) ? name : -EOPNOTSUPP;
}

function getxattr(where: Where): SyscallRow["run"] {
  return (call, path, name) => {
    const location = where(call, path);
    if (failed(location)) return location;
    const known = attributeName(call, name);
    if (failed(known)) return known;
    return known.startsWith("system.") ? -EOPNOTSUPP : -ENODATA;
  };
}

function listxattr(where: Where): SyscallRow["run"] {
  return (call, path) => {
    const location = where(call, path);
    return failed(location) ? location : 0;
  };
}

function setxattr(where: Where): SyscallRow["run"] {
  return (call, path, name) => {
    const location = where(call, path);
    if (failed(location)) return location;
    const known = attributeName(call, name);
    return failed(known) ? known : -EOPNOTSUPP;
  };
}

export const attributeRows: readonly SyscallRow[] = [
  {
    name: "stat",
    x86_64: 4,
    aarch64: -1,
    args: ["path", "out:stat"],
    run: (call, path, to) => putStat(call, locate(call, AT_FDCWD, path, 0), to),
  },
  {
    name: "lstat",
    x86_64: 6,
    aarch64: -1,
    args: ["path", "out:stat"],
    run: (call, path, to) => putStat(call, locate(call, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW), to),
  },
  { name: "fstat", x86_64: 5, aarch64: 80, args: ["fd", "out:stat"], run: fstat },
  {
    name: "newfstatat",
    x86_64: 262,
    aarch64: 79,
    args: ["dirfd", "path", "out:stat", "flags:at"],
    run: newfstatat,
  },
  {
    name: "statx",
    x86_64: 332,
    aarch64: 291,
    args: ["dirfd", "path", "flags:at", "flags:statx", "out:statx"],
    run: statx,
  },
  {
    name: "statfs",
    x86_64: 137,
    aarch64: 43,
    args: ["path", "out:statfs"],
    run: (call, path, to) => putStatfs(call, locate(call, AT_FDCWD, path, 0), to),
  },
  { name: "fstatfs", x86_64: 138, aarch64: 44, args: ["fd", "out:statfs"], run: fstatfs },
  {
    name: "access",
    x86_64: 21,
    aarch64: -1,
    args: ["path", "flags:access"],
    run: (call, path, mode) => faccessat2(call, AT_FDCWD, path, mode, 0),
  },
  {
    name: "faccessat",
    x86_64: 269,
    aarch64: 48,
    args: ["dirfd", "path", "flags:access"],
    run: (call, fd, path, mode) => faccessat2(call, fd, path, mode, 0),
  },
  {
    name: "faccessat2",
    x86_64: 439,
    aarch64: 439,
    args: ["dirfd", "path", "flags:access", "flags:at"],
    run: faccessat2,
  },
  {
    name: "chmod",
    x86_64: 90,
    aarch64: -1,
    args: ["path", "mode"],
    run: (call, path, mode) => fchmodat(call, AT_FDCWD, path, mode, 0),
  },
  { name: "fchmod", x86_64: 91, aarch64: 52, args: ["fd", "mode"], run: fchmod },
  {
    name: "fchmodat",
    x86_64: 268,
    aarch64: 53,
    args: ["dirfd", "path", "mode"],
    run: (call, fd, path, mode) => fchmodat(call, fd, path, mode, 0),
  },
  {
    name: "fchmodat2",
    x86_64: 452,
    aarch64: 452,
    args: ["dirfd", "path", "mode", "flags:at"],
    run: fchmodat,
  },
  {
    name: "chown",
    x86_64: 92,
    aarch64: -1,
    args: ["path", "int", "int"],
    run: (call, path, uid, gid) => fchownat(call, AT_FDCWD, path, uid, gid, 0),
  },
  {
    name: "lchown",
    x86_64: 94,
    aarch64: -1,
    args: ["path", "int", "int"],
    run: (call, path, uid, gid) => fchownat(call, AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW),
  },
  { name: "fchown", x86_64: 93, aarch64: 55, args: ["fd", "int", "int"], run: fchown },
  {
    name: "fchownat",
    x86_64: 260,
    aarch64: 54,
    args: ["dirfd", "path", "int", "int", "flags:at"],
    run: fchownat,
  },
  {
    name: "getxattr",
    x86_64: 191,
    aarch64: 8,
    args: ["path", "string", "ptr", "size"],
    run: getxattr(byPath),
  },
  {
    name: "lgetxattr",
    x86_64: 192,
    aarch64: 9,
    args: ["path", "string", "ptr", "size"],
    run: getxattr(byLink),
  },
  {
    name: "fgetxattr",
    x86_64: 193,
    aarch64: 10,
    args: ["fd", "string", "ptr", "size"],
    run: getxattr(byDescriptor),
  },
  {
    name: "listxattr",
    x86_64: 194,
    aarch64: 11,
    args: ["path", "ptr", "size"],
    run: listxattr(byPath),
  },
  {
    name: "llistxattr",
    x86_64: 195,
    aarch64: 12,
    args: ["path", "ptr", "size"],
    run: listxattr(byLink),
  },
  {
    name: "flistxattr",
    x86_64: 196,
    aarch64: 13,
    args: ["fd", "ptr", "size"],
    run: listxattr(byDescriptor),
  },
  {
    name: "setxattr",
    x86_64: 188,
    aarch64: 5,
    args: ["path", "string", "ptr", "size", "int"],
    run: setxattr(byPath),
  },
  {
    name: "lsetxattr",
    x86_64: 189,
    aarch64: 6,
    args: ["path", "string", "ptr", "size", "int"],
    run: setxattr(byLink),
  },
  {
    name: "fsetxattr",
    x86_64: 190,
    aarch64: 7,
    args: ["fd", "string", "ptr", "size", "int"],
    run: setxattr(byDescriptor),
  },
  {
    name: "removexattr",
    x86_64: 197,
    aarch64: 14,
    args: ["path", "string"],
    run: getxattr(byPath),
  },
  {
    name: "lremovexattr",
    x86_64: 198,
    aarch64: 15,
    args: ["path", "string"],
    run: getxattr(byLink),
  },
  {
    name: "fremovexattr",
    x86_64: 199,
    aarch64: 16,
    args: ["fd", "string"],
    run: getxattr(byDescriptor),
  },
];
