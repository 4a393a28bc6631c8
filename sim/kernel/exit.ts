/** The end of threads and processes, and what parents see of it. */
import { childInfo, CLD_DUMPED, CLD_EXITED, CLD_KILLED, CLD_STOPPED } from "./abi/siginfo.ts";
import { RobustListHead } from "./abi/structs.ts";
import { leaderExited } from "./job_control.ts";
import type { Kernel } from "./kernel.ts";
import type { Process } from "./process.ts";
import { SA_NOCLDSTOP, SA_NOCLDWAIT, SIG_IGN, SIGCHLD } from "./signal_numbers.ts";
import { signalFromKernel, signalProcess } from "./signals.ts";
import type { Thread } from "./thread.ts";
import type { AddressSpace } from "../memory/address_space.ts";

const FUTEX_WAITERS = 0x80000000;
const FUTEX_OWNER_DIED = 0x40000000;
const FUTEX_TID_MASK = 0x3fffffff;
/** Longest robust list that is walked (ROBUST_LIST_LIMIT). */
const ROBUST_LIST_LIMIT = 2048;
/** _SC_CLK_TCK: clock ticks a second. */
export const CLOCK_TICKS = 100;

/** exit_group, or a fatal signal: all threads of a process exit at once with wait status `status`. */
export function endProcess(kernel: Kernel, process: Process, status: number): void {
  if (process.dying !== null) return;
  process.dying = status;
  for (const thread of [...process.threads]) exitThread(kernel, thread, status);
}

/** One thread is gone. `status` is the wait status if it is the last of its process. */
export function exitThread(kernel: Kernel, thread: Thread, status: number): void {
  if (thread.status === "dead") return;
  const { process } = thread;
  const space = process.space.value;
  kernel.strace?.abandoned(thread);
  thread.stopWaiting();
  thread.status = "dead";
  thread.call.blocked?.abandoned?.();
  thread.call.blocked = null;
  walkRobustList(kernel, thread, space);
  if (thread.clearChildTid !== 0) {
    space.copyOut(thread.clearChildTid, new Uint8Array(4));
    kernel.futexes.wake(space, thread.clearChildTid, 1);
  }
  if (thread.semaphoreUndo?.drop()) thread.semaphoreUndo.value.apply(process.pid);
  process.threads.delete(thread);
  process.usage.instructions += thread.retired;
  kernel.threads.delete(thread.tid);
  kernel.threadGone(thread);
  if (process.threads.size === 0) exitProcess(kernel, process, process.dying ?? status);
}

function exitProcess(kernel: Kernel, process: Process, status: number): void {
  for (const timer of process.intervalTimers) timer.timer?.cancel();
  for (const timer of process.posixTimers.values()) timer.timer?.cancel();
  process.posixTimers.clear();
  process.exitStatus = status;
  leaderExited(kernel, process);
  kernel.strace?.exited(process, status, kernel.threads.size);
  dropResources(process);
  finishVfork(process);
  for (const child of process.children) {
    child.parent = null;
    if (child.parentDeathSignal !== 0 && child.exitStatus === null) {
      signalFromKernel(kernel, child, child.parentDeathSignal);
    }
    if (child.exitStatus !== null) kernel.processes.delete(child.pid);
  }
  process.children.clear();
  process.exited.wake();
  kernel.processExited(process);
  const { parent } = process;
  if (parent === null) {
    kernel.processes.delete(process.pid);
    return;
  }
  const signal = status & 0x7f;
  const code = signal === 0 ? CLD_EXITED : (status & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED;
  const action = parent.actions.value.get(SIGCHLD);
  const unwanted = process.exitSignal === SIGCHLD &&
    (action.handler === SIG_IGN || (action.flags & SA_NOCLDWAIT) !== 0);
  notifyParent(kernel, process, code, signal === 0 ? status >> 8 : signal);
  if (unwanted) reap(kernel, process);
}

/** Give back address space, descriptors and directories; the last holder frees them. */
function dropResources(process: Process): void {
  if (process.descriptors.drop()) process.descriptors.value.release();
  process.fs.drop();
  if (process.space.drop()) process.space.value.release();
}

/** A vfork child has its own image or is gone: its parent goes on. */
export function finishVfork(process: Process): void {
  if (!process.isVfork) return;
  process.isVfork = false;
  process.vforkDone.wake();
}

/** Tell the parent of a change of state: SIGCHLD and wait4. `status` is si_status. */
export function notifyParent(
  kernel: Kernel,
  process: Process,
  code: number,
  status: number,
): void {
  const { parent } = process;
  if (parent === null) return;
  const ended = code <= CLD_DUMPED;
  const signo = ended ? process.exitSignal : SIGCHLD;
  const quiet = code >= CLD_STOPPED &&
    (parent.actions.value.get(SIGCHLD).flags & SA_NOCLDSTOP) !== 0;
  if (signo !== 0 && !quiet) {
    const ticks = Math.floor(kernel.nanoseconds(process.instructions) / 1e9 * CLOCK_TICKS);
    const child = {
      pid: process.pid,
      uid: process.credentials.uid,
      status,
      utime: ticks,
      stime: 0,
    };
    signalProcess(kernel, parent, childInfo(code, child, signo));
  }
  parent.childChanged.wake();
}

/** A zombie has been waited for. */
export function reap(kernel: Kernel, process: Process): void {
  const { parent } = process;
  if (parent) {
    parent.childrenUsage.add(process.usage);
    parent.childrenUsage.add(process.childrenUsage);
    parent.children.delete(process);
  }
  process.parent = null;
  kernel.processes.delete(process.pid);
}

/** Mark the robust futexes that a dying thread holds (get_robust_list(2)). */
function walkRobustList(kernel: Kernel, thread: Thread, space: AddressSpace): void {
  if (thread.robustList === 0) return;
  const bytes = new Uint8Array(RobustListHead.size);
  if (space.copyIn(thread.robustList, bytes) < 0) return;
  const { next, offset, pending } = RobustListHead.decode(bytes);
  let entry = next;
  for (let i = 0; i < ROBUST_LIST_LIMIT && entry !== thread.robustList; i++) {
    // Bit 0 of a list pointer marks a priority-inheritance futex.
    const at = entry - entry % 2;
    if (space.copyIn(at, bytes.subarray(0, 8)) < 0) return;
    const following = RobustListHead.decode(bytes).next;
    if (entry !== pending) ownerDied(kernel, thread, space, at + offset);
    entry = following;
  }
  if (pending !== 0) ownerDied(kernel, thread, space, pending - pending % 2 + offset);
}

function ownerDied(kernel: Kernel, thread: Thread, space: AddressSpace, at: number): void {
  const word = space.readU32(at);
  if (word < 0 || (word & FUTEX_TID_MASK) !== thread.tid) return;
  space.writeU32(at, ((word & FUTEX_WAITERS) | FUTEX_OWNER_DIED) >>> 0);
  if (word & FUTEX_WAITERS) kernel.futexes.wake(space, at, 1);
}
