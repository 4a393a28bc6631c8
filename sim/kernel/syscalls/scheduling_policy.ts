/** Policies and priorities: sched_setscheduler(2), sched_setparam(2), sched_setattr(2) and what reads them. */
import { Struct } from "../abi/struct.ts";
import { SchedParam } from "../abi/structs.ts";
import { E2BIG, EFAULT, EINVAL, EOPNOTSUPP, EPERM, ESRCH } from "../errno.ts";
import {
  DEFAULT_POLICY,
  isDeadline,
  isFair,
  isPolicy,
  isRealTime,
  SCHED_DEADLINE,
  SCHED_FIFO,
  SCHED_IDLE,
  SCHED_RR,
  type SchedulingPolicy,
} from "../scheduling.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import type { Thread } from "../thread.ts";
import { readStruct, writeInt } from "../user_struct.ts";

const SCHED_RESET_ON_FORK = 0x40000000;
/** Flags of struct sched_attr (include/uapi/linux/sched.h). */
const RESET_ON_FORK = 1, KEEP_POLICY = 8, KEEP_PARAMS = 0x10, UTIL_CLAMP = 0x60, ALL_FLAGS = 0x7f;
const RLIMIT_NICE = 13, RLIMIT_RTPRIO = 14;
const HIGHEST_PRIORITY = 99;

/** struct sched_attr */
export const SchedAttr = new Struct("sched_attr", {
  size: "u32",
  policy: "i32",
  flags: "u64",
  nice: "i32",
  priority: "u32",
  runtime: "u64",
  deadline: "u64",
  period: "u64",
  utilMin: "u32",
  utilMax: "u32",
});
/** Bytes of the first version. */
const FIRST_SIZE = 48;
/** Largest struct sched_attr of a program. */
const MOST_BYTES = 4096;

function threadOf(call: Call, tid: number): Thread | undefined {
  return tid === 0 ? call.thread : call.kernel.threads.get(tid);
}

/** Whether the caller may give a thread another policy and nice value (user_check_sched_setscheduler). */
function mayChange(call: Call, thread: Thread, wanted: SchedulingPolicy, nice: number): boolean {
  const mine = call.process.credentials;
  if (mine.euid === 0) return true;
  const { scheduling: old, process: { limits, credentials: theirs } } = thread;
  const lowestNice = 20 - limits[RLIMIT_NICE].soft;
  const highest = limits[RLIMIT_RTPRIO].soft;
  if (mine.euid !== theirs.euid && mine.euid !== theirs.uid) return false;
  if (isFair(wanted.policy) && nice < thread.nice && nice < lowestNice) return false;
  if (isRealTime(wanted.policy)) {
    if (wanted.policy !== old.policy && highest === 0) return false;
    if (wanted.priority > old.priority && wanted.priority > highest) return false;
  }
  if (wanted.policy === SCHED_DEADLINE) return false;
  const leavesIdle = old.policy === SCHED_IDLE && wanted.policy !== SCHED_IDLE;
  if (leavesIdle && thread.nice < lowestNice) return false;
  return !old.resetOnFork || wanted.resetOnFork;
}

/** 0 or -errno; a thread's policy and nice value as wanted. */
function change(call: Call, thread: Thread, wanted: SchedulingPolicy, nice: number): number {
  const { policy, priority } = wanted;
  if (!isPolicy(policy) || priority < 0 || priority > HIGHEST_PRIORITY) return -EINVAL;
  if (isRealTime(policy) !== (priority !== 0)) return -EINVAL;
  if (policy === SCHED_DEADLINE && !isDeadline(wanted)) return -EINVAL;
  if (!mayChange(call, thread, wanted, nice)) return -EPERM;
  thread.scheduling = policy === SCHED_DEADLINE
    ? { ...wanted, period: wanted.period || wanted.deadline }
    : { ...wanted, runtime: 0, deadline: 0, period: 0 };
  if (isFair(policy)) thread.nice = nice;
  return 0;
}

function setScheduler(call: Call, tid: number, policy: number, param: number): number {
  if (policy < 0) return -EINVAL;
  return setParameter(call, tid, param, () => ({
    policy: policy & ~SCHED_RESET_ON_FORK,
    resetOnFork: (policy & SCHED_RESET_ON_FORK) !== 0,
  }));
}

function setParameter(
  call: Call,
  tid: number,
  param: number,
  policyOf: (thread: Thread) => Pick<SchedulingPolicy, "policy" | "resetOnFork">,
): number {
  if (param === 0 || tid < 0) return -EINVAL;
  const wanted = readStruct(call.space, SchedParam, param);
  if (wanted === null) return -EFAULT;
  const thread = threadOf(call, tid);
  if (thread === undefined) return -ESRCH;
  const { policy, resetOnFork } = policyOf(thread);
  const { priority } = wanted;
  return change(call, thread, { ...DEFAULT_POLICY, policy, priority, resetOnFork }, thread.nice);
}

function getScheduler(call: Call, tid: number): number {
  if (tid < 0) return -EINVAL;
  const thread = threadOf(call, tid);
  if (thread === undefined) return -ESRCH;
  const { policy, resetOnFork } = thread.scheduling;
  return policy | (resetOnFork ? SCHED_RESET_ON_FORK : 0);
}

function getParameter(call: Call, tid: number, to: number): number {
  if (to === 0 || tid < 0) return -EINVAL;
  const thread = threadOf(call, tid);
  return thread ? writeInt(call.space, to, thread.scheduling.priority) : -ESRCH;
}

function setAttributes(call: Call, tid: number, at: number, flags: number): number {
  if (at === 0 || tid < 0 || flags !== 0) return -EINVAL;
  const given = readAttributes(call, at);
  if (typeof given === "number") return given;
  if (given.policy < 0) return -EINVAL;
  const thread = threadOf(call, tid);
  if (thread === undefined) return -ESRCH;
  const { scheduling: old } = thread;
  if ((given.flags & ~ALL_FLAGS) !== 0) return -EINVAL;
  if ((given.flags & UTIL_CLAMP) !== 0) return -EOPNOTSUPP; // CONFIG_UCLAMP_TASK
  const keeps = (given.flags & KEEP_POLICY) !== 0;
  const { priority, runtime, deadline, period } = (given.flags & KEEP_PARAMS) !== 0 ? old : given;
  const nice = (given.flags & KEEP_PARAMS) !== 0
    ? thread.nice
    : Math.max(-20, Math.min(19, given.nice));
  const wanted = {
    policy: keeps ? old.policy : given.policy,
    resetOnFork: keeps ? old.resetOnFork : (given.flags & RESET_ON_FORK) !== 0,
    ...{ priority, runtime, deadline, period },
  };
  return change(call, thread, wanted, nice);
}

/** struct sched_attr of the size that it says; its size is corrected where it is of no use. */
function readAttributes(
  call: Call,
  at: number,
): ReturnType<typeof SchedAttr.decode> | number {
  const { space } = call;
  const said = space.readU32(at);
  if (said < 0) return -EFAULT;
  const size = said === 0 ? FIRST_SIZE : said;
  const bytes = new Uint8Array(Math.max(size, SchedAttr.size));
  let fits = size >= FIRST_SIZE && size <= MOST_BYTES;
  if (fits && space.copyIn(at, bytes.subarray(0, size)) < 0) return -EFAULT;
  fits &&= bytes.subarray(SchedAttr.size).every((byte) => byte === 0);
  if (!fits) {
    space.writeU32(at, SchedAttr.size);
    return -E2BIG;
  }
  const given = SchedAttr.decode(bytes);
  return (given.flags & UTIL_CLAMP) !== 0 && size < SchedAttr.size ? -EINVAL : given;
}

function getAttributes(call: Call, tid: number, to: number, size: number, flags: number): number {
  if (to === 0 || tid < 0 || size > MOST_BYTES || size < FIRST_SIZE || flags !== 0) return -EINVAL;
  const thread = threadOf(call, tid);
  if (thread === undefined) return -ESRCH;
  const { policy, priority, resetOnFork, runtime, deadline, period } = thread.scheduling;
  const bytes = new Uint8Array(size);
  const known = SchedAttr.encode({
    size: Math.min(size, SchedAttr.size),
    policy,
    flags: resetOnFork ? RESET_ON_FORK : 0,
    nice: isFair(policy) || policy === SCHED_IDLE ? thread.nice : 0,
    ...{ priority, runtime, deadline, period },
  });
  bytes.set(known.subarray(0, size));
  return call.space.copyOut(to, bytes) < 0 ? -EFAULT : 0;
}

/** Highest and lowest priority of a policy. */
function priorities(policy: number): readonly [number, number] | null {
  if (policy === SCHED_FIFO || policy === SCHED_RR) return [HIGHEST_PRIORITY, 1];
  return isPolicy(policy) ? [0, 0] : null;
}

const ONE_POLICY = "partial: policies are kept; all threads are scheduled alike";

export const schedulingPolicyRows: readonly SyscallRow[] = [
  {
    name: "sched_getscheduler",
    x86_64: 145,
    aarch64: 120,
    args: ["int"],
    run: getScheduler,
  },
  {
    name: "sched_setscheduler",
    x86_64: 144,
    aarch64: 119,
    args: ["int", "enum:sched", "struct:int"],
    run: setScheduler,
    support: ONE_POLICY,
  },
  {
    name: "sched_getparam",
    x86_64: 143,
    aarch64: 121,
    args: ["int", "out:int"],
    run: getParameter,
  },
  {
    name: "sched_setparam",
    x86_64: 142,
    aarch64: 118,
    args: ["int", "struct:int"],
    run: (call, tid, param) => setParameter(call, tid, param, ({ scheduling }) => scheduling),
    support: ONE_POLICY,
  },
  {
    name: "sched_setattr",
    x86_64: 314,
    aarch64: 274,
    args: ["int", "struct:sched_attr", "uint"],
    run: setAttributes,
    support: ONE_POLICY,
  },
  {
    name: "sched_getattr",
    x86_64: 315,
    aarch64: 275,
    args: ["int", "out:sched_attr", "uint", "uint"],
    run: getAttributes,
  },
  {
    name: "sched_get_priority_max",
    x86_64: 146,
    aarch64: 125,
    args: ["enum:sched"],
    run: (_call, policy) => priorities(policy)?.[0] ?? -EINVAL,
  },
  {
    name: "sched_get_priority_min",
    x86_64: 147,
    aarch64: 126,
    args: ["enum:sched"],
    run: (_call, policy) => priorities(policy)?.[1] ?? -EINVAL,
  },
];
