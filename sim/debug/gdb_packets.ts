/**
 * Packets of gdb's remote serial protocol (GDB manual, appendix "Remote Protocol", "Overview"): `$data#checksum`.
 * Data are strings with a character a byte.
 */

/** What comes from gdb: a packet's data, or a sign outside of packets. */
export type Received =
  | { readonly kind: "packet"; readonly data: string }
  /** A packet whose checksum is wrong. */
  | { readonly kind: "garbled" }
  | { readonly kind: "nack" }
  | { readonly kind: "interrupt" };

const ESCAPE = "}";
const INTERRUPT = "\x03";

/** Takes apart what comes in, in pieces of any size. */
export class PacketReader {
  #waiting = "";

  *read(bytes: Uint8Array): Generator<Received> {
    this.#waiting += toText(bytes);
    for (;;) {
      const text = this.#waiting;
      const first = text[0];
      if (first === "$") {
        const end = text.indexOf("#");
        if (end < 0 || text.length < end + 3) return;
        this.#waiting = text.slice(end + 3);
        const data = text.slice(1, end);
        const good = parseInt(text.slice(end + 1, end + 3), 16) === checksum(data);
        yield good ? { kind: "packet", data: unescape(data) } : { kind: "garbled" };
        continue;
      }
      if (first === undefined) return;
      this.#waiting = text.slice(1);
      if (first === INTERRUPT) yield { kind: "interrupt" };
      if (first === "-") yield { kind: "nack" };
    }
  }
}

/** The packet that holds `data`. */
export function packet(data: string): string {
  const escaped = data.replace(
    /[$#}*]/g,
    (c) => ESCAPE + String.fromCharCode(c.charCodeAt(0) ^ 0x20),
  );
  return `$${escaped}#${checksum(escaped).toString(16).padStart(2, "0")}`;
}

function checksum(data: string): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data.charCodeAt(i);
  return sum & 0xff;
}

function unescape(data: string): string {
  return data.replace(/\}([^])/g, (_, c: string) => String.fromCharCode(c.charCodeAt(0) ^ 0x20));
}

/** A string with a character for each byte. */
export function toText(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return text;
}

/** The bytes of such a string, written into `into` if it has room. */
export function toBytes(text: string, into?: Uint8Array): Uint8Array {
  const bytes = into !== undefined && into.length >= text.length
    ? into.subarray(0, text.length)
    : new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Two hexadecimal digits a byte. */
export function toHex(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return hex;
}

export function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length >> 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** UTF-8 as hexadecimal digits, and the reverse. */
export const textToHex = (text: string): string => toHex(new TextEncoder().encode(text));
export const hexToText = (hex: string): string => new TextDecoder().decode(fromHex(hex));
