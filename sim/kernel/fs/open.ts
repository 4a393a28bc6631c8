/** Opening by path, after `path_openat` of fs/namei.c. */
import {
  EACCES,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EPERM,
  EROFS,
} from "../errno.ts";
import {
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TMPFILE_BIT,
  O_TRUNC,
  O_WRONLY,
  R_OK,
  S_IFREG,
  S_IFSOCK,
  W_OK,
  X_OK,
} from "./constants.ts";
import { Dentry, inodeAt, type Location } from "./dentry.ts";
import { failed, type Inode } from "./inode.ts";
import { IN_CREATE, IN_MODIFY, IN_OPEN, notify, notifyName } from "./watches.ts";
import { truncateInode } from "./mapped_pages.ts";
import { newAttributes } from "./namespace.ts";
import type { Process } from "../process.ts";
import type { OpenFile } from "./open_file.ts";
import { checkAccess } from "./permission.ts";
import { PathOnly } from "./regular_file.ts";
import type { Task } from "./task.ts";
import { PtySlave } from "./tty/pty.ts";
import { Last, Walk } from "./walk.ts";

/** Flags that last as long as the open file description. */
const CREATION_FLAGS = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;

/**
 * Open `path` (relative to `start`) with the kernel's open flags. `mode` is that of a new file,
 * before the umask. -errno as open(2).
 */
export function open(
  task: Task,
  start: Location,
  path: string,
  flags: number,
  mode: number,
): OpenFile | number {
  if (flags & O_PATH) flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  const checked = checkFlags(flags);
  if (checked < 0) return checked;
  const walk = new Walk(task.fs, start, task.credentials);
  const error = walk.toParent(path);
  if (error < 0) return error;
  if (flags & O_TMPFILE_BIT) return openTemporary(task, walk, flags, mode);
  let created = false;
  if (flags & O_CREAT) {
    const result = reachOrCreate(task, walk, flags, mode);
    if (typeof result === "number") return result;
    ({ created } = result);
  } else {
    const taken = walk.takeLast((flags & O_NOFOLLOW) === 0);
    if (taken < 0) return taken;
  }
  return openLocation(task, walk.location, flags, created);
}

function checkFlags(flags: number): number {
  if ((flags & O_CREAT) !== 0 && (flags & O_DIRECTORY) !== 0) return -EINVAL;
  if (flags & O_TMPFILE_BIT) {
    if ((flags & O_DIRECTORY) === 0 || (flags & O_ACCMODE) === O_RDONLY) return -EINVAL;
  }
  return 0;
}

/** Take the last component, making a regular file if there is none. */
function reachOrCreate(
  task: Task,
  walk: Walk,
  flags: number,
  mode: number,
): { created: boolean } | number {
  const follow = (flags & (O_NOFOLLOW | O_EXCL)) === 0;
  for (;;) {
    if (walk.lastKind !== Last.Normal) {
      const error = walk.takeLast(follow);
      return error < 0 ? error : { created: false };
    }
    if (walk.trailingSlash) return -EISDIR;
    const found = walk.peekLast();
    if (typeof found === "number") return found;
    if (found.inode === null) {
      const error = createRegular(task, walk, found, mode);
      return error < 0 ? error : { created: true };
    }
    if (found.inode.isSymlink && found.mounted === null && follow) {
      const error = walk.followPeeked(found);
      if (error < 0) return error;
      if (walk.jumped) return { created: false };
      continue;
    }
    const error = walk.takeLast(false);
    return error < 0 ? error : { created: false };
  }
}

/** Make a regular file for the negative dentry `absent` in the walk's directory, and go there. */
function createRegular(task: Task, walk: Walk, absent: Dentry, mode: number): number {
  const directory = walk.dentry;
  if (walk.mount.readOnly) return -EROFS;
  if (directory.unlinked) return -ENOENT;
  const denied = checkAccess(directory.inode!, W_OK | X_OK, task.credentials);
  if (denied) return denied;
  const made = directory.inode!.create(absent.name, newAttributes(task, S_IFREG | mode & 0o7777));
  if (failed(made)) return made;
  absent.inode = made;
  notifyName(directory.inode!, absent.name, made, IN_CREATE);
  walk.dentry = absent;
  return 0;
}

function openTemporary(task: Task, walk: Walk, flags: number, mode: number): OpenFile | number {
  const error = walk.takeLast((flags & O_NOFOLLOW) === 0);
  if (error < 0) return error;
  const directory = walk.dentry.inode!;
  if (!directory.isDirectory) return -ENOTDIR;
  if (walk.mount.readOnly) return -EROFS;
  const denied = checkAccess(directory, W_OK | X_OK, task.credentials);
  if (denied) return denied;
  const inode = directory.temporary(newAttributes(task, S_IFREG | mode & 0o7777));
  if (failed(inode)) return inode;
  const dentry = new Dentry(walk.dentry, `#${inode.ino}`, inode);
  dentry.unlinked = true;
  const file = inode.open(flags & ~CREATION_FLAGS, { mount: walk.mount, dentry }, task.opener);
  if (!failed(file)) notify(inode, dentry, IN_OPEN);
  return file;
}

/** Open what a walk has reached; a file just made is not checked against its own mode. */
export function openLocation(
  task: Task,
  location: Location,
  flags: number,
  created: boolean,
): OpenFile | number {
  const inode = inodeAt(location);
  if (!created && (flags & O_CREAT) !== 0) {
    if (flags & O_EXCL) return -EEXIST;
    if (inode.isDirectory) return -EISDIR;
  }
  if ((flags & O_DIRECTORY) !== 0 && !inode.isDirectory) return -ENOTDIR;
  if (flags & O_PATH) return new PathOnly(inode, location, flags);
  if (!created) {
    const denied = mayOpen(task, location, inode, flags);
    if (denied < 0) return denied;
  }
  const file = inode.open(flags & ~CREATION_FLAGS, location, task.opener);
  const emptied = (flags & O_TRUNC) !== 0 && !created && inode.isRegular;
  if (!failed(file) && emptied) {
    const error = truncateInode(inode, 0, task.opener.privileged);
    if (error < 0) {
      file.retain().release();
      return error;
    }
  }
  if (failed(file)) return file;
  if (emptied) notify(inode, location.dentry, IN_MODIFY);
  notify(inode, location.dentry, IN_OPEN);
  if ((flags & O_NOCTTY) === 0) offerTerminal(task.opener.process as Process | undefined, file);
  return file;
}

/** A terminal that a session leader opens by its name becomes its controlling one. */
export function offerTerminal(process: Process | undefined, file: OpenFile): void {
  if (!(file instanceof PtySlave) || !file.readable || process === undefined) return;
  if (file.inode.rdev === file.terminal.device) file.terminal.offer(process);
}

/** `may_open`: kind, permission and mount. */
function mayOpen(task: Task, location: Location, inode: Inode, flags: number): number {
  const access = flags & O_ACCMODE;
  let wanted = access === O_RDONLY ? R_OK : access === O_WRONLY ? W_OK : R_OK | W_OK;
  if (flags & O_TRUNC) wanted |= W_OK;
  if (inode.isSymlink) return -ELOOP;
  if (inode.isDirectory && (wanted & W_OK) !== 0) return -EISDIR;
  const denied = mayAccess(task, location, wanted);
  if (denied) return denied;
  if (inode.type === S_IFSOCK) return -ENXIO;
  const { uid } = task.credentials;
  if ((flags & O_NOATIME) !== 0 && uid !== 0 && uid !== inode.uid) return -EPERM;
  return 0;
}

/** Permission bits and, for writing, whether the mount allows it. */
export function mayAccess(task: Task, location: Location, wanted: number): number {
  const inode = inodeAt(location);
  const held = inode.isRegular || inode.isDirectory || inode.isSymlink;
  if ((wanted & W_OK) !== 0 && held && location.mount.readOnly) return -EROFS;
  return checkAccess(inode, wanted, task.credentials);
}

/** 0 when the inode may be executed: a regular file with an x bit for the caller. */
export function mayExecute(task: Task, inode: Inode): number {
  if (!inode.isRegular) return -EACCES;
  return checkAccess(inode, X_OK, task.credentials);
}
