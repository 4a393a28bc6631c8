/** SEM_UNDO: what semaphores get back when a process ends (struct sem_undo_list of ipc/sem.c). */
import type { SemaphoreSet } from "./semaphores.ts";

/** By semaphore of one set: what is to be added to its value. */
export type Adjustments = Int32Array;

/** The adjustments of one process, or of those that share them by CLONE_SYSVSEM. */
export class SemaphoreUndo {
  readonly #sets: Map<SemaphoreSet, Adjustments> = new Map();

  /** The adjustments of a set, zeros at first. */
  of(set: SemaphoreSet): Adjustments {
    let adjustments = this.#sets.get(set);
    if (adjustments === undefined) {
      this.#sets.set(set, adjustments = new Int32Array(set.count));
      set.adjustments.add(adjustments);
    }
    return adjustments;
  }

  /** The last user ends. Sets that have been removed know nothing of it. */
  apply(pid: number): void {
    for (const [set, adjustments] of this.#sets) set.giveBack(adjustments, pid);
    this.#sets.clear();
  }
}
