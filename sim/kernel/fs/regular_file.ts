/** Open regular files, directories, and descriptors that are only a place (O_PATH). */
import { EBADF, EFBIG, EINVAL, EISDIR, ENXIO } from "../errno.ts";
import {
  MAX_FILE_SIZE,
  O_APPEND,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from "./constants.ts";
import type { Location } from "./dentry.ts";
import { type DirectoryEntry, failed, type Inode, type Opener, type Timestamp } from "./inode.ts";
import { readInode, truncateInode, writeInode } from "./mapped_pages.ts";
import { OpenFile } from "./open_file.ts";
import { IN_ACCESS, IN_MODIFY, notify } from "./watches.ts";

/** A position in a file that has a size. */
abstract class SeekableFile extends OpenFile {
  protected position = 0;

  override get offset(): number {
    return this.position;
  }

  protected get end(): number {
    return this.inode.size;
  }

  protected override closed(): void {
    this.inode.locks?.ranges.clear(this);
    this.inode.locks?.whole.clear(this);
  }

  override flush(owner: object): void {
    this.inode.locks?.ranges.clear(owner);
  }

  override seek(offset: number, whence: number): number {
    let target: number;
    switch (whence) {
      case SEEK_SET:
        target = offset;
        break;
      case SEEK_CUR:
        target = this.position + offset;
        break;
      case SEEK_END:
        target = this.end + offset;
        break;
      case SEEK_DATA:
      case SEEK_HOLE:
        // The whole file is data, with the hole that every file has at its end.
        if (offset < 0 || offset >= this.end) return -ENXIO;
        target = whence === SEEK_DATA ? offset : this.end;
        break;
      default:
        return -EINVAL;
    }
    if (target < 0 || target > MAX_FILE_SIZE) return -EINVAL;
    return this.position = target;
  }
}

export class RegularFile extends SeekableFile {
  readonly #privileged: boolean;

  constructor(inode: Inode, location: Location, flags: number, opener: Opener = {}) {
    super(inode, location, flags);
    this.#privileged = opener.privileged ?? false;
  }

  override get splittable(): boolean {
    return true;
  }

  override read(into: Uint8Array): number {
    const count = readInode(this.inode, this.position, into);
    if (count > 0) {
      this.position += count;
      this.inode.accessed();
    }
    return count;
  }

  override write(from: Uint8Array): number {
    if (this.flags & O_APPEND) this.position = this.inode.size;
    const count = this.writeTo(this.position, from);
    if (count > 0) this.position += count;
    return count;
  }

  override readAt(position: number, into: Uint8Array): number {
    if (position < 0) return -EINVAL;
    return readInode(this.inode, position, into);
  }

  override writeAt(position: number, from: Uint8Array): number {
    if (position < 0) return -EINVAL;
    // Linux appends even for pwrite (pwrite(2), BUGS).
    return this.writeTo(this.flags & O_APPEND ? this.inode.size : position, from);
  }

  protected writeTo(position: number, from: Uint8Array): number {
    if (from.length === 0) return 0;
    if (position + from.length > MAX_FILE_SIZE) return -EFBIG;
    return writeInode(this.inode, position, from, this.#privileged);
  }

  override truncate(size: number): number {
    const error = truncateInode(this.inode, size, this.#privileged);
    if (error === 0) notify(this.inode, this.location.dentry, IN_MODIFY);
    return error;
  }

  override get mappable(): boolean {
    return true;
  }
}

/** An open directory. Its listing is taken when reading starts and again after a rewind. */
export class Directory extends SeekableFile {
  #entries: readonly DirectoryEntry[] | null = null;
  /** The directory's mtime object when it was listed: another object means a change. */
  #listedAt: Timestamp | null = null;

  override read(): number {
    return -EISDIR;
  }
  override readAt(): number {
    return -EISDIR;
  }
  override write(): number {
    return -EBADF;
  }
  override writeAt(): number {
    return -EBADF;
  }

  protected override get end(): number {
    return MAX_FILE_SIZE;
  }

  override seek(offset: number, whence: number): number {
    if (whence !== SEEK_SET && whence !== SEEK_CUR) return -EINVAL;
    const result = super.seek(offset, whence);
    if (this.position === 0) this.#entries = null;
    return result;
  }

  /** Entries from the position on, `.` and `..` first; or -errno. */
  remaining(): readonly DirectoryEntry[] | number {
    if (this.#entries === null) {
      const list = this.inode.list();
      if (failed(list)) return list;
      this.#listedAt = this.inode.mtime;
      const above = this.location.dentry.parent?.inode ??
        this.location.mount.over?.dentry.parent?.inode ?? this.inode;
      this.#entries = [
        { name: ".", ino: this.inode.ino, type: this.inode.type },
        { name: "..", ino: above.ino, type: above.type },
        ...list,
      ];
    }
    return this.position === 0 ? this.#entries : this.#entries.slice(this.position);
  }

  /** Whether `entry` still names something: entries unlinked since the listing are left out. */
  present(entry: DirectoryEntry): boolean {
    return this.inode.mtime === this.#listedAt || entry.name === "." || entry.name === ".." ||
      !failed(this.inode.lookup(entry.name));
  }

  /** `count` entries have been handed out: watchers are told even of none. */
  advance(count: number): void {
    this.position += count;
    if (count > 0) this.inode.accessed();
    notify(this.inode, this.location.dentry, IN_ACCESS);
  }
}

/** O_PATH: a place in the tree. Nothing but *at calls, fstat, fchdir, dup and close work on it. */
export class PathOnly extends OpenFile {
  override get readable(): boolean {
    return false;
  }
  override get writable(): boolean {
    return false;
  }
}
