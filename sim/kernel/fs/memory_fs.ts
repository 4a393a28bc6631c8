/**
 * tmpfs: everything in memory. The overlay's upper half is built from the same inodes.
 */
import {
  EEXIST,
  EFBIG,
  EINVAL,
  EISDIR,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  ENXIO,
  EPERM,
} from "../errno.ts";
import {
  MAX_FILE_SIZE,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISGID,
} from "./constants.ts";
import type { Location } from "./dentry.ts";
import type { DeviceTable } from "./device_table.ts";
import { encodeName, nameLength } from "./file_name.ts";
import { FileContent } from "./file_content.ts";
import { FileSystem, type TimeSource, TMPFS_MAGIC } from "./file_system.ts";
import {
  type AttributeChange,
  type DirectoryEntry,
  failed,
  Inode,
  type NewFile,
  type Opener,
  type Timestamp,
} from "./inode.ts";
import type { OpenFile } from "./open_file.ts";
import { openPipeEnd, Pipe } from "./pipe.ts";
import { Directory, RegularFile } from "./regular_file.ts";

/** Seals of a memfd (fcntl F_ADD_SEALS). */
export const F_SEAL_SEAL = 1;
export const F_SEAL_SHRINK = 2;
export const F_SEAL_GROW = 4;
export const F_SEAL_WRITE = 8;
export const F_SEAL_FUTURE_WRITE = 16;

const DAY_SECONDS = 86400;

/** What memory inodes need of the file system they belong to. */
export abstract class MemoryFileSystem extends FileSystem {
  #nextIno = 1;

  constructor(
    readonly now: TimeSource,
    /** Opens device files; without it they answer -ENXIO. */
    readonly devices: DeviceTable | null = null,
  ) {
    super();
  }

  /** A fresh inode number. */
  number(): number {
    return this.#nextIno++;
  }
}

/** Attributes that can be changed, as all inodes in memory have them. */
export abstract class MemoryInode extends Inode {
  constructor(override readonly fileSystem: MemoryFileSystem, attributes: NewFile, ino?: number) {
    super(fileSystem, ino ?? fileSystem.number(), attributes, fileSystem.now());
  }

  override setAttributes(change: AttributeChange): number {
    if (change.mode !== undefined) this.mode = (this.mode & S_IFMT) | (change.mode & ~S_IFMT);
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
    if (change.atime !== undefined) this.atime = change.atime;
    if (change.mtime !== undefined) this.mtime = change.mtime;
    this.ctime = this.fileSystem.now();
    return 0;
  }

  override accessed(): void {
    const now = this.fileSystem.now();
    if (
      !isAfter(this.atime, this.mtime) || !isAfter(this.atime, this.ctime) ||
      now.seconds - this.atime.seconds >= DAY_SECONDS
    ) this.atime = now;
  }

  /** Contents changed. */
  protected modified(): void {
    this.mtime = this.ctime = this.fileSystem.now();
  }
}

function isAfter(a: Timestamp, b: Timestamp): boolean {
  return a.seconds > b.seconds || (a.seconds === b.seconds && a.nanoseconds > b.nanoseconds);
}

/** A regular file. */
export class MemoryFile extends MemoryInode {
  content: FileContent;

  constructor(
    fileSystem: MemoryFileSystem,
    attributes: NewFile,
    content: FileContent = new FileContent(),
    ino?: number,
  ) {
    super(fileSystem, attributes, ino);
    this.content = content;
  }

  override get size(): number {
    return this.content.size;
  }
  override get blocks(): number {
    return Math.ceil(this.content.allocated / 4096) * 8;
  }

  override open(flags: number, location: Location, opener: Opener): OpenFile | number {
    return new RegularFile(this, location, flags, opener);
  }

  override read(position: number, into: Uint8Array): number {
    return this.content.read(position, into);
  }

  override write(position: number, from: Uint8Array): number {
    if (this.seals) {
      if (this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) return -EPERM;
      if ((this.seals & F_SEAL_GROW) !== 0 && position + from.length > this.size) return -EPERM;
    }
    const count = this.content.write(position, from);
    if (count > 0) this.modified();
    return count;
  }

  override truncate(size: number): number {
    if (size > MAX_FILE_SIZE) return -EFBIG;
    if (this.seals) {
      if ((this.seals & F_SEAL_SHRINK) !== 0 && size < this.size) return -EPERM;
      if ((this.seals & F_SEAL_GROW) !== 0 && size > this.size) return -EPERM;
    }
    this.content.truncate(size);
    this.modified();
    return 0;
  }
}

/** A directory: names in the order they were made. */
export class MemoryDirectory extends MemoryInode {
  /** Names; null marks one that hides a lower directory's (overlay). */
  protected readonly entries: Map<string, Inode | null> = new Map();

  constructor(fileSystem: MemoryFileSystem, attributes: NewFile, ino?: number) {
    super(fileSystem, attributes, ino);
    this.nlink = 2;
  }

  override get size(): number {
    return 40 + 20 * this.entries.size; // as tmpfs counts
  }
  override get blocks(): number {
    return 0;
  }

  override open(flags: number, location: Location, _opener: Opener): OpenFile | number {
    return new Directory(this, location, flags);
  }

  override lookup(name: string): Inode | number {
    return this.entries.get(name) ?? -ENOENT;
  }

  override list(): readonly DirectoryEntry[] | number {
    const list: DirectoryEntry[] = [];
    for (const [name, inode] of this.entries) {
      if (inode !== null) list.push({ name, ino: inode.ino, type: inode.type });
    }
    return list;
  }

  /** Whether anything is in it. */
  get occupied(): boolean {
    return this.entries.size > 0;
  }

  override create(name: string, attributes: NewFile): Inode | number {
    if (!failed(this.lookup(name))) return -EEXIST;
    const inode = newInode(this.fileSystem, this.inherit(attributes));
    if (failed(inode)) return inode;
    if (inode.isDirectory) this.nlink++;
    this.add(name, inode);
    return inode;
  }

  override symlink(name: string, target: string, attributes: NewFile): Inode | number {
    if (!failed(this.lookup(name))) return -EEXIST;
    const inode = new MemorySymlink(this.fileSystem, this.inherit(attributes), target);
    this.add(name, inode);
    return inode;
  }

  override temporary(attributes: NewFile): Inode | number {
    const inode = newInode(this.fileSystem, this.inherit(attributes));
    if (!failed(inode)) inode.nlink = 0;
    return inode;
  }

  override link(name: string, inode: Inode): number {
    if (inode.isDirectory) return -EPERM;
    if (!failed(this.lookup(name))) return -EEXIST;
    inode.nlink++;
    inode.ctime = this.fileSystem.now();
    this.add(name, inode);
    return 0;
  }

  override unlink(name: string): number {
    const inode = this.lookup(name);
    if (failed(inode)) return inode;
    if (inode.isDirectory) return -EISDIR;
    this.remove(name);
    inode.nlink--;
    inode.ctime = this.fileSystem.now();
    return 0;
  }

  override rmdir(name: string): number {
    const inode = this.lookup(name);
    if (failed(inode)) return inode;
    if (!(inode instanceof MemoryDirectory)) return -ENOTDIR;
    if (inode.occupied) return -ENOTEMPTY;
    this.remove(name);
    this.nlink--;
    inode.nlink = 0;
    inode.ctime = this.fileSystem.now();
    return 0;
  }

  override rename(
    name: string,
    newDirectory: Inode,
    newName: string,
    exchange: boolean,
  ): number {
    if (!(newDirectory instanceof MemoryDirectory)) return -ENOTDIR;
    const moved = this.lookup(name);
    if (failed(moved)) return moved;
    const replaced = newDirectory.lookup(newName);
    if (exchange) {
      if (failed(replaced)) return replaced;
      this.#adopt(name, replaced, moved);
      newDirectory.#adopt(newName, moved, replaced);
    } else {
      if (!failed(replaced)) {
        const error = replaced.isDirectory
          ? newDirectory.rmdir(newName)
          : newDirectory.unlink(newName);
        if (error < 0) return error;
      }
      this.remove(name);
      newDirectory.add(newName, moved);
      if (moved.isDirectory) {
        this.nlink--;
        newDirectory.nlink++;
      }
    }
    moved.ctime = this.fileSystem.now();
    return 0;
  }

  /** Put `inode` where `previous` was. */
  #adopt(name: string, inode: Inode, previous: Inode): void {
    this.add(name, inode);
    this.nlink += Number(inode.isDirectory) - Number(previous.isDirectory);
    inode.ctime = this.fileSystem.now();
  }

  /** Set-group-id directories hand down their group (inode_init_owner). */
  protected inherit(attributes: NewFile): NewFile {
    if ((this.mode & S_ISGID) === 0) return attributes;
    const isDirectory = (attributes.mode & S_IFMT) === S_IFDIR;
    return {
      ...attributes,
      gid: this.gid,
      mode: attributes.mode | (isDirectory ? S_ISGID : 0),
    };
  }

  /** Enter a name. Link counts are the caller's. */
  protected add(name: string, inode: Inode): void {
    this.entries.set(name, inode);
    this.modified();
  }

  /** Take a name out. */
  protected remove(name: string): void {
    this.entries.delete(name);
    this.modified();
  }
}

export class MemorySymlink extends MemoryInode {
  constructor(
    fileSystem: MemoryFileSystem,
    attributes: NewFile,
    readonly target: string,
    ino?: number,
  ) {
    super(fileSystem, { ...attributes, mode: S_IFLNK | 0o777 }, ino);
  }

  override get size(): number {
    return nameLength(this.target);
  }
  override get blocks(): number {
    return 0;
  }

  override readlink(): string | number {
    return this.target;
  }
}

/** A device file, FIFO or socket: a name for something that lives elsewhere. */
export class MemorySpecial extends MemoryInode {
  #pipe: Pipe | null = null;
  /** What is bound to a socket file; the socket layer's own. */
  bound: unknown = null;

  override get blocks(): number {
    return 0;
  }

  override open(flags: number, location: Location, opener: Opener): OpenFile | number {
    switch (this.type) {
      case S_IFIFO:
        return openPipeEnd(this.#pipe ??= new Pipe(), this, location, flags);
      case S_IFCHR:
      case S_IFBLK:
        return this.fileSystem.devices?.open(this, location, flags, opener) ?? -ENXIO;
      default:
        return -ENXIO;
    }
  }
}

/** A new inode of the kind `attributes.mode` says. */
export function newInode(fileSystem: MemoryFileSystem, attributes: NewFile): MemoryInode | number {
  switch (attributes.mode & S_IFMT) {
    case S_IFREG:
      return new MemoryFile(fileSystem, attributes);
    case S_IFDIR:
      return new MemoryDirectory(fileSystem, attributes);
    case S_IFLNK:
      return -EINVAL;
    default:
      return new MemorySpecial(fileSystem, attributes);
  }
}

/** A file system in memory, empty or filled from paths. */
export class MemoryFs extends MemoryFileSystem {
  override readonly type: string = "tmpfs";
  override readonly magic: number = TMPFS_MAGIC;
  override readonly root: MemoryDirectory;

  constructor(now: TimeSource, mode = 0o1777, devices: DeviceTable | null = null) {
    super(now, devices);
    this.root = new MemoryDirectory(this, { mode: S_IFDIR | mode, uid: 0, gid: 0 });
  }

  /**
   * A tree of the given files: absolute path → contents. Parent directories appear by themselves;
   * a path that ends in `/` is an empty directory. Contents that begin with an ELF or `#!` magic
   * are executable. Throws a TypeError for a path that is not absolute or that goes through a file.
   */
  static fromFiles(
    files: ReadonlyMap<string, Uint8Array>,
    now: TimeSource,
    devices: DeviceTable | null = null,
  ): MemoryFs {
    const fs = new MemoryFs(now, 0o755, devices);
    for (const [path, bytes] of files) {
      if (!path.startsWith("/")) throw new TypeError(`not an absolute path: ${path}`);
      const names = path.split("/").filter((name) => name !== "" && name !== ".");
      if (names.includes("..")) throw new TypeError(`path with "..": ${path}`);
      const name = path.endsWith("/") ? undefined : names.pop();
      let directory: Inode = fs.root;
      for (const part of names) {
        const found = directory.lookup(part);
        const next = failed(found)
          ? directory.create(part, { mode: S_IFDIR | 0o755, uid: 0, gid: 0 })
          : found;
        if (failed(next)) throw new TypeError(`path through a file: ${path}`);
        directory = next;
      }
      if (name === undefined) continue;
      const mode = S_IFREG | (isProgram(bytes) ? 0o755 : 0o644);
      const file = directory.create(name, { mode, uid: 0, gid: 0 });
      if (failed(file)) throw new TypeError(`two files at one path: ${path}`);
      file.write(0, bytes);
    }
    return fs;
  }
}

const PROGRAM_MAGICS = ["\x7fELF", "#!"].map((magic) => encodeName(magic));

function isProgram(bytes: Uint8Array): boolean {
  return PROGRAM_MAGICS.some((magic) => magic.every((byte, i) => bytes[i] === byte));
}
