/** System V semaphores: semget(2), semop(2), semtimedop(2), after ipc/sem.c. */
import { Struct } from "../../abi/struct.ts";
import { Timespec } from "../../abi/structs.ts";
import { E2BIG, EACCES, EAGAIN, EFAULT, EFBIG, EINVAL, ENOSPC } from "../../errno.ts";
import {
  SEM_UNDO,
  type SemaphoreOperation,
  SemaphoreSet,
  SemaphoreWaiter,
  SEMMNS,
  SEMMSL,
  SEMOPM,
} from "../../ipc/semaphores.ts";
import { SemaphoreUndo } from "../../ipc/semaphore_undo.ts";
import { Shared } from "../../process.ts";
import type { Call, SyscallRow } from "../../syscall.ts";
import { readStruct } from "../../user_struct.ts";
import { getObject, now, READ, WRITE } from "./common.ts";
import { control } from "./semaphore_control.ts";

/** struct sembuf */
export const Sembuf = new Struct("sembuf", { semaphore: "u16", change: "i16", flags: "i16" });

function get(call: Call, key: number, count: number, flags: number): number {
  const { semaphores } = call.kernel.ipc;
  if (count < 0 || count > SEMMSL) return -EINVAL;
  return getObject(call, semaphores, key, flags, {
    check: (old) => count > old.count ? -EINVAL : 0,
    refuse: () => {
      if (count === 0) return -EINVAL;
      const used = semaphores.objects.reduce((sum, set) => sum + set.count, 0);
      return used + count > SEMMNS ? -ENOSPC : 0;
    },
    make: (creation) => new SemaphoreSet(creation, count, () => now(call)),
  });
}

/** What the thread's semaphores get back at its end. */
function undoOf({ thread }: Call): SemaphoreUndo {
  return (thread.semaphoreUndo ??= new Shared(new SemaphoreUndo())).value;
}

function operate(call: Call, semid: number, va: number, count: number, timeout = 0): number {
  if (call.resumed) return operated(call);
  const time = timeout === 0 ? undefined : readStruct(call.space, Timespec, timeout);
  if (time === null) return -EFAULT;
  if (count > SEMOPM) return -E2BIG;
  if (count < 1 || semid < 0) return -EINVAL;
  const operations = readOperations(call, va, count);
  if (operations === null) return -EFAULT;
  if (time && (time.sec < 0 || time.nsec < 0 || time.nsec >= 1e9)) return -EINVAL;
  const set = call.kernel.ipc.semaphores.byId(semid);
  if (set === undefined) return -EINVAL;
  if (operations.some(({ semaphore }) => semaphore >= set.count)) return -EFBIG;
  const wanted = operations.some(({ change }) => change !== 0) ? WRITE : READ;
  if (!set.permits(call.process.credentials, wanted)) return -EACCES;
  const undoes = operations.some(({ flags }) => (flags & SEM_UNDO) !== 0);
  const adjustments = undoes ? undoOf(call).of(set) : null;
  const request = { operations, adjustments, pid: call.process.pid };
  const result = set.operate(request);
  if (typeof result === "number") return result;
  const deadline = time ? call.kernel.clock.now + time.sec * 1e9 + time.nsec : Infinity;
  const waiter = new SemaphoreWaiter(request, result, deadline);
  set.wait(waiter);
  call.state = { set, waiter } satisfies Wait;
  return sleep(call);
}

/** What a blocked semop remembers. */
interface Wait {
  readonly set: SemaphoreSet;
  readonly waiter: SemaphoreWaiter;
}

function sleep(call: Call): number {
  const { set, waiter } = call.state as Wait;
  const { queue, deadline } = waiter;
  return call.block(queue, { deadline, onSignal: "fail", abandoned: () => set.forget(waiter) });
}

/** The thread runs again: its request was dealt with, or it is out of time. */
function operated(call: Call): number {
  const { set, waiter } = call.state as Wait;
  if (waiter.result !== null) return waiter.result;
  if (!call.timedOut) return sleep(call);
  set.forget(waiter);
  return -EAGAIN;
}

function readOperations(call: Call, va: number, count: number): SemaphoreOperation[] | null {
  const bytes = new Uint8Array(count * Sembuf.size);
  if (call.space.copyIn(va, bytes) < 0) return null;
  return Array.from({ length: count }, (_, i) => Sembuf.decode(bytes, i * Sembuf.size));
}

export const semaphoreRows: readonly SyscallRow[] = [
  {
    name: "semget",
    x86_64: 64,
    aarch64: 190,
    args: ["enum:ipc_key", "int", "flags:ipc_get"],
    run: get,
  },
  {
    name: "semop",
    x86_64: 65,
    aarch64: 193,
    args: ["int", "struct:sembuf", "uint"],
    run: (call, semid, va, count) => operate(call, semid, va, count),
  },
  {
    name: "semtimedop",
    x86_64: 220,
    aarch64: 192,
    args: ["int", "struct:sembuf", "uint", "struct:timespec"],
    run: operate,
  },
  {
    name: "semctl",
    x86_64: 66,
    aarch64: 191,
    // The value of SETVAL may be negative; else an address.
    args: ["int", "int", "enum:semctl", "long"],
    run: control,
  },
];
