/** Files whose contents are made up when they are read: the building blocks of procfs and sysfs. */
import { EACCES, EINVAL, ENOENT, EPERM } from "../errno.ts";
import { S_IFDIR, S_IFLNK, S_IFREG, SEEK_CUR, SEEK_END, SEEK_SET } from "./constants.ts";
import type { Location } from "./dentry.ts";
import { encodeName } from "./file_name.ts";
import { FileSystem, type TimeSource } from "./file_system.ts";
import { type AttributeChange, type DirectoryEntry, failed, Inode, type Opener } from "./inode.ts";
import { OpenFile } from "./open_file.ts";
import { Directory } from "./regular_file.ts";

/** Who owns an entry; asked at each stat, because a process can change its user. */
export type Owner = () => { uid: number; gid: number };

const ROOT_OWNER: Owner = () => ({ uid: 0, gid: 0 });

export abstract class SyntheticFs extends FileSystem {
  override readonly volatile: boolean = true;
  #nextIno = 1;

  constructor(readonly now: TimeSource) {
    super();
  }

  number(): number {
    return this.#nextIno++;
  }

  override capacity(): { blocks: number; free: number; files: number; freeFiles: number } {
    return { blocks: 0, free: 0, files: 0, freeFiles: 0 };
  }
}

/** What all made-up inodes share: an owner asked anew, no changes. */
abstract class SyntheticInode extends Inode {
  constructor(
    override readonly fileSystem: SyntheticFs,
    mode: number,
    readonly owner: Owner = ROOT_OWNER,
  ) {
    super(fileSystem, fileSystem.number(), { mode, ...owner() }, fileSystem.now());
  }

  override refresh(): void {
    const { uid, gid } = this.owner();
    this.uid = uid;
    this.gid = gid;
  }

  override get blocks(): number {
    return 0;
  }

  override setAttributes(_change: AttributeChange): number {
    return -EPERM;
  }
}

/** Contents of a made-up file: text, bytes, or -errno. */
export type Contents = () => string | Uint8Array | number;

export class SyntheticFile extends SyntheticInode {
  /** @param store takes what is written, if anything may be: 0 or -errno */
  constructor(
    fileSystem: SyntheticFs,
    readonly contents: Contents,
    options: { mode?: number; owner?: Owner; store?: (text: string) => number } = {},
  ) {
    super(fileSystem, S_IFREG | (options.mode ?? 0o444), options.owner);
    this.store = options.store ?? null;
  }

  readonly store: ((text: string) => number) | null;

  override open(flags: number, location: Location, _opener: Opener): OpenFile | number {
    return new SyntheticOpenFile(this, location, flags);
  }

  override truncate(): number {
    return 0;
  }
}

/** Contents are taken when reading begins, and again after a seek to the start. */
class SyntheticOpenFile extends OpenFile {
  #bytes: Uint8Array | null = null;
  #position = 0;

  constructor(readonly file: SyntheticFile, location: Location, flags: number) {
    super(file, location, flags);
  }

  override get splittable(): boolean {
    return true;
  }
  override get offset(): number {
    return this.#position;
  }

  #contents(): Uint8Array | number {
    if (this.#bytes === null) {
      const contents = this.file.contents();
      if (typeof contents === "number") return contents;
      this.#bytes = typeof contents === "string" ? encodeName(contents) : contents;
    }
    return this.#bytes;
  }

  override readAt(position: number, into: Uint8Array): number {
    if (position === 0) this.#bytes = null;
    const bytes = this.#contents();
    if (typeof bytes === "number") return bytes;
    const part = bytes.subarray(position, position + into.length);
    into.set(part);
    return part.length;
  }

  override read(into: Uint8Array): number {
    const count = this.readAt(this.#position, into);
    if (count > 0) this.#position += count;
    return count;
  }

  override write(from: Uint8Array): number {
    const { store } = this.file;
    if (store === null) return -EACCES;
    const result = store(new TextDecoder().decode(from));
    if (result < 0) return result;
    this.#position += from.length;
    return from.length;
  }
  override writeAt(_position: number, from: Uint8Array): number {
    return this.write(from);
  }

  override seek(offset: number, whence: number): number {
    const target = whence === SEEK_SET
      ? offset
      : whence === SEEK_CUR
      ? this.#position + offset
      : -1;
    if (whence === SEEK_END || target < 0) return -EINVAL;
    return this.#position = target;
  }
}

/** A symbolic link; with `where`, a magic one that is followed there whatever its text says. */
export class SyntheticLink extends SyntheticInode {
  constructor(
    fileSystem: SyntheticFs,
    readonly text: () => string | number,
    options: { where?: () => Location | number; mode?: number; owner?: Owner } = {},
  ) {
    super(fileSystem, S_IFLNK | (options.mode ?? 0o777), options.owner);
    this.where = options.where ?? null;
  }

  readonly where: (() => Location | number) | null;

  override readlink(): string | number {
    return this.text();
  }
  override magicLocation(): Location | number | undefined {
    return this.where?.();
  }
}

/** A directory with entries that are made when first looked up and kept. */
export class SyntheticDirectory extends SyntheticInode {
  readonly #entries: Map<string, Inode | (() => Inode)>;
  readonly #dynamic: DynamicEntries | null;
  readonly #made: Map<string, Inode> = new Map();

  /** @param dynamic entries beyond the fixed ones: processes, descriptors, threads */
  constructor(
    fileSystem: SyntheticFs,
    entries: Readonly<Record<string, Inode | (() => Inode)>>,
    options: { mode?: number; owner?: Owner; dynamic?: DynamicEntries } = {},
  ) {
    super(fileSystem, S_IFDIR | (options.mode ?? 0o555), options.owner);
    this.#entries = new Map(Object.entries(entries));
    this.#dynamic = options.dynamic ?? null;
    this.nlink = 2;
  }

  override open(flags: number, location: Location, _opener: Opener): OpenFile | number {
    return new Directory(this, location, flags);
  }

  override lookup(name: string): Inode | number {
    const entry = this.#entries.get(name);
    if (entry === undefined) {
      const found = this.#dynamic?.find(name) ?? -ENOENT;
      if (!failed(found)) found.refresh();
      return found;
    }
    if (entry instanceof Inode) return entry;
    let inode = this.#made.get(name);
    if (inode === undefined) this.#made.set(name, inode = entry());
    inode.refresh();
    return inode;
  }

  override list(): readonly DirectoryEntry[] | number {
    const list: DirectoryEntry[] = [];
    for (const name of [...this.#entries.keys(), ...this.#dynamic?.names() ?? []]) {
      const inode = this.lookup(name);
      if (!failed(inode)) list.push({ name, ino: inode.ino, type: inode.type });
    }
    return list;
  }

  override create(): number {
    return -EACCES;
  }
  override symlink(): number {
    return -EACCES;
  }
}

/** Entries that come and go. `find` must answer the same inode for as long as the entry lasts. */
export interface DynamicEntries {
  names(): Iterable<string>;
  find(name: string): Inode | number;
}
