/** Sessions and their terminals: who is in the foreground, and what happens to the others (credentials(7)). */
import { EIO, ENOTTY, EPERM, ERESTART } from "./errno.ts";
import type { Kernel } from "./kernel.ts";
import type { Process } from "./process.ts";
import { SIG_IGN, SIGCONT, SIGHUP, SIGTTIN } from "./signal_numbers.ts";
import { signalFromKernel } from "./signals.ts";

/** A terminal as a session sees it. Sessions and groups are numbers of processes, 0 for none. */
export interface ControllingTerminal {
  /** Device number (`makeDevice`). */
  readonly device: number;
  /** The session it controls. */
  session: number;
  /** The group that reads from it and gets signals from its keyboard. */
  foreground: number;
}

/** Send a signal to all processes of a group; whether there is any. */
export function signalGroup(kernel: Kernel, group: number, signo: number): boolean {
  const members = [...kernel.processes.values()].filter(({ pgid }) => pgid === group);
  for (const member of members) signalFromKernel(kernel, member, signo);
  return members.length > 0;
}

/**
 * Whether `process` may use its terminal now: 0 if it is in the foreground, or the terminal is not its own. Otherwise
 * its group gets `signo` (SIGTTIN, SIGTTOU) and the answer is -ERESTART; if nothing could stop it, -EIO for a
 * read, 0 for the rest (`__tty_check_change`).
 */
export function checkForeground(
  kernel: Kernel,
  process: Process,
  terminal: ControllingTerminal,
  signo: number,
): number {
  const { foreground } = terminal;
  if (process.terminal !== terminal || foreground === 0 || process.pgid === foreground) return 0;
  const unstoppable = process.actions.value.get(signo).handler === SIG_IGN ||
    kernel.current?.mask.has(signo);
  if (unstoppable) return signo === SIGTTIN ? -EIO : 0;
  if (isOrphaned(kernel, process.pgid)) return -EIO;
  signalGroup(kernel, process.pgid, signo);
  return -ERESTART;
}

/** A group of which no member has a parent in another group of the session: nobody would continue it. */
function isOrphaned(kernel: Kernel, group: number): boolean {
  for (const { pgid, sid, parent } of kernel.processes.values()) {
    if (pgid === group && parent && parent.pgid !== group && parent.sid === sid) return false;
  }
  return true;
}

/**
 * Make `terminal` the controlling one of `process`, as TIOCSCTTY does: -EPERM unless it leads a session
 * without one, and the terminal controls none (`steal`: takes it from another, for user 0).
 */
export function acquireTerminal(
  kernel: Kernel,
  process: Process,
  terminal: ControllingTerminal,
  steal: boolean,
): number {
  const leads = process.sid === process.pid;
  if (leads && terminal.session === process.sid) return 0;
  if (!leads || process.terminal !== null) return -EPERM;
  if (terminal.session !== 0) {
    if (!steal || process.credentials.euid !== 0) return -EPERM;
    forget(kernel, terminal);
  }
  terminal.session = process.sid;
  terminal.foreground = process.pgid;
  process.terminal = terminal;
  return 0;
}

/**
 * Give up `terminal` (TIOCNOTTY): -ENOTTY if it is not the caller's. If the leader of a session does, the
 * session has none any more and its foreground gets SIGHUP and SIGCONT.
 */
export function giveUpTerminal(
  kernel: Kernel,
  process: Process,
  terminal: ControllingTerminal,
): number {
  if (process.terminal !== terminal) return -ENOTTY;
  if (process.sid !== process.pid) process.terminal = null;
  else release(kernel, terminal, [SIGHUP, SIGCONT]);
  return 0;
}

/** A process ends: if it leads a session with a terminal, the foreground gets SIGHUP. */
export function leaderExited(kernel: Kernel, process: Process): void {
  const { terminal } = process;
  if (terminal === null || process.sid !== process.pid) return;
  release(kernel, terminal, [SIGHUP]);
}

/** The other end of the terminal is gone: its session's leader gets SIGHUP and SIGCONT. */
export function hangUp(kernel: Kernel, terminal: ControllingTerminal): void {
  const leader = kernel.processes.get(terminal.session);
  forget(kernel, terminal);
  if (leader === undefined) return;
  signalFromKernel(kernel, leader, SIGHUP);
  signalFromKernel(kernel, leader, SIGCONT);
}

function release(kernel: Kernel, terminal: ControllingTerminal, signals: readonly number[]): void {
  const { foreground } = terminal;
  forget(kernel, terminal);
  if (foreground !== 0) { for (const signo of signals) signalGroup(kernel, foreground, signo); }
}

/** No process has the terminal any more. */
function forget(kernel: Kernel, terminal: ControllingTerminal): void {
  for (const process of kernel.processes.values()) {
    if (process.terminal === terminal) process.terminal = null;
  }
  terminal.session = terminal.foreground = 0;
}
