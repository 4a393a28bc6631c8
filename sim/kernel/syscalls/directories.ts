/** Names: directories, links, renames, the current directory, mounts. */
import { EACCES, EBADF, EFAULT, EINVAL, ENOENT, ENOTDIR, EPERM, ERANGE } from "../errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, X_OK } from "../fs/constants.ts";
import { inodeAt, type Location, pathOf } from "../fs/dentry.ts";
import { encodeName } from "../fs/file_name.ts";
import { failed } from "../fs/inode.ts";
import * as namespace from "../fs/namespace.ts";
import { mayAccess } from "../fs/open.ts";
import { Directory } from "../fs/regular_file.ts";
import { putDirent, putDirent64 } from "../fs/structs.ts";
import {
  contextOf,
  fileOf,
  pathAt,
  readPath,
  startOf,
  tableOf,
  taskOf,
  vfsOf,
} from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";

function mkdirat(call: Call, fd: number, va: number, mode: number): number {
  const at = pathAt(call, fd, va);
  return failed(at) ? at : namespace.mkdir(taskOf(call), at.start, at.path, mode);
}

function mknodat(call: Call, fd: number, va: number, mode: number, device: number): number {
  const at = pathAt(call, fd, va);
  return failed(at) ? at : namespace.mknod(taskOf(call), at.start, at.path, mode, device);
}

function unlinkat(call: Call, fd: number, va: number, flags: number): number {
  if (flags & ~AT_REMOVEDIR) return -EINVAL;
  const at = pathAt(call, fd, va);
  if (failed(at)) return at;
  return (flags & AT_REMOVEDIR) !== 0
    ? namespace.rmdir(taskOf(call), at.start, at.path)
    : namespace.unlink(taskOf(call), at.start, at.path);
}

function renameat2(
  call: Call,
  oldFd: number,
  oldVa: number,
  newFd: number,
  newVa: number,
  flags: number,
): number {
  const from = pathAt(call, oldFd, oldVa);
  if (failed(from)) return from;
  const to = pathAt(call, newFd, newVa);
  if (failed(to)) return to;
  return namespace.rename(taskOf(call), from.start, from.path, to.start, to.path, flags);
}

function linkat(
  call: Call,
  oldFd: number,
  oldVa: number,
  newFd: number,
  newVa: number,
  flags: number,
): number {
  if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  const task = taskOf(call);
  const from = pathAt(call, oldFd, oldVa);
  if (failed(from)) return from;
  let source: Location | number;
  if (from.path === "" && (flags & AT_EMPTY_PATH) !== 0) {
    // Only with CAP_DAC_READ_SEARCH.
    source = task.credentials.uid === 0 ? startOf(call, oldFd, "") : -ENOENT;
  } else {
    const follow = (flags & AT_SYMLINK_FOLLOW) !== 0;
    source = vfsOf(call).resolve(task, from.start, from.path, follow);
  }
  if (failed(source)) return source;
  const to = pathAt(call, newFd, newVa);
  return failed(to) ? to : namespace.link(task, source, to.start, to.path);
}

function symlinkat(call: Call, targetVa: number, fd: number, va: number): number {
  const target = readPath(call.space, targetVa);
  if (failed(target)) return target;
  const at = pathAt(call, fd, va);
  return failed(at) ? at : namespace.symlink(taskOf(call), target, at.start, at.path);
}

function readlinkat(call: Call, fd: number, va: number, to: number, size: number): number {
  if (size <= 0) return -EINVAL;
  const at = pathAt(call, fd, va);
  if (failed(at)) return at;
  // An empty path reads the link that an O_PATH descriptor stands for.
  const location = at.path === ""
    ? tableOf(call).get(fd)?.location ?? (fd === AT_FDCWD ? -ENOENT : -EBADF)
    : vfsOf(call).resolve(taskOf(call), at.start, at.path, false);
  if (failed(location)) return location;
  const inode = inodeAt(location);
  if (!inode.isSymlink) return at.path === "" ? -ENOENT : -EINVAL;
  const target = inode.readlink();
  if (failed(target)) return target;
  inode.accessed();
  const bytes = encodeName(target).subarray(0, size);
  return call.space.copyOut(to, bytes) < 0 ? -EFAULT : bytes.length;
}

/** Hand out directory entries from the position on, as many as fit. */
function getdents(put: typeof putDirent64): SyscallRow["run"] {
  return (call, fd, to, size) => {
    const file = fileOf(call, fd);
    if (file === null) return -EBADF;
    if (!(file instanceof Directory)) return -ENOTDIR;
    if (file.location.dentry.unlinked) return -ENOENT;
    const entries = file.remaining();
    if (failed(entries)) return entries;
    const bytes = new Uint8Array(Math.min(size, 1 << 16));
    let at = 0;
    let passed = 0;
    for (const entry of entries) {
      if (file.present(entry)) {
        const next = put(bytes, at, entry, file.offset + passed + 1);
        if (next < 0) {
          if (at === 0) return -EINVAL;
          break;
        }
        at = next;
      }
      passed++;
    }
    if (call.space.copyOut(to, bytes.subarray(0, at)) < 0) return -EFAULT;
    file.advance(passed);
    return at;
  };
}

function getcwd(call: Call, to: number, size: number): number {
  const { cwd, root } = contextOf(call);
  const reached = pathOf(cwd, root);
  const found = reached ?? pathOf(cwd, vfsOf(call).root);
  if (found === null || found.deleted) return -ENOENT;
  const name = encodeName(reached === null ? `(unreachable)${found.path}` : found.path);
  if (name.length + 1 > size) return -ERANGE;
  const bytes = new Uint8Array(name.length + 1);
  bytes.set(name);
  return call.space.copyOut(to, bytes) < 0 ? -EFAULT : bytes.length;
}

function enter(call: Call, location: Location): number {
  if (!inodeAt(location).isDirectory) return -ENOTDIR;
  const denied = mayAccess(taskOf(call), location, X_OK);
  if (denied) return denied;
  contextOf(call).cwd = location;
  return 0;
}

function chdir(call: Call, va: number): number {
  const at = pathAt(call, AT_FDCWD, va);
  if (failed(at)) return at;
  const location = vfsOf(call).resolve(taskOf(call), at.start, at.path, true);
  return failed(location) ? location : enter(call, location);
}

function fchdir(call: Call, fd: number): number {
  const file = tableOf(call).get(fd);
  return file === null ? -EBADF : enter(call, file.location);
}

/** chroot: CAP_SYS_CHROOT is user 0's. */
function chroot(call: Call, va: number): number {
  const at = pathAt(call, AT_FDCWD, va);
  if (failed(at)) return at;
  const location = vfsOf(call).resolve(taskOf(call), at.start, at.path, true);
  if (failed(location)) return location;
  if (!inodeAt(location).isDirectory) return -ENOTDIR;
  if (mayAccess(taskOf(call), location, X_OK)) return -EACCES;
  if (call.process.credentials.euid !== 0) return -EPERM;
  contextOf(call).root = location;
  return 0;
}

function umask(call: Call, mask: number): number {
  const { fs } = call;
  const before = fs.umask;
  fs.umask = mask & 0o777;
  return before;
}

const MOUNTS_ARE_FIXED = "partial: mounts are given when the machine starts; -EPERM";
const refuse = (): number => -EPERM;

export const directoryRows: readonly SyscallRow[] = [
  {
    name: "mkdir",
    x86_64: 83,
    aarch64: -1,
    args: ["path", "mode"],
    run: (call, path, mode) => mkdirat(call, AT_FDCWD, path, mode),
  },
  { name: "mkdirat", x86_64: 258, aarch64: 34, args: ["dirfd", "path", "mode"], run: mkdirat },
  {
    name: "mknod",
    x86_64: 133,
    aarch64: -1,
    args: ["path", "mode", "hex"],
    run: (call, path, mode, device) => mknodat(call, AT_FDCWD, path, mode, device),
  },
  {
    name: "mknodat",
    x86_64: 259,
    aarch64: 33,
    args: ["dirfd", "path", "mode", "hex"],
    run: mknodat,
  },
  {
    name: "rmdir",
    x86_64: 84,
    aarch64: -1,
    args: ["path"],
    run: (call, path) => unlinkat(call, AT_FDCWD, path, AT_REMOVEDIR),
  },
  {
    name: "unlink",
    x86_64: 87,
    aarch64: -1,
    args: ["path"],
    run: (call, path) => unlinkat(call, AT_FDCWD, path, 0),
  },
  {
    name: "unlinkat",
    x86_64: 263,
    aarch64: 35,
    args: ["dirfd", "path", "flags:at"],
    run: unlinkat,
  },
  {
    name: "rename",
    x86_64: 82,
    aarch64: -1,
    args: ["path", "path"],
    run: (call, from, to) => renameat2(call, AT_FDCWD, from, AT_FDCWD, to, 0),
  },
  {
    name: "renameat",
    x86_64: 264,
    aarch64: 38,
    args: ["dirfd", "path", "dirfd", "path"],
    run: (call, oldFd, from, newFd, to) => renameat2(call, oldFd, from, newFd, to, 0),
  },
  {
    name: "renameat2",
    x86_64: 316,
    aarch64: 276,
    args: ["dirfd", "path", "dirfd", "path", "flags:rename"],
    run: renameat2,
  },
  {
    name: "link",
    x86_64: 86,
    aarch64: -1,
    args: ["path", "path"],
    run: (call, from, to) => linkat(call, AT_FDCWD, from, AT_FDCWD, to, 0),
  },
  {
    name: "linkat",
    x86_64: 265,
    aarch64: 37,
    args: ["dirfd", "path", "dirfd", "path", "flags:at"],
    run: linkat,
  },
  {
    name: "symlink",
    x86_64: 88,
    aarch64: -1,
    args: ["path", "path"],
    run: (call, target, path) => symlinkat(call, target, AT_FDCWD, path),
  },
  { name: "symlinkat", x86_64: 266, aarch64: 36, args: ["path", "dirfd", "path"], run: symlinkat },
  {
    name: "readlink",
    x86_64: 89,
    aarch64: -1,
    args: ["path", "out-buffer", "int"],
    run: (call, path, to, size) => readlinkat(call, AT_FDCWD, path, to, size),
  },
  {
    name: "readlinkat",
    x86_64: 267,
    aarch64: 78,
    args: ["dirfd", "path", "out-buffer", "int"],
    run: readlinkat,
  },
  {
    name: "getdents",
    x86_64: 78,
    aarch64: -1,
    args: ["fd", "ptr", "uint"],
    run: getdents(putDirent),
  },
  {
    name: "getdents64",
    x86_64: 217,
    aarch64: 61,
    args: ["fd", "ptr", "uint"],
    run: getdents(putDirent64),
  },
  { name: "getcwd", x86_64: 79, aarch64: 17, args: ["out-buffer", "size"], run: getcwd },
  { name: "chdir", x86_64: 80, aarch64: 49, args: ["path"], run: chdir },
  { name: "fchdir", x86_64: 81, aarch64: 50, args: ["fd"], run: fchdir },
  {
    name: "chroot",
    x86_64: 161,
    aarch64: 51,
    args: ["path"],
    run: chroot,
  },
  { name: "umask", x86_64: 95, aarch64: 166, args: ["mode"], run: umask },
  {
    name: "mount",
    x86_64: 165,
    aarch64: 40,
    args: ["string", "path", "string", "hex", "ptr"],
    run: refuse,
    support: MOUNTS_ARE_FIXED,
  },
  {
    name: "umount2",
    x86_64: 166,
    aarch64: 39,
    args: ["path", "uint"],
    run: refuse,
    support: MOUNTS_ARE_FIXED,
  },
  {
    name: "pivot_root",
    x86_64: 155,
    aarch64: 41,
    args: ["path", "path"],
    run: refuse,
    support: MOUNTS_ARE_FIXED,
  },
];
