/**
 * The page cache: one frame per page of a file, shared by every process that maps the file and by
 * read() and write(). A page of a file that cannot be written back stays once it is dirty, so the
 * cache is the store of in-memory files.
 */
import { ENOMEM } from "./abi.ts";
import { FrameKind } from "./frames.ts";
import type { Granule } from "./granule.ts";
import type { Memory } from "./memory.ts";
import type { Vma } from "./vma.ts";

/** A file as the page cache sees it; the file system implements it. */
export interface MappedFile {
  /** Unique to the inode for the life of the machine. */
  readonly id: number | string;
  /** Bytes in the file now. */
  readonly size: number;
  /** Put the file's bytes of page `index` into `into`, a page of zeros, whose length is the page size. */
  readPage(index: number, into: Uint8Array): void;
  /** Store a dirty page (whole, even past the end); absent if the cache itself is the store. */
  writePage?(index: number, from: Uint8Array): void;
  /** A file in memory only (tmpfs, memfd, shared anonymous): pages absent from the cache are zero. */
  readonly inMemory?: boolean;
  /** The last area that mapped the file went: an unlinked file may now be dropped. */
  unmapped?(): void;
  /** For `/proc/self/maps`. */
  readonly path?: string;
  readonly deviceMajor?: number;
  readonly deviceMinor?: number;
  readonly inode?: number;
}

/** Frames of as many consecutive pages as a huge page has. */
class Chunk {
  /** Frame of each page, 0 when absent. */
  readonly frames: Int32Array;
  readonly dirty: Uint8Array;
  /** Pages present. */
  count = 0;
  /** Whether the frames are one block, so that a huge leaf may map them. */
  huge = false;
  constructor(pages: number) {
    this.frames = new Int32Array(pages);
    this.dirty = new Uint8Array(pages);
  }
}

/** The cached pages of one file, and who maps it. */
export class CachedFile {
  /** Every area that maps the file. */
  readonly mappings = new Set<Vma>();
  private readonly chunks = new Map<number, Chunk>();
  private lastIndex = -1;
  private last: Chunk | undefined;
  private readonly granule: Granule;
  /** Pages of a chunk. */
  private readonly chunkPages: number;

  constructor(private readonly memory: Memory, readonly file: MappedFile) {
    this.granule = memory.granule;
    this.chunkPages = memory.granule.hugeFrames;
  }

  /** Frame of page `index`, 0 when it is not cached. */
  frame(index: number): number {
    const chunk = this.chunk(index);
    return chunk === undefined ? 0 : chunk.frames[index % this.chunkPages];
  }

  /** First frame of the huge page's block that holds page `index`, 0 if its chunk is not huge. */
  hugeFrame(index: number): number {
    const chunk = this.chunk(index);
    return chunk === undefined || !chunk.huge ? 0 : chunk.frames[0];
  }

  /** Bytes of a page. */
  get pageSize(): number {
    return this.granule.size;
  }

  /** Pages of the file, the last one counted whole. */
  get pages(): number {
    return Math.ceil(this.file.size / this.granule.size);
  }

  /** Pages that are cached. */
  get present(): number {
    let count = 0;
    for (const chunk of this.chunks.values()) count += chunk.count;
    return count;
  }

  /** Frame of page `index`, read in if absent; 0 when memory is exhausted. */
  load(index: number): number {
    const cached = this.frame(index);
    if (cached !== 0) return cached;
    const frame = this.memory.allocateZeroed(0, FrameKind.File);
    if (frame === 0) return 0;
    if (!this.file.inMemory) {
      this.file.readPage(index, this.bytesOf(frame));
    }
    const chunk = this.makeChunk(index);
    chunk.frames[index % this.chunkPages] = frame;
    chunk.count++;
    if (this.file.inMemory) chunk.dirty[index % this.chunkPages] = 1;
    return frame;
  }

  /** Note that a cached page is about to be written. */
  markDirty(index: number): void {
    const chunk = this.chunk(index);
    if (chunk !== undefined) chunk.dirty[index % this.chunkPages] = 1;
  }

  /** Bytes from `offset` into `into`, up to the end of the file; the count, or -ENOMEM. */
  read(offset: number, into: Uint8Array): number {
    const { size } = this.granule;
    const end = Math.min(this.file.size, offset + into.length);
    let at = offset;
    while (at < end) {
      const inPage = at % size;
      const length = Math.min(size - inPage, end - at);
      const index = (at - inPage) / size;
      // A hole of an in-memory file reads as zero and costs nothing.
      const frame = this.file.inMemory ? this.frame(index) : this.load(index);
      if (frame !== 0) {
        const from = frame * size + inPage;
        into.set(this.memory.physical.u8.subarray(from, from + length), at - offset);
      } else if (this.file.inMemory) {
        into.fill(0, at - offset, at - offset + length);
      } else return -ENOMEM;
      at += length;
    }
    return Math.max(0, end - offset);
  }

  /**
   * Bytes at `offset`; the count, or -ENOMEM. The file system makes the file large enough first.
   */
  write(offset: number, bytes: Uint8Array): number {
    const { size } = this.granule;
    let done = 0;
    while (done < bytes.length) {
      const at = offset + done;
      const inPage = at % size;
      const length = Math.min(size - inPage, bytes.length - done);
      const frame = this.load((at - inPage) / size);
      if (frame === 0) return done > 0 ? done : -ENOMEM;
      const to = frame * size + inPage;
      this.memory.physical.u8.set(bytes.subarray(done, done + length), to);
      this.markDirty((at - inPage) / size);
      this.memory.observer.frameWritten(to, length);
      done += length;
    }
    return done;
  }

  /** Write dirty pages of `[from, to)` back, if the file can be written. */
  sync(from = 0, to = Infinity): void {
    if (this.file.writePage === undefined) return;
    for (const [number, chunk] of this.chunks) {
      for (let i = 0; i < this.chunkPages; i++) {
        const index = number * this.chunkPages + i;
        if (chunk.dirty[i] === 0 || index < from || index >= to) continue;
        // Later writes must fault, to mark the page dirty again.
        for (const vma of this.mappings) vma.space.writeProtectFilePage(vma, index);
        this.file.writePage(
          index,
          this.bytesOf(chunk.frames[i]),
        );
        chunk.dirty[i] = 0;
      }
    }
  }

  /** The file shrank or grew to `size` bytes: drop what lies beyond, everywhere it is mapped. */
  truncate(size: number): void {
    const page = this.granule.size;
    const keep = Math.ceil(size / page);
    for (const vma of this.mappings) vma.space.unmapFilePages(vma, keep, Infinity);
    this.discard(keep, Infinity);
    const tail = size % page;
    const frame = tail === 0 ? 0 : this.frame(keep - 1);
    if (frame === 0) return;
    this.memory.physical.u8.fill(0, frame * page + tail, (frame + 1) * page);
    this.memory.observer.frameWritten(frame * page + tail, page - tail);
  }

  /** Make pages `[from, to)` of an in-memory file a hole again. */
  punch(from: number, to: number): void {
    for (const vma of this.mappings) vma.space.unmapFilePages(vma, from, to);
    this.discard(from, to);
  }

  /** The inode is gone: every page goes, dirty or not. No area may map the file. */
  drop(): void {
    this.discard(0, Infinity);
    this.memory.cache.forget(this);
  }

  /** Free clean pages that nobody maps, at most `wanted`; how many went. */
  shrink(wanted: number): number {
    const { frames } = this.memory;
    let freed = 0;
    for (const [number, chunk] of this.chunks) {
      for (let i = 0; i < this.chunkPages && freed < wanted; i++) {
        const frame = chunk.frames[i];
        if (frame === 0 || chunk.dirty[i] !== 0 || frames.refs[frame] !== 1) continue;
        this.removePage(number, chunk, i);
        freed++;
      }
    }
    return freed;
  }

  /**
   * Bring the pages of a huge page from `index` (a multiple of their number) onto one block. Mappings of
   * the old pages go and fault the new ones in. False if the file does not fill the block or memory has none.
   */
  promote(index: number): boolean {
    const { size, hugeFrames, hugeOrder } = this.granule;
    const number = index / hugeFrames;
    if (this.chunks.get(number)?.huge) return true;
    if (this.pages < index + hugeFrames) return false;
    const block = this.memory.allocate(hugeOrder, FrameKind.File);
    if (block === 0) return false;
    const { frames, physical } = this.memory;
    const chunk = this.makeChunk(index);
    for (const vma of this.mappings) {
      vma.space.unmapFilePages(vma, index, index + hugeFrames, false);
    }
    for (let i = 0; i < hugeFrames; i++) {
      const to = (block + i) * size;
      const old = chunk.frames[i];
      if (old !== 0) {
        physical.u8.copyWithin(to, old * size, (old + 1) * size);
        frames.release(old);
      } else {
        frames.zero(block + i, 1);
        if (!this.file.inMemory) this.file.readPage(index + i, this.bytesOf(block + i));
      }
      chunk.frames[i] = block + i;
    }
    chunk.count = hugeFrames;
    chunk.huge = true;
    if (this.file.inMemory) chunk.dirty.fill(1);
    return true;
  }

  private discard(from: number, to: number): void {
    for (const [number, chunk] of this.chunks) {
      if ((number + 1) * this.chunkPages <= from || number * this.chunkPages >= to) continue;
      for (let i = 0; i < this.chunkPages; i++) {
        const index = number * this.chunkPages + i;
        if (index >= from && index < to && chunk.frames[i] !== 0) this.removePage(number, chunk, i);
      }
    }
  }

  private removePage(number: number, chunk: Chunk, i: number): void {
    this.memory.frames.release(chunk.frames[i]);
    chunk.frames[i] = 0;
    chunk.dirty[i] = 0;
    chunk.huge = false;
    if (--chunk.count !== 0) return;
    this.chunks.delete(number);
    this.lastIndex = -1;
    this.last = undefined;
  }

  /** The page that is in `frame`. */
  private bytesOf(frame: number): Uint8Array {
    const { size } = this.granule;
    return this.memory.physical.bytes(frame * size, size);
  }

  private chunk(index: number): Chunk | undefined {
    const number = Math.floor(index / this.chunkPages);
    if (number !== this.lastIndex) {
      this.last = this.chunks.get(number);
      this.lastIndex = number;
    }
    return this.last;
  }

  private makeChunk(index: number): Chunk {
    const number = Math.floor(index / this.chunkPages);
    let chunk = this.chunks.get(number);
    if (chunk === undefined) this.chunks.set(number, chunk = new Chunk(this.chunkPages));
    this.lastIndex = number;
    return this.last = chunk;
  }
}

/** All cached files of a machine. */
export class PageCache {
  private readonly files = new Map<number | string, CachedFile>();

  constructor(private readonly memory: Memory) {}

  /** The cached pages of `file`, found by its id. */
  open(file: MappedFile): CachedFile {
    let cached = this.files.get(file.id);
    if (cached === undefined) {
      this.files.set(file.id, cached = new CachedFile(this.memory, file));
    }
    return cached;
  }

  /** Every file that was opened for mapping and is not gone. */
  get opened(): Iterable<MappedFile> {
    return [...this.files.values()].map(({ file }) => file);
  }

  /** Pages for shared anonymous memory: they live as long as something maps them. */
  anonymous(size: number): CachedFile {
    const file = new AnonymousFile(size);
    const cached = new CachedFile(this.memory, file);
    file.unmapped = () => cached.drop();
    return cached;
  }

  forget(cached: CachedFile): void {
    if (this.files.get(cached.file.id) === cached) this.files.delete(cached.file.id);
  }

  /** Free up to `wanted` clean pages that nobody maps; how many went. */
  shrink(wanted: number): number {
    let freed = 0;
    for (const cached of this.files.values()) {
      if (freed >= wanted) break;
      freed += cached.shrink(wanted - freed);
    }
    return freed;
  }
}

/** What backs `MAP_SHARED | MAP_ANONYMOUS`. */
class AnonymousFile implements MappedFile {
  readonly id = "/dev/zero (deleted)";
  readonly path = "/dev/zero (deleted)";
  readonly inMemory = true;
  readonly deviceMinor = 1;
  unmapped?: () => void;
  constructor(readonly size: number) {}
  readPage(): void {}
}
