/** Inodes without a path: pipes, sockets, memfds, eventfds and their kin (pipefs, anon_inodefs). */
import { Dentry, type Location, Mount } from "./dentry.ts";
import { EPOCH, FileSystem, type TimeSource } from "./file_system.ts";
import { type AttributeChange, Inode, type NewFile, type Opener } from "./inode.ts";
import { S_IFDIR } from "./constants.ts";
import type { OpenFile } from "./open_file.ts";

/** Makes another open file description of an anonymous inode (`/proc/self/fd/N`). */
export type Reopen = (inode: Inode, location: Location, flags: number) => OpenFile | number;

class AnonymousRoot extends Inode {}

/** A file system nobody can walk: its inodes are known by descriptors only. */
export class AnonymousFs extends FileSystem {
  override readonly root: Inode;
  readonly mount: Mount;
  #nextIno = 2;

  constructor(
    override readonly type: string,
    override readonly magic: number,
    override device: number,
    readonly now: TimeSource,
  ) {
    super();
    this.root = new AnonymousRoot(this, 1, { mode: S_IFDIR | 0o755, uid: 0, gid: 0 }, EPOCH);
    this.mount = new Mount(-1, this, null, false, "none");
  }

  number(): number {
    return this.#nextIno++;
  }

  /** Where `inode` is said to be: `name` as /proc/self/fd shows it. */
  place(inode: Inode, name: string): Location {
    return { mount: this.mount, dentry: new Dentry(null, name, inode) };
  }

  /** A new inode; `reopen` answers opens of `/proc/self/fd/N`, otherwise -ENXIO. */
  inode(attributes: NewFile, reopen: Reopen | null = null): AnonymousInode {
    return new AnonymousInode(this, attributes, reopen);
  }
}

export class AnonymousInode extends Inode {
  constructor(
    override readonly fileSystem: AnonymousFs,
    attributes: NewFile,
    readonly reopen: Reopen | null,
  ) {
    super(fileSystem, fileSystem.number(), attributes, fileSystem.now());
  }

  override open(flags: number, location: Location, opener: Opener): OpenFile | number {
    return this.reopen?.(this, location, flags) ?? super.open(flags, location, opener);
  }

  override setAttributes(change: AttributeChange): number {
    if (change.mode !== undefined) this.mode = this.type | (change.mode & 0o7777);
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
    if (change.atime !== undefined) this.atime = change.atime;
    if (change.mtime !== undefined) this.mtime = change.mtime;
    this.ctime = this.fileSystem.now();
    return 0;
  }
}
