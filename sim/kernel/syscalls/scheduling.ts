/** Scheduling: yielding, affinity, policies. Every thread has the default policy. */
import { SchedParam, Timespec } from "../abi/structs.ts";
import { EACCES, EFAULT, EINVAL, EPERM, ESRCH } from "../errno.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import type { Thread } from "../thread.ts";
import { readStruct, writeInt, writeStruct } from "../user_struct.ts";

const SCHED_OTHER = 0, SCHED_FIFO = 1, SCHED_RR = 2, SCHED_BATCH = 3, SCHED_IDLE = 5;
const SCHED_RESET_ON_FORK = 0x40000000;
const PRIO_PROCESS = 0, PRIO_PGRP = 1, PRIO_USER = 2;
const RLIMIT_NICE = 13;

function threadOf(call: Call, tid: number): Thread | undefined {
  return tid === 0 ? call.thread : call.kernel.threads.get(tid);
}

/** One bit per modelled CPU. */
function cpuMask(call: Call): number {
  return 2 ** call.kernel.cpus - 1;
}

function getaffinity(call: Call, tid: number, size: number, to: number): number {
  if (size < 8 || size % 8 !== 0) return -EINVAL;
  if (!threadOf(call, tid)) return -ESRCH;
  return call.space.writeU64(to, cpuMask(call)) < 0 ? -EFAULT : 8;
}

function setaffinity(call: Call, tid: number, size: number, from: number): number {
  if (!threadOf(call, tid)) return -ESRCH;
  const bytes = new Uint8Array(Math.min(size, 128));
  if (call.space.copyIn(from, bytes) < 0) return -EFAULT;
  return (bytes[0] & cpuMask(call)) === 0 ? -EINVAL : 0;
}

function setscheduler(call: Call, tid: number, policy: number, param: number): number {
  if (!threadOf(call, tid)) return -ESRCH;
  const wanted = readStruct(call.space, SchedParam, param);
  if (wanted === null) return -EFAULT;
  const base = policy & ~SCHED_RESET_ON_FORK;
  if (base === SCHED_FIFO || base === SCHED_RR) {
    return wanted.priority >= 1 && wanted.priority <= 99 ? -EPERM : -EINVAL;
  }
  if (base !== SCHED_OTHER && base !== SCHED_BATCH && base !== SCHED_IDLE) return -EINVAL;
  return wanted.priority === 0 ? 0 : -EINVAL;
}

/** Highest and lowest priority of a policy. */
function priorities(policy: number): readonly [number, number] | null {
  if (policy === SCHED_FIFO || policy === SCHED_RR) return [99, 1];
  if (policy === SCHED_OTHER || policy === SCHED_BATCH || policy === SCHED_IDLE) return [0, 0];
  return null;
}

/** The threads that getpriority(2) and setpriority(2) name. */
function threadsNamed({ kernel, process, thread }: Call, which: number, who: number): Thread[] {
  if (which === PRIO_PROCESS) {
    const named = who === 0 ? thread : kernel.threads.get(who);
    return named ? [named] : [];
  }
  const wanted = who !== 0 ? who : which === PRIO_PGRP ? process.pgid : process.credentials.uid;
  return [...kernel.threads.values()].filter(({ process: { pgid, credentials } }) =>
    (which === PRIO_PGRP ? pgid : credentials.uid) === wanted
  );
}

/** 20 minus the lowest nice value, so that no answer looks like an error. */
function getpriority(call: Call, which: number, who: number): number {
  if (which < PRIO_PROCESS || which > PRIO_USER) return -EINVAL;
  const named = threadsNamed(call, which, who);
  return named.length === 0 ? -ESRCH : 20 - Math.min(...named.map((thread) => thread.nice));
}

function setpriority(call: Call, which: number, who: number, priority: number): number {
  if (which < PRIO_PROCESS || which > PRIO_USER) return -EINVAL;
  const nice = Math.max(-20, Math.min(19, priority));
  const { euid, uid } = call.process.credentials;
  let error = ESRCH;
  for (const thread of threadsNamed(call, which, who)) {
    const { credentials: owner, limits } = thread.process;
    const lowest = 20 - limits[RLIMIT_NICE].soft;
    if (euid !== 0 && euid !== owner.euid && euid !== owner.uid && uid !== owner.uid) error = EPERM;
    else if (euid !== 0 && nice < thread.nice && nice < lowest) error = EACCES;
    else {
      thread.nice = nice;
      if (error === ESRCH) error = 0;
    }
  }
  return -error;
}

const ONE_POLICY = "noop: all threads are scheduled alike";

export const schedulingRows: readonly SyscallRow[] = [
  {
    name: "sched_yield",
    x86_64: 24,
    aarch64: 124,
    args: [],
    run: ({ kernel }) => {
      kernel.endQuantum();
      return 0;
    },
  },
  {
    name: "sched_getaffinity",
    x86_64: 204,
    aarch64: 123,
    args: ["int", "size", "ptr"],
    run: getaffinity,
  },
  {
    name: "sched_setaffinity",
    x86_64: 203,
    aarch64: 122,
    args: ["int", "size", "ptr"],
    run: setaffinity,
    support: "partial: a thread may run on every modelled CPU",
  },
  {
    name: "sched_getscheduler",
    x86_64: 145,
    aarch64: 120,
    args: ["int"],
    run: (call, tid) => threadOf(call, tid) ? SCHED_OTHER : -ESRCH,
  },
  {
    name: "sched_setscheduler",
    x86_64: 144,
    aarch64: 119,
    args: ["int", "enum:sched", "ptr"],
    run: setscheduler,
    support: ONE_POLICY,
  },
  {
    name: "sched_getparam",
    x86_64: 143,
    aarch64: 121,
    args: ["int", "ptr"],
    run: (call, tid, to) => threadOf(call, tid) ? writeInt(call.space, to, 0) : -ESRCH,
  },
  {
    name: "sched_setparam",
    x86_64: 142,
    aarch64: 118,
    args: ["int", "ptr"],
    run: (call, tid, param) => setscheduler(call, tid, SCHED_OTHER, param),
    support: ONE_POLICY,
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
  {
    name: "sched_rr_get_interval",
    x86_64: 148,
    aarch64: 127,
    args: ["int", "out:timespec"],
    run: (call, tid, to) =>
      threadOf(call, tid)
        ? writeStruct(call.space, Timespec, to, { sec: 0, nsec: 4_000_000 })
        : -ESRCH,
  },
  {
    name: "getpriority",
    x86_64: 140,
    aarch64: 141,
    args: ["enum:priority", "int"],
    run: getpriority,
  },
  {
    name: "setpriority",
    x86_64: 141,
    aarch64: 140,
    args: ["enum:priority", "int", "int"],
    run: setpriority,
    support: "partial: nice values are kept; all threads are scheduled alike",
  },
  {
    name: "getcpu",
    x86_64: 309,
    aarch64: 168,
    args: ["ptr", "ptr", "ptr"],
    run: ({ space }, cpu, node) => {
      if (cpu !== 0 && writeInt(space, cpu, 0) < 0) return -EFAULT;
      return node !== 0 && writeInt(space, node, 0) < 0 ? -EFAULT : 0;
    },
  },
  {
    name: "ioprio_get",
    x86_64: 252,
    aarch64: 31,
    args: ["int", "int"],
    run: () => 0,
  },
  {
    name: "ioprio_set",
    x86_64: 251,
    aarch64: 30,
    args: ["int", "int", "int"],
    run: () => 0,
    support: ONE_POLICY,
  },
  {
    name: "membarrier",
    x86_64: 324,
    aarch64: 283,
    args: ["enum:membarrier", "uint"],
    run: ({ process }, command, flags) => membarrier(process, command, flags),
  },
];

/**
 * Commands of membarrier(2) by bit: global, global expedited, private expedited and the same with
 * serialisation of the core, the last three with a registration each. Those of rseq are not there.
 */
const MEMBARRIER_SUPPORTED = 0x7f;
const PRIVATE_EXPEDITED = 8, REGISTER_PRIVATE = 16, SYNC_CORE = 32, REGISTER_SYNC_CORE = 64;

/** Threads switch between instructions, so every barrier holds already. */
function membarrier(process: Call["process"], command: number, flags: number): number {
  if (flags !== 0) return -EINVAL;
  if (command === 0) return MEMBARRIER_SUPPORTED;
  if ((command & ~MEMBARRIER_SUPPORTED) !== 0 || (command & (command - 1)) !== 0) return -EINVAL;
  if (command === REGISTER_PRIVATE || command === REGISTER_SYNC_CORE) {
    process.membarriers |= command;
  }
  if (command === PRIVATE_EXPEDITED || command === SYNC_CORE) {
    // A command's registration is the next bit.
    if ((process.membarriers & (command << 1)) === 0) return -EPERM;
  }
  return 0;
}
