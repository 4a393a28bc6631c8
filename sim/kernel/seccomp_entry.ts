/** What seccomp makes of a system call that begins (`__seccomp_filter` and `__secure_computing_strict`). */
import { gpr } from "../cpu/layout.ts";
import { seccompInfo } from "./abi/siginfo.ts";
import { ENOSYS } from "./errno.ts";
import type { Kernel } from "./kernel.ts";
import {
  AUDIT_ARCH,
  judge,
  RET_ALLOW,
  RET_ERRNO,
  RET_KILL_THREAD,
  RET_LOG,
  RET_TRACE,
  RET_TRAP,
  RET_USER_NOTIF,
  SECCOMP_MODE_STRICT,
} from "./seccomp.ts";
import { SIGKILL, SIGSYS } from "./signal_numbers.ts";
import type { Thread } from "./thread.ts";

/** Highest errno that a filter can give. */
const MAX_ERRNO = 4095;
/** The system calls of strict mode. */
const STRICT = ["read", "write", "exit", "rt_sigreturn"];

/** What happens to the call; `executed` counts instructions of filters. */
export type SeccompAnswer =
  & { readonly executed: number }
  & (
    | { readonly effect: "allow" }
    /** The call does not run and has this result. */
    | { readonly effect: "errno"; readonly result: number }
    /** The call does not run and the thread gets a signal. */
    | { readonly effect: "signal"; readonly info: Uint8Array }
    /** The thread ends, and the process with it if it is the last, with this wait status. */
    | { readonly effect: "exit"; readonly status: number }
  );

const data = new Uint32Array(16);

/** Ask the filters of the loaded thread, which is at a system call. */
export function askSeccomp(kernel: Kernel, thread: Thread, number: number): SeccompAnswer {
  const { cpu, abi } = kernel;
  const { mode, filter } = thread.seccomp;
  if (mode === SECCOMP_MODE_STRICT || filter === null) {
    const name = kernel.table.row(number)?.name;
    const allowed = name !== undefined && STRICT.includes(name);
    return { executed: 0, ...allowed ? { effect: "allow" } : { effect: "exit", status: SIGKILL } };
  }
  const arch = AUDIT_ARCH[abi.arch];
  const { buffer, byteOffset } = cpu.stateBytes;
  const state = new DataView(buffer, byteOffset);
  const { pc } = cpu;
  data[0] = number;
  data[1] = arch;
  data[2] = pc;
  data[3] = pc / 0x1_0000_0000;
  abi.args.forEach((register, i) => {
    data[4 + 2 * i] = state.getUint32(gpr(register), true);
    data[5 + 2 * i] = state.getUint32(gpr(register) + 4, true);
  });
  const { action, data: value, executed } = judge(filter, data);
  const info = () => seccompInfo(SIGSYS, { address: pc, number, arch, data: value });
  switch (action) {
    case RET_ALLOW:
    case RET_LOG:
      return { executed, effect: "allow" };
    case RET_ERRNO:
      return { executed, effect: "errno", result: -Math.min(value, MAX_ERRNO) };
    // Nobody traces, nobody listens.
    case RET_TRACE:
    case RET_USER_NOTIF:
      return { executed, effect: "errno", result: -ENOSYS };
    case RET_TRAP:
      return { executed, effect: "signal", info: info() };
  }
  if (action === RET_KILL_THREAD && thread.process.threads.size > 1) {
    return { executed, effect: "exit", status: SIGSYS };
  }
  // No handler gets it.
  thread.process.actions.value.reset(SIGSYS);
  return { executed, effect: "signal", info: info() };
}
