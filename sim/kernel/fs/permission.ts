/** Who may do what with a file: the mode bits, and the exceptions that user 0 is granted. */
import { EACCES, EPERM } from "../errno.ts";
import { R_OK, S_IFDIR, S_IFMT, S_ISVTX, W_OK, X_OK } from "./constants.ts";
import type { Inode } from "./inode.ts";

/** The user and groups that file access is checked against. */
export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups?: readonly number[];
}

export const ROOT: Credentials = { uid: 0, gid: 0 };

/** Whether `credentials` include group `gid`. */
export function inGroup(credentials: Credentials, gid: number): boolean {
  return credentials.gid === gid || (credentials.groups?.includes(gid) ?? false);
}

/** 0, or -EACCES when the mode bits deny any of `wanted` (R_OK | W_OK | X_OK). */
export function checkAccess(inode: Inode, wanted: number, credentials: Credentials): number {
  const { mode } = inode;
  if (credentials.uid === 0) {
    // CAP_DAC_OVERRIDE: everything, but execution only where somebody may execute.
    const runnable = (mode & 0o111) !== 0 || (mode & S_IFMT) === S_IFDIR;
    return (wanted & X_OK) === 0 || runnable ? 0 : -EACCES;
  }
  const shift = credentials.uid === inode.uid ? 6 : inGroup(credentials, inode.gid) ? 3 : 0;
  return (wanted & (R_OK | W_OK | X_OK) & ~(mode >> shift)) === 0 ? 0 : -EACCES;
}

/** 0, or -EPERM when a sticky directory lets nobody but the owners remove `victim`. */
export function checkSticky(
  directory: Inode,
  victim: Inode,
  credentials: Credentials,
): number {
  if ((directory.mode & S_ISVTX) === 0 || credentials.uid === 0) return 0;
  return credentials.uid === victim.uid || credentials.uid === directory.uid ? 0 : -EPERM;
}
