/** kcmp: whether two processes share a file, an address space, or another of the kernel's objects. */
import { EBADF, EFAULT, EINVAL, ENOENT, EPERM, ESRCH } from "../errno.ts";
import type { DescriptorTable } from "../fs/descriptor_table.ts";
import { EpollFile } from "../fs/epoll.ts";
import type { OpenFile } from "../fs/open_file.ts";
import type { Process } from "../process.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { mayTrace } from "./tracing.ts";

/** Types of include/uapi/linux/kcmp.h. */
const KCMP_FILE = 0, KCMP_VM = 1, KCMP_FILES = 2, KCMP_FS = 3, KCMP_SIGHAND = 4, KCMP_IO = 5;
const KCMP_SYSVSEM = 6, KCMP_EPOLL_TFD = 7;

const places: WeakMap<object, number> = new WeakMap();
let count = 0;
/** Stands for what a thread does not have; it is before everything else. */
const NOTHING = {};
places.set(NOTHING, count++);

/** An object's place in an order that never changes, as Linux has its address. */
function placeOf(object: object): number {
  let place = places.get(object);
  if (place === undefined) places.set(object, place = count++);
  return place;
}

/** 0 for the same object, 1 or 2 for one that is before or after the other. */
function ordered(a: object, b: object): number {
  return a === b ? 0 : placeOf(a) < placeOf(b) ? 1 : 2;
}

function fileOf(process: Process, fd: number): OpenFile | null {
  return (process.descriptors.value as DescriptorTable).get(fd);
}

/** The file that the `offset`-th registration of a descriptor in an epoll watches. */
function watchedFile(call: Call, process: Process, slot: number): OpenFile | number {
  const [efd, tfd, offset] = [0, 4, 8].map((at) => call.space.readU32(slot + at));
  if (Math.min(efd, tfd, offset) < 0) return -EFAULT;
  const epoll = fileOf(process, efd);
  if (epoll === null) return -EBADF;
  if (!(epoll instanceof EpollFile)) return -EINVAL;
  return epoll.watched(tfd, offset) ?? -ENOENT;
}

function kcmp(
  call: Call,
  tid1: number,
  tid2: number,
  type: number,
  index1: number,
  index2: number,
): number {
  const threads = [tid1, tid2].map((tid) => call.kernel.threads.get(tid));
  if (threads.includes(undefined)) return -ESRCH;
  const [one, two] = threads.map((thread) => thread!.process);
  if (!mayTrace(call, one) || !mayTrace(call, two)) return -EPERM;
  switch (type) {
    case KCMP_FILE: {
      const [a, b] = [fileOf(one, index1), fileOf(two, index2)];
      return a === null || b === null ? -EBADF : ordered(a, b);
    }
    case KCMP_EPOLL_TFD: {
      const file = fileOf(one, index1);
      if (file === null) return -EBADF;
      const watched = watchedFile(call, two, index2);
      return typeof watched === "number" ? watched : ordered(file, watched);
    }
    case KCMP_VM:
      return ordered(one.space.value, two.space.value);
    case KCMP_FILES:
      return ordered(one.descriptors.value, two.descriptors.value);
    case KCMP_FS:
      return ordered(one.fs.value, two.fs.value);
    case KCMP_SIGHAND:
      return ordered(one.actions.value, two.actions.value);
    case KCMP_IO: // nobody has an I/O context of its own
      return 0;
    case KCMP_SYSVSEM: {
      const [a, b] = threads.map((thread) => thread!.semaphoreUndo?.value ?? NOTHING);
      return ordered(a, b);
    }
    default:
      return -EINVAL;
  }
}

export const kcmpRows: readonly SyscallRow[] = [
  {
    name: "kcmp",
    x86_64: 312,
    aarch64: 272,
    args: ["int", "int", "int", "hex", "hex"],
    run: kcmp,
  },
];
