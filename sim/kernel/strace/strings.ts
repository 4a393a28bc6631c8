/** Strings as strace quotes them. */

/** Bytes of a buffer that are shown unless told otherwise (`strace -s`). */
export const SHOWN = 32;

const ESCAPES: { readonly [byte: number]: string } = {
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  34: '\\"',
  92: "\\\\",
};

const isOctal = (byte: number | undefined): boolean =>
  byte !== undefined && byte >= 0x30 && byte <= 0x37;

/** `"text\n"`: printable ASCII as it is, the rest escaped, octal as short as it can be. */
export function quote(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (ESCAPES[byte]) text += ESCAPES[byte];
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else {
      const octal = byte.toString(8);
      text += "\\" + (isOctal(bytes[i + 1]) ? octal.padStart(3, "0") : octal);
    }
  }
  return `"${text}"`;
}

/** A buffer, abridged to `SHOWN` bytes. */
export function quoteShort(bytes: Uint8Array, length: number = bytes.length): string {
  return length > SHOWN
    ? `${quote(bytes.subarray(0, SHOWN))}...`
    : quote(bytes.subarray(0, length));
}

/** `0644`, `022`, `000` */
export function octal(mode: number): string {
  const digits = mode.toString(8);
  return digits.length > 2 ? `0${digits}` : digits.padStart(3, "0");
}

/** A guest address. */
export function pointer(value: number): string {
  return value === 0 ? "NULL" : `0x${value.toString(16)}`;
}
