/** Control data of messages: open files and credentials (cmsg(3), unix(7)). */
import { getUnsigned64, setNumber64 } from "../abi/struct.ts";
import { EBADF, EINVAL } from "../errno.ts";
import type { OpenFile } from "../fs/open_file.ts";
import type { Received } from "../net/message.ts";
import type { Socket } from "../net/socket.ts";
import { tableOf } from "../fs/user_io.ts";
import type { Call } from "../syscall.ts";
import { PASSCRED, SOL_SOCKET } from "./socket_options.ts";

const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;
const CMSG_HEADER = 16;
/** Longest control data (net.core.optmem_max). */
export const MAX_CONTROL = 20480;

/** Files named by SCM_RIGHTS in control data, or -EBADF, -EINVAL. */
export function filesOf(call: Call, control: Uint8Array): OpenFile[] | number {
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

/** Control data for what was received, at most `room` bytes; and whether some did not fit. */
export function controlData(
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
