/**
 * An open file description: what descriptors refer to. It has a position and status flags, and
 * lives while any descriptor or message refers to it. Operations answer 0 or more, or -errno;
 * -EAGAIN means "would block", and the syscall then sleeps on `waitQueues` unless O_NONBLOCK.
 */
import { EINVAL, ENOTTY, ESPIPE } from "../errno.ts";
import type { MapSource } from "../../memory/vma.ts";
import type { WaitQueue } from "../wait_queue.ts";
import {
  O_ACCMODE,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  POLLIN,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
} from "./constants.ts";
import type { Location } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import { IN_ACCESS, IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_MODIFY, notify } from "./watches.ts";

const NEVER: readonly WaitQueue[] = [];

/** Memory of a process as `ioctl` needs it. */
export interface UserMemory {
  copyIn(address: number, into: Uint8Array): number;
  copyOut(address: number, from: Uint8Array): number;
}

export abstract class OpenFile {
  /** Descriptors, messages and registrations that hold this description. */
  #references = 0;
  /** The description as mmap sees it, once it has been mapped. */
  mapSource: MapSource | null = null;

  #closeListeners: Set<() => void> | null = null;

  constructor(
    readonly inode: Inode,
    /** Where the file was found; its name for /proc/self/fd. */
    readonly location: Location,
    /** Access mode and status flags, in the kernel's own values. */
    public flags: number,
  ) {}

  get readable(): boolean {
    return (this.flags & O_ACCMODE) !== O_WRONLY;
  }
  get writable(): boolean {
    return (this.flags & O_ACCMODE) !== O_RDONLY;
  }

  retain(): this {
    if (this.#references++ === 0) this.inode.users++;
    return this;
  }

  /** Drop one reference; the last one closes the file. */
  release(): void {
    if (--this.#references !== 0) return;
    this.closed();
    if ((this.flags & O_PATH) === 0) this.#tell(this.writable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
    this.#closeListeners?.forEach((listener) => listener());
    const { inode } = this;
    inode.users--;
    inode.discardUnused();
  }

  /** Call `listener` when the last reference goes; epoll holds none of its own. */
  onClose(listener: () => void): void {
    (this.#closeListeners ??= new Set()).add(listener);
  }
  offClose(listener: () => void): void {
    this.#closeListeners?.delete(listener);
  }

  #tell(event: number): void {
    notify(this.inode, this.location.dentry, event);
  }
  /** A call has read `count` bytes, which those who watch the file are told; answers `count`. */
  wasRead(count: number): number {
    if (count > 0) this.#tell(IN_ACCESS);
    return count;
  }
  /** The same of bytes written. */
  wasWritten(count: number): number {
    if (count > 0) this.#tell(IN_MODIFY);
    return count;
  }

  /** The last reference is gone. */
  protected closed(): void {}

  /** A descriptor of `owner` was closed (POSIX locks of that process go). */
  flush(_owner: object): void {}

  /** Read at the position and advance it. */
  read(_into: Uint8Array): number {
    return -EINVAL;
  }
  /** A read has waited for `readTimeout`: take what is there, 0 for nothing. */
  readExpired(into: Uint8Array): number {
    return this.read(into);
  }
  /** Nanoseconds that a read waits at most (VTIME of a terminal); 0: for ever. */
  get readTimeout(): number {
    return 0;
  }
  write(_from: Uint8Array): number {
    return -EINVAL;
  }
  /** Read at `position`, leaving the description's own alone (pread). */
  readAt(_position: number, _into: Uint8Array): number {
    return -ESPIPE;
  }
  writeAt(_position: number, _from: Uint8Array): number {
    return -ESPIPE;
  }
  seek(_offset: number, _whence: number): number {
    return -ESPIPE;
  }
  /** Whether reads and writes may be split over several buffers. A message must come whole. */
  get splittable(): boolean {
    return false;
  }
  truncate(_size: number): number {
    return -EINVAL;
  }

  /** Events that hold now, of POLLIN and its kin. */
  poll(): number {
    return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
  }
  /** Whether epoll accepts this file; regular files and directories it refuses. */
  get pollable(): boolean {
    return false;
  }
  /** Queues woken when `poll` may have changed. */
  waitQueues(_events: number): readonly WaitQueue[] {
    return NEVER;
  }

  ioctl(_request: number, _argument: number, _memory: UserMemory): number {
    return -ENOTTY;
  }

  /** Whether mmap can map the inode. */
  get mappable(): boolean {
    return false;
  }

  /** Text after `pos`, `flags`, `mnt_id` and `ino` in /proc/PID/fdinfo. */
  get information(): string {
    return "";
  }

  /** Position as fdinfo shows it. */
  get offset(): number {
    return 0;
  }
}
