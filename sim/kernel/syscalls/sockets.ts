/** Sockets: making, naming, connecting, accepting, closing. */
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
  ESOCKTNOSUPPORT,
} from "../errno.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDWR, S_IFSOCK } from "../fs/constants.ts";
import { inodeAt } from "../fs/dentry.ts";
import { failed } from "../fs/inode.ts";
import { MemorySpecial } from "../fs/memory_fs.ts";
import { mknod } from "../fs/namespace.ts";
import { NetlinkSocket } from "../net/netlink_socket.ts";
import { TcpSocket } from "../net/tcp_socket.ts";
import { UdpSocket } from "../net/udp_socket.ts";
import { UnixSocket } from "../net/unix_socket.ts";
import type { PeerIdentity } from "../net/message.ts";
import { Socket, SOCKET_TYPES, type SocketKind } from "../net/socket.ts";
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX } from "../net/socket_address.ts";
import { contextOf, credentialsOf, tableOf, taskOf, vfsOf } from "../fs/user_io.ts";
import type { Call, SyscallRow } from "../syscall.ts";
import { installPair } from "./pipes.ts";
import { messageRows, within } from "./messages.ts";
import { findSocket, isPathName, readAddress, storeAddress } from "./socket_names.ts";
import { getsockopt, IPPROTO_TCP, IPPROTO_UDP, setsockopt, socketOf } from "./socket_options.ts";

const FAMILIES = [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK];
const NETLINK_ROUTE = 0;
const SOCK_FLAGS = O_CLOEXEC | O_NONBLOCK;

function identityOf(call: Call): PeerIdentity {
  const { euid, egid } = call.process.credentials;
  return { pid: call.process.pid, uid: euid, gid: egid };
}

function makeSocket(call: Call, family: number, kind: SocketKind, flags: number): Socket {
  const { sockets, network } = vfsOf(call);
  const inode = sockets.inode({ mode: S_IFSOCK | 0o777, ...credentialsOf(call) });
  const location = sockets.place(inode, `socket:[${inode.ino}]`);
  const mode = O_RDWR | (flags & O_NONBLOCK);
  const identity = identityOf(call);
  if (family === AF_INET || family === AF_INET6) {
    const Internet = kind === "stream" ? TcpSocket : UdpSocket;
    return new Internet(inode, location, mode, network, family, kind, identity);
  }
  if (family === AF_NETLINK) {
    return new NetlinkSocket(inode, location, mode, network, family, kind, identity);
  }
  return new UnixSocket(inode, location, mode, network, kind, identity);
}

const kindOf = (type: number): SocketKind | undefined =>
  (Object.keys(SOCKET_TYPES) as SocketKind[]).find((kind) => SOCKET_TYPES[kind] === type);

/** Kind of a (family, type, protocol) triple, or -errno. */
function checkTriple(family: number, type: number, protocol: number): SocketKind | number {
  if (type & ~0xf & ~SOCK_FLAGS) return -EINVAL;
  if (!FAMILIES.includes(family)) return -EAFNOSUPPORT;
  const kind = kindOf(type & 0xf);
  if (family === AF_NETLINK) {
    if (kind !== "raw" && kind !== "datagram") return -ESOCKTNOSUPPORT;
    return protocol === NETLINK_ROUTE ? kind : -EPROTONOSUPPORT;
  }
  if (kind === "raw" && family === AF_UNIX) return protocol > 1 ? -EPROTONOSUPPORT : "datagram";
  if (kind === undefined || kind === "raw") return -ESOCKTNOSUPPORT;
  if (family === AF_UNIX) return protocol === 0 || protocol === 1 ? kind : -EPROTONOSUPPORT;
  if (kind === "packet") return -ESOCKTNOSUPPORT;
  const wanted = kind === "stream" ? IPPROTO_TCP : IPPROTO_UDP;
  return protocol === 0 || protocol === wanted ? kind : -EPROTONOSUPPORT;
}

function socket(call: Call, family: number, type: number, protocol: number): number {
  const kind = checkTriple(family, type, protocol);
  if (failed(kind)) return kind;
  const file = makeSocket(call, family, kind, type);
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
  UnixSocket.connectPair(pair[0], pair[1]);
  return installPair(call, pair, to, (type & O_CLOEXEC) !== 0);
}

function bind(call: Call, fd: number, va: number, length: number): number {
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  const address = readAddress(call, va, length);
  if (failed(address)) return address;
  if (!(file instanceof UnixSocket)) return file.bind(address);
  if (address.family !== AF_UNIX || !isPathName(address)) return file.bind(address);
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
  const mayWait = (file.flags & O_NONBLOCK) === 0;
  const result = file.connect(address, {
    waits: mayWait,
    find: (name) => findSocket(call, name),
    makePeer: (listener) => makePeer(call, listener),
  });
  if (result !== -EAGAIN) return result;
  if (!mayWait || call.timedOut) return file instanceof TcpSocket ? -EINPROGRESS : result;
  // A queue of AF_UNIX has room again, or a connection of TCP is there.
  const target = file instanceof UnixSocket ? findSocket(call, address) : file;
  const queues = target instanceof Socket ? [target.drained] : [];
  return call.block(queues, within(file.sendTimeout));
}

/** The listener's side of a new connection. */
function makePeer(call: Call, listener: Socket): Socket {
  const { family, kind, identity, receiveTimeout, sendTimeout } = listener;
  const made = Object.assign(makeSocket(call, family, kind, 0), { identity });
  if (listener instanceof UnixSocket) return made;
  // A connection of TCP begins as a copy of its listener (sk_clone).
  for (const [option, value] of listener.options) made.options.set(option, value);
  return Object.assign(made, { receiveTimeout, sendTimeout });
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
  return storeAddress(call, file.name, va, length);
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
    args: ["fd", "out:sockaddr", "out:socklen"],
    run: (call, fd, address, length) => accept4(call, fd, address, length, 0),
  },
  {
    name: "accept4",
    x86_64: 288,
    aarch64: 242,
    args: ["fd", "out:sockaddr", "out:socklen", "flags:accept"],
    run: accept4,
  },
  {
    name: "connect",
    x86_64: 42,
    aarch64: 203,
    args: ["fd", "struct:sockaddr", "int"],
    run: connect,
  },
  {
    name: "getsockname",
    x86_64: 51,
    aarch64: 204,
    args: ["fd", "out:sockaddr", "out:socklen"],
    run: getsockname,
  },
  {
    name: "getpeername",
    x86_64: 52,
    aarch64: 205,
    args: ["fd", "out:sockaddr", "out:socklen"],
    run: getpeername,
  },
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
