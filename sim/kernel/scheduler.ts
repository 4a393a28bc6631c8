/** The run queue: runnable threads in order; those of stopped processes are parked aside. */
import type { Process } from "./process.ts";
import type { Thread } from "./thread.ts";

export class Scheduler {
  #queue: Thread[] = [];
  #head = 0;
  readonly #parked: Set<Thread> = new Set();

  /** Put a runnable thread at the end of the queue. */
  ready(thread: Thread): void {
    this.#queue.push(thread);
  }

  /** The next thread to run, of `only` if given; null when all sleep. */
  next(only: ReadonlySet<Thread> | null = null): Thread | null {
    if (only !== null) return this.#nextOf(only);
    while (this.#head < this.#queue.length) {
      const thread = this.#queue[this.#head++];
      if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
        this.#queue = this.#queue.slice(this.#head);
        this.#head = 0;
      }
      if (thread.status !== "runnable") continue;
      if (thread.process.stopped) {
        this.#parked.add(thread);
        continue;
      }
      return thread;
    }
    this.#queue = [];
    this.#head = 0;
    return null;
  }

  #nextOf(only: ReadonlySet<Thread>): Thread | null {
    const mayRun = (thread: Thread): boolean =>
      only.has(thread) && thread.status === "runnable" && !thread.process.stopped;
    const at = this.#queue.findIndex((thread, i) => i >= this.#head && mayRun(thread));
    return at < 0 ? null : this.#queue.splice(at, 1)[0];
  }

  /** Whether another thread waits for the CPU. */
  get waiting(): boolean {
    return this.#head < this.#queue.length;
  }

  /** A stopped process continues. */
  unpark(process: Process): void {
    for (const thread of process.threads) {
      if (this.#parked.delete(thread)) this.ready(thread);
    }
  }
}
