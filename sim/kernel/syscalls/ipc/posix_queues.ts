/** POSIX message queues: mq_open(2), mq_unlink(2), mq_timedsend(2), mq_timedreceive(2), mq_getsetattr(2). */
import { Struct } from "../../abi/struct.ts";
import { Timespec } from "../../abi/structs.ts";
import { CLOCK_REALTIME, deadlineOf } from "../../clocks.ts";
import {
  EACCES,
  EAGAIN,
  EBADF,
  EEXIST,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENAMETOOLONG,
  ENOENT,
  ETIMEDOUT,
} from "../../errno.ts";
import {
  flagsFromGuest,
  NAME_MAX,
  O_ACCMODE,
  O_CREAT,
  O_EXCL,
  O_NONBLOCK,
  O_RDWR,
  O_WRONLY,
  R_OK,
  S_IFREG,
  W_OK,
} from "../../fs/constants.ts";
import type { Dentry } from "../../fs/dentry.ts";
import { nameLength } from "../../fs/file_name.ts";
import { failed } from "../../fs/inode.ts";
import { IN_CREATE, notifyName } from "../../fs/watches.ts";
import { type QueueDirectory, QueueFile, type QueueInode } from "../../fs/mqueue_fs.ts";
import { newAttributes, unlink } from "../../fs/namespace.ts";
import { checkAccess } from "../../fs/permission.ts";
import { fileOf, readPath, tableOf, taskOf, vfsOf } from "../../fs/user_io.ts";
import { lookupDentry } from "../../fs/walk.ts";
import {
  MQ_PRIO_MAX,
  MSG_DEFAULT,
  MSGSIZE_DEFAULT,
  type PosixQueue,
  type PriorityMessage,
  QueueWaiter,
} from "../../ipc/posix_queue.ts";
import type { Call, SyscallRow } from "../../syscall.ts";
import { readStruct, writeInt, writeStruct } from "../../user_struct.ts";
import { mqNotify } from "./posix_notification.ts";

/** struct mq_attr */
export const MqAttr = new Struct("mq_attr", {
  flags: "i64",
  maxMessages: "i64",
  messageSize: "i64",
  messages: "i64",
  reserved: { zero: 32 },
});
/** RLIMIT_MSGQUEUE */
const RLIMIT_MSGQUEUE = 12;

/** The name at `va`, without the slash that the C library takes away; or -errno (lookup_one_len). */
function nameAt(call: Call, va: number): string | number {
  const name = readPath(call.space, va);
  if (failed(name)) return name;
  if (name === "") return -ENOENT;
  if (nameLength(name) > NAME_MAX) return -ENAMETOOLONG;
  return name === "." || name === ".." || name.includes("/") ? -EACCES : name;
}

function open(call: Call, va: number, guestFlags: number, mode: number, at: number): number {
  const attributes = at === 0 ? undefined : readStruct(call.space, MqAttr, at);
  if (attributes === null) return -EFAULT;
  const name = nameAt(call, va);
  if (failed(name)) return name;
  const flags = flagsFromGuest(call.arch, guestFlags);
  const mount = vfsOf(call).messageQueues;
  const dentry = lookupDentry(mount.root, name);
  if (failed(dentry)) return dentry;
  const task = taskOf(call);
  if (dentry.inode === null) {
    if ((flags & O_CREAT) === 0) return -ENOENT;
    const size = attributes ?? { maxMessages: MSG_DEFAULT, messageSize: MSGSIZE_DEFAULT };
    const made = create(call, dentry, mode, size);
    if (failed(made)) return made;
  } else {
    if ((flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0) return -EEXIST;
    const access = flags & O_ACCMODE;
    if (access === O_ACCMODE) return -EINVAL;
    const wanted = access === O_RDWR ? R_OK | W_OK : access === O_WRONLY ? W_OK : R_OK;
    const denied = checkAccess(dentry.inode, wanted, task.credentials);
    if (denied) return denied;
  }
  const kept = flags & (O_ACCMODE | O_NONBLOCK);
  const file = new QueueFile(dentry.inode as QueueInode, { mount, dentry }, kept);
  return tableOf(call).install(file, 0, true);
}

/** Make the queue of an absent name. */
function create(
  call: Call,
  dentry: Dentry,
  mode: number,
  size: { maxMessages: number; messageSize: number },
): QueueInode | number {
  const directory = dentry.parent!.inode as QueueDirectory;
  const task = taskOf(call);
  const denied = checkAccess(directory, W_OK, task.credentials);
  if (denied) return denied;
  const { limits, credentials } = call.process;
  const maker = {
    uid: credentials.uid,
    privileged: credentials.euid === 0,
    limit: limits[RLIMIT_MSGQUEUE].soft,
  };
  const attributes = newAttributes(task, S_IFREG | mode & 0o7777);
  const made = directory.make(dentry.name, attributes, size, maker);
  if (failed(made)) return made;
  dentry.inode = made;
  notifyName(directory, dentry.name, made, IN_CREATE);
  return made;
}

function mqUnlink(call: Call, va: number): number {
  const name = nameAt(call, va);
  if (failed(name)) return name;
  const mount = vfsOf(call).messageQueues;
  return unlink(taskOf(call), { mount, dentry: mount.root }, name);
}

/** The queue behind a descriptor, or null. */
function queueOf(call: Call, fd: number): QueueFile | null {
  const file = fileOf(call, fd);
  return file instanceof QueueFile ? file : null;
}

/** What a blocked call remembers. */
interface Wait {
  readonly queue: PosixQueue;
  readonly waiter: QueueWaiter;
  readonly deadline: number;
}

/** Monotonic deadline of the absolute time at `va`, Infinity without one; or -errno. */
function deadlineAt(call: Call, va: number): number {
  if (va === 0) return Infinity;
  const time = readStruct(call.space, Timespec, va);
  if (time === null) return -EFAULT;
  if (time.sec < 0 || time.nsec < 0 || time.nsec >= 1e9) return -EINVAL;
  return Math.max(0, deadlineOf(call.kernel.clock, CLOCK_REALTIME, time, true));
}

function sleep(call: Call): number {
  const { queue, waiter, deadline } = call.state as Wait;
  return call.block(waiter.wakeUp, { deadline, abandoned: () => queue.forget(waiter) });
}

/** The thread runs again: the waiter that is done, or how the call goes on. */
function awaited(call: Call): QueueWaiter | number {
  const { queue, waiter } = call.state as Wait;
  if (waiter.done) return waiter;
  if (!call.timedOut) return sleep(call);
  queue.forget(waiter);
  return -ETIMEDOUT;
}

function send(
  call: Call,
  fd: number,
  va: number,
  length: number,
  priority: number,
  timeout: number,
): number {
  if (call.resumed) {
    const waiter = awaited(call);
    return typeof waiter === "number" ? waiter : 0;
  }
  const deadline = deadlineAt(call, timeout);
  if (deadline < 0) return deadline;
  if (priority >= MQ_PRIO_MAX) return -EINVAL;
  const file = queueOf(call, fd);
  if (file === null || !file.writable) return -EBADF;
  const { queue } = file;
  if (length > queue.size.messageSize) return -EMSGSIZE;
  const text = new Uint8Array(length);
  if (call.space.copyIn(va, text) < 0) return -EFAULT;
  const { pid, credentials: { uid } } = call.process;
  const result = queue.send({ priority, text }, { pid, uid });
  if (result !== -EAGAIN || (file.flags & O_NONBLOCK) !== 0) return result;
  const waiter = new QueueWaiter({ priority, text });
  queue.waitToSend(waiter);
  call.state = { queue, waiter, deadline } satisfies Wait;
  return sleep(call);
}

function receive(
  call: Call,
  fd: number,
  va: number,
  length: number,
  priority: number,
  timeout: number,
): number {
  if (call.resumed) {
    const waiter = awaited(call);
    return typeof waiter === "number" ? waiter : store(call, va, priority, waiter.message!);
  }
  const deadline = deadlineAt(call, timeout);
  if (deadline < 0) return deadline;
  const file = queueOf(call, fd);
  if (file === null || !file.readable) return -EBADF;
  const { queue } = file;
  if (length < queue.size.messageSize) return -EMSGSIZE;
  const message = queue.receive();
  if (!failed(message)) return store(call, va, priority, message);
  if ((file.flags & O_NONBLOCK) !== 0) return message;
  const waiter = new QueueWaiter(null);
  queue.waitToReceive(waiter);
  call.state = { queue, waiter, deadline } satisfies Wait;
  return sleep(call);
}

function store(call: Call, va: number, priority: number, message: PriorityMessage): number {
  if (priority !== 0 && writeInt(call.space, priority, message.priority) < 0) return -EFAULT;
  return call.space.copyOut(va, message.text) < 0 ? -EFAULT : message.text.length;
}

function getSetAttributes(call: Call, fd: number, next: number, old: number): number {
  const wanted = next === 0 ? undefined : readStruct(call.space, MqAttr, next);
  if (wanted === null) return -EFAULT;
  if (wanted && (wanted.flags & ~O_NONBLOCK) !== 0) return -EINVAL;
  const file = queueOf(call, fd);
  if (file === null) return -EBADF;
  const { size, messages } = file.queue;
  const before = { ...size, flags: file.flags & O_NONBLOCK, messages: messages.length };
  if (wanted) file.flags = (file.flags & ~O_NONBLOCK) | wanted.flags;
  return old === 0 ? 0 : writeStruct(call.space, MqAttr, old, before);
}

export const posixQueueRows: readonly SyscallRow[] = [
  {
    name: "mq_open",
    x86_64: 240,
    aarch64: 180,
    args: ["path", "flags:open", "mode", "struct:mq_attr"],
    run: open,
  },
  { name: "mq_unlink", x86_64: 241, aarch64: 181, args: ["path"], run: mqUnlink },
  {
    name: "mq_timedsend",
    x86_64: 242,
    aarch64: 182,
    args: ["fd", "buffer", "size", "uint", "struct:timespec"],
    run: send,
  },
  {
    name: "mq_timedreceive",
    x86_64: 243,
    aarch64: 183,
    args: ["fd", "out-buffer", "size", "out:int", "struct:timespec"],
    run: receive,
  },
  {
    name: "mq_notify",
    x86_64: 244,
    aarch64: 184,
    args: ["fd", "struct:sigevent"],
    run: mqNotify,
  },
  {
    name: "mq_getsetattr",
    x86_64: 245,
    aarch64: 185,
    args: ["fd", "struct:mq_attr", "out:mq_attr"],
    run: getSetAttributes,
  },
];
