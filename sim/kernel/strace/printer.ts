import type { Process } from "../process.ts";
import type { Thread } from "../thread.ts";
import type { ExecRequest } from "../exec.ts";
export interface StracePrinter {
  enter(thread: Thread): void;
  blocked(thread: Thread): void;
  leave(thread: Thread, result: number): void;
  restarted(thread: Thread): void;
  abandoned(thread: Thread): void;
  unknown(thread: Thread, number: number): void;
  signal(thread: Thread, info: Uint8Array): void;
  exited(process: Process, status: number): void;
  cloned(thread: Thread, child: Thread): void;
  execve(thread: Thread, request: ExecRequest): void;
}
