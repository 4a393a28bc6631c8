/** Making processes and threads: clone, clone3, fork, vfork. */
import { setSavedRegister, setSavedThreadPointer } from "../abi/thread_state.ts";
import { CloneArgs } from "../abi/structs.ts";
import { E2BIG, EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM } from "../errno.ts";
import { inheritedPolicy, SCHED_DEADLINE } from "../scheduling.ts";
import { SemaphoreUndo } from "../ipc/semaphore_undo.ts";
import { type Process, Shared } from "../process.ts";
import { SIGCHLD, SS_DISABLE } from "../signal_numbers.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import type { Thread } from "../thread.ts";
import { writeInt } from "../user_struct.ts";
import { openProcess } from "./pidfd.ts";

const CLONE_VM = 0x100;
const CLONE_FS = 0x200;
const CLONE_FILES = 0x400;
const CLONE_SIGHAND = 0x800;
const CLONE_PIDFD = 0x1000;
const CLONE_VFORK = 0x4000;
const CLONE_PARENT = 0x8000;
const CLONE_THREAD = 0x10000;
const CLONE_SYSVSEM = 0x40000;
const CLONE_SETTLS = 0x80000;
const CLONE_PARENT_SETTID = 0x100000;
const CLONE_CHILD_CLEARTID = 0x200000;
const CLONE_CHILD_SETTID = 0x1000000;
/** New namespaces: mount, cgroup, UTS, IPC, user, pid, network, time. */
const CLONE_NAMESPACES = 0x7e020080;
const CSIGNAL = 0xff;
const CLONE_CLEAR_SIGHAND = 0x1_0000_0000;

interface CloneRequest {
  /** Flags below 2^32 as a signed word. */
  readonly flags: number;
  readonly clearHandlers: boolean;
  readonly exitSignal: number;
  /** Initial stack pointer of the child, 0 for the parent's. */
  readonly stack: number;
  readonly parentTid: number;
  readonly childTid: number;
  readonly tls: number;
  /** Where CLONE_PIDFD puts the descriptor; clone(2) has no place of its own for it. */
  readonly pidfd: number;
}

function refuse({ flags, exitSignal }: CloneRequest): number {
  const has = (flag: number): boolean => (flags & flag) !== 0;
  if (has(CLONE_THREAD) && !has(CLONE_SIGHAND)) return -EINVAL;
  if (has(CLONE_SIGHAND) && !has(CLONE_VM)) return -EINVAL;
  if (has(CLONE_NAMESPACES)) return -EPERM;
  if (has(CLONE_PIDFD) && has(CLONE_THREAD)) return -EINVAL;
  return exitSignal > 64 ? -EINVAL : 0;
}

/** A process as fork makes it: shares or copies what the flags say. */
function forkProcess(call: Call, request: CloneRequest): Process | number {
  const { kernel, process } = call;
  const { flags } = request;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const space = has(CLONE_VM) ? process.space.hold() : forkSpace(call);
  if (space === null) return -ENOMEM;
  const descriptors = has(CLONE_FILES)
    ? process.descriptors.hold()
    : new Shared(process.descriptors.value.fork());
  const fs = has(CLONE_FS) ? process.fs.hold() : new Shared(process.fs.value.fork());
  const parent = has(CLONE_PARENT) && process.parent ? process.parent : process;
  const child = kernel.newProcess(parent, space, descriptors, fs, process.credentials);
  child.pgid = process.pgid;
  child.sid = process.sid;
  child.terminal = process.terminal;
  child.limits = [...process.limits];
  child.name = call.thread.name;
  child.executable = process.executable;
  child.argv = process.argv;
  child.arguments = process.arguments;
  child.environment = process.environment;
  child.auxv = process.auxv;
  child.personality = process.personality;
  child.dumpable = process.dumpable;
  child.sigreturnPage = process.sigreturnPage;
  child.actions.drop();
  child.actions = has(CLONE_SIGHAND)
    ? process.actions.hold()
    : new Shared(process.actions.value.fork());
  if (request.clearHandlers) child.actions = new Shared(child.actions.value.afterExec());
  child.exitSignal = has(CLONE_PARENT) ? process.exitSignal : request.exitSignal;
  if (!has(CLONE_VM)) kernel.loader.forked?.(kernel, process, child);
  return child;
}

function forkSpace(call: Call): Shared<Call["space"]> | null {
  const space = call.space.fork();
  return typeof space === "number" ? null : new Shared(space);
}

function clone(call: Call, request: CloneRequest): number {
  const refused = refuse(request);
  if (refused < 0) return refused;
  const { kernel, process, thread } = call;
  // SCHED_DEADLINE is not inherited (sched(7)).
  const { policy, resetOnFork } = thread.scheduling;
  if (policy === SCHED_DEADLINE && !resetOnFork) return -EAGAIN;
  const { flags } = request;
  const has = (flag: number): boolean => (flags & flag) !== 0;

  if (has(CLONE_PIDFD) && call.space.readU32(request.pidfd) < 0) return -EFAULT;

  const owner = has(CLONE_THREAD) ? process : forkProcess(call, request);
  if (typeof owner === "number") return owner;
  const tid = owner === process ? kernel.newId() : owner.pid;
  const child = kernel.newThread(tid, owner);
  inherit(thread, child, flags);
  startState(call, child, request);

  const space = owner.space.value;
  if (has(CLONE_CHILD_SETTID)) writeInt(space, request.childTid, tid);
  if (has(CLONE_PARENT_SETTID)) writeInt(call.space, request.parentTid, tid);
  if (has(CLONE_PIDFD)) writeInt(call.space, request.pidfd, openProcess(call, owner, 0));
  if (has(CLONE_CHILD_CLEARTID)) child.clearChildTid = request.childTid;
  kernel.scheduler.ready(child);
  kernel.strace?.cloned(thread, child);

  if (!has(CLONE_VFORK)) return tid;
  owner.isVfork = true;
  call.state = owner;
  return call.block(owner.vforkDone, { onSignal: "uninterruptible" });
}

function inherit(parent: Thread, child: Thread, flags: number): void {
  child.name = parent.name;
  Object.assign(child, inheritedPolicy(parent.scheduling, parent.nice));
  child.memoryPolicy = parent.memoryPolicy;
  child.seccomp = parent.seccomp;
  child.noNewPrivileges = parent.noNewPrivileges;
  child.mask = parent.mask.copy();
  if ((flags & CLONE_SYSVSEM) !== 0) {
    child.semaphoreUndo = (parent.semaphoreUndo ??= new Shared(new SemaphoreUndo())).hold();
  }
  // A thread that shares the memory must not share the alternate stack, unless its parent waits.
  child.signalStack = (flags & CLONE_VM) !== 0 && (flags & CLONE_VFORK) === 0
    ? { sp: 0, flags: SS_DISABLE, size: 0 }
    : parent.signalStack;
  child.rseq = (flags & CLONE_VM) !== 0 ? null : parent.rseq;
}

/** Registers of the child: the parent's, with result 0 and perhaps another stack and thread pointer. */
function startState(call: Call, child: Thread, { flags, stack, tls }: CloneRequest): void {
  const { cpu, abi } = call.kernel;
  abi.leave(cpu);
  cpu.save(child.state);
  setSavedRegister(child.state, abi.result, 0);
  if (stack !== 0) setSavedRegister(child.state, abi.stackPointer, stack);
  if ((flags & CLONE_SETTLS) !== 0) setSavedThreadPointer(child.state, tls);
}

/** The parent of a vfork runs again: the child has exec'ed or exited. */
function afterVfork(call: Call): number {
  const child = call.state as Process;
  if (child.isVfork) return call.block(child.vforkDone, { onSignal: "uninterruptible" });
  return child.pid;
}

function cloneRow(
  call: Call,
  flags: number,
  stack: number,
  parentTid: number,
  childTid: number,
  tls: number,
): number {
  if (call.resumed) return afterVfork(call);
  return clone(call, {
    flags: flags & ~CSIGNAL,
    clearHandlers: false,
    exitSignal: flags & CSIGNAL,
    stack,
    parentTid,
    childTid,
    tls,
    pidfd: parentTid,
  });
}

function clone3(call: Call, args: number, size: number): number {
  if (call.resumed) return afterVfork(call);
  if (size > 4096) return -E2BIG;
  if (size < 64) return -EINVAL;
  const bytes = new Uint8Array(Math.max(size, CloneArgs.size));
  if (call.space.copyIn(args, bytes.subarray(0, size)) < 0) return -EFAULT;
  if (bytes.subarray(CloneArgs.size).some((byte) => byte !== 0)) return -E2BIG;
  const wanted = CloneArgs.decode(bytes);
  if (wanted.setTidSize !== 0) return -EPERM;
  if (wanted.flags % 256 !== 0) return -EINVAL;
  if ((wanted.stack === 0) !== (wanted.stackSize === 0)) return -EINVAL;
  const clearHandlers = Math.floor(wanted.flags / CLONE_CLEAR_SIGHAND) % 2 === 1;
  return clone(call, {
    flags: wanted.flags | 0,
    clearHandlers,
    exitSignal: wanted.exitSignal,
    stack: wanted.stack === 0 ? 0 : wanted.stack + wanted.stackSize,
    parentTid: wanted.parentTid,
    childTid: wanted.childTid,
    tls: wanted.tls,
    pidfd: wanted.pidfd,
  });
}

function simple(flags: number): SyscallRow["run"] {
  return (call) => {
    if (call.resumed) return afterVfork(call);
    return clone(call, {
      flags,
      clearHandlers: false,
      exitSignal: SIGCHLD,
      stack: 0,
      parentTid: 0,
      childTid: 0,
      tls: 0,
      pidfd: 0,
    });
  };
}

export const cloneRows: readonly SyscallRow[] = [
  {
    name: "clone",
    x86_64: 56,
    aarch64: 220,
    args: ["flags:clone", "ptr", "ptr", "ptr", "ptr"],
    // The two architectures order the last two arguments differently (CONFIG_CLONE_BACKWARDS).
    run: (call, flags, stack, parentTid, d, e) =>
      call.arch === "x86_64"
        ? cloneRow(call, flags, stack, parentTid, d, e)
        : cloneRow(call, flags, stack, parentTid, e, d),
    support: "partial: no namespaces",
  },
  {
    name: "clone3",
    x86_64: 435,
    aarch64: 435,
    args: ["struct:clone_args", "size"],
    run: clone3,
    support: "partial: no namespaces, no chosen tid",
  },
  { name: "fork", x86_64: 57, aarch64: -1, args: [], run: simple(0) },
  { name: "vfork", x86_64: 58, aarch64: -1, args: [], run: simple(CLONE_VM | CLONE_VFORK) },
];
