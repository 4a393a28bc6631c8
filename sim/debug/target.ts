/**
 * A machine under a debugger: where its threads stop, and how they go on. The kernel asks before a thread
 * runs; breakpoints are the engine's, so memory stays as the program knows it. Slices of a turn add up to the
 * turn, so all counts are those of a run without a debugger.
 */
import { Access, type CpuExit } from "../cpu/cpu.ts";
import type { WatchedRange } from "../cpu/breakpoints.ts";
import type { Engine } from "../cpu/engine.ts";
import { PC } from "../cpu/layout.ts";
import { infoSigno } from "../kernel/abi/siginfo.ts";
import { getUnsigned64 } from "../kernel/abi/struct.ts";
import type { Debugger } from "../kernel/debugger.ts";
import { endProcess } from "../kernel/exit.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Process } from "../kernel/process.ts";
import { SIGKILL } from "../kernel/signal_numbers.ts";
import type { Thread } from "../kernel/thread.ts";
import { AT_ENTRY } from "../../lib/linker/target.ts";
import type { AddressSpace, PlacedObject } from "../memory/address_space.ts";

/** Why the threads stand still. */
export type Reason =
  /** The program is about to run its first instruction. */
  | { readonly kind: "start" }
  | { readonly kind: "breakpoint" }
  | { readonly kind: "watchpoint"; readonly address: number; readonly access: Access }
  | { readonly kind: "step" }
  | { readonly kind: "interrupt" }
  /** A signal, which is not delivered yet; `info` is its siginfo_t. */
  | { readonly kind: "signal"; readonly info: Uint8Array }
  /** The program is another one now, with this path. */
  | { readonly kind: "exec"; readonly path: string }
  /** The modular linker has placed or removed libraries. */
  | { readonly kind: "libraries" }
  /** Nothing can go on: every thread sleeps. */
  | { readonly kind: "deadlock"; readonly why: string }
  /** The only thread that was to run is gone. */
  | { readonly kind: "gone" };

export interface Stop {
  readonly thread: Thread;
  readonly reason: Reason;
}

/** How threads go on. */
export interface Resumption {
  /** One instruction of this thread, and more while its pc is in `[start, end)`. */
  readonly step?: { readonly thread: Thread; readonly start: number; readonly end: number };
  /** Threads that run; without it, all. */
  readonly only?: ReadonlySet<Thread>;
  /** Linux's number of a signal for a thread, which need not be the one that stopped it. */
  readonly signal?: { readonly thread: Thread; readonly signo: number };
}

/** Told when the threads have stopped, and when the program has ended. */
export interface Watcher {
  stopped(stop: Stop): void;
  /** `status` is the wait status. */
  ended(status: number): void;
}

/** Host milliseconds that the machine runs before the debugger's requests are looked for. */
const PATIENCE = 20;

/** A thread at some moment, after so many instructions. */
interface Place {
  readonly thread: Thread;
  readonly retired: number;
  readonly pc: number;
}

/** A step under way, with where it began. */
interface Step extends Place {
  readonly start: number;
  readonly end: number;
}

/** The first process of a machine as its debugger has it. */
export class DebugTarget implements Debugger {
  only: ReadonlySet<Thread> | null = null;
  watcher: Watcher | null = null;
  /** The last stop, while the threads stand still. */
  stop: Stop | null = null;
  /** Linux's numbers of signals that are delivered without a stop. */
  passes: ReadonlySet<number> = new Set();

  #process: Process | null = null;
  readonly #breakpoints = new Set<number>();
  readonly #watched: WatchedRange[] = [];
  /** The space whose breakpoints and watched bytes the engine heeds now; null if none. */
  #armed: AddressSpace | null = null;
  #step: Step | null = null;
  #pending: Stop | null = null;
  /** A thread that goes over the breakpoint at which it stands, while it has retired so much. */
  #passing: Place | null = null;
  /** A stop for an access that has yet to be made. */
  #afterAccess: (Stop & { readonly retired: number }) | null = null;
  /** What the modular linker had placed at the last stop. */
  #objects: readonly PlacedObject[] = [];
  #interrupted = false;
  #polled = performance.now();
  #goOn: (() => void) | null = null;

  constructor(readonly kernel: Kernel, readonly engine: Engine) {
    kernel.debugger = this;
  }

  /** The program; there is one from the first stop on. */
  get process(): Process {
    return this.#process!;
  }
  get space(): AddressSpace {
    return this.process.space.value;
  }

  // ---- what a debugger asks for -------------------------------------------------------------

  setBreakpoint(pc: number): void {
    this.#breakpoints.add(pc);
    this.#disarm();
  }
  removeBreakpoint(pc: number): void {
    this.#breakpoints.delete(pc);
    this.#disarm();
  }
  setWatchpoint(range: WatchedRange): void {
    this.#watched.push(range);
    this.#disarm();
  }
  removeWatchpoint({ start, size, access }: WatchedRange): void {
    const at = this.#watched.findIndex((one) =>
      one.start === start && one.size === size && one.access === access
    );
    if (at >= 0) this.#watched.splice(at, 1);
    this.#disarm();
  }

  /** Stop as soon as may be. */
  interrupt(): void {
    if (this.stop !== null) return;
    this.#interrupted = true;
    this.#goOn?.();
  }

  /** Go on from a stop. */
  resume({ step, only, signal }: Resumption): void {
    const { stop } = this;
    if (stop === null) return;
    this.#passing = this.#placeOf(stop.thread);
    if (signal !== undefined) this.#pass(stop, signal.thread, signal.signo);
    this.only = only ?? null;
    this.#step = step === undefined ? null : { ...step, ...this.#placeOf(step.thread) };
    this.stop = null;
    this.#goOn?.();
  }

  /** Let the machine run on its own from now on. */
  detach(): void {
    this.#disarm();
    this.engine.clearBreaks();
    this.kernel.debugger = null;
    if (this.stop !== null) {
      const { thread, reason } = this.stop;
      if (reason.kind === "signal") thread.passedSignal = reason.info;
    }
    this.#goOn?.();
  }

  /** End every process. */
  kill(): void {
    for (const process of [...this.kernel.processes.values()]) {
      endProcess(this.kernel, process, SIGKILL);
    }
    this.detach();
  }

  #pass({ thread: stopped, reason }: Stop, thread: Thread, signo: number): void {
    if (reason.kind === "signal" && stopped === thread && infoSigno(reason.info) === signo) {
      thread.passedSignal = reason.info;
      return;
    }
    const info = new Uint8Array(128);
    info[0] = signo; // si_code SI_USER, from nobody
    thread.passedSignal = info;
  }

  // ---- what the kernel says -----------------------------------------------------------------

  before(thread: Thread): number | Promise<void> {
    if (this.#process === null) {
      this.#process = thread.process;
      this.#pending = { thread, reason: { kind: "start" } };
    }
    if (thread.process === this.#process && this.#isLinking) return Infinity;
    this.#pending ??= this.#due(thread);
    if (this.#pending !== null) return this.#stopFor(this.#pending);
    const now = performance.now();
    if (now - this.#polled > PATIENCE) return this.#poll();
    return this.#arm(thread);
  }

  /** Whether the modular linker is still at work in the program, of which nothing has run. */
  get #isLinking(): boolean {
    return this.space.objects.length === 0 && this.engine.isHost(entryOf(this.process.auxv));
  }

  /** A stop that is due before `thread` runs. */
  #due(thread: Thread): Stop | null {
    const { engine, process } = this;
    if (thread.process === process && this.space.objects !== this.#objects) {
      this.#objects = this.space.objects;
      return { thread, reason: { kind: "libraries" } };
    }
    if (this.#interrupted) {
      const whose = thread.process === process ? thread : process.leader;
      if (whose !== undefined) return { thread: whose, reason: { kind: "interrupt" } };
    }
    const access = this.#afterAccess;
    if (access?.thread === thread && thread.retired > access.retired) return access;
    const step = this.#step;
    if (step === null || step.thread !== thread) return null;
    const { pc } = engine;
    const moved = thread.retired !== step.retired || pc !== step.pc;
    if (!moved || (pc >= step.start && pc < step.end)) return null;
    return { thread, reason: { kind: "step" } };
  }

  /** Let the engine heed breakpoints, or not; how many instructions `thread` may run. */
  #arm(thread: Thread): number {
    const { engine } = this;
    const space = thread.process.space.value;
    if (space !== this.space) return Infinity;
    if (this.#isPassing(thread)) {
      this.#disarm();
      return 1;
    }
    if (this.#armed !== space) {
      engine.breakAt(space, [...this.#breakpoints]);
      if (this.#watched.length > 0) engine.watchData(space, this.#watched);
      this.#armed = space;
    }
    return this.#step?.thread === thread ? 1 : Infinity;
  }

  /** Whether `thread` is to go over what would stop it where it stands. */
  #isPassing(thread: Thread): boolean {
    const passing = this.#passing;
    const { pc } = this.engine;
    if (passing?.thread !== thread || passing.pc !== pc || passing.retired !== thread.retired) {
      return false;
    }
    return this.#breakpoints.has(pc) || this.#watched.length > 0;
  }

  #placeOf(thread: Thread): Place {
    const { kernel, engine } = this;
    const { retired, state } = thread;
    if (kernel.current === thread) return { thread, retired, pc: engine.pc };
    return { thread, retired, pc: getUnsigned64(new DataView(state.buffer, state.byteOffset), PC) };
  }

  #disarm(): void {
    if (this.#armed === null) return;
    this.engine.breakAt(this.#armed, []);
    this.engine.watchData(this.#armed, []);
    this.#armed = null;
  }

  reached(thread: Thread, exit: CpuExit & { kind: "break" | "watch" }): void {
    this.#disarm();
    if (thread.process !== this.#process) {
      // A child of vfork in its parent's memory is not the debugger's.
      this.#passing = this.#placeOf(thread);
      return;
    }
    const reason: Reason = exit.kind === "break"
      ? { kind: "breakpoint" }
      : { kind: "watchpoint", address: exit.address, access: exit.access };
    if (exit.kind === "watch" && this.engine.arch === "x86_64") {
      // Its processors stop after the access.
      this.#passing = this.#placeOf(thread);
      this.#afterAccess = { thread, retired: thread.retired, reason };
      return;
    }
    this.#pending = { thread, reason };
  }

  intercepts(thread: Thread, info: Uint8Array): boolean {
    if (thread.process !== this.#process || this.passes.has(infoSigno(info))) return false;
    this.#pending = { thread, reason: { kind: "signal", info } };
    return true;
  }

  executed(thread: Thread): void {
    if (thread.process !== this.#process) return;
    this.#breakpoints.clear();
    this.#watched.length = 0;
    this.#disarm();
    this.#pending = { thread, reason: { kind: "exec", path: thread.process.executable } };
  }

  exited(process: Process): void {
    if (process === this.#process) this.watcher?.ended(process.exitStatus!);
  }

  idle(why: string): Promise<void> {
    const { only } = this;
    const alive = only === null || [...only].some(({ status }) => status !== "dead");
    const thread = this.process.leader!;
    if (this.#interrupted) return this.#stopFor({ thread, reason: { kind: "interrupt" } });
    if (!alive) return this.#stopFor({ thread, reason: { kind: "gone" } });
    if (only === null) return this.#stopFor({ thread, reason: { kind: "deadlock", why } });
    return new Promise((resolve) => this.#wait(resolve));
  }

  // ---- standing still -----------------------------------------------------------------------

  #stopFor(stop: Stop): Promise<void> {
    this.#pending = null;
    this.#step = null;
    this.#afterAccess = null;
    this.#interrupted = false;
    this.#objects = this.space.objects;
    this.stop = stop;
    const still = new Promise<void>((resolve) => this.#wait(resolve));
    this.watcher?.stopped(stop);
    return still;
  }

  #wait(resolve: () => void): void {
    this.#goOn = () => {
      this.#goOn = null;
      resolve();
    };
  }

  /** Let the host's input and output be served. */
  #poll(): Promise<void> {
    return new Promise((resolve) =>
      setTimeout(() => {
        this.#polled = performance.now();
        resolve();
      })
    );
  }
}

/** AT_ENTRY of an auxiliary vector; 0 without one. */
function entryOf(auxv: Uint8Array): number {
  const view = new DataView(auxv.buffer, auxv.byteOffset);
  for (let at = 0; at < auxv.length; at += 16) {
    if (view.getUint32(at, true) === AT_ENTRY) return getUnsigned64(view, at + 8);
  }
  return 0;
}
