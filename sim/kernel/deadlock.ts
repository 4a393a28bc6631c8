/** The message when nothing can go on. */
import type { Thread } from "./thread.ts";

/** Which threads there are, and what each sleeps for. */
export function describeDeadlock(threads: Iterable<Thread>): string {
  const lines = ["deadlock: every thread sleeps and nothing can wake one"];
  for (const thread of threads) {
    const { call, process } = thread;
    const queues = thread.waitingOn.map((queue) => queue.name).join(", ") || "nothing";
    lines.push(
      `  ${process.name} (pid ${process.pid}, tid ${thread.tid})` +
        (process.stopped ? " is stopped" : ` in ${call.row.name}, waiting for ${queues}`),
    );
  }
  return lines.join("\n");
}
