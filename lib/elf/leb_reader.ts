import type { ByteView } from "./byte_view.ts";

/** Reads LEB128 numbers of at most 64 bits, signed ones also as their low and high 32-bit words. */
export class LebReader {
  low = 0;
  high = 0;

  constructor(
    private readonly file: ByteView,
    public at: number,
    protected readonly end: number,
  ) {}

  /** Reads one into `low` and `high`. */
  words(field: string): void {
    const start = this.at;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= this.end) this.file.fail(start, field, "the packed table ends inside it");
      const byte = this.file.bytes[this.at++];
      const bits = byte & 0x7f;
      if (shift < 32) low |= bits << shift;
      if (shift > 25 && shift < 64) {
        high |= shift < 32 ? bits >>> (32 - shift) : bits << (shift - 32);
      }
      if ((byte & 0x80) !== 0) continue;
      const filled = shift + 7;
      if ((byte & 0x40) !== 0) {
        if (filled < 32) low |= -1 << filled;
        if (filled < 64) high |= filled <= 32 ? -1 : -1 << (filled - 32);
      }
      this.low = low >>> 0;
      this.high = high >>> 0;
      return;
    }
    this.file.fail(start, field, "the number is longer than 64 bits");
  }

  /** Reads one as a number; beyond ±2^53 it is refused. */
  number(field: string): number {
    const start = this.at;
    this.words(field);
    const high = this.high | 0;
    if (high >= 0x20_0000 || high < -0x20_0000) {
      this.file.fail(start, field, "the number is beyond 2^53");
    }
    return high * 0x1_0000_0000 + this.low;
  }

  /** Reads one byte. */
  byte(field: string): number {
    if (this.at >= this.end) this.file.fail(this.at, field, "the packed table ends before it");
    return this.file.bytes[this.at++];
  }

  /** Reads an unsigned number; above 2^53 it is refused. */
  unsigned(field: string): number {
    const start = this.at;
    let value = 0;
    for (let scale = 1;; scale *= 128) {
      const byte = this.byte(field);
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value) || scale > 2 ** 63) {
        this.file.fail(start, field, "the number is beyond 2^53");
      }
      if (byte < 0x80) return value;
    }
  }
}
