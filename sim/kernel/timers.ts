/** Deadlines in modelled time, in order: a binary heap of callbacks. */

/** One deadline; `cancel` it when it is no longer wanted. */
export class Timer {
  cancelled = false;
  constructor(
    /** Monotonic nanoseconds. */
    readonly time: number,
    readonly sequence: number,
    readonly fire: () => void,
  ) {}

  cancel(): void {
    this.cancelled = true;
  }
}

const before = (a: Timer, b: Timer): boolean =>
  a.time < b.time || (a.time === b.time && a.sequence < b.sequence);

/** All deadlines of a machine. Equal times fire in the order in which they were set. */
export class TimerQueue {
  readonly #heap: Timer[] = [];
  #sequence = 0;

  /** Call `fire` once monotonic time has reached `time` (nanoseconds). */
  at(time: number, fire: () => void): Timer {
    const timer = new Timer(time, this.#sequence++, fire);
    const heap = this.#heap;
    let i = heap.push(timer) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(heap[i], heap[parent])) break;
      [heap[i], heap[parent]] = [heap[parent], heap[i]];
      i = parent;
    }
    return timer;
  }

  /** Time of the earliest deadline, Infinity when there is none. */
  get next(): number {
    const heap = this.#heap;
    while (heap.length > 0 && heap[0].cancelled) this.#pop();
    return heap.length > 0 ? heap[0].time : Infinity;
  }

  /** Fire everything due at `now`. */
  expire(now: number): void {
    while (this.next <= now) this.#pop().fire();
  }

  #pop(): Timer {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    heap[0] = last;
    let i = 0;
    for (;;) {
      let least = i;
      const left = 2 * i + 1;
      if (left < heap.length && before(heap[left], heap[least])) least = left;
      if (left + 1 < heap.length && before(heap[left + 1], heap[least])) least = left + 1;
      if (least === i) return first;
      [heap[i], heap[least]] = [heap[least], heap[i]];
      i = least;
    }
  }
}
