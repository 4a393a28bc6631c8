/** semctl(2), after ipc/sem.c. */
import { Struct } from "../../abi/struct.ts";
import { EACCES, EFAULT, EINVAL, ERANGE } from "../../errno.ts";
import { type SemaphoreSet, SEMMNI, SEMMNS, SEMMSL, SEMOPM, SEMVMX } from "../../ipc/semaphores.ts";
import type { Call } from "../../syscall.ts";
import { readStruct, writeStruct } from "../../user_struct.ts";
import {
  IPC_INFO,
  IPC_PERM,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  now,
  ownObject,
  permissionsOf,
  READ,
  readableObject,
  removeObject,
  setPermissions,
  usableObject,
  WRITE,
} from "./common.ts";

const GETPID = 11, GETVAL = 12, GETALL = 13, GETNCNT = 14, GETZCNT = 15, SETVAL = 16, SETALL = 17;
const SEM_STAT = 18, SEM_INFO = 19, SEM_STAT_ANY = 20;

/** struct semid64_ds: x86_64 keeps room for the high halves of times (arch/x86 asm/sembuf.h). */
export const SemidDs = {
  x86_64: new Struct("semid64_ds", {
    ...IPC_PERM,
    operationTime: "i64",
    unused1: { zero: 8 },
    changeTime: "i64",
    unused2: { zero: 8 },
    count: "u64",
    unused3: { zero: 16 },
  }),
  aarch64: new Struct("semid64_ds", {
    ...IPC_PERM,
    operationTime: "i64",
    unused1: { zero: 0 },
    changeTime: "i64",
    unused2: { zero: 0 },
    count: "u64",
    unused3: { zero: 16 },
  }),
};

/** struct seminfo */
export const Seminfo = new Struct("seminfo", {
  semmap: "i32",
  semmni: "i32",
  semmns: "i32",
  semmnu: "i32",
  semmsl: "i32",
  semopm: "i32",
  semume: "i32",
  semusz: "i32",
  semvmx: "i32",
  semaem: "i32",
});
/** Bytes of a struct sem_undo as Linux states them. */
const SEMUSZ = 20;

export function control(
  call: Call,
  semid: number,
  semaphore: number,
  command: number,
  argument: number,
): number {
  if (semid < 0) return -EINVAL;
  const { semaphores } = call.kernel.ipc;
  switch (command) {
    case IPC_INFO:
    case SEM_INFO:
      return information(call, command === SEM_INFO, argument);
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY:
      return status(call, semid, command, argument);
    case GETALL:
    case SETALL:
      return command === GETALL ? getAll(call, semid, argument) : setAll(call, semid, argument);
    case GETVAL:
    case GETPID:
    case GETNCNT:
    case GETZCNT: {
      const set = usableObject(call, semaphores, semid, READ);
      return typeof set === "number" ? set : getOne(set, semaphore, command);
    }
    case SETVAL:
      return setOne(call, semid, semaphore, argument | 0);
    case IPC_SET: {
      const given = readStruct(call.space, SemidDs[call.arch], argument);
      if (given === null) return -EFAULT;
      const set = ownObject(call, semaphores, semid);
      return typeof set === "number" ? set : setPermissions(call, set, given);
    }
    case IPC_RMID:
      return removeObject(call, semaphores, semid);
    default:
      return -EINVAL;
  }
}

/** Limits; with SEM_INFO the two last are sets and semaphores in use. */
function information(call: Call, use: boolean, to: number): number {
  const { semaphores } = call.kernel.ipc;
  const used = semaphores.objects.reduce((sum, set) => sum + set.count, 0);
  const limits = {
    semmap: SEMMNS,
    semmni: SEMMNI,
    semmns: SEMMNS,
    semmnu: SEMMNS,
    semmsl: SEMMSL,
    semopm: SEMOPM,
    semume: SEMOPM,
    semusz: use ? semaphores.size : SEMUSZ,
    semvmx: SEMVMX,
    semaem: use ? used : SEMVMX,
  };
  return writeStruct(call.space, Seminfo, to, limits) < 0 ? -EFAULT : semaphores.lastIndex;
}

function status(call: Call, semid: number, command: number, to: number): number {
  const byIndex = command !== IPC_STAT;
  const how = { byIndex, anybody: command === SEM_STAT_ANY };
  const set = readableObject(call, call.kernel.ipc.semaphores, semid, how);
  if (typeof set === "number") return set;
  const { operationTime, changeTime, count } = set;
  const values = { ...permissionsOf(set), operationTime, changeTime, count };
  const failed = writeStruct(call.space, SemidDs[call.arch], to, values);
  return failed < 0 ? failed : byIndex ? set.identifier : 0;
}

function getOne(set: SemaphoreSet, semaphore: number, command: number): number {
  if (semaphore < 0 || semaphore >= set.count) return -EINVAL;
  switch (command) {
    case GETVAL:
      return set.values[semaphore];
    case GETPID:
      return set.pids[semaphore];
    default:
      return set.waiting(semaphore, command === GETZCNT);
  }
}

function setOne(call: Call, semid: number, semaphore: number, value: number): number {
  if (value < 0 || value > SEMVMX) return -ERANGE;
  const set = call.kernel.ipc.semaphores.byId(semid);
  if (set === undefined || semaphore < 0 || semaphore >= set.count) return -EINVAL;
  if (!set.permits(call.process.credentials, WRITE)) return -EACCES;
  set.set(semaphore, value, call.process.pid);
  set.changeTime = now(call);
  set.changed();
  return 0;
}

function getAll(call: Call, semid: number, to: number): number {
  const set = usableObject(call, call.kernel.ipc.semaphores, semid, READ);
  if (typeof set === "number") return set;
  return call.space.copyOut(to, new Uint8Array(set.values.slice().buffer)) < 0 ? -EFAULT : 0;
}

function setAll(call: Call, semid: number, from: number): number {
  const set = usableObject(call, call.kernel.ipc.semaphores, semid, WRITE);
  if (typeof set === "number") return set;
  const values = new Uint16Array(set.count);
  if (call.space.copyIn(from, new Uint8Array(values.buffer)) < 0) return -EFAULT;
  if (values.some((value) => value > SEMVMX)) return -ERANGE;
  values.forEach((value, semaphore) => set.set(semaphore, value, call.process.pid));
  set.changeTime = now(call);
  set.changed();
  return 0;
}
