/** Pipes: pipe, pipe2. */
import { EFAULT, EINVAL, EMFILE } from "../errno.ts";
import {
  flagsFromGuest,
  O_CLOEXEC,
  O_DIRECT,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
  S_IFIFO,
} from "../fs/constants.ts";
import type { OpenFile } from "../fs/open_file.ts";
import { openPipeEnd, Pipe, PipeEnd } from "../fs/pipe.ts";
import { credentialsOf, tableOf, vfsOf } from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";

function pipe2(call: Call, to: number, guestFlags: number): number {
  const flags = flagsFromGuest(call.arch, guestFlags);
  if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) return -EINVAL;
  const { pipes } = vfsOf(call);
  const pipe = new Pipe();
  const inode = pipes.inode(
    { mode: S_IFIFO | 0o600, ...credentialsOf(call) },
    (self, location, mode) => openPipeEnd(pipe, self, location, mode),
  );
  const location = pipes.place(inode, `pipe:[${inode.ino}]`);
  const kept = flags & (O_NONBLOCK | O_DIRECT);
  const ends = [O_RDONLY, O_WRONLY].map((mode) => new PipeEnd(pipe, inode, location, mode | kept));
  return installPair(call, ends, to, (flags & O_CLOEXEC) !== 0);
}

/** Give two files numbers and store these at `to`; on failure neither stays. */
export function installPair(
  call: Call,
  files: readonly OpenFile[],
  to: number,
  closeOnExec: boolean,
): number {
  const table = tableOf(call);
  for (const file of files) file.retain();
  const numbers = files.map((file) => table.install(file, 0, closeOnExec));
  const undo = (result: number): number => {
    for (const fd of numbers) if (fd >= 0) table.close(fd);
    for (const file of files) file.release();
    return result;
  };
  if (numbers.some((fd) => fd < 0)) return undo(-EMFILE);
  const bytes = new Uint8Array(Int32Array.from(numbers).buffer);
  if (call.space.copyOut(to, bytes) < 0) return undo(-EFAULT);
  for (const file of files) file.release();
  return 0;
}

export const pipeRows: readonly SyscallRow[] = [
  {
    name: "pipe",
    x86_64: 22,
    aarch64: -1,
    args: ["out:fds"],
    run: (call, to) => pipe2(call, to, 0),
  },
  { name: "pipe2", x86_64: 293, aarch64: 59, args: ["out:fds", "flags:pipe"], run: pipe2 },
];
