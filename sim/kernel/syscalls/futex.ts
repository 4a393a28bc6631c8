/** futex, and the lists that outlive their threads. */
import { Timespec } from "../abi/structs.ts";
import {
  EAGAIN,
  EBUSY,
  EDEADLK,
  EFAULT,
  EINVAL,
  ENOSYS,
  EPERM,
  ESRCH,
  ETIMEDOUT,
} from "../errno.ts";
import { FutexWaiter } from "../futex.ts";
import { CLOCK_MONOTONIC, CLOCK_REALTIME, deadlineOf } from "../clocks.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { readStruct } from "../user_struct.ts";
import { setNumber64 } from "../abi/struct.ts";
import { publishCpu } from "../rseq.ts";

const FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_REQUEUE = 3, FUTEX_CMP_REQUEUE = 4;
const FUTEX_WAKE_OP = 5, FUTEX_LOCK_PI = 6, FUTEX_UNLOCK_PI = 7, FUTEX_TRYLOCK_PI = 8;
const FUTEX_WAIT_BITSET = 9, FUTEX_WAKE_BITSET = 10, FUTEX_LOCK_PI2 = 13;
const FUTEX_PRIVATE = 128, FUTEX_CLOCK_REALTIME = 256;
const MATCH_ANY = 0xffffffff;

const FUTEX_WAITERS = 0x80000000;
const FUTEX_TID_MASK = 0x3fffffff;

/** What a blocked futex call remembers. */
interface Wait {
  readonly waiter: FutexWaiter;
  readonly deadline: number;
}

/** Deadline of a wait in monotonic nanoseconds, Infinity without one, or -errno. */
function deadline(call: Call, timeout: number, clock: number, absolute: boolean): number {
  if (timeout === 0) return Infinity;
  const time = readStruct(call.space, Timespec, timeout);
  if (time === null) return -EFAULT;
  if (time.sec < 0 || time.nsec < 0 || time.nsec >= 1e9) return -EINVAL;
  return deadlineOf(call.kernel.clock, clock, time, absolute);
}

function wait(
  call: Call,
  address: number,
  value: number,
  timeout: number,
  bitset: number,
  options: { clock: number; absolute: boolean },
): number {
  const { futexes } = call.kernel;
  if (call.resumed) return waited(call);
  if (bitset === 0) return -EINVAL;
  const until = deadline(call, timeout, options.clock, options.absolute);
  if (until < 0) return until;
  const key = futexes.key(call.space, address);
  if (typeof key === "number") return key;
  const differs = futexes.expect(call.space, address, value);
  if (differs < 0) return differs;
  const waiter = new FutexWaiter(call.thread, key, bitset);
  futexes.add(waiter);
  call.state = { waiter, deadline: until } satisfies Wait;
  return sleep(call);
}

function sleep(call: Call): number {
  const { waiter, deadline } = call.state as Wait;
  const forget = (): void => call.kernel.futexes.remove(waiter);
  const onSignal = deadline < Infinity ? "interrupt" : "restart";
  return call.block(waiter.queue, { deadline, onSignal, abandoned: forget });
}

/** The thread runs again: woken, out of time, or for a signal. */
function waited(call: Call): number {
  const { waiter } = call.state as Wait;
  if (waiter.woken) return 0;
  if (call.timedOut) {
    call.kernel.futexes.remove(waiter);
    return -ETIMEDOUT;
  }
  return sleep(call);
}

/** FUTEX_WAKE_OP: change one word, wake on another, and on the first by its old value. */
function wakeOp(
  call: Call,
  address: number,
  count: number,
  count2: number,
  address2: number,
  encoded: number,
): number {
  const { futexes } = call.kernel;
  const { space } = call;
  const key = futexes.key(space, address);
  const key2 = futexes.key(space, address2);
  if (typeof key === "number") return key;
  if (typeof key2 === "number") return key2;
  const operation = (encoded >>> 28) & 7;
  const comparison = (encoded >>> 24) & 15;
  let operand = (encoded << 8) >> 20;
  const compared = (encoded << 20) >> 20;
  if (encoded < 0) operand = 1 << (operand & 31);
  const old = space.readU32(address2) | 0;
  const results = [operand, old + operand, old | operand, old & ~operand, old ^ operand];
  if (operation >= results.length) return -ENOSYS;
  if (space.writeU32(address2, results[operation] >>> 0) < 0) return -EFAULT;
  const holds = [
    old === compared,
    old !== compared,
    old < compared,
    old <= compared,
    old > compared,
    old >= compared,
  ];
  if (comparison >= holds.length) return -ENOSYS;
  const woken = futexes.wakeKey(key, count);
  return holds[comparison] ? woken + futexes.wakeKey(key2, count2) : woken;
}

/** FUTEX_LOCK_PI without priorities: the word holds the owner's tid. */
function lockPi(call: Call, address: number, timeout: number, clock: number): number {
  const { kernel, space, thread } = call;
  const { futexes } = kernel;
  const word = space.readU32(address);
  if (word < 0) return -EFAULT;
  const owner = word & FUTEX_TID_MASK;
  if (owner === 0) {
    const waiters = call.state === undefined ? word & FUTEX_WAITERS : FUTEX_WAITERS;
    forget(call);
    return space.writeU32(address, (thread.tid | waiters) >>> 0) < 0 ? -EFAULT : 0;
  }
  if (owner === thread.tid) return -EDEADLK;
  if (!kernel.threads.has(owner)) return -ESRCH;
  if (call.timedOut) {
    forget(call);
    return -ETIMEDOUT;
  }
  if (call.state === undefined) {
    const key = futexes.key(space, address);
    if (typeof key === "number") return key;
    const until = deadline(call, timeout, clock, true);
    if (until < 0) return until;
    call.state = {
      waiter: new FutexWaiter(thread, key, MATCH_ANY),
      deadline: until,
    } satisfies Wait;
  }
  const { waiter } = call.state as Wait;
  futexes.remove(waiter);
  waiter.woken = false;
  futexes.add(waiter);
  if (space.writeU32(address, (word | FUTEX_WAITERS) >>> 0) < 0) return -EFAULT;
  return sleep(call);
}

function forget(call: Call): void {
  if (call.state !== undefined) call.kernel.futexes.remove((call.state as Wait).waiter);
}

function unlockPi(call: Call, address: number): number {
  const { kernel, space, thread } = call;
  const word = space.readU32(address);
  if (word < 0) return -EFAULT;
  if ((word & FUTEX_TID_MASK) !== thread.tid) return -EPERM;
  const key = kernel.futexes.key(space, address);
  if (typeof key === "number") return key;
  if (space.writeU32(address, 0) < 0) return -EFAULT;
  kernel.futexes.wakeKey(key, 1);
  return 0;
}

function futex(
  call: Call,
  address: number,
  operation: number,
  value: number,
  timeout: number,
  address2: number,
  value3: number,
): number {
  const { futexes } = call.kernel;
  const { space } = call;
  const command = operation & ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME);
  const clock = operation & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC;
  switch (command) {
    case FUTEX_WAIT:
      return wait(call, address, value, timeout, MATCH_ANY, { clock, absolute: false });
    case FUTEX_WAIT_BITSET:
      return wait(call, address, value, timeout, value3, { clock, absolute: true });
    case FUTEX_WAKE:
      return futexes.wake(space, address, value | 0);
    case FUTEX_WAKE_BITSET:
      return value3 === 0 ? -EINVAL : futexes.wake(space, address, value | 0, value3);
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE: {
      const source = futexes.key(space, address);
      const target = futexes.key(space, address2);
      if (typeof source === "number") return source;
      if (typeof target === "number") return target;
      if ((value | 0) < 0 || (timeout | 0) < 0) return -EINVAL;
      if (command === FUTEX_CMP_REQUEUE) {
        const differs = futexes.expect(space, address, value3);
        if (differs < 0) return differs;
      }
      const [woken, moved] = futexes.requeue(source, target, value | 0, timeout | 0);
      return command === FUTEX_REQUEUE ? woken : woken + moved;
    }
    case FUTEX_WAKE_OP:
      return wakeOp(call, address, value | 0, timeout | 0, address2, value3 | 0);
    case FUTEX_LOCK_PI:
      return lockPi(call, address, timeout, CLOCK_REALTIME);
    case FUTEX_LOCK_PI2:
      return lockPi(call, address, timeout, clock);
    case FUTEX_TRYLOCK_PI: {
      const word = space.readU32(address);
      if (word < 0) return -EFAULT;
      return (word & FUTEX_TID_MASK) === 0 ? lockPi(call, address, 0, clock) : -EAGAIN;
    }
    case FUTEX_UNLOCK_PI:
      return unlockPi(call, address);
    default:
      return -ENOSYS;
  }
}

/** rseq: register or unregister the thread's restartable sequence area. */
function rseq(call: Call, address: number, size: number, flags: number, signature: number): number {
  const { thread } = call;
  const registered = thread.rseq;
  if (flags === 1) {
    if (registered?.address !== address || registered.size !== size) return -EINVAL;
    if (registered.signature !== signature) return -EPERM;
    publishCpu(thread, 0xffffffff);
    thread.rseq = null;
    return 0;
  }
  if (flags !== 0) return -EINVAL;
  if (registered) {
    if (registered.address !== address || registered.size !== size) return -EINVAL;
    return registered.signature === signature ? -EBUSY : -EPERM;
  }
  if (address % 32 !== 0 || size !== 32) return -EINVAL;
  thread.rseq = { address, size, signature };
  if (publishCpu(thread, 0) < 0) {
    thread.rseq = null;
    return -EFAULT;
  }
  return 0;
}

function getRobustList(call: Call, tid: number, head: number, size: number): number {
  const thread = tid === 0 ? call.thread : call.kernel.threads.get(tid);
  if (!thread) return -ESRCH;
  const bytes = new Uint8Array(8);
  setNumber64(new DataView(bytes.buffer), 0, thread.robustList);
  if (call.space.copyOut(head, bytes) < 0) return -EFAULT;
  setNumber64(new DataView(bytes.buffer), 0, 24);
  return call.space.copyOut(size, bytes) < 0 ? -EFAULT : 0;
}

export const futexRows: readonly SyscallRow[] = [
  {
    name: "futex",
    x86_64: 202,
    aarch64: 98,
    args: ["ptr", "enum:futex", "uint", "ptr", "ptr", "uint"],
    run: futex,
    support: "partial: priority inheritance without priorities",
  },
  {
    name: "set_robust_list",
    x86_64: 273,
    aarch64: 99,
    args: ["ptr", "size"],
    run: ({ thread }, head, size) => {
      if (size !== 24) return -EINVAL;
      thread.robustList = head;
      return 0;
    },
  },
  {
    name: "get_robust_list",
    x86_64: 274,
    aarch64: 100,
    args: ["int", "ptr", "ptr"],
    run: getRobustList,
  },
  { name: "rseq", x86_64: 334, aarch64: 293, args: ["ptr", "hex", "int", "hex"], run: rseq },
];
