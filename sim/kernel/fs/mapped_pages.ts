/**
 * Files in the page cache. An inode's own store stays the truth for pages the cache does not
 * hold; a page it holds may have been written by a shared mapping, so reads take it from the
 * cache, and writes go to both.
 */
import type { CachedFile, MappedFile, PageCache } from "../../memory/page_cache.ts";
import { S_ISGID, S_ISUID } from "./constants.ts";
import type { Inode } from "./inode.ts";

/** An inode as the page cache sees it. */
class InodePages implements MappedFile {
  readonly id: string;
  readonly deviceMajor = 0;
  readonly deviceMinor: number;
  readonly inode: number;

  constructor(readonly source: Inode, readonly name: () => string) {
    this.deviceMinor = source.fileSystem.device;
    this.inode = source.ino;
    this.id = `${this.deviceMinor}:${this.inode}`;
  }

  get path(): string {
    return this.name();
  }
  get size(): number {
    return this.source.size;
  }

  readPage(index: number, into: Uint8Array): void {
    this.source.read(index * into.length, into);
  }

  writePage(index: number, from: Uint8Array): void {
    const start = index * from.length;
    const inside = Math.min(from.length, this.size - start);
    if (inside > 0) this.source.write(start, from.subarray(0, inside));
  }
}

/** The page cache's side of one machine's file systems. */
export class FilePages {
  /** Pages of deleted files that something still mapped when they went. */
  readonly #orphans: Set<CachedFile> = new Set();
  /** Pages of files that live on the host, where changes must go in the end. */
  readonly #external: Set<CachedFile> = new Set();

  constructor(readonly cache: PageCache) {}

  /** The cached pages of `inode`; `name` tells its path for /proc/PID/maps. */
  of(inode: Inode, name: () => string): CachedFile {
    if (inode.pages === null) {
      inode.pages = this.cache.open(new InodePages(inode, name));
      if (inode.fileSystem.volatile) this.#external.add(inode.pages);
    }
    return inode.pages;
  }

  /** Write to the host what shared mappings have changed. */
  sync(): void {
    for (const pages of this.#external) pages.sync();
  }

  /** The inode of `pages` is gone: free what nobody maps. */
  abandon(pages: CachedFile): void {
    this.#external.delete(pages);
    this.#orphans.add(pages);
    for (const orphan of this.#orphans) {
      if (orphan.mappings.size > 0) continue;
      orphan.drop();
      this.#orphans.delete(orphan);
    }
  }
}

/** `Inode.read`, with what mappings have written. */
export function readInode(inode: Inode, position: number, into: Uint8Array): number {
  const { pages } = inode;
  if (pages === null) return inode.read(position, into);
  const { pageSize } = pages;
  const end = Math.min(inode.size, position + into.length);
  let at = position;
  while (at < end) {
    // A run of pages that are all cached, or all not.
    const cached = pages.frame(Math.floor(at / pageSize)) !== 0;
    let next = (Math.floor(at / pageSize) + 1) * pageSize;
    while (next < end && (pages.frame(next / pageSize) !== 0) === cached) next += pageSize;
    const part = into.subarray(at - position, Math.min(next, end) - position);
    const count = cached ? pages.read(at, part) : inode.read(at, part);
    if (count <= 0) return at > position ? at - position : count;
    at += count;
  }
  return Math.max(0, end - position);
}

/** `Inode.write`, seen by mappings. */
export function writeInode(
  inode: Inode,
  position: number,
  from: Uint8Array,
  privileged = false,
): number {
  const count = inode.write(position, from);
  if (count > 0 && !privileged) dropPrivileges(inode);
  const { pages } = inode;
  if (pages === null) return count;
  const { pageSize } = pages;
  for (let done = 0; done < count;) {
    const at = position + done;
    const length = Math.min(pageSize - at % pageSize, count - done);
    if (pages.frame(Math.floor(at / pageSize)) !== 0) {
      pages.write(at, from.subarray(done, done + length));
    }
    done += length;
  }
  return count;
}

/** `Inode.truncate`, seen by mappings: what lies beyond the end is gone there too. */
export function truncateInode(inode: Inode, size: number, privileged = false): number {
  const error = inode.truncate(size);
  if (error < 0) return error;
  if (!privileged) dropPrivileges(inode);
  inode.pages?.truncate(size);
  return 0;
}

/** A changed program runs as nobody but its caller (file_remove_privs). */
function dropPrivileges(inode: Inode): void {
  const { mode } = inode;
  if ((mode & (S_ISUID | S_ISGID)) === 0) return;
  const kept = mode & ~S_ISUID & ~((mode & 0o010) !== 0 ? S_ISGID : 0);
  if (kept !== mode) inode.setAttributes({ mode: kept });
}
