/** Processes: what the threads of one thread group share. */
import type { AddressSpace } from "../memory/address_space.ts";
import type { ControllingTerminal } from "./job_control.ts";
import type { AccessCredentials, Descriptors, FsContext } from "./seam.ts";
import { PendingSignals, SignalActions } from "./signal_state.ts";
import type { Thread } from "./thread.ts";
import type { Timer } from "./timers.ts";
import { WaitQueue } from "./wait_queue.ts";
import { SIGCHLD } from "./signal_numbers.ts";

/** A resource that several processes may hold; the last one to let go releases it. */
export class Shared<T> {
  #holders = 1;
  constructor(readonly value: T) {}

  hold(): Shared<T> {
    this.#holders++;
    return this;
  }

  /** Whether several hold it. */
  get shared(): boolean {
    return this.#holders > 1;
  }

  /** True when nobody holds it any more. */
  drop(): boolean {
    return --this.#holders === 0;
  }
}

/** Resource limit: soft and hard; Infinity is RLIM_INFINITY. */
export interface Limit {
  readonly soft: number;
  readonly hard: number;
}

export const RLIMIT_FSIZE = 1;
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_CORE = 4;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_AS = 9;
const MIB = 1024 * 1024;
const UNLIMITED: Limit = { soft: Infinity, hard: Infinity };

/** Limits of the first process, by RLIMIT_ number: those of a Debian login. */
export function defaultLimits(): Limit[] {
  const limits: Limit[] = new Array(16).fill(UNLIMITED);
  limits[RLIMIT_STACK] = { soft: 8 * MIB, hard: Infinity };
  limits[RLIMIT_CORE] = { soft: 0, hard: Infinity };
  limits[6] = { soft: 15000, hard: 15000 }; // nproc
  limits[RLIMIT_NOFILE] = { soft: 1024, hard: 1048576 };
  limits[8] = { soft: 8 * MIB, hard: 8 * MIB }; // memlock
  limits[11] = { soft: 15000, hard: 15000 }; // sigpending
  limits[12] = { soft: 819200, hard: 819200 }; // msgqueue
  limits[13] = { soft: 0, hard: 0 }; // nice
  limits[14] = { soft: 0, hard: 0 }; // rtprio
  return limits;
}

/** Put a process's limits of memory into force in its address space. */
export function limitSpace(space: AddressSpace, limits: readonly Limit[]): void {
  space.stackLimit = limits[RLIMIT_STACK].soft;
  space.sizeLimit = limits[RLIMIT_AS].soft;
  space.dataLimit = limits[RLIMIT_DATA].soft;
}

/** User and group ids of a process (credentials(7)). */
export interface Credentials {
  uid: number;
  euid: number;
  suid: number;
  fsuid: number;
  gid: number;
  egid: number;
  sgid: number;
  fsgid: number;
  groups: number[];
}

/** Credentials of an ordinary user with one group. */
export function credentials(uid: number, gid: number): Credentials {
  return {
    uid,
    euid: uid,
    suid: uid,
    fsuid: uid,
    gid,
    egid: gid,
    sgid: gid,
    fsgid: gid,
    groups: [gid],
  };
}

/** The ids that a process's file accesses are checked against. */
export function accessCredentials(ids: Credentials): AccessCredentials {
  return { uid: ids.fsuid, gid: ids.fsgid, groups: ids.groups };
}

/** What a process has used, or its waited-for children have. */
export class Usage {
  /** Instructions retired by exited threads; live ones count their own. */
  instructions = 0;
  minorFaults = 0;
  majorFaults = 0;

  add(other: Usage): void {
    this.instructions += other.instructions;
    this.minorFaults += other.minorFaults;
    this.majorFaults += other.majorFaults;
  }
}

/** setitimer's ITIMER_REAL and ITIMER_VIRTUAL/PROF (both count modelled time here). */
export interface IntervalTimer {
  timer: Timer | null;
  /** Nanoseconds between expiries, 0 for one shot. */
  interval: number;
}

/** timer_create's timers. */
export interface PosixTimer extends IntervalTimer {
  readonly id: number;
  readonly clock: number;
  readonly signo: number;
  readonly notify: number;
  readonly tid: number;
  readonly valueLow: number;
  readonly valueHigh: number;
  overrun: number;
}

/** One process. */
export class Process {
  readonly threads: Set<Thread> = new Set();
  readonly children: Set<Process> = new Set();
  pgid: number;
  sid: number;
  credentials: Credentials;
  limits: Limit[] = defaultLimits();
  /** Command name, at most 15 bytes: what execve and PR_SET_NAME set. */
  name = "";
  /** Guest path of the program, for /proc/self/exe. */
  executable = "";
  argv: readonly string[] = [];
  /** Guest addresses for /proc/self/cmdline and environ, and of the auxiliary vector. */
  arguments: { start: number; end: number } = { start: 0, end: 0 };
  environment: { start: number; end: number } = { start: 0, end: 0 };
  auxv: Uint8Array = new Uint8Array(0);
  startTime = 0;

  actions: Shared<SignalActions>;
  readonly pending: PendingSignals = new PendingSignals();
  /** Woken whenever a signal is queued for the process or one of its threads (signalfd). */
  readonly signalArrived: WaitQueue = new WaitQueue("signal");
  /** Woken when a child exits, stops or continues. */
  readonly childChanged: WaitQueue = new WaitQueue("child");
  /** Woken when this process exits or execs: the parent of a vfork waits for it. */
  readonly vforkDone: WaitQueue = new WaitQueue("vfork");
  /** Woken at exit: pidfd. */
  readonly exited: WaitQueue = new WaitQueue("process exit");
  isVfork = false;
  /** Signal to the parent at exit, 0 for none. */
  exitSignal: number = SIGCHLD;

  /** Wait status once all threads are gone; null while the process lives. */
  exitStatus: number | null = null;
  /** The terminal of its session, if any. */
  terminal: ControllingTerminal | null = null;
  /** Job control. */
  stopped = false;
  /** Woken by SIGCONT: calls that a stop has interrupted start again. */
  readonly continued: WaitQueue = new WaitQueue("continuation");
  /** A stop or continue not yet reported to wait4: the wait status, or null. */
  unreported: number | null = null;
  /** All threads are to exit with this wait status (exit_group or a fatal signal under way). */
  dying: number | null = null;

  readonly usage: Usage = new Usage();
  readonly childrenUsage: Usage = new Usage();
  readonly intervalTimers: [IntervalTimer, IntervalTimer, IntervalTimer] = [
    { timer: null, interval: 0 },
    { timer: null, interval: 0 },
    { timer: null, interval: 0 },
  ];
  readonly posixTimers: Map<number, PosixTimer> = new Map();
  dumpable = 1;
  childSubreaper = false;
  /** PR_SET_PDEATHSIG: signal when the parent exits, 0 for none. */
  parentDeathSignal = 0;
  /** Registrations for private expedited membarriers: the commands that were given. */
  membarriers = 0;
  personality = 0;
  /** Address of the page with the standard sigreturn sequence (aarch64), 0 when there is none. */
  sigreturnPage = 0;

  constructor(
    readonly pid: number,
    public parent: Process | null,
    public space: Shared<AddressSpace>,
    public descriptors: Shared<Descriptors>,
    public fs: Shared<FsContext>,
    ids: Credentials,
  ) {
    this.pgid = parent?.pgid ?? pid;
    this.sid = parent?.sid ?? pid;
    this.credentials = { ...ids, groups: [...ids.groups] };
    this.actions = new Shared(new SignalActions());
  }

  /** The thread whose tid is the pid, or any other when that one has exited. */
  get leader(): Thread | undefined {
    for (const thread of this.threads) if (thread.tid === this.pid) return thread;
    return this.threads.values().next().value;
  }

  /** Instructions retired by all threads, dead or alive. */
  get instructions(): number {
    let sum = this.usage.instructions;
    for (const thread of this.threads) sum += thread.retired;
    return sum;
  }
}
