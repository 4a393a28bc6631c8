/** Socket options: what programs set is remembered, what they ask is answered. */
import { Struct } from "../abi/struct.ts";
import { Timeval } from "../abi/structs.ts";
import { EBADF, EDOM, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK, EOPNOTSUPP } from "../errno.ts";
import { failed } from "../fs/inode.ts";
import { Socket, SOCKET_TYPES } from "../net/socket.ts";
import { InternetSocket, V6ONLY } from "../net/internet_socket.ts";
import { NetlinkSocket } from "../net/netlink_socket.ts";
import { AF_INET6 } from "../net/socket_address.ts";
import { fileOf } from "../fs/user_io.ts";
import type { Call } from "../syscall.ts";
import { readStruct } from "../user_struct.ts";

export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const SOL_SOCKET = 1;

/** The socket behind `fd`, or -EBADF, -ENOTSOCK. */
export function socketOf(call: Call, fd: number): Socket | number {
  const file = fileOf(call, fd);
  if (file === null) return -EBADF;
  return file instanceof Socket ? file : -ENOTSOCK;
}

const SO_TYPE = 3;
const SO_ERROR = 4;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_LINGER = 13;
const SO_PASSCRED = 16;
const SO_PEERCRED = 17;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const SO_ACCEPTCONN = 30;
const SO_PROTOCOL = 38;
const SO_DOMAIN = 39;
/** struct linger (socket(7)). */
const Linger = new Struct("linger", { on: "i32", seconds: "i32" });
const LINGERS = `${SOL_SOCKET}:${SO_LINGER}`;
const LINGER_SECONDS = `${LINGERS}:seconds`;
/** Key of the option by which a receiver asks for its senders' credentials. */
export const PASSCRED = `${SOL_SOCKET}:${SO_PASSCRED}`;
const IPPROTO_IP = 0;
const IPPROTO_IPV6 = 41;
/** Those of the socket's own options that only tell. */
const TOLD = [SO_TYPE, SO_ERROR, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN, SO_PEERCRED];
/** Options, `level:name`, of which it is known only whether they are set (asm-generic/socket.h, linux/in6.h). */
const SWITCHES = new Set([1, 2, 5, 6, 9, 10, 15, 16, 29].map((name) => `1:${name}`)).add(V6ONLY);

const SOL_NETLINK = 270;
/** Options of netlink (linux/netlink.h): memberships, what a message says of itself, strictness. */
const NETLINK_OPTIONS = [1, 2, 3, 4, 5, 8, 9, 10, 11, 12];

/** Whether a socket has the option `name` of `level`, as far as levels tell: 0 or -errno. */
function levelOf(file: Socket, level: number, name: number): number {
  if (level === SOL_SOCKET) return 0;
  if (file instanceof NetlinkSocket) {
    return level === SOL_NETLINK && NETLINK_OPTIONS.includes(name) ? 0 : -ENOPROTOOPT;
  }
  if (!(file instanceof InternetSocket)) return -EOPNOTSUPP;
  const has = level === IPPROTO_IP || level === file.protocol ||
    (level === IPPROTO_IPV6 && file.family === AF_INET6);
  return has ? 0 : -ENOPROTOOPT;
}

export function setsockopt(
  call: Call,
  fd: number,
  level: number,
  name: number,
  va: number,
  length: number,
): number {
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  const error = levelOf(file, level, name);
  if (error < 0) return error;
  if (level === SOL_SOCKET && TOLD.includes(name)) return -ENOPROTOOPT;
  if (level === SOL_SOCKET && name === SO_LINGER) return setLinger(call, file, va, length);
  if (level === SOL_SOCKET && (name === SO_RCVTIMEO || name === SO_SNDTIMEO)) {
    return setTimeout(call, file, name, va, length);
  }
  if (length < 4) return -EINVAL;
  const value = call.space.readU32(va);
  if (value < 0) return -EFAULT;
  const key = `${level}:${name}`;
  if (key === V6ONLY && file.local !== null) return -EINVAL;
  // The kernel doubles buffer sizes and reports the double.
  const isBuffer = level === SOL_SOCKET && (name === SO_SNDBUF || name === SO_RCVBUF);
  const kept = SWITCHES.has(key) ? Number(value !== 0) : value;
  file.options.set(key, isBuffer ? Math.max(4608, value * 2) : kept);
  return 0;
}

/** SO_LINGER, a struct linger: remembered, since nothing is under way when a socket closes. */
function setLinger(call: Call, file: Socket, va: number, length: number): number {
  if (length < Linger.size) return -EINVAL;
  const linger = readStruct(call.space, Linger, va);
  if (linger === null) return -EFAULT;
  const { on, seconds } = linger;
  file.options.set(LINGERS, Number(on !== 0));
  if (on !== 0) file.options.set(LINGER_SECONDS, seconds);
  return 0;
}

/** SO_RCVTIMEO and SO_SNDTIMEO, a struct timeval (socket(7)). */
function setTimeout(call: Call, file: Socket, name: number, va: number, length: number): number {
  if (length < Timeval.size) return -EINVAL;
  const time = readStruct(call.space, Timeval, va);
  if (time === null) return -EFAULT;
  if (time.usec < 0 || time.usec >= 1e6) return -EDOM;
  // A time before now does not wait: no more than a nanosecond (sock_set_timeout).
  const nanoseconds = time.sec < 0 ? 1 : time.sec * 1e9 + time.usec * 1e3;
  if (name === SO_RCVTIMEO) file.receiveTimeout = nanoseconds;
  else file.sendTimeout = nanoseconds;
  return 0;
}

function timevalOf(nanoseconds: number): Uint8Array {
  const sec = Math.floor(nanoseconds / 1e9);
  return Timeval.encode({ sec, usec: Math.floor((nanoseconds - sec * 1e9) / 1e3) });
}

export function getsockopt(
  call: Call,
  fd: number,
  level: number,
  name: number,
  va: number,
  length: number,
): number {
  const file = socketOf(call, fd);
  if (failed(file)) return file;
  const room = call.space.readU32(length) | 0;
  if (room < 0) return -EINVAL;
  const error = levelOf(file, level, name);
  if (error < 0) return error;
  const bytes = optionBytes(file, level, name);
  const cut = bytes.subarray(0, room);
  if (call.space.copyOut(va, cut) < 0) return -EFAULT;
  return call.space.writeU32(length, cut.length) < 0 ? -EFAULT : 0;
}

function optionBytes(file: Socket, level: number, name: number): Uint8Array {
  const number = (value: number) => new Uint8Array(Int32Array.of(value).buffer);
  const set = file.options.get(`${level}:${name}`);
  if (level !== SOL_SOCKET) return number(set ?? 0);
  switch (name) {
    case SO_TYPE:
      return number(SOCKET_TYPES[file.kind]);
    case SO_ERROR:
      return number(-file.takeError());
    case SO_DOMAIN:
      return number(file.family);
    case SO_PROTOCOL:
      return number(file.protocol);
    case SO_ACCEPTCONN:
      return number(Number(file.listening));
    case SO_SNDBUF:
    case SO_RCVBUF:
      return number(set ?? 212992);
    case SO_PEERCRED: {
      const { pid, uid, gid } = file.peerIdentity ?? { pid: 0, uid: -1, gid: -1 };
      return new Uint8Array(Int32Array.of(pid, uid, gid).buffer);
    }
    case SO_LINGER: {
      const on = file.options.get(LINGERS) ?? 0;
      return Linger.encode({ on, seconds: file.options.get(LINGER_SECONDS) ?? 0 });
    }
    case SO_RCVTIMEO:
      return timevalOf(file.receiveTimeout);
    case SO_SNDTIMEO:
      return timevalOf(file.sendTimeout);
    default:
      return number(set ?? 0);
  }
}
