/** A debugger as the kernel sees it: asked before threads run, told of what happens to them. */
import type { CpuExit } from "../cpu/cpu.ts";
import type { Process } from "./process.ts";
import type { Thread } from "./thread.ts";

/** Whoever stops threads and looks at them. It changes nothing that a program does unless it is told to. */
export interface Debugger {
  /** The threads that may have turns; null for all. */
  readonly only: ReadonlySet<Thread> | null;
  /**
   * `thread`, which is loaded, is about to run: how many instructions at most, or what the machine stands
   * still for before this is asked again.
   */
  before(thread: Thread): number | Promise<void>;
  /** The loaded thread has come to an address that the debugger waits for. */
  reached(thread: Thread, exit: CpuExit & { kind: "break" | "watch" }): void;
  /**
   * A signal was taken from the queue to be delivered to the loaded thread. If it is intercepted, `before`
   * comes next; the debugger passes it on as `thread.passedSignal`, or not at all.
   */
  intercepts(thread: Thread, info: Uint8Array): boolean;
  /** The loaded thread has entered a new program. */
  executed(thread: Thread): void;
  /** All threads of a process are gone; its `exitStatus` is known. */
  exited(process: Process): void;
  /** Every thread sleeps and nothing can wake one, as `why` says in full: what the machine waits for. */
  idle(why: string): Promise<void>;
}
