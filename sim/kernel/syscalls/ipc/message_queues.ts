/** System V message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2), after ipc/msg.c. */
import { Struct } from "../../abi/struct.ts";
import { EACCES, EAGAIN, EFAULT, EIDRM, EINVAL, ENOMSG, EPERM } from "../../errno.ts";
import {
  type Message,
  MessageQueue,
  MSG_COPY,
  MSG_EXCEPT,
  MSGMAX,
  MSGMNB,
  MSGMNI,
  Receiver,
} from "../../ipc/message_queues.ts";
import type { Call, SyscallRow } from "../../syscall.ts";
import { readStruct, writeStruct } from "../../user_struct.ts";
import {
  getObject,
  IPC_INFO,
  IPC_PERM,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  now,
  ownObject,
  permissionsOf,
  READ,
  readableObject,
  removeObject,
  setPermissions,
  WRITE,
} from "./common.ts";

const IPC_NOWAIT = 0o4000;
const MSG_STAT = 11, MSG_INFO = 12, MSG_STAT_ANY = 13;

/** struct msqid64_ds */
export const MsqidDs = new Struct("msqid64_ds", {
  ...IPC_PERM,
  sendTime: "i64",
  receiveTime: "i64",
  changeTime: "i64",
  bytes: "u64",
  messages: "u64",
  maxBytes: "u64",
  lastSender: "i32",
  lastReceiver: "i32",
  reserved: { zero: 16 },
});
/** struct msginfo */
export const Msginfo = new Struct("msginfo", {
  pool: "i32",
  map: "i32",
  max: "i32",
  mnb: "i32",
  mni: "i32",
  ssz: "i32",
  tql: "i32",
  seg: "u16",
});
/** Limits that Linux states and does not have (include/uapi/linux/msg.h). */
const MSGPOOL = MSGMNI * MSGMNB / 1024, MSGTQL = MSGMNB, MSGMAP = MSGMNB;
const MSGSSZ = 16, MSGSEG = 0xffff;
/** Bytes of a message's type, which come before its text. */
const TYPE_SIZE = 8;

function get(call: Call, key: number, flags: number): number {
  return getObject(call, call.kernel.ipc.messageQueues, key, flags, {
    check: () => 0,
    refuse: () => 0,
    make: (creation) => new MessageQueue(creation, () => now(call)),
  });
}

/** What a blocked msgsnd remembers. */
interface Sending {
  readonly queue: MessageQueue;
  readonly message: Message;
}

function send(call: Call, msqid: number, va: number, length: number, flags: number): number {
  const sending = call.resumed ? call.state as Sending : prepare(call, msqid, va, length);
  if (typeof sending === "number") return sending;
  const { queue, message } = sending;
  if (queue.gone) return -EIDRM;
  if (!queue.permits(call.process.credentials, WRITE)) return -EACCES;
  if (!queue.fits(message.text.length)) {
    if ((flags & IPC_NOWAIT) !== 0) return -EAGAIN;
    call.state = sending;
    return call.block(queue.room, { onSignal: "interrupt" });
  }
  queue.send(message, call.process.pid);
  return 0;
}

function prepare(call: Call, msqid: number, va: number, length: number): Sending | number {
  const { space } = call;
  const type = space.readBytes(va, TYPE_SIZE);
  if (typeof type === "number") return -EFAULT;
  if (length > MSGMAX || msqid < 0) return -EINVAL;
  const number = Number(new DataView(type.buffer, type.byteOffset).getBigInt64(0, true));
  if (number < 1) return -EINVAL;
  const text = new Uint8Array(length);
  if (space.copyIn(va + TYPE_SIZE, text) < 0) return -EFAULT;
  const queue = call.kernel.ipc.messageQueues.byId(msqid);
  return queue === undefined ? -EINVAL : { queue, message: { type: number, text } };
}

/** What a blocked msgrcv remembers. */
interface Receiving {
  readonly queue: MessageQueue;
  receiver: Receiver;
}

function receive(
  call: Call,
  msqid: number,
  va: number,
  size: number,
  type: number,
  flags: number,
): number {
  let queue: MessageQueue | undefined;
  if (call.resumed) {
    const receiving = call.state as Receiving;
    const { result } = receiving.receiver;
    if (result === null) return sleep(call);
    if (result !== -EAGAIN) {
      return typeof result === "number" ? result : store(call, va, size, result);
    }
    ({ queue } = receiving);
  } else {
    if (msqid < 0 || size >= 2 ** 63) return -EINVAL;
    const copies = (flags & MSG_COPY) !== 0;
    if (copies && (flags & (MSG_EXCEPT | IPC_NOWAIT)) !== IPC_NOWAIT) return -EINVAL;
    queue = call.kernel.ipc.messageQueues.byId(msqid);
    if (queue === undefined) return -EINVAL;
  }
  if (!queue.permits(call.process.credentials, READ)) return -EACCES;
  const selection = { type, size, flags };
  const { pid } = call.process;
  const found = (flags & MSG_COPY) !== 0 ? queue.copy(selection) : queue.receive(selection, pid);
  if (typeof found !== "number") return store(call, va, size, found);
  if (found !== -ENOMSG || (flags & IPC_NOWAIT) !== 0) return found;
  const receiver = new Receiver(selection, pid);
  queue.wait(receiver);
  call.state = { queue, receiver } satisfies Receiving;
  return sleep(call);
}

function sleep(call: Call): number {
  const { queue, receiver } = call.state as Receiving;
  const abandoned = (): void => queue.forget(receiver);
  return call.block(receiver.queue, { onSignal: "interrupt", abandoned });
}

/** A message for the caller, cut to the room it has. */
function store(call: Call, va: number, size: number, { type, text }: Message): number {
  const length = Math.min(size, text.length);
  const bytes = new Uint8Array(TYPE_SIZE + length);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(type), true);
  bytes.set(text.subarray(0, length), TYPE_SIZE);
  return call.space.copyOut(va, bytes) < 0 ? -EFAULT : length;
}

function control(call: Call, msqid: number, command: number, at: number): number {
  const { messageQueues } = call.kernel.ipc;
  if (msqid < 0 || command < 0) return -EINVAL;
  switch (command) {
    case IPC_INFO:
    case MSG_INFO:
      return information(call, command === MSG_INFO, at);
    case IPC_STAT:
    case MSG_STAT:
    case MSG_STAT_ANY:
      return status(call, msqid, command, at);
    case IPC_SET:
      return set(call, msqid, at);
    case IPC_RMID:
      return removeObject(call, messageQueues, msqid);
    default:
      return -EINVAL;
  }
}

/** Limits; with MSG_INFO also how many queues, messages and bytes there are. */
function information(call: Call, use: boolean, to: number): number {
  const { messageQueues } = call.kernel.ipc;
  const queues = messageQueues.objects;
  const sum = (what: (queue: MessageQueue) => number): number =>
    queues.reduce((total, queue) => total + what(queue), 0);
  const values = {
    pool: use ? queues.length : MSGPOOL,
    map: use ? sum(({ messages }) => messages.length) : MSGMAP,
    max: MSGMAX,
    mnb: MSGMNB,
    mni: MSGMNI,
    ssz: MSGSSZ,
    tql: use ? sum(({ bytes }) => bytes) : MSGTQL,
    seg: MSGSEG,
  };
  return writeStruct(call.space, Msginfo, to, values) < 0 ? -EFAULT : messageQueues.lastIndex;
}

function status(call: Call, msqid: number, command: number, to: number): number {
  const byIndex = command !== IPC_STAT;
  const how = { byIndex, anybody: command === MSG_STAT_ANY };
  const queue = readableObject(call, call.kernel.ipc.messageQueues, msqid, how);
  if (typeof queue === "number") return queue;
  const { sendTime, receiveTime, changeTime, bytes, maxBytes, lastSender, lastReceiver } = queue;
  const failed = writeStruct(call.space, MsqidDs, to, {
    ...permissionsOf(queue),
    ...{ sendTime, receiveTime, changeTime, bytes, maxBytes, lastSender, lastReceiver },
    messages: queue.messages.length,
  });
  return failed < 0 ? failed : byIndex ? queue.identifier : 0;
}

function set(call: Call, msqid: number, from: number): number {
  const given = readStruct(call.space, MsqidDs, from);
  if (given === null) return -EFAULT;
  const queue = ownObject(call, call.kernel.ipc.messageQueues, msqid);
  if (typeof queue === "number") return queue;
  if (given.maxBytes > MSGMNB && call.process.credentials.euid !== 0) return -EPERM;
  const failed = setPermissions(call, queue, given);
  if (failed < 0) return failed;
  queue.maxBytes = given.maxBytes;
  queue.changed();
  return 0;
}

export const messageQueueRows: readonly SyscallRow[] = [
  {
    name: "msgget",
    x86_64: 68,
    aarch64: 186,
    args: ["enum:ipc_key", "flags:ipc_get"],
    run: get,
  },
  {
    name: "msgsnd",
    x86_64: 69,
    aarch64: 189,
    args: ["int", "struct:msgbuf", "size", "flags:ipc_message"],
    run: send,
  },
  {
    name: "msgrcv",
    x86_64: 70,
    aarch64: 188,
    args: ["int", "out:msgbuf", "size", "long", "flags:ipc_message"],
    run: receive,
  },
  {
    name: "msgctl",
    x86_64: 71,
    aarch64: 187,
    args: ["int", "enum:msgctl", "ptr"],
    run: control,
  },
];
