/** inotify(7): events of watched inodes, queued as records. */
import { EAGAIN, EINVAL } from "../errno.ts";
import { WaitQueue } from "../wait_queue.ts";
import { POLLIN, POLLRDNORM } from "./constants.ts";
import type { Location } from "./dentry.ts";
import { encodeName } from "./file_name.ts";
import type { Inode } from "./inode.ts";
import { FIONREAD } from "./ioctl.ts";
import { OpenFile, type UserMemory } from "./open_file.ts";
import {
  IN_ALL_EVENTS,
  IN_IGNORED,
  IN_MASK_ADD,
  IN_ONESHOT,
  IN_Q_OVERFLOW,
  type Watch,
} from "./watches.ts";

/** fs.inotify.max_queued_events */
const MAX_QUEUED = 16384;

interface Event {
  readonly descriptor: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: Uint8Array;
}

const NO_NAME = new Uint8Array(0);

export class InotifyFile extends OpenFile {
  readonly #queue: Event[] = [];
  readonly #arrived: WaitQueue = new WaitQueue("inotify");
  readonly #watches: Map<number, Watch> = new Map();
  #nextDescriptor = 1;

  constructor(inode: Inode, location: Location, flags: number) {
    super(inode, location, flags);
  }

  /** Watch `inode`, or change the watch it has: its descriptor. */
  watch(inode: Inode, mask: number): number {
    for (const watch of inode.watches ?? []) {
      if (watch.instance !== this) continue;
      watch.mask = (mask & IN_MASK_ADD) !== 0 ? watch.mask | mask : mask;
      return watch.descriptor;
    }
    const watch: Watch = { instance: this, descriptor: this.#nextDescriptor++, inode, mask };
    (inode.watches ??= new Set()).add(watch);
    this.#watches.set(watch.descriptor, watch);
    return watch.descriptor;
  }

  /** Stop watching: 0, or -EINVAL for an unknown descriptor. */
  unwatch(descriptor: number): number {
    const watch = this.#watches.get(descriptor);
    if (watch === undefined) return -EINVAL;
    this.#forget(watch);
    this.#put({ descriptor, mask: IN_IGNORED, cookie: 0, name: NO_NAME });
    return 0;
  }

  #forget(watch: Watch): void {
    this.#watches.delete(watch.descriptor);
    watch.inode.watches?.delete(watch);
    if (watch.inode.watches?.size === 0) watch.inode.watches = null;
  }

  /** An event of a watched inode. */
  report(watch: Watch, mask: number, cookie: number, name: string): void {
    const { descriptor } = watch;
    if (mask & IN_IGNORED) {
      this.#forget(watch);
    } else if ((watch.mask & mask & IN_ALL_EVENTS) === 0) return;
    this.#put({ descriptor, mask, cookie, name: name === "" ? NO_NAME : encodeName(name) });
    if (watch.mask & IN_ONESHOT) this.unwatch(descriptor);
  }

  #put(event: Event): void {
    const last = this.#queue.at(-1);
    if (last && sameEvent(last, event)) return; // as the kernel merges them
    if (this.#queue.length === MAX_QUEUED) {
      event = { descriptor: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: NO_NAME };
    } else if (this.#queue.length > MAX_QUEUED) return;
    this.#queue.push(event);
    this.#arrived.wake();
  }

  override read(into: Uint8Array): number {
    if (this.#queue.length === 0) return -EAGAIN;
    let done = 0;
    while (this.#queue.length > 0) {
      const [event] = this.#queue;
      const size = recordSize(event);
      if (done + size > into.length) break;
      const view = new DataView(into.buffer, into.byteOffset + done, size);
      view.setInt32(0, event.descriptor, true);
      view.setUint32(4, event.mask, true);
      view.setUint32(8, event.cookie, true);
      view.setUint32(12, size - 16, true);
      into.fill(0, done + 16, done + size);
      into.set(event.name, done + 16);
      done += size;
      this.#queue.shift();
    }
    return done > 0 ? done : -EINVAL;
  }

  override poll(): number {
    return this.#queue.length > 0 ? POLLIN | POLLRDNORM : 0;
  }
  override get pollable(): boolean {
    return true;
  }
  override waitQueues(): readonly WaitQueue[] {
    return [this.#arrived];
  }

  override ioctl(request: number, argument: number, memory: UserMemory): number {
    if (request !== FIONREAD) return super.ioctl(request, argument, memory);
    const bytes = this.#queue.reduce((sum, event) => sum + recordSize(event), 0);
    return memory.copyOut(argument, new Uint8Array(Int32Array.of(bytes).buffer));
  }

  protected override closed(): void {
    for (const watch of [...this.#watches.values()]) this.#forget(watch);
  }
}

/** Bytes of struct inotify_event with its name, NUL-ended and padded to 16. */
function recordSize({ name }: Event): number {
  return 16 + (name.length === 0 ? 0 : Math.ceil((name.length + 1) / 16) * 16);
}

function sameEvent(a: Event, b: Event): boolean {
  return a.descriptor === b.descriptor && a.mask === b.mask && a.cookie === b.cookie &&
    a.name.length === b.name.length && a.name.every((byte, i) => byte === b.name[i]);
}
