import { type LinkContext, pageUp, PROT_READ, PROT_WRITE } from "../../lib/linker/mod.ts";

/** Bytes of a chunk that small blocks are cut from. */
const CHUNK = 0x10000;
/** Alignment of every block, and the least size. */
const GRAIN = 16;

/** Memory of the process for the linker's own records: what is freed is given out again. */
export class GuestHeap {
  readonly #free = new Map<number, number[]>();
  readonly #sizes = new Map<number, number>();
  #next = 0;
  #end = 0;

  /** A zeroed block of at least `size` bytes, aligned to `align` (a power of two). */
  allocate(link: LinkContext, size: number, align = GRAIN): number {
    const rounded = Math.max(GRAIN, 2 ** Math.ceil(Math.log2(Math.max(size, 1))), align);
    const at = this.#free.get(rounded)?.pop() ?? this.#cut(link, rounded);
    this.#sizes.set(at, rounded);
    return at;
  }

  /** Gives a block back; its content is cleared. */
  release(link: LinkContext, at: number): void {
    const size = this.#sizes.get(at);
    if (size === undefined) return;
    this.#sizes.delete(at);
    link.patch(at, new Uint8Array(size), "linker heap");
    const list = this.#free.get(size);
    if (list === undefined) this.#free.set(size, [at]);
    else list.push(at);
  }

  /** A block that holds `bytes`. */
  store(link: LinkContext, bytes: Uint8Array): number {
    const at = this.allocate(link, bytes.length);
    link.patch(at, bytes, "linker heap");
    return at;
  }

  /** A block that holds a NUL-terminated string. */
  string(link: LinkContext, text: string): number {
    return this.store(link, new TextEncoder().encode(text + "\0"));
  }

  /** A block that holds 64-bit words. */
  words(link: LinkContext, values: readonly number[]): number {
    return this.store(link, wordBytes(values));
  }

  copy(): GuestHeap {
    const copy = new GuestHeap();
    for (const [size, list] of this.#free) copy.#free.set(size, [...list]);
    for (const [at, size] of this.#sizes) copy.#sizes.set(at, size);
    copy.#next = this.#next;
    copy.#end = this.#end;
    return copy;
  }

  /** Blocks have powers of two as sizes, so each is aligned to its own. */
  #cut(link: LinkContext, size: number): number {
    if (size >= CHUNK) {
      const room = link.allocate(size + size, PROT_READ | PROT_WRITE, "linker heap");
      return pageUp(room, size);
    }
    const aligned = pageUp(this.#next, size);
    if (this.#end === 0 || aligned + size > this.#end) {
      const start = link.allocate(2 * CHUNK, PROT_READ | PROT_WRITE, "linker heap");
      this.#end = start + 2 * CHUNK;
      this.#next = pageUp(start, size) + size;
      return this.#next - size;
    }
    this.#next = aligned + size;
    return aligned;
  }
}

/** Words as little-endian bytes; negative values are two's complement. */
export function wordBytes(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    const high = Math.floor(value / 2 ** 32);
    view.setUint32(8 * index, value - high * 2 ** 32, true);
    view.setInt32(8 * index + 4, high, true);
  });
  return bytes;
}
