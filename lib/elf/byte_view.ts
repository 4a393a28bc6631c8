import { ElfError } from "./elf_error.ts";

const TWO_32 = 0x1_0000_0000;
/** High words at or above this make an unsigned 64-bit value unsafe as a number (2^53). */
const UNSAFE_HIGH = 0x20_0000;

/**
 * Bounds-checked little-endian access to a file's bytes. Every failure is an `ElfError` that names
 * the file, the offset and the field. Bulk decoders check a range once and then read `view`.
 */
export class ByteView {
  readonly view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    readonly name: string,
    /** Makes a range of `bytes` right before it is read, where they are made as they are needed. */
    private readonly fill?: (offset: number, length: number) => void,
  ) {
    // A file's header is looked at byte by byte.
    fill?.(0, Math.min(64, bytes.length));
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  fail(offset: number, field: string, problem: string): never {
    throw new ElfError(this.name, offset, field, problem);
  }

  /** Throws unless the bytes `[offset, offset + length)` lie in the file; they may be read then. */
  check(offset: number, length: number, field: string): void {
    this.checkBounds(offset, length, field);
    if (this.fill !== undefined) this.fill(offset, length);
  }

  /** The same for bytes that are not read. */
  checkBounds(offset: number, length: number, field: string): void {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.bytes.length)) {
      this.fail(
        offset,
        field,
        `${length} bytes do not fit in the file's ${this.bytes.length}`,
      );
    }
  }

  /** Has a range made that is known to lie in the file and is read through `bytes` or `view`. */
  touch(offset: number, length: number): void {
    if (this.fill !== undefined) this.fill(offset, length);
  }

  u8(offset: number, field: string): number {
    this.check(offset, 1, field);
    return this.bytes[offset];
  }

  u16(offset: number, field: string): number {
    this.check(offset, 2, field);
    return this.view.getUint16(offset, true);
  }

  u32(offset: number, field: string): number {
    this.check(offset, 4, field);
    return this.view.getUint32(offset, true);
  }

  i32(offset: number, field: string): number {
    this.check(offset, 4, field);
    return this.view.getInt32(offset, true);
  }

  /** An unsigned 64-bit value; above 2^53 - 1 it is refused. */
  u64(offset: number, field: string): number {
    this.check(offset, 8, field);
    const high = this.view.getUint32(offset + 4, true);
    if (high >= UNSAFE_HIGH) this.tooLarge(offset, field);
    return high * TWO_32 + this.view.getUint32(offset, true);
  }

  /** A signed 64-bit value; beyond ±(2^53 - 1) it is refused. */
  i64(offset: number, field: string): number {
    this.check(offset, 8, field);
    const high = this.view.getInt32(offset + 4, true);
    if (high >= UNSAFE_HIGH || high < -UNSAFE_HIGH) this.tooLarge(offset, field);
    return high * TWO_32 + this.view.getUint32(offset, true);
  }

  tooLarge(offset: number, field: string): never {
    const high = this.view.getUint32(offset + 4, true).toString(16);
    const low = this.view.getUint32(offset, true).toString(16).padStart(8, "0");
    return this.fail(offset, field, `0x${high}${low} is beyond 2^53`);
  }

  /** A view of `[offset, offset + length)`; no copy. */
  slice(offset: number, length: number, field: string): Uint8Array {
    this.check(offset, length, field);
    return this.bytes.subarray(offset, offset + length);
  }
}
