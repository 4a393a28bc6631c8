/** Calls whose later arguments and whose result depend on an operation, as strace prints them. */
import type { Arch } from "../../arch.ts";
import type { ThreadCall } from "../call.ts";
import type { ArgType } from "../syscall.ts";
import { enumName } from "./enums.ts";
import { flagNames } from "./flags.ts";

/** A non-negative result as text. */
type ResultText = (value: number, arch: Arch) => string;

/** One operation: the arguments after it, and how its result is printed if not as a number. */
interface Operation {
  readonly args: readonly ArgType[];
  readonly result?: ResultText;
}

/** `0x1 (flags FD_CLOEXEC)` */
const bits = (what: string, set: string, zero = false): ResultText => (value, arch) =>
  value === 0 && !zero ? "0" : `${hex(value)} (${what} ${flagNames(set, value, arch)})`;
const hex = (value: number): string => value === 0 ? "0" : `0x${value.toString(16)}`;
const constant = (set: string): ResultText => (value) => `${value} (${enumName(set, value)})`;

const NONE: Operation = { args: [] };
const ADDRESS: Operation = { args: ["ptr"] };
const INT: Operation = { args: ["int"] };
const LOCK: Operation = { args: ["struct:flock"] };
/** Calls that check that the rest is zero. */
const FOUR: readonly ArgType[] = ["int", "hex", "hex", "hex"];

/** include/uapi/linux/fcntl.h */
const FCNTL: Operations = {
  0: INT, // F_DUPFD
  1: { args: [], result: bits("flags", "fd") },
  2: { args: ["flags:fd"] },
  3: { args: [], result: bits("flags", "open", true) },
  4: { args: ["flags:open"] },
  5: { args: ["out:flock_owner"] },
  6: LOCK,
  7: LOCK,
  8: INT, // F_SETOWN
  9: NONE,
  10: { args: ["signal"] },
  11: NONE,
  36: { args: ["out:flock_owner"] }, // F_OFD_GETLK
  37: LOCK,
  38: LOCK,
  1025: NONE, // F_GETLEASE
  1030: INT, // F_DUPFD_CLOEXEC
  1031: INT, // F_SETPIPE_SZ
  1032: NONE,
  1033: { args: ["flags:seals"] },
  1034: { args: [], result: bits("seals", "seals") },
};

/** include/uapi/linux/prctl.h */
const PRCTL: Operations = {
  1: { args: ["signal"] }, // PR_SET_PDEATHSIG
  2: { args: ["out:signal"] },
  3: { args: [], result: constant("dumpable") },
  4: { args: ["enum:dumpable"] },
  7: NONE, // PR_GET_KEEPCAPS
  8: INT,
  15: { args: ["struct:task_name"] },
  16: { args: ["out:task_name"] },
  21: NONE, // PR_GET_SECCOMP
  22: { args: ["enum:seccomp_mode", "ptr"] },
  29: INT, // PR_SET_TIMERSLACK
  30: NONE,
  36: INT, // PR_SET_CHILD_SUBREAPER
  37: { args: ["out:int"] },
  38: { args: FOUR }, // PR_SET_NO_NEW_PRIVS
  39: { args: FOUR },
  41: { args: FOUR }, // PR_SET_THP_DISABLE
  42: { args: FOUR },
};

/** include/uapi/asm-generic/ioctls.h */
const IOCTL: Operations = {
  0x540f: { args: ["out:int"] }, // TIOCGPGRP
  0x5410: { args: ["struct:int"] },
  0x5413: { args: ["out:winsize"] },
  0x5414: { args: ["struct:winsize"] },
  0x541b: { args: ["out:int"] }, // FIONREAD
  0x5421: { args: ["struct:int"] }, // FIONBIO
  0x5450: NONE, // FIONCLEX
  0x5451: NONE,
};

/** include/uapi/linux/ipc.h, sem.h: SETVAL's number is printed as an address. */
const SEMCTL: Operations = {
  1: { args: ["struct:semid_ds_set"] },
  2: { args: ["out:semid_ds"] },
  3: { args: ["out:seminfo"] },
  18: { args: ["out:semid_ds"] },
  19: { args: ["out:seminfo"] },
  20: { args: ["out:semid_ds"] },
};
/** include/uapi/linux/msg.h */
const MSGCTL: Operations = {
  1: { args: ["struct:msqid_ds_set"] },
  2: { args: ["out:msqid_ds"] },
  3: { args: ["out:msginfo"] },
  11: { args: ["out:msqid_ds"] },
  12: { args: ["out:msginfo"] },
  13: { args: ["out:msqid_ds"] },
};
/** include/uapi/linux/shm.h */
const SHMCTL: Operations = {
  1: { args: ["struct:shmid_ds_set"] },
  2: { args: ["out:shmid_ds"] },
  3: { args: ["out:shminfo"] },
  13: { args: ["out:shmid_ds"] },
  14: { args: ["out:shm_info"] },
  15: { args: ["out:shmid_ds"] },
};

interface Operations {
  readonly [operation: number]: Operation;
}

/** Which argument says what a call does, what that means, and what any other value means. */
interface CallOperations {
  readonly at: number;
  readonly by: Operations;
  readonly otherwise?: Operation;
}

const CALLS: { readonly [name: string]: CallOperations } = {
  fcntl: { at: 1, by: FCNTL },
  ioctl: { at: 1, by: IOCTL },
  prctl: { at: 0, by: PRCTL },
  semctl: { at: 2, by: SEMCTL, otherwise: ADDRESS },
  msgctl: { at: 1, by: MSGCTL },
  shmctl: { at: 1, by: SHMCTL },
};

function operationOf({ row, args }: ThreadCall): Operation | undefined {
  const call = CALLS[row.name];
  return call?.by[args[call.at]] ?? call?.otherwise;
}

/** Types of the arguments that `call` has. */
export function argumentTypes(call: ThreadCall): readonly ArgType[] {
  const { row } = call;
  const operation = operationOf(call);
  if (operation === undefined) return row.args;
  return [...row.args.slice(0, CALLS[row.name].at + 1), ...operation.args];
}

/** A non-negative result of `call`, where it is not just a number. */
export function operationResult(call: ThreadCall, value: number): string | undefined {
  if (call.row.name === "umask") return `0${value.toString(8).padStart(2, "0")}`;
  return operationOf(call)?.result?.(value, call.arch);
}
