/**
 * A read-only file system with changes kept in memory. Every lower inode that is looked up gets
 * an upper inode that stays its identity for good: attributes are copied at once, file bytes only
 * where they are written (`FileContent`), directory names only where they change, with a null
 * entry as the whiteout of a removed lower name. A renamed directory takes its lower half along.
 */
import { ENOENT } from "../errno.ts";
import type { DeviceTable } from "./device_table.ts";
import { FileContent } from "./file_content.ts";
import { type FileSystem, OVERLAYFS_MAGIC, type TimeSource } from "./file_system.ts";
import { type DirectoryEntry, failed, type Inode, type NewFile } from "./inode.ts";
import {
  MemoryDirectory,
  MemoryFile,
  MemoryFileSystem,
  type MemoryInode,
  MemorySpecial,
  MemorySymlink,
} from "./memory_fs.ts";

export class OverlayFs extends MemoryFileSystem {
  override readonly type: string = "overlay";
  override readonly magic: number = OVERLAYFS_MAGIC;
  override readonly root: OverlayDirectory;
  /** Upper inode of each lower inode that has been seen. */
  readonly #uppers: Map<Inode, MemoryInode> = new Map();

  constructor(readonly lower: FileSystem, now: TimeSource, devices: DeviceTable | null = null) {
    super(now, devices);
    this.root = new OverlayDirectory(this, lower.root, lower.root, this.number());
    this.#copyAttributes(this.root, lower.root);
  }

  override close(): void {
    this.lower.close();
  }

  /** The upper inode that stands for `lower`, numbered `ino` when it is new. */
  upper(lower: Inode, ino: number | undefined): MemoryInode {
    let upper = this.#uppers.get(lower);
    if (upper !== undefined) return upper;
    const number = ino ?? this.number();
    if (lower.isDirectory) upper = new OverlayDirectory(this, lower, lower, number);
    else if (lower.isSymlink) {
      const target = lower.readlink();
      upper = new OverlaySymlink(this, lower, failed(target) ? "" : target, number);
    } else if (lower.isRegular) upper = new OverlayFile(this, lower, number);
    else upper = new MemorySpecial(this, lower, number);
    this.#copyAttributes(upper, lower);
    this.#uppers.set(lower, upper);
    return upper;
  }

  #copyAttributes(upper: MemoryInode, lower: Inode): void {
    upper.mode = lower.mode;
    upper.nlink = lower.nlink;
    upper.atime = lower.atime;
    upper.mtime = lower.mtime;
    upper.ctime = lower.ctime;
    upper.btime = lower.btime;
  }
}

/** A symbolic link, which never changes: only its space is the lower one's. */
class OverlaySymlink extends MemorySymlink {
  readonly #blocks: number;

  constructor(fileSystem: OverlayFs, lower: Inode, target: string, ino: number) {
    super(fileSystem, lower, target, ino);
    this.#blocks = lower.blocks;
  }

  override get blocks(): number {
    return this.#blocks;
  }
}

/** A regular file over a lower one: the lower one is opened only when its bytes are wanted. */
class OverlayFile extends MemoryFile {
  readonly #lower: Inode;

  constructor(fileSystem: OverlayFs, lower: Inode, ino: number) {
    super(fileSystem, lower, new FileContent(lower, lower.size), ino);
    this.#lower = lower;
  }

  override get blocks(): number {
    return this.content.lower && this.content.pristine ? this.#lower.blocks : super.blocks;
  }

  override open(
    ...args: Parameters<MemoryFile["open"]>
  ): ReturnType<MemoryFile["open"]> {
    if (this.content.lower !== null && this.content.pristine && this.size > 0) {
      const readable = this.#lower.read(0, PROBE);
      if (readable < 0) return readable; // the host user may not read it
    }
    return super.open(...args);
  }
}

const PROBE = new Uint8Array(1);

/** A directory whose names are the upper ones and, unless hidden, the lower ones. */
class OverlayDirectory extends MemoryDirectory {
  /** Inode numbers given out by listings before the name was looked up. */
  readonly #numbers: Map<string, number> = new Map();
  /** Lower names, once listed. */
  #lowerList: readonly DirectoryEntry[] | null = null;

  constructor(
    override readonly fileSystem: OverlayFs,
    readonly lower: Inode,
    attributes: NewFile,
    ino: number,
  ) {
    super(fileSystem, attributes, ino);
  }

  override get size(): number {
    return this.lower.size;
  }
  override get blocks(): number {
    return this.lower.blocks;
  }

  override lookup(name: string): Inode | number {
    const entry = this.entries.get(name);
    if (entry !== undefined) return entry ?? -ENOENT;
    const lower = this.lower.lookup(name);
    if (failed(lower)) return lower;
    const upper = this.fileSystem.upper(lower, this.#numbers.get(name));
    this.entries.set(name, upper);
    return upper;
  }

  #lowerEntries(): readonly DirectoryEntry[] | number {
    if (this.#lowerList !== null) return this.#lowerList;
    const list = this.lower.list();
    if (!failed(list)) this.#lowerList = list;
    return list;
  }

  override list(): readonly DirectoryEntry[] | number {
    const lower = this.#lowerEntries();
    if (failed(lower)) return lower;
    const list: DirectoryEntry[] = [];
    const listed = new Set<string>();
    for (const entry of lower) {
      const upper = this.entries.get(entry.name);
      if (upper === null) continue;
      listed.add(entry.name);
      if (upper !== undefined) {
        list.push({ name: entry.name, ino: upper.ino, type: upper.type });
        continue;
      }
      let { type } = entry;
      if (type === 0) {
        const found = this.lookup(entry.name);
        if (failed(found)) continue;
        type = found.type;
      }
      let ino = this.#numbers.get(entry.name);
      if (ino === undefined) this.#numbers.set(entry.name, ino = this.fileSystem.number());
      list.push({ name: entry.name, ino, type });
    }
    for (const [name, inode] of this.entries) {
      if (inode !== null && !listed.has(name)) {
        list.push({ name, ino: inode.ino, type: inode.type });
      }
    }
    return list;
  }

  override get occupied(): boolean {
    for (const inode of this.entries.values()) if (inode !== null) return true;
    const lower = this.#lowerEntries();
    return failed(lower) || lower.some(({ name }) => this.entries.get(name) !== null);
  }

  protected override remove(name: string): void {
    // A whiteout even where the lower directory has no such name: one lookup saved later.
    this.entries.set(name, null);
    this.modified();
  }
}
