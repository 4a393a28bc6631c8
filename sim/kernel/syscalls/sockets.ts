/** Sockets: AF_UNIX and AF_INET within the machine. */
import {
  EADDRINUSE,
  EAFNOSUPPORT,
  EAGAIN,
  EEXIST,
  EINPROGRESS,
  EINVAL,
  ENOTCONN,
  EOPNOTSUPP,
  EPROTONOSUPPORT,
  EPROTOTYPE,
  ESOCKTNOSUPPORT,
} from "../errno.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDWR, S_IFSOCK } from "../fs/constants.ts";
import { inodeAt } from "../fs/dentry.ts";
import { failed } from "../fs/inode.ts";
import { MemorySpecial } from "../fs/memory_fs.ts";
import { mknod } from "../fs/namespace.ts";
import { type PeerIdentity, Socket, type SocketKind } from "../fs/socket.ts";
import {
  AF_INET,
  AF_UNIX,
  AF_UNSPEC,
  INADDR_LOOPBACK,
  type SocketAddress,
  UNNAMED,
} from "../fs/socket_address.ts";
import { contextOf, credentialsOf, tableOf, taskOf, vfsOf } from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { installPair } from "./pipes.ts";
import { messageRows, within } from "./messages.ts";
import { findSocket, isPathName, readAddress, storeAddress } from "./socket_names.ts";
import {
  getsockopt,
  IPPROTO_TCP,
  IPPROTO_UDP,
  setsockopt,
  SOCK_DGRAM,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  socketOf,
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
    // A connection of TCP begins as a copy of its listener (sk_clone), one of AF_UNIX anew.
    const { receiveTimeout, sendTimeout, identity } = listener;
    const copied = file.family === AF_INET ? { receiveTimeout, sendTimeout } : {};
    return Object.assign(made, { identity, ...copied });
  };
  const result = file.connect(target, address, makePeer);
  if (result !== -EAGAIN) return result;
  if ((file.flags & O_NONBLOCK) !== 0 || call.timedOut) {
    return file.family === AF_INET ? -EINPROGRESS : result;
  }
  return call.block(target!.drained, within(file.sendTimeout));
}

function accept4(call: Call, fd: number, va: number, length: number, flags: number): number {
  if (flags & ~SOCK_FLAGS) return -EINVAL;
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  const next = file.accept();
  if (next === -EAGAIN && (file.flags & O_NONBLOCK) === 0 && !call.timedOut) {
    return call.block(file.arrived, within(file.receiveTimeout));
  }
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

function shutdown(call: Call, fd: number, how: number): number {
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  return how < 0 || how > 2 ? -EINVAL : file.shutdown(how);
}

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
  { name: "shutdown", x86_64: 48, aarch64: 210, args: ["fd", "enum:shutdown"], run: shutdown },
  {
    name: "setsockopt",
    x86_64: 54,
    aarch64: 208,
    args: ["fd", "int", "int", "ptr", "int"],
    run: setsockopt,
  },
  {
    name: "getsockopt",
    x86_64: 55,
    aarch64: 209,
    args: ["fd", "int", "int", "ptr", "ptr"],
    run: getsockopt,
  },
  ...messageRows,
];
