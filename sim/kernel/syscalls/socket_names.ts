/** Names of sockets in guest memory, and whose they are. */
import { EACCES, ECONNREFUSED, EFAULT, EINVAL } from "../errno.ts";
import { S_IFSOCK, W_OK } from "../fs/constants.ts";
import { inodeAt } from "../fs/dentry.ts";
import { failed } from "../fs/inode.ts";
import { MemorySpecial } from "../fs/memory_fs.ts";
import { mayAccess } from "../fs/open.ts";
import { Socket } from "../net/socket.ts";
import {
  AF_UNIX,
  decodeAddress,
  encodeAddress,
  type SocketAddress,
  type UnixAddress,
} from "../net/socket_address.ts";
import { contextOf, taskOf, vfsOf } from "../fs/user_io.ts";
import type { Call } from "../syscall.ts";

/** The address that the program names, or -errno. */
export function readAddress(call: Call, va: number, length: number): SocketAddress | number {
  if (length < 0 || length > 128) return -EINVAL;
  const bytes = new Uint8Array(length);
  return call.space.copyIn(va, bytes) < 0 ? -EFAULT : decodeAddress(bytes);
}

/** Store an address and its whole length, cut to the room `*length` says: 0 or -errno. */
export function storeAddress(
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

/** Whether it is a name in the file system. */
export function isPathName(address: UnixAddress): boolean {
  return !address.abstract && address.name !== "";
}

/** The socket at `address`: undefined when nobody has it; -errno for a path that cannot be used. */
export function findSocket(
  call: Call,
  address: SocketAddress,
): Socket | undefined | number {
  if (address.family !== AF_UNIX) return undefined;
  if (!isPathName(address)) return vfsOf(call).network.names.get(address.name);
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
