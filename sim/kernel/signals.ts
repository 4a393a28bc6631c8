/** Sending signals, and delivering them to the thread that is about to run. */
import {
  CLD_CONTINUED,
  CLD_STOPPED,
  faultInfo,
  infoSigno,
  killInfo,
  SI_KERNEL,
} from "./abi/siginfo.ts";
import { dumpCore } from "./core_file.ts";
import { EINTR } from "./errno.ts";
import { endProcess, notifyParent } from "./exit.ts";
import type { Kernel } from "./kernel.ts";
import { abandonCall, finishCall } from "./syscall_entry.ts";
import type { Process } from "./process.ts";
import { abortRestartable } from "./rseq.ts";
import {
  defaultAction,
  SA_NODEFER,
  SA_ONSTACK,
  SA_RESETHAND,
  SA_RESTART,
  SA_RESTORER,
  SIG_DFL,
  SIG_IGN,
  SIGCONT,
  SIGKILL,
  SIGSEGV,
  SIGSTOP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SS_AUTODISARM,
  SS_DISABLE,
  SS_ONSTACK,
} from "./signal_numbers.ts";
import { type SignalAction, UNBLOCKABLE } from "./signal_state.ts";
import type { Thread } from "./thread.ts";

const STOP_SIGNALS = [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];
/** In a wait status: WCOREDUMP. */
const CORE_DUMPED = 0x80;

/** Whether sending `signo` to the process would have no effect at all. */
function discarded(process: Process, thread: Thread | undefined, signo: number): boolean {
  if (thread?.mask.has(signo)) return false;
  const { handler } = process.actions.value.get(signo);
  if (handler === SIG_IGN) return signo !== SIGKILL && signo !== SIGSTOP;
  return handler === SIG_DFL && defaultAction(signo) === "ignore";
}

/** A stop signal cancels a pending SIGCONT and the reverse; SIGCONT and SIGKILL let a stopped process run. */
function jobControl(kernel: Kernel, process: Process, signo: number): void {
  if (signo === SIGCONT) {
    for (const stop of STOP_SIGNALS) {
      process.pending.remove(stop);
      for (const thread of process.threads) thread.pending.remove(stop);
    }
    if (process.stopped) {
      process.stopped = false;
      process.unreported = 0xffff;
      kernel.scheduler.unpark(process);
      notifyParent(kernel, process, CLD_CONTINUED, SIGCONT);
    }
    process.continued.wake();
  } else if (STOP_SIGNALS.includes(signo)) {
    process.pending.remove(SIGCONT);
    for (const thread of process.threads) thread.pending.remove(SIGCONT);
  } else if (signo === SIGKILL && process.stopped) {
    process.stopped = false;
    kernel.scheduler.unpark(process);
  }
}

/** Make a blocked thread look at its signals. */
function notice(thread: Thread, signo: number): void {
  if (thread.status !== "blocked" || thread.mask.has(signo)) return;
  if (thread.call.blocked?.onSignal === "uninterruptible" && signo !== SIGKILL) return;
  thread.wakeUp();
}

/** Send a signal to a process: any of its threads may take it. */
export function signalProcess(kernel: Kernel, process: Process, info: Uint8Array): void {
  if (process.exitStatus !== null) return;
  const signo = infoSigno(info);
  jobControl(kernel, process, signo);
  if (discarded(process, process.leader, signo)) return;
  process.pending.add(info);
  process.signalArrived.wake();
  const leader = process.leader;
  if (leader && !leader.mask.has(signo)) return notice(leader, signo);
  for (const thread of process.threads) {
    if (!thread.mask.has(signo)) return notice(thread, signo);
  }
}

/** Send a signal to one thread. */
export function signalThread(kernel: Kernel, thread: Thread, info: Uint8Array): void {
  if (thread.status === "dead") return;
  const signo = infoSigno(info);
  jobControl(kernel, thread.process, signo);
  if (discarded(thread.process, thread, signo)) return;
  thread.pending.add(info);
  thread.process.signalArrived.wake();
  notice(thread, signo);
}

/** Send a signal from the kernel itself (SIGPIPE, SIGALRM). */
export function signalFromKernel(kernel: Kernel, process: Process, signo: number): void {
  signalProcess(kernel, process, killInfo(signo, SI_KERNEL, 0, 0));
}

/** A fault of the running thread: blocked or ignored makes no difference, then it kills. */
export function forceSignal(thread: Thread, info: Uint8Array): void {
  const signo = infoSigno(info);
  const actions = thread.process.actions.value;
  if (actions.get(signo).handler === SIG_IGN || thread.mask.has(signo)) actions.reset(signo);
  thread.mask.remove(signo);
  thread.pending.add(info);
}

/** The thread's signal stack as uc_stack and sigaltstack report it at stack pointer `sp`. */
export function signalStackNow(
  thread: Thread,
  sp: number,
): { sp: number; flags: number; size: number } {
  const stack = thread.signalStack;
  const flags = stack.flags & SS_AUTODISARM;
  if (stack.size === 0) return { sp: stack.sp, size: stack.size, flags: flags | SS_DISABLE };
  return {
    sp: stack.sp,
    size: stack.size,
    flags: flags | (onSignalStack(thread, sp) ? SS_ONSTACK : 0),
  };
}

/** Whether `sp` lies on the thread's alternate stack. */
export function onSignalStack(thread: Thread, sp: number): boolean {
  const stack = thread.signalStack;
  if (stack.flags & SS_AUTODISARM) return false;
  return sp > stack.sp && sp - stack.sp <= stack.size;
}

/**
 * Deliver the signals of the loaded thread before it returns to its program. Answers whether it
 * may run: not if it is dead, dying, stopped, or still asleep in a call that no handler ended.
 */
export function deliverSignals(kernel: Kernel, thread: Thread): boolean {
  const { process } = thread;
  for (;;) {
    if (process.dying !== null) return false;
    const passed = thread.passedSignal;
    thread.passedSignal = null;
    const info = passed ?? thread.pending.take(thread.mask) ?? process.pending.take(thread.mask);
    if (info === null) break;
    const signo = infoSigno(info);
    if (passed === null && signo !== SIGKILL && kernel.debugger?.intercepts(thread, info)) {
      return true; // The debugger stops the thread before it runs.
    }
    const action = process.actions.value.get(signo);
    if (action.handler === SIG_IGN && (signo !== SIGKILL && signo !== SIGSTOP)) continue;
    if (action.handler === SIG_DFL || signo === SIGKILL || signo === SIGSTOP) {
      const effect = signo === SIGKILL ? "terminate" : defaultAction(signo);
      if (effect === "ignore" || effect === "continue") continue;
      if (effect === "stop") {
        stop(kernel, process, signo);
        return false;
      }
      kernel.strace?.signal(thread, info);
      kernel.reportFatalSignal(thread, info);
      endProcess(kernel, process, dumpCore(kernel, thread, info) ? signo | CORE_DUMPED : signo);
      return false;
    }
    interruptCall(kernel, thread, action);
    kernel.strace?.signal(thread, info);
    enterHandler(kernel, thread, info, action);
  }
  if (thread.call.blocked !== null) return false;
  if (thread.savedMask) {
    thread.mask = thread.savedMask;
    thread.savedMask = null;
  }
  return true;
}

/** A handler ends a blocked call: it restarts afterwards, or returns -EINTR or what it achieved. */
function interruptCall(kernel: Kernel, thread: Thread, action: SignalAction): void {
  const { blocked } = thread.call;
  if (blocked === null) return;
  thread.stopWaiting();
  thread.status = "runnable";
  thread.call.blocked = null;
  blocked.abandoned?.();
  const result = blocked.interrupted?.() ?? -EINTR;
  if (result < 0) kernel.strace?.interrupted(thread, blocked);
  if (blocked.interrupted) return finishCall(kernel, thread, result);
  const restart = (blocked.onSignal ?? "restart") === "restart" && (action.flags & SA_RESTART);
  if (!restart) return finishCall(kernel, thread, -EINTR);
  abandonCall(kernel, thread);
}

function enterHandler(
  kernel: Kernel,
  thread: Thread,
  info: Uint8Array,
  action: SignalAction,
): void {
  const { cpu, abi } = kernel;
  const { process } = thread;
  const signo = infoSigno(info);
  abortRestartable(kernel, thread);
  const restoreMask = thread.savedMask ?? thread.mask;
  const sp = cpu.regNumber(abi.stackPointer);
  const stack = thread.signalStack;
  const switchStack = (action.flags & SA_ONSTACK) !== 0 && stack.size !== 0 &&
    !onSignalStack(thread, sp);
  const pushed = abi.pushFrame(cpu, process.space.value, {
    signo,
    info,
    handler: action.handler,
    flags: action.flags,
    restorer: action.flags & SA_RESTORER ? action.restorer : process.sigreturnPage,
    maskLow: restoreMask.low,
    maskHigh: restoreMask.high,
    stack: signalStackNow(thread, sp),
    top: switchStack ? stack.sp + stack.size : 0,
    fault: thread.fault,
    resumes: thread.resumes,
  });
  thread.savedMask = null;
  if (!pushed) {
    if (signo === SIGSEGV) process.actions.value.reset(SIGSEGV);
    return forceSignal(thread, faultInfo(SIGSEGV, SI_KERNEL, 0n));
  }
  if (stack.flags & SS_AUTODISARM) thread.signalStack = { sp: 0, flags: SS_DISABLE, size: 0 };
  cpu.clearMonitor();
  if (action.flags & SA_RESETHAND) process.actions.value.reset(signo);
  const mask = restoreMask.copy();
  mask.set(mask.low | action.maskLow, mask.high | action.maskHigh);
  if (!(action.flags & SA_NODEFER)) mask.add(signo);
  mask.low &= ~UNBLOCKABLE;
  thread.mask = mask;
}

/** Stop all threads of a process (SIGSTOP and its like). */
function stop(kernel: Kernel, process: Process, signo: number): void {
  process.stopped = true;
  process.unreported = (signo << 8) | 0x7f;
  notifyParent(kernel, process, CLD_STOPPED, signo);
}
