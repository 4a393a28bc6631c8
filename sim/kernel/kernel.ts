/**
 * The kernel of one simulated machine: processes and threads on a modelled CPU, system calls,
 * signals, modelled time. Everything is deterministic: threads take turns by instruction quanta,
 * and time is a function of retired instructions.
 */
import type { Cpu, CpuExit } from "../cpu/cpu.ts";
import type { CoreDump } from "../debug/core_dump.ts";
import { CLOCK, CLOCK_RATE, RANDOM } from "../cpu/layout.ts";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_NONE, PROT_READ } from "../memory/abi.ts";
import { AddressSpace } from "../memory/address_space.ts";
import { type AddressLayout, addressLayout } from "../memory/address_layout.ts";
import { Domain, type Memory } from "../memory/memory.ts";
import { aarch64 } from "./abi/aarch64.ts";
import type { Abi } from "./abi/abi.ts";
import { faultInfo, SEGV_PKUERR } from "./abi/siginfo.ts";
import { SIGPIPE, SIGSEGV } from "./signal_numbers.ts";
import { setNumber64 } from "./abi/struct.ts";
import { x86_64 } from "./abi/x86_64.ts";
import { ThreadCall } from "./call.ts";
import { Clock } from "./clock.ts";
import type { Debugger } from "./debugger.ts";
import { readArguments, runHandler, SyscallHooks } from "./dispatch.ts";
import { guestLoader } from "./elf_loader.ts";
import { ENOSYS } from "./errno.ts";
import {
  AT_FDCWD,
  checkArguments,
  enterProgram,
  type ExecLoader,
  type ExecRequest,
  findProgram,
} from "./exec.ts";
import { endProcess, exitThread } from "./exit.ts";
import { FatalSignal } from "./fatal_signal.ts";
import { FutexTable } from "./futex.ts";
import { acquireTerminal } from "./job_control.ts";
import { KernelError } from "./kernel_error.ts";
import { whyNotLoaded } from "./load_failure.ts";
import {
  type Credentials,
  credentials,
  Process,
  RLIMIT_STACK,
  Shared,
  type Usage,
} from "./process.ts";
import { Random } from "./random.ts";
import { abortRestartable } from "./rseq.ts";
import { Scheduler } from "./scheduler.ts";
import type { Vfs } from "./seam.ts";
import { SECCOMP_MODE_DISABLED } from "./seccomp.ts";
import { askSeccomp } from "./seccomp_entry.ts";
import { SharedMemory } from "./shared_memory.ts";
import { deliverSignals, forceSignal } from "./signals.ts";
import type { StracePrinter } from "./strace/printer.ts";
import { BLOCKED, NO_RESULT, type SyscallRow, SyscallTable } from "./syscall.ts";
import { symbolizeAddress } from "./symbolize.ts";
import { syscallName } from "../../lib/linker/syscall_names.ts";
import { Thread } from "./thread.ts";
import { TimerQueue } from "./timers.ts";

/** Instructions that a thread runs before the next has its turn, unless told otherwise. */
export const DEFAULT_QUANTUM = 100_000;
/** Page fault error code: a protection key forbade the access. */
const PF_PK = 32;
/** Process id of the first program. */
const FIRST_PID = 100;

/** A processor as CPUID names it. */
export interface CpuIdentity {
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  readonly name: string;
  /** Names of its features, as Linux spells them. */
  readonly flags: string;
}

export interface KernelOptions {
  readonly memory: Memory;
  readonly cpu: Cpu;
  readonly vfs: Vfs;
  /** Rows of all system calls (`syscalls/table.ts`). */
  readonly rows: Iterable<SyscallRow>;
  readonly clock?: Clock;
  /** Seeds getrandom and AT_RANDOM. */
  readonly seed?: number;
  /** Seeds the places of stack, program, libraries and heap; null (the default) fixes them. */
  readonly layoutSeed?: number | null;
  /** Places that are given, whatever the seed says. */
  readonly layout?: Partial<AddressLayout>;
  /** AT_HWCAP and AT_HWCAP2, as the CPU announces itself. */
  readonly hwcap?: number;
  readonly hwcap2?: number;
  /** Levels of the instruction set by the names that libraries' folders have, best first. */
  readonly isaLevels?: readonly string[];
  /** x86_64: what /proc/cpuinfo says of the processor. */
  readonly identity?: CpuIdentity;
  /** aarch64: MIDR_EL1. */
  readonly midr?: number;
  /** AT_PLATFORM, when it is not the architecture's name. */
  readonly platform?: string;
  readonly hostname?: string;
  readonly release?: string;
  /** Instructions a turn. */
  readonly quantum?: number;
  /** Stop the machine after so many instructions. */
  readonly maxInstructions?: number;
  readonly loader?: ExecLoader;
  readonly strace?: StracePrinter;
  /** Hooks of user scripts, made before the kernel. */
  readonly syscalls?: SyscallHooks;
  /** Where messages of the machine itself go: fatal signals, unknown system calls. */
  readonly report?: (message: string) => void;
  /** Name of the code at `pc` for messages, where more is known of it than the mapped file tells. */
  readonly symbolize?: (process: Process, pc: number) => string | undefined;
}

/** How a run of the machine ended. */
export interface Outcome {
  /** Exit code: the program's, or 128 + N after a fatal signal. */
  readonly code: number;
  /** The signal that killed the program. */
  readonly signal?: number;
  /** True when `maxInstructions` was reached. */
  readonly limit?: true;
}

/** What a spawned program gets. */
export interface SpawnOptions {
  /** Guest path of the program; argv[0] by default. */
  readonly path?: string;
  readonly argv: readonly string[];
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** Exact counts of what the kernel did. */
export interface KernelCounters {
  syscalls: number;
  /** Calls by name. */
  readonly byName: Map<string, number>;
  /** Calls that succeeded without effect, by name. */
  readonly noops: Map<string, number>;
  /** Calls with an unknown number. */
  readonly unknown: Map<number, number>;
  /** Calls that filters of seccomp(2) judged, those they refused, and their instructions. */
  filtered: number;
  refused: number;
  filterInstructions: number;
  signals: number;
  contextSwitches: number;
  processes: number;
  threads: number;
}

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
  readonly sharedMemory: SharedMemory = new SharedMemory();
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
  readonly counters: KernelCounters = {
    syscalls: 0,
    byName: new Map(),
    noops: new Map(),
    unknown: new Map(),
    filtered: 0,
    refused: 0,
    filterInstructions: 0,
    signals: 0,
    contextSwitches: 0,
    processes: 0,
    threads: 0,
  };
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
  /** State memory. */
  readonly #state: DataView;
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
    this.#state = new DataView(buffer, byteOffset);
    this.#state.setFloat64(CLOCK_RATE, this.clock.nanosecondsPerInstruction, true);
    this.#state.setUint32(RANDOM, options.seed ?? 1, true);
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
  newSpace(stackLimit?: number): AddressSpace {
    const seed = this.#options.layoutSeed ?? null;
    const layout = addressLayout(this.abi.arch, seed, stackLimit, this.memory.granule);
    const given = this.#options.layout;
    return new AddressSpace(this.memory, { layout: { ...layout, ...given }, stackLimit });
  }

  /** Nobody uses `space` any more. */
  freeSpace(space: AddressSpace): void {
    space.release();
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
    const fresh = this.newSpace(process.limits[RLIMIT_STACK].soft);
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
      if (this.debugger === null) throw new KernelError(this.#deadlock());
      this.#hostWork = this.debugger.idle(this.#deadlock());
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
    if (thread.call.blocked !== null) this.#resumeCall(thread);
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
    setNumber64(this.#state, CLOCK, this.clock.now);
  }

  #handle(thread: Thread, exit: CpuExit): void {
    switch (exit.kind) {
      case "syscall":
        return this.#beginCall(thread);
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
    if (this.abi.vsyscall?.(this.cpu, thread.process.space.value)) return this.#beginCall(thread);
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

  #beginCall(thread: Thread): void {
    const { call } = thread;
    const { cpu, abi, counters } = this;
    const number = cpu.regNumber(abi.number) | 0;
    counters.syscalls++;
    const row = this.table.row(number);
    const restricted = thread.seccomp.mode !== SECCOMP_MODE_DISABLED;
    if (row === undefined) {
      if (!restricted || this.#admits(thread, number)) this.#unknownCall(thread, number);
      return;
    }
    counters.byName.set(row.name, (counters.byName.get(row.name) ?? 0) + 1);
    call.begin(row, number);
    readArguments(this.#state, abi, row, call.args);
    this.strace?.enter(thread);
    if (restricted && !this.#admits(thread, number)) return;
    this.#settle(thread, runHandler(call, this.syscalls));
  }

  /** Whether the thread's filters let the call begin; if not, it has its result or its end. */
  #admits(thread: Thread, number: number): boolean {
    const { counters, abi } = this;
    const verdict = askSeccomp(this, thread, number);
    counters.filtered++;
    counters.filterInstructions += verdict.executed;
    if (verdict.effect === "allow") return true;
    counters.refused++;
    // What the call would have come back with stays as it was: the number, or the first argument.
    const kept = abi.arch === "x86_64" ? number : NO_RESULT;
    const known = this.table.row(number) !== undefined;
    const result = verdict.effect === "errno" ? verdict.result : kept;
    if (verdict.effect !== "exit") {
      if (known) this.finishCall(thread, result);
      else {
        abi.leave(this.cpu);
        if (result !== NO_RESULT) this.cpu.setRegNumber(abi.result, result);
      }
    }
    if (verdict.effect === "signal") forceSignal(thread, verdict.info);
    if (verdict.effect === "exit") exitThread(this, thread, verdict.status);
    return false;
  }

  #unknownCall(thread: Thread, number: number): void {
    const { unknown } = this.counters;
    if (!unknown.has(number)) {
      const name = syscallName(this.abi.arch, number) ?? "of no name";
      this.report(`isthmus: system call ${name} (${this.abi.arch} ${number}) is unknown: ENOSYS`);
    }
    unknown.set(number, (unknown.get(number) ?? 0) + 1);
    this.strace?.unknown(thread, number);
    this.abi.leave(this.cpu);
    this.cpu.setRegNumber(this.abi.result, -ENOSYS);
  }

  #resumeCall(thread: Thread): void {
    const { call } = thread;
    call.resumed = true;
    this.#settle(thread, runHandler(call, this.syscalls));
  }

  /** A handler has answered. */
  #settle(thread: Thread, result: number): void {
    if (result === BLOCKED) {
      this.strace?.blocked(thread);
      return;
    }
    if (thread.status === "dead") return;
    this.finishCall(thread, result);
  }

  /** The loaded thread's call is over: write the result, unless it is NO_RESULT. */
  finishCall(thread: Thread, result: number): void {
    const { call } = thread;
    thread.stopWaiting();
    thread.status = "runnable";
    call.blocked = null;
    call.state = undefined;
    if (call.row.support?.startsWith("noop") && result >= 0) {
      const { noops } = this.counters;
      noops.set(call.row.name, (noops.get(call.row.name) ?? 0) + 1);
    }
    this.strace?.leave(thread, result);
    if (this.syscalls.any) {
      for (const hook of this.syscalls.of(call.row.name)) hook.exit?.(call, call.args, result);
    }
    if (result === NO_RESULT) return;
    this.abi.leave(this.cpu);
    this.cpu.setRegNumber(this.abi.result, result);
    this.onCallEnd?.(thread);
  }

  /** A signal handler interrupts the call, which starts again afterwards. */
  abandonCall(thread: Thread): void {
    thread.call.state = undefined;
    this.abi.leave(this.cpu);
    this.cpu.pc -= this.abi.syscallSize;
  }

  /**
   * The page with the standard sigreturn sequence, for an architecture without SA_RESTORER; its
   * address, or 0 where every handler brings its own.
   */
  mapSigreturn(space: AddressSpace): number {
    if (this.abi.sigreturnCode === null) return 0;
    const { size } = space.granule;
    // Let the address space find room, then put the page there.
    const at = space.mmap(0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (at < 0 || space.munmap(at, size) < 0) return 0;
    if (space.mapSpecial(at, size, PROT_READ | PROT_EXEC, "[sigpage]") < 0) return 0;
    space.poke(at, this.abi.sigreturnCode);
    return at;
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

  #deadlock(): string {
    const lines = ["deadlock: every thread sleeps and nothing can wake one"];
    for (const thread of this.threads.values()) {
      const { call, process } = thread;
      const queues = thread.waitingOn.map((queue) => queue.name).join(", ") || "nothing";
      lines.push(
        `  ${process.name} (pid ${process.pid}, tid ${thread.tid})` +
          (process.stopped ? " is stopped" : ` in ${call.row.name}, waiting for ${queues}`),
      );
    }
    return lines.join("\n");
  }
}
