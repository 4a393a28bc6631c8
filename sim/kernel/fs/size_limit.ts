/** RLIMIT_FSIZE: how large a process may make files. */
import { EFBIG } from "../errno.ts";
import { RLIMIT_FSIZE } from "../process.ts";
import { SIGXFSZ } from "../signal_numbers.ts";
import { signalFromKernel } from "../signals.ts";
import type { Call } from "../syscall.ts";
import type { OpenFile } from "./open_file.ts";

function exceeded(call: Call): number {
  signalFromKernel(call.kernel, call.process, SIGXFSZ);
  return -EFBIG;
}

/**
 * How many of `count` bytes the caller may write at `position`, or -EFBIG for none, with the signal
 * (generic_write_check_limits of fs/read_write.c).
 */
export function mayWrite(call: Call, file: OpenFile, position: number, count: number): number {
  const limit = call.process.limits[RLIMIT_FSIZE].soft;
  if (count === 0 || position + count <= limit || !file.inode.isRegular) return count;
  return position < limit ? limit - position : exceeded(call);
}

/** Whether the caller may give a file of `before` bytes `size` (inode_newsize_ok of fs/attr.c): 0 or -EFBIG. */
export function mayResize(call: Call, before: number, size: number): number {
  return size <= before || size <= call.process.limits[RLIMIT_FSIZE].soft ? 0 : exceeded(call);
}
