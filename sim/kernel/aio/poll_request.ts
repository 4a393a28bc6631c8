/** IOCB_CMD_POLL: a request that completes once something happens to its file. */
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../fs/constants.ts";
import type { EventFile } from "../fs/eventfd.ts";
import type { OpenFile } from "../fs/open_file.ts";
import type { Waiter, WaitQueue } from "../wait_queue.ts";
import type { AioContext, Completion } from "./context.ts";

/** Tell the program of a completed request: in the ring, and by its eventfd if it has one. */
export function complete(
  context: AioContext,
  completion: Completion,
  notified: EventFile | null,
): void {
  context.complete(completion);
  notified?.signal();
}

export class PollRequest implements Waiter {
  readonly #queues: readonly WaitQueue[];

  /** Begins to wait; `result` of `completion` does not matter. */
  constructor(
    readonly context: AioContext,
    readonly file: OpenFile,
    readonly events: number,
    readonly completion: Completion,
    readonly notified: EventFile | null,
  ) {
    file.retain();
    notified?.retain();
    context.waiting.set(completion.iocb, this);
    this.#queues = file.waitQueues(events);
    for (const queue of this.#queues) queue.add(this);
  }

  woken(): void {
    const now = this.file.poll();
    if ((now & (this.events | POLLERR | POLLHUP)) === 0) return;
    // What has woken a request is told whole (aio_poll_wake), not just what was asked for.
    let told = this.events | POLLERR | POLLHUP;
    if ((told & POLLIN) !== 0) told |= POLLRDNORM;
    if ((told & POLLOUT) !== 0) told |= POLLWRNORM;
    this.finish(now & told);
  }

  /** Complete with the events that were found: 0 when it was cancelled. */
  finish(result: number): void {
    const { context, completion, notified } = this;
    context.waiting.delete(completion.iocb);
    complete(context, { ...completion, result }, notified);
    this.#release();
  }

  /** The context has ended. */
  drop(): void {
    this.context.waiting.delete(this.completion.iocb);
    this.#release();
  }

  #release(): void {
    for (const queue of this.#queues) queue.remove(this);
    this.file.release();
    this.notified?.release();
  }
}
