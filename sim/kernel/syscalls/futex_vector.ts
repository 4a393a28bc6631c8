/** futex_waitv(2): wait for the first of several futexes. */
import { Struct } from "../abi/struct.ts";
import { Timespec } from "../abi/structs.ts";
import { CLOCK_MONOTONIC, CLOCK_REALTIME, deadlineOf } from "../clocks.ts";
import { EFAULT, EINVAL, ETIMEDOUT } from "../errno.ts";
import { FutexWaiter } from "../futex.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { readStruct } from "../user_struct.ts";

/** struct futex_waitv (include/uapi/linux/futex.h) */
export const FutexWaitv = new Struct("futex_waitv", {
  value: "u64",
  address: "u64",
  flags: "u32",
  reserved: "u32",
});
const FUTEX_WAITV_MAX = 128;
/** Words are of 32 bits; all of a process or private. */
const FUTEX2_SIZE_U32 = 2, FUTEX2_PRIVATE = 128;
const MATCH_ANY = 0xffffffff;

/** What a blocked futex_waitv remembers. */
interface Wait {
  readonly waiters: readonly FutexWaiter[];
  readonly deadline: number;
}

function futexWaitv(
  call: Call,
  at: number,
  count: number,
  flags: number,
  timeout: number,
  clock: number,
): number {
  if (call.resumed) return waited(call);
  if (flags !== 0 || count === 0 || count > FUTEX_WAITV_MAX || at === 0) return -EINVAL;
  const deadline = deadlineAt(call, timeout, clock);
  if (deadline < 0) return deadline;
  const { futexes } = call.kernel;
  const wanted: ReturnType<typeof FutexWaitv.decode>[] = [];
  for (let i = 0; i < count; i++) {
    const one = readStruct(call.space, FutexWaitv, at + i * FutexWaitv.size);
    if (one === null) return -EFAULT;
    if (one.reserved !== 0 || (one.flags & ~FUTEX2_PRIVATE) !== FUTEX2_SIZE_U32) return -EINVAL;
    if (one.value > 0xffffffff) return -EINVAL;
    wanted.push(one);
  }
  const waiters: FutexWaiter[] = [];
  for (const { address } of wanted) {
    const key = futexes.key(call.space, address);
    if (typeof key === "number") return key;
    waiters.push(new FutexWaiter(call.thread, key, MATCH_ANY));
  }
  for (const { address, value } of wanted) {
    const differs = futexes.expect(call.space, address, value);
    if (differs < 0) return differs;
  }
  for (const waiter of waiters) futexes.add(waiter);
  call.state = { waiters, deadline } satisfies Wait;
  return sleep(call);
}

/** Monotonic deadline of the absolute time at `va`, Infinity without one; or -errno. */
function deadlineAt(call: Call, va: number, clock: number): number {
  if (va === 0) return Infinity;
  if (clock !== CLOCK_MONOTONIC && clock !== CLOCK_REALTIME) return -EINVAL;
  const time = readStruct(call.space, Timespec, va);
  if (time === null) return -EFAULT;
  if (time.sec < 0 || time.nsec < 0 || time.nsec >= 1e9) return -EINVAL;
  return deadlineOf(call.kernel.clock, clock, time, true);
}

function sleep(call: Call): number {
  const { waiters, deadline } = call.state as Wait;
  const abandoned = (): void => forget(call, waiters);
  return call.block(waiters.map(({ queue }) => queue), { deadline, abandoned });
}

function forget(call: Call, waiters: readonly FutexWaiter[]): void {
  for (const waiter of waiters) call.kernel.futexes.remove(waiter);
}

/** The thread runs again: the last of the futexes that were woken, or out of time. */
function waited(call: Call): number {
  const { waiters } = call.state as Wait;
  const woken = waiters.findLastIndex((waiter) => waiter.woken);
  if (woken < 0 && !call.timedOut) return sleep(call);
  forget(call, waiters);
  return woken < 0 ? -ETIMEDOUT : woken;
}

export const futexVectorRows: readonly SyscallRow[] = [
  {
    name: "futex_waitv",
    x86_64: 449,
    aarch64: 449,
    args: ["struct:futex_waitv", "uint", "uint", "struct:timespec", "enum:clock"],
    run: futexWaitv,
  },
];
