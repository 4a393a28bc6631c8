/**
 * A folder of the host as a file system, read-only or writable.
 *
 * Confinement: the host is only ever given paths made of the folder's real path and names that
 * our own walk found, none of them `..` or with a separator; symbolic links are read as text and
 * resolved by the VFS. Before a file is opened, and before anything is changed, the host's own
 * reading of the path must be that same path, so that a link put there meanwhile is refused. An
 * inode whose name is gone never uses a path again.
 */
import {
  EACCES,
  EISDIR,
  ENOENT,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  EROFS,
  ESTALE,
  EXDEV,
} from "../errno.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "./constants.ts";
import type { Location } from "./dentry.ts";
import { EXT4_MAGIC, FileSystem } from "./file_system.ts";
import { HandleCache } from "./host_handles.ts";
import { hostErrno, onHost } from "./host_errno.ts";
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
import { Directory, RegularFile } from "./regular_file.ts";

export interface HostFsOptions {
  /** Pass changes on to the host; otherwise the folder is read-only. */
  readonly writable?: boolean;
  /** Owner a host file appears to have; by default the host's own numbers. */
  readonly owner?: (uid: number, gid: number) => { uid: number; gid: number };
}

const WINDOWS = Deno.build.os === "windows";
/** Host file systems that fold case or normalise names: a name must be listed to exist. */
const INEXACT_NAMES = Deno.build.os === "windows" || Deno.build.os === "darwin";

/**
 * Owners such that what belongs to the user who runs the machine belongs to the guest's user, and
 * the rest to whom the host says. `evenRoot`: also when that user is root.
 */
export function ownedByGuest(
  guest: { uid: number; gid: number },
  evenRoot: boolean,
): HostFsOptions["owner"] {
  const self = WINDOWS ? null : Deno.uid();
  if (self === null || (self === 0 && !evenRoot)) return undefined;
  return (uid, gid) => uid === self ? guest : { uid, gid };
}

export class HostFs extends FileSystem {
  override readonly type: string = "ext4";
  override readonly magic: number = EXT4_MAGIC;
  override readonly readOnly: boolean;
  override readonly volatile: boolean;
  override readonly root: HostInode;
  readonly handles: HandleCache = new HandleCache();
  readonly options: HostFsOptions;
  /** Inodes with several names, by `dev:ino`, so that hard links are one inode (read-only only). */
  readonly #linked: Map<string, HostInode> = new Map();
  #nextIno = 2;

  /**
   * `folder` may be relative and may itself be reached through links. Throws the host's
   * `Deno.errors` when it is not a readable directory.
   */
  constructor(readonly folder: string, options: HostFsOptions = {}) {
    super();
    this.options = options;
    this.readOnly = !options.writable;
    this.volatile = options.writable ?? false;
    const path = Deno.realPathSync(folder);
    const info = Deno.lstatSync(path);
    if (!info.isDirectory) throw new Deno.errors.NotADirectory(`not a folder: ${folder}`);
    this.root = new HostInode(this, null, path === "/" ? "" : path, info, 1);
  }

  /** A number for an inode. */
  number(): number {
    return this.#nextIno++;
  }

  /** The inode of a name with attributes `info`; `ino` is its number if it is new. */
  inode(parent: HostInode, name: string, info: Deno.FileInfo, ino: number): HostInode {
    if (this.volatile || info.isDirectory || (info.nlink ?? 1) < 2 || info.ino === null) {
      return new HostInode(this, parent, name, info, ino);
    }
    const key = `${info.dev}:${info.ino}`;
    let inode = this.#linked.get(key);
    if (inode === undefined) {
      inode = new HostInode(this, parent, name, info, ino);
      this.#linked.set(key, inode);
    }
    return inode;
  }

  /** Close what is open on the host. */
  override close(): void {
    this.handles.close();
  }
}

/** Type and permission bits of a host file, where the host has them. */
function modeOf(info: Deno.FileInfo): number {
  if (info.mode !== null) return info.mode;
  return info.isDirectory ? S_IFDIR | 0o755 : info.isSymlink ? S_IFLNK | 0o777 : S_IFREG | 0o755;
}

function timestamp(date: Date | null, otherwise: Timestamp): Timestamp {
  if (date === null) return otherwise;
  const milliseconds = date.getTime();
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanoseconds: (milliseconds - seconds * 1000) * 1e6 };
}

const UNKNOWN_TIME: Timestamp = { seconds: 0, nanoseconds: 0 };

export class HostInode extends Inode {
  #size = 0;
  #blocks = 0;
  /** The name is gone: only an open handle may still be used. */
  #detached = false;
  /** Names on the host, where it takes other spellings for the same file. */
  #names: Set<string> | null = null;
  /** Inode number on the host. */
  #hostIno: number | null = null;
  /** Inodes handed out by name, in a writable folder: a name keeps its inode while the host's does. */
  readonly #children: Map<string, HostInode> = new Map();
  /** Numbers of the inodes under names here, which a listing shows before anything is known of them. */
  readonly #numbers: Map<string, number> = new Map();

  constructor(
    override readonly fileSystem: HostFs,
    private parent: HostInode | null,
    private name: string,
    info: Deno.FileInfo,
    ino: number,
  ) {
    super(fileSystem, ino, { mode: modeOf(info), uid: 0, gid: 0 }, UNKNOWN_TIME);
    this.#load(info);
  }

  #load(info: Deno.FileInfo): void {
    this.mode = modeOf(info);
    const owner = { uid: info.uid ?? 0, gid: info.gid ?? 0 };
    const { uid, gid } = this.fileSystem.options.owner?.(owner.uid, owner.gid) ?? owner;
    this.uid = uid;
    this.gid = gid;
    this.nlink = info.nlink ?? 1;
    this.rdev = info.rdev ?? 0;
    this.#size = info.size;
    this.#hostIno = info.ino;
    this.#blocks = info.blocks ?? Math.ceil(info.size / 4096) * 8;
    this.mtime = timestamp(info.mtime, UNKNOWN_TIME);
    this.atime = timestamp(info.atime, this.mtime);
    this.ctime = timestamp(info.ctime, this.mtime);
    this.btime = timestamp(info.birthtime, this.ctime);
  }

  /** Path on the host: the folder's real path and the names below it. */
  get hostPath(): string {
    return this.parent === null ? this.name : `${this.parent.hostPath}/${this.name}`;
  }

  /** Whether the host reads this inode's path as itself: no link has been put in the way. */
  #genuine(): boolean {
    if (this.#detached) return false;
    const path = this.hostPath || "/";
    const real = onHost(() => Deno.realPathSync(path));
    return real === path || (INEXACT_NAMES && !failed(real));
  }

  override get size(): number {
    return this.#size;
  }
  override get blocks(): number {
    return this.#blocks;
  }

  override refresh(): void {
    if (!this.fileSystem.volatile) return;
    const held = this.fileSystem.handles.held(this);
    if (held === null && this.#detached) return;
    const info = onHost(() => held ? held.statSync() : Deno.lstatSync(this.hostPath || "/"));
    // A file of another kind under the name is another file; it shows at the next lookup.
    if (!failed(info) && (modeOf(info) & S_IFMT) === this.type) this.#load(info);
  }

  override open(flags: number, location: Location, opener: Opener): OpenFile | number {
    if (this.isDirectory) return new Directory(this, location, flags);
    if (!this.isRegular) return -EACCES; // a device of the host is not the guest's to open
    const handle = this.handle();
    return failed(handle) ? handle : new RegularFile(this, location, flags, opener);
  }

  /** The host's file, opened if need be; -EACCES when the host user may not read it. */
  handle(): Deno.FsFile | number {
    const { handles, volatile } = this.fileSystem;
    const held = handles.get(this);
    if (held !== null) return held;
    if (!this.#genuine()) return -ESTALE;
    let file: Deno.FsFile;
    try {
      file = Deno.openSync(this.hostPath, { read: true, write: volatile });
    } catch (error) {
      if (!volatile) return hostErrno(error);
      // A file the host user may not write can still be read.
      const readOnly = onHost(() => Deno.openSync(this.hostPath));
      if (failed(readOnly)) return readOnly;
      file = readOnly;
    }
    handles.put(this, file);
    return file;
  }

  override read(position: number, into: Uint8Array): number {
    if (this.isDirectory) return -EISDIR;
    const handle = this.handle();
    if (failed(handle)) return handle;
    return this.fileSystem.handles.read(
      this,
      handle,
      position,
      into,
      this.fileSystem.volatile ? null : this.#size,
    );
  }

  override lookup(name: string): Inode | number {
    if (!this.isDirectory) return -ENOTDIR;
    const path = this.#childPath(name);
    if (failed(path)) return path;
    if (this.fileSystem.volatile && !this.#genuine()) return -ENOENT;
    const info = onHost(() => Deno.lstatSync(path));
    if (failed(info)) return info;
    const { fileSystem } = this;
    if (!fileSystem.volatile) return fileSystem.inode(this, name, info, this.#number(name));
    const known = this.#children.get(name);
    if (known !== undefined && known.#stands(info)) {
      known.#load(info);
      return known;
    }
    // Another file than before is another inode.
    if (known !== undefined) this.#numbers.delete(name);
    const child = fileSystem.inode(this, name, info, this.#number(name));
    this.#children.set(name, child);
    return child;
  }

  #number(name: string): number {
    let ino = this.#numbers.get(name);
    if (ino === undefined) this.#numbers.set(name, ino = this.fileSystem.number());
    return ino;
  }

  /** Whether this is still the file the host describes as `info`. */
  #stands(info: Deno.FileInfo): boolean {
    return !this.#detached && info.ino === this.#hostIno && (modeOf(info) & S_IFMT) === this.type;
  }

  /** Host path of `name` here; -ENOENT for names the host would not take as one name. */
  #childPath(name: string): string | number {
    if (WINDOWS && /[\\:*?"<>|]/.test(name)) return -ENOENT;
    if (!name.isWellFormed() || this.#detached) return -ENOENT;
    if (INEXACT_NAMES) {
      if (this.#names === null || this.fileSystem.volatile) {
        const list = this.list();
        if (failed(list)) return list;
        this.#names = new Set(list.map((entry) => entry.name));
      }
      if (!this.#names.has(name)) return -ENOENT;
    }
    return `${this.hostPath}/${name}`;
  }

  override list(): readonly DirectoryEntry[] | number {
    if (!this.isDirectory) return -ENOTDIR;
    if (this.#detached) return [];
    if (this.fileSystem.volatile && !this.#genuine()) return -ENOENT;
    const entries = onHost(() => [...Deno.readDirSync(this.hostPath || "/")]);
    if (failed(entries)) return entries;
    return entries
      .map(({ name, isDirectory, isSymlink, isFile }) => {
        const type = isDirectory ? S_IFDIR : isSymlink ? S_IFLNK : isFile ? S_IFREG : 0;
        return { name, type, ino: this.#number(name) };
      })
      .sort((a, b) => a.name < b.name ? -1 : 1);
  }

  override readlink(): string | number {
    return onHost(() => Deno.readLinkSync(this.hostPath));
  }

  // Changes, of a writable folder.

  /** Path for a new or changed name, after checking that this directory is where we think. */
  #changePath(name: string): string | number {
    if (!this.fileSystem.volatile) return -EROFS;
    if (!this.isDirectory) return -ENOTDIR;
    if (!this.#genuine()) return -ENOENT;
    if (WINDOWS && /[\\:*?"<>|]/.test(name)) return -EPERM;
    return name.isWellFormed() ? `${this.hostPath}/${name}` : -EPERM;
  }

  override create(name: string, { mode }: NewFile): Inode | number {
    const path = this.#changePath(name);
    if (failed(path)) return path;
    const permissions = mode & 0o7777;
    let file: Deno.FsFile | null = null;
    const made = onHost(() => {
      switch (mode & S_IFMT) {
        case S_IFREG:
          file = Deno.openSync(path, { read: true, write: true, createNew: true });
          break;
        case S_IFDIR:
          Deno.mkdirSync(path, { mode: permissions });
          break;
        default:
          return -EPERM;
      }
      if (!WINDOWS) Deno.chmodSync(path, permissions); // undo the host's umask
      return 0;
    });
    const child = made < 0 ? made : this.lookup(name);
    // Whoever makes a file may use it, whatever its mode allows from then on: the handle is kept.
    if (file !== null && child instanceof HostInode) this.fileSystem.handles.put(child, file);
    else (file as Deno.FsFile | null)?.close();
    return child;
  }

  override symlink(name: string, target: string): Inode | number {
    const path = this.#changePath(name);
    if (failed(path)) return path;
    const made = onHost(() => (Deno.symlinkSync(target, path), 0));
    return made < 0 ? made : this.lookup(name);
  }

  override link(name: string, inode: Inode): number {
    const path = this.#changePath(name);
    if (failed(path)) return path;
    if (!(inode instanceof HostInode)) return -EXDEV;
    // Elsewhere than on Linux, link() may follow a symbolic link.
    if (!inode.isRegular && Deno.build.os !== "linux") return -EPERM;
    if (inode.isRegular && !inode.#genuine()) return -ENOENT;
    return onHost(() => (Deno.linkSync(inode.hostPath, path), 0));
  }

  override unlink(name: string): number {
    return this.#remove(name, false);
  }
  override rmdir(name: string): number {
    return this.#remove(name, true);
  }

  #remove(name: string, directory: boolean): number {
    const path = this.#changePath(name);
    if (failed(path)) return path;
    return onHost(() => {
      const { isDirectory } = Deno.lstatSync(path);
      if (isDirectory !== directory) return directory ? -ENOTDIR : -EISDIR;
      Deno.removeSync(path);
      this.#numbers.delete(name);
      return 0;
    });
  }

  override rename(name: string, newDirectory: Inode, newName: string, exchange: boolean): number {
    if (!(newDirectory instanceof HostInode)) return -EXDEV;
    if (exchange) return -EOPNOTSUPP;
    const from = this.#changePath(name);
    if (failed(from)) return from;
    const to = newDirectory.#changePath(newName);
    if (failed(to)) return to;
    const result = onHost(() => (Deno.renameSync(from, to), 0));
    if (result < 0) return result;
    const moved = this.#children.get(name);
    this.#children.delete(name);
    if (moved) newDirectory.#children.set(newName, moved);
    const ino = this.#number(name);
    this.#numbers.delete(name);
    newDirectory.#numbers.set(newName, ino);
    return 0;
  }

  override beforeUnlink(): void {
    // Once the name is gone, only a file that is open already can still be read.
    if (this.isRegular && this.users > 0 && !failed(this.handle())) {
      this.fileSystem.handles.pin(this);
    }
  }

  override afterUnlink(): void {
    this.#detached = true;
    if (this.nlink > 0) this.nlink--;
  }

  override afterRename(directory: Inode, name: string): void {
    if (directory instanceof HostInode) this.parent = directory;
    this.name = name;
  }

  override evict(): void {
    this.fileSystem.handles.drop(this);
  }

  /** The VFS gave this inode another name. */
  moved(parent: HostInode, name: string): void {
    this.parent = parent;
    this.name = name;
  }

  override write(position: number, from: Uint8Array): number {
    const handle = this.#writable();
    if (failed(handle)) return handle;
    return onHost(() => {
      handle.seekSync(position, Deno.SeekMode.Start);
      let done = 0;
      while (done < from.length) done += handle.writeSync(from.subarray(done));
      this.#size = Math.max(this.#size, position + done);
      return done;
    });
  }

  override truncate(size: number): number {
    const handle = this.#writable();
    if (failed(handle)) return handle;
    return onHost(() => {
      handle.truncateSync(size);
      this.#size = size;
      return 0;
    });
  }

  #writable(): Deno.FsFile | number {
    if (this.isDirectory) return -EISDIR;
    return this.fileSystem.volatile ? this.handle() : -EROFS;
  }

  override setAttributes(change: AttributeChange): number {
    if (!this.fileSystem.volatile) return -EROFS;
    if (this.isSymlink) return -EOPNOTSUPP; // the host's calls would follow it
    if (!this.#genuine()) return -ESTALE;
    const path = this.hostPath || "/";
    return onHost(() => {
      if (change.mode !== undefined) Deno.chmodSync(path, change.mode & 0o7777);
      if (change.uid !== undefined && change.uid !== this.uid) return -EPERM;
      if (change.gid !== undefined && change.gid !== this.gid) return -EPERM;
      if (change.atime !== undefined || change.mtime !== undefined) {
        Deno.utimeSync(path, date(change.atime ?? this.atime), date(change.mtime ?? this.mtime));
      }
      this.refresh();
      return 0;
    });
  }
}

function date(time: Timestamp): Date {
  return new Date(time.seconds * 1000 + Math.floor(time.nanoseconds / 1e6));
}
