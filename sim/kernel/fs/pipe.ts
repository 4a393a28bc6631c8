/**
 * Pipes and FIFOs: a ring of bytes with a reading and a writing side. Writes of at most PIPE_BUF
 * bytes are all or nothing (pipe(7)).
 */
import { EAGAIN, EBADF, EBUSY, EINVAL, ENOTTY, ENXIO, EPERM, EPIPE } from "../errno.ts";
import { WaitQueue } from "../wait_queue.ts";
import { ByteRing } from "./byte_ring.ts";
import {
  O_ACCMODE,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  PIPE_BUF,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
} from "./constants.ts";
import type { Location } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import { FIONREAD } from "./ioctl.ts";
import { OpenFile, type UserMemory } from "./open_file.ts";

/** Default and largest capacity for an unprivileged user. */
export const PIPE_SIZE = 65536;
export const PIPE_MAX_SIZE = 1 << 20;

/** The buffer two ends share. */
export class Pipe {
  readonly #ring = new ByteRing(PIPE_SIZE);
  readers = 0;
  writers = 0;
  /** Openings so far, so that an opener can see a partner that has come and gone. */
  readerOpenings = 0;
  writerOpenings = 0;
  readonly readable: WaitQueue = new WaitQueue("pipe read");
  readonly writable: WaitQueue = new WaitQueue("pipe write");
  /** Woken when a FIFO gets a reader or a writer. */
  readonly opened: WaitQueue = new WaitQueue("fifo open");

  get capacity(): number {
    return this.#ring.capacity;
  }
  /** Bytes waiting. */
  get length(): number {
    return this.#ring.length;
  }
  get room(): number {
    return this.#ring.room;
  }

  /** Change the capacity (F_SETPIPE_SZ); the new one, -EBUSY if too small, -EPERM if too large. */
  resize(size: number): number {
    if (size <= 0 || size > 2 ** 31) return -EINVAL;
    if (size > PIPE_MAX_SIZE) return -EPERM;
    let capacity = 4096;
    while (capacity < size) capacity *= 2;
    if (capacity < this.length) return -EBUSY;
    this.#ring.resize(capacity);
    this.writable.wake();
    return capacity;
  }

  /** Copy waiting bytes without taking them; returns how many. */
  peek(into: Uint8Array): number {
    return this.#ring.peek(into);
  }

  /** Take bytes: how many, 0 at the end of the stream, -EAGAIN if a writer may still come. */
  read(into: Uint8Array): number {
    if (into.length === 0) return 0;
    if (this.length === 0) return this.writers === 0 ? 0 : -EAGAIN;
    const count = this.#ring.take(into);
    this.writable.wake();
    return count;
  }

  /** Put bytes: how many fitted; -EAGAIN for none, or not all of at most PIPE_BUF; -EPIPE. */
  write(from: Uint8Array): number {
    if (this.readers === 0) return -EPIPE;
    if (from.length === 0) return 0;
    const { room } = this;
    if (room === 0 || (from.length <= PIPE_BUF && room < from.length)) return -EAGAIN;
    const count = this.#ring.put(from);
    this.readable.wake();
    return count;
  }

  /** A side was closed: the other must look again. */
  wakeAll(): void {
    this.readable.wake();
    this.writable.wake();
  }
}

/** One open end of a pipe, or both (O_RDWR on a FIFO). */
export class PipeEnd extends OpenFile {
  constructor(readonly pipe: Pipe, inode: Inode, location: Location, flags: number) {
    super(inode, location, flags);
    if (this.readable) {
      pipe.readers++;
      pipe.readerOpenings++;
    }
    if (this.writable) {
      pipe.writers++;
      pipe.writerOpenings++;
    }
    pipe.opened.wake();
    pipe.wakeAll();
  }

  protected override closed(): void {
    if (this.readable) this.pipe.readers--;
    if (this.writable) this.pipe.writers--;
    this.pipe.wakeAll();
  }

  override read(into: Uint8Array): number {
    return this.readable ? this.pipe.read(into) : -EBADF;
  }
  override write(from: Uint8Array): number {
    return this.writable ? this.pipe.write(from) : -EBADF;
  }

  override poll(): number {
    const { pipe } = this;
    let events = 0;
    if (this.readable) {
      if (pipe.length > 0) events |= POLLIN | POLLRDNORM;
      if (pipe.writers === 0 && pipe.writerOpenings > 0) events |= POLLHUP;
    }
    if (this.writable) {
      if (pipe.room >= PIPE_BUF) events |= POLLOUT | POLLWRNORM;
      if (pipe.readers === 0) events |= POLLERR;
    }
    return events;
  }
  override get pollable(): boolean {
    return true;
  }
  override waitQueues(events: number): readonly WaitQueue[] {
    const { readable, writable } = this.pipe;
    if ((events & POLLIN) !== 0 && this.readable) {
      return (events & POLLOUT) !== 0 && this.writable ? [readable, writable] : [readable];
    }
    return this.writable ? [writable] : [readable];
  }

  override ioctl(request: number, argument: number, memory: UserMemory): number {
    if (request !== FIONREAD) return -ENOTTY;
    return memory.copyOut(argument, new Uint8Array(Int32Array.of(this.pipe.length).buffer));
  }
}

/**
 * Open one end of a FIFO. -ENXIO for a non-blocking writer without a reader. A blocking opener
 * must then wait until `fifoReady`.
 */
export function openPipeEnd(
  pipe: Pipe,
  inode: Inode,
  location: Location,
  flags: number,
): PipeEnd | number {
  const mode = flags & O_ACCMODE;
  if (mode === O_WRONLY && (flags & O_NONBLOCK) !== 0 && pipe.readers === 0) return -ENXIO;
  return new PipeEnd(pipe, inode, location, flags);
}

/** Whether the FIFO opened as `end` has met its partner (or need not wait). */
export function fifoReady(
  end: PipeEnd,
  before: { readers: number; writers: number },
): boolean {
  const { pipe, flags } = end;
  switch (flags & O_ACCMODE) {
    case O_RDWR:
      return true;
    case O_RDONLY:
      return (flags & O_NONBLOCK) !== 0 || pipe.writers > 0 ||
        pipe.writerOpenings !== before.writers;
    default:
      return pipe.readers > 0 || pipe.readerOpenings !== before.readers;
  }
}
