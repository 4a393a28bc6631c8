/** `--strace`: system calls, signals and exits in strace's format, a line each. */
import { errnoName, errnoText } from "../errno.ts";
import type { ExecRequest } from "../exec.ts";
import type { Process } from "../process.ts";
import { infoSigno } from "../abi/siginfo.ts";
import { encodeName } from "../fs/file_name.ts";
import { signalName } from "../signal_numbers.ts";
import { NO_RESULT } from "../syscall.ts";
import type { Thread } from "../thread.ts";
import { argumentsAfter, argumentsBefore } from "./arguments.ts";
import type { StracePrinter } from "./printer.ts";
import { quoteShort } from "./strings.ts";
import { siginfoText } from "./structs.ts";

/** Column of the `=`. */
const COLUMN = 40;
/** Calls whose result is an address. */
const ADDRESSES = new Set(["mmap", "mremap", "brk", "shmat"]);

/** A call whose line is not finished. */
interface Open {
  text: string;
  /** Arguments printed so far. */
  count: number;
  /** An `<unfinished ...>` line is out. */
  cut: boolean;
}

export class StraceText implements StracePrinter {
  readonly #open: Map<Thread, Open> = new Map();
  /** More than one thread has been seen: lines begin with the thread's id. */
  #many = false;

  /** `write` takes each line without its newline. */
  constructor(readonly write: (line: string) => void) {}

  #prefix(thread: Thread): string {
    return this.#many ? `[pid ${String(thread.tid).padStart(5)}] ` : "";
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
    const { text, count } = argumentsBefore(thread.call);
    this.#open.set(thread, { text: `${thread.call.row.name}(${text}`, count, cut: false });
  }

  blocked(_thread: Thread): void {}

  #finish(thread: Thread, after: string, result: string): void {
    const open = this.#open.get(thread);
    if (!open) return;
    this.#open.delete(thread);
    const start = open.cut ? `<... ${thread.call.row.name} resumed>` : open.text;
    const prefix = this.#prefix(thread);
    this.#interleave(thread);
    this.write(this.#result(`${prefix}${start}${after})`, result));
  }

  leave(thread: Thread, result: number): void {
    const open = this.#open.get(thread);
    if (!open) return;
    const { call } = thread;
    if (result === NO_RESULT) {
      // execve has succeeded, rt_sigreturn has restored another context.
      return this.#finish(thread, "", call.row.name === "rt_sigreturn" ? "?" : "0");
    }
    const after = argumentsAfter(call, open.count, result);
    if (result < 0) {
      return this.#finish(thread, after, `-1 ${errnoName(-result)} (${errnoText(-result)})`);
    }
    const value = ADDRESSES.has(call.row.name) ? `0x${result.toString(16)}` : String(result);
    this.#finish(thread, after, value);
  }

  restarted(thread: Thread): void {
    const open = this.#open.get(thread);
    if (!open) return;
    const after = argumentsAfter(thread.call, open.count, -512);
    this.#finish(thread, after, "? ERESTARTSYS (To be restarted if SA_RESTART is set)");
  }

  abandoned(thread: Thread): void {
    this.#finish(thread, "", "?");
  }

  unknown(thread: Thread, number: number): void {
    this.#line(
      thread,
      this.#result(
        `syscall_0x${number.toString(16)}()`,
        "-1 ENOSYS (Function not implemented)",
      ),
    );
  }

  signal(thread: Thread, info: Uint8Array): void {
    this.#line(thread, `--- ${signalName(infoSigno(info))} ${siginfoText(info)} ---`);
  }

  exited(process: Process, status: number): void {
    const signal = status & 0x7f;
    const how = signal === 0
      ? `exited with ${status >> 8}`
      : `killed by ${signalName(signal)}${status & 0x80 ? " (core dumped)" : ""}`;
    const prefix = this.#many ? `[pid ${String(process.pid).padStart(5)}] ` : "";
    this.write(`${prefix}+++ ${how} +++`);
  }

  cloned(_thread: Thread, _child: Thread): void {
    this.#many = true;
  }

  execve(_thread: Thread, { path, argv, env }: ExecRequest): void {
    const shown = argv.map((text) => quoteShort(encodeName(text))).join(", ");
    const count = `${env.length} var${env.length === 1 ? "" : "s"}`;
    this.write(
      this.#result(`execve(${quoteShort(encodeName(path))}, [${shown}], /* ${count} */)`, "0"),
    );
  }
}
