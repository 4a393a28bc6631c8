/** The `Call` of a thread: one object a thread, reused by all its system calls. */
import type { Arch } from "../arch.ts";
import type { Kernel } from "./kernel.ts";
import type { Process } from "./process.ts";
import type { AddressSpace } from "../memory/address_space.ts";
import type { Descriptors, FsContext } from "./seam.ts";
import { BLOCKED, type BlockOptions, type Call, type SyscallRow } from "./syscall.ts";
import type { Thread } from "./thread.ts";
import { WaitQueue } from "./wait_queue.ts";

const NO_OPTIONS: BlockOptions = {};

export class ThreadCall implements Call {
  row!: SyscallRow;
  /** Number in the syscall register. */
  number = -1;
  readonly args: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 0];
  resumed = false;
  timedOut = false;
  state: unknown = undefined;
  /** The queue that woke the thread, until it blocks again. */
  wokenBy: WaitQueue | null = null;
  /** How the call is blocked, while it is; null when the thread is not in a call. */
  blocked: BlockOptions | null = null;
  /** When the call slept first; null when it has not. */
  #sleptAt: number | null = null;

  constructor(readonly kernel: Kernel, readonly thread: Thread) {}

  get arch(): Arch {
    return this.kernel.abi.arch;
  }
  get process(): Process {
    return this.thread.process;
  }
  get space(): AddressSpace {
    return this.thread.process.space.value;
  }
  get descriptors(): Descriptors {
    return this.thread.process.descriptors.value;
  }
  get fs(): FsContext {
    return this.thread.process.fs.value;
  }

  /** A new call begins. */
  begin(row: SyscallRow, number: number): void {
    this.row = row;
    this.number = number;
    this.resumed = false;
    this.timedOut = false;
    this.state = undefined;
    this.wokenBy = null;
    this.blocked = null;
    this.#sleptAt = null;
  }

  block(queues: WaitQueue | readonly WaitQueue[], options: BlockOptions = NO_OPTIONS): number {
    const { thread, kernel } = this;
    const list = queues instanceof WaitQueue ? [queues] : queues;
    thread.stopWaiting();
    thread.waitingOn = list;
    for (const queue of list) queue.add(thread);
    this.blocked = options;
    this.timedOut = false;
    this.wokenBy = null;
    const slept = this.#sleptAt ??= kernel.clock.now;
    const deadline = options.deadline ?? slept + (options.timeout ?? Infinity);
    if (deadline < Infinity) {
      thread.timeout = kernel.timers.at(deadline, () => {
        this.timedOut = true;
        thread.wakeUp();
      });
    }
    thread.status = "blocked";
    return BLOCKED;
  }
}
