/**
 * File names as strings. A Linux name is any bytes but `/` and NUL; inside the kernel it is a
 * JavaScript string: its UTF-8 reading, where a byte that is not UTF-8 becomes the lone surrogate
 * U+DC80..U+DCFF (byte + 0xDC00), which no valid UTF-8 decodes to. Both ways are exact.
 */

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const LOOSE = new TextDecoder("utf-8", { ignoreBOM: true });
const ENCODER = new TextEncoder();

/** The name that `bytes` spell. */
export function decodeName(bytes: Uint8Array): string {
  const loose = LOOSE.decode(bytes);
  return loose.includes("\ufffd") ? decodeCarefully(bytes) : loose;
}

/** Bytes of a name. */
export function encodeName(name: string): Uint8Array {
  if (!hasEscapes(name)) return ENCODER.encode(name);
  const parts: number[] = [];
  for (const character of name) {
    const code = character.codePointAt(0)!;
    if (code >= 0xdc80 && code <= 0xdcff) parts.push(code - 0xdc00);
    else parts.push(...ENCODER.encode(character));
  }
  return Uint8Array.from(parts);
}

/** Length of a name in bytes. */
export function nameLength(name: string): number {
  let length = name.length;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) length += 1;
    else if (unit >= 0xdc80 && unit <= 0xdcff && !isHigh(name.charCodeAt(i - 1))) continue;
    // A surrogate pair is four bytes for two units; everything else three for one.
    else length += unit >= 0xd800 && unit <= 0xdfff ? 1 : 2;
  }
  return length;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function hasEscapes(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (unit >= 0xdc80 && unit <= 0xdcff && !isHigh(name.charCodeAt(i - 1))) return true;
  }
  return false;
}

/** Take the longest valid UTF-8 sequence at each place, and single bytes where there is none. */
function decodeCarefully(bytes: Uint8Array): string {
  let result = "";
  for (let i = 0; i < bytes.length;) {
    const lead = bytes[i];
    const size = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const sequence = size === 0 ? null : strict(bytes.subarray(i, i + size));
    if (sequence === null) {
      result += String.fromCharCode(0xdc00 + lead);
      i++;
    } else {
      result += sequence;
      i += size;
    }
  }
  return result;
}

function strict(bytes: Uint8Array): string | null {
  try {
    return STRICT.decode(bytes);
  } catch {
    return null; // not UTF-8: the caller escapes the byte
  }
}
