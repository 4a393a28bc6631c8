/**
 * Attributes: what stat reports, and chmod, chown, utimes, truncate with their permission checks
 * (fs/attr.c, notify_change). Results are 0 or -errno.
 */
import { EACCES, EINVAL, EISDIR, EOPNOTSUPP, EPERM, EROFS } from "../errno.ts";
import { S_IFMT, S_ISGID, S_ISUID, W_OK } from "./constants.ts";
import { inodeAt, type Location } from "./dentry.ts";
import type { AttributeChange, Inode, Timestamp } from "./inode.ts";
import { IN_ATTRIB, IN_MODIFY, notify } from "./watches.ts";
import { truncateInode } from "./mapped_pages.ts";
import { mayAccess } from "./open.ts";
import { type Credentials, inGroup } from "./permission.ts";
import type { Task } from "./task.ts";

/** Facts of an inode as stat gives them. */
export interface Stat {
  readonly device: number;
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blockSize: number;
  readonly blocks: number;
  readonly atime: Timestamp;
  readonly mtime: Timestamp;
  readonly ctime: Timestamp;
  readonly btime: Timestamp;
}

export function stat(inode: Inode): Stat {
  inode.refresh();
  const { ino, mode, nlink, uid, gid, rdev, size, blocks, atime, mtime, ctime, btime } = inode;
  const device = inode.fileSystem.device;
  const blockSize = 4096;
  return {
    ...{ device, ino, mode, nlink, uid, gid, rdev, size, blockSize, blocks },
    ...{ atime, mtime, ctime, btime },
  };
}

function change(location: Location, attributes: AttributeChange): number {
  const inode = inodeAt(location);
  const error = inode.setAttributes(attributes);
  if (error === 0) notify(inode, location.dentry, IN_ATTRIB);
  return error;
}

function isOwner(credentials: Credentials, inode: Inode): boolean {
  return credentials.uid === 0 || credentials.uid === inode.uid;
}

/** Change permission bits. */
export function chmod(task: Task, location: Location, mode: number): number {
  const inode = inodeAt(location);
  if (location.mount.readOnly) return -EROFS;
  if (inode.isSymlink) return -EOPNOTSUPP;
  if (!isOwner(task.credentials, inode)) return -EPERM;
  let bits = mode & 0o7777;
  // Who is not in the file's group may not make it set-group-id.
  if (task.credentials.uid !== 0 && !inGroup(task.credentials, inode.gid)) bits &= ~S_ISGID;
  return change(location, { mode: bits });
}

/** Change owner and group; -1 leaves either. */
export function chown(task: Task, location: Location, uid: number, gid: number): number {
  const inode = inodeAt(location);
  const { credentials } = task;
  if (location.mount.readOnly) return -EROFS;
  if (credentials.uid !== 0) {
    if (uid !== -1 && (credentials.uid !== inode.uid || uid !== inode.uid)) return -EPERM;
    if (gid !== -1) {
      const allowed = credentials.uid === inode.uid &&
        (gid === inode.gid || inGroup(credentials, gid));
      if (!allowed) return -EPERM;
    }
  }
  const owners: { mode?: number; uid?: number; gid?: number } = {};
  if (uid !== -1) owners.uid = uid;
  if (gid !== -1) owners.gid = gid;
  // A program that changes hands loses its privileges.
  if (!inode.isDirectory) {
    let mode = inode.mode & ~S_IFMT & ~S_ISUID;
    if (mode & 0o010) mode &= ~S_ISGID;
    if (mode !== (inode.mode & ~S_IFMT)) owners.mode = mode;
  }
  return change(location, owners);
}

/** A time to set, the time now, or leave as it is. */
export type NewTime = Timestamp | "now" | "omit";

/** Set access and modification times (utimensat). */
export function setTimes(
  task: Task,
  location: Location,
  atime: NewTime,
  mtime: NewTime,
  now: Timestamp,
): number {
  if (atime === "omit" && mtime === "omit") return 0;
  const inode = inodeAt(location);
  if (location.mount.readOnly) return -EROFS;
  if (!isOwner(task.credentials, inode)) {
    if (atime !== "now" || mtime !== "now") return -EPERM;
    const denied = mayAccess(task, location, W_OK);
    if (denied) return -EACCES;
  }
  const times: { atime?: Timestamp; mtime?: Timestamp } = {};
  if (atime !== "omit") times.atime = atime === "now" ? now : atime;
  if (mtime !== "omit") times.mtime = mtime === "now" ? now : mtime;
  return change(location, times);
}

/** truncate(2) of a location that has been walked to; `refused` judges the size that the file has. */
export function truncate(
  task: Task,
  location: Location,
  size: number,
  refused: (before: number) => number,
): number {
  const inode = inodeAt(location);
  if (inode.isDirectory) return -EISDIR;
  if (!inode.isRegular) return -EINVAL;
  const denied = mayAccess(task, location, W_OK) || refused(inode.size);
  if (denied) return denied;
  const error = truncateInode(inode, size, task.credentials.uid === 0);
  if (error === 0) notify(inode, location.dentry, IN_MODIFY);
  return error;
}
