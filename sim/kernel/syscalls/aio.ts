/** Linux AIO: io_setup(2), io_destroy(2), io_getevents(2), io_pgetevents, io_cancel(2). */
import { AioContext, contextAt, EVENT_SIZE } from "../aio/context.ts";
import { Timespec } from "../abi/structs.ts";
import { EAGAIN, EFAULT, EINPROGRESS, EINVAL } from "../errno.ts";
import type { BlockOptions, Call, SyscallRow } from "../syscall.ts";
import { readStruct } from "../user_struct.ts";
import { Iocb, ioSubmit, KIOCB_KEY } from "./aio_submit.ts";
import { takeMask } from "./poll.ts";

const PROT_READ = 1, PROT_WRITE = 2, MAP_SHARED = 1;
/** More events than this do not fit in the kernel's own numbers. */
const MOST_EVENTS = 0x10000000 / EVENT_SIZE;

function ioSetup(call: Call, count: number, to: number): number {
  const { kernel, space } = call;
  const old = space.readU64(to);
  if (old < 0) return -EFAULT;
  if (old !== 0 || count === 0 || count > MOST_EVENTS) return -EINVAL;
  const { aio } = kernel;
  if (aio.used + count > aio.most) return -EAGAIN;
  const context = new AioContext(space, count, kernel.cpus, aio);
  const source = { file: context, readable: true, writable: true };
  const at = space.mmap(0, context.size, PROT_READ | PROT_WRITE, MAP_SHARED, source, 0);
  if (at < 0) {
    context.unmapped();
    return at;
  }
  if (space.writeU64(to, at) < 0) {
    space.munmap(at, context.size);
    return -EFAULT;
  }
  return 0;
}

function ioDestroy(call: Call, address: number): number {
  const context = contextAt(call.space, address);
  if (context === undefined) return -EINVAL;
  context.destroyed = true;
  // Whoever waits for events finds the context gone.
  context.completed.wake();
  return call.space.munmap(address, context.size);
}

/** What a blocked io_getevents remembers. */
interface Reaping {
  readonly context: AioContext;
  readonly deadline: number;
  count: number;
}

/** The time at `va` from now, in monotonic nanoseconds; Infinity without one, or -EFAULT. */
function deadlineAt(call: Call, va: number): number {
  if (va === 0) return Infinity;
  const time = readStruct(call.space, Timespec, va);
  if (time === null) return -EFAULT;
  return call.kernel.clock.now + Math.max(0, time.sec * 1e9 + time.nsec);
}

function getEvents(
  call: Call,
  address: number,
  least: number,
  most: number,
  to: number,
  timeout: number,
  onSignal: BlockOptions["onSignal"],
): number {
  if (!call.resumed) {
    const deadline = deadlineAt(call, timeout);
    if (deadline < 0) return deadline;
    const context = contextAt(call.space, address);
    if (context === undefined || least < 0 || least > most) return -EINVAL;
    call.state = { context, deadline, count: 0 } satisfies Reaping;
  }
  const reaping = call.state as Reaping;
  const { context, deadline } = reaping;
  if (context.destroyed) return reaping.count > 0 ? reaping.count : -EINVAL;
  const stored = context.reap(most - reaping.count, (events) => {
    if (call.space.copyOut(to + reaping.count * EVENT_SIZE, events) < 0) return false;
    reaping.count += events.length / EVENT_SIZE;
    return true;
  });
  if (!stored) return reaping.count > 0 ? reaping.count : -EFAULT;
  if (reaping.count >= least || call.timedOut || deadline <= call.kernel.clock.now) {
    return reaping.count;
  }
  const { count } = reaping;
  const interrupted = count > 0 ? { interrupted: () => count } : {};
  return call.block(context.completed, { deadline, onSignal, ...interrupted });
}

function ioPgetevents(
  call: Call,
  address: number,
  least: number,
  most: number,
  to: number,
  timeout: number,
  sigset: number,
): number {
  if (sigset !== 0 && !call.resumed) {
    const mask = call.space.readU64(sigset), size = call.space.readU64(sigset + 8);
    if (mask < 0 || size < 0) return -EFAULT;
    const masked = takeMask(call, mask, size);
    if (masked < 0) return masked;
  }
  return getEvents(call, address, least, most, to, timeout, "interrupt");
}

/** A request that waits for its file completes with nothing; others are over already. */
function ioCancel(call: Call, address: number, iocb: number): number {
  const request = readStruct(call.space, Iocb, iocb);
  if (request === null) return -EFAULT;
  const context = contextAt(call.space, address);
  if (request.key !== KIOCB_KEY || context === undefined) return -EINVAL;
  const waiting = context.waiting.get(iocb);
  if (waiting === undefined) return -EINVAL;
  waiting.finish(0);
  return -EINPROGRESS;
}

export const aioRows: readonly SyscallRow[] = [
  { name: "io_setup", x86_64: 206, aarch64: 0, args: ["uint", "out:aio_context"], run: ioSetup },
  { name: "io_destroy", x86_64: 207, aarch64: 1, args: ["ptr"], run: ioDestroy },
  {
    name: "io_submit",
    x86_64: 209,
    aarch64: 2,
    args: ["ptr", "long", "struct:iocbs"],
    run: ioSubmit,
  },
  {
    name: "io_cancel",
    x86_64: 210,
    aarch64: 3,
    args: ["ptr", "struct:iocb", "out:io_events"],
    run: ioCancel,
  },
  {
    name: "io_getevents",
    x86_64: 208,
    aarch64: 4,
    args: ["ptr", "long", "long", "out:io_events", "struct:timespec"],
    run: (call, address, least, most, to, timeout) =>
      getEvents(call, address, least, most, to, timeout, "fail"),
  },
  {
    name: "io_pgetevents",
    x86_64: 333,
    aarch64: 292,
    args: ["ptr", "long", "long", "out:io_events", "struct:timespec", "ptr"],
    run: ioPgetevents,
  },
];
