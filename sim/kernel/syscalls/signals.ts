/** Signals: actions, masks, waiting, sending, returning from handlers. */
import { infoSigno, killInfo, SI_TKILL, SI_USER, SIGINFO_SIZE } from "../abi/siginfo.ts";
import { Sigaction, StackT, Timespec } from "../abi/structs.ts";
import { EAGAIN, EFAULT, EINTR, EINVAL, ENOMEM, EPERM, ESRCH } from "../errno.ts";
import type { Process } from "../process.ts";
import { defaultAction, SIG_DFL, SIG_IGN, SIGKILL, SIGSEGV, SIGSTOP } from "../signal_numbers.ts";
import { NSIG, SS_AUTODISARM, SS_DISABLE, SS_ONSTACK } from "../signal_numbers.ts";
import { SigSet, UNBLOCKABLE } from "../signal_state.ts";
import {
  forceSignal,
  onSignalStack,
  signalProcess,
  signalStackNow,
  signalThread,
} from "../signals.ts";
import { faultInfo, SEGV_ACCERR, SI_KERNEL } from "../abi/siginfo.ts";
import { type Call, NO_RESULT, type SyscallRow } from "../syscall.ts";
import { readStruct, writeStruct } from "../user_struct.ts";
import type { Thread } from "../thread.ts";

const SIG_BLOCK = 0, SIG_UNBLOCK = 1, SIG_SETMASK = 2;
const SIGSET_SIZE = 8;

/** A sigset_t in guest memory, or null. */
function readSet(call: Call, at: number): SigSet | null {
  const low = call.space.readU32(at);
  const high = call.space.readU32(at + 4);
  return low < 0 || high < 0 ? null : new SigSet(low | 0, high | 0);
}

function writeSet(call: Call, at: number, set: SigSet): number {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, set.low, true);
  view.setUint32(4, set.high, true);
  return call.space.copyOut(at, bytes) < 0 ? -EFAULT : 0;
}

function sigaction(call: Call, signo: number, next: number, old: number, size: number): number {
  if (size !== SIGSET_SIZE || signo < 1 || signo > NSIG) return -EINVAL;
  if (next !== 0 && (signo === SIGKILL || signo === SIGSTOP)) return -EINVAL;
  const { process, space } = call;
  const actions = process.actions.value;
  const before = actions.get(signo);
  if (next !== 0) {
    const action = readStruct(space, Sigaction, next);
    if (action === null) return -EFAULT;
    action.maskLow &= ~UNBLOCKABLE;
    actions.set(signo, action);
    const { handler } = action;
    if (handler === SIG_IGN || (handler === SIG_DFL && defaultAction(signo) === "ignore")) {
      process.pending.remove(signo);
      for (const thread of process.threads) thread.pending.remove(signo);
    }
  }
  if (old !== 0 && writeStruct(space, Sigaction, old, before) < 0) return -EFAULT;
  return 0;
}

function sigprocmask(call: Call, how: number, next: number, old: number, size: number): number {
  if (size !== SIGSET_SIZE) return -EINVAL;
  const { thread } = call;
  const before = thread.mask.copy();
  if (next !== 0) {
    const set = readSet(call, next);
    if (set === null) return -EFAULT;
    set.low &= ~UNBLOCKABLE;
    const { mask } = thread;
    if (how === SIG_BLOCK) mask.set(mask.low | set.low, mask.high | set.high);
    else if (how === SIG_UNBLOCK) mask.set(mask.low & ~set.low, mask.high & ~set.high);
    else if (how === SIG_SETMASK) mask.set(set.low, set.high);
    else return -EINVAL;
  }
  return old === 0 ? 0 : writeSet(call, old, before);
}

function sigpending(call: Call, to: number, size: number): number {
  if (size > SIGSET_SIZE) return -EINVAL;
  const { thread, process } = call;
  const low = (thread.pending.set.low | process.pending.set.low) & thread.mask.low;
  const high = (thread.pending.set.high | process.pending.set.high) & thread.mask.high;
  return writeSet(call, to, new SigSet(low, high));
}

function sigsuspend(call: Call, set: number, size: number): number {
  if (!call.resumed) {
    if (size !== SIGSET_SIZE) return -EINVAL;
    const mask = readSet(call, set);
    if (mask === null) return -EFAULT;
    call.thread.maskForCall(mask);
  }
  return call.block([], { onSignal: "interrupt" });
}

function sigtimedwait(
  call: Call,
  set: number,
  info: number,
  timeout: number,
  size: number,
): number {
  const { thread, process, space, kernel } = call;
  if (size !== SIGSET_SIZE) return -EINVAL;
  const wanted = readSet(call, set);
  if (wanted === null) return -EFAULT;
  wanted.low &= ~UNBLOCKABLE;
  const taken = thread.pending.takeOf(wanted) ?? process.pending.takeOf(wanted);
  if (taken !== null) {
    if (info !== 0 && space.copyOut(info, taken) < 0) return -EFAULT;
    return infoSigno(taken);
  }
  if (call.timedOut) return -EAGAIN;
  if (call.state === undefined) {
    let deadline = Infinity;
    if (timeout !== 0) {
      const time = readStruct(space, Timespec, timeout);
      if (time === null) return -EFAULT;
      if (time.sec < 0 || time.nsec < 0 || time.nsec >= 1e9) return -EINVAL;
      if (time.sec === 0 && time.nsec === 0) return -EAGAIN;
      deadline = kernel.clock.now + time.sec * 1e9 + time.nsec;
    }
    call.state = deadline;
  }
  const deadline = call.state as number;
  return call.block(process.signalArrived, { deadline, onSignal: "interrupt" });
}

function sigaltstack(call: Call, next: number, old: number): number {
  const { thread, space, kernel } = call;
  const { abi, cpu } = kernel;
  const sp = cpu.regNumber(abi.stackPointer);
  const before = signalStackNow(thread, sp);
  if (next !== 0) {
    const stack = readStruct(space, StackT, next);
    if (stack === null) return -EFAULT;
    if (onSignalStack(thread, sp)) return -EPERM;
    const mode = stack.flags & ~SS_AUTODISARM;
    if (mode !== 0 && mode !== SS_DISABLE && mode !== SS_ONSTACK) return -EINVAL;
    if (mode === SS_DISABLE) thread.signalStack = { sp: 0, size: 0, flags: stack.flags };
    else {
      if (stack.size < 2048) return -ENOMEM;
      thread.signalStack = { sp: stack.sp, size: stack.size, flags: stack.flags };
    }
  }
  return old !== 0 && writeStruct(space, StackT, old, before) < 0 ? -EFAULT : 0;
}

function sigreturn(call: Call): number {
  const { kernel, thread, space } = call;
  const restored = kernel.abi.popFrame(kernel.cpu, space);
  if (restored === null) {
    // arm64 says where the stack was (arm64_notify_segfault), x86 nothing.
    const stack = kernel.cpu.reg(kernel.abi.stackPointer);
    const [code, at] = kernel.abi.arch === "aarch64" ? [SEGV_ACCERR, stack] : [SI_KERNEL, 0n];
    forceSignal(thread, faultInfo(SIGSEGV, code, at));
    return NO_RESULT;
  }
  thread.mask = new SigSet(restored.maskLow & ~UNBLOCKABLE, restored.maskHigh | 0);
  const { sp, flags, size } = restored.stack;
  const current = kernel.cpu.regNumber(kernel.abi.stackPointer);
  if (!onSignalStack(thread, current)) {
    thread.signalStack = { sp, size, flags: flags & ~SS_ONSTACK };
  }
  kernel.cpu.clearMonitor();
  return NO_RESULT;
}

/** Whether the caller may signal `process`: root, or the same user. */
export function maySignal(call: Call, process: Process): boolean {
  const mine = call.process.credentials;
  const theirs = process.credentials;
  return mine.euid === 0 || mine.euid === theirs.uid || mine.uid === theirs.uid ||
    mine.euid === theirs.suid;
}

const alive = (process: Process | undefined): process is Process => process !== undefined;

function kill(call: Call, pid: number, signo: number): number {
  if (signo < 0 || signo > NSIG) return -EINVAL;
  const { kernel, process } = call;
  const group = pid === 0 ? process.pgid : -pid;
  const targets = pid > 0
    ? [kernel.processes.get(pid)].filter(alive)
    : [...kernel.processes.values()].filter((other) =>
      pid === -1 ? other !== process : other.pgid === group
    );
  if (targets.length === 0) return -ESRCH;
  const permitted = targets.filter((target) => maySignal(call, target));
  if (permitted.length === 0) return -EPERM;
  if (signo === 0) return 0;
  const info = killInfo(signo, SI_USER, process.pid, process.credentials.uid);
  for (const target of permitted) signalProcess(kernel, target, info);
  return 0;
}

function tkill(call: Call, group: number, tid: number, signo: number): number {
  if (signo < 0 || signo > NSIG || tid <= 0) return -EINVAL;
  const thread = call.kernel.threads.get(tid);
  if (!thread || (group > 0 && thread.process.pid !== group)) return -ESRCH;
  if (!maySignal(call, thread.process)) return -EPERM;
  if (signo === 0) return 0;
  const { pid, credentials } = call.process;
  signalThread(call.kernel, thread, killInfo(signo, SI_TKILL, pid, credentials.uid));
  return 0;
}

/** A siginfo that a program sends: its signal number is set, its code must be one of queueing. */
export function queuedInfo(
  call: Call,
  signo: number,
  at: number,
  self: boolean,
): Uint8Array | number {
  const info = new Uint8Array(SIGINFO_SIZE);
  if (call.space.copyIn(at, info) < 0) return -EFAULT;
  const view = new DataView(info.buffer);
  const code = view.getInt32(8, true);
  if ((code >= 0 || code === SI_TKILL) && !self) return -EPERM;
  view.setInt32(0, signo, true);
  return info;
}

function sigqueueinfo(call: Call, pid: number, signo: number, at: number): number {
  if (signo < 1 || signo > NSIG) return -EINVAL;
  const info = queuedInfo(call, signo, at, pid === call.process.pid);
  if (typeof info === "number") return info;
  const process = call.kernel.processes.get(pid);
  if (!process) return -ESRCH;
  if (!maySignal(call, process)) return -EPERM;
  signalProcess(call.kernel, process, info);
  return 0;
}

function tgsigqueueinfo(call: Call, pid: number, tid: number, signo: number, at: number): number {
  if (signo < 1 || signo > NSIG || pid <= 0 || tid <= 0) return -EINVAL;
  const info = queuedInfo(call, signo, at, pid === call.process.pid);
  if (typeof info === "number") return info;
  const thread: Thread | undefined = call.kernel.threads.get(tid);
  if (!thread || thread.process.pid !== pid) return -ESRCH;
  if (!maySignal(call, thread.process)) return -EPERM;
  signalThread(call.kernel, thread, info);
  return 0;
}

export const signalRows: readonly SyscallRow[] = [
  {
    // Calls restart by being made again, so there is never one to resume.
    name: "restart_syscall",
    x86_64: 219,
    aarch64: 128,
    args: [],
    run: () => -EINTR,
  },
  {
    name: "rt_sigaction",
    x86_64: 13,
    aarch64: 134,
    args: ["signal", "struct:sigaction", "out:sigaction", "size"],
    run: sigaction,
  },
  {
    name: "rt_sigprocmask",
    x86_64: 14,
    aarch64: 135,
    args: ["enum:sigmask", "struct:sigset", "out:sigset", "size"],
    run: sigprocmask,
  },
  {
    name: "rt_sigpending",
    x86_64: 127,
    aarch64: 136,
    args: ["out:sigset", "size"],
    run: sigpending,
  },
  {
    name: "rt_sigsuspend",
    x86_64: 130,
    aarch64: 133,
    args: ["struct:sigset", "size"],
    run: sigsuspend,
  },
  {
    name: "rt_sigtimedwait",
    x86_64: 128,
    aarch64: 137,
    args: ["struct:sigset", "out:siginfo", "struct:timespec", "size"],
    run: sigtimedwait,
  },
  {
    name: "sigaltstack",
    x86_64: 131,
    aarch64: 132,
    args: ["struct:stack", "out:stack"],
    run: sigaltstack,
  },
  { name: "rt_sigreturn", x86_64: 15, aarch64: 139, args: [], run: sigreturn },
  { name: "kill", x86_64: 62, aarch64: 129, args: ["int", "signal"], run: kill },
  {
    name: "tkill",
    x86_64: 200,
    aarch64: 130,
    args: ["int", "signal"],
    run: (call, tid, signo) => tkill(call, 0, tid, signo),
  },
  {
    name: "tgkill",
    x86_64: 234,
    aarch64: 131,
    args: ["int", "int", "signal"],
    run: (call, group, tid, signo) => group <= 0 ? -EINVAL : tkill(call, group, tid, signo),
  },
  {
    name: "rt_sigqueueinfo",
    x86_64: 129,
    aarch64: 138,
    args: ["int", "signal", "struct:siginfo"],
    run: sigqueueinfo,
  },
  {
    name: "rt_tgsigqueueinfo",
    x86_64: 297,
    aarch64: 240,
    args: ["int", "int", "signal", "struct:siginfo"],
    run: tgsigqueueinfo,
  },
  {
    name: "pause",
    x86_64: 34,
    aarch64: -1,
    args: [],
    run: (call) => call.block([], { onSignal: "interrupt" }),
  },
];
