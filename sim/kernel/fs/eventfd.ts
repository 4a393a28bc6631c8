/** eventfd(2): a 64-bit counter that can be waited for. */
import { EAGAIN, EINVAL } from "../errno.ts";
import { WaitQueue } from "../wait_queue.ts";
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "./constants.ts";
import type { Location } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import { OpenFile } from "./open_file.ts";

const MAXIMUM = 0xffff_ffff_ffff_fffen;

export class EventFile extends OpenFile {
  readonly #changed: WaitQueue = new WaitQueue("eventfd");
  #count: bigint;

  constructor(
    inode: Inode,
    location: Location,
    flags: number,
    initial: number,
    /** EFD_SEMAPHORE: a read takes 1, not everything. */
    readonly semaphore: boolean,
  ) {
    super(inode, location, flags);
    this.#count = BigInt(initial);
  }

  override read(into: Uint8Array): number {
    if (into.length < 8) return -EINVAL;
    if (this.#count === 0n) return -EAGAIN;
    const taken = this.semaphore ? 1n : this.#count;
    this.#count -= taken;
    new DataView(into.buffer, into.byteOffset).setBigUint64(0, taken, true);
    this.#changed.wake();
    return 8;
  }

  override write(from: Uint8Array): number {
    if (from.length < 8) return -EINVAL;
    const added = new DataView(from.buffer, from.byteOffset).getBigUint64(0, true);
    if (added > MAXIMUM) return -EINVAL;
    if (this.#count + added > MAXIMUM) return -EAGAIN;
    this.#count += added;
    this.#changed.wake();
    return 8;
  }

  /** Count one more, as far as it goes: a request has completed (eventfd_signal). */
  signal(): void {
    if (this.#count < MAXIMUM) this.#count++;
    this.#changed.wake();
  }

  override poll(): number {
    return (this.#count > 0n ? POLLIN | POLLRDNORM : 0) |
      (this.#count < MAXIMUM ? POLLOUT | POLLWRNORM : 0);
  }
  override get pollable(): boolean {
    return true;
  }
  override waitQueues(): readonly WaitQueue[] {
    return [this.#changed];
  }
  override get information(): string {
    return `eventfd-count: ${this.#count.toString(16).padStart(16)}\n`;
  }
}
