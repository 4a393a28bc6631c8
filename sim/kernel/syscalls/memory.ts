/** Memory: mmap and its family, over the address space. */
import { EFAULT, EINVAL, EPERM, ESRCH } from "../errno.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { mayTrace } from "./tracing.ts";

const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_TYPE = 0xf;
const MAP_ANONYMOUS = 0x20;
const MAP_HUGETLB = 0x40000;

function mmap(
  call: Call,
  address: number,
  length: number,
  prot: number,
  flags: number,
  fd: number,
  offset: number,
): number {
  const { space, descriptors } = call;
  if (offset % space.granule.size !== 0) return -EINVAL;
  if (flags & MAP_ANONYMOUS) return space.mmap(address, length, prot, flags, null, 0);
  const type = flags & MAP_TYPE;
  const shared = type === MAP_SHARED || type === 3;
  const file = descriptors.mappable(fd, shared, (prot & PROT_WRITE) !== 0);
  if (typeof file === "number") return file;
  return space.mmap(address, length, prot, flags & ~MAP_HUGETLB, file, offset);
}

/** Pages that mincore answers for at once. */
const MINCORE_PAGES = 4096;

function mincore(call: Call, address: number, length: number, vector: number): number {
  const { size } = call.space.granule;
  const pages = Math.ceil(length / size);
  let done = 0;
  do {
    const bytes = new Uint8Array(Math.min(pages - done, MINCORE_PAGES));
    const result = call.space.mincore(address + done * size, bytes.length * size, bytes);
    if (result < 0) return result;
    if (call.space.copyOut(vector + done, bytes) < 0) return -EFAULT;
    done += bytes.length;
  } while (done < pages);
  return 0;
}

/** Copy between this process and another (process_vm_readv, process_vm_writev). */
function processVm(write: boolean): SyscallRow["run"] {
  return (call, pid, local, localCount, remote, remoteCount, flags) => {
    if (flags !== 0 || localCount > 1024 || remoteCount > 1024) return -EINVAL;
    const other = call.kernel.processes.get(pid);
    if (!other || other.exitStatus !== null) return -ESRCH;
    if (!mayTrace(call, other)) return -EPERM;
    const mine = readVectors(call, local, localCount);
    const theirs = readVectors(call, remote, remoteCount);
    if (typeof mine === "number") return mine;
    if (typeof theirs === "number") return theirs;
    return transfer(call, mine, other.space.value, theirs, write);
  };
}

interface Vector {
  base: number;
  length: number;
}

function readVectors(call: Call, at: number, count: number): Vector[] | number {
  const list: Vector[] = [];
  for (let i = 0; i < count; i++) {
    const base = call.space.readU64(at + 16 * i);
    const length = call.space.readU64(at + 16 * i + 8);
    if (base < 0 || length < 0) return -EFAULT;
    list.push({ base, length });
  }
  return list;
}

function transfer(
  call: Call,
  mine: Vector[],
  other: Call["space"],
  theirs: Vector[],
  write: boolean,
): number {
  let done = 0;
  let i = 0;
  for (const remote of theirs) {
    while (remote.length > 0 && i < mine.length) {
      const local = mine[i];
      const bytes = new Uint8Array(Math.min(remote.length, local.length, 65536));
      if (bytes.length === 0) {
        i++;
        continue;
      }
      const [from, to, source, target] = write
        ? [call.space, other, local.base, remote.base]
        : [other, call.space, remote.base, local.base];
      if (from.copyIn(source, bytes) < 0 || to.copyOut(target, bytes) < 0) {
        return done > 0 ? done : -EFAULT;
      }
      done += bytes.length;
      for (const vector of [local, remote]) {
        vector.base += bytes.length;
        vector.length -= bytes.length;
      }
    }
  }
  return done;
}

const lockAll: SyscallRow["run"] = () => 0;

export const memoryRows: readonly SyscallRow[] = [
  {
    name: "mmap",
    x86_64: 9,
    aarch64: 222,
    args: ["ptr", "size", "flags:prot", "flags:mmap", "fd", "hex"],
    run: mmap,
  },
  {
    name: "munmap",
    x86_64: 11,
    aarch64: 215,
    args: ["ptr", "size"],
    run: ({ space }, address, length) => space.munmap(address, length),
  },
  {
    name: "mprotect",
    x86_64: 10,
    aarch64: 226,
    args: ["ptr", "size", "flags:prot"],
    run: ({ space }, address, length, prot) => space.mprotect(address, length, prot),
  },
  {
    name: "mremap",
    x86_64: 25,
    aarch64: 216,
    args: ["ptr", "size", "size", "flags:mremap", "ptr"],
    run: ({ space }, address, oldSize, newSize, flags, target) =>
      space.mremap(address, oldSize, newSize, flags, target),
  },
  {
    name: "madvise",
    x86_64: 28,
    aarch64: 233,
    args: ["ptr", "size", "enum:madvise"],
    run: ({ space }, address, length, advice) => space.madvise(address, length, advice),
  },
  {
    name: "brk",
    x86_64: 12,
    aarch64: 214,
    args: ["ptr"],
    run: ({ space }, address) => space.brk(address),
  },
  {
    name: "msync",
    x86_64: 26,
    aarch64: 227,
    args: ["ptr", "size", "flags:msync"],
    run: ({ space }, address, length, flags) => space.msync(address, length, flags),
  },
  { name: "mincore", x86_64: 27, aarch64: 232, args: ["ptr", "size", "ptr"], run: mincore },
  {
    name: "mlock",
    x86_64: 149,
    aarch64: 228,
    args: ["ptr", "size"],
    run: ({ space }, address, length) => space.mlock(address, length),
    support: "noop: no memory is ever swapped out",
  },
  {
    name: "mlock2",
    x86_64: 325,
    aarch64: 284,
    args: ["ptr", "size", "uint"],
    run: ({ space }, address, length) => space.mlock(address, length),
    support: "noop: no memory is ever swapped out",
  },
  {
    name: "munlock",
    x86_64: 150,
    aarch64: 229,
    args: ["ptr", "size"],
    run: ({ space }, address, length) => space.mlock(address, length),
    support: "noop: no memory is ever swapped out",
  },
  {
    name: "mlockall",
    x86_64: 151,
    aarch64: 230,
    args: ["uint"],
    run: lockAll,
    support: "noop: no memory is ever swapped out",
  },
  {
    name: "munlockall",
    x86_64: 152,
    aarch64: 231,
    args: [],
    run: lockAll,
    support: "noop: no memory is ever swapped out",
  },
  {
    name: "process_vm_readv",
    x86_64: 310,
    aarch64: 270,
    args: ["int", "ptr", "size", "ptr", "size", "size"],
    run: processVm(false),
  },
  {
    name: "process_vm_writev",
    x86_64: 311,
    aarch64: 271,
    args: ["int", "ptr", "size", "ptr", "size", "size"],
    run: processVm(true),
  },
];
