/** seccomp(2), and what prctl(2) knows of it (kernel/seccomp.c). */
import { BPF_INSTRUCTION, BPF_MAXINSNS, BpfProgram } from "../bpf.ts";
import { EACCES, EFAULT, EINVAL, ENOMEM, EOPNOTSUPP, ESRCH } from "../errno.ts";
import {
  addFilter,
  continues,
  RET_ALLOW,
  RET_ERRNO,
  RET_KILL_PROCESS,
  RET_KILL_THREAD,
  RET_LOG,
  RET_TRACE,
  RET_TRAP,
  SECCOMP_MODE_DISABLED,
  SECCOMP_MODE_FILTER,
  SECCOMP_MODE_STRICT,
} from "../seccomp.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import type { Thread } from "../thread.ts";

const SET_MODE_STRICT = 0, SET_MODE_FILTER = 1, GET_ACTION_AVAIL = 2;
const FLAG_TSYNC = 1, FLAG_LOG = 2, FLAG_SPEC_ALLOW = 4, FLAG_TSYNC_ESRCH = 16;
const FLAGS = FLAG_TSYNC | FLAG_LOG | FLAG_SPEC_ALLOW | FLAG_TSYNC_ESRCH;
/** USER_NOTIF is not among them: there are no listeners. */
const ACTIONS = [
  ...[RET_KILL_PROCESS, RET_KILL_THREAD, RET_TRAP, RET_ERRNO, RET_TRACE, RET_LOG, RET_ALLOW],
];

function setStrict({ thread }: Call): number {
  const { mode } = thread.seccomp;
  if (mode !== SECCOMP_MODE_DISABLED && mode !== SECCOMP_MODE_STRICT) return -EINVAL;
  thread.seccomp = { mode: SECCOMP_MODE_STRICT, filter: null };
  return 0;
}

/** The program behind a `struct sock_fprog`: a length in 16 bits, and a pointer. */
function readProgram({ space, thread, process }: Call, at: number): BpfProgram | number {
  const length = space.readU16(at);
  if (length < 0) return -EFAULT;
  const address = space.readU64(at + 8);
  if (address < 0) return -EFAULT;
  if (length === 0 || length > BPF_MAXINSNS) return -EINVAL;
  // CAP_SYS_ADMIN will do as well, and only user 0 has that.
  if (!thread.noNewPrivileges && process.credentials.euid !== 0) return -EACCES;
  if (address === 0) return -EINVAL;
  const bytes = new Uint8Array(length * BPF_INSTRUCTION);
  if (space.copyIn(address, bytes) < 0) return -EFAULT;
  return BpfProgram.check(bytes) ?? -EINVAL;
}

/** A thread that cannot be given this one's filters, as it has others of its own. */
function unlike({ process, thread }: Call): Thread | undefined {
  for (const other of process.threads) {
    const { mode, filter } = other.seccomp;
    if (other === thread || mode === SECCOMP_MODE_DISABLED) continue;
    const ancestor = mode === SECCOMP_MODE_FILTER && continues(thread.seccomp.filter, filter);
    if (!ancestor) return other;
  }
  return undefined;
}

function setFilter(call: Call, flags: number, at: number): number {
  const { thread, process } = call;
  if ((flags & ~FLAGS) !== 0) return -EINVAL;
  const program = readProgram(call, at);
  if (typeof program === "number") return program;
  if (thread.seccomp.mode === SECCOMP_MODE_STRICT) return -EINVAL;
  const together = (flags & FLAG_TSYNC) !== 0;
  const next = addFilter(thread.seccomp, program, (flags & FLAG_LOG) !== 0);
  if (next === null) return -ENOMEM;
  const other = together ? unlike(call) : undefined;
  if (other !== undefined) return flags & FLAG_TSYNC_ESRCH ? -ESRCH : other.tid;
  for (const each of together ? process.threads : [thread]) {
    each.seccomp = next;
    if (thread.noNewPrivileges) each.noNewPrivileges = true;
  }
  return 0;
}

function seccomp(call: Call, operation: number, flags: number, at: number): number {
  switch (operation) {
    case SET_MODE_STRICT:
      return flags !== 0 || at !== 0 ? -EINVAL : setStrict(call);
    case SET_MODE_FILTER:
      return setFilter(call, flags, at);
    case GET_ACTION_AVAIL: {
      if (flags !== 0) return -EINVAL;
      const action = call.space.readU32(at);
      if (action < 0) return -EFAULT;
      return ACTIONS.includes(action) ? 0 : -EOPNOTSUPP;
    }
    default:
      return -EINVAL;
  }
}

/** prctl(PR_SET_SECCOMP, mode, program) */
export function setSeccomp(call: Call, mode: number, at: number): number {
  if (mode === SECCOMP_MODE_STRICT) return setStrict(call);
  return mode === SECCOMP_MODE_FILTER ? setFilter(call, 0, at) : -EINVAL;
}

export const seccompRows: readonly SyscallRow[] = [
  {
    name: "seccomp",
    x86_64: 317,
    aarch64: 277,
    args: ["enum:seccomp", "flags:seccomp", "ptr"],
    run: seccomp,
    support: "partial: no user notification, no log",
  },
];
