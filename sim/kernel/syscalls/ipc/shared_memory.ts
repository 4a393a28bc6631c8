/** System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2), after ipc/shm.c. */
import { Struct } from "../../abi/struct.ts";
import { EACCES, EEXIST, EFAULT, EINVAL } from "../../errno.ts";
import { Segment, SHMMAX, SHMMNI } from "../../ipc/shared_memory.ts";
import type { Call, SyscallRow } from "../../syscall.ts";
import { readStruct, writeStruct } from "../../user_struct.ts";
import {
  getObject,
  IPC_INFO,
  IPC_PERM,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  now,
  ownObject,
  permissionsOf,
  readableObject,
  setPermissions,
} from "./common.ts";

const SHM_HUGETLB = 0o4000;
const SHM_RDONLY = 0o10000, SHM_RND = 0o20000, SHM_REMAP = 0o40000, SHM_EXEC = 0o100000;
const SHM_LOCK = 11, SHM_UNLOCK = 12, SHM_STAT = 13, SHM_INFO = 14, SHM_STAT_ANY = 15;
const PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4;
const MAP_SHARED = 1, MAP_FIXED = 0x10, MAP_FIXED_NOREPLACE = 0x100000;

/** struct shmid64_ds */
export const ShmidDs = new Struct("shmid64_ds", {
  ...IPC_PERM,
  size: "u64",
  accessTime: "i64",
  detachTime: "i64",
  changeTime: "i64",
  creatorPid: "i32",
  lastPid: "i32",
  attached: "u64",
  reserved: { zero: 16 },
});
/** struct shminfo64 */
export const Shminfo = new Struct("shminfo64", {
  max: "u64",
  min: "u64",
  segments: "u64",
  perProcess: "u64",
  all: "u64",
  reserved: { zero: 32 },
});
/** struct shm_info */
export const ShmInfo = new Struct("shm_info", {
  used: "i32",
  total: "u64",
  resident: "u64",
  swapped: "u64",
  attempts: "u64",
  successes: "u64",
});

/** SHMMAX, exactly, as two's complement. */
const SHMMAX_WORD = -(2 ** 24) - 1;

function get(call: Call, key: number, size: number, flags: number): number {
  const { ipc: { segments }, memory } = call.kernel;
  const huge = (flags & SHM_HUGETLB) !== 0;
  return getObject(call, segments, key, flags, {
    check: (old) => size > old.size ? -EINVAL : 0,
    refuse: () => size < 1 || size >= SHMMAX || huge ? -EINVAL : 0,
    make: (creation) => new Segment(creation, size, memory, (gone) => segments.delete(gone)),
  });
}

function attach(call: Call, shmid: number, address: number, flags: number): number {
  if (shmid < 0) return -EINVAL;
  let mapping = MAP_SHARED;
  if (address !== 0) {
    const { granule } = call.space;
    if (address % granule.size !== 0) {
      if ((flags & SHM_RND) === 0) return -EINVAL;
      address = granule.pageDown(address);
      if (address === 0 && (flags & SHM_REMAP) !== 0) return -EINVAL;
    }
    mapping |= (flags & SHM_REMAP) !== 0 ? MAP_FIXED : MAP_FIXED_NOREPLACE;
  } else if ((flags & SHM_REMAP) !== 0) return -EINVAL;
  const segment = call.kernel.ipc.segments.byId(shmid);
  if (segment === undefined) return -EINVAL;
  const writable = (flags & SHM_RDONLY) === 0, executable = (flags & SHM_EXEC) !== 0;
  const wanted = 4 | (writable ? 2 : 0) | (executable ? 1 : 0);
  if (!segment.permits(call.process.credentials, wanted)) return -EACCES;
  const prot = PROT_READ | (writable ? PROT_WRITE : 0) | (executable ? PROT_EXEC : 0);
  const source = { file: segment, readable: true, writable };
  const at = call.space.mmap(address, segment.size, prot, mapping, source, 0);
  if (at < 0) return at === -EEXIST ? -EINVAL : at;
  segment.accessTime = now(call);
  segment.lastPid = call.process.pid;
  return at;
}

function detach(call: Call, address: number): number {
  const { space } = call;
  const { size } = space.granule;
  // The area at the address gives the segment; what is left of it in its range goes.
  const areas = [...space.areas.items].filter(({ file }) => file?.file instanceof Segment);
  const first = areas.find((vma) => vma.start - address === vma.pageOffset * size);
  if (address % size !== 0 || first === undefined) return -EINVAL;
  const segment = first.file!.file as Segment;
  for (const vma of areas) {
    const part = vma.file === first.file && vma.start - address === vma.pageOffset * size;
    if (part && vma.start < address + segment.size) space.munmap(vma.start, vma.end - vma.start);
  }
  segment.detachTime = now(call);
  segment.lastPid = call.process.pid;
  return 0;
}

function status(call: Call, segment: Segment, to: number): number {
  return writeStruct(call.space, ShmidDs, to, {
    ...permissionsOf(segment),
    size: segment.size,
    accessTime: segment.accessTime,
    detachTime: segment.detachTime,
    changeTime: segment.changeTime,
    creatorPid: segment.creatorPid,
    lastPid: segment.lastPid,
    attached: segment.attached,
  });
}

function control(call: Call, shmid: number, command: number, at: number): number {
  const { segments } = call.kernel.ipc;
  if (shmid < 0 || command < 0) return -EINVAL;
  switch (command) {
    case IPC_INFO: {
      const limits = { max: SHMMAX_WORD, min: 1, segments: SHMMNI, perProcess: SHMMNI };
      const written = writeStruct(call.space, Shminfo, at, { ...limits, all: SHMMAX_WORD });
      return written < 0 ? -EFAULT : segments.lastIndex;
    }
    case SHM_INFO: {
      const page = call.space.granule.size;
      const total = segments.objects.reduce((sum, { size }) => sum + Math.ceil(size / page), 0);
      const resident = segments.objects.reduce((sum, segment) => sum + segment.resident, 0);
      const usage = { used: segments.size, total, resident };
      return writeStruct(call.space, ShmInfo, at, usage) < 0 ? -EFAULT : segments.lastIndex;
    }
    case IPC_STAT:
    case SHM_STAT:
    case SHM_STAT_ANY: {
      const byIndex = command !== IPC_STAT;
      const how = { byIndex, anybody: command === SHM_STAT_ANY };
      const segment = readableObject(call, segments, shmid, how);
      if (typeof segment === "number") return segment;
      const failed = status(call, segment, at);
      return failed < 0 ? failed : byIndex ? segment.identifier : 0;
    }
    case IPC_SET: {
      const given = readStruct(call.space, ShmidDs, at);
      if (given === null) return -EFAULT;
      const segment = ownObject(call, segments, shmid);
      return typeof segment === "number" ? segment : setPermissions(call, segment, given);
    }
    case IPC_RMID: {
      const segment = ownObject(call, segments, shmid);
      if (typeof segment === "number") return segment;
      segment.remove();
      return 0;
    }
    case SHM_LOCK:
    case SHM_UNLOCK: {
      // No memory is ever swapped out.
      const segment = ownObject(call, segments, shmid);
      return typeof segment === "number" ? segment : 0;
    }
    default:
      return -EINVAL;
  }
}

export const sharedMemoryRows: readonly SyscallRow[] = [
  {
    name: "shmget",
    x86_64: 29,
    aarch64: 194,
    args: ["enum:ipc_key", "size", "flags:shmget"],
    run: get,
  },
  { name: "shmat", x86_64: 30, aarch64: 196, args: ["int", "ptr", "flags:shmat"], run: attach },
  { name: "shmctl", x86_64: 31, aarch64: 195, args: ["int", "enum:shmctl", "ptr"], run: control },
  { name: "shmdt", x86_64: 67, aarch64: 197, args: ["ptr"], run: detach },
];
