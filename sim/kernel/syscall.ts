/**
 * What a system call is to the kernel: a row with its name, both numbers, typed arguments and a
 * handler, and the `Call` that a handler works through.
 *
 * A handler is synchronous. It returns a value of 0 or more, a negative errno, or what
 * `call.block(…)` answered. A blocked handler is run again from its beginning, with the same
 * arguments, when its queue is woken or its deadline has passed; what it must remember between
 * the two it keeps in `call.state`.
 */
import type { Arch } from "../arch.ts";
import type { AddressSpace } from "../memory/address_space.ts";
import type { Descriptors, FsContext } from "./seam.ts";
import type { Kernel } from "./kernel.ts";
import type { Process } from "./process.ts";
import type { Thread } from "./thread.ts";
import type { WaitQueue } from "./wait_queue.ts";

/**
 * Types of syscall arguments: how a register becomes a number, and how `--strace` prints it.
 *
 * | type | number | printed |
 * |---|---|---|
 * | `int`, `uint` | low 32 bits, signed or not | decimal |
 * | `long`, `off` | 64 bits signed (exact below 2^53) | decimal |
 * | `size` | 64 bits unsigned | decimal |
 * | `ptr`, `hex` | 64 bits unsigned | `0x…`, NULL |
 * | `fd`, `dirfd` | signed 32 | decimal; `AT_FDCWD` |
 * | `mode` | unsigned 32 | octal |
 * | `signal` | signed 32 | `SIGINT` |
 * | `path`, `string` | pointer | quoted string |
 * | `strings` | pointer to a NULL-ended vector | `["a", "b"]` |
 * | `environment` | pointer to a NULL-ended vector | address and count |
 * | `buffer` | pointer; its length is the next argument | quoted, abridged |
 * | `out-buffer` | pointer; its length is the result | quoted, abridged, at exit |
 * | `flags:X` | low 32 bits | names joined by `|`, from the set `X` of `strace/flags.ts` |
 * | `enum:X` | signed 32 | one name of the set `X` |
 * | `struct:X` | pointer | fields, read at entry by the printer `X` of `strace/structs.ts` |
 * | `out:X` | pointer | the same, read at exit |
 */
export type ArgType =
  | "int"
  | "uint"
  | "long"
  | "off"
  | "size"
  | "ptr"
  | "hex"
  | "fd"
  | "dirfd"
  | "mode"
  | "signal"
  | "path"
  | "string"
  | "strings"
  | "environment"
  | "buffer"
  | "out-buffer"
  | `flags:${string}`
  | `enum:${string}`
  | `struct:${string}`
  | `out:${string}`;

/** One system call of both architectures. */
export interface SyscallRow {
  readonly name: string;
  /** Number on x86_64, -1 if absent (arch/x86/entry/syscalls/syscall_64.tbl). */
  readonly x86_64: number;
  /** Number on aarch64, -1 if absent (include/uapi/asm-generic/unistd.h). */
  readonly aarch64: number;
  readonly args: readonly ArgType[];
  /** The handler: a value, `-errno`, or the answer of `call.block`. */
  run(call: Call, a: number, b: number, c: number, d: number, e: number, f: number): number;
  /** `noop: reason` for a success without effect (counted), `partial: what is missing`. */
  readonly support?: string;
}

/** What `call.block` answers; a handler returns it as it is. Not a possible errno. */
export const BLOCKED = -0x10000;
/**
 * Returned by a call that has set the registers itself or has no thread to return to (execve,
 * rt_sigreturn, exit): nothing is written to the result register.
 */
export const NO_RESULT = -0x10001;

/** How a blocked call ends when a signal handler must run. */
export type Interruption =
  /** -EINTR, or the call starts again after a handler with SA_RESTART (Linux's ERESTARTSYS). The default. */
  | "restart"
  /** -EINTR whenever a handler runs (Linux's ERESTARTNOHAND): poll, select, pause, epoll, nanosleep. */
  | "interrupt"
  /** -EINTR whenever a handler runs, as a plain error: semop, io_getevents. */
  | "fail"
  /** Not by a signal, except a fatal one. */
  | "uninterruptible";

export interface BlockOptions {
  /** Monotonic time in nanoseconds (`clock.now`) at which the call is run again with `timedOut`. */
  readonly deadline?: number;
  /** Instead of a deadline: nanoseconds from when this call slept first, however often it was woken. */
  readonly timeout?: number;
  readonly onSignal?: Interruption;
  /**
   * Result when a signal handler interrupts a call that has made progress (a write of which some
   * bytes are out), or that must report what remains (nanosleep). Overrides `onSignal`'s errno.
   */
  readonly interrupted?: () => number;
  /** Told when the call ends without its handler: a signal, or the thread's death. */
  readonly abandoned?: () => void;
}

/** One system call under way: what a handler may touch. */
export interface Call {
  readonly arch: Arch;
  readonly row: SyscallRow;
  readonly kernel: Kernel;
  readonly thread: Thread;
  readonly process: Process;
  readonly space: AddressSpace;
  /** Descriptor table (CLONE_FILES shares it). */
  readonly descriptors: Descriptors;
  /** Current directory, root, umask (CLONE_FS shares it). */
  readonly fs: FsContext;
  /** True when the handler runs again after it blocked. */
  readonly resumed: boolean;
  /** True when it runs again because its deadline has passed. */
  readonly timedOut: boolean;
  /** The handler's own, kept while it is blocked; undefined at first. */
  state: unknown;
  /**
   * Sleep until one of `queues` is woken (or the deadline passes, or a signal comes), then run the
   * handler again. No queue and no deadline: until a signal (pause).
   */
  block(queues: WaitQueue | readonly WaitQueue[], options?: BlockOptions): number;
}

/** The rows of one architecture by number. Two rows of one number or name are a programming error. */
export class SyscallTable {
  readonly #byNumber: SyscallRow[] = [];
  readonly #byName: Map<string, SyscallRow> = new Map();

  constructor(readonly arch: Arch, rows: Iterable<SyscallRow>) {
    for (const row of rows) {
      if (this.#byName.has(row.name)) throw new TypeError(`two rows for syscall ${row.name}`);
      this.#byName.set(row.name, row);
      const number = row[arch];
      if (number < 0) continue;
      const other = this.#byNumber[number];
      if (other) {
        throw new TypeError(`${row.name} and ${other.name} share ${arch} number ${number}`);
      }
      this.#byNumber[number] = row;
    }
  }

  /** Row of a number, or undefined: the kernel answers -ENOSYS. */
  row(number: number): SyscallRow | undefined {
    return this.#byNumber[number];
  }

  named(name: string): SyscallRow | undefined {
    return this.#byName.get(name);
  }

  rows(): Iterable<SyscallRow> {
    return this.#byName.values();
  }
}
