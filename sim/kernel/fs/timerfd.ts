/** timerfd_create(2): expirations of a timer in modelled time, read as a count. */
import type { Clock } from "../clock.ts";
import { EAGAIN, EINVAL } from "../errno.ts";
import type { Timer, TimerQueue } from "../timers.ts";
import { WaitQueue } from "../wait_queue.ts";
import { POLLIN, POLLRDNORM } from "./constants.ts";
import type { Location } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import { OpenFile } from "./open_file.ts";

/** Time to the next expiration and between expirations, in nanoseconds; 0 is never. */
export interface TimerSetting {
  readonly value: number;
  readonly interval: number;
}

export class TimerFile extends OpenFile {
  readonly #expired: WaitQueue = new WaitQueue("timerfd");
  #timer: Timer | null = null;
  #interval = 0;
  /** Monotonic nanoseconds of the next expiration, 0 when disarmed. */
  #next = 0;
  #expirations = 0;

  constructor(
    inode: Inode,
    location: Location,
    flags: number,
    readonly clock: Clock,
    readonly timers: TimerQueue,
    /** Whether its clock is the date (CLOCK_REALTIME). */
    readonly isRealTime: boolean,
  ) {
    super(inode, location, flags);
  }

  /** Arm, or disarm with value 0. `deadline` is absolute, monotonic. */
  arm(deadline: number, interval: number): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#expirations = 0;
    this.#interval = interval;
    this.#next = deadline;
    if (deadline > 0) this.#schedule();
  }

  #schedule(): void {
    this.#timer = this.timers.at(this.#next, () => {
      const { now } = this.clock;
      if (this.#interval > 0) {
        const late = Math.floor((now - this.#next) / this.#interval);
        this.#expirations += 1 + late;
        this.#next += (1 + late) * this.#interval;
        this.#schedule();
      } else {
        this.#expirations++;
        this.#next = 0;
        this.#timer = null;
      }
      this.#expired.wake();
    });
  }

  /** What remains until the next expiration. */
  get setting(): TimerSetting {
    const value = this.#next === 0 ? 0 : Math.max(1, this.#next - this.clock.now);
    return { value, interval: this.#interval };
  }

  protected override closed(): void {
    this.#timer?.cancel();
  }

  override read(into: Uint8Array): number {
    if (into.length < 8) return -EINVAL;
    if (this.#expirations === 0) return -EAGAIN;
    const view = new DataView(into.buffer, into.byteOffset);
    view.setBigUint64(0, BigInt(this.#expirations), true);
    this.#expirations = 0;
    return 8;
  }

  override poll(): number {
    return this.#expirations > 0 ? POLLIN | POLLRDNORM : 0;
  }
  override get pollable(): boolean {
    return true;
  }
  override waitQueues(): readonly WaitQueue[] {
    return [this.#expired];
  }
}
