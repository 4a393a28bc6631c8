import type { LinkTarget } from "./target.ts";

const TWO_32 = 0x1_0000_0000;

interface CachedPage {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  dirty: boolean;
}

/**
 * The linker's view of guest memory: little-endian accesses through a cache of whole pages, written
 * back on `flush`. A page is copied out and in once however many relocations it holds, and the set
 * of pages written is exact.
 */
export class LinkMemory {
  readonly #target: LinkTarget;
  readonly #pageSize: number;
  readonly #pages = new Map<number, CachedPage>();
  readonly #dirtied = new Set<number>();
  #lastIndex = -1;
  #last: CachedPage | undefined;

  constructor(target: LinkTarget) {
    this.#target = target;
    this.#pageSize = target.pageSize;
  }

  /** Distinct pages written since the link began. */
  get pagesDirtied(): number {
    return this.#dirtied.size;
  }

  read(at: number, size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    for (let done = 0; done < size;) {
      const page = this.#page(at + done);
      const from = (at + done) % this.#pageSize;
      const part = page.bytes.subarray(from, Math.min(this.#pageSize, from + size - done));
      bytes.set(part, done);
      done += part.length;
    }
    return bytes;
  }

  write(at: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const from = (at + done) % this.#pageSize;
      const index = Math.floor((at + done) / this.#pageSize);
      if (from === 0 && bytes.length - done >= this.#pageSize && !this.#pages.has(index)) {
        // A whole page that is not cached need not be read first.
        this.#target.write(at + done, bytes.subarray(done, done + this.#pageSize));
        this.#dirtied.add(index);
        done += this.#pageSize;
        continue;
      }
      const page = this.#writable(at + done);
      const length = Math.min(this.#pageSize - from, bytes.length - done);
      page.bytes.set(bytes.subarray(done, done + length), from);
      done += length;
    }
  }

  readU8(at: number): number {
    return this.#page(at).bytes[at % this.#pageSize];
  }

  readU32(at: number): number {
    const from = at % this.#pageSize;
    if (from + 4 <= this.#pageSize) return this.#page(at).view.getUint32(from, true);
    return viewOf(this.read(at, 4)).getUint32(0, true);
  }

  /** A signed 64-bit word as its two halves, `high` signed and `low` unsigned. */
  readHalves(at: number): { readonly high: number; readonly low: number } {
    const from = at % this.#pageSize;
    const inPage = from + 8 <= this.#pageSize;
    const view = inPage ? this.#page(at).view : viewOf(this.read(at, 8));
    const offset = inPage ? from : 0;
    return { high: view.getInt32(offset + 4, true), low: view.getUint32(offset, true) };
  }

  /** A signed 64-bit word; rounded if it is beyond ±2^53, so use it for addresses and offsets. */
  readI64(at: number): number {
    const { high, low } = this.readHalves(at);
    return high * TWO_32 + low;
  }

  /** Writes the low `width` bytes (1, 2, 4 or 8) of a two's complement integer within ±2^53. */
  writeInteger(at: number, width: number, value: number): void {
    const from = at % this.#pageSize;
    if (from + width > this.#pageSize) {
      const bytes = new Uint8Array(width);
      store(viewOf(bytes), 0, width, value);
      this.write(at, bytes);
      return;
    }
    store(this.#writable(at).view, from, width, value);
  }

  /** Writes a 64-bit word: an address, or a negative offset in two's complement. */
  writeU64(at: number, value: number): void {
    this.writeInteger(at, 8, value);
  }

  writeU32(at: number, value: number): void {
    this.writeInteger(at, 4, value);
  }

  /** Hands every modified page to the target. */
  flush(): void {
    for (const [index, page] of this.#pages) {
      if (!page.dirty) continue;
      this.#target.write(index * this.#pageSize, page.bytes);
      page.dirty = false;
    }
  }

  /** Flushes and forgets every page, before anything else may change guest memory. */
  drop(): void {
    this.flush();
    this.#pages.clear();
    this.#lastIndex = -1;
    this.#last = undefined;
  }

  #page(at: number): CachedPage {
    const index = Math.floor(at / this.#pageSize);
    if (index === this.#lastIndex) return this.#last!;
    let page = this.#pages.get(index);
    if (page === undefined) {
      const bytes = this.#target.read(index * this.#pageSize, this.#pageSize);
      page = { bytes, view: viewOf(bytes), dirty: false };
      this.#pages.set(index, page);
    }
    this.#lastIndex = index;
    this.#last = page;
    return page;
  }

  #writable(at: number): CachedPage {
    const page = this.#page(at);
    if (!page.dirty) {
      page.dirty = true;
      this.#dirtied.add(this.#lastIndex);
    }
    return page;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function store(view: DataView, offset: number, width: number, value: number): void {
  if (width === 8) {
    const high = Math.floor(value / TWO_32);
    view.setUint32(offset, value - high * TWO_32, true);
    view.setInt32(offset + 4, high, true);
  } else if (width === 4) {
    view.setUint32(offset, value, true);
  } else if (width === 2) {
    view.setUint16(offset, value, true);
  } else {
    view.setUint8(offset, value);
  }
}
