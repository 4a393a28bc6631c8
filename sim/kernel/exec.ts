/**
 * execve as Linux does it (fs/exec.c, fs/binfmt_elf.c, fs/binfmt_script.c): find the program behind
 * `#!` lines, give the process a new address space, let a loader map the program, build the initial
 * stack, and start the thread at the entry point.
 */
import type { AddressSpace } from "../memory/address_space.ts";
import type { BpfProgram } from "./bpf.ts";
import type { Executable } from "./seam.ts";
import { E2BIG, ELOOP, ENOEXEC } from "./errno.ts";
import { exitThread, finishVfork } from "./exit.ts";
import { buildStack, MAX_ARG_STRLEN } from "./exec_stack.ts";
import { decodeName, nameLength } from "./fs/file_name.ts";
import type { Kernel } from "./kernel.ts";
import { mapSigreturn } from "./sigreturn_page.ts";
import { accessCredentials, type Process, RLIMIT_STACK, Shared } from "./process.ts";
import { installFilters } from "./seccomp.ts";
import { SS_DISABLE } from "./signal_numbers.ts";
import type { Thread } from "./thread.ts";

export const AT_FDCWD = -100;
/** Bytes of a file that decide its format (BINPRM_BUF_SIZE). */
const PROBE = 256;
/** Deepest nesting of `#!` interpreters. */
const SCRIPT_DEPTH = 5;

/** What execve was asked for. */
export interface ExecRequest {
  readonly directory: number;
  readonly path: string;
  readonly flags: number;
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

/** A program found and checked: the file to map and the final argument vector. */
export interface Program {
  readonly file: Executable;
  /** Path as given to execve: AT_EXECFN and the command name. */
  readonly filename: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

/** A program mapped into an address space, ready to start. Addresses are guest addresses. */
export interface ProgramImage {
  /** First instruction: the interpreter's, or the program's own. */
  readonly entry: number;
  /** AT_ENTRY: the program's own entry point. */
  readonly programEntry: number;
  readonly phdr: number;
  readonly phnum: number;
  /** AT_BASE: where the interpreter lies, 0 without one. */
  readonly base: number;
  /** Where the heap starts. */
  readonly heap: number;
  readonly executableStack: boolean;
  /** Initial thread pointer; absent leaves it zero for the program to set. */
  readonly threadPointer?: number;
  /** Auxiliary vector entries to add or replace. */
  readonly auxv?: ReadonlyMap<number, number>;
  /** Filters that the program starts with, in the order in which they are installed. */
  readonly filters?: readonly BpfProgram[];
  /** Called when the initial stack is there, before the first instruction. */
  readonly prepare?: (stackPointer: number) => void;
}

/**
 * Maps a program into a fresh address space. The guest's own loader (`elf_loader.ts`) does as Linux
 * does; the modular linker is another. A promise makes the machine stand still until it is settled.
 */
export interface ExecLoader {
  load(
    kernel: Kernel,
    process: Process,
    space: AddressSpace,
    program: Program,
  ): ProgramImage | number | Promise<ProgramImage | number>;
  /** A process has been copied, its address space with it. */
  forked?(kernel: Kernel, parent: Process, child: Process): void;
}

/** The `#!` line of a file's first bytes: interpreter and at most one argument; null if it has none. */
export function parseScript(head: Uint8Array): { path: string; argument?: string } | number | null {
  if (head[0] !== 0x23 || head[1] !== 0x21) return null;
  let end = head.indexOf(10);
  if (end < 0) {
    // No newline within the probe: acceptable only if the interpreter's name surely ends in it.
    end = head.indexOf(0) < 0 ? head.length : head.indexOf(0);
    if (end === PROBE && !/[ \t]/.test(decodeName(head.subarray(2)).trimStart())) return -ENOEXEC;
  }
  const line = decodeName(head.subarray(2, end)).replace(/^[ \t]+|[ \t]+$/g, "");
  if (line === "") return -ENOEXEC;
  const [, path, argument] = /^([^ \t]+)[ \t]*(.*)$/s.exec(line)!;
  return argument === "" ? { path } : { path, argument };
}

/** Open the program that `request` names, following `#!` lines; or -errno. */
export function findProgram(
  kernel: Kernel,
  process: Process,
  request: ExecRequest,
): Program | number {
  let { argv } = request;
  let path = request.path;
  for (let depth = 0;; depth++) {
    const first = depth === 0;
    const file = kernel.vfs.openExecutable(
      process.fs.value,
      process.descriptors.value,
      first ? request.directory : AT_FDCWD,
      path,
      first ? request.flags : 0,
      accessCredentials(process.credentials),
    );
    if (typeof file === "number") return file;
    const head = new Uint8Array(PROBE);
    const got = file.read(0, head);
    if (got < 0) return got;
    const script = parseScript(head.subarray(0, got));
    if (script === null) {
      return { file, filename: request.path, argv, env: request.env };
    }
    file.close();
    if (typeof script === "number") return script;
    if (depth === SCRIPT_DEPTH) return -ELOOP;
    const before = script.argument === undefined ? [script.path] : [script.path, script.argument];
    argv = [...before, path, ...argv.slice(1)];
    path = script.path;
  }
}

/** Whether the strings fit: each below 128 KiB, together a quarter of the stack limit. */
export function checkArguments(process: Process, request: ExecRequest): number {
  const limit = Math.min(process.limits[RLIMIT_STACK].soft / 4, 6 * 1024 * 1024);
  let total = 0;
  for (const list of [request.argv, request.env]) {
    for (const text of list) {
      if (nameLength(text) >= MAX_ARG_STRLEN) return -E2BIG;
      total += nameLength(text) + 1 + 8;
    }
  }
  return total > limit ? -E2BIG : 0;
}

/**
 * Put `image`, mapped into `space`, in place of what the process runs. `thread` is the one that
 * goes on; the others are gone. The thread must be the loaded one.
 */
export function enterProgram(
  kernel: Kernel,
  thread: Thread,
  space: AddressSpace,
  program: Program,
  image: ProgramImage,
): number {
  const { process } = thread;
  const { abi, cpu } = kernel;
  const stack = buildStack(kernel, process, space, program, image);
  if (typeof stack === "number") return stack;
  space.setHeap(image.heap);

  for (const other of [...process.threads]) {
    if (other !== thread) exitThread(kernel, other, 0);
  }
  if (thread.tid !== process.pid) {
    kernel.threads.delete(thread.tid);
    thread.tid = process.pid;
    kernel.threads.set(thread.tid, thread);
  }
  leaveOldImage(kernel, thread);
  process.space = new Shared(space);
  finishVfork(process);
  process.executable = program.file.path;
  process.argv = program.argv;
  process.arguments = stack.arguments;
  process.environment = stack.environment;
  process.auxv = stack.auxv;
  process.name = program.filename.replace(/.*\//s, "").slice(0, 15);
  thread.name = process.name;
  process.sigreturnPage = mapSigreturn(abi, space);

  abi.start(cpu, image.entry, stack.pointer);
  if (image.threadPointer !== undefined) cpu.threadPointer = image.threadPointer;
  installFilters(thread, image.filters);
  image.prepare?.(stack.pointer);
  kernel.debugger?.executed(thread);
  return 0;
}

/** What does not survive execve. */
function leaveOldImage(kernel: Kernel, thread: Thread): void {
  const { process } = thread;
  const old = process.space.value;
  if (thread.clearChildTid !== 0) {
    old.copyOut(thread.clearChildTid, new Uint8Array(4));
    kernel.futexes.wake(old, thread.clearChildTid, 1);
    thread.clearChildTid = 0;
  }
  thread.robustList = 0;
  thread.rseq = null;
  thread.fault = undefined;
  thread.signalStack = { sp: 0, flags: SS_DISABLE, size: 0 };
  for (const timer of process.posixTimers.values()) timer.timer?.cancel();
  process.posixTimers.clear();
  const actions = process.actions.value.afterExec();
  process.actions.drop();
  process.actions = new Shared(actions);
  if (process.descriptors.drop()) {
    process.descriptors = new Shared(process.descriptors.value);
  } else {
    process.descriptors = new Shared(process.descriptors.value.fork());
  }
  process.descriptors.value.closeOnExec();
  if (process.space.drop()) old.release();
}
