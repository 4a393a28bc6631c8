/**
 * epoll(7). Every registered file has an item that waits on the file's queues; a wake-up puts the
 * item on the ready list, and `collect` asks the files on it what holds now.
 */
import { EEXIST, EINVAL, ELOOP, ENOENT, EPERM } from "../errno.ts";
import { type Waiter, WaitQueue } from "../wait_queue.ts";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM } from "./constants.ts";
import type { Location } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import { OpenFile } from "./open_file.ts";

const EPOLLET = 0x8000_0000 | 0;
const EPOLLONESHOT = 0x4000_0000;
/** One waiter is enough; in a machine of one processor each of them is told all the same. */
export const EPOLLEXCLUSIVE = 0x1000_0000;
const EPOLLWAKEUP = 0x2000_0000;
/** What may be asked for with EPOLLEXCLUSIVE (EPOLLEXCLUSIVE_OK_BITS of fs/eventpoll.c). */
const EXCLUSIVE_BITS = POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET |
  EPOLLEXCLUSIVE;
/** Bits of an interest that are events rather than options. */
const EVENT_BITS = 0x0fff_ffff;
/** Longest chain of epolls watching epolls. */
const MAX_NESTING = 5;

/** What a program asked about one file. */
export interface Interest {
  readonly events: number;
  /** The program's own 64 bits. */
  readonly dataLow: number;
  readonly dataHigh: number;
}

/** An event to report. */
export interface Occurrence {
  readonly events: number;
  readonly dataLow: number;
  readonly dataHigh: number;
}

/** Whether nothing is asked for that does not go with EPOLLEXCLUSIVE. */
export function isExclusive({ events }: Interest): boolean {
  return (events & ~EXCLUSIVE_BITS) === 0;
}

class Item implements Waiter {
  #queues: readonly WaitQueue[] = [];
  /** A one-shot item that has fired: silent until it is modified. */
  spent = false;
  readonly #onClose = (): void => this.epoll.forget(this);

  constructor(
    readonly epoll: EpollFile,
    readonly fd: number,
    readonly file: OpenFile,
    public interest: Interest,
  ) {
    file.onClose(this.#onClose);
    this.listen();
  }

  /** Wait on the queues that matter for the interest, and look once. */
  listen(): void {
    this.#leave();
    this.spent = false;
    this.#queues = this.file.waitQueues(this.interest.events);
    for (const queue of this.#queues) queue.add(this);
    if (this.current !== 0) this.epoll.ready(this);
  }

  #leave(): void {
    for (const queue of this.#queues) queue.remove(this);
    this.#queues = [];
  }

  /** Events of the interest that hold now. */
  get current(): number {
    if (this.spent) return 0;
    return this.file.poll() & (this.interest.events | POLLERR | POLLHUP) & EVENT_BITS;
  }

  woken(): void {
    if (!this.spent) this.epoll.ready(this);
  }

  close(): void {
    this.#leave();
    this.file.offClose(this.#onClose);
  }
}

export class EpollFile extends OpenFile {
  readonly #items: Map<number, Item[]> = new Map();
  readonly #ready: Set<Item> = new Set();
  readonly #changed: WaitQueue = new WaitQueue("epoll");

  constructor(inode: Inode, location: Location, flags: number) {
    super(inode, location, flags);
  }

  #find(fd: number, file: OpenFile): Item | undefined {
    return this.#items.get(fd)?.find((item) => item.file === file);
  }

  /** The file of the `nth` registration of `fd`, of which there is more than one once `fd` names another file. */
  watched(fd: number, nth: number): OpenFile | undefined {
    return this.#items.get(fd)?.[nth]?.file;
  }

  add(fd: number, file: OpenFile, interest: Interest): number {
    if (!file.pollable) return -EPERM;
    if (this.#find(fd, file)) return -EEXIST;
    if (file instanceof EpollFile && file.depth(this) >= MAX_NESTING) return -ELOOP;
    const item = new Item(this, fd, file, interest);
    const items = this.#items.get(fd);
    if (items) items.push(item);
    else this.#items.set(fd, [item]);
    return 0;
  }

  modify(fd: number, file: OpenFile, interest: Interest): number {
    const item = this.#find(fd, file);
    if (item === undefined) return -ENOENT;
    if ((item.interest.events & EPOLLEXCLUSIVE) !== 0) return -EINVAL;
    item.interest = interest;
    item.listen();
    return 0;
  }

  remove(fd: number, file: OpenFile): number {
    const item = this.#find(fd, file);
    if (item === undefined) return -ENOENT;
    this.forget(item);
    return 0;
  }

  /** Epolls watched below this one; MAX_NESTING if `other` is among them. */
  depth(other: EpollFile): number {
    if (other === this) return MAX_NESTING;
    let deepest = 0;
    for (const items of this.#items.values()) {
      for (const { file } of items) {
        if (file instanceof EpollFile) deepest = Math.max(deepest, 1 + file.depth(other));
      }
    }
    return deepest;
  }

  /** Something may have happened to the item's file. */
  ready(item: Item): void {
    this.#ready.add(item);
    this.#changed.wake();
  }

  /** The item's file is closed or no longer wanted. */
  forget(item: Item): void {
    item.close();
    this.#ready.delete(item);
    const left = this.#items.get(item.fd)?.filter((other) => other !== item) ?? [];
    if (left.length > 0) this.#items.set(item.fd, left);
    else this.#items.delete(item.fd);
  }

  /** At most `limit` events. Edge-triggered ones are reported once; the others stay ready. */
  collect(limit: number): Occurrence[] {
    const list: Occurrence[] = [];
    for (const item of [...this.#ready]) {
      if (list.length === limit) break;
      this.#ready.delete(item);
      const events = item.current;
      if (events === 0) continue;
      const { interest } = item;
      list.push({ events, dataLow: interest.dataLow, dataHigh: interest.dataHigh });
      if (interest.events & EPOLLONESHOT) item.spent = true;
      else if ((interest.events & EPOLLET) === 0) this.#ready.add(item);
    }
    return list;
  }

  override poll(): number {
    for (const item of this.#ready) if (item.current !== 0) return POLLIN | POLLRDNORM;
    return 0;
  }
  override get pollable(): boolean {
    return true;
  }
  override waitQueues(): readonly WaitQueue[] {
    return [this.#changed];
  }

  protected override closed(): void {
    for (const items of [...this.#items.values()]) for (const item of items) item.close();
    this.#items.clear();
    this.#ready.clear();
  }

  override get information(): string {
    let text = "";
    for (const [fd, items] of this.#items) {
      for (const { interest } of items) {
        const events = (interest.events >>> 0).toString(16).padStart(8);
        const data = (interest.dataHigh * 2 ** 32 + interest.dataLow).toString(16).padStart(16);
        text += `tfd: ${String(fd).padStart(8)} events: ${events} data: ${data}\n`;
      }
    }
    return text;
  }
}
