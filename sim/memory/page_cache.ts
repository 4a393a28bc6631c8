/**
 * The page cache: one frame per page of a file, shared by every process that maps the file and by
 * read() and write(). A page of a file that cannot be written back stays once it is dirty, so the
 * cache is the store of in-memory files.
 */
import { ENOMEM, PAGE_SIZE } from "./abi.ts";
import { FrameKind, HUGE_FRAMES, HUGE_ORDER } from "./frames.ts";
import type { Memory } from "./memory.ts";
import type { Vma } from "./vma.ts";

/** A file as the page cache sees it; the file system implements it. */
export interface MappedFile {
  /** Unique to the inode for the life of the machine. */
  readonly id: number | string;
  /** Bytes in the file now. */
  readonly size: number;
  /** Put the file's bytes of page `index` into `into`, 4096 bytes that are zero before. */
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

/** Frames of 512 consecutive pages. */
class Chunk {
  /** First frame of each page, 0 when absent. */
  readonly frames = new Int32Array(HUGE_FRAMES);
  readonly dirty = new Uint8Array(HUGE_FRAMES);
  /** Pages present. */
  count = 0;
  /** Whether the frames are one 2 MiB block, so that a 2 MiB leaf may map them. */
  huge = false;
}

/** The cached pages of one file, and who maps it. */
export class CachedFile {
  /** Every area that maps the file. */
  readonly mappings = new Set<Vma>();
  private readonly chunks = new Map<number, Chunk>();
  private lastIndex = -1;
  private last: Chunk | undefined;

  constructor(private readonly memory: Memory, readonly file: MappedFile) {}

  /** Frame of page `index`, 0 when it is not cached. */
  frame(index: number): number {
    const chunk = this.chunk(index);
    return chunk === undefined ? 0 : chunk.frames[index % HUGE_FRAMES];
  }

  /** First frame of the 2 MiB block that holds page `index`, 0 if its chunk is not huge. */
  hugeFrame(index: number): number {
    const chunk = this.chunk(index);
    return chunk === undefined || !chunk.huge ? 0 : chunk.frames[0];
  }

  /** Pages of the file, the last one counted whole. */
  get pages(): number {
    return Math.ceil(this.file.size / PAGE_SIZE);
  }

  /** Frame of page `index`, read in if absent; 0 when memory is exhausted. */
  load(index: number): number {
    const cached = this.frame(index);
    if (cached !== 0) return cached;
    const frame = this.memory.allocateZeroed(0, FrameKind.File);
    if (frame === 0) return 0;
    if (!this.file.inMemory) {
      this.file.readPage(index, this.memory.physical.bytes(frame * PAGE_SIZE, PAGE_SIZE));
    }
    const chunk = this.makeChunk(index);
    chunk.frames[index % HUGE_FRAMES] = frame;
    chunk.count++;
    if (this.file.inMemory) chunk.dirty[index % HUGE_FRAMES] = 1;
    return frame;
  }

  /** Note that a cached page is about to be written. */
  markDirty(index: number): void {
    const chunk = this.chunk(index);
    if (chunk !== undefined) chunk.dirty[index % HUGE_FRAMES] = 1;
  }

  /** Bytes from `offset` into `into`, up to the end of the file; the count, or -ENOMEM. */
  read(offset: number, into: Uint8Array): number {
    const end = Math.min(this.file.size, offset + into.length);
    let at = offset;
    while (at < end) {
      const inPage = at % PAGE_SIZE;
      const length = Math.min(PAGE_SIZE - inPage, end - at);
      const index = (at - inPage) / PAGE_SIZE;
      // A hole of an in-memory file reads as zero and costs nothing.
      const frame = this.file.inMemory ? this.frame(index) : this.load(index);
      if (frame !== 0) {
        const from = frame * PAGE_SIZE + inPage;
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
    let done = 0;
    while (done < bytes.length) {
      const at = offset + done;
      const inPage = at % PAGE_SIZE;
      const length = Math.min(PAGE_SIZE - inPage, bytes.length - done);
      const frame = this.load((at - inPage) / PAGE_SIZE);
      if (frame === 0) return done > 0 ? done : -ENOMEM;
      const to = frame * PAGE_SIZE + inPage;
      this.memory.physical.u8.set(bytes.subarray(done, done + length), to);
      this.markDirty((at - inPage) / PAGE_SIZE);
      this.memory.observer.frameWritten(to, length);
      done += length;
    }
    return done;
  }

  /** Write dirty pages of `[from, to)` back, if the file can be written. */
  sync(from = 0, to = Infinity): void {
    if (this.file.writePage === undefined) return;
    for (const [number, chunk] of this.chunks) {
      for (let i = 0; i < HUGE_FRAMES; i++) {
        const index = number * HUGE_FRAMES + i;
        if (chunk.dirty[i] === 0 || index < from || index >= to) continue;
        // Later writes must fault, to mark the page dirty again.
        for (const vma of this.mappings) vma.space.writeProtectFilePage(vma, index);
        this.file.writePage(
          index,
          this.memory.physical.bytes(chunk.frames[i] * PAGE_SIZE, PAGE_SIZE),
        );
        chunk.dirty[i] = 0;
      }
    }
  }

  /** The file shrank or grew to `size` bytes: drop what lies beyond, everywhere it is mapped. */
  truncate(size: number): void {
    const keep = Math.ceil(size / PAGE_SIZE);
    for (const vma of this.mappings) vma.space.unmapFilePages(vma, keep, Infinity);
    this.discard(keep, Infinity);
    const tail = size % PAGE_SIZE;
    const frame = tail === 0 ? 0 : this.frame(keep - 1);
    if (frame === 0) return;
    this.memory.physical.u8.fill(0, frame * PAGE_SIZE + tail, (frame + 1) * PAGE_SIZE);
    this.memory.observer.frameWritten(frame * PAGE_SIZE + tail, PAGE_SIZE - tail);
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
      for (let i = 0; i < HUGE_FRAMES && freed < wanted; i++) {
        const frame = chunk.frames[i];
        if (frame === 0 || chunk.dirty[i] !== 0 || frames.refs[frame] !== 1) continue;
        this.removePage(number, chunk, i);
        freed++;
      }
    }
    return freed;
  }

  /**
   * Bring 512 pages from `index` (a multiple of 512) onto one 2 MiB block. Mappings of the old pages
   * go and fault the new ones in. False if the file does not fill the block or memory has none.
   */
  promote(index: number): boolean {
    const number = index / HUGE_FRAMES;
    if (this.chunks.get(number)?.huge) return true;
    if (this.pages < index + HUGE_FRAMES) return false;
    const block = this.memory.allocate(HUGE_ORDER, FrameKind.File);
    if (block === 0) return false;
    const { frames, physical } = this.memory;
    const chunk = this.makeChunk(index);
    for (const vma of this.mappings) {
      vma.space.unmapFilePages(vma, index, index + HUGE_FRAMES, false);
    }
    for (let i = 0; i < HUGE_FRAMES; i++) {
      const to = (block + i) * PAGE_SIZE;
      const old = chunk.frames[i];
      if (old !== 0) {
        physical.u8.copyWithin(to, old * PAGE_SIZE, (old + 1) * PAGE_SIZE);
        frames.release(old);
      } else {
        frames.zero(block + i, 1);
        if (!this.file.inMemory) this.file.readPage(index + i, physical.bytes(to, PAGE_SIZE));
      }
      chunk.frames[i] = block + i;
    }
    chunk.count = HUGE_FRAMES;
    chunk.huge = true;
    if (this.file.inMemory) chunk.dirty.fill(1);
    return true;
  }

  private discard(from: number, to: number): void {
    for (const [number, chunk] of this.chunks) {
      if ((number + 1) * HUGE_FRAMES <= from || number * HUGE_FRAMES >= to) continue;
      for (let i = 0; i < HUGE_FRAMES; i++) {
        const index = number * HUGE_FRAMES + i;
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

  private chunk(index: number): Chunk | undefined {
    const number = Math.floor(index / HUGE_FRAMES);
    if (number !== this.lastIndex) {
      this.last = this.chunks.get(number);
      this.lastIndex = number;
    }
    return this.last;
  }

  private makeChunk(index: number): Chunk {
    const number = Math.floor(index / HUGE_FRAMES);
    let chunk = this.chunks.get(number);
    if (chunk === undefined) this.chunks.set(number, chunk = new Chunk());
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
