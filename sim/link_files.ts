/** The guest's file system as the linker sees it: through one process's root, directory and rights. */
import type { GuestFile, GuestFiles, MadeContent } from "../lib/linker/target.ts";
import { LinkTargetError } from "../lib/linker/target.ts";
import { R_OK } from "./kernel/fs/constants.ts";
import { inodeAt, type Location } from "./kernel/fs/dentry.ts";
import { failed, type Inode } from "./kernel/fs/inode.ts";
import { readInode } from "./kernel/fs/mapped_pages.ts";
import { checkAccess, type Credentials } from "./kernel/fs/permission.ts";
import type { FsContext, Task } from "./kernel/fs/task.ts";
import type { Vfs } from "./kernel/fs/vfs.ts";
import type { MappedFile } from "./memory/page_cache.ts";
import type { MapSource } from "./memory/vma.ts";

/** What was read of a file, and of which state of it. */
interface Content {
  readonly bytes: Uint8Array;
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Files' contents, read once for all processes. */
const contents = new WeakMap<Inode, Content>();

/** An open file, with what the address space needs to map it. */
export class ProcessFile implements GuestFile {
  readonly identity: string;
  readonly executable: boolean;
  #bytes: Uint8Array | undefined;

  constructor(
    readonly path: string,
    readonly realPath: string,
    readonly inode: Inode,
    /** What to map its pages from. */
    readonly backing: () => MapSource,
  ) {
    this.identity = `${inode.fileSystem.device}:${inode.ino}`;
    this.executable = (inode.mode & 0o111) !== 0;
  }

  get bytes(): Uint8Array {
    return this.#bytes ??= this.#content().bytes;
  }

  #content(): Content {
    const { inode } = this;
    const { seconds, nanoseconds } = inode.mtime;
    const known = contents.get(inode);
    const isCurrent = known !== undefined && known.bytes.length === inode.size &&
      known.seconds === seconds && known.nanoseconds === nanoseconds;
    if (isCurrent) return known;
    const bytes = new Uint8Array(inode.size);
    const count = readInode(inode, 0, bytes);
    if (count < bytes.length) throw new LinkTargetError(`cannot read ${this.path}`);
    const content = { bytes, seconds, nanoseconds };
    contents.set(inode, content);
    return content;
  }
}

/** Made contents that were mapped; all processes share the pages of one. */
const madeIds = new WeakMap<MadeContent, number>();
let madeCount = 0;

/** A made file as the page cache sees it: a page is made when it is first touched. */
class MadePages implements MappedFile {
  readonly id: string;
  readonly path: string | undefined;
  readonly deviceMajor: number | undefined;
  readonly deviceMinor: number | undefined;
  readonly inode: number | undefined;
  readonly size: number;

  constructor(readonly bytes: Uint8Array, readonly content: MadeContent, of: MappedFile) {
    let id = madeIds.get(content);
    if (id === undefined) madeIds.set(content, id = madeCount++);
    this.id = `made:${id}`;
    this.path = of.path;
    this.deviceMajor = of.deviceMajor;
    this.deviceMinor = of.deviceMinor;
    this.inode = of.inode;
    this.size = bytes.length;
  }

  readPage(index: number, into: Uint8Array): void {
    const start = index * into.length;
    const end = Math.min(start + into.length, this.size);
    this.content.fill(start, end - start);
    into.set(this.bytes.subarray(start, end));
  }
}

/** What an address space maps a file's pages from; undefined if it is not of a machine. */
export function backingOf(file: GuestFile): MapSource | undefined {
  if (file instanceof ProcessFile) return file.backing();
  if (file.made === undefined) return undefined;
  const source = backingOf(file.made.from);
  return source && { ...source, file: new MadePages(file.bytes, file.made, source.file) };
}

/** Longest target of a symlink (PATH_MAX). */
const PATH_MAX = 4096;

/** `GuestFiles` for one process: its root and current directory, its user. */
export class ProcessFiles implements GuestFiles {
  readonly #vfs: Vfs;
  readonly #task: Task;

  constructor(vfs: Vfs, fs: FsContext, credentials: Credentials) {
    this.#vfs = vfs;
    this.#task = vfs.task(fs, credentials);
  }

  open(path: string): ProcessFile | undefined {
    const location = this.#find(path, true);
    if (location === undefined) return undefined;
    const inode = inodeAt(location);
    inode.refresh();
    if (!inode.isRegular || checkAccess(inode, R_OK, this.#task.credentials) < 0) return undefined;
    const real = this.#vfs.pathName(location, this.#task.fs.root);
    return new ProcessFile(path, real, inode, () => {
      const source = this.#vfs.mapSource(inode, location, { readable: true, writable: false });
      if (source === null) throw new LinkTargetError(`${path} cannot be mapped`);
      return source;
    });
  }

  exists(path: string): boolean {
    return this.#find(path, true) !== undefined;
  }

  readlink(path: string): string | undefined {
    const location = this.#find(path, false);
    if (location === undefined || !inodeAt(location).isSymlink) return undefined;
    const target = inodeAt(location).readlink();
    return typeof target === "number" ? undefined : target.slice(0, PATH_MAX);
  }

  #find(path: string, follow: boolean): Location | undefined {
    const { fs } = this.#task;
    const found = this.#vfs.resolve(this.#task, fs.cwd, path, follow);
    return failed(found) ? undefined : found;
  }
}
