/** Bytes that storage begins with. */
const SMALLEST = 256;

/**
 * A ring of bytes of a set capacity: what pipes and terminals queue in. Storage grows with what waits in it,
 * since most rings never hold much.
 */
export class ByteRing {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #capacity: number;
  #start = 0;
  #length = 0;

  /** @param capacity in bytes */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get capacity(): number {
    return this.#capacity;
  }
  /** Bytes waiting. */
  get length(): number {
    return this.#length;
  }
  get room(): number {
    return this.#capacity - this.#length;
  }

  /** Copy waiting bytes without taking them; returns how many. */
  peek(into: Uint8Array): number {
    const count = Math.min(into.length, this.#length);
    const first = Math.min(count, this.#bytes.length - this.#start);
    into.set(this.#bytes.subarray(this.#start, this.#start + first));
    into.set(this.#bytes.subarray(0, count - first), first);
    return count;
  }

  /** Take as many bytes as there are and fit; returns how many. */
  take(into: Uint8Array): number {
    const count = this.peek(into);
    this.#length -= count;
    this.#start = this.#length === 0 ? 0 : (this.#start + count) % this.#bytes.length;
    return count;
  }

  /** Append as many bytes as there is room for; returns how many. */
  put(from: Uint8Array): number {
    const count = Math.min(this.room, from.length);
    this.#hold(this.#length + count);
    const size = this.#bytes.length;
    const end = this.#start + this.#length < size
      ? this.#start + this.#length
      : this.#start + this.#length - size;
    const first = Math.min(count, size - end);
    this.#bytes.set(from.subarray(0, first), end);
    this.#bytes.set(from.subarray(first, count), 0);
    this.#length += count;
    return count;
  }

  clear(): void {
    this.#start = this.#length = 0;
  }

  /** Change the capacity, which must hold what waits. */
  resize(capacity: number): void {
    this.#capacity = capacity;
    if (this.#bytes.length > capacity) this.#move(capacity);
  }

  /** Make storage for so many bytes. */
  #hold(length: number): void {
    if (length <= this.#bytes.length) return;
    let size = Math.max(SMALLEST, this.#bytes.length);
    while (size < length) size *= 2;
    this.#move(Math.min(size, this.#capacity));
  }

  #move(size: number): void {
    const bytes = new Uint8Array(size);
    this.#length = this.peek(bytes);
    this.#bytes = bytes;
    this.#start = 0;
  }
}
