/** Sending and receiving by sockets. */
import { Struct } from "../abi/struct.ts";
import { EAGAIN, EFAULT, EINVAL, EMSGSIZE, EOPNOTSUPP, EPIPE } from "../errno.ts";
import { O_NONBLOCK, POLLIN, POLLOUT } from "../fs/constants.ts";
import { failed } from "../fs/inode.ts";
import type { OpenFile } from "../fs/open_file.ts";
import type { Received } from "../net/message.ts";
import type { Socket } from "../net/socket.ts";
import { AF_UNIX, encodeAddress, type SocketAddress } from "../net/socket_address.ts";
import { brokenPipe, gather, readVector, scatter, type Span, totalLength } from "../fs/user_io.ts";
import type { BlockOptions, Call, SyscallRow } from "../syscall.ts";
import { controlData, filesOf, MAX_CONTROL } from "./control_data.ts";
import { findSocket, readAddress, storeAddress } from "./socket_names.ts";
import { socketOf } from "./socket_options.ts";

const MSG_OOB = 1;
const MSG_PEEK = 2;
const MSG_CTRUNC = 8;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_WAITALL = 0x100;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;

/** How a call sleeps whose socket has a timeout (SO_RCVTIMEO, SO_SNDTIMEO), 0 for none. */
export function within(timeout: number): BlockOptions {
  // A signal's handler ends a call with a timeout even with SA_RESTART (signal(7)).
  return timeout === 0 ? {} : { timeout, onSignal: "fail" };
}

/** Longest message taken at once. */
const CHUNK = 1 << 18;

const mayWait = (call: Call, file: OpenFile, flags: number): boolean =>
  (file.flags & O_NONBLOCK) === 0 && (flags & MSG_DONTWAIT) === 0 && !call.timedOut;

/** Send what the spans hold: the count, -errno, or blocked until a stream has taken everything. */
function send(
  call: Call,
  file: Socket,
  spans: readonly Span[],
  flags: number,
  address: SocketAddress | null,
  files: readonly OpenFile[],
): number {
  if (flags & MSG_OOB) return -EOPNOTSUPP;
  const byName = address !== null && file.family === AF_UNIX && file.connectionless;
  const found = byName ? findSocket(call, address) : undefined;
  if (typeof found === "number") return found;
  const total = totalLength(spans);
  const isStream = file.kind === "stream";
  if (!isStream && total > CHUNK) return -EMSGSIZE;
  let done = call.resumed ? call.state as number : 0;
  do {
    const buffer = new Uint8Array(Math.min(total - done, CHUNK));
    const gathered = gather(call.space, spans, done, buffer);
    if (gathered < 0) return done > 0 ? done : gathered;
    const part = buffer.subarray(0, gathered);
    // Files go with the first byte.
    const count = file.send(part, done === 0 ? files : [], found, address);
    if (count === -EAGAIN && mayWait(call, file, flags)) {
      call.state = done;
      const queues = [...file.waitQueues(POLLOUT), ...(file.full ? [file.full.drained] : [])];
      const interrupted = done > 0 ? { interrupted: () => done } : {};
      return call.block(queues, { ...within(file.sendTimeout), ...interrupted });
    }
    if (count < 0) {
      if (done > 0) return done;
      const silent = count !== -EPIPE || !isStream || (flags & MSG_NOSIGNAL) !== 0;
      return silent ? count : brokenPipe(call, count);
    }
    done += count;
  } while (isStream && done < total);
  return done;
}

/** A receive under way with MSG_WAITALL. */
interface Receiving {
  readonly parts: Uint8Array[];
  count: number;
}

/** Receive into the spans: the result, -errno, or BLOCKED. */
function receive(
  call: Call,
  file: Socket,
  spans: readonly Span[],
  flags: number,
): { received: Received; bytes: Uint8Array } | number {
  if (flags & MSG_OOB) return -EINVAL;
  const peek = (flags & MSG_PEEK) !== 0;
  const wanted = Math.min(totalLength(spans), CHUNK);
  const state: Receiving = (call.state as Receiving | undefined) ?? { parts: [], count: 0 };
  for (;;) {
    const buffer = new Uint8Array(wanted - state.count);
    const received = file.receive(buffer, peek);
    if (typeof received === "number") {
      if (received === -EAGAIN && mayWait(call, file, flags)) {
        call.state = state;
        const interrupted = state.count > 0
          ? { interrupted: () => scatter(call.space, spans, joined(state)) }
          : {};
        return call.block(file.waitQueues(POLLIN), {
          ...within(file.receiveTimeout),
          ...interrupted,
        });
      }
      if (state.count === 0) return received;
      const bytes = joined(state);
      const end = { count: bytes.length, total: bytes.length, from: null, files: [], sender: null };
      return { received: end, bytes };
    }
    state.parts.push(buffer.subarray(0, received.count));
    state.count += received.count;
    const whole = (flags & MSG_WAITALL) !== 0 && file.kind === "stream" && !peek &&
      received.count > 0 && received.files.length === 0;
    if (whole && state.count < wanted) continue;
    return { received: { ...received, count: state.count }, bytes: joined(state) };
  }
}

function joined({ parts, count }: Receiving): Uint8Array {
  if (parts.length === 1) return parts[0];
  const bytes = new Uint8Array(count);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** read and readv of a socket. */
export function readSocket(call: Call, file: Socket, spans: readonly Span[]): number {
  if (totalLength(spans) === 0) return 0;
  const result = receive(call, file, spans, 0);
  if (typeof result === "number") return result;
  for (const sent of result.received.files) sent.release(); // nobody asked for them
  return scatter(call.space, spans, result.bytes);
}

/** write and writev of a socket. */
export function writeSocket(call: Call, file: Socket, spans: readonly Span[]): number {
  return send(call, file, spans, 0, null, []);
}

function sendto(
  call: Call,
  fd: number,
  va: number,
  count: number,
  flags: number,
  to: number,
  length: number,
): number {
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  const address = to === 0 ? null : readAddress(call, to, length);
  if (failed(address)) return address;
  return send(call, file, [{ address: va, length: count }], flags, address, []);
}

function recvfrom(
  call: Call,
  fd: number,
  va: number,
  count: number,
  flags: number,
  from: number,
  length: number,
): number {
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  const spans = [{ address: va, length: count }];
  const result = receive(call, file, spans, flags);
  if (typeof result === "number") return result;
  const { received, bytes } = result;
  for (const sent of received.files) sent.release();
  const stored = scatter(call.space, spans, bytes);
  if (stored < 0) return stored;
  const named = storeAddress(call, received.from, from, length);
  if (named < 0) return named;
  return (flags & MSG_TRUNC) !== 0 ? received.total : received.count;
}

/** struct msghdr of LP64 (user_msghdr), 56 bytes. */
const Msghdr = new Struct("msghdr", {
  name: "u64",
  nameLength: "u32",
  padding: { zero: 4 },
  vector: "u64",
  vectorLength: "u64",
  control: "u64",
  controlLength: "u64",
  flags: "u32",
});

function readHeader(call: Call, va: number): ReturnType<typeof Msghdr.decode> | number {
  const bytes = new Uint8Array(Msghdr.size);
  return call.space.copyIn(va, bytes) < 0 ? -EFAULT : Msghdr.decode(bytes);
}

function sendmsg(call: Call, fd: number, va: number, flags: number): number {
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  const header = readHeader(call, va);
  if (failed(header)) return header;
  const spans = readVector(call.space, header.vector, header.vectorLength);
  if (failed(spans)) return spans;
  const address = header.name === 0 || header.nameLength === 0
    ? null
    : readAddress(call, header.name, header.nameLength);
  if (failed(address)) return address;
  if (header.controlLength > MAX_CONTROL) return -EINVAL;
  const control = new Uint8Array(header.control === 0 ? 0 : header.controlLength);
  if (call.space.copyIn(header.control, control) < 0) return -EFAULT;
  const files = filesOf(call, control);
  if (failed(files)) return files;
  if (files.length > 0 && file.family !== AF_UNIX) return -EINVAL;
  return send(call, file, spans, flags, address, files);
}

function recvmsg(call: Call, fd: number, va: number, flags: number): number {
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  const header = readHeader(call, va);
  if (failed(header)) return header;
  const spans = readVector(call.space, header.vector, header.vectorLength);
  if (failed(spans)) return spans;
  const result = receive(call, file, spans, flags);
  if (typeof result === "number") return result;
  const { received, bytes } = result;
  if (scatter(call.space, spans, bytes) < 0) return -EFAULT;
  const name = received.from === null ? new Uint8Array(0) : encodeAddress(received.from);
  if (header.name !== 0) {
    const cut = name.subarray(0, header.nameLength);
    if (call.space.copyOut(header.name, cut) < 0) return -EFAULT;
  }
  const closeOnExec = (flags & MSG_CMSG_CLOEXEC) !== 0;
  const room = header.control === 0 ? 0 : header.controlLength;
  const control = controlData(call, file, received, room, closeOnExec);
  if (call.space.copyOut(header.control, control.bytes) < 0) return -EFAULT;
  const answer = Msghdr.encode({
    ...header,
    nameLength: name.length,
    controlLength: control.bytes.length,
    flags: (received.total > received.count && file.kind !== "stream" ? MSG_TRUNC : 0) |
      (control.truncated ? MSG_CTRUNC : 0) | (closeOnExec ? MSG_CMSG_CLOEXEC : 0),
  });
  if (call.space.copyOut(va, answer) < 0) return -EFAULT;
  return (flags & MSG_TRUNC) !== 0 ? received.total : received.count;
}

/** struct mmsghdr: a msghdr and the count of its message, 64 bytes. */
const MMSGHDR = 64;
const MAX_MESSAGES = 1024;

/** Several messages in one call; the count of those that went, or the first's errno. */
function severalMessages(
  one: (call: Call, fd: number, va: number, flags: number) => number,
): SyscallRow["run"] {
  return (call, fd, va, count, flags) => {
    for (let i = 0; i < Math.min(count, MAX_MESSAGES); i++) {
      const at = va + i * MMSGHDR;
      // Only the first may wait.
      const result = one(call, fd, at, i === 0 ? flags : flags | MSG_DONTWAIT);
      if (result < 0) return i > 0 ? i : result;
      if (call.space.writeU32(at + 56, result) < 0) return -EFAULT;
    }
    return Math.min(count, MAX_MESSAGES);
  };
}

export const messageRows: readonly SyscallRow[] = [
  {
    name: "sendto",
    x86_64: 44,
    aarch64: 206,
    args: ["fd", "buffer", "size", "flags:msg", "struct:sockaddr", "int"],
    run: sendto,
  },
  {
    name: "recvfrom",
    x86_64: 45,
    aarch64: 207,
    args: ["fd", "out-buffer", "size", "flags:msg", "out:sockaddr", "out:socklen"],
    run: recvfrom,
  },
  { name: "sendmsg", x86_64: 46, aarch64: 211, args: ["fd", "ptr", "flags:msg"], run: sendmsg },
  { name: "recvmsg", x86_64: 47, aarch64: 212, args: ["fd", "ptr", "flags:msg"], run: recvmsg },
  {
    name: "sendmmsg",
    x86_64: 307,
    aarch64: 269,
    args: ["fd", "ptr", "uint", "flags:msg"],
    run: severalMessages(sendmsg),
  },
  {
    name: "recvmmsg",
    x86_64: 299,
    aarch64: 243,
    args: ["fd", "ptr", "uint", "flags:msg", "struct:timespec"],
    run: severalMessages(recvmsg),
  },
];
