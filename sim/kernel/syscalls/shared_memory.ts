/** System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2), after ipc/shm.c. */
import { Struct } from "../abi/struct.ts";
import { EACCES, EEXIST, EFAULT, EINVAL, ENOENT, ENOSPC, EPERM } from "../errno.ts";
import { Segment, SHMMNI } from "../shared_memory.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { readStruct, writeStruct } from "../user_struct.ts";

const IPC_PRIVATE = 0, IPC_CREAT = 0o1000, IPC_EXCL = 0o2000, SHM_HUGETLB = 0o4000;
const SHM_RDONLY = 0o10000, SHM_RND = 0o20000, SHM_REMAP = 0o40000, SHM_EXEC = 0o100000;
const IPC_RMID = 0, IPC_SET = 1, IPC_STAT = 2, IPC_INFO = 3;
const SHM_LOCK = 11, SHM_UNLOCK = 12, SHM_STAT = 13, SHM_INFO = 14, SHM_STAT_ANY = 15;
const PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4;
const MAP_SHARED = 1, MAP_FIXED = 0x10, MAP_FIXED_NOREPLACE = 0x100000;
/** Linux's default SHMMAX and SHMALL: ULONG_MAX less 2^24. */
const SHMMAX = 2 ** 64 - 2 ** 24;

/** struct shmid64_ds, which begins with struct ipc64_perm */
const ShmidDs = new Struct("shmid64_ds", {
  key: "i32",
  uid: "u32",
  gid: "u32",
  cuid: "u32",
  cgid: "u32",
  mode: "u32",
  seq: "u16",
  unused: { zero: 22 },
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
const Limits = new Struct("shminfo64", {
  max: "u64",
  min: "u64",
  segments: "u64",
  perProcess: "u64",
  all: "u64",
  reserved: { zero: 32 },
});
/** struct shm_info */
const Usage = new Struct("shm_info", {
  used: "i32",
  total: "u64",
  resident: "u64",
  swapped: "u64",
  attempts: "u64",
  successes: "u64",
});

const now = (call: Call): number => call.kernel.clock.realSeconds;

function get(call: Call, key: number, size: number, flags: number): number {
  const { sharedMemory, memory } = call.kernel;
  const { credentials } = call.process;
  const old = key === IPC_PRIVATE ? undefined : sharedMemory.byKey(key);
  if (old !== undefined) {
    const exclusive = IPC_CREAT | IPC_EXCL;
    if ((flags & exclusive) === exclusive) return -EEXIST;
    if (size > old.size) return -EINVAL;
    const wanted = ((flags >> 6) | (flags >> 3) | flags) & 7;
    return old.permits(credentials, wanted) ? old.shmid : -EACCES;
  }
  if (key !== IPC_PRIVATE && (flags & IPC_CREAT) === 0) return -ENOENT;
  if (size < 1 || size > SHMMAX || (flags & SHM_HUGETLB) !== 0) return -EINVAL;
  const made = sharedMemory.create((shmid) =>
    new Segment(
      ...[
        shmid,
        key,
        size,
        flags & 0o777,
        { ...credentials },
        call.process.pid,
        now(call),
      ] as const,
      memory,
    )
  );
  return made === undefined ? -ENOSPC : made.shmid;
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
  const segment = call.kernel.sharedMemory.byId(shmid);
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
    key: segment.key,
    uid: segment.uid,
    gid: segment.gid,
    cuid: segment.creator.euid,
    cgid: segment.creator.egid,
    mode: segment.mode,
    seq: segment.shmid >> 15,
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
  const { sharedMemory } = call.kernel;
  if (shmid < 0 || command < 0) return -EINVAL;
  const { segments } = sharedMemory;
  const last = Math.max(0, ...segments.map((segment) => segment.shmid & 0x7fff));
  switch (command) {
    case IPC_INFO: {
      const limits = { max: SHMMAX, min: 1, segments: SHMMNI, perProcess: SHMMNI, all: SHMMAX };
      return writeStruct(call.space, Limits, at, limits) < 0 ? -EFAULT : last;
    }
    case SHM_INFO: {
      const page = call.space.granule.size;
      const total = segments.reduce((sum, { size }) => sum + Math.ceil(size / page), 0);
      const usage = { used: segments.length, total };
      return writeStruct(call.space, Usage, at, usage) < 0 ? -EFAULT : last;
    }
  }
  const byPlace = command === SHM_STAT || command === SHM_STAT_ANY;
  const segment = byPlace
    ? segments.find((one) => (one.shmid & 0x7fff) === shmid)
    : sharedMemory.byId(shmid);
  if (segment === undefined) return -EINVAL;
  const { credentials } = call.process;
  const { euid } = credentials;
  const owns = euid === 0 || euid === segment.uid || euid === segment.creator.euid;
  switch (command) {
    case IPC_STAT:
    case SHM_STAT:
    case SHM_STAT_ANY: {
      if (command !== SHM_STAT_ANY && !segment.permits(credentials, 4)) return -EACCES;
      const failed = status(call, segment, at);
      return failed < 0 ? failed : byPlace ? segment.shmid : 0;
    }
    case IPC_SET: {
      const given = readStruct(call.space, ShmidDs, at);
      if (given === null) return -EFAULT;
      if (!owns) return -EPERM;
      segment.uid = given.uid;
      segment.gid = given.gid;
      segment.mode = (segment.mode & ~0o777) | (given.mode & 0o777);
      segment.changeTime = now(call);
      return 0;
    }
    case IPC_RMID:
      if (!owns) return -EPERM;
      segment.remove();
      return 0;
    case SHM_LOCK:
    case SHM_UNLOCK:
      // No memory is ever swapped out.
      return owns ? 0 : -EPERM;
    default:
      return -EINVAL;
  }
}

export const sharedMemoryRows: readonly SyscallRow[] = [
  { name: "shmget", x86_64: 29, aarch64: 194, args: ["int", "size", "mode"], run: get },
  { name: "shmat", x86_64: 30, aarch64: 196, args: ["int", "ptr", "hex"], run: attach },
  { name: "shmctl", x86_64: 31, aarch64: 195, args: ["int", "int", "ptr"], run: control },
  { name: "shmdt", x86_64: 67, aarch64: 197, args: ["ptr"], run: detach },
];
