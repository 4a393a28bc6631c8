/** Scheduling: yielding, affinity, nice values. */
import { Timespec } from "../abi/structs.ts";
import { EACCES, EFAULT, EINVAL, EPERM, ESRCH } from "../errno.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import type { Thread } from "../thread.ts";
import { schedulingPolicyRows } from "./scheduling_policy.ts";
import { writeInt, writeStruct } from "../user_struct.ts";

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
  ...schedulingPolicyRows,
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
