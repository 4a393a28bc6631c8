/**
 * Kernel structures of both architectures (include/uapi/linux and arch/…/include/uapi/asm). Where
 * the two differ the declaration is a record by architecture.
 */
import { Struct } from "./struct.ts";

/** struct __kernel_timespec */
export const Timespec = new Struct("timespec", { sec: "i64", nsec: "i64" });
/** struct timeval */
export const Timeval = new Struct("timeval", { sec: "i64", usec: "i64" });
/** struct itimerval: interval, value */
export const Itimerval = new Struct("itimerval", {
  intervalSec: "i64",
  intervalUsec: "i64",
  sec: "i64",
  usec: "i64",
});
/** struct itimerspec */
export const Itimerspec = new Struct("itimerspec", {
  intervalSec: "i64",
  intervalNsec: "i64",
  sec: "i64",
  nsec: "i64",
});
/** struct rlimit64 */
export const Rlimit = new Struct("rlimit64", { cur: "u64", max: "u64" });
/** struct tms */
export const Tms = new Struct("tms", { utime: "i64", stime: "i64", cutime: "i64", cstime: "i64" });
/** struct sigaction as the kernel has it: both architectures define SA_RESTORER. */
export const Sigaction = new Struct("sigaction", {
  handler: "u64",
  flags: "u64",
  restorer: "u64",
  maskLow: "u32",
  maskHigh: "u32",
});
/** stack_t */
export const StackT = new Struct("stack_t", { sp: "u64", flags: "i32", size: "u64" });
/** struct sched_param */
export const SchedParam = new Struct("sched_param", { priority: "i32" });
/** struct robust_list_head */
export const RobustListHead = new Struct("robust_list_head", {
  next: "u64",
  offset: "i64",
  pending: "u64",
});
/** struct rseq, the original 32 bytes */
export const Rseq = new Struct("rseq", {
  cpuIdStart: "u32",
  cpuId: "u32",
  criticalSection: "u64",
  flags: "u32",
  tail: { zero: 12 },
});
/** struct rseq_cs */
export const RseqCs = new Struct("rseq_cs", {
  version: "u32",
  flags: "u32",
  start: "u64",
  length: "u64",
  abort: "u64",
});
/** struct clone_args (CLONE_ARGS_SIZE_VER2) */
export const CloneArgs = new Struct("clone_args", {
  flags: "u64",
  pidfd: "u64",
  childTid: "u64",
  parentTid: "u64",
  exitSignal: "u64",
  stack: "u64",
  stackSize: "u64",
  tls: "u64",
  setTid: "u64",
  setTidSize: "u64",
  cgroup: "u64",
});
/** struct rusage */
export const Rusage = new Struct("rusage", {
  utimeSec: "i64",
  utimeUsec: "i64",
  stimeSec: "i64",
  stimeUsec: "i64",
  maxrss: "i64",
  ixrss: "i64",
  idrss: "i64",
  isrss: "i64",
  minflt: "i64",
  majflt: "i64",
  nswap: "i64",
  inblock: "i64",
  oublock: "i64",
  msgsnd: "i64",
  msgrcv: "i64",
  nsignals: "i64",
  nvcsw: "i64",
  nivcsw: "i64",
});
/** struct sysinfo */
export const Sysinfo = new Struct("sysinfo", {
  uptime: "i64",
  load1: "u64",
  load5: "u64",
  load15: "u64",
  totalram: "u64",
  freeram: "u64",
  sharedram: "u64",
  bufferram: "u64",
  totalswap: "u64",
  freeswap: "u64",
  procs: "u16",
  totalhigh: "u64",
  freehigh: "u64",
  unit: "u32",
}, { size: 112 });
/** struct sigevent: notify union starts at byte 16. */
export const Sigevent = new Struct("sigevent", {
  valueLow: "u32",
  valueHigh: "u32",
  signo: "i32",
  notify: "i32",
  tid: "i32",
  tail: { zero: 44 },
});

/** Fields of a new-style struct utsname are 65 bytes each. */
export const UTSNAME_FIELD = 65;
