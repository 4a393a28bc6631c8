/**
 * What a file is to the rest of the kernel: an inode with its attributes, and the operations that
 * directories, regular files and symbolic links answer. Every operation returns a value of 0 or
 * more (or an object), or a negative errno; the answers here are those of a file that is not of
 * the kind asked for.
 *
 * Permission, mount flags and path syntax are the VFS's business, not an inode's.
 */
import { EINVAL, EISDIR, ENOTDIR, ENXIO, EOPNOTSUPP, EPERM, EROFS } from "../errno.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "./constants.ts";
import type { CachedFile } from "../../memory/page_cache.ts";
import type { FileSystem } from "./file_system.ts";
import type { Location } from "./dentry.ts";
import { IN_DELETE_SELF, IN_IGNORED, notifySelf, type Watch } from "./watches.ts";
import type { FileLocks } from "./locks.ts";
import type { OpenFile } from "./open_file.ts";

/** A moment: seconds since 1970 and nanoseconds within the second. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** One row of a directory listing. `type` is the file type bits of a mode (`S_IFREG`…). */
export interface DirectoryEntry {
  readonly name: string;
  readonly ino: number;
  readonly type: number;
}

/** Attributes a new file starts with; `mode` carries its type bits. */
export interface NewFile {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev?: number;
}

/** Attributes to change; what is absent stays. */
export interface AttributeChange {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atime?: Timestamp;
  readonly mtime?: Timestamp;
}

/** Who opens a file: some inodes (procfs, devices) look different to each process. */
export interface Opener {
  readonly process?: unknown;
  readonly thread?: unknown;
  /** User 0: writing does not take set-user-id bits away. */
  readonly privileged?: boolean;
}

export abstract class Inode {
  /** Type and permission bits. */
  mode: number;
  uid: number;
  gid: number;
  nlink = 1;
  /** Device number of a device file. */
  rdev = 0;
  atime: Timestamp;
  mtime: Timestamp;
  ctime: Timestamp;
  btime: Timestamp;
  /** Open file descriptions that refer to it. */
  users = 0;
  /** Its pages in the page cache, once something has mapped it. */
  pages: CachedFile | null = null;
  /** Advisory locks, once somebody has locked. */
  locks: FileLocks | null = null;
  /** inotify watches, while there are any. */
  watches: Set<Watch> | null = null;
  /** F_SEAL_ bits of a memfd; null where there is no sealing. */
  seals: number | null = null;

  constructor(
    readonly fileSystem: FileSystem,
    readonly ino: number,
    attributes: NewFile,
    now: Timestamp,
  ) {
    this.mode = attributes.mode;
    this.uid = attributes.uid;
    this.gid = attributes.gid;
    this.rdev = attributes.rdev ?? 0;
    this.atime =
      this.mtime =
      this.ctime =
      this.btime =
        now;
  }

  /** File type bits of the mode. */
  get type(): number {
    return this.mode & S_IFMT;
  }
  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }
  get isSymlink(): boolean {
    return (this.mode & S_IFMT) === S_IFLNK;
  }
  get isRegular(): boolean {
    return (this.mode & S_IFMT) === S_IFREG;
  }

  /** Size in bytes, as `st_size`. */
  get size(): number {
    return 0;
  }
  /** 512-byte blocks in use, as `st_blocks`. */
  get blocks(): number {
    return Math.ceil(this.size / 4096) * 8;
  }

  /** Bring attributes up to date before a stat, where they can change behind the VFS's back. */
  refresh(): void {}

  /** Change attributes and ctime. */
  setAttributes(_change: AttributeChange): number {
    return -EROFS;
  }

  /** An open file description of this inode; `location` is where it was found. */
  open(_flags: number, _location: Location, _opener: Opener): OpenFile | number {
    return -ENXIO;
  }

  // Regular files.

  /** Read at `position` into `into`; returns the bytes read, 0 at the end of the file. */
  read(_position: number, _into: Uint8Array): number {
    return this.isDirectory ? -EISDIR : -EINVAL;
  }
  /** Write `from` at `position`, growing the file; returns the bytes written. */
  write(_position: number, _from: Uint8Array): number {
    return -EINVAL;
  }
  /** Set the size; the bytes gained read as zero. */
  truncate(_size: number): number {
    return this.isDirectory ? -EISDIR : -EINVAL;
  }
  /** A file was read: update atime as `relatime` does. */
  accessed(): void {}

  // Directories.

  /** The file called `name`, or -ENOENT; never `.` or `..`. */
  lookup(_name: string): Inode | number {
    return -ENOTDIR;
  }
  /** Everything in the directory but `.` and `..`. */
  list(): readonly DirectoryEntry[] | number {
    return -ENOTDIR;
  }
  /** Make a file, directory, device, FIFO or socket, by the type bits of `attributes.mode`. */
  create(_name: string, _attributes: NewFile): Inode | number {
    return this.isDirectory ? -EROFS : -ENOTDIR;
  }
  symlink(_name: string, _target: string, _attributes: NewFile): Inode | number {
    return this.isDirectory ? -EPERM : -ENOTDIR;
  }
  /** Give `inode`, of this file system, the further name `name`. */
  link(_name: string, _inode: Inode): number {
    return this.isDirectory ? -EPERM : -ENOTDIR;
  }
  /** Remove the name of anything but a directory. */
  unlink(_name: string): number {
    return this.isDirectory ? -EPERM : -ENOTDIR;
  }
  /** Remove an empty directory: -ENOTEMPTY. */
  rmdir(_name: string): number {
    return this.isDirectory ? -EPERM : -ENOTDIR;
  }
  /**
   * Move `name` to `newName` of `newDirectory` (of this file system), replacing what is there, or
   * swap the two with `exchange`. The VFS has checked that kinds agree and no loop arises.
   */
  rename(_name: string, _newDirectory: Inode, _newName: string, _exchange: boolean): number {
    return this.isDirectory ? -EPERM : -ENOTDIR;
  }
  /** A regular file with no name (O_TMPFILE). */
  temporary(_attributes: NewFile): Inode | number {
    return -EOPNOTSUPP;
  }

  // Symbolic links.

  /** The target text. */
  readlink(): string | number {
    return -EINVAL;
  }
  /**
   * Where a magic link leads (`/proc/self/exe`, `/proc/self/fd/3`): followed without its text.
   * Undefined for an ordinary link.
   */
  magicLocation(): Location | number | undefined {
    return undefined;
  }

  // Extended attributes: none of the file systems here keeps any.

  /** Extended attribute errors are those of a file system without support. */
  get extendedAttributeErrno(): number {
    return -EOPNOTSUPP;
  }

  /** A name of this inode is about to be removed. */
  beforeUnlink(): void {}
  /** A name of this inode has been removed. */
  afterUnlink(): void {}
  /** The name it is known by has moved. */
  afterRename(_directory: Inode, _name: string): void {}
  /** A name or an open description has gone: with the last of both the inode goes, too. */
  discardUnused(): void {
    if (this.nlink > 0 || this.users > 0) return;
    notifySelf(this, IN_DELETE_SELF);
    notifySelf(this, IN_IGNORED);
    this.fileSystem.discard(this);
  }
  /** The last name and the last open description are gone: free what the inode holds. */
  evict(): void {}
}

/** Whether `result` is an errno rather than what was asked for. */
export function failed<T>(result: T | number): result is number {
  return typeof result === "number";
}
