/** Resource limits and usage. */
import { Rlimit, Rusage } from "../abi/structs.ts";
import { EFAULT, EINVAL, EPERM, ESRCH } from "../errno.ts";
import { type Limit, limitSpace, type Process } from "../process.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { usageOf } from "../usage.ts";
import { readStruct, writeStruct } from "../user_struct.ts";

const COUNT = 16;
/** RLIM_INFINITY rounds to 2^64 as a number; nothing real is above 2^63. */
const INFINITE = 2 ** 63;
const ALL_ONES = -1;

const stored = (limit: number): number => limit === Infinity ? ALL_ONES : limit;
const loaded = (limit: number): number => limit >= INFINITE ? Infinity : limit;

function write(call: Call, to: number, { soft, hard }: Limit): number {
  return writeStruct(call.space, Rlimit, to, { cur: stored(soft), max: stored(hard) });
}

function change(call: Call, process: Process, resource: number, from: number): number {
  const values = readStruct(call.space, Rlimit, from);
  if (values === null) return -EFAULT;
  const next = { soft: loaded(values.cur), hard: loaded(values.max) };
  if (next.soft > next.hard) return -EINVAL;
  const before = process.limits[resource];
  if (next.hard > before.hard && call.process.credentials.euid !== 0) return -EPERM;
  process.limits[resource] = next;
  limitSpace(process.space.value, process.limits);
  return 0;
}

function prlimit(call: Call, pid: number, resource: number, next: number, old: number): number {
  if (resource < 0 || resource >= COUNT) return -EINVAL;
  const process = pid === 0 ? call.process : call.kernel.processes.get(pid);
  if (!process) return -ESRCH;
  const before = process.limits[resource];
  if (next !== 0) {
    const changed = change(call, process, resource, next);
    if (changed < 0) return changed;
  }
  return old === 0 ? 0 : write(call, old, before);
}

const RUSAGE_SELF = 0, RUSAGE_CHILDREN = -1, RUSAGE_THREAD = 1;

function getrusage(call: Call, who: number, to: number): number {
  const { kernel, process, thread, space } = call;
  if (who !== RUSAGE_SELF && who !== RUSAGE_CHILDREN && who !== RUSAGE_THREAD) return -EINVAL;
  const usage = usageOf(kernel, process, who === RUSAGE_CHILDREN ? "children" : "self");
  if (who === RUSAGE_THREAD) {
    const time = kernel.nanoseconds(thread.retired);
    usage.utimeSec = Math.floor(time / 1e9);
    usage.utimeUsec = Math.floor(time % 1e9 / 1000);
  }
  return writeStruct(space, Rusage, to, usage);
}

export const limitRows: readonly SyscallRow[] = [
  {
    name: "prlimit64",
    x86_64: 302,
    aarch64: 261,
    args: ["int", "enum:rlimit", "struct:rlimit", "out:rlimit"],
    run: prlimit,
  },
  {
    name: "getrlimit",
    x86_64: 97,
    aarch64: 163,
    args: ["enum:rlimit", "out:rlimit"],
    run: (call, resource, to) => prlimit(call, 0, resource, 0, to),
  },
  {
    name: "setrlimit",
    x86_64: 160,
    aarch64: 164,
    args: ["enum:rlimit", "struct:rlimit"],
    run: (call, resource, from) => from === 0 ? -EFAULT : prlimit(call, 0, resource, from, 0),
  },
  {
    name: "getrusage",
    x86_64: 98,
    aarch64: 165,
    args: ["enum:rusage_who", "out:rusage"],
    run: getrusage,
  },
];
