/** The way of a system call through the kernel: entry, filters, handler, waiting, result. */
import { syscallName } from "../../lib/linker/syscall_names.ts";
import { readArguments, runHandler } from "./dispatch.ts";
import { ENOSYS } from "./errno.ts";
import { exitThread } from "./exit.ts";
import type { Kernel } from "./kernel.ts";
import { SECCOMP_MODE_DISABLED } from "./seccomp.ts";
import { askSeccomp } from "./seccomp_entry.ts";
import { forceSignal } from "./signals.ts";
import { BLOCKED, NO_RESULT } from "./syscall.ts";
import type { Thread } from "./thread.ts";

/** The loaded thread has executed a system call instruction. */
export function beginCall(kernel: Kernel, thread: Thread): void {
  const { call } = thread;
  const { cpu, abi, counters } = kernel;
  const number = cpu.regNumber(abi.number) | 0;
  counters.syscalls++;
  const row = kernel.table.row(number);
  const restricted = thread.seccomp.mode !== SECCOMP_MODE_DISABLED;
  if (row === undefined) {
    if (!restricted || admits(kernel, thread, number)) unknownCall(kernel, thread, number);
    return;
  }
  counters.byName.set(row.name, (counters.byName.get(row.name) ?? 0) + 1);
  call.begin(row, number);
  readArguments(kernel.state, abi, row, call.args);
  kernel.strace?.enter(thread);
  if (restricted && !admits(kernel, thread, number)) return;
  settle(kernel, thread, runHandler(call, kernel.syscalls));
}

/** Whether the thread's filters let the call begin; if not, it has its result or its end. */
function admits(kernel: Kernel, thread: Thread, number: number): boolean {
  const { counters, abi } = kernel;
  const verdict = askSeccomp(kernel, thread, number);
  counters.filtered++;
  counters.filterInstructions += verdict.executed;
  if (verdict.effect === "allow") return true;
  counters.refused++;
  // What the call would have come back with stays as it was: the number, or the first argument.
  const kept = abi.arch === "x86_64" ? number : NO_RESULT;
  const known = kernel.table.row(number) !== undefined;
  const result = verdict.effect === "errno" ? verdict.result : kept;
  if (verdict.effect !== "exit") {
    if (known) finishCall(kernel, thread, result);
    else {
      abi.leave(kernel.cpu);
      if (result !== NO_RESULT) kernel.cpu.setRegNumber(abi.result, result);
    }
  }
  if (verdict.effect === "signal") forceSignal(thread, verdict.info);
  if (verdict.effect === "exit") exitThread(kernel, thread, verdict.status);
  return false;
}

function unknownCall(kernel: Kernel, thread: Thread, number: number): void {
  const { unknown } = kernel.counters;
  if (!unknown.has(number)) {
    const name = syscallName(kernel.abi.arch, number) ?? "of no name";
    kernel.report(`isthmus: system call ${name} (${kernel.abi.arch} ${number}) is unknown: ENOSYS`);
  }
  unknown.set(number, (unknown.get(number) ?? 0) + 1);
  kernel.strace?.unknown(thread, number);
  kernel.abi.leave(kernel.cpu);
  kernel.cpu.setRegNumber(kernel.abi.result, -ENOSYS);
}

/** The loaded thread's blocked call may have something to answer now: ask its handler again. */
export function resumeCall(kernel: Kernel, thread: Thread): void {
  const { call } = thread;
  call.resumed = true;
  settle(kernel, thread, runHandler(call, kernel.syscalls));
}

/** A handler has answered. */
function settle(kernel: Kernel, thread: Thread, result: number): void {
  if (result === BLOCKED) {
    kernel.strace?.blocked(thread);
    return;
  }
  if (thread.status === "dead") return;
  finishCall(kernel, thread, result);
}

/** The loaded thread's call is over: write the result, unless it is NO_RESULT. */
export function finishCall(kernel: Kernel, thread: Thread, result: number): void {
  const { call } = thread;
  thread.stopWaiting();
  thread.status = "runnable";
  call.blocked = null;
  call.state = undefined;
  if (call.row.support?.startsWith("noop") && result >= 0) {
    const { noops } = kernel.counters;
    noops.set(call.row.name, (noops.get(call.row.name) ?? 0) + 1);
  }
  kernel.strace?.leave(thread, result);
  if (kernel.syscalls.any) {
    for (const hook of kernel.syscalls.of(call.row.name)) hook.exit?.(call, call.args, result);
  }
  if (result === NO_RESULT) return;
  kernel.abi.leave(kernel.cpu);
  kernel.cpu.setRegNumber(kernel.abi.result, result);
  kernel.onCallEnd?.(thread);
}

/** A signal handler interrupts the call, which starts again afterwards. */
export function abandonCall(kernel: Kernel, thread: Thread): void {
  thread.call.state = undefined;
  kernel.abi.leave(kernel.cpu);
  kernel.cpu.pc -= kernel.abi.syscallSize;
}
