/**
 * Operations that change names, after fs/namei.c: mkdir, mknod, symlink, link, unlink, rmdir,
 * rename. Each answers 0 or -errno, with the checks in the kernel's order.
 */
import {
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  EMLINK,
  ENAMETOOLONG,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
  EXDEV,
} from "../errno.ts";
import {
  PATH_MAX,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISVTX,
  W_OK,
  X_OK,
} from "./constants.ts";
import type { Dentry, Location } from "./dentry.ts";
import { inodeAt } from "./dentry.ts";
import { nameLength } from "./file_name.ts";
import { failed, type Inode, type NewFile } from "./inode.ts";
import {
  IN_ATTRIB,
  IN_CREATE,
  IN_DELETE,
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  notifyName,
  notifySelf,
} from "./watches.ts";
import { checkAccess, checkSticky } from "./permission.ts";
import type { Task } from "./task.ts";
import { Last, Walk } from "./walk.ts";

/** Attributes of a file `task` makes; the umask applies. */
export function newAttributes(task: Task, mode: number, rdev = 0): NewFile {
  const { uid, gid } = task.credentials;
  return { mode: mode & ~task.fs.umask, uid, gid, rdev };
}

/** The walk's directory and the dentry of its last component, absent so far. */
interface Place {
  readonly walk: Walk;
  readonly dentry: Dentry;
}

/** `filename_create`: the place of a new name; a trailing slash is for directories only. */
function placeForNew(
  task: Task,
  start: Location,
  path: string,
  directory: boolean,
): Place | number {
  const walk = new Walk(task.fs, start, task.credentials);
  const error = walk.toParent(path);
  if (error < 0) return error;
  if (walk.lastKind !== Last.Normal) return -EEXIST;
  const dentry = walk.peekLast();
  if (typeof dentry === "number") return dentry;
  if (dentry.inode !== null) return -EEXIST;
  if (walk.trailingSlash && !directory) return -ENOENT;
  if (walk.mount.readOnly) return -EROFS;
  return { walk, dentry };
}

/** `may_create`. */
function mayCreate(task: Task, directory: Dentry): number {
  if (directory.unlinked) return -ENOENT;
  return checkAccess(directory.inode!, W_OK | X_OK, task.credentials);
}

/** `may_delete`: whether `victim` may go from `directory`, being a directory or not as said. */
function mayDelete(task: Task, directory: Dentry, victim: Dentry, isDirectory: boolean): number {
  if (victim.inode === null) return -ENOENT;
  const denied = checkAccess(directory.inode!, W_OK | X_OK, task.credentials) ||
    checkSticky(directory.inode!, victim.inode, task.credentials);
  if (denied) return denied;
  if (isDirectory) {
    if (!victim.inode.isDirectory) return -ENOTDIR;
  } else if (victim.inode.isDirectory) return -EISDIR;
  return directory.unlinked ? -ENOENT : 0;
}

export function mkdir(task: Task, start: Location, path: string, mode: number): number {
  const place = placeForNew(task, start, path, true);
  if (failed(place)) return place;
  const { walk, dentry } = place;
  const denied = mayCreate(task, walk.dentry);
  if (denied) return denied;
  const bits = mode & (0o777 | S_ISVTX);
  return enter(dentry, walk.dentry.inode!.create(dentry.name, newAttributes(task, S_IFDIR | bits)));
}

export function mknod(
  task: Task,
  start: Location,
  path: string,
  mode: number,
  rdev: number,
): number {
  const type = (mode & S_IFMT) || S_IFREG;
  if (type === S_IFDIR) return -EPERM;
  if (type === S_IFLNK) return -EINVAL;
  const place = placeForNew(task, start, path, false);
  if (failed(place)) return place;
  const { walk, dentry } = place;
  const denied = mayCreate(task, walk.dentry);
  if (denied) return denied;
  if ((type === S_IFCHR || type === S_IFBLK) && task.credentials.uid !== 0) return -EPERM;
  const attributes = newAttributes(task, type | mode & 0o7777, rdev);
  return enter(dentry, walk.dentry.inode!.create(dentry.name, attributes));
}

export function symlink(task: Task, target: string, start: Location, path: string): number {
  if (target.length === 0) return -ENOENT;
  if (nameLength(target) >= PATH_MAX) return -ENAMETOOLONG;
  const place = placeForNew(task, start, path, false);
  if (failed(place)) return place;
  const { walk, dentry } = place;
  const denied = mayCreate(task, walk.dentry);
  if (denied) return denied;
  const attributes = newAttributes(task, S_IFLNK | 0o777);
  return enter(dentry, walk.dentry.inode!.symlink(dentry.name, target, attributes));
}

/** The name now leads to `made`. */
function enter(dentry: Dentry, made: Inode | number): number {
  if (failed(made)) return made;
  dentry.inode = made;
  notifyName(dentry.parent!.inode!, dentry.name, made, IN_CREATE);
  return 0;
}

/** Give the file at `source` the further name `path`. */
export function link(task: Task, source: Location, start: Location, path: string): number {
  const place = placeForNew(task, start, path, false);
  if (failed(place)) return place;
  const { walk, dentry } = place;
  if (source.mount !== walk.mount) return -EXDEV;
  const inode = inodeAt(source);
  const denied = mayLink(task, inode) || mayCreate(task, walk.dentry);
  if (denied) return denied;
  if (inode.isDirectory) return -EPERM;
  // A file whose last name is gone may not come back, except one that never had any (O_TMPFILE).
  if (inode.nlink === 0 && !source.dentry.name.startsWith("#")) return -ENOENT;
  if (inode.nlink >= 65000) return -EMLINK;
  const error = walk.dentry.inode!.link(dentry.name, inode);
  if (error < 0) return error;
  notifySelf(inode, IN_ATTRIB); // its count of names
  return enter(dentry, inode);
}

/** `may_linkat` with fs.protected_hardlinks=1, as distributions set it. */
function mayLink(task: Task, inode: Inode): number {
  const { uid } = task.credentials;
  if (uid === 0 || uid === inode.uid) return 0;
  const privileged = (inode.mode & 0o4000) !== 0 || (inode.mode & 0o2010) === 0o2010;
  if (!inode.isRegular || privileged) return -EPERM;
  return checkAccess(inode, 6, task.credentials) ? -EPERM : 0;
}

export function unlink(task: Task, start: Location, path: string): number {
  const walk = new Walk(task.fs, start, task.credentials);
  const error = walk.toParent(path);
  if (error < 0) return error;
  if (walk.lastKind !== Last.Normal) return -EISDIR;
  if (walk.mount.readOnly) return -EROFS;
  const victim = walk.peekLast();
  if (typeof victim === "number") return victim;
  if (walk.trailingSlash) {
    if (victim.inode === null) return -ENOENT;
    return victim.inode.isDirectory ? -EISDIR : -ENOTDIR;
  }
  const denied = mayDelete(task, walk.dentry, victim, false);
  if (denied) return denied;
  if (victim.mounted !== null) return -EBUSY;
  victim.inode!.beforeUnlink();
  return remove(walk.dentry.inode!.unlink(victim.name), victim);
}

export function rmdir(task: Task, start: Location, path: string): number {
  const walk = new Walk(task.fs, start, task.credentials);
  const error = walk.toParent(path);
  if (error < 0) return error;
  switch (walk.lastKind) {
    case Last.DotDot:
      return -ENOTEMPTY;
    case Last.Dot:
      return -EINVAL;
    case Last.Root:
      return -EBUSY;
  }
  if (walk.mount.readOnly) return -EROFS;
  const victim = walk.peekLast();
  if (typeof victim === "number") return victim;
  const denied = mayDelete(task, walk.dentry, victim, true);
  if (denied) return denied;
  if (victim.mounted !== null) return -EBUSY;
  victim.inode!.beforeUnlink();
  return remove(walk.dentry.inode!.rmdir(victim.name), victim);
}

/** After the file system removed a name: so do the dentries, and an unused inode goes. */
function remove(result: number, victim: Dentry): number {
  if (result < 0) return result;
  const inode = victim.inode!;
  const directory = victim.parent!.inode!;
  victim.drop();
  inode.afterUnlink();
  if (!inode.isDirectory) notifySelf(inode, IN_ATTRIB); // its count of names
  inode.discardUnused();
  notifyName(directory, victim.name, inode, IN_DELETE);
  return 0;
}

/** renameat2: `flags` of RENAME_NOREPLACE, RENAME_EXCHANGE. */
export function rename(
  task: Task,
  oldStart: Location,
  oldPath: string,
  newStart: Location,
  newPath: string,
  flags: number,
): number {
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  const noReplace = (flags & RENAME_NOREPLACE) !== 0;
  if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) return -EINVAL;
  if (exchange && flags !== RENAME_EXCHANGE) return -EINVAL;
  if (flags & RENAME_WHITEOUT) return -EPERM; // needs CAP_MKNOD
  const from = new Walk(task.fs, oldStart, task.credentials);
  const fromError = from.toParent(oldPath);
  if (fromError < 0) return fromError;
  const to = new Walk(task.fs, newStart, task.credentials);
  const toError = to.toParent(newPath);
  if (toError < 0) return toError;
  if (from.mount !== to.mount) return -EXDEV;
  if (from.lastKind !== Last.Normal) return -EBUSY;
  if (to.lastKind !== Last.Normal) return noReplace ? -EEXIST : -EBUSY;
  if (from.mount.readOnly) return -EROFS;
  const source = from.peekLast();
  if (typeof source === "number") return source;
  if (source.inode === null) return -ENOENT;
  const target = to.peekLast();
  if (typeof target === "number") return target;
  const error = mayRename(task, from, source, to, target, exchange, noReplace);
  if (error !== 0) return error < 0 ? error : 0;

  const replaced = target.inode;
  if (!exchange) replaced?.beforeUnlink();
  const moved = source.inode;
  const oldDirectory = from.dentry, oldName = source.name;
  const newDirectory = to.dentry, newName = target.name;
  const result = oldDirectory.inode!.rename(oldName, newDirectory.inode!, newName, exchange);
  if (result < 0) return result;
  if (exchange) {
    // Take the target out of the way first, so that moving the source does not mark it removed.
    newDirectory.children!.delete(newName);
    source.move(newDirectory, newName);
    target.parent = null;
    target.move(oldDirectory, oldName);
  } else {
    source.move(newDirectory, newName);
    replaced?.afterUnlink();
  }
  const cookie = ++oldDirectory.inode!.fileSystem.renames;
  notifyName(oldDirectory.inode!, oldName, moved, IN_MOVED_FROM, cookie);
  notifyName(newDirectory.inode!, newName, moved, IN_MOVED_TO, cookie);
  if (!exchange && replaced !== null) notifySelf(replaced, IN_ATTRIB);
  notifySelf(moved, IN_MOVE_SELF);
  if (!exchange && replaced !== null) replaced.discardUnused();
  moved.afterRename(newDirectory.inode!, newName);
  if (exchange) replaced!.afterRename(oldDirectory.inode!, oldName);
  return 0;
}

/** All checks of rename in the kernel's order: 0 to go on, 1 for nothing to do, or -errno. */
function mayRename(
  task: Task,
  from: Walk,
  source: Dentry,
  to: Walk,
  target: Dentry,
  exchange: boolean,
  noReplace: boolean,
): number {
  const moved = source.inode!;
  if (noReplace && target.inode !== null) return -EEXIST;
  if (exchange) {
    if (target.inode === null) return -ENOENT;
    if (!target.inode.isDirectory && to.trailingSlash) return -ENOTDIR;
  }
  if (!moved.isDirectory) {
    if (from.trailingSlash) return -ENOTDIR;
    if (!exchange && to.trailingSlash) return -ENOTDIR;
  }
  if (to.dentry !== from.dentry) {
    if (to.dentry.isBelow(source)) return -EINVAL;
    if (target.inode !== null && from.dentry.isBelow(target)) {
      return exchange ? -EINVAL : -ENOTEMPTY;
    }
  }
  if (moved === target.inode) return 1;
  const denied = mayDelete(task, from.dentry, source, moved.isDirectory) ||
    (target.inode === null
      ? mayCreate(task, to.dentry)
      : mayDelete(task, to.dentry, target, (exchange ? target.inode : moved).isDirectory));
  if (denied) return denied;
  if (from.dentry !== to.dentry) {
    // A directory that gets another parent has its `..` rewritten.
    const rewritten = [moved, ...(exchange ? [target.inode!] : [])];
    for (const inode of rewritten) {
      if (!inode.isDirectory) continue;
      const unwritable = checkAccess(inode, W_OK, task.credentials);
      if (unwritable) return unwritable;
    }
  }
  return source.mounted !== null || target.mounted !== null ? -EBUSY : 0;
}
