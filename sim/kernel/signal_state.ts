/** Signal sets, actions and pending queues: the state that processes and threads hold. */
import { infoSigno } from "./abi/siginfo.ts";
import {
  NSIG,
  SIG_DFL,
  SIG_IGN,
  SIGBUS,
  SIGFPE,
  SIGILL,
  SIGKILL,
  SIGRTMIN,
  SIGSEGV,
  SIGSTOP,
  SIGSYS,
  SIGTRAP,
} from "./signal_numbers.ts";

/** Bits of signals 1–32 and 33–64. */
export class SigSet {
  constructor(public low: number = 0, public high: number = 0) {}

  has(signo: number): boolean {
    return signo <= 32
      ? (this.low & (1 << (signo - 1))) !== 0
      : (this.high & (1 << (signo - 33))) !== 0;
  }

  add(signo: number): void {
    if (signo <= 32) this.low |= 1 << (signo - 1);
    else this.high |= 1 << (signo - 33);
  }

  remove(signo: number): void {
    if (signo <= 32) this.low &= ~(1 << (signo - 1));
    else this.high &= ~(1 << (signo - 33));
  }

  set(low: number, high: number): void {
    this.low = low | 0;
    this.high = high | 0;
  }

  copy(): SigSet {
    return new SigSet(this.low, this.high);
  }

  get empty(): boolean {
    return (this.low | this.high) === 0;
  }
}

const bit = (signo: number): number => 1 << (signo - 1);
/** SIGKILL and SIGSTOP can be neither blocked nor handled. */
export const UNBLOCKABLE = bit(SIGKILL) | bit(SIGSTOP);
/** Signals of faults, which are taken before all others. */
const SYNCHRONOUS = bit(SIGSEGV) | bit(SIGBUS) | bit(SIGILL) | bit(SIGTRAP) | bit(SIGFPE) |
  bit(SIGSYS);

/** struct sigaction of one signal. */
export interface SignalAction {
  readonly handler: number;
  readonly flags: number;
  readonly restorer: number;
  readonly maskLow: number;
  readonly maskHigh: number;
}

const DEFAULT_ACTION: SignalAction = {
  handler: SIG_DFL,
  flags: 0,
  restorer: 0,
  maskLow: 0,
  maskHigh: 0,
};

/** Actions of all signals: shared by CLONE_SIGHAND, copied by fork, reset by execve. */
export class SignalActions {
  readonly #actions: SignalAction[];

  constructor(actions?: readonly SignalAction[]) {
    this.#actions = actions ? [...actions] : new Array(NSIG + 1).fill(DEFAULT_ACTION);
  }

  get(signo: number): SignalAction {
    return this.#actions[signo];
  }

  set(signo: number, action: SignalAction): void {
    this.#actions[signo] = action;
  }

  reset(signo: number): void {
    this.#actions[signo] = DEFAULT_ACTION;
  }

  fork(): SignalActions {
    return new SignalActions(this.#actions);
  }

  /** A copy with every handler back to the default; ignored signals stay ignored. */
  afterExec(): SignalActions {
    return new SignalActions(
      this.#actions.map((a) =>
        a.handler === SIG_IGN ? { ...DEFAULT_ACTION, handler: SIG_IGN } : DEFAULT_ACTION
      ),
    );
  }
}

/** Signals sent and not yet taken: a set, and a siginfo for each (several for a real-time one). */
export class PendingSignals {
  readonly set: SigSet = new SigSet();
  #queue: Uint8Array[] = [];

  /** Queue a signal. A standard signal that is pending already is not queued twice. */
  add(info: Uint8Array): void {
    const signo = infoSigno(info);
    if (signo < SIGRTMIN && this.set.has(signo)) return;
    this.set.add(signo);
    this.#queue.push(info);
  }

  /** Drop every instance of a signal. */
  remove(signo: number): void {
    if (!this.set.has(signo)) return;
    this.set.remove(signo);
    this.#queue = this.#queue.filter((info) => infoSigno(info) !== signo);
  }

  /** Whether a signal outside `blocked` is pending. */
  deliverable(blocked: SigSet): boolean {
    return ((this.set.low & ~blocked.low) | (this.set.high & ~blocked.high)) !== 0;
  }

  /** Take the next signal that `blocked` lets through: faults first, then by number. */
  take(blocked: SigSet): Uint8Array | null {
    const low = this.set.low & ~blocked.low;
    const high = this.set.high & ~blocked.high;
    if ((low | high) === 0) return null;
    const first = low & SYNCHRONOUS ? low & SYNCHRONOUS : low;
    const signo = first !== 0 ? lowestBit(first) + 1 : lowestBit(high) + 33;
    const at = this.#queue.findIndex((info) => infoSigno(info) === signo);
    const [info] = this.#queue.splice(at, 1);
    if (!this.#queue.some((other) => infoSigno(other) === signo)) this.set.remove(signo);
    return info;
  }

  /** Take a signal of the set `wanted` (sigtimedwait, signalfd). */
  takeOf(wanted: SigSet): Uint8Array | null {
    return this.take(new SigSet(~wanted.low, ~wanted.high));
  }
}

function lowestBit(value: number): number {
  return 31 - Math.clz32(value & -value);
}
