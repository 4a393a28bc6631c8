/** Threads: what the scheduler runs. */
import { THREAD_SIZE } from "../cpu/layout.ts";
import { SS_DISABLE } from "./signal_numbers.ts";
import { PendingSignals, SigSet } from "./signal_state.ts";
import type { SemaphoreUndo } from "./ipc/semaphore_undo.ts";
import { DEFAULT_MEMORY_POLICY, type MemoryPolicy } from "./memory_policy.ts";
import type { Process, Shared } from "./process.ts";
import { DEFAULT_POLICY, type SchedulingPolicy } from "./scheduling.ts";
import { type Seccomp, SECCOMP_OFF } from "./seccomp.ts";
import type { Timer } from "./timers.ts";
import type { Waiter, WaitQueue } from "./wait_queue.ts";
import type { ThreadCall } from "./call.ts";

/** What a thread can be doing. A stopped process's threads keep their status and do not run. */
export type ThreadStatus = "runnable" | "blocked" | "dead";

/** Alternate signal stack. */
export interface SignalStack {
  readonly sp: number;
  readonly flags: number;
  readonly size: number;
}

/** One schedulable thread. */
export class Thread implements Waiter {
  /** Registers while another thread is on the CPU (`layout.ts`). */
  readonly state: Uint8Array = new Uint8Array(THREAD_SIZE);
  status: ThreadStatus = "runnable";
  /** Thread name, at most 15 bytes (`PR_SET_NAME`). */
  name: string;

  /** -20 to 19 (nice(2)); remembered only. */
  nice = 0;
  /** Remembered only, too. */
  scheduling: SchedulingPolicy = DEFAULT_POLICY;
  memoryPolicy: MemoryPolicy = DEFAULT_MEMORY_POLICY;

  /** Blocked signals. */
  mask: SigSet = new SigSet();
  /** The mask to return to when a call has replaced it for its own duration (sigsuspend, ppoll). */
  savedMask: SigSet | null = null;
  readonly pending: PendingSignals = new PendingSignals();
  /** A signal that a debugger has seen and passes on: it is delivered before any other. */
  passedSignal: Uint8Array | null = null;
  signalStack: SignalStack = { sp: 0, flags: SS_DISABLE, size: 0 };
  /** The last fault, as signal frames report it. */
  fault: { address: bigint; trapno: number; error: number } | undefined;
  /** x86_64: the instruction at pc faulted, so RFLAGS of the signal frame that comes next have RF. */
  resumes = false;
  /** What the CPU said of it: the instruction that was refused. */
  faultDetail: string | undefined;

  /** CLONE_CHILD_CLEARTID / set_tid_address: zeroed and woken at exit. */
  clearChildTid = 0;
  /** set_robust_list: head of the list, 0 for none. */
  robustList = 0;
  /** rseq area, 0 when not registered. */
  rseq: { readonly address: number; readonly size: number; readonly signature: number } | null =
    null;
  /** What semaphores get back at its end; threads of CLONE_SYSVSEM share it. */
  semaphoreUndo: Shared<SemaphoreUndo> | null = null;
  /** Which system calls it may make. */
  seccomp: Seccomp = SECCOMP_OFF;
  /** PR_SET_NO_NEW_PRIVS. */
  noNewPrivileges = false;
  /** Instructions retired. */
  retired = 0;

  /** The system call under way, or blocked. */
  readonly call: ThreadCall;
  /** Queues on which the thread sleeps. */
  waitingOn: readonly WaitQueue[] = [];
  timeout: Timer | null = null;
  /** Set by the scheduler: puts the thread on the run queue. */
  onReady: (thread: Thread) => void = () => {};

  constructor(
    /** Changes once: when a thread other than the leader has called execve. */
    public tid: number,
    readonly process: Process,
    makeCall: (thread: Thread) => ThreadCall,
  ) {
    this.name = process.name;
    this.call = makeCall(this);
  }

  /** Whether a signal that is not blocked is pending. */
  get signalled(): boolean {
    return this.pending.deliverable(this.mask) || this.process.pending.deliverable(this.mask);
  }

  /** Replace the mask until the call returns or a handler has run (sigsuspend, ppoll, …). */
  maskForCall(mask: SigSet): void {
    this.savedMask ??= this.mask;
    mask = mask.copy();
    mask.low &= ~((1 << 8) | (1 << 18));
    this.mask = mask;
  }

  /** A queue was woken: stop sleeping, run the call again. */
  woken(queue: WaitQueue): void {
    this.call.wokenBy = queue;
    this.wakeUp();
  }

  /** Leave all queues and become runnable. */
  wakeUp(): void {
    this.stopWaiting();
    if (this.status !== "blocked") return;
    this.status = "runnable";
    this.onReady(this);
  }

  stopWaiting(): void {
    for (const queue of this.waitingOn) queue.remove(this);
    this.waitingOn = [];
    this.timeout?.cancel();
    this.timeout = null;
  }
}
