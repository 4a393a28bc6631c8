/** Sockets: AF_UNIX and AF_INET within the machine. */
import { getUnsigned64, setNumber64, Struct } from "../abi/struct.ts";
import {
  EACCES,
  EADDRINUSE,
  EAFNOSUPPORT,
  EAGAIN,
  EBADF,
  ECONNREFUSED,
  EEXIST,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENOTCONN,
  EOPNOTSUPP,
  EPIPE,
  EPROTONOSUPPORT,
  EPROTOTYPE,
  ESOCKTNOSUPPORT,
} from "../errno.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDWR, POLLIN, POLLOUT, S_IFSOCK, W_OK } from "../fs/constants.ts";
import { inodeAt } from "../fs/dentry.ts";
import { failed } from "../fs/inode.ts";
import { MemorySpecial } from "../fs/memory_fs.ts";
import { mknod } from "../fs/namespace.ts";
import { mayAccess } from "../fs/open.ts";
import type { OpenFile } from "../fs/open_file.ts";
import { type PeerIdentity, type Received, Socket, type SocketKind } from "../fs/socket.ts";
import {
  AF_INET,
  AF_UNIX,
  AF_UNSPEC,
  decodeAddress,
  encodeAddress,
  INADDR_LOOPBACK,
  type SocketAddress,
  UNNAMED,
} from "../fs/socket_address.ts";
import {
  brokenPipe,
  contextOf,
  credentialsOf,
  gather,
  readVector,
  scatter,
  type Span,
  tableOf,
  taskOf,
  totalLength,
  vfsOf,
} from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { installPair } from "./pipes.ts";
import {
  getsockopt,
  IPPROTO_TCP,
  IPPROTO_UDP,
  PASSCRED,
  setsockopt,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  socketOf,
  SOL_SOCKET,
} from "./socket_options.ts";

const KINDS: Readonly<Record<number, SocketKind>> = {
  [SOCK_STREAM]: "stream",
  [SOCK_DGRAM]: "datagram",
  [SOCK_SEQPACKET]: "packet",
};
const SOCK_FLAGS = O_CLOEXEC | O_NONBLOCK;

function identityOf(call: Call): PeerIdentity {
  const { euid, egid } = call.process.credentials;
  return { pid: call.process.pid, uid: euid, gid: egid };
}

function makeSocket(
  call: Call,
  family: typeof AF_UNIX | typeof AF_INET,
  kind: SocketKind,
  flags: number,
): Socket {
  const { sockets, network } = vfsOf(call);
  const inode = sockets.inode({ mode: S_IFSOCK | 0o777, ...credentialsOf(call) });
  const location = sockets.place(inode, `socket:[${inode.ino}]`);
  const mode = O_RDWR | (flags & O_NONBLOCK);
  return new Socket(inode, location, mode, network, family, kind, identityOf(call));
}

/** Kind of a (family, type, protocol) triple, or -errno. */
function checkTriple(family: number, type: number, protocol: number): SocketKind | number {
  if (type & ~0xf & ~SOCK_FLAGS) return -EINVAL;
  if (family !== AF_UNIX && family !== AF_INET) return -EAFNOSUPPORT;
  const kind = KINDS[type & 0xf];
  if (kind === undefined) return -ESOCKTNOSUPPORT;
  if (family === AF_UNIX) return protocol === 0 || protocol === 1 ? kind : -EPROTONOSUPPORT;
  if (kind === "packet") return -ESOCKTNOSUPPORT;
  const wanted = kind === "stream" ? IPPROTO_TCP : IPPROTO_UDP;
  return protocol === 0 || protocol === wanted ? kind : -EPROTONOSUPPORT;
}

function socket(call: Call, family: number, type: number, protocol: number): number {
  const kind = checkTriple(family, type, protocol);
  if (failed(kind)) return kind;
  const file = makeSocket(call, family === AF_INET ? AF_INET : AF_UNIX, kind, type);
  return tableOf(call).install(file, 0, (type & O_CLOEXEC) !== 0);
}

function socketpair(
  call: Call,
  family: number,
  type: number,
  protocol: number,
  to: number,
): number {
  const kind = checkTriple(family, type, protocol);
  if (failed(kind)) return kind;
  if (family !== AF_UNIX) return -EOPNOTSUPP;
  const pair = [makeSocket(call, AF_UNIX, kind, type), makeSocket(call, AF_UNIX, kind, type)];
  Socket.connectPair(pair[0], pair[1]);
  return installPair(call, pair, to, (type & O_CLOEXEC) !== 0);
}

function readAddress(call: Call, va: number, length: number): SocketAddress | number {
  if (length < 0 || length > 128) return -EINVAL;
  const bytes = new Uint8Array(length);
  return call.space.copyIn(va, bytes) < 0 ? -EFAULT : decodeAddress(bytes);
}

/** Store an address and its whole length, cut to the room `*length` says: 0 or -errno. */
function storeAddress(
  call: Call,
  address: SocketAddress | null,
  va: number,
  length: number,
): number {
  if (va === 0) return 0;
  const room = call.space.readU32(length) | 0;
  if (room < 0) return -EINVAL;
  const bytes = address === null ? new Uint8Array(0) : encodeAddress(address);
  if (call.space.copyOut(va, bytes.subarray(0, room)) < 0) return -EFAULT;
  return call.space.writeU32(length, bytes.length) < 0 ? -EFAULT : 0;
}

const isPathName = (address: SocketAddress): address is SocketAddress & { name: string } =>
  address.family === AF_UNIX && !address.abstract && address.name !== "";

function bind(call: Call, fd: number, va: number, length: number): number {
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  const address = readAddress(call, va, length);
  if (failed(address)) return address;
  if (address.family !== file.family) return -EINVAL;
  if (!isPathName(address)) {
    // An empty name asks for one made up (autobind).
    const named = address.family === AF_UNIX && address.name === ""
      ? { ...address, abstract: true, name: "\0" + file.inode.ino.toString(16).padStart(5, "0") }
      : address;
    return file.bind(named);
  }
  if (file.local !== null) return -EINVAL;
  const task = taskOf(call);
  const { cwd } = contextOf(call);
  const error = mknod(task, cwd, address.name, S_IFSOCK | 0o777, 0);
  if (error < 0) return error === -EEXIST ? -EADDRINUSE : error;
  const made = vfsOf(call).resolve(task, cwd, address.name, false);
  if (failed(made)) return made;
  const inode = inodeAt(made);
  if (!(inode instanceof MemorySpecial)) return -EOPNOTSUPP;
  inode.bound = file;
  file.unbind = () => inode.bound = null;
  file.local = address;
  return 0;
}

function listen(call: Call, fd: number, backlog: number): number {
  const file = socketOf(call, fd);
  return failed(file) ? file : file.listen(backlog);
}

/** The socket at `address`: undefined when nobody has it; -errno for a path that cannot be used. */
function findSocket(
  call: Call,
  from: Socket,
  address: SocketAddress,
): Socket | undefined | number {
  if (!isPathName(address)) return vfsOf(call).network.find(from.protocol, address);
  const task = taskOf(call);
  const found = vfsOf(call).resolve(task, contextOf(call).cwd, address.name, true);
  if (failed(found)) return found;
  const denied = mayAccess(task, found, W_OK);
  if (denied) return -EACCES;
  const inode = inodeAt(found);
  if (inode.type !== S_IFSOCK) return -ECONNREFUSED;
  const bound = inode instanceof MemorySpecial ? inode.bound : null;
  return bound instanceof Socket ? bound : undefined;
}

function connect(call: Call, fd: number, va: number, length: number): number {
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  const address = readAddress(call, va, length);
  if (failed(address)) return address;
  if (address.family === AF_UNSPEC) {
    if (!file.connectionless) return -EINVAL;
    file.peer = null;
    file.remote = null;
    return 0;
  }
  if (address.family !== file.family) return file.family === AF_INET ? -EAFNOSUPPORT : -EINVAL;
  const target = findSocket(call, file, address);
  if (typeof target === "number") return target;
  if (target !== undefined && target.kind !== file.kind) return -EPROTOTYPE;
  const makePeer = (listener: Socket) => {
    const made = makeSocket(call, file.family, file.kind, 0);
    return Object.assign(made, { identity: listener.identity });
  };
  const result = file.connect(target, address, makePeer);
  if (result !== -EAGAIN || (file.flags & O_NONBLOCK) !== 0) return result;
  return call.block(target!.drained);
}

function accept4(call: Call, fd: number, va: number, length: number, flags: number): number {
  if (flags & ~SOCK_FLAGS) return -EINVAL;
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  const next = file.accept();
  if (next === -EAGAIN && (file.flags & O_NONBLOCK) === 0) return call.block(file.arrived);
  if (failed(next)) return next;
  next.flags = O_RDWR | (flags & O_NONBLOCK);
  const number = tableOf(call).install(next, 0, (flags & O_CLOEXEC) !== 0);
  next.release();
  if (number < 0) return number;
  const stored = storeAddress(call, next.remote, va, length);
  if (stored === 0) return number;
  tableOf(call).close(number);
  return stored;
}

function getsockname(call: Call, fd: number, va: number, length: number): number {
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  const unbound: SocketAddress = file.family === AF_UNIX
    ? UNNAMED
    : { family: AF_INET, host: 0, port: 0 };
  const local = file.local ?? unbound;
  const shown = local.family === AF_INET && local.host === 0 && file.remote !== null
    ? { ...local, host: INADDR_LOOPBACK }
    : local;
  return storeAddress(call, shown, va, length);
}

function getpeername(call: Call, fd: number, va: number, length: number): number {
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  return file.remote === null ? -ENOTCONN : storeAddress(call, file.remote, va, length);
}

const MSG_OOB = 1;
const MSG_PEEK = 2;
const MSG_CTRUNC = 8;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_WAITALL = 0x100;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;

/** Longest message taken at once. */
const CHUNK = 1 << 18;

const mayWait = (file: OpenFile, flags: number): boolean =>
  (file.flags & O_NONBLOCK) === 0 && (flags & MSG_DONTWAIT) === 0;

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
  if (address !== null && address.family !== file.family) return -EAFNOSUPPORT;
  let target: Socket | undefined;
  if (address !== null && file.connectionless) {
    const found = findSocket(call, file, address);
    if (typeof found === "number") return found;
    target = found;
  }
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
    const count = file.send(part, done === 0 ? files : [], target, address);
    if (count === -EAGAIN && mayWait(file, flags)) {
      call.state = done;
      const queues = [...file.waitQueues(POLLOUT), ...(target ? [target.drained] : [])];
      return call.block(queues, done > 0 ? { interrupted: () => done } : {});
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
      if (received === -EAGAIN && mayWait(file, flags)) {
        call.state = state;
        return call.block(file.waitQueues(POLLIN));
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

const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;
const CMSG_HEADER = 16;
const MAX_CONTROL = 20480;

/** Files named by SCM_RIGHTS in control data, or -EBADF, -EINVAL. */
function filesOf(call: Call, control: Uint8Array): OpenFile[] | number {
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
  const files: OpenFile[] = [];
  for (let at = 0; at + CMSG_HEADER <= control.length;) {
    const length = getUnsigned64(view, at);
    if (length < CMSG_HEADER || at + length > control.length) return -EINVAL;
    const level = view.getInt32(at + 8, true);
    const type = view.getInt32(at + 12, true);
    if (level === SOL_SOCKET && type === SCM_RIGHTS) {
      for (let p = at + CMSG_HEADER; p + 4 <= at + length; p += 4) {
        const file = tableOf(call).get(view.getInt32(p, true));
        if (file === null) return -EBADF;
        files.push(file);
      }
    } else if (level === SOL_SOCKET && type !== SCM_CREDENTIALS) return -EINVAL;
    at += Math.ceil(length / 8) * 8;
  }
  return files;
}

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

/** Control data for what was received, at most `room` bytes; and whether some did not fit. */
function controlData(
  call: Call,
  file: Socket,
  received: Received,
  room: number,
  closeOnExec: boolean,
): { bytes: Uint8Array; truncated: boolean } {
  const parts: Uint8Array[] = [];
  let used = 0;
  let truncated = false;
  const put = (type: number, payload: Uint8Array): void => {
    const bytes = new Uint8Array(CMSG_HEADER + Math.ceil(payload.length / 8) * 8);
    const view = new DataView(bytes.buffer);
    setNumber64(view, 0, CMSG_HEADER + payload.length);
    view.setInt32(8, SOL_SOCKET, true);
    view.setInt32(12, type, true);
    bytes.set(payload, CMSG_HEADER);
    parts.push(bytes.subarray(0, room - used));
    used += parts.at(-1)!.length;
  };
  if (file.options.get(PASSCRED) && received.sender) {
    const { pid, uid, gid } = received.sender;
    if (room >= CMSG_HEADER + 12) {
      put(SCM_CREDENTIALS, new Uint8Array(Int32Array.of(pid, uid, gid).buffer));
    } else truncated = true;
  }
  if (received.files.length > 0) {
    const fits = Math.max(0, Math.floor((room - used - CMSG_HEADER) / 4));
    const numbers: number[] = [];
    for (const sent of received.files) {
      const number = numbers.length < fits ? tableOf(call).install(sent, 0, closeOnExec) : -1;
      if (number >= 0) numbers.push(number);
      else truncated = true;
      sent.release();
    }
    if (numbers.length > 0) put(SCM_RIGHTS, new Uint8Array(Int32Array.from(numbers).buffer));
  }
  const bytes = new Uint8Array(used);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, truncated };
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

function shutdown(call: Call, fd: number, how: number): number {
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  return how < 0 || how > 2 ? -EINVAL : file.shutdown(how);
}

const NO_TIMEOUTS = "partial: SO_RCVTIMEO and SO_SNDTIMEO are accepted and never expire";

export const socketRows: readonly SyscallRow[] = [
  {
    name: "socket",
    x86_64: 41,
    aarch64: 198,
    args: ["enum:family", "flags:socket", "int"],
    run: socket,
  },
  {
    name: "socketpair",
    x86_64: 53,
    aarch64: 199,
    args: ["enum:family", "flags:socket", "int", "out:fds"],
    run: socketpair,
  },
  { name: "bind", x86_64: 49, aarch64: 200, args: ["fd", "struct:sockaddr", "int"], run: bind },
  { name: "listen", x86_64: 50, aarch64: 201, args: ["fd", "int"], run: listen },
  {
    name: "accept",
    x86_64: 43,
    aarch64: 202,
    args: ["fd", "ptr", "ptr"],
    run: (call, fd, address, length) => accept4(call, fd, address, length, 0),
  },
  {
    name: "accept4",
    x86_64: 288,
    aarch64: 242,
    args: ["fd", "ptr", "ptr", "flags:accept"],
    run: accept4,
  },
  {
    name: "connect",
    x86_64: 42,
    aarch64: 203,
    args: ["fd", "struct:sockaddr", "int"],
    run: connect,
  },
  { name: "getsockname", x86_64: 51, aarch64: 204, args: ["fd", "ptr", "ptr"], run: getsockname },
  { name: "getpeername", x86_64: 52, aarch64: 205, args: ["fd", "ptr", "ptr"], run: getpeername },
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
    args: ["fd", "out-buffer", "size", "flags:msg", "ptr", "ptr"],
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
  { name: "shutdown", x86_64: 48, aarch64: 210, args: ["fd", "enum:shutdown"], run: shutdown },
  {
    name: "setsockopt",
    x86_64: 54,
    aarch64: 208,
    args: ["fd", "int", "int", "ptr", "int"],
    run: setsockopt,
    support: NO_TIMEOUTS,
  },
  {
    name: "getsockopt",
    x86_64: 55,
    aarch64: 209,
    args: ["fd", "int", "int", "ptr", "ptr"],
    run: getsockopt,
  },
];
