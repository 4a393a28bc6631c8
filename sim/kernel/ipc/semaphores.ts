/** Sets of System V semaphores (ipc/sem.c). */
import { EAGAIN, EIDRM, ERANGE } from "../errno.ts";
import { WaitQueue } from "../wait_queue.ts";
import { type Creation, IpcObject } from "./objects.ts";
import type { Adjustments } from "./semaphore_undo.ts";

/** Limits (include/uapi/linux/sem.h): sets, semaphores of a set and of all, operations of a call. */
export const SEMMNI = 32000;
export const SEMMSL = 32000;
export const SEMMNS = SEMMNI * SEMMSL;
export const SEMOPM = 500;
/** Largest value, and largest adjustment at exit. */
export const SEMVMX = 32767;

export const IPC_NOWAIT = 0o4000;
export const SEM_UNDO = 0x1000;

/** struct sembuf */
export interface SemaphoreOperation {
  readonly semaphore: number;
  readonly change: number;
  readonly flags: number;
}

/** Operations that are to happen at once or not at all. */
export interface SemaphoreRequest {
  readonly operations: readonly SemaphoreOperation[];
  /** The caller's adjustments of this set, if any operation has SEM_UNDO. */
  readonly adjustments: Adjustments | null;
  readonly pid: number;
}

/** A thread that sleeps until its request can be met. */
export class SemaphoreWaiter {
  readonly queue: WaitQueue = new WaitQueue("semaphore");
  /** 0 or -errno once the request has been dealt with. */
  result: number | null = null;

  constructor(
    readonly request: SemaphoreRequest,
    /** The operation that cannot happen yet. */
    public blocking: SemaphoreOperation,
    /** Monotonic nanoseconds. */
    readonly deadline: number,
  ) {}

  finish(result: number): void {
    this.result = result;
    this.queue.wake();
  }
}

const alters = ({ operations }: SemaphoreRequest): boolean =>
  operations.some(({ change }) => change !== 0);

export class SemaphoreSet extends IpcObject {
  /** Seconds since 1970 of the last semop that succeeded. */
  operationTime = 0;
  readonly values: Uint16Array;
  /** Process that last changed each semaphore or waited for it. */
  readonly pids: Int32Array;
  /** What its users want back at their ends. */
  readonly adjustments: Set<Adjustments> = new Set();
  #waiters: SemaphoreWaiter[] = [];

  constructor(creation: Creation, count: number, readonly now: () => number) {
    super(creation);
    this.values = new Uint16Array(count);
    this.pids = new Int32Array(count);
  }

  get count(): number {
    return this.values.length;
  }

  /** Do all operations of a request, or none: 0, -errno, or the operation that must wait. */
  operate(request: SemaphoreRequest): number | SemaphoreOperation {
    const result = this.#perform(request);
    if (result !== 0) return result;
    this.operationTime = this.now();
    if (alters(request)) this.changed();
    return 0;
  }

  #perform({ operations, adjustments, pid }: SemaphoreRequest): number | SemaphoreOperation {
    for (let i = 0; i < operations.length; i++) {
      const result = this.#step(operations[i], adjustments);
      if (result === 0) continue;
      while (--i >= 0) this.#revert(operations[i], adjustments);
      return result;
    }
    for (const { semaphore } of operations) this.pids[semaphore] = pid;
    return 0;
  }

  #step(
    operation: SemaphoreOperation,
    adjustments: Adjustments | null,
  ): number | SemaphoreOperation {
    const { semaphore, change, flags } = operation;
    const value = this.values[semaphore] + change;
    if (change === 0 ? value !== 0 : value < 0) {
      return (flags & IPC_NOWAIT) !== 0 ? -EAGAIN : operation;
    }
    if (value > SEMVMX) return -ERANGE;
    if ((flags & SEM_UNDO) !== 0) {
      const adjustment = adjustments![semaphore] - change;
      if (adjustment < -SEMVMX - 1 || adjustment > SEMVMX) return -ERANGE;
      adjustments![semaphore] = adjustment;
    }
    this.values[semaphore] = value;
    return 0;
  }

  #revert(
    { semaphore, change, flags }: SemaphoreOperation,
    adjustments: Adjustments | null,
  ): void {
    this.values[semaphore] -= change;
    if ((flags & SEM_UNDO) !== 0) adjustments![semaphore] += change;
  }

  /** Values have changed: deal with the requests that wait, those for zero first. */
  changed(): void {
    while (this.#settleOne((request) => !alters(request)) || this.#settleOne(alters));
  }

  /** Settle the first waiting request of a kind that need not wait any more; whether there was one. */
  #settleOne(kind: (request: SemaphoreRequest) => boolean): boolean {
    for (const waiter of this.#waiters) {
      if (!kind(waiter.request)) continue;
      const result = this.#perform(waiter.request);
      if (typeof result === "number") {
        if (result === 0) this.operationTime = this.now();
        this.forget(waiter);
        waiter.finish(result);
        return true;
      }
      waiter.blocking = result;
    }
    return false;
  }

  wait(waiter: SemaphoreWaiter): void {
    this.#waiters.push(waiter);
  }
  forget(waiter: SemaphoreWaiter): void {
    this.#waiters = this.#waiters.filter((other) => other !== waiter);
  }
  /** How many wait for semaphore `semaphore` to become zero, or to grow. */
  waiting(semaphore: number, forZero: boolean): number {
    return this.#waiters.filter(({ blocking }) =>
      blocking.semaphore === semaphore && (blocking.change === 0) === forZero
    ).length;
  }

  /** SETVAL and SETALL: the value, from now on without anybody's adjustment. */
  set(semaphore: number, value: number, pid: number): void {
    this.values[semaphore] = value;
    this.pids[semaphore] = pid;
    for (const adjustments of this.adjustments) adjustments[semaphore] = 0;
  }

  /** A user has ended: what it had taken comes back, and what it had added goes. */
  giveBack(adjustments: Adjustments, pid: number): void {
    this.adjustments.delete(adjustments);
    adjustments.forEach((adjustment, semaphore) => {
      if (adjustment === 0) return;
      const value = this.values[semaphore] + adjustment;
      this.values[semaphore] = Math.max(0, Math.min(SEMVMX, value));
      this.pids[semaphore] = pid;
    });
    this.operationTime = this.now();
    this.changed();
  }

  /** IPC_RMID: nobody waits any more. */
  removed(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.finish(-EIDRM);
  }
}
