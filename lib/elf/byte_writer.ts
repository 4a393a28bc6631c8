const encoder = new TextEncoder();

/** Appends little-endian values to a growing buffer. */
export class ByteWriter {
  private bytes = new Uint8Array(256);
  private view = new DataView(this.bytes.buffer);
  /** Bytes written. */
  length = 0;

  private reserve(count: number): number {
    const at = this.length;
    this.length = at + count;
    if (this.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, 2 * this.bytes.length));
      grown.set(this.bytes);
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    return at;
  }

  u8(value: number): this {
    const at = this.reserve(1);
    this.bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.reserve(2);
    this.view.setUint16(at, value, true);
    return this;
  }

  u32(value: number): this {
    const at = this.reserve(4);
    this.view.setUint32(at, value, true);
    return this;
  }

  /** A signed or unsigned 64-bit value given as a safe integer. */
  u64(value: number): this {
    const at = this.reserve(8);
    writeU64(this.view, at, value);
    return this;
  }

  /** An unsigned LEB128 number. */
  uleb(value: number): this {
    for (; value >= 128; value = Math.floor(value / 128)) this.u8(value % 128 | 0x80);
    return this.u8(value);
  }

  /** A signed LEB128 number of 64 bits, from its low and high words. */
  sleb64(low: number, high: number): this {
    let value = BigInt.asIntN(64, BigInt(high) << 32n | BigInt(low));
    for (;;) {
      const bits = Number(value & 0x7fn);
      value >>= 7n;
      const done = (value === 0n && bits < 64) || (value === -1n && bits >= 64);
      this.u8(done ? bits : bits | 0x80);
      if (done) return this;
    }
  }

  /** A signed LEB128 number. */
  sleb(value: number): this {
    for (;;) {
      const rest = Math.floor(value / 128);
      const bits = value - rest * 128;
      const done = (rest === 0 && bits < 64) || (rest === -1 && bits >= 64);
      this.u8(done ? bits : bits | 0x80);
      if (done) return this;
      value = rest;
    }
  }

  raw(bytes: Uint8Array): this {
    const at = this.reserve(bytes.length);
    this.bytes.set(bytes, at);
    return this;
  }

  /** Text and its NUL. */
  string(text: string): this {
    return this.raw(encoder.encode(text)).u8(0);
  }

  /** Zeros up to a multiple of `alignment`. */
  align(alignment: number): this {
    this.reserve((alignment - (this.length % alignment)) % alignment);
    return this;
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
}

/** Stores a signed or unsigned 64-bit value given as a safe integer. */
export function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000) >>> 0, true);
}
