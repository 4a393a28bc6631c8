/** Who watches which inode, and how they are told what happens to it (inotify(7)). */
import type { Dentry } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import type { InotifyFile } from "./inotify.ts";

export const IN_ACCESS = 0x1;
export const IN_MODIFY = 0x2;
export const IN_ATTRIB = 0x4;
export const IN_CLOSE_WRITE = 0x8;
export const IN_CLOSE_NOWRITE = 0x10;
export const IN_OPEN = 0x20;
export const IN_MOVED_FROM = 0x40;
export const IN_MOVED_TO = 0x80;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
export const IN_ALL_EVENTS = 0xfff;
export const IN_Q_OVERFLOW = 0x4000;
export const IN_IGNORED = 0x8000;
export const IN_ONLYDIR = 0x0100_0000;
export const IN_DONT_FOLLOW = 0x0200_0000;
export const IN_MASK_CREATE = 0x1000_0000;
export const IN_MASK_ADD = 0x2000_0000;
const IN_ISDIR = 0x4000_0000;
export const IN_ONESHOT = 0x8000_0000;

/** One inode watched by one inotify instance. */
export interface Watch {
  readonly instance: InotifyFile;
  readonly descriptor: number;
  readonly inode: Inode;
  mask: number;
}

/** Something happened to `inode` itself, and to `name` of the directory it was reached through. */
export function notify(inode: Inode, dentry: Dentry | null, mask: number): void {
  const directory = dentry?.parent?.inode ?? null;
  if (inode.watches === null && (directory === null || directory.watches === null)) return;
  const flags = inode.isDirectory ? mask | IN_ISDIR : mask;
  if (directory !== null && dentry !== null) tell(directory, flags, 0, dentry.name);
  tell(inode, flags, 0, "");
}

/** Something happened to the name `name` of `directory`. */
export function notifyName(
  directory: Inode,
  name: string,
  subject: Inode,
  mask: number,
  cookie = 0,
): void {
  if (directory.watches === null) return;
  tell(directory, subject.isDirectory ? mask | IN_ISDIR : mask, cookie, name);
}

/** The inode itself moved, or its names changed: those who watch it. */
export function notifySelf(inode: Inode, mask: number): void {
  if (inode.watches !== null) tell(inode, mask, 0, "");
}

function tell(inode: Inode, mask: number, cookie: number, name: string): void {
  for (const watch of [...inode.watches ?? []]) watch.instance.report(watch, mask, cookie, name);
}
