/** Descriptors of processes: pidfd_open, pidfd_send_signal, and what clone and waitid do with them. */
import { killInfo, SI_USER } from "../abi/siginfo.ts";
import { EBADF, EINVAL, EPERM, ESRCH } from "../errno.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDWR, S_IFREG } from "../fs/constants.ts";
import type { DescriptorTable } from "../fs/descriptor_table.ts";
import { credentialsOf, fileOf, tableOf, vfsOf } from "../fs/user_io.ts";
import { ProcessFile } from "../pidfd.ts";
import type { Process } from "../process.ts";
import { NSIG } from "../signal_numbers.ts";
import { signalProcess } from "../signals.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { mayTrace } from "./tracing.ts";
import { maySignal, queuedInfo } from "./signals.ts";

/** A new descriptor, close-on-exec as all of its kind; -EMFILE if the table is full. */
export function openProcess(call: Call, process: Process, flags: number): number {
  const { anonymous } = vfsOf(call);
  const inode = anonymous.inode({ mode: S_IFREG | 0o600, ...credentialsOf(call) });
  const location = anonymous.place(inode, "anon_inode:[pidfd]");
  const file = new ProcessFile(inode, location, O_RDWR | (flags & O_NONBLOCK), process);
  return tableOf(call).install(file, 0, true);
}

/** The process that a descriptor stands for, or -EBADF. */
export function processOf(call: Call, fd: number): Process | number {
  const file = fileOf(call, fd);
  return file instanceof ProcessFile ? file.process : -EBADF;
}

function pidfdOpen(call: Call, pid: number, flags: number): number {
  if (pid <= 0 || flags & ~(O_NONBLOCK | O_CLOEXEC)) return -EINVAL;
  const process = call.kernel.processes.get(pid);
  if (!process) return call.kernel.threads.has(pid) ? -EINVAL : -ESRCH;
  return openProcess(call, process, flags);
}

function pidfdSendSignal(
  call: Call,
  fd: number,
  signo: number,
  info: number,
  flags: number,
): number {
  if (flags !== 0 || signo < 0 || signo > NSIG) return -EINVAL;
  const process = processOf(call, fd);
  if (typeof process === "number") return process;
  if (process.exitStatus !== null) return -ESRCH;
  if (!maySignal(call, process)) return -EPERM;
  if (signo === 0) return 0;
  const { pid, credentials } = call.process;
  const sent = info === 0
    ? killInfo(signo, SI_USER, pid, credentials.uid)
    : queuedInfo(call, signo, info, process === call.process);
  if (typeof sent === "number") return sent;
  signalProcess(call.kernel, process, sent);
  return 0;
}

/** A descriptor of another process, by its number there; -EPERM unless it may be traced. */
function pidfdGetfd(call: Call, pidfd: number, fd: number, flags: number): number {
  if (flags !== 0) return -EINVAL;
  const process = processOf(call, pidfd);
  if (typeof process === "number") return process;
  if (process.exitStatus !== null) return -ESRCH;
  if (!mayTrace(call, process)) return -EPERM;
  const file = (process.descriptors.value as DescriptorTable).get(fd);
  return file === null ? -EBADF : tableOf(call).install(file, 0, true);
}

export const pidfdRows: readonly SyscallRow[] = [
  { name: "pidfd_open", x86_64: 434, aarch64: 434, args: ["int", "flags:pidfd"], run: pidfdOpen },
  {
    name: "pidfd_send_signal",
    x86_64: 424,
    aarch64: 424,
    args: ["fd", "signal", "struct:siginfo", "uint"],
    run: pidfdSendSignal,
  },
  {
    name: "pidfd_getfd",
    x86_64: 438,
    aarch64: 438,
    args: ["fd", "int", "uint"],
    run: pidfdGetfd,
  },
];
