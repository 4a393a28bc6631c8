/**
 * The virtual file system of one machine: its mounts, its anonymous files, and what the process
 * side needs to start programs.
 */
import { EBADF, ENOENT, ENOTDIR, EPERM } from "../errno.ts";
import type { PageCache } from "../../memory/page_cache.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  S_IFDIR,
  S_IFREG,
} from "./constants.ts";
import { AnonymousFs } from "./anonymous.ts";
import { inodeAt, type Location, Mount, pathOf } from "./dentry.ts";
import { DescriptorTable } from "./descriptor_table.ts";
import { DeviceFs, type RandomSource, standardDevices } from "./devices.ts";
import type { DeviceTable } from "./device_table.ts";
import {
  ANON_INODE_MAGIC,
  type FileSystem,
  PIPEFS_MAGIC,
  SOCKFS_MAGIC,
  type TimeSource,
} from "./file_system.ts";
import type { MapSource } from "../../memory/vma.ts";
import { failed, type Inode } from "./inode.ts";
import { FilePages, readInode, writeInode } from "./mapped_pages.ts";
import { MemoryFs } from "./memory_fs.ts";
import { MqueueFs } from "./mqueue_fs.ts";
import { Network } from "../net/network.ts";
import { mayExecute } from "./open.ts";
import type { Credentials } from "./permission.ts";
import type { OpenFile } from "./open_file.ts";
import { StreamInode, type StreamName } from "./stream_file.ts";
import { hostStreams, type StandardStreams } from "./streams.ts";
import { FsContext, type Task } from "./task.ts";
import { DevPtsFs } from "./tty/devpts.ts";
import { MachineTerminal } from "./tty/machine_terminal.ts";
import type { KernelLink } from "./tty/tty.ts";
import { Walk } from "./walk.ts";
import { IN_ACCESS, IN_CLOSE_NOWRITE, IN_OPEN, notify } from "./watches.ts";

/** Device numbers of the anonymous file systems; mounts are numbered from 0x20 (0:32) on. */
const FIRST_MOUNT_DEVICE = 0x20;

export interface VfsOptions {
  readonly now: TimeSource;
  readonly random: RandomSource;
  /** The page cache; without one, files cannot be mapped. */
  readonly cache?: PageCache;
  /** Standard streams; this process's own by default. */
  readonly streams?: StandardStreams;
  /** Owner of the standard streams, and who `openExecutable` checks for by default. */
  readonly user?: Credentials;
}

/** A file opened for execution; `seam.ts` documents the fields. */
export interface ExecutableFile {
  readonly path: string;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly backing: MapSource;
  readonly inode: Inode;
  read(offset: number, into: Uint8Array): number;
  close(): void;
}

const SYSTEM: Credentials = { uid: 0, gid: 0 };

export class Vfs {
  /** All mounts in the order they were made; the first is the root. */
  readonly mounts: Mount[] = [];
  readonly now: TimeSource;
  readonly devices: DeviceTable;
  readonly pages: FilePages | null;
  readonly pipes: AnonymousFs;
  readonly sockets: AnonymousFs;
  readonly anonymous: AnonymousFs;
  readonly network: Network = new Network();
  /** Where memfds live. */
  readonly memory: MemoryFs;
  readonly #memoryMount: Mount;
  readonly #streams: readonly StreamInode[];
  readonly user: Credentials;
  /** Lets terminals reach the kernel, which is made later. */
  readonly kernelLink: KernelLink = { kernel: null };
  readonly pseudoTerminals: DevPtsFs;
  /** The terminal that programs start on, if there is one; else the standard streams are pipes. */
  readonly terminal: MachineTerminal | null;
  /** POSIX message queues, as mq_open finds them; /dev/mqueue shows the same. */
  readonly messageQueues: Mount;
  #nextMount = 1;

  /** @param root the file system mounted at `/` */
  constructor(root: FileSystem, options: VfsOptions) {
    const { now } = options;
    this.now = now;
    this.user = options.user ?? { uid: 1000, gid: 1000 };
    this.pages = options.cache ? new FilePages(options.cache) : null;
    this.pipes = new AnonymousFs("pipefs", PIPEFS_MAGIC, 0x0d, now);
    this.sockets = new AnonymousFs("sockfs", SOCKFS_MAGIC, 0x08, now);
    this.anonymous = new AnonymousFs("anon_inodefs", ANON_INODE_MAGIC, 0x0e, now);
    this.memory = new MemoryFs(now);
    this.memory.device = 0x01;
    this.memory.pages = this.pages;
    this.#memoryMount = new Mount(-1, this.memory, null, false, "none");

    this.messageQueues = new Mount(-1, new MqueueFs(now), null, false, "none");

    const streams = options.streams ?? hostStreams();
    this.pseudoTerminals = new DevPtsFs(now, this.kernelLink);
    const names: readonly StreamName[] = ["stdin", "stdout", "stderr"];
    this.#streams = names.map((name) =>
      new StreamInode(this.pipes, this.pipes.number(), streams, name, this.user)
    );
    this.terminal = streams.terminal
      ? new MachineTerminal(this.kernelLink, streams.terminal)
      : null;
    if (this.terminal) this.pseudoTerminals.adopt(this.terminal, this.user.uid);
    this.devices = standardDevices(options.random, this.terminal);
    this.pseudoTerminals.register(this.devices);
    this.#attach(root, null, false, "rootfs");
  }

  /** The location of `/`. */
  get root(): Location {
    const [mount] = this.mounts;
    return { mount, dentry: mount.root };
  }

  #attach(fileSystem: FileSystem, over: Location | null, readOnly: boolean, source: string): Mount {
    if (fileSystem.device === 0) fileSystem.device = FIRST_MOUNT_DEVICE + this.mounts.length;
    fileSystem.pages = this.pages;
    const mount = new Mount(
      this.#nextMount++,
      fileSystem,
      over,
      readOnly || fileSystem.readOnly,
      source,
    );
    if (over !== null) over.dentry.mounted = mount;
    this.mounts.push(mount);
    return mount;
  }

  /**
   * Mount `fileSystem` over the directory `path`, which is made if the file system there lets it
   * be made. Throws a TypeError naming the path if it cannot be.
   */
  mount(
    fileSystem: FileSystem,
    path: string,
    options: { readOnly?: boolean; source?: string } = {},
  ): Mount {
    const over = this.#directory(path);
    return this.#attach(
      fileSystem,
      over,
      options.readOnly ?? false,
      options.source ?? fileSystem.type,
    );
  }

  /**
   * Put a regular file with `bytes` at `path`, in place of the one that is there. Throws a TypeError
   * naming the path if it cannot be.
   */
  place(path: string, bytes: Uint8Array, mode: number): void {
    const slash = path.lastIndexOf("/");
    const parent = this.#directory(path.slice(0, slash));
    const name = path.slice(slash + 1);
    const task = this.task(new FsContext(this.root, parent), SYSTEM);
    const found = this.resolve(task, parent, name, true);
    const inode = failed(found)
      ? inodeAt(parent).create(name, { mode: S_IFREG | mode, uid: 0, gid: 0 })
      : inodeAt(found);
    if (failed(inode) || !inode.isRegular) throw new TypeError(`cannot put a file at ${path}`);
    if (failed(found)) parent.dentry.child(name, inode).inode = inode;
    const cut = inode.truncate(0);
    const count = cut < 0 ? cut : writeInode(inode, 0, bytes);
    if (count !== bytes.length) throw new TypeError(`cannot put a file at ${path}`);
  }

  /** The directory at `path`, made with its parents where missing. */
  #directory(path: string): Location {
    let location = this.root;
    for (const name of path.split("/")) {
      if (name === "" || name === ".") continue;
      const next = this.#enter(location, name);
      if (failed(next)) throw new TypeError(`cannot mount at ${path}: no directory ${name}`);
      location = next;
    }
    return location;
  }

  #enter(location: Location, name: string): Location | number {
    const task = this.task(new FsContext(this.root, location), SYSTEM);
    const found = this.resolve(task, location, name, true);
    if (!failed(found)) return inodeAt(found).isDirectory ? found : -ENOTDIR;
    if (found !== -ENOENT) return found;
    const made = inodeAt(location).create(name, { mode: S_IFDIR | 0o755, uid: 0, gid: 0 });
    if (failed(made)) return made;
    const dentry = location.dentry.child(name, made);
    dentry.inode = made;
    return { mount: location.mount, dentry };
  }

  /** Mount what every machine has beside its root: /dev, /dev/shm, /dev/mqueue, /tmp, /run. */
  mountStandard(): void {
    this.mount(new DeviceFs(this.now, this.devices), "/dev");
    this.mount(new MemoryFs(this.now, 0o1777, this.devices), "/dev/shm");
    this.mount(this.messageQueues.fileSystem, "/dev/mqueue");
    this.mount(new MemoryFs(this.now, 0o1777, this.devices), "/tmp");
    this.mount(new MemoryFs(this.now, 0o755, this.devices), "/run");
  }

  /** The machine has ended: write back what mappings changed in host folders, and let go of them. */
  close(): void {
    this.pages?.sync();
    for (const mount of this.mounts) mount.fileSystem.close();
  }

  /** A task of `credentials`, for operations no process asked for. */
  task(fs: FsContext, credentials: Credentials): Task {
    return { fs, credentials, opener: { privileged: credentials.uid === 0 } };
  }

  /** Walk `path` from `start` to the file it names, following a last link if `follow`. */
  resolve(task: Task, start: Location, path: string, follow: boolean): Location | number {
    const walk = new Walk(task.fs, start, task.credentials);
    const error = walk.toParent(path);
    if (error < 0) return error;
    const taken = walk.takeLast(follow);
    return taken < 0 ? taken : walk.location;
  }

  /** A context at `cwd`, root at `/`, umask 022; or -errno. */
  context(cwd: string): FsContext | number {
    const task = this.task(new FsContext(this.root, this.root), this.user);
    const found = this.resolve(task, this.root, cwd, true);
    if (failed(found)) return found;
    return inodeAt(found).isDirectory ? new FsContext(this.root, found) : -ENOTDIR;
  }

  /** A table with 0, 1, 2 open on the machine's standard streams. */
  standardDescriptors(): DescriptorTable {
    const table = new DescriptorTable(this);
    const files = this.terminal === null
      ? this.#streams.map((inode) =>
        inode.open(
          inode.stream === "stdin" ? O_RDONLY : O_WRONLY,
          this.pipes.place(inode, `pipe:[${inode.ino}]`),
          {},
        )
      )
      : new Array(3).fill(this.#openTerminal(this.terminal));
    for (const file of files) table.install(file, 0, false);
    return table;
  }

  #openTerminal(terminal: MachineTerminal): OpenFile {
    const name = `/dev/pts/${terminal.index}`;
    const task = this.task(new FsContext(this.root, this.root), SYSTEM);
    const location = this.resolve(task, this.root, name, true);
    if (failed(location)) throw new TypeError(`cannot open ${name}`);
    const file = inodeAt(location).open(O_RDWR, location, {});
    if (failed(file)) throw new TypeError(`cannot open ${name}`);
    return file;
  }

  /** Absolute path of a location as a process with root `root` sees it; `(deleted)` if it is gone. */
  pathName(location: Location, root: Location = this.root): string {
    const found = pathOf(location, root);
    if (found === null) return location.dentry.name || "/";
    return found.deleted ? `${found.path} (deleted)` : found.path;
  }

  /** An unnamed file in memory (memfd_create). */
  memfd(name: string, owner: Credentials): { inode: Inode; location: Location } {
    const { uid, gid } = owner;
    const inode = this.memory.root.temporary({ mode: S_IFREG | 0o777, uid, gid });
    if (failed(inode)) throw new TypeError("no memory for a memfd");
    const location = {
      mount: this.#memoryMount,
      dentry: this.pipes.place(inode, `/memfd:${name} (deleted)`).dentry,
    };
    return { inode, location };
  }

  /**
   * `inode` as mmap wants it, a new object each time (areas of different objects never merge); null
   * without a page cache.
   */
  mapSource(
    inode: Inode,
    location: Location,
    access: { readable: boolean; writable: boolean },
  ): MapSource | null {
    if (this.pages === null) return null;
    const name = () => this.pathName(location);
    const { file } = this.pages.of(inode, name);
    return {
      file,
      readable: access.readable,
      writable: access.writable,
      get path() {
        return name();
      },
    };
  }

  /** Resolve and check `path` for execution; see `seam.ts`. */
  openExecutable(
    fs: FsContext,
    descriptors: DescriptorTable,
    directory: number,
    path: string,
    flags: number,
    credentials: Credentials = this.user,
  ): ExecutableFile | number {
    let start = fs.cwd;
    if (directory !== AT_FDCWD && !path.startsWith("/")) {
      const file = descriptors.get(directory);
      if (file === null) return -EBADF;
      start = file.location;
    }
    const task = this.task(fs, credentials);
    const location = path === "" && (flags & AT_EMPTY_PATH) !== 0
      ? start
      : this.resolve(task, start, path, (flags & AT_SYMLINK_NOFOLLOW) === 0);
    if (failed(location)) return location;
    const inode = inodeAt(location);
    inode.refresh();
    const denied = mayExecute(task, inode);
    if (denied) return denied;
    const backing = this.mapSource(inode, location, { readable: true, writable: false });
    if (backing === null) return -EPERM;
    const tell = (event: number): void => notify(inode, location.dentry, event);
    tell(IN_OPEN);
    return {
      path: this.pathName(location, fs.root),
      size: inode.size,
      mode: inode.mode,
      uid: inode.uid,
      gid: inode.gid,
      backing,
      inode,
      read: (offset, into) => {
        const count = readInode(inode, offset, into);
        if (count > 0) tell(IN_ACCESS);
        return count;
      },
      close: () => tell(IN_CLOSE_NOWRITE),
    };
  }
}
