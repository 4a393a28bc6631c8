/** Who a process is: ids, groups, sessions. */
import { EFAULT, EINVAL, EPERM, ESRCH } from "../errno.ts";
import type { Credentials, Process } from "../process.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { writeInt } from "../user_struct.ts";

const KEEP = -1;

/** The process with `pid` as the caller means it: 0 is itself. */
function processOf(call: Call, pid: number): Process | undefined {
  return pid === 0 ? call.process : call.kernel.processes.get(pid);
}

/** Whether an unprivileged process may take on `id`: it is one of the three it has. */
function mayTake(ids: Credentials, kind: "uid" | "gid", id: number): boolean {
  if (ids.euid === 0 || id === KEEP) return true;
  return kind === "uid"
    ? id === ids.uid || id === ids.euid || id === ids.suid
    : id === ids.gid || id === ids.egid || id === ids.sgid;
}

function setUids(call: Call, real: number, effective: number, saved: number): number {
  const ids = call.process.credentials;
  for (const id of [real, effective, saved]) if (!mayTake(ids, "uid", id)) return -EPERM;
  if (real !== KEEP) ids.uid = real;
  if (effective !== KEEP) ids.euid = effective;
  if (saved !== KEEP) ids.suid = saved;
  ids.fsuid = ids.euid;
  return 0;
}

function setGids(call: Call, real: number, effective: number, saved: number): number {
  const ids = call.process.credentials;
  for (const id of [real, effective, saved]) if (!mayTake(ids, "gid", id)) return -EPERM;
  if (real !== KEEP) ids.gid = real;
  if (effective !== KEEP) ids.egid = effective;
  if (saved !== KEEP) ids.sgid = saved;
  ids.fsgid = ids.egid;
  return 0;
}

/** setuid and setgid: all three for root, else the effective one. */
const all = (call: Call, id: number): number => call.process.credentials.euid === 0 ? id : KEEP;

function writeThree(call: Call, addresses: number[], values: number[]): number {
  for (let i = 0; i < 3; i++) {
    if (writeInt(call.space, addresses[i], values[i]) < 0) return -EFAULT;
  }
  return 0;
}

function setpgid(call: Call, pid: number, pgid: number): number {
  if (pgid < 0) return -EINVAL;
  const target = processOf(call, pid);
  if (!target || (target !== call.process && target.parent !== call.process)) return -ESRCH;
  if (target.sid === target.pid || target.sid !== call.process.sid) return -EPERM;
  const group = pgid === 0 ? target.pid : pgid;
  if (group !== target.pid) {
    const members = [...call.kernel.processes.values()];
    if (!members.some((other) => other.pgid === group && other.sid === target.sid)) return -EPERM;
  }
  target.pgid = group;
  return 0;
}

function setsid(call: Call): number {
  const { process, kernel } = call;
  for (const other of kernel.processes.values()) if (other.pgid === process.pid) return -EPERM;
  process.pgid = process.pid;
  process.sid = process.pid;
  process.terminal = null;
  return process.pid;
}

function getgroups(call: Call, size: number, list: number): number {
  const { groups } = call.process.credentials;
  if (size === 0) return groups.length;
  if (size < groups.length) return -EINVAL;
  for (let i = 0; i < groups.length; i++) {
    if (writeInt(call.space, list + 4 * i, groups[i]) < 0) return -EFAULT;
  }
  return groups.length;
}

function setgroups(call: Call, size: number, list: number): number {
  const ids = call.process.credentials;
  if (ids.euid !== 0) return -EPERM;
  if (size < 0 || size > 65536) return -EINVAL;
  const groups: number[] = [];
  for (let i = 0; i < size; i++) {
    const gid = call.space.readU32(list + 4 * i);
    if (gid < 0) return -EFAULT;
    groups.push(gid);
  }
  ids.groups = groups;
  return 0;
}

export const identityRows: readonly SyscallRow[] = [
  { name: "getpid", x86_64: 39, aarch64: 172, args: [], run: ({ process }) => process.pid },
  { name: "gettid", x86_64: 186, aarch64: 178, args: [], run: ({ thread }) => thread.tid },
  {
    name: "getppid",
    x86_64: 110,
    aarch64: 173,
    args: [],
    run: ({ process }) => process.parent?.pid ?? 1,
  },
  {
    name: "getuid",
    x86_64: 102,
    aarch64: 174,
    args: [],
    run: ({ process }) => process.credentials.uid,
  },
  {
    name: "geteuid",
    x86_64: 107,
    aarch64: 175,
    args: [],
    run: ({ process }) => process.credentials.euid,
  },
  {
    name: "getgid",
    x86_64: 104,
    aarch64: 176,
    args: [],
    run: ({ process }) => process.credentials.gid,
  },
  {
    name: "getegid",
    x86_64: 108,
    aarch64: 177,
    args: [],
    run: ({ process }) => process.credentials.egid,
  },
  {
    name: "setuid",
    x86_64: 105,
    aarch64: 146,
    args: ["int"],
    run: (call, id) => id < 0 ? -EINVAL : setUids(call, all(call, id), id, all(call, id)),
  },
  {
    name: "setgid",
    x86_64: 106,
    aarch64: 144,
    args: ["int"],
    run: (call, id) => id < 0 ? -EINVAL : setGids(call, all(call, id), id, all(call, id)),
  },
  {
    name: "setreuid",
    x86_64: 113,
    aarch64: 145,
    args: ["int", "int"],
    run: (call, real, effective) => setUids(call, real, effective, effective),
  },
  {
    name: "setregid",
    x86_64: 114,
    aarch64: 143,
    args: ["int", "int"],
    run: (call, real, effective) => setGids(call, real, effective, effective),
  },
  { name: "setresuid", x86_64: 117, aarch64: 147, args: ["int", "int", "int"], run: setUids },
  { name: "setresgid", x86_64: 119, aarch64: 149, args: ["int", "int", "int"], run: setGids },
  {
    name: "getresuid",
    x86_64: 118,
    aarch64: 148,
    args: ["ptr", "ptr", "ptr"],
    run: (call, real, effective, saved) => {
      const { uid, euid, suid } = call.process.credentials;
      return writeThree(call, [real, effective, saved], [uid, euid, suid]);
    },
  },
  {
    name: "getresgid",
    x86_64: 120,
    aarch64: 150,
    args: ["ptr", "ptr", "ptr"],
    run: (call, real, effective, saved) => {
      const { gid, egid, sgid } = call.process.credentials;
      return writeThree(call, [real, effective, saved], [gid, egid, sgid]);
    },
  },
  {
    name: "setfsuid",
    x86_64: 122,
    aarch64: 151,
    args: ["int"],
    run: (call, id) => {
      const ids = call.process.credentials;
      const before = ids.fsuid;
      if (id !== KEEP && (id === before || mayTake(ids, "uid", id))) ids.fsuid = id;
      return before;
    },
  },
  {
    name: "setfsgid",
    x86_64: 123,
    aarch64: 152,
    args: ["int"],
    run: (call, id) => {
      const ids = call.process.credentials;
      const before = ids.fsgid;
      if (id !== KEEP && (id === before || mayTake(ids, "gid", id))) ids.fsgid = id;
      return before;
    },
  },
  { name: "getgroups", x86_64: 115, aarch64: 158, args: ["int", "ptr"], run: getgroups },
  { name: "setgroups", x86_64: 116, aarch64: 159, args: ["int", "ptr"], run: setgroups },
  {
    name: "getpgid",
    x86_64: 121,
    aarch64: 155,
    args: ["int"],
    run: (call, pid) => processOf(call, pid)?.pgid ?? -ESRCH,
  },
  { name: "getpgrp", x86_64: 111, aarch64: -1, args: [], run: ({ process }) => process.pgid },
  { name: "setpgid", x86_64: 109, aarch64: 154, args: ["int", "int"], run: setpgid },
  {
    name: "getsid",
    x86_64: 124,
    aarch64: 156,
    args: ["int"],
    run: (call, pid) => processOf(call, pid)?.sid ?? -ESRCH,
  },
  { name: "setsid", x86_64: 112, aarch64: 157, args: [], run: setsid },
  {
    name: "set_tid_address",
    x86_64: 218,
    aarch64: 96,
    args: ["ptr"],
    run: ({ thread }, address) => {
      thread.clearChildTid = address;
      return thread.tid;
    },
  },
];
