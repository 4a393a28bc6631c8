/**
 * Futexes: wait queues named by an address. A word in a shared mapping is named by its physical
 * address, any other by its address space and virtual address, as futex(2) does.
 */
import { EAGAIN, EFAULT, EINVAL } from "./errno.ts";
import type { AddressSpace } from "../memory/address_space.ts";
import type { Thread } from "./thread.ts";
import { WaitQueue } from "./wait_queue.ts";

/** One thread's wait on one futex. */
export class FutexWaiter {
  readonly queue: WaitQueue;
  woken = false;

  constructor(readonly thread: Thread, public key: string, readonly bitset: number) {
    this.queue = new WaitQueue(`futex ${key}`);
  }
}

/** All futexes on which somebody waits. */
export class FutexTable {
  readonly #queues: Map<string, FutexWaiter[]> = new Map();

  /** Name of the futex word at `address`, or -errno. */
  key(space: AddressSpace, address: number): string | number {
    if (address % 4 !== 0) return -EINVAL;
    const word = space.readU32(address);
    if (word < 0) return -EFAULT;
    const isPrivate = space.areas.lookup(address)?.isPrivate ?? true;
    if (isPrivate) return `${space.id}:0x${address.toString(16)}`;
    if (space.resolve(address, 0) !== 0) return -EFAULT;
    return `physical:0x${space.resolved.physical.toString(16)}`;
  }

  add(waiter: FutexWaiter): void {
    const queue = this.#queues.get(waiter.key);
    if (queue) queue.push(waiter);
    else this.#queues.set(waiter.key, [waiter]);
  }

  remove(waiter: FutexWaiter): void {
    const queue = this.#queues.get(waiter.key);
    if (!queue) return;
    const at = queue.indexOf(waiter);
    if (at >= 0) queue.splice(at, 1);
    if (queue.length === 0) this.#queues.delete(waiter.key);
  }

  /** Whether anybody waits for the word. */
  waited(key: string): boolean {
    return this.#queues.has(key);
  }

  /** Wake up to `count` waiters of the word at `address`; how many, or -errno. */
  wake(space: AddressSpace, address: number, count: number, bitset = 0xffffffff): number {
    const key = this.key(space, address);
    if (typeof key === "number") return key;
    return this.wakeKey(key, count, bitset);
  }

  wakeKey(key: string, count: number, bitset = 0xffffffff): number {
    let woken = 0;
    for (const waiter of [...(this.#queues.get(key) ?? [])]) {
      if (woken >= count) break;
      if ((waiter.bitset & bitset) === 0) continue;
      this.remove(waiter);
      waiter.woken = true;
      waiter.queue.wake();
      woken++;
    }
    return woken;
  }

  /** Wake `wakeCount` waiters and move up to `moveCount` more to `target`; [woken, moved]. */
  requeue(source: string, target: string, wakeCount: number, moveCount: number): [number, number] {
    const woken = this.wakeKey(source, wakeCount);
    if (source === target) return [woken, 0];
    let moved = 0;
    for (const waiter of [...(this.#queues.get(source) ?? [])]) {
      if (moved >= moveCount) break;
      this.remove(waiter);
      waiter.key = target;
      this.add(waiter);
      moved++;
    }
    return [woken, moved];
  }

  /** Whether the word at `address` is `value`: 0, -EAGAIN or -EFAULT. */
  expect(space: AddressSpace, address: number, value: number): number {
    const word = space.readU32(address);
    if (word < 0) return -EFAULT;
    return word === value >>> 0 ? 0 : -EAGAIN;
  }
}
