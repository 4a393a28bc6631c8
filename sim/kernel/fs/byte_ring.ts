/** A ring of bytes of a set capacity: what pipes and terminals queue in. */
export class ByteRing {
  #bytes: Uint8Array<ArrayBuffer>;
  #start = 0;
  #length = 0;

  /** @param capacity in bytes */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  get capacity(): number {
    return this.#bytes.length;
  }
  /** Bytes waiting. */
  get length(): number {
    return this.#length;
  }
  get room(): number {
    return this.#bytes.length - this.#length;
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
    this.#start = (this.#start + count) % this.#bytes.length;
    this.#length -= count;
    if (this.#length === 0) this.#start = 0;
    return count;
  }

  /** Append as many bytes as there is room for; returns how many. */
  put(from: Uint8Array): number {
    const count = Math.min(this.room, from.length);
    const end = (this.#start + this.#length) % this.#bytes.length;
    const first = Math.min(count, this.#bytes.length - end);
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
    const bytes = new Uint8Array(capacity);
    const length = this.peek(bytes);
    this.#bytes = bytes;
    this.#start = 0;
    this.#length = length;
  }
}
