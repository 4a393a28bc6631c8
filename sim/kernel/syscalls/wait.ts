/** Waiting for children: wait4, waitid. */
import {
  childInfo,
  CLD_CONTINUED,
  CLD_DUMPED,
  CLD_EXITED,
  CLD_KILLED,
  CLD_STOPPED,
} from "../abi/siginfo.ts";
import { Rusage } from "../abi/structs.ts";
import { ECHILD, EFAULT, EINVAL } from "../errno.ts";
import { reap } from "../exit.ts";
import type { Process } from "../process.ts";
import { SIGCHLD, SIGCONT } from "../signal_numbers.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { usageOf } from "../usage.ts";
import { writeInt, writeStruct } from "../user_struct.ts";
import { processOf } from "./pidfd.ts";

const WNOHANG = 1;
const WUNTRACED = 2;
const WSTOPPED = 2;
const WEXITED = 4;
const WCONTINUED = 8;
const WNOWAIT = 0x1000000;
/** __WNOTHREAD, __WALL and __WCLONE, as the signed word has them. */
const WNOTHREAD = 0x20000000;
const WALL = 0x40000000;
const WCLONE = 0x80000000 | 0;

const P_ALL = 0;
const P_PID = 1;
const P_PIDFD = 3;

/** A child's change of state that a wait may report. */
interface Event {
  readonly child: Process;
  /** As wait4 stores it. */
  readonly status: number;
  readonly kind: "exit" | "stop" | "continue";
}

type Match = (child: Process) => boolean;

/** The first event among matching children; null if they have none; -ECHILD if none matches. */
function find(call: Call, match: Match, options: number): Event | null | number {
  let any = false;
  for (const child of call.process.children) {
    const isClone = child.exitSignal !== SIGCHLD;
    if ((options & WALL) === 0 && isClone !== ((options & WCLONE) !== 0)) continue;
    if (!match(child)) continue;
    any = true;
    if (child.exitStatus !== null) {
      if (options & WEXITED) return { child, status: child.exitStatus, kind: "exit" };
      continue;
    }
    if (child.unreported === null) continue;
    if (child.unreported === 0xffff) {
      if (options & WCONTINUED) return { child, status: 0xffff, kind: "continue" };
    } else if (options & WSTOPPED) {
      return { child, status: child.unreported, kind: "stop" };
    }
  }
  return any ? null : -ECHILD;
}

/** The event is reported: a zombie goes, a stop is told once. */
function consume(call: Call, event: Event): void {
  if (event.kind === "exit") reap(call.kernel, event.child);
  else event.child.unreported = null;
}

function matcher(call: Call, pid: number): Match {
  if (pid === -1) return () => true;
  if (pid > 0) return (child) => child.pid === pid;
  const group = pid === 0 ? call.process.pgid : -pid;
  return (child) => child.pgid === group;
}

function wait4(call: Call, pid: number, status: number, options: number, rusage: number): number {
  if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WALL | WCLONE)) return -EINVAL;
  const event = find(call, matcher(call, pid), options | WEXITED);
  if (typeof event === "number") return event;
  if (event === null) return options & WNOHANG ? 0 : call.block(call.process.childChanged);
  const { child } = event;
  const usage = usageOf(call.kernel, child, "both");
  consume(call, event);
  if (status !== 0 && writeInt(call.space, status, event.status) < 0) return -EFAULT;
  if (rusage !== 0 && writeStruct(call.space, Rusage, rusage, usage) < 0) return -EFAULT;
  return child.pid;
}

function waitid(
  call: Call,
  type: number,
  id: number,
  info: number,
  options: number,
  rusage: number,
): number {
  const known = WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | WNOTHREAD | WALL | WCLONE;
  if (options & ~known || !(options & (WEXITED | WSTOPPED | WCONTINUED))) return -EINVAL;
  if (type < P_ALL || type > P_PIDFD) return -EINVAL;
  if (type === P_PIDFD) {
    const process = processOf(call, id);
    if (typeof process === "number") return process;
    type = P_PID;
    id = process.pid;
  }
  if (type === P_PID && id <= 0) return -EINVAL;
  // What is left is P_PGID.
  const match = type === P_ALL
    ? () => true
    : matcher(call, type === P_PID ? id : id === 0 ? 0 : -id);
  const event = find(call, match, options);
  if (typeof event === "number") return event;
  if (event === null) {
    if (!(options & WNOHANG)) return call.block(call.process.childChanged);
    if (info !== 0 && call.space.copyOut(info, new Uint8Array(36)) < 0) return -EFAULT;
    return 0;
  }
  const { child } = event;
  const usage = usageOf(call.kernel, child, "both");
  if (!(options & WNOWAIT)) consume(call, event);
  if (info !== 0 && call.space.copyOut(info, infoOf(event).subarray(0, 36)) < 0) return -EFAULT;
  if (rusage !== 0 && writeStruct(call.space, Rusage, rusage, usage) < 0) return -EFAULT;
  return 0;
}

/** siginfo_t of an event as waitid fills it. */
function infoOf({ child, status, kind }: Event): Uint8Array {
  const signal = status & 0x7f;
  let code = CLD_EXITED;
  let value = status >> 8;
  if (kind === "continue") {
    code = CLD_CONTINUED;
    value = SIGCONT;
  } else if (kind === "stop") {
    code = CLD_STOPPED;
  } else if (signal !== 0) {
    code = status & 0x80 ? CLD_DUMPED : CLD_KILLED;
    value = signal;
  }
  const { pid, credentials } = child;
  return childInfo(code, { pid, uid: credentials.uid, status: value, utime: 0, stime: 0 }, SIGCHLD);
}

export const waitRows: readonly SyscallRow[] = [
  {
    name: "wait4",
    x86_64: 61,
    aarch64: 260,
    args: ["int", "out:wait_status", "flags:wait", "out:rusage"],
    run: wait4,
  },
  {
    name: "waitid",
    x86_64: 247,
    aarch64: 95,
    args: ["enum:idtype", "int", "out:siginfo", "flags:wait", "out:rusage"],
    run: waitid,
  },
];
