/**
 * Wait queues: what a blocked thread sleeps on. Whoever changes the awaited condition calls
 * `wake`; the scheduler then runs the blocked syscall's handler again, which either finds its
 * condition true or blocks anew. Spurious wake-ups are therefore harmless.
 */

/** A sleeper: told when one of its queues is woken. `sim/kernel/thread.ts` implements it. */
export interface Waiter {
  /** Called once by each `wake` that reaches this waiter; it must not throw. */
  woken(queue: WaitQueue): void;
}

/** Threads (and epoll instances) waiting for one condition, in order of arrival. */
export class WaitQueue {
  /** `name` appears in deadlock reports: `futex 0x7f00…`, `pipe read`, `child exit`. */
  constructor(readonly name: string) {}

  readonly #waiters: Set<Waiter> = new Set();

  /** Whether anybody waits. */
  get empty(): boolean {
    return this.#waiters.size === 0;
  }

  /** Number of waiters. */
  get size(): number {
    return this.#waiters.size;
  }

  add(waiter: Waiter): void {
    this.#waiters.add(waiter);
  }

  remove(waiter: Waiter): void {
    this.#waiters.delete(waiter);
  }

  /**
   * Wake the first `count` waiters in order of arrival; returns how many were woken. A woken
   * thread leaves all its queues; another waiter (epoll) stays until it is removed.
   */
  wake(count: number = Infinity): number {
    if (this.#waiters.size === 0) return 0;
    let woken = 0;
    for (const waiter of [...this.#waiters]) {
      if (woken >= count) break;
      waiter.woken(this);
      woken++;
    }
    return woken;
  }
}
