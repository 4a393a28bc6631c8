/** The message about a signal that kills a process. */
import type { Cpu } from "../cpu/cpu.ts";
import type { Abi } from "./abi/abi.ts";
import { infoCode, infoSigno, infoSyscall } from "./abi/siginfo.ts";
import { SIGBUS, SIGFPE, SIGILL, signalName, SIGSEGV, SIGSYS, SIGTRAP } from "./signal_numbers.ts";
import { syscallName } from "../../lib/linker/syscall_names.ts";
import type { Thread } from "./thread.ts";

const FAULTS = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS];

export class FatalSignal {
  readonly signo: number;

  /** `thread` is the loaded one. */
  constructor(
    readonly thread: Thread,
    readonly info: Uint8Array,
    readonly abi: Abi,
    readonly cpu: Cpu,
  ) {
    this.signo = infoSigno(info);
  }

  /** Whether the program itself caused it, rather than somebody's kill. */
  get isFault(): boolean {
    return FAULTS.includes(this.signo) && infoCode(this.info) > 0;
  }

  message(symbol: string | undefined): string {
    const { thread, signo, cpu, abi } = this;
    const { process } = thread;
    const where = symbol === undefined ? "" : ` (${symbol})`;
    let first = `isthmus: ${process.name} (pid ${process.pid}): killed by ${signalName(signo)}` +
      ` at pc 0x${cpu.exactPc.toString(16)}${where}`;
    if (this.isFault && signo === SIGSYS) {
      const number = infoSyscall(this.info);
      const name = syscallName(abi.arch, number) ?? String(number);
      first += `: its seccomp filter refuses ${name}`;
    } else if (this.isFault && thread.fault) {
      first += `, address 0x${BigInt.asUintN(64, thread.fault.address).toString(16)}`;
      if (thread.faultDetail) first += `: ${thread.faultDetail}`;
    }
    return `${first}\n${abi.describe(cpu)}`;
  }
}
