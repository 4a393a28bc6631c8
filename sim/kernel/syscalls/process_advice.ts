/** process_madvise(2): advice on the memory of another process. */
import { EINVAL, EPERM, ESRCH } from "../errno.ts";
import { failed } from "../fs/inode.ts";
import { readVector, totalLength } from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { processOf } from "./pidfd.ts";
import { mayTrace } from "./tracing.ts";

/** MADV_WILLNEED, MADV_COLD, MADV_PAGEOUT, MADV_COLLAPSE: what may be said of others' memory. */
const ADVICE: ReadonlySet<number> = new Set([3, 20, 21, 25]);

function processMadvise(
  call: Call,
  pidfd: number,
  vector: number,
  count: number,
  advice: number,
  flags: number,
): number {
  if (flags !== 0) return -EINVAL;
  const spans = readVector(call.space, vector, count);
  if (failed(spans)) return spans;
  const process = processOf(call, pidfd);
  if (typeof process === "number") return process;
  if (!ADVICE.has(advice)) return -EINVAL;
  if (process.exitStatus !== null) return -ESRCH;
  if (!mayTrace(call, process)) return -EPERM;
  const space = process.space.value;
  // CAP_SYS_NICE is user 0's.
  if (space !== call.space && call.process.credentials.euid !== 0) return -EPERM;
  let done = 0;
  for (const { address, length } of spans) {
    const result = space.madvise(address, length, advice);
    if (result < 0) return done > 0 ? done : result;
    done += length;
  }
  return totalLength(spans);
}

export const processAdviceRows: readonly SyscallRow[] = [
  {
    name: "process_madvise",
    x86_64: 440,
    aarch64: 440,
    args: ["fd", "struct:addresses", "size", "enum:madvise", "uint"],
    run: processMadvise,
  },
];
