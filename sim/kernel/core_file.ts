/** Where the core of a process that a signal kills goes (core(5), fs/coredump.c). */
import { CoreDump } from "../debug/core_dump.ts";
import { CORE_PATTERN } from "./core_pattern.ts";
import { infoSigno } from "./abi/siginfo.ts";
import { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } from "./fs/constants.ts";
import { failed } from "./fs/inode.ts";
import { open } from "./fs/open.ts";
import type { FsContext } from "./fs/task.ts";
import type { Kernel } from "./kernel.ts";
import { accessCredentials, RLIMIT_CORE } from "./process.ts";
import { defaultAction } from "./signal_numbers.ts";
import type { Thread } from "./thread.ts";

/**
 * Dump the core of the process of `thread`, which is loaded and dies of the signal of `info`, if it is to be
 * dumped. Whether a core was written where the guest sees it, which its wait status says.
 */
export function dumpCore(kernel: Kernel, thread: Thread, info: Uint8Array): boolean {
  const { process } = thread;
  if (defaultAction(infoSigno(info)) !== "core") return false;
  const limit = process.limits[RLIMIT_CORE].soft;
  const wanted = limit > 0 && process.dumpable === 1;
  if (!wanted && kernel.onCore === null) return false;
  const dump = new CoreDump(kernel, thread, info);
  kernel.onCore?.(dump);
  return wanted && writeFile(dump, limit);
}

/** Write what of `dump` the limit permits. */
function writeFile(dump: CoreDump, limit: number): boolean {
  const { process } = dump.thread;
  const fs = process.fs.value as FsContext;
  const task = { fs, credentials: accessCredentials(process.credentials), opener: {} };
  const flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
  const file = open(task, fs.cwd, CORE_PATTERN, flags, 0o600);
  if (failed(file)) return false;
  try {
    if (!file.inode.isRegular || file.inode.nlink !== 1) return false;
    const size = Math.min(limit, dump.size);
    for (const { offset, bytes } of dump.pieces()) {
      if (offset >= size) break;
      if (file.writeAt(offset, bytes.subarray(0, size - offset)) < 0) return false;
    }
    return file.truncate(size) === 0;
  } finally {
    file.release();
  }
}
