/** Messages of netlink: headers and attributes (netlink(7), include/uapi/linux/netlink.h). */
import { Struct } from "../abi/struct.ts";

/** struct nlmsghdr */
export const Nlmsghdr = new Struct("nlmsghdr", {
  length: "u32",
  type: "u16",
  flags: "u16",
  sequence: "u32",
  port: "u32",
});

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
/** Types below are netlink's own. */
export const NLMSG_MIN_TYPE = 16;

export const NLM_F_REQUEST = 1;
export const NLM_F_MULTI = 2;
export const NLM_F_ACK = 4;
/** NLM_F_ROOT | NLM_F_MATCH */
export const NLM_F_DUMP = 0x300;
/** An error that repeats the request's header alone. */
const NLM_F_CAPPED = 0x100;

const align = (length: number): number => (length + 3) & ~3;

/** A request as it came. */
export interface NetlinkRequest {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** The whole message. */
  readonly bytes: Uint8Array;
  /** What follows the header. */
  readonly body: Uint8Array;
}

/** The messages that `bytes` hold, up to the first that is not whole. */
export function* requestsIn(bytes: Uint8Array): Generator<NetlinkRequest> {
  for (let at = 0; at + Nlmsghdr.size <= bytes.length;) {
    const { length, type, flags, sequence } = Nlmsghdr.decode(bytes, at);
    if (length < Nlmsghdr.size || at + length > bytes.length) return;
    const message = bytes.slice(at, at + length);
    yield { type, flags, sequence, bytes: message, body: message.subarray(Nlmsghdr.size) };
    at += align(length);
  }
}

/** Bytes one after the other, each begun at a multiple of four. */
function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((total, part) => total + align(part.length), 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += align(part.length);
  }
  return bytes;
}

/** A message to `port` in answer to `request`. */
export function answer(
  request: NetlinkRequest,
  port: number,
  type: number,
  flags: number,
  parts: readonly Uint8Array[],
): Uint8Array {
  const body = concatenate(parts);
  const { sequence } = request;
  const length = Nlmsghdr.size + body.length;
  return concatenate([Nlmsghdr.encode({ length, type, flags, sequence, port }), body]);
}

/** NLMSG_ERROR of an errno, 0 for an acknowledgement: struct nlmsgerr and what it is about. */
export function errorAnswer(request: NetlinkRequest, port: number, errno: number): Uint8Array {
  const error = new Uint8Array(Int32Array.of(-errno).buffer);
  const about = errno === 0 ? request.bytes.subarray(0, Nlmsghdr.size) : request.bytes;
  return answer(request, port, NLMSG_ERROR, errno === 0 ? NLM_F_CAPPED : 0, [error, about]);
}

/** An attribute (struct nlattr). */
export function attribute(type: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, bytes.length, true);
  view.setUint16(2, type, true);
  bytes.set(payload, 4);
  return bytes;
}

export const u8 = (value: number): Uint8Array => Uint8Array.of(value);
export const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
export const text = (value: string): Uint8Array => new TextEncoder().encode(value + "\0");

/** Payload of the attribute `type` among those that begin at `start` of `body`. */
export function attributeOf(body: Uint8Array, start: number, type: number): Uint8Array | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  for (let at = start; at + 4 <= body.length;) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > body.length) return undefined;
    // The two upper bits say how the payload is made.
    if ((view.getUint16(at + 2, true) & 0x3fff) === type) return body.subarray(at + 4, at + length);
    at += align(length);
  }
  return undefined;
}
