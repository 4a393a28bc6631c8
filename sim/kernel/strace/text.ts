/** `--strace`: system calls, signals and exits in strace's format, a line each. */
import type { ThreadCall } from "../call.ts";
import { EINTR, errnoName, errnoText } from "../errno.ts";
import type { ExecRequest } from "../exec.ts";
import type { Process } from "../process.ts";
import { infoSigno } from "../abi/siginfo.ts";
import { encodeName } from "../fs/file_name.ts";
import { signalName } from "../signal_numbers.ts";
import { type BlockOptions, NO_RESULT } from "../syscall.ts";
import { syscallName } from "../../../lib/linker/syscall_names.ts";
import type { Thread } from "../thread.ts";
import { argumentsAfter, argumentsBefore } from "./arguments.ts";
import { operationResult } from "./operations.ts";
import type { StracePrinter } from "./printer.ts";
import { quote, quoteShort } from "./strings.ts";
import { siginfoText, signalSet } from "./structs.ts";

/** Column of the `=`. */
const COLUMN = 40;
/** Calls whose result is an address. */
const ADDRESSES = new Set(["mmap", "mremap", "brk", "shmat"]);

/** A call whose line is not finished. */
interface Open {
  readonly prefix: string;
  readonly text: string;
  /** Arguments printed so far. */
  count: number;
  /** Room for an address that the call answers. */
  readonly room: number;
  /** An `<unfinished ...>` line is out. */
  cut: boolean;
}

const pidPrefix = (pid: number): string => `[pid ${String(pid).padStart(5)}] `;

/** A result as strace shows it. */
function resultText(call: ThreadCall, result: number): string {
  if (result < 0 && result >= -4095) {
    return `-1 ${errnoName(-result)} (${errnoText(-result)})`;
  }
  return operationResult(call, result) ?? plainResult(call.row.name, result);
}
function plainResult(name: string, result: number): string {
  return ADDRESSES.has(name) ? `0x${result.toString(16)}` : String(result);
}

export class StraceText implements StracePrinter {
  readonly #open: Map<Thread, Open> = new Map();

  /** `write` takes each line without its newline. */
  constructor(readonly write: (line: string) => void) {}

  /** While there are several threads, lines begin with the thread's id. */
  #prefix(thread: Thread): string {
    return thread.call.kernel.threads.size > 1 ? pidPrefix(thread.tid) : "";
  }

  /** Before a line of `thread`: other threads' unfinished lines are cut. */
  #interleave(thread: Thread): void {
    for (const [other, open] of this.#open) {
      if (other === thread || open.cut) continue;
      this.write(`${this.#prefix(other)}${open.text} <unfinished ...>`);
      open.cut = true;
    }
  }

  #line(thread: Thread, text: string): void {
    this.#interleave(thread);
    this.write(this.#prefix(thread) + text);
  }

  #result(text: string, result: string): string {
    return `${text.padEnd(COLUMN - 1)} = ${result}`;
  }

  enter(thread: Thread): void {
    const { text, count, room } = argumentsBefore(thread.call);
    const start = `${thread.call.row.name}(${text}`;
    this.#open.set(thread, { prefix: this.#prefix(thread), text: start, count, room, cut: false });
  }

  blocked(_thread: Thread): void {}

  #finish(thread: Thread, after: string, result: string): void {
    const open = this.#open.get(thread);
    if (!open) return;
    this.#open.delete(thread);
    const start = open.cut ? `<... ${thread.call.row.name} resumed>` : open.text;
    const prefix = open.cut ? this.#prefix(thread) : open.prefix;
    this.#interleave(thread);
    this.write(this.#result(`${prefix}${start}${after})`, result));
  }

  leave(thread: Thread, result: number): void {
    const open = this.#open.get(thread);
    if (!open) return;
    const { call } = thread;
    if (result === NO_RESULT) {
      if (call.row.name !== "rt_sigreturn") return this.#finish(thread, "", "0");
      // The result register is the one that the frame restored.
      const { cpu, abi } = call.kernel;
      const mask = `{mask=${signalSet(thread.mask)}}`;
      return this.#finish(thread, mask, resultText(call, cpu.regNumber(abi.result)));
    }
    const after = argumentsAfter(call, open.count, result, open.room);
    this.#finish(thread, after, resultText(call, result));
  }

  interrupted(thread: Thread, { onSignal, deadline }: BlockOptions): void {
    const open = this.#open.get(thread);
    if (!open) return;
    const after = argumentsAfter(thread.call, open.count, -EINTR, open.room);
    if (onSignal === "fail") {
      return this.#finish(thread, after, resultText(thread.call, -EINTR));
    }
    const how = onSignal !== "interrupt"
      ? "ERESTARTSYS (To be restarted if SA_RESTART is set)"
      : deadline === undefined || deadline === Infinity
      ? "ERESTARTNOHAND (To be restarted if no handler)"
      : "ERESTART_RESTARTBLOCK (Interrupted by signal)";
    this.#finish(thread, after, `? ${how}`);
  }

  abandoned(thread: Thread): void {
    this.#finish(thread, "", "?");
  }

  unknown(thread: Thread, number: number): void {
    const { cpu, abi } = thread.call.kernel;
    const args = abi.args.map((register) => {
      const value = BigInt.asUintN(64, cpu.reg(register));
      return value === 0n ? "0" : `0x${value.toString(16)}`;
    });
    const name = syscallName(thread.call.arch, number) ?? `syscall_0x${number.toString(16)}`;
    this.#line(
      thread,
      this.#result(
        `${name}(${args.join(", ")})`,
        "-1 ENOSYS (Function not implemented)",
      ),
    );
  }

  signal(thread: Thread, info: Uint8Array): void {
    this.#line(thread, `--- ${signalName(infoSigno(info))} ${siginfoText(info)} ---`);
  }

  exited(process: Process, status: number, threadsLeft: number): void {
    const signal = status & 0x7f;
    const how = signal === 0
      ? `exited with ${status >> 8}`
      : `killed by ${signalName(signal)}${status & 0x80 ? " (core dumped)" : ""}`;
    // The last thread of the process is no longer counted.
    const several = threadsLeft > 0;
    this.write(`${several ? pidPrefix(process.pid) : ""}+++ ${how} +++`);
  }

  cloned(_thread: Thread, _child: Thread): void {}

  execve(_thread: Thread, { path, argv, env }: ExecRequest): void {
    const shown = argv.map((text) => quoteShort(encodeName(text))).join(", ");
    const count = `${env.length} var${env.length === 1 ? "" : "s"}`;
    this.write(
      this.#result(`execve(${quote(encodeName(path))}, [${shown}], /* ${count} */)`, "0"),
    );
  }
}
