/** Socket addresses: sockaddr_un and sockaddr_in (unix(7), ip(7)). */
import { EAFNOSUPPORT, EINVAL } from "../errno.ts";
import { decodeName, encodeName } from "./file_name.ts";

export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;

export type SocketAddress =
  | { readonly family: typeof AF_UNSPEC }
  /** A name in the file system, a name of its own (abstract: begins with NUL), or none. */
  | { readonly family: typeof AF_UNIX; readonly name: string; readonly abstract: boolean }
  | { readonly family: typeof AF_INET; readonly host: number; readonly port: number };

export const INADDR_LOOPBACK = 0x7f000001;
export const INADDR_ANY = 0;
export const UNNAMED: SocketAddress = { family: AF_UNIX, name: "", abstract: false };

/** The address `bytes` spell, or -EINVAL, -EAFNOSUPPORT. */
export function decodeAddress(bytes: Uint8Array): SocketAddress | number {
  if (bytes.length < 2) return -EINVAL;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (view.getUint16(0, true)) {
    case AF_UNSPEC:
      return { family: AF_UNSPEC };
    case AF_UNIX: {
      if (bytes.length > 110) return -EINVAL;
      const path = bytes.subarray(2);
      if (path.length === 0) return UNNAMED;
      const abstract = path[0] === 0;
      const end = abstract ? path.length : path.indexOf(0);
      return {
        family: AF_UNIX,
        name: decodeName(end < 0 ? path : path.subarray(0, end)),
        abstract,
      };
    }
    case AF_INET:
      if (bytes.length < 16) return -EINVAL;
      return { family: AF_INET, port: view.getUint16(2), host: view.getUint32(4) };
    default:
      return -EAFNOSUPPORT;
  }
}

/** sockaddr bytes of an address. */
export function encodeAddress(address: SocketAddress): Uint8Array {
  switch (address.family) {
    case AF_INET: {
      const bytes = new Uint8Array(16);
      const view = new DataView(bytes.buffer);
      view.setUint16(0, AF_INET, true);
      view.setUint16(2, address.port);
      view.setUint32(4, address.host);
      return bytes;
    }
    case AF_UNIX: {
      const name = encodeName(address.name);
      const ended = name.length > 0 && !address.abstract;
      const bytes = new Uint8Array(2 + name.length + Number(ended));
      bytes[0] = AF_UNIX;
      bytes.set(name, 2);
      return bytes;
    }
    case AF_UNSPEC:
      return new Uint8Array(2);
  }
}

/** Whether packets to `host` stay in the machine. */
export function isLocal(host: number): boolean {
  return host === INADDR_ANY || host >>> 24 === 127;
}
