/**
 * Bytes of a file in memory: sparse chunks of 64 KiB, over an optional lower file whose bytes show
 * through where nothing has been written (so a copy-up costs nothing until bytes change, and a
 * hole of a terabyte nothing at all).
 */

const CHUNK_SHIFT = 16;
const CHUNK = 1 << CHUNK_SHIFT;
const SMALLEST = 256;

/** Where bytes come from that were never written here. */
export interface LowerBytes {
  /** Read at `position`; returns the bytes read or -errno. */
  read(position: number, into: Uint8Array): number;
}

export class FileContent {
  /** Chunk contents by index. A chunk shorter than 64 KiB reads as zero beyond its end. */
  readonly #chunks: Map<number, Uint8Array> = new Map();
  #size: number;
  /** Bytes below this position that no chunk holds are the lower file's. */
  #lowerLimit: number;
  /** Bytes held in chunks. */
  #held = 0;

  constructor(readonly lower: LowerBytes | null = null, size = 0) {
    this.#size = size;
    this.#lowerLimit = lower ? size : 0;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether nothing was ever written: every byte is the lower file's. */
  get pristine(): boolean {
    return this.#held === 0;
  }

  /** Bytes allocated, the lower file's included: what `st_blocks` counts. */
  get allocated(): number {
    return this.#held + this.#lowerLimit;
  }

  /** Read at `position`; returns the bytes read, less than asked for only at the end; or -errno. */
  read(position: number, into: Uint8Array): number {
    const length = Math.min(into.length, this.#size - position);
    if (length <= 0) return 0;
    let done = 0;
    while (done < length) {
      const at = position + done;
      const index = Math.floor(at / CHUNK);
      const inside = at - index * CHUNK;
      const part = into.subarray(done, Math.min(length, done + CHUNK - inside));
      const chunk = this.#chunks.get(index);
      if (chunk === undefined) {
        const error = this.#readLower(at, part);
        if (error < 0) return done > 0 ? done : error;
      } else {
        const have = chunk.subarray(inside, inside + part.length);
        part.set(have);
        if (have.length < part.length) part.fill(0, have.length);
      }
      done += part.length;
    }
    return length;
  }

  /** Write at `position`, growing the file; returns `from.length` or -errno. */
  write(position: number, from: Uint8Array): number {
    let done = 0;
    while (done < from.length) {
      const at = position + done;
      const index = Math.floor(at / CHUNK);
      const inside = at - index * CHUNK;
      const part = from.subarray(done, done + CHUNK - inside);
      const chunk = this.#chunkFor(index, inside + part.length);
      if (typeof chunk === "number") return done > 0 ? done : chunk;
      chunk.set(part, inside);
      done += part.length;
      if (position + done > this.#size) this.#size = position + done;
    }
    return from.length;
  }

  /** Set the size; bytes beyond it are gone, and read as zero if the file grows again. */
  truncate(size: number): void {
    if (size < this.#size) {
      this.#lowerLimit = Math.min(this.#lowerLimit, size);
      const last = Math.floor(size / CHUNK);
      for (const [index, chunk] of this.#chunks) {
        if (index > last) {
          this.#chunks.delete(index);
          this.#held -= chunk.length;
        } else if (index === last) chunk.fill(0, size - index * CHUNK);
      }
    }
    this.#size = size;
  }

  /** Make `[position, position + length)` read as zero without changing the size. */
  zero(position: number, length: number): void {
    const end = Math.min(position + length, this.#size);
    const nothing = new Uint8Array(Math.min(CHUNK, Math.max(0, end - position)));
    for (let at = position; at < end; at += CHUNK) {
      this.write(at, nothing.subarray(0, Math.min(CHUNK, end - at)));
    }
  }

  #readLower(position: number, part: Uint8Array): number {
    let have = 0;
    if (this.lower !== null && position < this.#lowerLimit) {
      const wanted = part.subarray(0, this.#lowerLimit - position);
      have = this.lower.read(position, wanted);
      if (have < 0) return have;
    }
    part.fill(0, have);
    return part.length;
  }

  /** The chunk, at least `length` bytes of it, filled with what the file holds there. */
  #chunkFor(index: number, length: number): Uint8Array | number {
    let chunk = this.#chunks.get(index);
    if (chunk !== undefined && chunk.length >= length) return chunk;
    const start = index * CHUNK;
    if (chunk === undefined) {
      const fromLower = Math.min(CHUNK, Math.max(0, this.#lowerLimit - start));
      chunk = new Uint8Array(roundUp(Math.max(length, fromLower)));
      if (fromLower > 0) {
        const error = this.#readLower(start, chunk.subarray(0, fromLower));
        if (error < 0) return error;
      }
      this.#held += chunk.length;
    } else {
      const larger = new Uint8Array(roundUp(length));
      larger.set(chunk);
      this.#held += larger.length - chunk.length;
      chunk = larger;
    }
    this.#chunks.set(index, chunk);
    return chunk;
  }
}

/** Power of two that holds `length`. */
function roundUp(length: number): number {
  let size = SMALLEST;
  while (size < length) size *= 2;
  return size;
}
