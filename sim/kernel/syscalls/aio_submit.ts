/** io_submit(2): requests are done as they are submitted, but those that wait for a file to be ready. */
import { type AioContext, contextAt } from "../aio/context.ts";
import { complete, PollRequest } from "../aio/poll_request.ts";
import { Struct, type Values } from "../abi/struct.ts";
import { EAGAIN, EBADF, EFAULT, EINVAL, EOPNOTSUPP, EPERM } from "../errno.ts";
import { MAX_RW_COUNT, O_NONBLOCK, POLLERR, POLLHUP, POLLIN, POLLOUT } from "../fs/constants.ts";
import { EventFile } from "../fs/eventfd.ts";
import { failed } from "../fs/inode.ts";
import type { OpenFile } from "../fs/open_file.ts";
import {
  brokenPipe,
  fileOf,
  gather,
  readVector,
  scatter,
  type Span,
  totalLength,
} from "../fs/user_io.ts";
import type { Call } from "../syscall.ts";
import { readStruct } from "../user_struct.ts";
import { KNOWN_RWF, readAt, RWF_APPEND, syncFile, writeAt } from "./files.ts";

/** struct iocb (include/uapi/linux/aio_abi.h) */
export const Iocb = new Struct("iocb", {
  dataLow: "u32",
  dataHigh: "u32",
  key: "u32",
  rwFlags: "u32",
  opcode: "u16",
  priority: "u16",
  fd: "i32",
  buffer: "u64",
  length: "u64",
  offset: "i64",
  reserved: "u64",
  flags: "u32",
  eventFd: "i32",
});
type Request = Values<Parameters<typeof Iocb.offset>[0]>;

/** aio_key of every request. */
export const KIOCB_KEY = 0;
const IOCB_CMD_PREAD = 0, IOCB_CMD_PWRITE = 1, IOCB_CMD_FSYNC = 2, IOCB_CMD_FDSYNC = 3;
const IOCB_CMD_POLL = 5, IOCB_CMD_PREADV = 7, IOCB_CMD_PWRITEV = 8;
const IOCB_FLAG_RESFD = 1, IOCB_FLAG_IOPRIO = 2;
/** Most bytes that one request moves to or from a file without positions. */
const STREAM_CHUNK = 65536;

/** The answer of a request that must wait in io_submit itself, as a read of an empty pipe does. */
const WAITS = Symbol("waits");
/** A request's answer: it has completed with a result, or is under way, or waits. */
type Answer = { readonly result: number } | "under way" | typeof WAITS;

export function ioSubmit(call: Call, address: number, count: number, list: number): number {
  const context = contextAt(call.space, address);
  if (count < 0 || context === undefined) return -EINVAL;
  const most = Math.min(count, context.slots);
  for (let i = (call.state as number | undefined) ?? 0; i < most; i++) {
    const iocb = call.space.readU64(list + 8 * i);
    const error = iocb < 0 ? -EFAULT : submit(call, context, iocb, i);
    if (error !== 0) return error < -4095 || i === 0 ? error : i;
  }
  return most;
}

/** One request: 0, the -errno with which io_submit ends, or what `block` answered. */
function submit(call: Call, context: AioContext, iocb: number, index: number): number {
  const request = readStruct(call.space, Iocb, iocb);
  if (request === null) return -EFAULT;
  if (request.reserved !== 0 || request.length >= 2 ** 63) return -EINVAL;
  if (!context.hasRoom) return -EAGAIN;
  const file = fileOf(call, request.fd);
  if (file === null) return -EBADF;
  let notified: EventFile | null = null;
  if ((request.flags & IOCB_FLAG_RESFD) !== 0) {
    const events = fileOf(call, request.eventFd);
    if (!(events instanceof EventFile)) return events === null ? -EBADF : -EINVAL;
    notified = events;
  }
  if (call.space.writeU32(iocb + Iocb.offset("key"), KIOCB_KEY) < 0) return -EFAULT;
  const { dataLow, dataHigh } = request;
  const completion = { dataLow, dataHigh, iocb, result: 0 };
  const answer = request.opcode === IOCB_CMD_POLL
    ? poll(request, file, (events) => new PollRequest(context, file, events, completion, notified))
    : perform(call, request, file);
  if (typeof answer === "number") return answer;
  if (answer === WAITS) {
    call.state = index;
    const reads = request.opcode === IOCB_CMD_PREAD || request.opcode === IOCB_CMD_PREADV;
    return call.block(file.waitQueues(reads ? POLLIN : POLLOUT));
  }
  if (answer !== "under way") {
    complete(context, { ...completion, result: answer.result }, notified);
  }
  return 0;
}

function perform(call: Call, request: Request, file: OpenFile): Answer | number {
  switch (request.opcode) {
    case IOCB_CMD_PREAD:
    case IOCB_CMD_PREADV:
    case IOCB_CMD_PWRITE:
    case IOCB_CMD_PWRITEV:
      return transfer(call, request, file);
    case IOCB_CMD_FSYNC:
    case IOCB_CMD_FDSYNC: {
      const { buffer, offset, length, rwFlags } = request;
      if (buffer !== 0 || offset !== 0 || length !== 0 || rwFlags !== 0) return -EINVAL;
      const result = syncFile(file);
      return result < 0 ? result : { result };
    }
    default:
      return -EINVAL;
  }
}

function transfer(call: Call, request: Request, file: OpenFile): Answer | number {
  const { opcode, buffer, length, offset, rwFlags, flags, priority } = request;
  if ((rwFlags & ~KNOWN_RWF) !== 0) return -EOPNOTSUPP;
  const refused = (flags & IOCB_FLAG_IOPRIO) !== 0 ? checkPriority(call, priority) : 0;
  if (refused < 0) return refused;
  const writes = opcode === IOCB_CMD_PWRITE || opcode === IOCB_CMD_PWRITEV;
  if (writes ? !file.writable : !file.readable) return -EBADF;
  if (file.inode.isDirectory) return -EINVAL;
  const vector = opcode === IOCB_CMD_PREADV || opcode === IOCB_CMD_PWRITEV;
  const spans = vector
    ? readVector(call.space, buffer, length)
    : [{ address: buffer, length: Math.min(length, MAX_RW_COUNT) }];
  if (failed(spans)) return spans;
  if (!file.splittable) return stream(call, file, spans, writes);
  if (offset < 0) return -EINVAL;
  const appends = writes && (rwFlags & RWF_APPEND) !== 0;
  const position = appends ? file.inode.size : offset;
  const action = writes ? writeAt : readAt;
  return { result: action(call, file, spans, position) };
}

/** A pipe or its like, which has no positions: one attempt. */
function stream(call: Call, file: OpenFile, spans: Span[], writes: boolean): Answer {
  const bytes = new Uint8Array(Math.min(totalLength(spans), STREAM_CHUNK));
  let result: number;
  if (writes) {
    const gathered = gather(call.space, spans, 0, bytes);
    if (gathered < 0) return { result: gathered };
    result = brokenPipe(call, file.write(bytes.subarray(0, gathered)));
  } else result = file.read(bytes);
  if (result === -EAGAIN && (file.flags & O_NONBLOCK) === 0) return WAITS;
  if (writes || result <= 0) return { result };
  return { result: scatter(call.space, spans, bytes.subarray(0, result)) };
}

/** I/O priorities (ioprio_set(2)): class and level; real-time is for user 0. */
function checkPriority(call: Call, priority: number): number {
  switch (priority >> 13) {
    case 0:
      return (priority & 0x1fff) === 0 ? 0 : -EINVAL;
    case 1:
      return call.process.credentials.euid === 0 ? 0 : -EPERM;
    case 2:
    case 3:
      return 0;
    default:
      return -EINVAL;
  }
}

function poll(
  { buffer, offset, length, rwFlags }: Request,
  file: OpenFile,
  wait: (events: number) => void,
): Answer | number {
  if (buffer > 0xffff || offset !== 0 || length !== 0 || rwFlags !== 0) return -EINVAL;
  const found = file.poll() & (buffer | POLLERR | POLLHUP);
  if (found !== 0) return { result: found };
  if (!file.pollable) return -EINVAL;
  wait(buffer);
  return "under way";
}
