/** unshare(2): what the caller shares with other processes becomes its own. */
import { EINVAL, EPERM } from "../errno.ts";
import { type Process, Shared } from "../process.ts";
import type { Call, SyscallRow } from "../syscall.ts";

const CLONE_VM = 0x100, CLONE_FS = 0x200, CLONE_FILES = 0x400, CLONE_SIGHAND = 0x800;
const CLONE_THREAD = 0x10000, CLONE_SYSVSEM = 0x40000;
/** New namespaces: mount, cgroup, UTS, IPC, user, pid, network, time. */
const CLONE_NAMESPACES = 0x7e020080;
const ALONE = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
const KNOWN = ALONE | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_NAMESPACES;

/** -EINVAL where Linux cannot do it, -EPERM where this kernel cannot: no namespaces, nothing of one thread alone. */
function refuse({ threads, actions, space }: Process, flags: number): number {
  if ((flags & ~KNOWN) !== 0) return -EINVAL;
  const several = threads.size > 1;
  if ((flags & ALONE) !== 0 && several) return -EINVAL;
  if ((flags & (CLONE_SIGHAND | CLONE_VM)) !== 0 && actions.shared) return -EINVAL;
  if ((flags & CLONE_VM) !== 0 && space.shared) return -EINVAL;
  if ((flags & CLONE_NAMESPACES) !== 0) return -EPERM;
  return (flags & (CLONE_FS | CLONE_FILES)) !== 0 && several ? -EPERM : 0;
}

function unshare({ process, thread }: Call, flags: number): number {
  const refused = refuse(process, flags);
  if (refused < 0) return refused;
  const { fs, descriptors } = process;
  if ((flags & CLONE_FS) !== 0 && fs.shared) {
    process.fs = new Shared(fs.value.fork());
    fs.drop();
  }
  if ((flags & CLONE_FILES) !== 0 && descriptors.shared) {
    process.descriptors = new Shared(descriptors.value.fork());
    descriptors.drop();
  }
  if ((flags & CLONE_SYSVSEM) !== 0) {
    if (thread.semaphoreUndo?.drop()) thread.semaphoreUndo.value.apply(process.pid);
    thread.semaphoreUndo = null;
  }
  return 0;
}

export const unshareRows: readonly SyscallRow[] = [
  {
    name: "unshare",
    x86_64: 272,
    aarch64: 97,
    args: ["flags:clone"],
    run: unshare,
    support: "partial: no namespaces, nothing of one thread among several but SEM_UNDO",
  },
];
