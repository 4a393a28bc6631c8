/**
 * Open files of the host: a bounded number, the longest unused closed first, each with one block
 * of its contents so that small reads do not go to the host one by one.
 */
import { onHost } from "./host_errno.ts";

const MAX_OPEN = 128;
const BLOCK = 1 << 16;

interface Handle {
  readonly file: Deno.FsFile;
  /** Contents at `blockStart`, or null. */
  block: Uint8Array | null;
  blockStart: number;
}

export class HandleCache {
  /** By inode, least recently used first. */
  readonly #handles: Map<object, Handle> = new Map();
  /** Handles of files without a name: never closed early, they could not be opened again. */
  readonly #pinned: Set<object> = new Set();

  /** The open file of `inode`, or null; counts as a use. */
  get(inode: object): Deno.FsFile | null {
    const handle = this.#handles.get(inode);
    if (handle === undefined) return null;
    this.#handles.delete(inode);
    this.#handles.set(inode, handle);
    return handle.file;
  }

  /** The open file of `inode`, or null. */
  held(inode: object): Deno.FsFile | null {
    return this.#handles.get(inode)?.file ?? null;
  }

  put(inode: object, file: Deno.FsFile): void {
    if (this.#handles.size - this.#pinned.size >= MAX_OPEN) {
      for (const [oldest, handle] of this.#handles) {
        if (this.#pinned.has(oldest)) continue;
        handle.file.close();
        this.#handles.delete(oldest);
        break;
      }
    }
    this.#handles.set(inode, { file, block: null, blockStart: 0 });
  }

  /** Keep the handle of an inode that has lost its name. */
  pin(inode: object): void {
    if (this.#handles.has(inode)) this.#pinned.add(inode);
  }

  /** Nobody uses the inode any more. */
  drop(inode: object): void {
    this.#handles.get(inode)?.file.close();
    this.#handles.delete(inode);
    this.#pinned.delete(inode);
  }

  /**
   * Read from `file`; bytes read or -errno. With the file's fixed `size`, small reads are served
   * from a block kept in memory; null when the file can change.
   */
  read(
    inode: object,
    file: Deno.FsFile,
    position: number,
    into: Uint8Array,
    size: number | null,
  ): number {
    if (size === null || into.length >= BLOCK) return readFrom(file, position, into);
    const handle = this.#handles.get(inode)!;
    let done = 0;
    while (done < into.length && position + done < size) {
      const at = position + done;
      const start = at - at % BLOCK;
      if (handle.block === null || handle.blockStart !== start) {
        const block = new Uint8Array(Math.min(BLOCK, size - start));
        const count = readFrom(file, start, block);
        if (count < 0) return done > 0 ? done : count;
        handle.block = block.subarray(0, count);
        handle.blockStart = start;
      }
      const part = handle.block.subarray(at - start, at - start + into.length - done);
      if (part.length === 0) break;
      into.set(part, done);
      done += part.length;
    }
    return done;
  }

  /** Close everything. */
  close(): void {
    for (const { file } of this.#handles.values()) file.close();
    this.#handles.clear();
    this.#pinned.clear();
  }
}

function readFrom(file: Deno.FsFile, position: number, into: Uint8Array): number {
  return onHost(() => {
    file.seekSync(position, Deno.SeekMode.Start);
    let done = 0;
    while (done < into.length) {
      const count = file.readSync(into.subarray(done));
      if (count === null) break;
      done += count;
    }
    return done;
  });
}
