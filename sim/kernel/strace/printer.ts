/** What the kernel tells a printer of system calls; `text.ts` prints as strace does. */
import type { ExecRequest } from "../exec.ts";
import type { BlockOptions } from "../syscall.ts";
import type { Process } from "../process.ts";
import type { Thread } from "../thread.ts";

export interface StracePrinter {
  /** A call begins; its arguments are in `thread.call`. */
  enter(thread: Thread): void;
  /** The call sleeps. */
  blocked(thread: Thread): void;
  /** The call is over with `result`: a value, -errno or NO_RESULT. */
  leave(thread: Thread, result: number): void;
  /** A signal handler interrupts the call, which had blocked with `options`. */
  interrupted(thread: Thread, options: BlockOptions): void;
  /** The thread dies in the call. */
  abandoned(thread: Thread): void;
  /** A call of unknown number. */
  unknown(thread: Thread, number: number): void;
  /** A signal is about to be delivered; `info` is its siginfo_t. */
  signal(thread: Thread, info: Uint8Array): void;
  /** A process has ended with wait status `status`; `threadsLeft` are alive in others. */
  exited(process: Process, status: number, threadsLeft: number): void;
  /** `thread` has made `child`. */
  cloned(thread: Thread, child: Thread): void;
  /** The first program starts. */
  execve(thread: Thread, request: ExecRequest): void;
}
