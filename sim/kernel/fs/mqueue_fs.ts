/** The file system of POSIX message queues, /dev/mqueue (mq_overview(7), ipc/mqueue.c). */
import { EEXIST, EINVAL, EMFILE, ENOSPC, EOPNOTSUPP, EPERM } from "../errno.ts";
import {
  bytesOf,
  HARD_MSG_MAX,
  HARD_MSGSIZE_MAX,
  MSG_DEFAULT,
  MSG_MAX,
  MSGSIZE_DEFAULT,
  MSGSIZE_MAX,
  PosixQueue,
  QUEUES_MAX,
  type QueueSize,
} from "../ipc/posix_queue.ts";
import type { WaitQueue } from "../wait_queue.ts";
import {
  POLLIN,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from "./constants.ts";
import type { Location } from "./dentry.ts";
import { encodeName } from "./file_name.ts";
import type { TimeSource } from "./file_system.ts";
import { failed, type Inode, type NewFile, type Opener } from "./inode.ts";
import { MemoryDirectory, MemoryFileSystem, MemoryInode } from "./memory_fs.ts";
import { OpenFile } from "./open_file.ts";

/** Magic of statfs (include/uapi/linux/magic.h). */
const MQUEUE_MAGIC = 0x19800202;
/** Size that stat tells of a queue's file (FILENT_SIZE). */
const FILE_SIZE = 80;
/** RLIMIT_MSGQUEUE where no process is known. */
const DEFAULT_LIMIT = 819200;
const SIGEV_SIGNAL = 0;

/** Who makes a queue. */
export interface QueueMaker {
  readonly uid: number;
  /** Of CAP_SYS_RESOURCE. */
  readonly privileged: boolean;
  /** RLIMIT_MSGQUEUE. */
  readonly limit: number;
}

export class MqueueFs extends MemoryFileSystem {
  override readonly type: string = "mqueue";
  override readonly magic: number = MQUEUE_MAGIC;
  // A queue comes and goes by mq_open and mq_unlink too.
  override readonly volatile: boolean = true;
  override readonly root: QueueDirectory;
  /** Bytes of queues by user. */
  readonly #used: Map<number, number> = new Map();
  #queues = 0;

  constructor(now: TimeSource) {
    super(now);
    this.root = new QueueDirectory(this, { mode: S_IFDIR | 0o1777, uid: 0, gid: 0 });
  }

  /** A queue's inode, for which the limits have room: -EINVAL, -EMFILE, -ENOSPC. */
  make(attributes: NewFile, size: QueueSize, maker: QueueMaker): QueueInode | number {
    if (this.#queues >= QUEUES_MAX && !maker.privileged) return -ENOSPC;
    const { maxMessages, messageSize } = size;
    if (maxMessages <= 0 || messageSize <= 0) return -EINVAL;
    const [most, longest] = maker.privileged
      ? [HARD_MSG_MAX, HARD_MSGSIZE_MAX]
      : [MSG_MAX, MSGSIZE_MAX];
    if (maxMessages > most || messageSize > longest) return -EINVAL;
    const used = (this.#used.get(maker.uid) ?? 0) + bytesOf(size);
    if (used > maker.limit) return -EMFILE;
    this.#used.set(maker.uid, used);
    this.#queues++;
    return new QueueInode(this, attributes, size, maker.uid);
  }

  /** A queue is gone. */
  gone(size: QueueSize, uid: number): void {
    this.#used.set(uid, this.#used.get(uid)! - bytesOf(size));
    this.#queues--;
  }
}

/** The directory: queues can be made and removed, nothing else. */
export class QueueDirectory extends MemoryDirectory {
  declare readonly fileSystem: MqueueFs;

  /** A queue with a name; -EEXIST. */
  make(
    name: string,
    attributes: NewFile,
    size: QueueSize,
    maker: QueueMaker,
  ): QueueInode | number {
    if (!failed(this.lookup(name))) return -EEXIST;
    const inode = this.fileSystem.make(attributes, size, maker);
    if (!failed(inode)) this.add(name, inode);
    return inode;
  }

  /** open(2) with O_CREAT: a queue of the default size. */
  override create(name: string, attributes: NewFile): Inode | number {
    if ((attributes.mode & S_IFMT) !== S_IFREG) return -EPERM;
    const size = { maxMessages: MSG_DEFAULT, messageSize: MSGSIZE_DEFAULT };
    const { uid } = attributes;
    return this.make(name, attributes, size, { uid, privileged: uid === 0, limit: DEFAULT_LIMIT });
  }
  override symlink(): number {
    return -EPERM;
  }
  override link(): number {
    return -EPERM;
  }
  override rmdir(): number {
    return -EPERM;
  }
  override rename(): number {
    return -EPERM;
  }
  override temporary(): number {
    return -EOPNOTSUPP;
  }
}

export class QueueInode extends MemoryInode {
  declare readonly fileSystem: MqueueFs;
  readonly queue: PosixQueue;

  constructor(
    fileSystem: MqueueFs,
    attributes: NewFile,
    size: QueueSize,
    /** Whose limit it counts towards. */
    readonly maker: number,
  ) {
    super(fileSystem, attributes);
    this.queue = new PosixQueue(size);
  }

  override get size(): number {
    return FILE_SIZE;
  }
  override get blocks(): number {
    return 0;
  }

  override open(flags: number, location: Location, _opener: Opener): OpenFile | number {
    return new QueueFile(this, location, flags);
  }
  override truncate(): number {
    return 0;
  }
  override evict(): void {
    this.fileSystem.gone(this.queue.size, this.maker);
  }
}

/** An open queue: a message queue descriptor, and a text that tells how the queue is. */
export class QueueFile extends OpenFile {
  readonly queue: PosixQueue;
  #position = 0;

  constructor(override readonly inode: QueueInode, location: Location, flags: number) {
    super(inode, location, flags);
    this.queue = inode.queue;
  }

  override get splittable(): boolean {
    return true;
  }
  override get offset(): number {
    return this.#position;
  }

  override readAt(position: number, into: Uint8Array): number {
    const part = encodeName(this.#text()).subarray(position, position + into.length);
    into.set(part);
    return part.length;
  }
  override read(into: Uint8Array): number {
    const count = this.readAt(this.#position, into);
    this.#position += count;
    return count;
  }
  override seek(offset: number, whence: number): number {
    const from = { [SEEK_SET]: 0, [SEEK_CUR]: this.#position, [SEEK_END]: FILE_SIZE }[whence];
    if (from === undefined || from + offset < 0) return -EINVAL;
    return this.#position = from + offset;
  }

  #text(): string {
    const { registration, bytes } = this.queue;
    const signo = registration?.notify === SIGEV_SIGNAL ? registration.signo : 0;
    return `QSIZE:${String(bytes).padEnd(10)} ` +
      `NOTIFY:${String(registration?.notify ?? 0).padEnd(5)} ` +
      `SIGNO:${String(signo).padEnd(5)} NOTIFY_PID:${String(registration?.pid ?? 0).padEnd(6)}\n`;
  }

  override poll(): number {
    return (this.queue.messages.length > 0 ? POLLIN | POLLRDNORM : 0) |
      (this.queue.full ? 0 : POLLOUT | POLLWRNORM);
  }
  override get pollable(): boolean {
    return true;
  }
  override waitQueues(): readonly WaitQueue[] {
    return [this.queue.changed];
  }

  /** A process that closes the queue is not told any more. */
  override flush(owner: object): void {
    if (this.queue.registration?.owner === owner) this.queue.unregister();
  }
}
