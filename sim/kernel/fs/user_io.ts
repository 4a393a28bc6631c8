/**
 * Between system call handlers and files: whose call it is, paths and buffers in guest memory, and
 * reads and writes that sleep when they must.
 */
import { Access } from "../../cpu/cpu.ts";
import type { AddressSpace } from "../../memory/address_space.ts";
import { Domain } from "../../memory/memory.ts";
import { getUnsigned64 } from "../abi/struct.ts";
import { EAGAIN, EBADF, EFAULT, EINVAL, EPIPE, ERESTART } from "../errno.ts";
import { RLIMIT_NOFILE } from "../process.ts";
import { SIGPIPE } from "../signal_numbers.ts";
import { signalFromKernel } from "../signals.ts";
import type { Call } from "../syscall.ts";
import {
  AT_FDCWD,
  MAX_RW_COUNT,
  O_APPEND,
  O_NONBLOCK,
  O_PATH,
  PATH_MAX,
  POLLIN,
  POLLOUT,
} from "./constants.ts";
import type { Location } from "./dentry.ts";
import type { DescriptorTable } from "./descriptor_table.ts";
import { decodeName } from "./file_name.ts";
import { failed } from "./inode.ts";
import type { OpenFile } from "./open_file.ts";
import type { Credentials } from "./permission.ts";
import { mayWrite } from "./size_limit.ts";
import type { FsContext, Task } from "./task.ts";
import type { Vfs } from "./vfs.ts";

/** The machine's file systems. */
export function vfsOf(call: Call): Vfs {
  return call.kernel.vfs as Vfs;
}

/** The caller's descriptors, with its limit on how many there may be. */
export function tableOf(call: Call): DescriptorTable {
  const table = call.descriptors as DescriptorTable;
  table.limit = call.process.limits[RLIMIT_NOFILE].soft;
  return table;
}

export function contextOf(call: Call): FsContext {
  return call.fs as FsContext;
}

/** Credentials that file access is checked against. */
export function credentialsOf(call: Call): Credentials {
  const { fsuid, fsgid, groups } = call.process.credentials;
  return { uid: fsuid, gid: fsgid, groups };
}

export function taskOf(call: Call, credentials: Credentials = credentialsOf(call)): Task {
  return {
    fs: contextOf(call),
    credentials,
    opener: {
      process: call.process,
      thread: call.thread,
      privileged: credentials.uid === 0,
    },
  };
}

/** The open file behind `fd`; null is -EBADF. O_PATH descriptors are not for reading or writing. */
export function fileOf(call: Call, fd: number): OpenFile | null {
  const file = tableOf(call).get(fd);
  return file === null || (file.flags & O_PATH) !== 0 ? null : file;
}

/** A path at `va`, or -EFAULT, -ENAMETOOLONG. */
export function readPath(space: AddressSpace, va: number): string | number {
  const bytes = space.readCBytes(va, PATH_MAX);
  return typeof bytes === "number" ? bytes : decodeName(bytes);
}

/** Where a relative `path` starts: the directory `fd`, or the current one; -EBADF. */
export function startOf(call: Call, fd: number, path: string): Location | number {
  const { cwd } = contextOf(call);
  if (fd === AT_FDCWD || path.startsWith("/")) return cwd;
  return tableOf(call).get(fd)?.location ?? -EBADF;
}

/** Read the path at `va` and find where it starts. */
export function pathAt(
  call: Call,
  fd: number,
  va: number,
): { path: string; start: Location } | number {
  const path = readPath(call.space, va);
  if (typeof path === "number") return path;
  const start = startOf(call, fd, path);
  return failed(start) ? start : { path, start };
}

/** A stretch of guest memory. */
export interface Span {
  readonly address: number;
  readonly length: number;
}

/** An iovec array of `count` elements, or -EINVAL, -EFAULT. */
export function readVector(space: AddressSpace, va: number, count: number): Span[] | number {
  if (count < 0 || count > 1024) return -EINVAL;
  const bytes = new Uint8Array(count * 16);
  if (space.copyIn(va, bytes) < 0) return -EFAULT;
  const view = new DataView(bytes.buffer);
  const spans: Span[] = [];
  let room = MAX_RW_COUNT;
  for (let i = 0; i < count; i++) {
    const length = getUnsigned64(view, i * 16 + 8);
    if (length >= 2 ** 63) return -EINVAL;
    const taken = Math.min(length, room);
    spans.push({ address: getUnsigned64(view, i * 16), length: taken });
    room -= taken;
  }
  return spans;
}

/** The first `length` bytes of `spans`. */
export function firstOf(spans: readonly Span[], length: number): Span[] {
  const kept: Span[] = [];
  for (const span of spans) {
    if (length === 0) break;
    const taken = Math.min(span.length, length);
    kept.push({ address: span.address, length: taken });
    length -= taken;
  }
  return kept;
}

export function totalLength(spans: readonly Span[]): number {
  let total = 0;
  for (const { length } of spans) total += length;
  return total;
}

/**
 * The guest bytes at `va`, at most `length`, up to where their physical page ends: a view of
 * physical memory; or -EFAULT.
 */
function view(
  space: AddressSpace,
  va: number,
  length: number,
  access: Access,
): Uint8Array | number {
  const { memory, resolved } = space;
  const { domain } = memory;
  memory.domain = Domain.Kernel;
  const fault = space.resolve(va, access);
  memory.domain = domain;
  if (fault !== 0) return -EFAULT;
  const page = 2 ** resolved.pageShift;
  const count = Math.min(length, page - va % page);
  return memory.physical.u8.subarray(resolved.physical, resolved.physical + count);
}

/**
 * Fill guest memory by `read`, which is given views of physical memory one after the other: the
 * bytes read, or the errno of the first read. Stops at a short read.
 */
export function fillUser(
  space: AddressSpace,
  spans: readonly Span[],
  read: (into: Uint8Array, done: number) => number,
): number {
  let total = 0;
  for (const { address, length } of spans) {
    for (let done = 0; done < length;) {
      const into = view(space, address + done, length - done, Access.Write);
      const count = typeof into === "number" ? into : read(into, total);
      if (count < 0) return total > 0 ? total : count;
      const bytes = into as Uint8Array;
      if (count > 0) space.memory.observer.frameWritten(bytes.byteOffset, count);
      done += count;
      total += count;
      if (count < bytes.length) return total;
    }
  }
  return total;
}

/** Give guest memory to `write` view by view: the bytes written, or the errno of the first write. */
export function drainUser(
  space: AddressSpace,
  spans: readonly Span[],
  write: (from: Uint8Array, done: number) => number,
): number {
  let total = 0;
  for (const { address, length } of spans) {
    for (let done = 0; done < length;) {
      const from = view(space, address + done, length - done, Access.Read);
      const count = typeof from === "number" ? from : write(from, total);
      if (count < 0) return total > 0 ? total : count;
      done += count;
      total += count;
      if (count < (from as Uint8Array).length) return total;
    }
  }
  return total;
}

/** Copy bytes to guest spans: how many, or -EFAULT if none. */
export function scatter(space: AddressSpace, spans: readonly Span[], bytes: Uint8Array): number {
  return fillUser(space, spans, (into, done) => {
    const part = bytes.subarray(done, done + into.length);
    into.set(part);
    return part.length;
  });
}

/** Copy guest spans, from byte `skip` on, into `into`: how many, or -EFAULT. */
export function gather(
  space: AddressSpace,
  spans: readonly Span[],
  skip: number,
  into: Uint8Array,
): number {
  let done = 0;
  let before = 0;
  for (const { address, length } of spans) {
    const from = Math.max(0, skip - before);
    before += length;
    if (from >= length) continue;
    const count = Math.min(length - from, into.length - done);
    if (count === 0) break;
    if (space.copyIn(address + from, into.subarray(done, done + count)) < 0) {
      return done > 0 ? done : -EFAULT;
    }
    done += count;
  }
  return done;
}

/** Most bytes one stream operation moves; larger requests are answered short, or go round again. */
const STREAM_CHUNK = 1 << 18;
const scratch = new Uint8Array(STREAM_CHUNK);

/** A buffer of `length` bytes at most STREAM_CHUNK, valid until the next call. */
function chunk(length: number): Uint8Array {
  return scratch.subarray(0, Math.min(length, STREAM_CHUNK));
}

/** Whether the description, or this call's flags, ask not to wait. */
function mayWait(file: OpenFile): boolean {
  return (file.flags & O_NONBLOCK) === 0;
}

/** Whether `position` is past a regular file: nothing is read then, not even the buffer's address. */
export function atEnd(file: OpenFile, position: number): boolean {
  const { inode } = file;
  // Files whose contents are made up have no size.
  return inode.isRegular && inode.size > 0 && position >= inode.size;
}

/** State of a call that a terminal has refused to a process in the background. */
const STOPPED = Symbol("stopped");

/** The call's process gets a signal that stops it (-ERESTART): the call starts again when it continues. */
export function stopped(call: Call): number {
  call.state = STOPPED;
  return call.block(call.process.continued);
}

/** Whether a call that was `stopped` must see a signal first, whose handler ends or restarts it. */
export function isInterrupted(call: Call): boolean {
  return call.resumed && call.state === STOPPED && call.thread.signalled;
}

/** read and readv at the file's position: the count, -errno, or blocked. */
export function readFile(call: Call, file: OpenFile, spans: readonly Span[]): number {
  if (!file.readable) return -EBADF;
  if (isInterrupted(call)) return stopped(call);
  if (atEnd(file, file.offset)) return 0;
  if (file.splittable) {
    return file.wasRead(fillUser(call.space, spans, (into) => file.read(into)));
  }
  const buffer = chunk(totalLength(spans));
  const count = call.timedOut ? file.readExpired(buffer) : file.read(buffer);
  if (count === -ERESTART) return stopped(call);
  if (count === -EAGAIN && mayWait(file)) {
    const { readTimeout } = file;
    const deadline = call.kernel.clock.now + readTimeout;
    return call.block(file.waitQueues(POLLIN), readTimeout > 0 ? { deadline } : {});
  }
  return count <= 0 ? count : scatter(call.space, spans, buffer.subarray(0, count));
}

/** Write `spans`, which begin at `position` of a splittable file, view by view, as far as limits allow. */
export function drainWithin(
  call: Call,
  file: OpenFile,
  spans: readonly Span[],
  position: number,
  write: (from: Uint8Array, done: number) => number,
): number {
  const total = totalLength(spans);
  const allowed = mayWrite(call, file, position, total);
  if (allowed < 0) return allowed;
  const kept = allowed < total ? firstOf(spans, allowed) : spans;
  return file.wasWritten(drainUser(call.space, kept, write));
}

/** write and writev at the file's position: the count, -errno, or blocked until all is written. */
export function writeFile(call: Call, file: OpenFile, spans: readonly Span[]): number {
  if (!file.writable) return -EBADF;
  if (isInterrupted(call)) return stopped(call);
  if (file.splittable) {
    const position = (file.flags & O_APPEND) !== 0 ? file.inode.size : file.offset;
    return drainWithin(call, file, spans, position, (from) => file.write(from));
  }
  const total = totalLength(spans);
  let done = typeof call.state === "number" ? call.state : 0;
  do {
    const buffer = chunk(total - done);
    const gathered = gather(call.space, spans, done, buffer);
    if (gathered < 0) return done > 0 ? done : gathered;
    const count = file.write(buffer.subarray(0, gathered));
    if (count === -ERESTART && done === 0) return stopped(call);
    if (count === -EAGAIN && mayWait(file)) {
      call.state = done;
      const interrupted = done > 0 ? () => done : undefined;
      return call.block(file.waitQueues(POLLOUT), interrupted ? { interrupted } : {});
    }
    if (count < 0) return done > 0 ? done : brokenPipe(call, count);
    done += count;
  } while (done < total);
  return done;
}

/** Writing where nobody reads raises SIGPIPE. */
export function brokenPipe(call: Call, errno: number): number {
  if (errno === -EPIPE) signalFromKernel(call.kernel, call.process, SIGPIPE);
  return errno;
}
