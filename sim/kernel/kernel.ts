/**
 * The kernel of one simulated machine: processes and threads on a modelled CPU, system calls,
 * signals, modelled time. Everything is deterministic: threads take turns by instruction quanta,
 * and time is a function of retired instructions.
 */
import type { Cpu, CpuExit } from "../cpu/cpu.ts";
import type { CoreDump } from "../debug/core_dump.ts";
import { CLOCK, CLOCK_RATE, RANDOM } from "../cpu/layout.ts";
import { AddressSpace } from "../memory/address_space.ts";
import { addressLayout } from "../memory/address_layout.ts";
import { Domain, type Memory } from "../memory/memory.ts";
import { aarch64 } from "./abi/aarch64.ts";
import type { Abi } from "./abi/abi.ts";
import { faultInfo, SEGV_PKUERR } from "./abi/siginfo.ts";
import { SIGPIPE, SIGSEGV } from "./signal_numbers.ts";
import { setNumber64 } from "./abi/struct.ts";
import { x86_64 } from "./abi/x86_64.ts";
import { AioLimit } from "./aio/context.ts";
import { ThreadCall } from "./call.ts";
import { Clock } from "./clock.ts";
import type { Debugger } from "./debugger.ts";
import { SyscallHooks } from "./dispatch.ts";
import { guestLoader } from "./elf_loader.ts";
import {
  AT_FDCWD,
  checkArguments,
  enterProgram,
  type ExecLoader,
  type ExecRequest,
  findProgram,
} from "./exec.ts";
import { describeDeadlock } from "./deadlock.ts";
import { endProcess } from "./exit.ts";
import { FatalSignal } from "./fatal_signal.ts";
import { FutexTable } from "./futex.ts";
import { SystemVIpc } from "./ipc/mod.ts";
import { acquireTerminal } from "./job_control.ts";
import { type KernelCounters, noCounts } from "./kernel_counters.ts";
import { KernelError } from "./kernel_error.ts";
import {
  type CpuIdentity,
  DEFAULT_QUANTUM,
  type KernelOptions,
  type Outcome,
  type SpawnOptions,
} from "./kernel_options.ts";
import { beginCall, resumeCall } from "./syscall_entry.ts";
import { whyNotLoaded } from "./load_failure.ts";
import {
  type Credentials,
  credentials,
  defaultLimits,
  type Limit,
  limitSpace,
  Process,
  RLIMIT_STACK,
  Shared,
  type Usage,
} from "./process.ts";
import { Random } from "./random.ts";
import { abortRestartable } from "./rseq.ts";
import { Scheduler } from "./scheduler.ts";
import type { Vfs } from "./seam.ts";

import { deliverSignals, forceSignal } from "./signals.ts";
import type { StracePrinter } from "./strace/printer.ts";
import { SyscallTable } from "./syscall.ts";
import { symbolizeAddress } from "./symbolize.ts";
import { Thread } from "./thread.ts";
import { TimerQueue } from "./timers.ts";

/** Page fault error code: a protection key forbade the access. */
const PF_PK = 32;
/** Process id of the first program. */
const FIRST_PID = 100;

export class Kernel {
  readonly memory: Memory;
  readonly cpu: Cpu;
  readonly vfs: Vfs;
  readonly abi: Abi;
  readonly table: SyscallTable;
  readonly clock: Clock;
  readonly timers: TimerQueue = new TimerQueue();
  readonly scheduler: Scheduler = new Scheduler();
  readonly futexes: FutexTable = new FutexTable();
  readonly aio: AioLimit = new AioLimit();
  readonly ipc: SystemVIpc = new SystemVIpc();
  readonly random: Random;
  /** Hooks of user scripts. */
  readonly syscalls: SyscallHooks;
  readonly processes: Map<number, Process> = new Map();
  readonly threads: Map<number, Thread> = new Map();
  readonly loader: ExecLoader;
  readonly strace: StracePrinter | undefined;
  readonly hwcap: number;
  readonly hwcap2: number;
  readonly isaLevels: readonly string[];
  readonly identity: CpuIdentity | undefined;
  readonly midr: number;
  readonly platform: string;
  readonly hostname: string;
  readonly release: string;
  /** Modelled CPUs that the guest is shown. */
  readonly cpus = 1;
  /** The CPU's state memory: registers of the loaded thread, clock, seeds. */
  readonly state: DataView;
  readonly counters: KernelCounters = noCounts();
  /** Instructions retired by all threads. */
  instructions = 0;
  /** The thread whose registers are in the CPU. */
  current: Thread | null = null;
  /** Told of the loaded thread when one of its calls is over and it goes on. */
  onCallEnd: ((thread: Thread) => void) | undefined;
  /** Enters the host at an address that `provide` gave out; the thread is loaded. */
  onHost: (thread: Thread, id: number) => void | Promise<void> = (_thread, id) => {
    throw new KernelError(`guest entered host function ${id}, and nobody handles it`);
  };
  readonly report: (message: string) => void;
  /** Takes every core that is dumped, whether the guest asks for it or not. */
  onCore: ((dump: CoreDump) => void) | null = null;
  /** Whoever stops threads to look at them. */
  debugger: Debugger | null = null;

  readonly #options: KernelOptions;
  readonly #quantum: number;
  readonly #maxInstructions: number;
  #nextId = FIRST_PID;
  #main: Process | null = null;
  #outcome: Outcome | null = null;
  /** Work of the host that the machine stands still for. */
  #hostWork: Promise<unknown> | null = null;
  /** The turn that a debugger has stopped, and how many instructions are left of it. */
  #held: { readonly thread: Thread; readonly left: number } | null = null;

  constructor(options: KernelOptions) {
    this.#options = options;
    this.memory = options.memory;
    this.cpu = options.cpu;
    this.vfs = options.vfs;
    this.abi = options.cpu.arch === "x86_64" ? x86_64 : aarch64;
    this.table = new SyscallTable(this.abi.arch, options.rows);
    this.clock = options.clock ?? new Clock();
    this.random = new Random(options.seed ?? 1);
    this.loader = options.loader ?? guestLoader;
    this.strace = options.strace;
    this.syscalls = options.syscalls ?? new SyscallHooks();
    this.hwcap = options.hwcap ?? 0;
    this.hwcap2 = options.hwcap2 ?? 0;
    this.isaLevels = options.isaLevels ?? [];
    this.identity = options.identity;
    this.midr = options.midr ?? 0;
    this.platform = options.platform ?? this.abi.platform;
    this.hostname = options.hostname ?? "isthmus";
    this.release = options.release ?? "6.1.0-isthmus";
    this.#quantum = options.quantum ?? DEFAULT_QUANTUM;
    this.#maxInstructions = options.maxInstructions ?? Infinity;
    this.report = options.report ?? ((message) => console.error(message));
    const { buffer, byteOffset } = this.cpu.stateBytes;
    this.state = new DataView(buffer, byteOffset);
    this.state.setFloat64(CLOCK_RATE, this.clock.nanosecondsPerInstruction, true);
    this.state.setUint32(RANDOM, options.seed ?? 1, true);
    this.memory.observer = this.cpu;
  }

  /** Modelled nanoseconds that so many instructions take. */
  nanoseconds(instructions: number): number {
    return instructions * this.clock.nanosecondsPerInstruction;
  }

  /** A fresh thread or process id. */
  newId(): number {
    return this.#nextId++;
  }

  /** A fresh, empty address space. */
  newSpace(limits: readonly Limit[] = defaultLimits()): AddressSpace {
    const seed = this.#options.layoutSeed ?? null;
    const { granule } = this.memory;
    const layout = addressLayout(this.abi.arch, seed, limits[RLIMIT_STACK].soft, granule);
    const given = this.#options.layout;
    const space = new AddressSpace(this.memory, { layout: { ...layout, ...given } });
    limitSpace(space, limits);
    return space;
  }

  newThread(tid: number, process: Process): Thread {
    const thread = new Thread(tid, process, (self) => new ThreadCall(this, self));
    thread.onReady = (ready) => this.scheduler.ready(ready);
    process.threads.add(thread);
    this.threads.set(tid, thread);
    this.counters.threads++;
    return thread;
  }

  newProcess(
    parent: Process | null,
    space: Shared<AddressSpace>,
    descriptors: Process["descriptors"],
    fs: Process["fs"],
    ids: Credentials,
  ): Process {
    const process = new Process(this.newId(), parent, space, descriptors, fs, ids);
    process.startTime = this.clock.now;
    this.processes.set(process.pid, process);
    parent?.children.add(process);
    this.counters.processes++;
    return process;
  }

  /**
   * Load a program as the machine's first process. Throws a `KernelError` with the errno's name if
   * it cannot be found or loaded.
   */
  async spawn(options: SpawnOptions): Promise<Process> {
    const fs = this.vfs.context(options.cwd ?? "/");
    if (typeof fs === "number") {
      throw new KernelError(`cannot enter ${options.cwd}`, -fs);
    }
    const space = new Shared(this.newSpace());
    const process = this.newProcess(
      null,
      space,
      new Shared(this.vfs.standardDescriptors()),
      new Shared(fs),
      credentials(options.uid ?? 1000, options.gid ?? options.uid ?? 1000),
    );
    const { terminal } = this.vfs;
    if (terminal) acquireTerminal(this, process, terminal, false);
    const path = options.path ?? options.argv[0];
    const request: ExecRequest = {
      directory: AT_FDCWD,
      path,
      flags: 0,
      argv: options.argv,
      env: options.env ?? [],
    };
    const failed = (errno: number): KernelError => new KernelError(`cannot run ${path}`, -errno);
    const tooBig = checkArguments(process, request);
    if (tooBig < 0) throw failed(tooBig);
    const program = findProgram(this, process, request);
    if (typeof program === "number") throw failed(program);
    const fresh = this.newSpace(process.limits);
    const image = await this.loader.load(this, process, fresh, program);
    if (typeof image === "number") {
      const why = whyNotLoaded(program.file, -image);
      throw why === undefined ? failed(image) : new KernelError(`cannot run ${why}`);
    }
    const thread = this.newThread(process.pid, process);
    this.switchTo(thread);
    const entered = enterProgram(this, thread, fresh, program, image);
    if (entered < 0) throw failed(entered);
    this.scheduler.ready(thread);
    this.#main ??= process;
    this.strace?.execve(thread, request);
    return process;
  }

  /** Run until the first process has exited. */
  async run(): Promise<Outcome> {
    for (;;) {
      this.#runMachine();
      if (this.#outcome) return this.#outcome;
      const work = this.#hostWork;
      this.#hostWork = null;
      await work;
    }
  }

  /**
   * Let the machine stand still until `work` is done, then run the blocked call of `thread` again.
   * Called by a handler that has answered `block`.
   */
  standStill(thread: Thread, work: Promise<unknown>): void {
    this.#hostWork = work.then(() => thread.wakeUp());
  }

  #runMachine(): void {
    const { terminal } = this.vfs;
    while (this.#outcome === null && this.#hostWork === null) {
      const pause = terminal?.attend() ?? null;
      if (pause !== null) {
        this.#hostWork = pause;
        return;
      }
      const only = this.debugger?.only ?? null;
      const held = this.#held;
      if (held !== null) {
        this.#held = null;
        if (only !== null && !only.has(held.thread)) this.scheduler.ready(held.thread);
        else if (this.#mayRun(held.thread)) this.#goOn(held.thread, held.left);
        continue;
      }
      this.timers.expire(this.clock.now);
      const thread = this.scheduler.next(only);
      if (thread !== null) {
        this.#turn(thread);
        continue;
      }
      const next = this.timers.next;
      const { now } = this.clock;
      const idle = terminal?.idle(next - now) ?? null;
      if (idle !== null) {
        this.#hostWork = idle.then((passed) => this.clock.jumpTo(Math.min(next, now + passed)));
        continue;
      }
      if (next < Infinity) {
        this.clock.jumpTo(next);
        continue;
      }
      if (this.debugger === null) throw new KernelError(describeDeadlock(this.threads.values()));
      this.#hostWork = this.debugger.idle(describeDeadlock(this.threads.values()));
    }
  }

  /** Load a thread's registers, saving those of the one that was loaded. */
  switchTo(thread: Thread): void {
    const { current, cpu } = this;
    if (current === thread) return;
    if (current !== null) {
      abortRestartable(this, current);
      cpu.save(current.state);
    }
    cpu.load(thread.state);
    cpu.clearMonitor();
    this.current = thread;
    this.counters.contextSwitches++;
  }

  /** A thread has exited: its registers are of no more use. */
  threadGone(thread: Thread): void {
    if (this.current === thread) this.current = null;
  }

  /** A process has exited; the first one's end is the machine's. */
  processExited(process: Process): void {
    this.debugger?.exited(process);
    if (process !== this.#main) return;
    const status = process.exitStatus!;
    const signal = status & 0x7f;
    this.#outcome = signal === 0 ? { code: status >> 8 } : { code: 128 + signal, signal };
  }

  /** One turn of a runnable thread. */
  #turn(thread: Thread): void {
    this.switchTo(thread);
    if (thread.call.blocked !== null) resumeCall(this, thread);
    if (this.#mayRun(thread)) this.#goOn(thread, this.#quantum);
  }

  /** The loaded thread, which may run, has `left` instructions of its turn. */
  #goOn(thread: Thread, left: number): void {
    while (left > 0) {
      const most = this.debugger?.before(thread) ?? left;
      if (typeof most !== "number") {
        this.#held = { thread, left };
        this.#hostWork = most;
        return;
      }
      left -= this.#runCpu(thread, Math.min(left, most));
      if (this.timers.next <= this.clock.now) this.timers.expire(this.clock.now);
      if (this.#hostWork !== null || this.#outcome !== null) break;
      if (!this.#mayRun(thread)) return;
      if (this.#ended) {
        this.#ended = false;
        break;
      }
    }
    if (thread.status === "runnable") this.scheduler.ready(thread);
  }

  /** Set by a CPU exit that gives up the rest of the quantum. */
  #ended = false;

  /** The running thread gives up the rest of its turn (sched_yield). */
  endQuantum(): void {
    this.#ended = true;
  }

  /** Whether the loaded thread may go on, its signals delivered. */
  #mayRun(thread: Thread): boolean {
    if (thread.status === "dead" || thread.process.stopped) return this.#aside(thread);
    const { call } = thread;
    if (thread.signalled || thread.savedMask !== null || thread.passedSignal !== null) {
      if (!deliverSignals(this, thread)) return this.#aside(thread);
      return true;
    }
    return call.blocked === null;
  }

  /** A runnable thread of a stopped process waits on the run queue, where it is parked. */
  #aside(thread: Thread): false {
    if (thread.process.stopped && thread.status === "runnable") this.scheduler.ready(thread);
    return false;
  }

  /** Run the CPU for at most `budget` instructions and handle its exit; how many retired. */
  #runCpu(thread: Thread, budget: number): number {
    const { cpu, clock } = this;
    const { process } = thread;
    const untilTimer = (this.timers.next - clock.now) / clock.nanosecondsPerInstruction;
    const untilLimit = this.#maxInstructions - this.instructions;
    if (untilLimit <= 0) {
      this.#outcome = { code: 124, limit: true };
      return budget;
    }
    const limit = Math.max(1, Math.min(budget, Math.ceil(untilTimer), untilLimit));
    const charge = this.#faultMeter(process.usage);
    this.memory.domain = Domain.Program;
    this.#publishTime();
    thread.resumes = false;
    const exit = cpu.run(process.space.value, limit);
    this.memory.domain = Domain.Kernel;
    const { retired } = cpu;
    this.instructions += retired;
    thread.retired += retired;
    clock.advance(retired);
    // A system call sees what the program's own faults were.
    charge();
    this.#handle(thread, exit);
    charge();
    return retired;
  }

  /** A function that adds to `usage` the page faults, but the linker's, since it was made or called last. */
  #faultMeter(usage: Usage): () => void {
    const { counters } = this.memory;
    const total = (counts: Float64Array): number => counts[0] + counts[1];
    let minor = total(counters.minor);
    let major = total(counters.major);
    return () => {
      const [newMinor, newMajor] = [total(counters.minor), total(counters.major)];
      usage.minorFaults += newMinor - minor;
      usage.majorFaults += newMajor - major;
      [minor, major] = [newMinor, newMajor];
    };
  }

  /** Let RDTSC and CNTVCT_EL0, which count nanoseconds, show modelled time. */
  #publishTime(): void {
    setNumber64(this.state, CLOCK, this.clock.now);
  }

  #handle(thread: Thread, exit: CpuExit): void {
    switch (exit.kind) {
      case "syscall":
        return beginCall(this, thread);
      case "fault":
        return this.#fault(thread, exit);
      case "host": {
        const work = this.onHost(thread, exit.id);
        if (work) this.#hostWork = work;
        return;
      }
      case "yield":
        this.#ended = true;
        return;
      case "break":
      case "watch":
        this.debugger?.reached(thread, exit);
    }
  }

  #fault(thread: Thread, exit: CpuExit & { kind: "fault" }): void {
    const { trapno = 0, address, signal, code, resume = false } = exit;
    if (this.abi.vsyscall?.(this.cpu, thread.process.space.value)) return beginCall(this, thread);
    let { error = 0 } = exit;
    let key = 0;
    if (signal === SIGSEGV && code === SEGV_PKUERR) {
      key = thread.process.space.value.areas.lookup(Number(address))?.key ?? 0;
      error |= PF_PK;
    }
    thread.fault = { address, trapno, error };
    thread.resumes = resume;
    thread.faultDetail = exit.detail;
    this.counters.signals++;
    forceSignal(thread, faultInfo(signal, code, address, key));
  }

  /** Name the signal that kills a process, with pc and registers; not SIGPIPE, of which no shell speaks either. */
  reportFatalSignal(thread: Thread, info: Uint8Array): void {
    const { process } = thread;
    const fatal = new FatalSignal(thread, info, this.abi, this.cpu);
    if (fatal.signo === SIGPIPE || process !== this.#main && !fatal.isFault) return;
    const { pc } = this.cpu;
    const symbol = this.#options.symbolize?.(process, pc) ??
      symbolizeAddress(process.space.value, pc);
    this.report(fatal.message(symbol));
  }

  /** Stop the machine now: every process ends as if killed. */
  shutDown(): void {
    for (const process of [...this.processes.values()]) endProcess(this, process, 9);
  }
}
