/** inotify: watches of files and folders. */
import { EBADF, EINVAL, ENOTDIR } from "../errno.ts";
import { O_CLOEXEC, O_NONBLOCK } from "../fs/constants.ts";
import { inodeAt } from "../fs/dentry.ts";
import { failed } from "../fs/inode.ts";
import { InotifyFile } from "../fs/inotify.ts";
import { fileOf, pathAt, taskOf, vfsOf } from "../fs/user_io.ts";
import { IN_DONT_FOLLOW, IN_MASK_CREATE, IN_ONLYDIR } from "../fs/watches.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { anonymous, install } from "./new_file.ts";

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

export const inotifyRows: readonly SyscallRow[] = [
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
