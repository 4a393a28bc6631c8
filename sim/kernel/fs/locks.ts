/**
 * Advisory locks: byte ranges of a process (fcntl F_SETLK), byte ranges of an open file
 * description (F_OFD_SETLK), and whole files (flock). The first two see one another; flock's are a
 * world of their own, as on a local Linux file system.
 */
import { EAGAIN } from "../errno.ts";
import { WaitQueue } from "../wait_queue.ts";

export const F_RDLCK = 0;
export const F_WRLCK = 1;
export const F_UNLCK = 2;

/** A lock on `[start, end)`; `end` is Infinity for "to the end, however far". */
export interface Lock {
  readonly owner: object;
  readonly exclusive: boolean;
  readonly start: number;
  readonly end: number;
  /** Process that F_GETLK names; -1 for a lock of an open file description. */
  readonly pid: number;
}

/** The locks of one kind on one inode. */
export class LockList {
  #locks: Lock[] = [];
  /** Woken when a lock goes. */
  readonly released: WaitQueue = new WaitQueue("file lock");

  /** A lock of another owner that `wanted` would conflict with, or null. */
  conflict(wanted: Lock): Lock | null {
    return this.#locks.find((lock) =>
      lock.owner !== wanted.owner && (lock.exclusive || wanted.exclusive) &&
      lock.start < wanted.end && wanted.start < lock.end
    ) ?? null;
  }

  /** Set a lock, replacing the owner's own in that range: 0 or -EAGAIN. */
  set(wanted: Lock): number {
    if (this.conflict(wanted) !== null) return -EAGAIN;
    this.clear(wanted.owner, wanted.start, wanted.end);
    this.#locks.push(wanted);
    return 0;
  }

  /** Drop the owner's locks in a range, splitting those that reach beyond it. */
  clear(owner: object, start = 0, end = Infinity): void {
    const kept: Lock[] = [];
    let changed = false;
    for (const lock of this.#locks) {
      if (lock.owner !== owner || lock.end <= start || end <= lock.start) {
        kept.push(lock);
        continue;
      }
      changed = true;
      if (lock.start < start) kept.push({ ...lock, end: start });
      if (end < lock.end) kept.push({ ...lock, start: end });
    }
    this.#locks = kept;
    if (changed) this.released.wake();
  }
}

/** All locks on one inode. */
export class FileLocks {
  readonly ranges: LockList = new LockList();
  readonly whole: LockList = new LockList();
}
